//! Nodes that die, come back and leave, and nodes that do nothing of that.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::kamailio::{ANSWER, PING};
use super::super::packet::Over;
use super::super::process::{Dmq, within};
use super::{bus, bus_with, expect_all_active};

/// What a slow machine may add.
const SLACK: Duration = Duration::from_secs(2);

#[test]
fn a_killed_node_of_ours_is_seen_and_comes_back() {
    let (pair, mut ours) = bus(Over::Udp);
    ours.kill9();
    let from = Instant::now();
    for kamailio in &pair {
        kamailio.expect_state_within(PING + ANSWER + SLACK, &ours.uri(), "disabled");
    }
    assert!(from.elapsed() <= PING + ANSWER + SLACK, "{:?}", from.elapsed());
    ours.launch();
    expect_all_active(&pair, &ours);
}

#[test]
fn killed_kamailios_are_seen_and_come_back() {
    let (mut pair, ours) = bus(Over::Udp);
    // A ping of ours is due within a second, and two of them wait 800 ms each.
    let bound = Duration::from_secs(1) + 2 * Duration::from_millis(800) + SLACK;
    for (n, state) in [(1, "disabled"), (0, "not_active")] {
        pair[n].kill9();
        // The first is a notification address, which is never given up.
        ours.expect_state_within(bound, &pair[n], state);
    }
    assert!(ours.broadcast("chat", "nobody").is_empty());
    pair.iter_mut().for_each(super::Kamailio::launch);
    expect_all_active(&pair, &ours);
    assert_eq!(ours.broadcast("chat", "both").len(), 2);
}

#[test]
fn nothing_flaps_while_all_are_well() {
    let (pair, ours) = bus(Over::Udp);
    let events = |ours: &Dmq| {
        let status = ours.api("GET", "/api/dmq/status", &Value::Null);
        status["events"].as_array().expect("events").len()
    };
    let before = (events(&ours), pair.each_ref().map(super::Kamailio::nodes));
    let until = Instant::now() + 2 * PING + Duration::from_secs(1);
    // Two of their pings and a dozen of ours.
    within(3 * PING, "the time is over", || {
        assert_eq!(pair.each_ref().map(super::Kamailio::nodes), before.1);
        Instant::now() >= until
    });
    assert_eq!(events(&ours), before.0, "{}", ours.stderr());
    assert_eq!(ours.metric("timeouts_total"), 0.0);
}

fn who_leaves_is_off_all_lists_at_once(over: Over) {
    let (pair, mut ours) = bus_with(over, |ours| ours.set("ping_interval", 60));
    ours.stop();
    // Well before any ping of theirs could have failed.
    for kamailio in &pair {
        kamailio.expect_state_within(ANSWER, &ours.uri(), "disabled");
    }
    for kamailio in &pair {
        kamailio.expect_state_within(PING + ANSWER + SLACK, &ours.uri(), "");
    }
    ours.launch();
    expect_all_active(&pair, &ours);
}

#[test]
fn who_leaves_is_off_all_lists_at_once_by_udp() {
    who_leaves_is_off_all_lists_at_once(Over::Udp);
}

#[test]
fn who_leaves_is_off_all_lists_at_once_by_tcp() {
    who_leaves_is_off_all_lists_at_once(Over::Tcp);
}

/// A Kamailio that was restarted within a ping never was away for the others, and knows nobody but
/// its notification address.
#[test]
fn a_kamailio_that_was_restarted_at_once_knows_all_again() {
    let (mut pair, ours) = bus(Over::Udp);
    pair[1].kill9();
    pair[1].launch();
    expect_all_active(&pair, &ours);
    assert_eq!(ours.broadcast("chat", "all").len(), 2);
}
