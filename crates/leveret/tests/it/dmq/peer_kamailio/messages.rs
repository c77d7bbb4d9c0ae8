//! Messages both ways, and replicated requests.

use serde_json::json;

use super::super::packet::Over;
use super::super::process::{Member, outcomes};
use super::super::receiving::Stream;
use super::{bus, bus_with, phone};

fn broadcasts_go_both_ways(over: Over) {
    let ([a, b], ours) = bus(over);
    let mut chat = Stream::of(&ours, Some("chat"));
    let told = ours.broadcast("chat", "from ours");
    for kamailio in [&a, &b] {
        assert_eq!(told[&kamailio.uri()]["code"], 200, "{told:?}");
        kamailio.expect_taken(&ours.uri(), "text/plain", "from ours");
    }
    let by = phone();
    assert!(a.broadcast(&by, "chat", "from a"));
    let message = chat.message();
    assert_eq!(message["body"], "from a");
    assert_eq!(message["from"], a.uri());
    assert_eq!(message["content_type"], "text/plain");
    b.expect_taken(&a.uri(), "text/plain", "from a");
    assert!(b.send(&by, "chat", &ours.uri(), "from b"));
    assert_eq!(chat.message()["body"], "from b");

    // To one node alone, and to a peer that it does not know.
    assert_eq!(ours.send("chat", &b, "to b")["code"], 200);
    b.expect_taken(&ours.uri(), "text/plain", "to b");
    assert!(!a.log().contains("to b"));
    let refused = ours.send("nobody", &a, "who?");
    assert_eq!((&refused["code"], &refused["reason"]), (&json!(404), &json!("User Not Found")));
    // A channel on which it has sent itself, and has no reader for: 202.
    assert!(a.broadcast(&by, "once", "hello"));
    assert_eq!(ours.send("once", &a, "hello")["code"], 202);
    // Answers to its own broadcasts, which it reads as lists, did not stop it.
    for member in [&a as &dyn Member, &b] {
        ours.expect_state(member, "active");
    }
    assert!(a.broadcast(&by, "chat", "still"));
    assert_eq!(chat.message()["body"], "still");
}

#[test]
fn broadcasts_go_both_ways_by_udp() {
    broadcasts_go_both_ways(Over::Udp);
}

#[test]
fn broadcasts_go_both_ways_by_tcp() {
    broadcasts_go_both_ways(Over::Tcp);
}

#[test]
fn requests_are_replicated_both_ways() {
    let ([a, b], ours) = bus_with(Over::Udp, |ours| ours.set("replicated_peer", "\"sip\""));
    let mut copies = Stream::of(&ours, Some("sip"));
    let by = phone();
    let mut register = by.request(a.ip(), "alice", "");
    register.method = "REGISTER".to_owned();
    let reply = register.ask();
    assert_eq!((reply.code(), reply.reason()), (200, "original"));
    let copy = copies.message();
    let text = copy["body"].as_str().unwrap();
    assert!(text.contains(&register.branch), "{text}");
    let vias = text.lines().filter(|line| line.starts_with("Via:")).count();
    assert_eq!(vias, 2, "{text}");
    let is_copied = || b.log().contains("REPLICATED") && b.rpc(&["core.uptime"]).contains("up");
    super::super::process::within(crate::server::DEADLINE, "b has a copy", is_copied);

    // Ours to them: they see that it comes from a node, and do not send it on.
    register.branch.push_str("-ours");
    let text = String::from_utf8(register.bytes()).unwrap();
    let (status, said) = ours.http("POST", "/api/dmq/replicate?source=192.0.2.9", &text);
    assert_eq!(status, 200, "{said}");
    let told = outcomes(&serde_json::from_str(&said).unwrap());
    for kamailio in [&a, &b] {
        let outcome = &told[&kamailio.uri()];
        assert_eq!((&outcome["code"], &outcome["reason"]), (&json!(200), &json!("copy")), "{said}");
    }
}
