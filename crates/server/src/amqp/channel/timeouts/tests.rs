//! How old deliveries are known to be.

use super::{Ages, NOTES_MAX, TAKEN_BACK_MAX};

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
