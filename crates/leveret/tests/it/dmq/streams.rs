//! Buses over TCP and TLS.

use super::address;
use super::node::{Manner, Node, uri};
use super::packet::{NOTIFICATION, Over};
use super::process::{Dmq, Member};
use super::receiving::Stream;
use crate::tls::Authority;

#[test]
fn a_bus_over_tcp_works_like_one_over_udp() {
    let nodes = [Node::over(Over::Tcp), Node::over(Over::Tcp)];
    let mut ours = Dmq::beside(&[&nodes[0], &nodes[1]]).set("peers", "[\"chat\"]").start();
    ours.expect_active(&[&nodes[0], &nodes[1]]);
    let join = nodes[0].first("a join", |packet| packet.notifies("2"));
    assert_eq!(join.over, Over::Tcp);
    assert_eq!(join.text(), format!("{};status=active\r\n", ours.uri()));
    assert!(join.uri().ends_with(";transport=tcp"), "{join:?}");

    let mut chat = Stream::of(&ours, Some("chat"));
    let told = ours.broadcast("chat", "all");
    assert!(nodes.iter().all(|node| told[&node.uri()]["outcome"] == "taken"), "{told:?}");
    assert_eq!(nodes[1].request(ours.ip(), "chat", "hello").ask().code(), 200);
    assert_eq!(chat.message()["body"], "hello");
    // Twenty of them in one write come in order.
    let bytes: Vec<u8> =
        (0..20).flat_map(|n| nodes[1].request(ours.ip(), "chat", format!("{n}")).bytes()).collect();
    nodes[1].stream_raw(ours.ip(), &bytes);
    for n in 0..20 {
        assert_eq!(chat.message()["body"], n.to_string());
    }
    let large = "x".repeat(60_000);
    assert_eq!(nodes[0].request(ours.ip(), "chat", &large).ask().code(), 200);
    assert_eq!(ours.send("chat", &nodes[0], &large)["outcome"], "taken");
    ours.stop();
    nodes[0].first("a goodbye", |packet| {
        packet.asks(NOTIFICATION) && packet.text() == format!("{};status=disabled\r\n", ours.uri())
    });
}

#[test]
fn nothing_is_sent_twice_over_tcp() {
    let other = Node::over(Over::Tcp);
    let ours = Dmq::beside(&[&other]).set("t1_ms", 50).set("fr_timer_ms", 1000).start();
    ours.expect_active(&[&other]);
    other.behave_for("chat", Manner::Silent);
    assert_eq!(ours.send("chat", &other, "once")["outcome"], "timeout");
    assert_eq!(other.all(|packet| packet.asks("chat")).len(), 1);
}

#[test]
fn what_is_no_sip_ends_the_connection_alone() {
    let other = Node::over(Over::Tcp);
    let ours = Dmq::beside(&[&other]).set("peers", "[\"chat\"]").start();
    ours.expect_active(&[&other]);
    let endless = "X-Header: y\r\n".repeat(100_000);
    let bad_length = "KDMQ sip:chat@x SIP/2.0\r\nContent-Length: -1\r\n\r\n";
    let too_long = "KDMQ sip:chat@x SIP/2.0\r\nContent-Length: 999999999\r\n\r\n";
    for bytes in
        ["\0\0\0\0\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", bad_length, too_long, &endless]
    {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect((ours.ip(), address::PORT)).unwrap();
        stream.set_read_timeout(Some(crate::server::DEADLINE)).unwrap();
        // The other side may close before it has read all of it.
        let _ = stream.write_all(bytes.as_bytes());
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).map_err(|error| {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{bytes:.30}");
        });
    }
    assert_eq!(other.request(ours.ip(), "chat", "hello").ask().code(), 200);
    assert_eq!(ours.send("chat", &other, "hello")["outcome"], "taken");
}

#[test]
fn who_listens_on_another_transport_is_not_listed() {
    let other = Node::start();
    let streams = Node::over(Over::Tcp);
    let ours = Dmq::beside(&[&other]).start();
    ours.expect_active(&[&other]);
    let both = format!("{}\r\n{}\r\n", streams.line(), other.line());
    assert_eq!(other.request(ours.ip(), NOTIFICATION, both).ask().code(), 200);
    assert_eq!(ours.state(&streams), "");
}

/// Whoever has this URI.
struct Named<'a>(&'a str);

impl Member for Named<'_> {
    fn uri(&self) -> String {
        self.0.to_owned()
    }
}

#[test]
fn a_bus_over_tls_keeps_strangers_out() {
    let [authority, other] = ["authority", "other"].map(Authority::new);
    let ips = [address::take(), address::take(), address::take()];
    let uris = ips.map(|ip| uri(ip, Over::Tls));
    let seed = Named(&uris[0]);
    let start = |n: usize, authority: &Authority| {
        let node = Dmq::at(ips[n], &[&seed]).secured(authority);
        node.set("peers", "[\"chat\"]").start()
    };
    let (a, b, stranger) = (start(0, &authority), start(1, &authority), start(2, &other));
    a.expect_state(&b, "active");
    b.expect_state(&a, "active");
    assert_eq!(b.broadcast("chat", "hello")[&uris[0]]["outcome"], "taken");
    assert_eq!(a.broadcast("chat", "hello")[&uris[1]]["outcome"], "taken");
    // The stranger trusts others and is trusted by nobody.
    stranger.expect_log(&["WARN", &ips[0].to_string()]);
    assert_ne!(stranger.state(&a), "active");
    assert_eq!(a.state(&stranger), "");
}
