//! In which order messages are loaded, and how many.

use super::{Place, all, insert, keys, message};
use crate::message::{DUE_MAX, Key, Millis};
use crate::store::Store;

pub(crate) fn messages_are_loaded_in_the_order_of_their_due_times(place: &Place) {
    let store = place.open();
    let dues = [500, 100, 300, 200, 400];
    let group: Vec<_> = (1..).zip(dues).map(|(n, due)| message(n, due)).collect();
    let inserted = insert(&*store, &group);
    let later = insert(&*store, &[message(6, 250)]);
    let due = |held: &crate::message::Held| held.key.due_ms;
    assert_eq!(all(&*store).iter().map(due).collect::<Vec<_>>(), [100, 200, 250, 300, 400, 500]);
    let some = store.load(inserted[1], 300, 10, usize::MAX).unwrap();
    assert_eq!(keys(&some), [inserted[3], later[0], inserted[2]]);
}

pub(crate) fn equal_due_times_keep_the_order_of_arrival(place: &Place) {
    let store = place.open();
    let mut arrived = insert(&*store, &[message(1, 70), message(2, 70), message(3, 70)]);
    arrived.extend(insert(&*store, &[message(4, 70), message(5, 70)]));
    let batch = store.load(Key::MIN, 70, 10, usize::MAX).unwrap();
    assert_eq!(keys(&batch), arrived);
    let batch = store.load(arrived[1], 70, 10, usize::MAX).unwrap();
    assert_eq!(keys(&batch), arrived[2..]);
}

pub(crate) fn a_load_ends_at_its_limits(place: &Place) {
    let store = place.open();
    let mut group: Vec<_> = (1..=8).map(|n| message(n, n * 10)).collect();
    for new in &mut group {
        new.message.body = vec![7; 1000];
    }
    let arrived = insert(&*store, &group);
    let count = |until, count_max, bytes_max| {
        let batch = store.load(Key::MIN, until, count_max, bytes_max).unwrap();
        assert_eq!(keys(&batch), arrived[..batch.held.len()]);
        assert_eq!(batch.next, arrived.get(batch.held.len()).copied());
        batch.held.len()
    };
    assert_eq!(count(Millis::MAX, 3, usize::MAX), 3);
    assert_eq!(count(Millis::MAX, 8, usize::MAX), 8);
    assert_eq!(count(50, 8, usize::MAX), 5, "due at 50 is due by 50");
    assert_eq!(count(49, 8, usize::MAX), 4);
    assert_eq!(count(9, 8, usize::MAX), 0);
    assert_eq!(count(Millis::MAX, 8, 0), 1, "at least one");
    assert_eq!(count(Millis::MAX, 8, 900), 1);
    assert_eq!(count(Millis::MAX, 8, 1500), 2, "the limit is reached by the second");
    assert_eq!(count(Millis::MAX, 8, 4500), 5);
}

pub(crate) fn a_load_says_what_comes_next(place: &Place) {
    let store = place.open();
    let next = |after, until| store.load(after, until, 2, usize::MAX).unwrap().next;
    assert_eq!(next(Key::MIN, Millis::MAX), None, "an empty store has nothing");
    let arrived = insert(&*store, &[message(1, 10), message(2, 20), message(3, 30)]);
    assert_eq!(next(Key::MIN, 5), Some(arrived[0]), "the first that is not due yet");
    assert_eq!(next(Key::MIN, 10), Some(arrived[1]));
    assert_eq!(next(Key::MIN, Millis::MAX), Some(arrived[2]), "the first beyond the limit");
    assert_eq!(next(arrived[0], Millis::MAX), None);
    assert_eq!(next(arrived[2], Millis::MAX), None);
    let between = Key { due_ms: 20, seq: 0 };
    assert_eq!(next(between, 10), Some(arrived[1]), "any key will do to begin after");
}

pub(crate) fn the_first_and_the_last_due_time_can_be_stored(place: &Place) {
    let store = place.open();
    let group = [message(1, DUE_MAX), message(2, 0), message(3, 1), message(4, DUE_MAX)];
    let arrived = insert(&*store, &group);
    let order = [arrived[1], arrived[2], arrived[0], arrived[3]];
    let check = |store: &dyn Store| {
        assert_eq!(all(store).iter().map(|held| held.key).collect::<Vec<_>>(), order);
        let batch = store.load(Key::MIN, DUE_MAX - 1, 9, usize::MAX).unwrap();
        assert_eq!((keys(&batch), batch.next), (order[..2].to_vec(), Some(arrived[0])));
        assert_eq!(store.load(Key::MIN, 0, 9, usize::MAX).unwrap().held.len(), 1);
    };
    check(&*store);
    drop(store);
    check(&*place.open());
}
