//! `dmq_t_replicate`: a SIP request goes unchanged to every active node, and no further.

use super::node::{Manner, Node};
use super::process::{Dmq, outcomes};
use super::receiving::Stream;

/// A REGISTER as a phone sends it, odd as it may be.
const REGISTER: &str = "REGISTER sip:alice@example.com SIP/2.0\r\n\
    v: SIP/2.0/UDP 192.0.2.9:45813;rport;branch=z9hG4bKa888f936\r\n\
    Route: <sip:edge.example.com;lr>\r\n\
    t: <sip:alice@example.com>\r\nFROM:   <sip:alice@example.com>;tag=a888f936\r\n\
    CSeq: 10 REGISTER\r\nCall-ID: a888f936@192.0.2.9\r\nm: <sip:alice@192.0.2.9:5099>\r\n\
    X-Folded: one\r\n two\r\nExpires: 60\r\nMax-Forwards: 17\r\nContent-Length: 4\r\n\r\nbody";

#[test]
fn a_request_is_sent_on_unchanged_with_one_via_more() {
    let nodes = [Node::start(), Node::start()];
    nodes[1].behave_for("alice", Manner::Code(404, "Not Found"));
    let ours = Dmq::beside(&[&nodes[0], &nodes[1]]).start();
    ours.expect_active(&[&nodes[0], &nodes[1]]);
    let (status, said) = ours.http("POST", "/api/dmq/replicate?source=192.0.2.9", REGISTER);
    assert_eq!(status, 200, "{said}");
    let told = outcomes(&serde_json::from_str(&said).unwrap());
    assert_eq!(told[&nodes[0].uri()]["code"], 200, "{said}");
    assert_eq!(told[&nodes[1].uri()]["code"], 404, "{said}");
    let (line, rest) = REGISTER.split_once("\r\n").unwrap();
    let mut branches = Vec::new();
    for node in &nodes {
        let copy = node.first("the copy", |packet| packet.method() == "REGISTER");
        let text = String::from_utf8(copy.bytes.clone()).unwrap();
        let (first, others) = text.split_once("\r\n").unwrap();
        let (via, others) = others.split_once("\r\n").unwrap();
        assert_eq!((first, others), (line, rest));
        let start = via.strip_prefix("Via: SIP/2.0/UDP ").unwrap_or_else(|| panic!("{via}"));
        assert!(start.starts_with(&ours.ip().to_string()), "{via}");
        branches.push(copy.branch().to_owned());
    }
    assert_ne!(branches[0], branches[1]);
}

#[test]
fn what_a_node_sent_is_not_sent_on_unless_told_to() {
    let other = Node::start();
    let ours = Dmq::beside(&[&other]).start();
    ours.expect_active(&[&other]);
    let path = format!("/api/dmq/replicate?source={}", other.ip());
    let (status, said) = ours.http("POST", &path, REGISTER);
    assert_eq!(status, 409, "{said}");
    assert!(other.all(|packet| packet.method() == "REGISTER").is_empty());
    let (status, said) = ours.http("POST", &format!("{path}&skip_loop_test=1"), REGISTER);
    assert_eq!(status, 200, "{said}");
    other.first("the copy", |packet| packet.method() == "REGISTER");
    for bad in ["", "SIP/2.0 200 OK\r\n\r\n", "hello", "REGISTER sip:a SIP/2.0\r\n\r\n"] {
        let (status, said) = ours.http("POST", "/api/dmq/replicate", bad);
        assert_eq!(status, 400, "{bad:?}: {said}");
    }
}

#[test]
fn copies_from_other_nodes_can_be_listened_to() {
    let (other, stranger) = (Node::start(), Node::start());
    let ours = Dmq::beside(&[&other]).set("replicated_peer", "\"sip\"").start();
    ours.expect_active(&[&other]);
    let mut copies = Stream::of(&ours, Some("sip"));
    let mut copy = other.request(ours.ip(), "alice", "");
    copy.method = "REGISTER".to_owned();
    assert_eq!(copy.ask().code(), 200);
    let message = copies.message();
    assert_eq!(message["content_type"], "message/sip");
    assert_eq!(message["body"].as_str().unwrap().as_bytes(), copy.bytes());
    let mut foreign = stranger.request(ours.ip(), "alice", "");
    foreign.method = "REGISTER".to_owned();
    assert_eq!(foreign.ask().code(), 405);
}
