//! Forty nodes: more than a Kamailio can write down, so that it must not be told of all.

use std::time::{Duration, Instant};

use super::super::kamailio::{Kamailio, PING};
use super::super::node::{Manner, Node};
use super::super::packet::{NOTIFICATION, Over};
use super::super::process::{Dmq, Member, within};
use super::{bus, phone};

/// What Kamailio's list would be on the wire, in bytes.
fn list_bytes(kamailio: &Kamailio) -> usize {
    let nodes = kamailio.nodes();
    let active = nodes.iter().filter(|(_, state)| *state == "active");
    active.map(|(uri, _)| uri.len() + ";status=active\r\n".len()).sum()
}

/// They answer, broadcast, and share cells.
#[track_caller]
fn expect_well(pair: &[Kamailio; 2], by: &Node, mark: &str) {
    for [one, other] in [[&pair[0], &pair[1]], [&pair[1], &pair[0]]] {
        assert!(list_bytes(one) <= 1024, "{:?}", one.nodes());
        one.set(mark, &one.uri());
        other.expect_cell(mark, Some(&one.uri()));
        let hello = format!("{mark} of {}", one.uri());
        assert!(one.broadcast(by, "chat", &hello));
        other.expect_taken(&one.uri(), "text/plain", &hello);
    }
}

#[test]
fn a_list_of_forty_never_reaches_a_kamailio() {
    let nodes: Vec<Node> = (0..37).map(|_| Node::start()).collect();
    let (pair, ours) = bus(Over::Udp);
    // They know nobody but ours: a bus of so many Kamailio nodes does not work by itself.
    for node in &nodes {
        let lines = format!("{}\r\n{}\r\n", node.line(), ours.line());
        node.behave_for(NOTIFICATION, Manner::Body(lines.into_bytes()));
    }
    let by = phone();
    let all: String = nodes.iter().map(|node| node.line() + "\r\n").collect();
    let mut join = nodes[0].request(ours.ip(), NOTIFICATION, all);
    join.max_forwards = 2;
    assert_eq!(join.ask().code(), 200);
    for node in &nodes {
        ours.expect_state(node, "active");
    }
    assert_eq!(ours.nodes().len(), 40);
    assert_eq!(ours.broadcast("chat", "to all").len(), 39);
    let until = Instant::now() + 2 * PING;
    within(3 * PING, "two of their pings are over", || {
        assert!(pair.iter().all(|kamailio| list_bytes(kamailio) <= 1024));
        Instant::now() >= until
    });
    expect_well(&pair, &by, "after");
    ours.expect_active(&[&pair[0], &pair[1]]);
}

#[test]
fn thirty_eight_of_ours_leave_two_kamailios_well() {
    let pair = Kamailio::pair(Over::Udp);
    let by = phone();
    // A first one knows the Kamailios, and the others know it.
    let first = Dmq::beside(&[&pair[0]]).set("ping_interval", 2).start();
    first.expect_active(&[&pair[0], &pair[1]]);
    // All at once, so that many of them see the same room in a Kamailio's list.
    let plans = (0..37).map(|_| Dmq::beside(&[&first]).set("ping_interval", 2).set("listen", "[]"));
    let plans: Vec<Dmq> = plans.collect();
    let others: Vec<Dmq> = std::thread::scope(|scope| {
        let threads: Vec<_> = plans.into_iter().map(|plan| scope.spawn(|| plan.start())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let members: Vec<&dyn Member> = others.iter().map(|node| node as &dyn Member).collect();
    for member in &members {
        first.expect_state_within(Duration::from_secs(20), *member, "active");
    }
    within(Duration::from_secs(20), "forty are active", || {
        let nodes = first.nodes();
        nodes.len() == 40 && nodes.values().all(|state| state == "active")
    });
    let until = Instant::now() + 2 * PING;
    within(3 * PING, "two of their pings are over", || {
        assert!(pair.iter().all(|kamailio| list_bytes(kamailio) <= 1024));
        Instant::now() >= until
    });
    expect_well(&pair, &by, "after");
    assert_eq!(first.broadcast("nobody", "all").len(), 39);
    first.expect_active(&[&pair[0], &pair[1]]);
}
