//! The judge of crash tests is judged: every way to break the promise is seen.

use super::Ledger;
use crate::crash::message::{Key, body};

fn key(seq: u32) -> Key {
    Key { producer: 0, seq }
}

/// Sends and confirms messages 0..count to queue 0.
fn kept(count: u32) -> Ledger {
    let mut ledger = Ledger::default();
    for seq in 0..count {
        ledger.sent(key(seq), 0, true);
        ledger.confirmed(key(seq));
    }
    ledger
}

/// A delivery of message `seq` from queue 0.
fn deliver(ledger: &mut Ledger, seq: u32, redelivered: bool) {
    ledger.delivered(0, redelivered, &body(key(seq), 0, 100));
}

fn check(mut ledger: Ledger, wrong: &[&str]) {
    assert_eq!(ledger.take_wrong(), wrong);
}

#[test]
fn keeping_all_in_order_is_right() {
    let mut ledger = kept(3);
    deliver(&mut ledger, 0, false);
    deliver(&mut ledger, 0, true);
    ledger.found(0, &[key(0), key(1), key(2)], false);
    assert_eq!(ledger.waiting, 3);
    check(ledger, &[]);
}

#[test]
fn a_lost_one_is_seen() {
    let mut ledger = kept(2);
    ledger.found(0, &[key(1)], false);
    let lost = "queue 0: Key { producer: 0, seq: 0 } was confirmed, not acked, and is lost";
    check(ledger, &[lost]);
}

#[test]
fn acked_transient_and_unconfirmed_ones_may_be_missing() {
    let mut ledger = kept(1);
    ledger.acked(key(0));
    ledger.sent(key(1), 0, false);
    ledger.confirmed(key(1));
    ledger.sent(key(2), 0, true);
    ledger.found(0, &[], false);
    check(ledger, &[]);
}

#[test]
fn one_that_was_missing_does_not_come_back() {
    let mut ledger = kept(1);
    ledger.acked(key(0));
    ledger.found(0, &[], false);
    deliver(&mut ledger, 0, true);
    check(ledger, &["queue 0 delivers Key { producer: 0, seq: 0 }, which was gone"]);
}

#[test]
fn an_acked_one_that_comes_back_says_so() {
    let mut ledger = kept(1);
    deliver(&mut ledger, 0, false);
    ledger.acked(key(0));
    deliver(&mut ledger, 0, false);
    check(ledger, &["Key { producer: 0, seq: 0 } (Acked) comes again without redelivered"]);
}

#[test]
fn order_and_duplicates_are_seen() {
    let mut ledger = kept(3);
    ledger.found(0, &[key(0), key(2), key(1), key(1)], false);
    check(
        ledger,
        &[
            "queue 0: Key { producer: 0, seq: 1 } comes after 2",
            "queue 0: Key { producer: 0, seq: 1 } comes after 1",
            "queue 0 holds Key { producer: 0, seq: 1 } 2 times",
        ],
    );
}

#[test]
fn strangers_and_damage_are_seen() {
    let mut ledger = kept(1);
    deliver(&mut ledger, 7, false);
    ledger.delivered(1, false, &body(key(0), 0, 100));
    ledger.delivered(0, false, b"nothing");
    check(
        ledger,
        &[
            "queue 0 delivers Key { producer: 0, seq: 7 }, which was never sent",
            "queue 1 delivers Key { producer: 0, seq: 0 } of queue 0",
            "queue 0 delivers a body of 7 bytes",
        ],
    );
}
