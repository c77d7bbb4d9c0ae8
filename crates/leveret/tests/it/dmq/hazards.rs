//! What has hung real nodes, sent to ours: it answers everything, and goes on.

use super::address;
use super::node::{Manner, Node};
use super::packet::NOTIFICATION;
use super::process::{Dmq, Member};
use super::receiving::Stream;
use crate::random::Random;

/// Bodies of notifications, and of answers to them.
pub(crate) fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    let line = |text: &str| text.as_bytes().to_vec();
    let many: String = (1..=1500)
        .map(|n| format!("sip:127.0.{}.{}:9;status=active\r\n", n / 250, n % 250 + 1))
        .collect();
    vec![
        ("a last line without an end", line("sip:127.0.0.2:5060;status=active")),
        ("a blank line", line("\r\n\r\nsip:127.0.0.3:5060;status=active\r\n\r\n")),
        ("a leading space", line(" sip:127.0.0.4:5060;status=active\r\n")),
        ("angle brackets", line("<sip:127.0.0.5:5060>;status=active\r\n")),
        ("not_active", line("sip:127.0.0.6:5060;status=not_active\r\n")),
        ("timeout", line("sip:127.0.0.6:5060;status=timeout\r\n")),
        ("a host that nobody knows", line("sip:no.such.host.invalid:5060;status=active\r\n")),
        ("IPv6", line("sip:[::1]:5060;status=active\r\n")),
        ("a bad IPv6", line("sip:[::1:5060;status=active\r\n")),
        (
            "a transport without a socket",
            line("sip:127.0.0.7:5060;transport=sctp;status=active\r\n"),
        ),
        ("TCP on a UDP bus", line("sip:127.0.0.8:5060;transport=tcp;status=active\r\n")),
        ("no port", line("sip:127.0.0.10;status=active\r\n")),
        ("no number as port", line("sip:127.0.0.11:port;status=active\r\n")),
        ("a port that is none", line("sip:127.0.0.11:99999;status=active\r\n")),
        ("upper case", line("SIP:127.0.0.12:5060;STATUS=ACTIVE\r\n")),
        ("sips", line("sips:127.0.0.13:5061;status=active\r\n")),
        ("no status", line("sip:127.0.0.14:5060\r\n")),
        ("an empty status", line("sip:127.0.0.14:5060;status=\r\n")),
        ("text", line("no list at all")),
        ("JSON", line("{\"action\":1}")),
        ("bytes", (0..=255).collect()),
        ("NULs", vec![0; 500]),
        ("a long line", line(&format!("sip:{}:5060;status=active\r\n", "x".repeat(4000)))),
        ("many lines", many.into_bytes()),
        ("many ends of lines", line(&"\r\n".repeat(5000))),
        ("the receiver, disabled", b"OURS;status=disabled\r\n".to_vec()),
        ("the receiver, twice", b"OURS;status=active\r\nOURS;status=active\r\n".to_vec()),
        ("nothing", Vec::new()),
    ]
}

/// The body with the receiver's URI in it.
pub(crate) fn addressed(body: &[u8], ours: &Dmq) -> Vec<u8> {
    match std::str::from_utf8(body) {
        Ok(text) => text.replace("OURS", &ours.uri()).into_bytes(),
        Err(_) => body.to_vec(),
    }
}

#[test]
fn no_list_stops_it() {
    let [other, hostile] = [Node::start(), Node::start()];
    let ours = Dmq::beside(&[&other]).set("peers", "[\"chat\"]").start();
    ours.expect_active(&[&other]);
    for hops in [1, 2] {
        for (what, body) in bodies() {
            let mut request = hostile.request(ours.ip(), NOTIFICATION, addressed(&body, &ours));
            request.max_forwards = hops;
            assert_eq!(request.ask().code(), 200, "{what}");
            // It still broadcasts.
            let told = ours.broadcast("chat", what);
            assert_eq!(told[&other.uri()]["outcome"], "taken", "{what}");
        }
    }
    assert_eq!(ours.nodes()[&ours.uri()], "active");
    let active = ours.nodes().into_values().filter(|state| state == "active").count();
    assert!((2..=3).contains(&active), "only who has answered: {:?}", ours.nodes());
    assert!(ours.metric("bad_lines_total") > 0.0);
}

#[test]
fn no_answer_stops_it() {
    let [other, hostile] = [Node::start(), Node::start()];
    let ours = Dmq::beside(&[&other, &hostile]).start();
    ours.expect_active(&[&other, &hostile]);
    for (what, body) in bodies() {
        let body = addressed(&body, &ours);
        hostile.behave(Manner::Body(body));
        hostile.forget();
        // An answer to a message is no list, whatever is in it.
        assert_eq!(ours.send("chat", &hostile, what)["outcome"], "taken", "{what}");
        let told = ours.broadcast("chat", what);
        assert_eq!(told[&other.uri()]["outcome"], "taken", "{what}");
    }
    for (what, body) in bodies() {
        hostile.behave_for(NOTIFICATION, Manner::Body(addressed(&body, &ours)));
        hostile.request(ours.ip(), NOTIFICATION, format!("{}\r\n", hostile.line())).ask();
        assert_eq!(ours.send("chat", &other, what)["outcome"], "taken", "{what}");
    }
    hostile.behave(Manner::Answer);
    ours.expect_active(&[&other, &hostile]);
}

