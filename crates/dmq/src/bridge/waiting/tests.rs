//! The order of what waits, what confirms end, what goes again, and limits.

use std::time::Duration;

use super::*;

fn publication(name: &str) -> Publication {
    Publication {
        exchange: Vec::new(),
        routing_key: name.into(),
        properties: Vec::new(),
        body: Vec::new(),
    }
}

/// A list and the time at which it began. Entry number `n` lives until `n` seconds after.
struct Script {
    waiting: Waiting,
    start: Instant,
    pushed: u64,
    seq: u64,
}

impl Script {
    fn new() -> Script {
        Script { waiting: Waiting::new(4), start: Instant::now(), pushed: 0, seq: 0 }
    }

    fn push(&mut self, purpose: Purpose) {
        self.pushed += 1;
        let publication = publication(&self.pushed.to_string());
        self.waiting.push(purpose, publication, self.start + Duration::from_secs(self.pushed));
    }

    /// Adds so many messages of the bus; tickets and names count from 1.
    fn inbound(&mut self, count: u64) {
        for _ in 0..count {
            self.push(Purpose::Inbound(Some(self.pushed + 1)));
        }
    }

    /// Publishes all that is to be published; returns their names.
    fn publish(&mut self) -> String {
        let mut names = String::new();
        while let Some(next) = self.waiting.next() {
            names += str::from_utf8(&next.routing_key).unwrap();
            self.seq += 1;
            self.waiting.published(self.seq);
        }
        names
    }

    fn overdue(&mut self, seconds: u64) -> Vec<Purpose> {
        let now = self.start + Duration::from_secs(seconds);
        std::iter::from_fn(|| self.waiting.overdue(now)).collect()
    }
}

fn tickets(numbers: &[u64]) -> Vec<Purpose> {
    numbers.iter().map(|number| Purpose::Inbound(Some(*number))).collect()
}

fn reply(tag: u64) -> Purpose {
    Purpose::Reply(Unsettled { epoch: 1, tag, verdict: Verdict::Ack })
}

#[test]
fn confirms_end_what_they_name() {
    let mut script = Script::new();
    script.inbound(3);
    assert_eq!(script.publish(), "123");
    assert_eq!(script.waiting.acked(2, false), tickets(&[2]));
    assert_eq!(script.waiting.acked(2, false), []);
    script.inbound(1);
    assert_eq!(script.publish(), "4");
    assert_eq!(script.waiting.acked(4, true), tickets(&[1, 3, 4]));
    assert!(script.waiting.is_empty());
    assert_eq!((script.waiting.inbound(), script.waiting.bytes), (0, 0));
}

#[test]
fn what_a_lost_connection_had_goes_again_first_and_in_order() {
    let mut script = Script::new();
    script.inbound(3);
    assert_eq!(script.publish(), "123");
    assert_eq!(script.waiting.acked(2, false), tickets(&[2]));
    script.inbound(1);
    script.waiting.connection_lost();
    script.seq = 0;
    assert_eq!(script.publish(), "134");
    assert_eq!(script.waiting.acked(2, true), tickets(&[1, 3]));
}

#[test]
fn what_was_refused_goes_again_before_what_came_later() {
    let mut script = Script::new();
    script.inbound(2);
    assert_eq!(script.publish(), "12");
    script.inbound(1);
    script.waiting.nacked(2, true);
    assert_eq!(script.publish(), "123");
    assert_eq!(script.waiting.acked(5, true), tickets(&[1, 2, 3]));
}

#[test]
fn answers_are_given_up_when_the_channel_is_closed_over_them() {
    let mut script = Script::new();
    script.inbound(1);
    script.push(reply(7));
    script.inbound(1);
    assert_eq!(script.publish(), "123");
    script.push(reply(8));
    assert_eq!(script.waiting.channel_refused(), [reply(7)]);
    // One that was not on its way is not at fault.
    assert_eq!(script.publish(), "134");
}

#[test]
fn time_ends_what_waits_and_what_is_on_its_way() {
    let mut script = Script::new();
    assert_eq!(script.waiting.deadline(), None);
    script.inbound(2);
    assert_eq!(script.publish(), "12");
    script.inbound(2);
    assert_eq!(script.waiting.deadline(), Some(script.start + Duration::from_secs(1)));
    assert_eq!(script.overdue(0), []);
    assert_eq!(script.overdue(3), tickets(&[1, 2, 3]));
    assert_eq!(script.publish(), "4");
    // A late confirm changes nothing, and what was given up is not published again.
    assert_eq!(script.waiting.acked(1, false), []);
    script.waiting.connection_lost();
    assert_eq!(script.publish(), "4");
    assert_eq!(script.waiting.inbound(), 1);
}

#[test]
fn there_is_room_for_so_many_messages_and_bytes() {
    let mut script = Script::new();
    script.inbound(3);
    // Answers take no room.
    for tag in 0..4 {
        script.push(reply(tag));
    }
    assert_eq!(script.waiting.check_room(), Ok(()));
    script.inbound(1);
    assert_eq!(script.waiting.check_room(), Err(Full(4)));
    assert_eq!(script.overdue(1), tickets(&[1]));
    assert_eq!(script.waiting.check_room(), Ok(()));
    let large = Publication { body: vec![0; BYTES_MAX], ..publication("large") };
    script.waiting.push(Purpose::Inbound(None), large, script.start + Duration::from_secs(99));
    assert_eq!(script.waiting.check_room(), Err(Full(4)));
    let mut script = Script::new();
    let large = Publication { body: vec![0; BYTES_MAX], ..publication("large") };
    script.waiting.push(Purpose::Inbound(None), large, script.start);
    assert_eq!(script.waiting.check_room(), Err(Full(1)));
    assert_eq!(script.overdue(0), [Purpose::Inbound(None)]);
    assert_eq!(script.waiting.check_room(), Ok(()));
}
