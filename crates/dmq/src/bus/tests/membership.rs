//! Who is on the bus, in whose eyes.

use std::time::Duration;

use super::kamailio::Status;
use super::net::*;
use crate::desk::NodeState;

/// A bus of ours, all of which ask the first.
fn bus(count: u16, seed: u64) -> Net {
    let mut net = Net::new(seed);
    for number in 1..=count {
        net.start(number, &[1]);
        net.run_for(Duration::from_millis(20));
    }
    net
}

fn all_know_all(net: &mut Net, count: u16) -> bool {
    let active = |net: &mut Net, number| net.ours(number).bus.members.active().count();
    (1..=count).all(|number| active(net, number) == usize::from(count) - 1)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn nodes_find_each_other_through_the_first() {
    let mut net = bus(5, 1);
    net.run_until("all know all", secs(2), |net| all_know_all(net, 5));
    let status = net.ours(3).bus.status(WALL_MS, clock(secs(3)));
    assert_eq!(status.nodes.len(), 5);
    assert!(status.nodes[0].local && status.nodes[0].uri == uri(3));
    assert!(status.nodes[1].configured && status.nodes[1].agent.starts_with("Leveret/"));
    assert!(status.nodes[1].round_trip_us.is_some_and(|took| took > 1000));
    assert!(status.nodes.iter().all(|node| node.last_seen_ms.is_some()));
}

#[test]
fn forty_nodes_converge_and_their_traffic_stays_linear() {
    let mut net = bus(39, 2);
    net.run_until("all know all", INTERVAL * 2, |net| all_know_all(net, 39));
    net.start(40, &[1]);
    net.run_until("the last is known to all", INTERVAL * 2, |net| all_know_all(net, 40));
    // They also ask for tables, once.
    net.run_for(INTERVAL);
    let before: Vec<u64> = (1..=40).map(|number| net.ours(number).packets).collect();
    net.run_for(INTERVAL);
    for (number, before) in (1..=40).zip(before) {
        let packets = net.ours(number).packets - before;
        // A ping to each and an answer to each, at intervals that chance makes a little shorter.
        assert!((74..=90).contains(&packets), "node {number} sent {packets} packets");
    }
    assert!(all_know_all(&mut net, 40));
}

#[test]
fn a_dead_node_is_noticed_in_time_and_forgotten_by_all() {
    let mut net = bus(6, 3);
    net.run_for(secs(2));
    net.kill(4);
    let start = net.now;
    let most = INTERVAL + 2 * PING_TIMEOUT + secs(1);
    net.run_until("all hold it disabled", most, |net| {
        [1, 2, 3, 5, 6].iter().all(|by| net.state(4, *by) == Some(NodeState::Disabled))
    });
    net.run_until("all have forgotten it", 2 * INTERVAL + FR_TIMER + secs(1), |net| {
        [1, 2, 3, 5, 6].iter().all(|by| net.state(4, *by).is_none())
    });
    // No list brings it back.
    for _ in 0..100 {
        net.run_for(secs(10));
        assert!(
            [1, 2, 3, 5, 6].iter().all(|by| net.state(4, *by).is_none()),
            "{:?}",
            net.now - start
        );
    }
    net.start(4, &[1]);
    net.run_until("it is back", INTERVAL, |net| all_know_all(net, 6));
}

#[test]
fn what_dies_and_comes_back_at_once_is_back_at_once() {
    let mut net = bus(4, 4);
    net.run_for(secs(2));
    net.kill(2);
    net.run_for(INTERVAL + 3 * PING_TIMEOUT);
    assert_eq!(net.state(2, 3), Some(NodeState::Disabled));
    net.start(2, &[1]);
    net.run_until("it is back", secs(3), |net| all_know_all(net, 4));
}

#[test]
fn leaving_is_told_and_believed() {
    let mut net = bus(4, 5);
    net.run_for(secs(2));
    net.with(3, |bus, clock| bus.leave(clock));
    // Who asks now gets no list, which would make it active again.
    let ping = super::small_lists::notification(&mut net, 1, 3, 1, "");
    let from = super::small_lists::source(1);
    net.with(3, |bus, clock| bus.handle(&ping, &from, 1, clock)).unwrap();
    assert_eq!(net.ours(3).handled[0].code, 503);
    net.run_until("all have heard", secs(1), |net| net.ours(3).bus.has_left());
    for by in [1, 2, 4] {
        assert_eq!(net.state(3, by), Some(NodeState::Disabled));
    }
    net.kill(3);
    net.run_for(INTERVAL * 4);
    assert!([1, 2, 4].iter().all(|by| net.state(3, *by).is_none()));
}

#[test]
fn nobody_flaps_on_a_bad_network() {
    let mut net = bus(6, 6);
    net.run_until("all know all", secs(5), |net| all_know_all(net, 6));
    net.weather = Weather { lost: 0.1, doubled: 0.1, latency_ms: 100 };
    for _ in 0..600 {
        net.run_for(secs(1));
        let down = (1..=6)
            .any(|by| (1..=6).any(|of| of != by && net.state(of, by) == Some(NodeState::Disabled)));
        assert!(!down, "{:?}", net.now);
    }
}

#[test]
fn a_bus_that_fell_apart_comes_together_again() {
    let mut net = bus(6, 7);
    net.run_for(secs(2));
    for number in [4, 5, 6] {
        net.part.insert(address(number), 1);
    }
    net.run_for(INTERVAL * 5);
    assert_eq!(net.ours(1).bus.members.active().count(), 2);
    assert_eq!(net.ours(5).bus.members.active().count(), 2);
    net.part.clear();
    net.run_until("all know all", INTERVAL * 2, |net| all_know_all(net, 6));
}

#[test]
fn a_process_that_stood_still_blames_nobody() {
    let mut net = bus(3, 8);
    net.run_for(INTERVAL);
    // Its clock goes on while it gets nothing done: what was lost meanwhile is its own fault.
    net.run_for(secs(1));
    net.now += secs(3 * 60);
    net.run_for(PING_TIMEOUT / 2);
    assert_ne!(net.state(1, 2), Some(NodeState::Disabled));
    net.run_until("all know all", INTERVAL, |net| all_know_all(net, 3));
}

#[test]
fn hearsay_alone_makes_nobody_active() {
    let mut net = bus(2, 9);
    net.run_for(secs(2));
    // Somebody who is not there is named by one who is.
    let list = format!("{};status=active\r\n{};status=active\r\n", uri(2), uri(77));
    super::small_lists::notify(&mut net, 2, 1, 1, &list);
    net.run_for(Duration::from_millis(50));
    assert_eq!(net.state(77, 1), Some(NodeState::Pending));
    for _ in 0..60 {
        net.run_for(secs(10));
        super::small_lists::notify(&mut net, 2, 1, 1, &list);
        assert_ne!(net.state(77, 1), Some(NodeState::Active));
        assert!(net.ours(1).bus.members.active().eq([&uri(2)]));
    }
    // Nor does it make anybody disabled.
    let list = format!("{};status=active\r\n{};status=disabled\r\n", uri(1), uri(2));
    super::small_lists::notify(&mut net, 88, 1, 1, &list);
    net.run_for(secs(1));
    assert_eq!(net.state(2, 1), Some(NodeState::Active));
}

#[test]
fn kamailio_and_ours_know_each_other_whoever_starts_first() {
    for first in [true, false] {
        let mut net = Net::new(10);
        if first {
            net.start_kamailio(1, &[2]);
            net.run_for(secs(100));
        }
        net.start(2, &[1]);
        if !first {
            net.run_for(secs(100));
            net.start_kamailio(1, &[2]);
        }
        net.run_until("both know both", INTERVAL + secs(1), |net| {
            net.state(1, 2) == Some(NodeState::Active)
                && net.kamailio(1).status(&uri(2)) == Some(Status::Active)
        });
        net.start_kamailio(3, &[2]);
        net.run_until("a third comes through ours", INTERVAL + secs(1), |net| {
            net.state(3, 2) == Some(NodeState::Active)
                && net.kamailio(3).status(&uri(1)) == Some(Status::Active)
                && net.kamailio(1).status(&uri(3)) == Some(Status::Active)
        });
        net.with(2, |bus, clock| bus.leave(clock));
        net.run_for(secs(1));
        assert_eq!(net.kamailio(3).status(&uri(2)), Some(Status::Disabled));
    }
}
