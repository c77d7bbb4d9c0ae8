//! How old deliveries are known to be.

use std::cell::Cell;

use broker::{Handle, QueueId};

use super::super::unacked::{Unacked, UnackedList};
use super::{Ages, LOOK_MAX, NOTES_MAX, TAKEN_BACK_MAX};

#[test]
fn a_tag_is_as_old_as_the_first_note_after_it() {
    let mut ages = Ages::default();
    ages.note(4, 1, 1000, 0);
    ages.note(6, 1, 2000, 0);
    assert_eq!(ages.older_than(500, 1400), 0);
    assert_eq!(ages.older_than(500, 1500), 4);
    assert_eq!(ages.older_than(500, 2500), 6);
}

#[test]
fn what_is_settled_needs_no_note() {
    let mut ages = Ages::default();
    ages.note(4, 1, 1000, 0);
    ages.note(6, 4, 2000, 0);
    assert_eq!(ages.older_than(500, 1900), 0);
    assert_eq!(ages.older_than(500, 2500), 6);
}

#[test]
fn an_idle_channel_notes_nothing() {
    let mut ages = Ages::default();
    for time in 0..1000 {
        ages.note(4, 1, time, 0);
    }
    assert_eq!(ages.notes.len(), 1);
}

#[test]
fn notes_are_few_and_the_oldest_delivery_keeps_its_age() {
    let mut ages = Ages::default();
    for time in 0..100_000_u64 {
        ages.note(time + 2, 1, time, 0);
    }
    assert!(ages.notes.len() <= NOTES_MAX);
    assert_eq!(ages.notes.front(), Some(&(2, 0)));
    let mut spaced = Ages::default();
    for time in 0..1000_u64 {
        spaced.note(time + 2, 1, time, 100);
    }
    assert_eq!(spaced.notes.len(), 10);
}

#[test]
fn what_was_taken_back_is_remembered_within_bounds() {
    let mut ages = Ages::default();
    [3, 4, 5, 9].into_iter().for_each(|tag| ages.take_back(tag));
    assert_eq!(ages.taken_back.len(), 2);
    let known: Vec<u64> = (1..12).filter(|tag| ages.was_taken_back(*tag)).collect();
    assert_eq!(known, [3, 4, 5, 9]);
    (0..5000).for_each(|n| ages.take_back(20 + 2 * n));
    assert_eq!(ages.taken_back.len(), TAKEN_BACK_MAX);
}

/// A channel has a consumer that may keep what it has, with a lot of it, and one that may not.
#[test]
fn a_look_is_short_and_the_next_one_goes_on() {
    let mut unacked = UnackedList::default();
    let count = 3 * LOOK_MAX as u64;
    let handle = Handle { queue: QueueId(0, 0), lane: 0, seq: 0, bytes: 0 };
    for tag in 1..=count {
        unacked.push(tag, Unacked { handle, consumer: u32::from(tag == count) });
    }
    let mut ages = Ages::default();
    let seen = Cell::new(0);
    let mut look = || {
        seen.set(0);
        ages.look(&unacked, count + 1, |_, _, consumer| {
            seen.set(seen.get() + 1);
            consumer == 1
        })
    };
    let found = [look(), look(), look()];
    assert_eq!(found, [None, None, Some(1)]);
    assert_eq!(seen.get(), LOOK_MAX);
    // What was late is gone soon; else the next look finds it again.
    assert_eq!(look(), Some(1));
    drop(unacked);
    // After the end, it begins at the start again.
    let mut few = UnackedList::default();
    few.push(1, Unacked { handle, consumer: 0 });
    ages.next_look = 2;
    assert_eq!(ages.look(&few, 9, |_, _, _| true), None);
    assert_eq!(ages.look(&few, 9, |_, _, _| true), Some(0));
}
