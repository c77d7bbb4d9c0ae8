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
use super::process::{Dmq, Member, within};
use super::receiving::Stream;
use crate::tls::Authority;

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
fn kamailios_find_each_other_and_share_a_table(over: Over) {
    let [mut a, b] = Kamailio::pair(over);
    a.set("key", "a value");
    b.expect_cell("key", Some("a value"));
    let by = phone();
    assert!(a.broadcast(&by, "chat", "hello"));
    b.expect_taken(&a.uri(), "text/plain", "hello");
    assert!(b.send(&by, "chat", &a.uri(), "you"));
    a.expect_taken(&b.uri(), "text/plain", "you");
    a.kill9();
    b.expect_unanswered(&a.uri());
}

#[test]
fn kamailios_find_each_other_and_share_a_table_by_udp() {
    kamailios_find_each_other_and_share_a_table(Over::Udp);
}

#[test]
fn kamailios_find_each_other_and_share_a_table_by_tcp() {
    kamailios_find_each_other_and_share_a_table(Over::Tcp);
}

#[test]
fn a_bus_over_tls_is_joined_by_its_certificate() {
    let authority = Authority::new("authority");
    let ips = [address::take(), address::take()];
    let mut a = Kamailio::secure(ips[0], None, &authority);
    let mut b = Kamailio::secure(ips[1], Some(&a.uri()), &authority);
    a.launch();
    b.launch();
    let ours = Dmq::beside(&[&a]).secured(&authority).start();
    let pair = [a, b];
    expect_all_active(&pair, &ours);
    assert_eq!(ours.broadcast("chat", "from ours").len(), 2);
    let by = phone();
    let mut chat = Stream::of(&ours, Some("chat"));
    for kamailio in &pair {
        kamailio.expect_taken(&ours.uri(), "text/plain", "from ours");
        assert!(kamailio.broadcast(&by, "chat", &kamailio.uri()));
        assert_eq!(chat.message()["body"], kamailio.uri());
    }
    pair[0].set("key", "a value");
    pair[1].expect_cell("key", Some("a value"));
    let cell = || ours.http("GET", "/api/dmq/htable/shared/key", "").1.contains("a value");
    within(crate::server::DEADLINE, "the cell", cell);
}
