//! One thread writes, another one reads.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Place, apply, message};
use crate::message::{Key, Millis};
use crate::store::Store;

/// Messages of a group.
const GROUP: u64 = 10;

/// Groups that are there at a time.
const GROUPS_HELD: u64 = 5;

pub(crate) fn a_reader_sees_whole_changes(place: &Place) {
    let store = place.open();
    let store = &*store;
    let done = AtomicBool::new(false);
    let groups = if place.slow { 20 } else { 150 };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _end = Ended(&done);
            let mut held = std::collections::VecDeque::new();
            for n in 0..groups {
                let group: Vec<_> = (0..GROUP).map(|i| message(n * GROUP + i, 1000 + n)).collect();
                let old = if n < GROUPS_HELD { Vec::new() } else { held.pop_front().unwrap() };
                held.push_back(apply(store, &group, &old, &[]).inserted);
                store.tidy(n).unwrap();
            }
        });
        let mut looks = 0;
        // One more look after the end, so that there is one at all.
        let mut last = false;
        while !last {
            last = done.load(Ordering::Acquire);
            look(store, place.atomic);
            looks += 1;
        }
        assert!(looks > 0);
    });
    assert_eq!(super::all(store).len() as u64, GROUP * GROUPS_HELD);
}

/// Set when the writer ends, also by a panic.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

fn look(store: &dyn Store, atomic: bool) {
    let batch = store.load(Key::MIN, Millis::MAX, usize::MAX, usize::MAX).unwrap();
    assert_eq!(batch.damaged, [], "what was removed meanwhile is not damaged");
    for held in &batch.held {
        let n = held.stored_ms / 1000;
        let new = message(n, 1000 + n / GROUP);
        assert_eq!((held.key.due_ms, &held.message), (new.due_ms, &new.message));
    }
    let listed = store.list(Key::MIN, Millis::MAX, usize::MAX).unwrap();
    let totals = store.totals().unwrap();
    if atomic {
        // Messages that are removed between the look at the index and the read may be missing.
        assert_eq!(totals.held % GROUP, 0);
        let newest = batch.held.last().map_or(0, |held| held.key.due_ms);
        let of_newest = batch.held.iter().filter(|held| held.key.due_ms == newest).count() as u64;
        assert!(newest == 0 || of_newest == GROUP || listed.last().unwrap().key.due_ms > newest);
    }
    for entry in &listed {
        assert!(entry.message_id.starts_with(b"id-"), "{entry:?}");
    }
}
