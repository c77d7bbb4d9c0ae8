//! A bus with real Kamailio nodes: it is joined, it shares messages and tables with ours, and nothing
//! that ours sends stops it.

mod crowd;
mod failures;
mod hazards;
mod messages;
mod partition;
mod tables;

use super::address;
use super::kamailio::Kamailio;
use super::node::Node;
use super::packet::Over;
use super::process::{Dmq, Member};

/// Two Kamailio nodes and one of ours, all of which know each other.
fn bus(over: Over) -> ([Kamailio; 2], Dmq) {
    bus_with(over, |ours| ours)
}

/// The same with more settings.
fn bus_with(over: Over, settings: impl FnOnce(Dmq) -> Dmq) -> ([Kamailio; 2], Dmq) {
    let pair = Kamailio::pair(over);
    // One of them is enough to find the other.
    let ours = settings(Dmq::beside(&[&pair[0]])).start();
    expect_all_active(&pair, &ours);
    (pair, ours)
}

/// Everybody holds everybody active, or gets to.
#[track_caller]
fn expect_all_active(pair: &[Kamailio; 2], ours: &Dmq) {
    ours.expect_active(&[&pair[0], &pair[1], ours]);
    for kamailio in pair {
        for member in [&pair[0] as &dyn Member, &pair[1], ours] {
            kamailio.expect_state(&member.uri(), "active");
        }
    }
}

/// A plain sender of SIP requests, which is no node.
fn phone() -> Node {
    Node::at(address::take(), Over::Udp).unaudited()
}

/// What the other tests take for granted.
#[test]
fn kamailios_find_each_other_and_share_a_table() {
    for over in [Over::Udp, Over::Tcp] {
        let [a, mut b] = Kamailio::pair(over);
        a.set("key", "a value");
        b.expect_cell("key", Some("a value"));
        let by = phone();
        assert!(a.broadcast(&by, "chat", "hello"));
        b.expect_taken(&a.uri(), "text/plain", "hello");
        assert!(b.send(&by, "chat", &a.uri(), "you"));
        a.expect_taken(&b.uri(), "text/plain", "you");
        b.kill9();
        a.expect_state(&b.uri(), "pending");
    }
}
