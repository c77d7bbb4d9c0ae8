//! Messages: to whom, once, in order, and what is told of them.

use std::time::Duration;

use super::net::*;
use crate::desk::{SendError, Subscription, TableSet, Value};
use crate::message::{Outcome, Recipient};

fn pair(seed: u64) -> Net {
    let mut net = Net::new(seed);
    net.start(1, &[]);
    net.start(2, &[1]);
    net.run_for(Duration::from_secs(1));
    net
}

fn words(net: &mut Net, by: u16, ticket: u64) -> Vec<&'static str> {
    net.ours(by).sent[&ticket].iter().map(|one| one.outcome.word()).collect()
}

#[test]
fn a_broadcast_reaches_everybody_once_and_in_order_on_a_bad_network() {
    for seed in 0..4 {
        let mut net = Net::new(seed);
        for number in 1..=4 {
            net.start(number, &[1]);
        }
        net.run_for(Duration::from_secs(2));
        net.weather = Weather { lost: 0.2, doubled: 0.2, latency_ms: 300 };
        let texts: Vec<String> = (0..100).map(|number| format!("text {number}")).collect();
        for (ticket, text) in (1..).zip(&texts) {
            net.broadcast(1, text, ticket);
            net.run_for(Duration::from_millis(50));
        }
        net.run_for(FR_TIMER * 4);
        for number in [2, 3, 4] {
            assert_eq!(net.heard(number), texts, "node {number}, seed {seed}");
        }
        for ticket in 1..=100 {
            assert_eq!(words(&mut net, 1, ticket), ["taken"; 3]);
        }
    }
}

#[test]
fn a_silent_node_holds_up_nobody_and_its_outcome_says_so() {
    let mut net = Net::new(30);
    for number in 1..=3 {
        net.start(number, &[1]);
    }
    net.run_for(Duration::from_secs(2));
    net.kill(3);
    for ticket in 1..=50 {
        net.broadcast(1, "x", ticket);
    }
    net.run_for(Duration::from_millis(500));
    assert_eq!(net.heard(2).len(), 50);
    net.run_for(FR_TIMER * 2);
    assert_eq!(words(&mut net, 1, 1), ["taken", "timeout"]);
    // Once it is held to be down, what waits for it is given up.
    assert_eq!(words(&mut net, 1, 50), ["taken", "dropped"]);
}

#[test]
fn what_does_not_fit_is_refused_at_once() {
    let mut net = pair(31);
    net.kill(2);
    for ticket in 1..=1100 {
        net.broadcast(1, "x", ticket);
    }
    assert_eq!(words(&mut net, 1, 1100), ["full"]);
    assert_eq!(net.ours(1).bus.counters.full, 99);
}

#[test]
fn a_message_goes_only_where_it_can() {
    let mut net = pair(32);
    let to_two = message(Recipient::One(uri(2)), "only you");
    net.with(1, |bus, clock| bus.send(to_two, 1, clock)).unwrap();
    net.run_for(Duration::from_secs(1));
    assert_eq!(net.heard(2), ["only you"]);
    let refused = |net: &mut Net, to: u16| {
        let message = message(Recipient::One(uri(to)), "x");
        net.with(1, |bus, clock| bus.send(message, 9, clock)).unwrap_err()
    };
    assert_eq!(refused(&mut net, 9), SendError::UnknownNode(uri(9)));
    assert_eq!(refused(&mut net, 1), SendError::Ourselves(uri(1)));
    for (peer, content_type, body) in [
        ("", "", 1),
        ("two words", "", 1),
        ("notification_peer", "", 1),
        ("chat", "text/plain\r\nX: y", 1),
        ("chat", "text/plain", 60_001),
    ] {
        let mut message = message(Recipient::All, &"x".repeat(body));
        message.peer = peer.into();
        message.content_type = content_type.into();
        let sent = net.with(1, |bus, clock| bus.send(message, 9, clock));
        assert!(sent.is_err(), "{peer:?} {content_type:?} {body}");
    }
    let mut deadly = message(Recipient::All, "{}");
    deadly.peer = "htable".into();
    let sent = net.with(1, |bus, clock| bus.send(deadly, 9, clock));
    assert!(matches!(sent, Err(SendError::BadBody { .. })), "{sent:?}");
    let mut unknown = message(Recipient::All, "x");
    unknown.peer = "nobody".into();
    net.with(1, |bus, clock| bus.send(unknown, 2, clock)).unwrap();
    net.run_for(Duration::from_secs(1));
    let outcome = net.ours(1).sent[&2][0].outcome.clone();
    assert_eq!(outcome, Outcome::Answered { code: 404, reason: "User Not Found".into() });
}

