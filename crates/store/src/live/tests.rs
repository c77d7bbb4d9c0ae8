//! A live set is a set.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn set() -> impl Strategy<Value = BTreeSet<u32>> {
    prop_oneof![
        prop::collection::btree_set(0u32..300, 1..200),
        prop::collection::btree_set(0u32..1_000_000, 1..50),
    ]
}

proptest! {
    #[test]
    fn behaves_like_a_set(mut model in set(), probes in prop::collection::vec(0u32..1_100, 0..80)) {
        let rels: Vec<u32> = model.iter().copied().collect();
        let mut live = LiveSet::from_sorted(rels.iter().copied());
        for probe in probes.into_iter().chain(rels.iter().copied().step_by(3)) {
            prop_assert_eq!(live.contains(probe), model.contains(&probe));
            prop_assert_eq!(live.next(probe), model.range(probe..).next().copied());
            prop_assert_eq!(live.remove(probe), model.remove(&probe));
            prop_assert_eq!(live.count() as usize, model.len());
        }
    }

    #[test]
    fn encoding_round_trips(model in set(), tail: Vec<u8>) {
        let live = LiveSet::from_sorted(model.iter().copied().collect::<Vec<_>>().into_iter());
        let mut bytes = Vec::new();
        live.encode(&mut bytes);
        let len = bytes.len();
        bytes.extend(tail);
        prop_assert_eq!(LiveSet::decode(&bytes), Some((live, len)));
    }

    #[test]
    fn any_bytes_are_refused_or_read_within_bounds(bytes: Vec<u8>) {
        if let Some((_, used)) = LiveSet::decode(&bytes) {
            prop_assert!(used <= bytes.len());
        }
    }
}

#[test]
fn sparse_sets_are_lists() {
    assert!(matches!(LiveSet::from_sorted([0, 1_000_000].into_iter()), LiveSet::List(_)));
    assert!(matches!(LiveSet::from_sorted(0..1000), LiveSet::Bits(_)));
}
