//! The list of unacked deliveries against a plain map, with random commands.

use std::collections::BTreeMap;

use broker::{Handle, QueueId};

use super::{Unacked, UnackedList};

fn unacked(seq: u64) -> Unacked {
    Unacked { handle: Handle { queue: QueueId(0, 0), lane: 0, seq, bytes: 0 }, consumer: 0 }
}

#[test]
fn behaves_like_a_map_by_tag() {
    let mut list = UnackedList::default();
    let mut model = BTreeMap::new();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = 1;
    for step in 0..200_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040);
        let choice = random >> 33;
        let tag = if next > 1 { 1 + choice % next } else { 1 };
        match choice % 10 {
            0..=4 => {
                list.push(next, unacked(next));
                model.insert(next, unacked(next));
                next += 1;
            }
            9 if choice % 50 == 9 => {
                let mut taken = Vec::new();
                list.take_through(tag, |tag, unacked| taken.push((tag, unacked)));
                let rest = model.split_off(&(tag + 1));
                assert_eq!(taken, model.into_iter().collect::<Vec<_>>(), "step {step}");
                model = rest;
            }
            _ => {
                assert_eq!(list.contains(tag), model.contains_key(&tag), "step {step}");
                let taken = list.take(tag);
                assert_eq!(taken, model.remove(&tag), "step {step}");
                if let (Some(unacked), 0) = (taken, choice % 7) {
                    list.restore(tag, unacked);
                    model.insert(tag, unacked);
                }
            }
        }
        assert_eq!(list.len(), model.len(), "step {step}");
    }
}

#[test]
fn deliveries_of_one_consumer_are_taken_and_the_others_stay() {
    let mut list = UnackedList::default();
    for tag in 1..=6 {
        list.push(tag, Unacked { consumer: (tag % 2) as u32, ..unacked(tag) });
    }
    list.take(3);
    assert_eq!(list.oldest(), Some(1));
    assert_eq!(list.between(0, 5).map(|(tag, _)| tag).collect::<Vec<_>>(), [1, 2, 4]);
    assert_eq!(list.between(2, 4).map(|(tag, _)| tag).collect::<Vec<_>>(), [2]);
    let mut taken = Vec::new();
    list.take_of(1, |tag, _| taken.push(tag));
    assert_eq!(taken, [1, 5]);
    assert_eq!((list.oldest(), list.len()), (Some(2), 3));
    list.take_of(0, |_, _| {});
    assert_eq!((list.oldest(), list.len()), (None, 0));
}
