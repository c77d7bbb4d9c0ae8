//! What is there when a store is opened again.

use super::{Place, all, held, insert, message, remove, tidy};
use crate::store::OpenError;

pub(crate) fn everything_is_there_after_reopening(place: &Place) {
    let store = place.open();
    let group: Vec<_> = (1..=50).map(|n| message(n, 1_000_000 - n * 10)).collect();
    let mut expected = Vec::new();
    for part in group.chunks(7) {
        expected.extend(insert(&*store, part).into_iter().zip(part).map(|(k, new)| held(k, new)));
    }
    expected.sort_by_key(|held| held.key);
    let mut store = store;
    for _ in 0..3 {
        let totals = store.totals().unwrap();
        drop(store);
        store = place.open();
        let now = store.totals().unwrap();
        assert_eq!((now.held, now.held_bytes), (totals.held, totals.held_bytes));
        assert_eq!((now.next_due_ms, now.oldest_ms), (totals.next_due_ms, totals.oldest_ms));
        assert_eq!(all(&*store), expected);
        let gone = expected.remove(3);
        assert_eq!(remove(&*store, &[gone.key]), 1);
    }
}

pub(crate) fn a_seq_is_never_used_again(place: &Place) {
    let store = place.open();
    let first = insert(&*store, &[message(1, 10), message(2, 20)]);
    assert!(first[0].seq >= 1);
    assert_eq!(remove(&*store, &first), 2);
    tidy(&*store);
    drop(store);
    let store = place.open();
    let second = insert(&*store, &[message(3, 10)]);
    assert!(second[0].seq > first[1].seq, "{second:?} after {first:?}");
    drop(store);
    let store = place.open();
    let third = insert(&*store, &[message(4, 10)]);
    assert!(third[0].seq > second[0].seq);
    assert_eq!(remove(&*store, &third), 1);
    let fourth = insert(&*store, &[message(5, 10)]);
    assert!(fourth[0].seq > third[0].seq);
}

pub(crate) fn a_second_opening_names_the_process(place: &Place) {
    let store = place.open();
    let arrived = insert(&*store, &[message(1, 10)]);
    match (place.open)(&place.address).map(drop) {
        Err(OpenError::Busy { pid, .. }) => assert_eq!(pid, std::process::id()),
        other => panic!("{other:?}"),
    }
    insert(&*store, &[message(2, 20)]);
    drop(store);
    assert_eq!(all(&*place.open())[0].key, arrived[0], "it is free again");
}
