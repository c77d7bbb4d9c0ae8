//! What is counted.

use super::{Place, apply, insert, message, remove};
use crate::message::{DUE_MAX, Key, Millis, NewMessage};
use crate::store::Store;

/// Held, their bytes, next due.
fn sums(store: &dyn Store) -> (u64, u64, Option<Millis>) {
    let totals = store.totals().unwrap();
    (totals.held, totals.held_bytes, totals.next_due_ms)
}

fn bytes(messages: &[NewMessage]) -> u64 {
    messages.iter().map(|new| new.message.bytes() as u64).sum()
}

pub(crate) fn totals_follow_each_change(place: &Place) {
    let store = place.open();
    assert_eq!(sums(&*store), (0, 0, None));
    let group: Vec<_> = (1..=4).map(|n| message(n, 100 - n)).collect();
    let arrived = insert(&*store, &group);
    assert_eq!(sums(&*store), (4, bytes(&group), Some(96)));
    remove(&*store, &[arrived[3], Key::MIN]);
    assert_eq!(sums(&*store), (3, bytes(&group[..3]), Some(97)));
    let moved = apply(&*store, &[], &[], &[(arrived[2], 500), (arrived[1], 200)]).rescheduled;
    assert_eq!(sums(&*store), (3, bytes(&group[..3]), Some(99)));
    let more = [message(50, 300)];
    apply(&*store, &more, &[arrived[0]], &[]);
    let expected = (3, bytes(&group[1..3]) + bytes(&more), Some(200));
    assert_eq!(sums(&*store), expected);
    drop(store);
    let store = place.open();
    assert_eq!(sums(&*store), expected);
    let totals = store.totals().unwrap();
    assert!(totals.disk_bytes > 0, "{totals:?}");
    assert!(totals.part_bytes <= totals.part_bytes_max, "{totals:?}");
    remove(&*store, &[moved[0].unwrap(), moved[1].unwrap()]);
    assert_eq!(sums(&*store), (1, bytes(&more), Some(300)));
    tidy_changes_nothing(&*store);
}

fn tidy_changes_nothing(store: &dyn Store) {
    let before = sums(store);
    super::tidy(store);
    assert_eq!(sums(store), before);
}

pub(crate) fn the_oldest_is_known_to_the_minute(place: &Place) {
    let store = place.open();
    let stored = |stored_ms, due| NewMessage { stored_ms, ..message(1, due) };
    let oldest = || store.totals().unwrap().oldest_ms;
    assert_eq!(oldest(), None);
    let group = [stored(600_000, 10), stored(179_999, 30), stored(119_999, 20), stored(60_001, 5)];
    let arrived = insert(&*store, &group);
    assert_eq!(oldest(), Some(60_000));
    remove(&*store, &arrived[3..]);
    assert_eq!(oldest(), Some(60_000), "another one of the same minute is left");
    apply(&*store, &[], &[], &[(arrived[2], 700_000)]);
    assert_eq!(oldest(), Some(60_000), "when it is due has nothing to do with it");
    remove(&*store, &[Key { due_ms: 700_000, ..arrived[2] }]);
    assert_eq!(oldest(), Some(120_000));
    remove(&*store, &arrived);
    assert_eq!(oldest(), None);
}

pub(crate) fn a_histogram_counts_what_is_due_between_its_edges(place: &Place) {
    const MIN: Millis = 60_000;
    let store = place.open();
    let check = |edges: &[Millis], counts: &[u64]| {
        assert_eq!(store.histogram(edges).unwrap(), counts, "{edges:?}");
    };
    check(&[], &[]);
    check(&[0], &[]);
    check(&[0, MIN, DUE_MAX], &[0, 0]);
    let dues = [0, 59_999, MIN, MIN, 3 * MIN - 1, 3 * MIN, 100 * MIN, DUE_MAX];
    let group: Vec<_> = (1..).zip(dues).map(|(n, due)| message(n, due)).collect();
    let arrived = insert(&*store, &group);
    check(&[0, MIN], &[2]);
    check(&[0, MIN, 2 * MIN, 3 * MIN, 4 * MIN], &[2, 2, 1, 1]);
    check(&[MIN, 3 * MIN, 1000 * MIN], &[3, 2]);
    check(&[5 * MIN, 6 * MIN], &[0]);
    check(&[0, MIN, MIN, 200 * MIN], &[2, 0, 5]);
    check(&[3 * MIN], &[]);
    apply(&*store, &[], &[arrived[0]], &[(arrived[7], 2 * MIN)]);
    check(&[0, MIN, 2 * MIN, 3 * MIN, DUE_MAX], &[1, 2, 2, 2]);
}