#[test]
fn tables_are_the_same_everywhere_also_for_who_comes_later() {
    let mut net = pair(33);
    let set = |key: &str, expire_s| TableSet {
        table: "shared".into(),
        key: key.into(),
        value: Value::Text(format!("value of {key}")),
        expire_s,
    };
    for number in 0..200_u64 {
        let set = set(&format!("key {number}"), (number % 2 == 0).then_some(1000));
        let by = if number % 3 == 0 { 1 } else { 2 };
        net.with(by, |bus, clock| bus.set_cell(&set, 100 + number, clock)).unwrap();
    }
    net.run_for(Duration::from_secs(2));
    net.start(3, &[1]);
    net.run_for(Duration::from_secs(2));
    let dump = |net: &mut Net, by: u16| {
        let now_ms = clock(net.now).wall_ms;
        let cells = net.ours(by).bus.tables.as_ref().unwrap().dump("shared", now_ms).unwrap();
        let seconds = |ms: Option<u64>| ms.map(|ms| ms.div_ceil(10_000));
        cells
            .into_iter()
            .map(|cell| (cell.key, cell.value, seconds(cell.expires_in_ms)))
            .collect::<Vec<_>>()
    };
    let first = dump(&mut net, 1);
    assert_eq!(first.len(), 200);
    assert_eq!(dump(&mut net, 2), first);
    assert_eq!(dump(&mut net, 3), first);
    let gone = net.with(3, |bus, clock| bus.delete_cell("shared", "key 7", 999, clock));
    assert_eq!(gone, Ok(true));
    net.run_for(Duration::from_secs(1));
    for by in [1, 2, 3] {
        assert_eq!(dump(&mut net, by).len(), 199, "node {by}");
    }
}

#[test]
fn a_replicated_request_goes_round_once() {
    let mut net = pair(34);
    let request =
        b"REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/UDP 10.9.9.9;branch=z9hG4bKx\r\n\
        To: <sip:a@example.org>\r\nFrom: <sip:a@example.org>;tag=1\r\nCall-ID: c\r\n\
        CSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n";
    let phone = "10.9.9.9".parse().unwrap();
    net.with(1, |bus, clock| bus.replicate(request, Some(phone), false, 1, clock)).unwrap();
    net.run_for(Duration::from_secs(1));
    assert_eq!(net.ours(1).sent[&1][0].outcome.word(), "refused", "405: nobody here registers");
    let node = Some(address(2).ip());
    let looped = net.with(1, |bus, clock| bus.replicate(request, node, false, 2, clock));
    assert!(looped.is_err());
    net.with(1, |bus, clock| bus.replicate(request, node, true, 3, clock)).unwrap();
    assert!(net.with(1, |bus, clock| bus.replicate(b"nonsense", None, false, 4, clock)).is_err());
}

#[test]
fn what_tables_are_told_can_be_listened_to() {
    let mut net = pair(35);
    let (to, mut heard) = tokio::sync::mpsc::channel(10);
    let subscription = |peer: &str| Subscription {
        peer: Some(peer.into()),
        to: to.clone(),
        missed: Default::default(),
    };
    let peers = &mut net.ours(2).bus.peers;
    assert!(peers.subscribe(subscription("no name")).is_err());
    peers.subscribe(subscription("htable")).unwrap();
    let set = TableSet { table: "t".into(), key: "k".into(), value: Value::Int(7), expire_s: None };
    net.with(1, |bus, clock| bus.set_cell(&set, 1, clock)).unwrap();
    net.run_for(Duration::from_secs(1));
    let message = heard.try_recv().unwrap();
    assert_eq!((&*message.peer, &*message.content_type), ("htable", "application/json"));
    assert!(message.body.starts_with(br#"{"action":2,"htname":"t","cname":"k""#));
    assert_eq!(words(&mut net, 1, 1), ["taken"]);
}

#[test]
fn who_waits_when_the_node_stops_is_told() {
    let mut net = pair(36);
    net.kill(2);
    for ticket in 1..=5 {
        net.broadcast(1, "x", ticket);
    }
    net.with(1, |bus, clock| bus.give_up(clock));
    for ticket in 1..=5 {
        assert_eq!(words(&mut net, 1, ticket), ["dropped"]);
    }
}
