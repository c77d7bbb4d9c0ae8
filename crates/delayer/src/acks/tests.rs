//! Acknowledgements against a broker's view of them.

use super::*;
use proptest::prelude::*;

fn acks(deliveries: u64) -> Acks {
    let mut acks = Acks::new();
    (1..=deliveries).for_each(|tag| acks.delivered(tag));
    acks
}

#[test]
fn a_settled_run_takes_one_method() {
    let mut acks = acks(5);
    [2, 1, 3].into_iter().for_each(|tag| acks.settle(tag));
    assert_eq!(acks.take(10), [(3, true)]);
    assert_eq!((acks.unacked(), acks.take(10)), (2, vec![]));
    acks.settle(4);
    assert_eq!(acks.take(10), [(4, false)]);
}

#[test]
fn behind_an_open_one_they_wait_until_there_are_many() {
    let mut acks = acks(5);
    [3, 5].into_iter().for_each(|tag| acks.settle(tag));
    assert_eq!(acks.take(2), []);
    acks.settle(4);
    assert_eq!(acks.take(2), [(3, false), (4, false), (5, false)]);
    assert_eq!(acks.unacked(), 2);
    // What was acked alone is not counted again.
    [1, 2].into_iter().for_each(|tag| acks.settle(tag));
    assert_eq!(acks.take(2), [(2, true)]);
    assert_eq!(acks.unacked(), 0);
}

#[test]
fn unknown_and_repeated_tags_are_passed_over() {
    let mut acks = acks(1);
    [0, 2, 1, 1].into_iter().for_each(|tag| acks.settle(tag));
    assert_eq!(acks.take(0), [(1, false)]);
    acks.settle(1);
    assert_eq!((acks.take(0), acks.unacked()), (vec![], 0));
}

proptest! {
    #[test]
    fn the_broker_forgets_exactly_what_is_settled(
        steps in proptest::collection::vec((0..3u8, 0..40u64), 1..300), waiting_max in 0..6usize
    ) {
        let (mut acks, mut open, mut settled, mut next) = (Acks::new(), vec![], vec![], 1);
        for (kind, pick) in steps {
            match kind {
                0 => {
                    acks.delivered(next);
                    open.push(next);
                    next += 1;
                }
                1 if !open.is_empty() => {
                    let tag = open.remove(pick as usize % open.len());
                    acks.settle(tag);
                    settled.push(tag);
                }
                _ => for (tag, multiple) in acks.take(waiting_max) {
                    let covers = |t: &u64| *t == tag || multiple && *t < tag;
                    prop_assert!(!open.iter().any(covers));
                    settled.retain(|t| !covers(t));
                }
            }
            prop_assert!(kind != 2 || settled.len() <= waiting_max);
            prop_assert_eq!(acks.unacked(), open.len() + settled.len());
        }
    }
}
