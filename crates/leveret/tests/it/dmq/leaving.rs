//! Goodbyes: ours, and those of others.

use std::time::{Duration, Instant};

use serde_json::json;

use super::node::{Manner, Node};
use super::packet::NOTIFICATION;
use super::process::{Dmq, Member};
use super::receiving::Stream;

#[test]
fn who_stops_tells_everybody() {
    let nodes: Vec<Node> = (0..3).map(|_| Node::start()).collect();
    let members: Vec<&dyn Member> = nodes.iter().map(|node| node as &dyn Member).collect();
    let mut ours = Dmq::beside(&members).start();
    ours.expect_active(&members);
    let line = format!("{};status=disabled\r\n", ours.uri());
    ours.stop();
    for node in &nodes {
        let leave =
            node.first("a goodbye", |packet| packet.asks(NOTIFICATION) && packet.text() == line);
        assert_eq!(leave.header("Max-Forwards"), "1");
    }
}

#[test]
fn a_silent_node_does_not_hold_up_the_end() {
    let [good, silent] = [Node::start(), Node::start()];
    let mut ours = Dmq::beside(&[&good, &silent]).set("leave_timeout_ms", 600).start();
    ours.expect_active(&[&good, &silent]);
    silent.behave(Manner::Silent);
    let from = Instant::now();
    ours.stop();
    let took = from.elapsed();
    assert!(took < Duration::from_millis(1500), "{took:?}");
    good.first("a goodbye", |packet| {
        packet.asks(NOTIFICATION) && packet.text().contains("disabled")
    });
}

#[test]
fn who_says_goodbye_gets_no_more() {
    let [other, leaver] = [Node::start(), Node::start()];
    let ours = Dmq::beside(&[&other, &leaver]).start();
    ours.expect_active(&[&other, &leaver]);
    // Like sample 18: the whole list, with itself as disabled.
    let body =
        format!("{}\r\n{}\r\n{};status=disabled\r\n", ours.line(), other.line(), leaver.uri());
    let reply = leaver.request(ours.ip(), NOTIFICATION, body).ask();
    assert_eq!(reply.code(), 200);
    assert!(!reply.text().contains(&leaver.line()), "{reply:?}");
    leaver.behave(Manner::Silent);
    assert_eq!(ours.state(&leaver), "disabled");
    let told = ours.broadcast("chat", "all");
    assert_eq!(told.keys().collect::<Vec<_>>(), [&other.uri()]);
    // It may come back.
    leaver.behave(Manner::Answer);
    let back = format!("{}\r\n", leaver.line());
    leaver.request(ours.ip(), NOTIFICATION, back).ask();
    ours.expect_state(&leaver, "active");
}

#[test]
fn streams_and_senders_hear_that_it_ends() {
    let other = Node::start();
    other.behave_for("chat", Manner::Silent);
    let mut ours = Dmq::beside(&[&other]).set("leave_timeout_ms", 500).start();
    ours.expect_active(&[&other]);
    let mut stream = Stream::of(&ours, Some("chat"));
    let message = json!({ "peer": "chat", "body": "all" }).to_string();
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| ours.http("POST", "/api/dmq/bcast", &message));
        other.first("the message", |packet| packet.asks("chat"));
        ours.ask_to_stop();
        let (status, said) = sender.join().unwrap();
        assert!(
            status == 503 || said.contains("dropped") || said.contains("timeout"),
            "{status} {said}"
        );
    });
    assert_eq!(stream.event(), None);
    assert!(ours.ended().success());
}
