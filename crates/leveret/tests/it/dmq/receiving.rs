//! Requests that arrive: what each is answered, and that what is repeated is done once.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::node::Node;
use super::packet::NOTIFICATION;
use super::process::{Dmq, within};
use crate::server::DEADLINE;

/// A reader of `/api/dmq/messages`.
pub(crate) struct Stream {
    lines: BufReader<TcpStream>,
}

impl Stream {
    /// One that listens for this peer, or to all that are known.
    #[track_caller]
    pub(crate) fn of(node: &Dmq, peer: Option<&str>) -> Stream {
        let mut socket = TcpStream::connect(node.server().address("http")).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let query = peer.map_or(String::new(), |peer| format!("?peer={peer}"));
        write!(socket, "GET /api/dmq/messages{query} HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
        let mut stream = Stream { lines: BufReader::new(socket) };
        assert!(stream.line().expect("a status").starts_with("HTTP/1.1 200 "));
        while !stream.line().expect("headers").is_empty() {}
        stream
    }

    /// The next line; none at the end.
    #[track_caller]
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let bytes = self.lines.read_line(&mut line).expect("a line in time");
        (bytes > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event: its name and its data; none at the end.
    #[track_caller]
    pub(crate) fn event(&mut self) -> Option<(String, Value)> {
        let mut name = String::new();
        loop {
            let line = self.line()?;
            if let Some(event) = line.strip_prefix("event: ") {
                name = event.to_owned();
            }
            if let Some(data) = line.strip_prefix("data: ") {
                return Some((name, serde_json::from_str(data).unwrap()));
            }
        }
    }

    /// The next message.
    #[track_caller]
    pub(crate) fn message(&mut self) -> Value {
        let (name, data) = self.event().expect("the stream goes on");
        assert_eq!(name, "message", "{data}");
        data
    }
}

#[test]
fn messages_are_streamed_with_their_sender() {
    let other = Node::start();
    let ours = Dmq::beside(&[&other]).start();
    let mut chat = Stream::of(&ours, Some("chat"));
    let mut all = Stream::of(&ours, None);
    let mut request = other.request(ours.ip(), "chat", "two rabbits");
    request.content_type = "text/x-order;charset=utf-8".to_owned();
    let reply = request.ask();
    assert_eq!((reply.code(), reply.body()), (200, &b""[..]));
    for stream in [&mut chat, &mut all] {
        let message = stream.message();
        assert_eq!(message["peer"], "chat");
        assert_eq!(message["from"], other.uri());
        assert_eq!(message["source"], format!("{}:5060", other.ip()));
        assert_eq!(message["call_id"], format!("{}@{}", request.branch, other.ip()));
        assert_eq!(message["content_type"], "text/x-order;charset=utf-8");
        assert_eq!(message["body"], "two rabbits");
    }
    let bytes = [0, 255, 13, 10, 13, 10, 0];
    assert_eq!(other.request(ours.ip(), "chat", bytes).ask().code(), 200);
    assert_eq!(chat.message()["body_base64"], "AP8NCg0KAA==");
}

#[test]
fn each_mistake_has_its_code() {
    let other = Node::start();
    let ours = Dmq::beside(&[&other]).set("peers", "[\"chat\"]").set("body_bytes_max", 2000);
    let ours = ours.start();
    let code = |peer: &str, body: &str| other.request(ours.ip(), peer, body).ask();
    assert_eq!(code("chat", "hello").code(), 200);
    let unknown = code("nobody", "hello");
    assert_eq!((unknown.code(), unknown.reason()), (404, "User Not Found"));
    assert_eq!(code("chat", &"x".repeat(2001)).code(), 413);
    assert_eq!(code("htable", "{\"action\":").code(), 400);
    assert_eq!(code("htable", "[]").code(), 400);
    for method in ["REGISTER", "INVITE", "MESSAGE", "kdmq"] {
        let mut request = other.request(ours.ip(), "chat", "");
        request.method = method.to_owned();
        let reply = request.ask();
        assert_eq!(reply.code(), 405, "{method}");
        assert!(reply.header("Allow").contains("KDMQ"), "{reply:?}");
    }
    let mut options = other.request(ours.ip(), "anybody", "");
    options.method = "OPTIONS".to_owned();
    assert_eq!(options.ask().code(), 200);
    ours.expect_metric("unknown_peer_total", 1.0);
    // A stream makes its peer known for as long as it is read.
    let stream = Stream::of(&ours, Some("nobody"));
    assert_eq!(code("nobody", "hello").code(), 200);
    drop(stream);
    within(DEADLINE, "nobody listens", || code("nobody", "hello").code() == 404);
}

#[test]
fn what_arrives_twice_is_done_once_and_answered_twice() {
    let other = Node::start();
    let ours = Dmq::beside(&[&other]).start();
    let mut chat = Stream::of(&ours, Some("chat"));
    let request = other.request(ours.ip(), "chat", "once");
    for copy in 0..3 {
        request.send();
        let is_reply = |p: &super::packet::Packet| p.is_reply() && p.branch() == request.branch;
        other.nth("the reply", copy, is_reply);
    }
    assert_eq!(other.request(ours.ip(), "chat", "the next").ask().code(), 200);
    assert_eq!(chat.message()["body"], "once");
    assert_eq!(chat.message()["body"], "the next");
    ours.expect_metric("requests_repeated_total", 2.0);
    let replies = other.all(|p| p.is_reply() && p.branch() == request.branch);
    assert!(replies.iter().all(|reply| reply.bytes == replies[0].bytes), "{replies:?}");
}

#[test]
fn the_order_of_a_sender_is_kept() {
    let senders: Vec<Node> = (0..3).map(|_| Node::start()).collect();
    let ours = Dmq::beside(&[&senders[0]]).start();
    let mut chat = Stream::of(&ours, Some("chat"));
    for n in 0..50 {
        for sender in &senders {
            sender.request(ours.ip(), "chat", format!("{n}")).send();
        }
    }
    let mut next = [0; 3];
    for _ in 0..150 {
        let message = chat.message();
        let from = message["from"].as_str().unwrap();
        let who = senders.iter().position(|sender| sender.uri() == from).unwrap();
        assert_eq!(message["body"], next[who].to_string(), "{message}");
        next[who] += 1;
    }
}

#[test]
fn who_is_not_allowed_gets_403_and_changes_nothing() {
    let other = Node::start();
    let stranger = Node::start();
    let allow = format!("[\"{}/32\"]", other.ip());
    let ours = Dmq::beside(&[&other]).set("allow", allow).set("peers", "[\"chat\"]").start();
    ours.expect_active(&[&other]);
    let set = r#"{"action":2,"htname":"t","cname":"k","type":2,"strval":"v","mode":1}"#;
    for (peer, body) in
        [("chat", "hello"), (NOTIFICATION, &*format!("{}\r\n", stranger.line())), ("htable", set)]
    {
        let reply = stranger.request(ours.ip(), peer, body).ask();
        assert_eq!((reply.code(), reply.body()), (403, &b""[..]), "{peer}");
    }
    assert_eq!(ours.state(&stranger), "");
    assert_eq!(ours.http("GET", "/api/dmq/htable/t", "").0, 404);
    ours.expect_metric("forbidden_total", 3.0);
    assert_eq!(other.request(ours.ip(), "chat", "hello").ask().code(), 200);
}

#[test]
fn functions_of_the_module_are_there_over_http() {
    let other = Node::start();
    let ours = Dmq::beside(&[&other]).set("peers", "[\"chat\"]").start();
    ours.expect_active(&[&other]);
    let is_from = |ip: &str| {
        let said = ours.api("GET", &format!("/api/dmq/is-from-node?source={ip}"), &Value::Null);
        said["is_from_node"].as_bool().unwrap()
    };
    assert!(is_from(&other.ip().to_string()));
    assert!(!is_from("127.0.0.77"));

    // A request that came by other ways, with the reply that its sender should get.
    let handle = |peer: &str, body: &str, more: &str| {
        let request = other.request(ours.ip(), peer, body).bytes();
        let path = format!("/api/dmq/handle?source={}:5060{more}", other.ip());
        let (status, said) = ours.http("POST", &path, std::str::from_utf8(&request).unwrap());
        assert_eq!(status, 200, "{said}");
        serde_json::from_str::<Value>(&said).unwrap()
    };
    let mut chat = Stream::of(&ours, Some("chat"));
    let handled = handle("chat", "hello", "");
    assert_eq!(handled["code"], 200, "{handled}");
    assert_eq!(handled["continue"], false);
    assert_eq!(chat.message()["body"], "hello");
    assert_eq!(handle("chat", "hello", "&continue=1")["continue"], true);
    assert_eq!(handle("nobody", "hello", "")["code"], 404);
    let list = handle(NOTIFICATION, "", "");
    assert!(list["body"].as_str().unwrap().contains(&ours.line()), "{list}");

    // Mistakes are told with what to do.
    for (path, body, status) in [
        ("/api/dmq/send", json!({ "peer": "chat", "node": ours.uri(), "body": "me?" }), 400),
        ("/api/dmq/bcast", json!({ "peer": NOTIFICATION, "body": "sip:x" }), 400),
        ("/api/dmq/bcast", json!({ "peer": "a b", "body": "" }), 400),
        ("/api/dmq/bcast", json!({ "peer": "chat", "body": "", "content_type": "a\r\nb" }), 400),
        ("/api/dmq/bcast", json!({ "peer": "chat", "body": "x".repeat(70_000) }), 413),
    ] {
        let (got, said) = ours.http("POST", path, &body.to_string());
        assert_eq!(got, status, "{path}: {said}");
        assert!(said.contains("error"), "{said}");
    }
    // Removed like by `kamcmd dmq.remove`.
    ours.api("DELETE", &format!("/api/dmq/nodes/{}", other.uri()), &Value::Null);
    assert_eq!(ours.state(&other), "");
}
