//! How a node gets to know a bus, and the bus it.

use std::time::Duration;

use super::address;
use super::node::{Manner, Node, uri};
use super::packet::{NOTIFICATION, Over, Packet};
use super::process::{Dmq, Member};

/// Its list, as it would be in a node that pings once an hour: nothing happens by pings alone.
fn quiet(members: &[&dyn Member]) -> Dmq {
    Dmq::beside(members).set("ping_interval", 3600)
}

fn tells_of(member: &dyn Member) -> impl Fn(&Packet) -> bool + use<> {
    let line = format!("{};status=active", member.uri());
    move |packet| packet.notifies("1") && packet.lines().contains(&line.as_str())
}

#[test]
fn a_join_is_the_own_line_with_two_hops() {
    let others = [Node::start(), Node::start()];
    let ours = quiet(&[&others[0], &others[1]]).start();
    for other in &others {
        let join = other.first("a join", |packet| packet.notifies("2"));
        assert_eq!(join.text(), format!("{}\r\n", ours.line()));
        assert_eq!(join.header("Content-Type"), "text/plain");
    }
    ours.expect_active(&[&others[0], &others[1], &ours]);
    assert_eq!(ours.row(&ours.uri())["local"], 1);
    assert_eq!(ours.row(&others[0].uri())["local"], 0);
}

#[test]
fn a_joiner_is_answered_with_all_and_all_are_told() {
    let old = Node::start();
    let ours = quiet(&[&old]).start();
    ours.expect_active(&[&old]);
    old.forget();

    let new = Node::start();
    let mut join = new.request(ours.ip(), NOTIFICATION, format!("{}\r\n", new.line()));
    join.max_forwards = 2;
    let reply = join.ask();
    assert_eq!((reply.code(), reply.reason()), (200, "OK"));
    for member in [&old as &dyn Member, &ours] {
        assert!(reply.lines().contains(&&*format!("{};status=active", member.uri())), "{reply:?}");
    }
    old.first("the flood", tells_of(&new));
    new.first("the flood", tells_of(&old));
    ours.expect_active(&[&old, &new]);
    assert!(old.all(|packet| packet.notifies("2")).is_empty(), "a flood goes one hop");
}

#[test]
fn nothing_new_is_no_reason_for_a_flood() {
    let (old, other) = (Node::start(), Node::start());
    let ours = quiet(&[&old, &other]).start();
    ours.expect_active(&[&old, &other]);
    other.forget();
    let mut again = old.request(ours.ip(), NOTIFICATION, format!("{}\r\n", old.line()));
    for hops in [1, 2] {
        again.max_forwards = hops;
        again.branch.push('x');
        assert_eq!(again.ask().code(), 200);
    }
    // What is asked later is answered later.
    ours.send("chat", &other, "the last");
    assert!(other.all(|packet| packet.asks(NOTIFICATION)).is_empty());
}

#[test]
fn who_stands_in_an_answer_is_asked_at_once() {
    let (told, teller) = (Node::start(), Node::start());
    teller.tell(&[&told.line(), &teller.line()]);
    let ours = quiet(&[&teller]).start();
    ours.expect_active(&[&teller, &told]);
    told.first("a question", |packet| packet.asks(NOTIFICATION));
}

#[test]
fn lists_are_read_as_tolerantly_as_they_can_be() {
    let teller = Node::start();
    let told: Vec<Node> = (0..6).map(|_| Node::start()).collect();
    let ip = |n: usize| told[n].ip();
    // LF alone, blanks at the end, a user, unknown parameters, no status, no end of the last line.
    let body = format!(
        "sip:{}:5060;status=active\nsip:{}:5060;status=active  \r\nsip:hare@{}:5060;status=active\r\n\
         sip:{}:5060;inc=7;status=active\r\nsip:{}:5060\r\n\r\n  \r\nsip:{}:5060;status=active",
        ip(0),
        ip(1),
        ip(2),
        ip(3),
        ip(4),
        ip(5)
    );
    teller.behave_for(NOTIFICATION, Manner::Body(body.into_bytes()));
    let ours = quiet(&[&teller]).start();
    for node in &told {
        ours.expect_state(node, "active");
    }
}

#[test]
fn pings_tell_what_is_known() {
    let (first, second) = (Node::start(), Node::start());
    let ours = Dmq::beside(&[&first]).start();
    ours.expect_active(&[&first]);
    first.tell(&[&second.line(), &first.line()]);
    let ping = first.first("a ping with both", tells_of(&second));
    assert!(ping.lines().contains(&&*ours.line()), "{ping:?}");
    // A second later, and by its own transaction.
    first.forget();
    let one = first.first("a ping", tells_of(&second));
    let next = first.nth("another ping", 1, tells_of(&second));
    let pause = next.at - one.at;
    assert!(pause > Duration::from_millis(700) && pause < Duration::from_millis(1500), "{pause:?}");
    for name in ["Via", "Call-ID"] {
        assert_ne!(one.header(name), next.header(name));
    }
}

#[test]
fn pings_from_others_are_answered_with_the_list() {
    let other = Node::start();
    let ours = quiet(&[&other]).start();
    ours.expect_active(&[&other]);
    let both = format!("{}\r\n{}\r\n", other.line(), ours.line());
    for body in [&*both, ""] {
        let reply = other.request(ours.ip(), NOTIFICATION, body).ask();
        assert_eq!((reply.code(), reply.header("Content-Type")), (200, "text/plain"));
        assert!(reply.lines().contains(&&*ours.line()), "{reply:?}");
        assert!(reply.header("Server").starts_with("Leveret/"), "{reply:?}");
    }
}

#[test]
fn a_bus_that_is_not_there_yet_is_joined_later() {
    let other = Node::start();
    other.behave(Manner::Silent);
    let ours = Dmq::beside(&[&other]).start();
    other.nth("a second try", 4, |packet| packet.asks(NOTIFICATION));
    assert_ne!(ours.state(&other), "active");
    other.behave(Manner::Answer);
    ours.expect_state(&other, "active");
}

#[test]
fn nobody_at_all_is_no_error() {
    // ICMP says that the port is closed.
    let ip = address::take();
    let ours = Dmq::beside(&[]).set("notification_address", format!("[{:?}]", uri(ip, Over::Udp)));
    let ours = ours.start();
    assert_eq!(ours.nodes().get(&ours.uri()).map(String::as_str), Some("active"));
    assert_eq!(ours.broadcast("chat", "anybody?").len(), 0);
    let alone = Dmq::beside(&[]).start();
    assert_eq!(alone.nodes().len(), 1);
}

#[test]
fn the_own_address_among_others_is_dropped() {
    let other = Node::start();
    let ours = Dmq::beside(&[&other]);
    let both = format!("{:?}", [ours.uri(), other.uri()]);
    let ours = ours.set("notification_address", both).start();
    ours.expect_active(&[&other]);
    assert_eq!(ours.nodes().len(), 2);
    ours.expect_log(&["WARN", "notification_address"]);
}

#[test]
fn another_channel_is_used_when_it_is_named() {
    let other = Node::start().unaudited();
    let ours = quiet(&[&other]).set("notification_channel", "\"gossip\"").start();
    let join = other
        .first("a join", |packet| packet.asks("gossip") && packet.header("Max-Forwards") == "2");
    assert_eq!(join.text(), format!("{}\r\n", ours.line()));
    let reply = other.request(ours.ip(), NOTIFICATION, other.line() + "\r\n").ask();
    assert_eq!(reply.code(), 404);
}
