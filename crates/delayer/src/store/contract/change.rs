//! What [`Store::apply`](crate::store::Store::apply) changes.

use super::{Place, all, apply, held, insert, message, remove};
use crate::message::Key;
use crate::store::Applied;

pub(crate) fn an_empty_change_does_nothing(place: &Place) {
    let store = place.open();
    assert_eq!(apply(&*store, &[], &[], &[]), Applied::default());
    let arrived = insert(&*store, &[message(1, 10)]);
    assert_eq!(apply(&*store, &[], &[], &[]), Applied::default());
    assert_eq!(all(&*store), [held(arrived[0], &message(1, 10))]);
}

pub(crate) fn removing_an_unknown_key_does_nothing(place: &Place) {
    let store = place.open();
    let arrived = insert(&*store, &[message(1, 10), message(2, 20)]);
    let other_due = Key { due_ms: 11, ..arrived[0] };
    let other_seq = Key { seq: arrived[1].seq + 1, ..arrived[1] };
    assert_eq!(remove(&*store, &[other_due, other_seq, Key::MIN]), 0);
    assert_eq!(all(&*store).len(), 2);
    assert_eq!(remove(&*store, &[other_due, arrived[0], arrived[0]]), 1, "once, named twice");
    assert_eq!(remove(&*store, &arrived), 1);
    assert_eq!(remove(&*store, &arrived), 0);
    assert_eq!(all(&*store), []);
    assert_eq!(store.totals().unwrap().held, 0);
}

pub(crate) fn rescheduling_keeps_the_seq(place: &Place) {
    let store = place.open();
    let arrived = insert(&*store, &[message(1, 10), message(2, 20), message(3, 30)]);
    let unknown = Key { due_ms: 99, seq: arrived[0].seq };
    let wanted = [(arrived[0], 25), (unknown, 5), (arrived[1], 20), (arrived[2], 0)];
    let moved = apply(&*store, &[], &[], &wanted).rescheduled;
    let at = |due_ms, key: Key| Key { due_ms, seq: key.seq };
    let now = [at(25, arrived[0]), at(20, arrived[1]), at(0, arrived[2])];
    assert_eq!(moved, [Some(now[0]), None, Some(now[1]), Some(now[2])]);
    let check = |store: &dyn crate::store::Store| {
        let expected = [
            held(now[2], &message(3, 30)),
            held(now[1], &message(2, 20)),
            held(now[0], &message(1, 10)),
        ];
        assert_eq!(all(store), expected);
        assert_eq!(store.get(arrived[0]).unwrap(), None, "nothing is left at the old time");
        assert_eq!(store.get(now[0]).unwrap(), Some(expected[2].clone()));
        assert_eq!(store.find(b"id-1", 9).unwrap()[0].key, now[0]);
        assert_eq!(store.totals().unwrap().next_due_ms, Some(0));
    };
    check(&*store);
    drop(store);
    let store = place.open();
    check(&*store);
    assert_eq!(remove(&*store, &arrived), 1, "only the one that stayed has its old key");
    assert_eq!(remove(&*store, &now), 2);
}

pub(crate) fn a_mixed_change_is_done_as_a_whole(place: &Place) {
    let store = place.open();
    let first = insert(&*store, &[message(1, 10), message(2, 20), message(3, 30)]);
    let new = [message(4, 15), message(5, 5)];
    let applied = apply(&*store, &new, &[first[0], Key::MIN], &[(first[2], 12), (Key::MIN, 1)]);
    assert_eq!(applied.removed, 1);
    let moved = Key { due_ms: 12, seq: first[2].seq };
    assert_eq!(applied.rescheduled, [Some(moved), None]);
    let expected = [
        held(applied.inserted[1], &new[1]),
        held(moved, &message(3, 30)),
        held(applied.inserted[0], &new[0]),
        held(first[1], &message(2, 20)),
    ];
    assert_eq!(all(&*store), expected);
    assert_eq!(store.totals().unwrap().held, 4);
    drop(store);
    assert_eq!(all(&*place.open()), expected);
}
