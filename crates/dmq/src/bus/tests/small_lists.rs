//! Kamailio's small list, and the ways to break it: none of them is ours.

use std::time::Duration;

use super::net::*;
use crate::address::Transport;
use crate::desk::NodeState;
use crate::sip::write::Kdmq;
use crate::transport::Source;

/// A notification of one node to another, as somebody might make it up.
pub(super) fn notification(
    net: &mut Net,
    from: u16,
    to: u16,
    max_forwards: u8,
    body: &str,
) -> Vec<u8> {
    let (me, node) = (uri(from), uri(to));
    let call_id = format!("{}@test", net.now.as_nanos());
    let request = Kdmq {
        peer: "notification_peer",
        to: &node,
        from: &me,
        branch: &format!("z9hG4bK{}", net.now.as_nanos()),
        tag: "x",
        call_id: &call_id,
        max_forwards,
        content_type: "text/plain",
        body: body.as_bytes(),
    };
    let mut packet = Vec::new();
    request.write(&mut packet);
    packet
}

/// Where its packets come from.
pub(super) fn source(from: u16) -> Source {
    let address = address(from);
    Source { transport: Transport::Udp, address, flow: None, verified: false }
}

/// Sends such a notification.
pub(super) fn notify(net: &mut Net, from: u16, to: u16, max_forwards: u8, body: &str) {
    let packet = notification(net, from, to, max_forwards, body);
    net.with(to, |bus, clock| bus.received(&source(from), &packet, clock));
}

#[test]
fn forty_nodes_never_fill_the_list_of_a_kamailio() {
    for together in [false, true] {
        let mut net = Net::new(20);
        net.weather.latency_ms = 3;
        net.start_kamailio(1, &[2]);
        net.start_kamailio(2, &[1]);
        for number in 3..=40 {
            net.start(number, &[1, 2]);
            if !together {
                net.run_for(Duration::from_millis(50));
            }
        }
        // A Kamailio asserts that its list fits whenever it changes.
        net.run_for(INTERVAL * 3);
        let listed = net.kamailio(1).nodes.len();
        assert!(listed >= 20, "only {listed} nodes are on the list");
        // Ours know all of ours whom a Kamailio could tell them of, and both Kamailios.
        for number in 3..=40 {
            assert_eq!(net.state(1, number), Some(NodeState::Active));
            assert_eq!(net.state(2, number), Some(NodeState::Active));
        }
    }
}

#[test]
fn a_kamailio_that_joins_a_large_bus_of_ours_survives_it() {
    let mut net = Net::new(21);
    for number in 1..=45 {
        net.start(number, &[1]);
        net.run_for(Duration::from_millis(20));
    }
    net.start_kamailio(200, &[1]);
    net.run_for(INTERVAL * 2);
    let listed = net.kamailio(200).nodes.len();
    assert!((15..=27).contains(&listed), "{listed} nodes are on its list");
    for number in 1..=45 {
        assert_eq!(net.state(200, number), Some(NodeState::Active), "node {number}");
    }
}

#[test]
fn a_list_of_forty_is_taken_and_never_passed_on_whole() {
    let mut net = Net::new(22);
    net.start_kamailio(1, &[2]);
    net.start(2, &[1]);
    net.run_for(INTERVAL);
    let list: String = (100..140)
        .map(|number| format!("{};status=active\r\n", uri(number)))
        .chain([format!("{};status=active\r\n", uri(3))])
        .collect();
    net.start(3, &[]);
    notify(&mut net, 3, 2, 2, &list);
    net.run_for(INTERVAL * 3);
    assert_eq!(net.state(3, 2), Some(NodeState::Active));
    assert_ne!(net.state(105, 2), Some(NodeState::Active));
    assert!(net.kamailio(1).nodes.len() <= 3);
}
