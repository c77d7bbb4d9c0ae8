//! Bodies of all sizes.

use super::{Place, all, entry, held, insert, message, remove, tidy};
use crate::message::{Key, Millis, NewMessage};

fn sized(n: u64, bytes: usize) -> NewMessage {
    let mut new = message(n, 1000 + n);
    // No two pages are alike, so that a misplaced one shows.
    let words = (0..bytes.div_ceil(8) as u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ n);
    new.message.body = words.flat_map(u64::to_le_bytes).take(bytes).collect();
    new
}

pub(crate) fn bodies_of_many_sizes_come_back(place: &Place) {
    const SIZES: [usize; 13] =
        [0, 1, 100, 1000, 2000, 2100, 4000, 4096, 4097, 70_000, 1 << 20, 5_000_001, 20 << 20];
    let store = place.open();
    let group: Vec<_> = (1..).zip(SIZES).map(|(n, bytes)| sized(n, bytes)).collect();
    let arrived = insert(&*store, &group);
    let expected: Vec<_> = arrived.iter().zip(&group).map(|(key, new)| held(*key, new)).collect();
    assert!(all(&*store) == expected, "read at once");
    drop(store);
    let store = place.open();
    assert!(all(&*store) == expected, "read after reopening");
    let listed = store.list(Key::MIN, Millis::MAX, 99).unwrap();
    let entries: Vec<_> = arrived.iter().zip(&group).map(|(key, new)| entry(*key, new)).collect();
    assert_eq!(listed, entries);
    let every_other: Vec<_> = arrived.iter().copied().step_by(2).collect();
    assert_eq!(remove(&*store, &every_other), 7);
    tidy(&*store);
    let kept: Vec<_> = expected.into_iter().skip(1).step_by(2).collect();
    assert!(all(&*store) == kept, "read after others were removed");
}

pub(crate) fn the_largest_body_comes_back(place: &Place) {
    let store = place.open();
    let group = [sized(1, 10), sized(2, place.body_bytes_max), sized(3, 10)];
    let arrived = insert(&*store, &group);
    let one = |key, n: usize| Some(held(key, &group[n]));
    assert!(store.get(arrived[1]).unwrap() == one(arrived[1], 1));
    let batch = store.load(Key::MIN, Millis::MAX, 9, 1 << 20).unwrap();
    assert_eq!(batch.held.len(), 2, "it fills a load");
    assert_eq!(batch.next, Some(arrived[2]));
    assert_eq!(remove(&*store, &arrived[1..2]), 1);
    tidy(&*store);
    assert!(store.get(arrived[2]).unwrap() == one(arrived[2], 2));
}