#[test]
fn a_list_of_many_is_known_and_passed_on_in_parts() {
    let nodes: Vec<Node> = (0..40).map(|_| Node::start()).collect();
    let all: String = nodes.iter().map(|node| node.line() + "\r\n").collect();
    let teller = &nodes[0];
    teller.behave_for(NOTIFICATION, Manner::Body(all.clone().into_bytes()));
    // Once in an answer, once in a request; what is sent is audited.
    let ours = Dmq::beside(&[teller]).start();
    for node in &nodes {
        ours.expect_state(node, "active");
    }
    let again = Dmq::beside(&[]).start();
    let request = nodes[1].request(again.ip(), NOTIFICATION, all);
    assert_eq!(request.ask().code(), 200);
    for node in &nodes {
        again.expect_state(node, "active");
    }
    let reply = nodes[1].request(again.ip(), NOTIFICATION, "").ask();
    assert!(reply.body().len() <= 1000 && reply.lines().len() > 10, "{reply:?}");
    assert!(again.broadcast("chat", "all").len() >= 40);
}

#[test]
fn malformed_packets_stop_nothing() {
    let other = Node::start();
    let noise = Node::start().unaudited();
    let ours = Dmq::beside(&[&other]).set("peers", "[\"chat\"]").start();
    ours.expect_active(&[&other]);
    let mut chat = Stream::of(&ours, Some("chat"));
    let mut random = Random::new();
    let good = noise.request(ours.ip(), "chat", "hello").bytes();
    for round in 0..2000_usize {
        let packet: Vec<u8> = match round % 4 {
            0 => (0..random.below(1400)).map(|_| random.below(256) as u8).collect(),
            // A request, cut or with a byte changed.
            1 => good[..random.below(good.len() as u64) as usize].to_vec(),
            2 => {
                let mut bytes = good.clone();
                let at = random.below(bytes.len() as u64) as usize;
                bytes[at] = random.below(256) as u8;
                bytes
            }
            _ => b"KDMQ sip:chat@x SIP/2.0\r\n".repeat(round % 50 + 1),
        };
        noise.send_raw(ours.ip(), &packet);
        if round % 100 == 99 {
            let mark = format!("mark {round}");
            assert_eq!(other.request(ours.ip(), "chat", &mark).ask().code(), 200);
            while chat.message()["body"] != mark.as_str() {}
        }
    }
    assert!(ours.metric("malformed_total") > 100.0);
    ours.expect_active(&[&other]);
}

#[test]
fn heads_without_end_are_refused() {
    let other = Node::start();
    let ours = Dmq::beside(&[&other]).set("peers", "[\"chat\"]").start();
    let with = |lines: String| {
        let mut request = other.request(ours.ip(), "chat", "hello");
        request.headers = lines;
        request
    };
    let many = with((0..500).map(|n| format!("X-{n}: y\r\n")).collect());
    let long = with(format!("X: {}\r\n", "y".repeat(30_000)));
    for request in [many, long] {
        request.send();
        // Refused or dropped; what follows is answered.
        assert_eq!(other.request(ours.ip(), "chat", "hello").ask().code(), 200);
        let replies = other.all(|packet| packet.is_reply() && packet.branch() == request.branch);
        assert!(replies.iter().all(|reply| reply.code() >= 400), "{replies:?}");
    }
}

#[test]
fn a_stranger_that_claims_to_be_a_node_is_not_believed() {
    let [other, liar] = [Node::start(), Node::start()];
    let ours = Dmq::beside(&[&other]).start();
    ours.expect_active(&[&other]);
    // In the name of the other: it leaves.
    let mut request =
        liar.request(ours.ip(), NOTIFICATION, format!("{};status=disabled\r\n", other.uri()));
    request.from = other.uri();
    assert_eq!(request.ask().code(), 200);
    let said = format!("{};status=disabled\r\n{}\r\n", other.uri(), liar.line());
    assert_eq!(liar.request(ours.ip(), NOTIFICATION, said).ask().code(), 200);
    assert_eq!(ours.state(&other), "active");
    // In the name of one who does not exist: all tables, please.
    let nobody = super::node::uri(address::take(), super::packet::Over::Udp);
    let mut sync = liar.request(ours.ip(), "htable", r#"{"action":1}"#);
    sync.from = nobody;
    other.forget();
    sync.ask();
    let members: [&dyn Member; 1] = [&other];
    ours.expect_active(&members);
    ours.send("chat", &other, "the last");
    assert!(other.all(|packet| packet.asks("htable")).is_empty(), "a table for everybody");
}
