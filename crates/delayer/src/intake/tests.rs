//! Groups: when they are written, in which order, and what becomes of them when a channel ends.

use super::*;
use crate::message::Message;

const HOUR: Duration = Duration::from_secs(3600);

fn message(name: u64, bytes: usize) -> NewMessage {
    let message = Message { body: vec![0; bytes], ..Message::default() };
    NewMessage { due_ms: name, stored_ms: 0, message_id: Vec::new(), message }
}

/// An intake on its first channel, with groups of three.
fn intake(timeout: Duration) -> Intake {
    let mut intake = Intake::new(100, 3, timeout);
    intake.connected(1);
    intake
}

fn arrive(intake: &mut Intake, names: std::ops::RangeInclusive<u64>) {
    for name in names {
        let tag = intake.delivered(name);
        intake.hold(message(name, 10), tag);
    }
}

fn names(group: &[NewMessage]) -> Vec<u64> {
    group.iter().map(|message| message.due_ms).collect()
}

#[test]
fn a_group_is_written_when_it_is_full_large_or_old() {
    let mut full = intake(HOUR);
    arrive(&mut full, 1..=2);
    assert!(full.is_waiting() && !full.is_due());
    arrive(&mut full, 3..=3);
    assert!(full.is_due());
    let mut large = intake(HOUR);
    let tag = large.delivered(1);
    large.hold(message(1, GROUP_BYTES_MAX), tag);
    assert!(large.is_due());
    let mut old = intake(Duration::ZERO);
    assert!(!old.is_due() && old.deadline().is_none());
    arrive(&mut old, 1..=1);
    assert!(old.is_due());
}

#[test]
fn several_groups_go_together_when_the_disk_was_busy() {
    let mut intake = intake(HOUR);
    arrive(&mut intake, 1..=7);
    assert_eq!(names(&intake.take().0), [1, 2, 3, 4, 5, 6, 7]);
    assert!(!intake.is_waiting() && intake.deadline().is_none());
}

#[test]
fn deliveries_are_settled_by_the_write() {
    let mut intake = intake(HOUR);
    arrive(&mut intake, 1..=3);
    let (_, tags) = intake.take();
    arrive(&mut intake, 4..=4);
    intake.written(&tags);
    assert_eq!((intake.acks.take(0), intake.unacked()), (vec![(3, true)], 1));
}

#[test]
fn what_was_not_written_comes_first_the_next_time() {
    let mut intake = intake(HOUR);
    arrive(&mut intake, 1..=3);
    let (group, tags) = intake.take();
    arrive(&mut intake, 4..=4);
    intake.not_written(group, tags);
    let (group, tags) = intake.take();
    assert_eq!(names(&group), [1, 2, 3, 4]);
    intake.written(&tags);
    assert_eq!(intake.acks.take(0), [(4, true)]);
}

#[test]
fn a_lost_channel_brings_its_deliveries_again() {
    let mut intake = intake(HOUR);
    arrive(&mut intake, 1..=3);
    let (group, tags) = intake.take();
    arrive(&mut intake, 4..=5);
    intake.disconnected();
    assert!(!intake.is_waiting());
    intake.connected(2);
    arrive(&mut intake, 1..=1);
    // Late news of the first channel settles nothing on the second.
    intake.written(&tags);
    assert_eq!((intake.acks.take(0), intake.unacked()), (vec![], 1));
    intake.not_written(group, tags);
    assert_eq!(names(&intake.take().0), [1]);
}

#[test]
fn a_deleted_queue_leaves_what_it_had_delivered() {
    let mut intake = intake(HOUR);
    arrive(&mut intake, 1..=2);
    intake.orphaned();
    intake.disconnected();
    intake.connected(2);
    arrive(&mut intake, 1..=1);
    let (group, tags) = intake.take();
    assert_eq!(names(&group), [1, 2, 1]);
    intake.not_written(group, tags);
    let (group, tags) = intake.take();
    assert_eq!(names(&group), [1, 2, 1]);
    intake.written(&tags);
    assert_eq!(intake.acks.take(0), [(1, false)]);
}

#[test]
fn reading_stops_while_too_much_waits() {
    let mut intake = intake(HOUR);
    intake.forwarding(WAITING_BYTES_MAX / 2);
    let tag = intake.delivered(1);
    intake.hold(message(1, WAITING_BYTES_MAX / 2), tag);
    assert!(intake.is_full());
    let (_, tags) = intake.take();
    assert!(intake.is_full());
    intake.written(&tags);
    assert!(!intake.is_full());
    intake.forwarding(WAITING_BYTES_MAX / 2);
    assert!(intake.is_full());
    intake.forwarded(WAITING_BYTES_MAX / 2);
    assert!(!intake.is_full());
}

#[test]
fn a_full_storage_is_offered_half_of_the_group() {
    let mut intake = intake(HOUR);
    arrive(&mut intake, 1..=6);
    for expected in [vec![1, 2, 3, 4, 5, 6], vec![1, 2, 3], vec![1]] {
        let (group, tags) = intake.take();
        assert_eq!(names(&group), expected);
        assert_eq!(intake.had_no_room(group.len()), group.len() > 1);
        intake.not_written(group, tags);
    }
    for expected in [vec![1], vec![2, 3], vec![4, 5, 6]] {
        let (group, tags) = intake.take();
        assert_eq!(names(&group), expected);
        intake.written(&tags);
        intake.had_room();
    }
    assert_eq!(intake.acks.take(0), [(6, true)]);
    assert!(!intake.is_waiting() && !intake.is_full());
}
