//! The three lists against a plain list, with random additions and removals.

use std::rc::Rc;

use amqp::value::{Table, Value};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Binding, Bindings, Destination, ExchangeId, sorted};
use crate::QueueId;

fn binding((source, to, key, arguments): (u32, u32, u8, bool)) -> Binding {
    let mut table = Table::new();
    if arguments {
        table.insert("a", Value::I64(1));
    }
    let destination = match to {
        0 => Destination::Exchange(ExchangeId(0)),
        n => Destination::Queue(QueueId(n, 0)),
    };
    let key: Rc<[u8]> = [key].into();
    Binding { source: ExchangeId(source), destination, key, arguments: table, durable: false }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lists_agree_with_a_plain_list(
        steps in vec((any::<bool>(), (0..3u32, 0..3u32, 0..2u8, any::<bool>())), 0..80)
    ) {
        let mut bindings = Bindings::default();
        let mut model: Vec<Binding> = Vec::new();
        for (add, step) in steps {
            let binding = binding(step);
            let known = model.iter().position(|other| *other == binding);
            prop_assert_eq!(bindings.find(&binding).is_some(), known.is_some());
            if add {
                prop_assert_eq!(bindings.insert(binding.clone()).is_some(), known.is_none());
                if known.is_none() {
                    model.push(binding);
                }
            } else if let Some(id) = bindings.find(&binding) {
                prop_assert_eq!(bindings.remove(id), Some(binding));
                model.remove(known.expect("both have it"));
            }
            prop_assert_eq!(bindings.len(), model.len());
            for n in 0..3 {
                let source = ExchangeId(n);
                let from = bindings.from(source).map(|(_, binding)| binding);
                let want = model.iter().rev().filter(|binding| binding.source == source);
                prop_assert!(from.eq(want));
                prop_assert_eq!(
                    bindings.any_from(source),
                    model.iter().any(|binding| binding.source == source)
                );
                let to = Destination::Queue(QueueId(n, 0));
                let want = model.iter().rev().filter(|binding| binding.destination == to);
                prop_assert!(bindings.to(to).map(|(_, binding)| binding).eq(want));
            }
        }
    }
}

#[test]
fn arguments_are_sorted_and_keep_duplicates() {
    let table = Table(vec![
        (b"b".to_vec(), Value::I64(1)),
        (b"a".to_vec(), Value::I64(2)),
        (b"b".to_vec(), Value::I64(3)),
    ]);
    let names: Vec<_> = sorted(&table).0.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [b"a", b"b", b"b"]);
}
