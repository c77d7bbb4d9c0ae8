//! Whatever ours is told, it passes nothing on that stops a real Kamailio.

use super::super::hazards::{addressed, bodies};
use super::super::node::{Manner, Node};
use super::super::packet::{NOTIFICATION, Over};
use super::super::process::{Dmq, Member};
use super::super::receiving::Stream;
use super::{Kamailio, bus, bus_with, phone};

/// They list nodes, broadcast, and share cells, as no node does that waits for its own lock.
#[track_caller]
fn expect_well(pair: &[Kamailio; 2], ours: &Dmq, by: &Node, chat: &mut Stream, what: &str) {
    for [one, other] in [[&pair[0], &pair[1]], [&pair[1], &pair[0]]] {
        assert_eq!(one.nodes().get(&other.uri()).map(String::as_str), Some("active"), "{what}");
        assert!(one.broadcast(by, "chat", what), "{what}");
        assert_eq!(chat.message()["body"], what);
        assert_eq!(ours.send("chat", one, what)["code"], 200, "{what}");
    }
    pair[0].set("what", what);
    pair[1].expect_cell("what", Some(what));
}

#[test]
fn nothing_that_ours_is_told_stops_a_kamailio() {
    let (pair, ours) = bus(Over::Udp);
    let (by, hostile) = (phone(), Node::start());
    let mut chat = Stream::of(&ours, Some("chat"));
    for (what, body) in bodies() {
        let body = addressed(&body, &ours);
        let mut join = hostile.request(ours.ip(), NOTIFICATION, &body);
        join.max_forwards = 2;
        assert_eq!(join.ask().code(), 200, "{what}");
        // Ours passes on that it is there, so that they ask it themselves.
        hostile.behave(Manner::BodyTo(ours.ip(), body));
        let own = format!("{}\r\n", hostile.line());
        assert_eq!(hostile.request(ours.ip(), NOTIFICATION, own).ask().code(), 200, "{what}");
        expect_well(&pair, &ours, &by, &mut chat, what);
    }
    // Pings of all kinds have gone to and fro since.
    for kamailio in &pair {
        ours.expect_state(kamailio, "active");
        assert_eq!(kamailio.nodes()[&ours.uri()], "active");
    }
}

#[test]
fn nothing_that_people_send_by_ours_stops_a_kamailio() {
    // Kamailio from 5.8 on never answers what is larger than its `msg_recv_max_size`.
    let (pair, ours) = bus_with(Over::Udp, |ours| ours.set("fr_timer_ms", 2000));
    let by = phone();
    let mut chat = Stream::of(&ours, Some("chat"));
    // By what answers a script's broadcast, by odd bodies, and by cells that are hard to write.
    for (what, body) in bodies() {
        let body = String::from_utf8_lossy(&addressed(&body, &ours)).into_owned();
        ours.broadcast("chat", &body);
        ours.broadcast("nobody", &body);
        let cell = serde_json::json!({ "value": body.chars().take(8000).collect::<String>() });
        let (status, said) = ours.http("PUT", "/api/dmq/htable/shared/odd", &cell.to_string());
        assert!([200, 400, 413].contains(&status), "{what}: {said}");
        expect_well(&pair, &ours, &by, &mut chat, what);
    }
    let refused = serde_json::json!({ "peer": NOTIFICATION, "body": "no list" });
    assert_eq!(ours.http("POST", "/api/dmq/bcast", &refused.to_string()).0, 400);
    let members: [&dyn Member; 2] = [&pair[0], &pair[1]];
    ours.expect_active(&members);
}

/// A Kamailio as a whole ends when its modules get one of these: `htable` of 5.6.3, and `dialog` and
/// `usrloc` of 6.1.5 as well.
#[test]
fn what_ends_a_kamailio_is_refused() {
    let (pair, ours) = bus(Over::Udp);
    let (by, mut chat) = (phone(), Stream::of(&ours, Some("chat")));
    let odd = ["{}", "[]", "null", "1", "\"\"", "{\"action\":2,\"htname\":null}"];
    let bodies = odd.iter().flat_map(|body| [("htable", *body), ("usrloc", body)]);
    let dialog = [("dialog", r#"{"action":2,"callid":5}"#), ("dialog", r#"{"action":1}"#)];
    for (peer, body) in bodies.chain(dialog) {
        let mut message = serde_json::json!({ "peer": peer, "body": body });
        let (status, said) = ours.http("POST", "/api/dmq/bcast", &message.to_string());
        assert_eq!(status, 400, "{body}: {said}");
        assert!(said.contains("does not survive this body"), "{said}");
        message["node"] = pair[0].uri().into();
        assert_eq!(ours.http("POST", "/api/dmq/send", &message.to_string()).0, 400, "{body}");
    }
    expect_well(&pair, &ours, &by, &mut chat, "as before");
}

/// A Kamailio drops what it has no room for; from a stream it takes nothing more then.
fn what_is_too_large_for_a_kamailio_is_lost_alone(
    over: Over,
    bytes: usize,
    end: fn(&Kamailio) -> &str,
) {
    let (pair, ours) = bus_with(over, |ours| ours.set("fr_timer_ms", 2000));
    let told = ours.broadcast("chat", &"x".repeat(bytes));
    assert_eq!(told.len(), 2, "{told:?}");
    for kamailio in &pair {
        let outcome = &told[&kamailio.uri()];
        assert_eq!(outcome["outcome"], end(kamailio), "{outcome}");
    }
    ours.expect_active(&[&pair[0], &pair[1]]);
    assert!(ours.broadcast("chat", "small").values().all(|outcome| outcome["code"] == 200));
}

#[test]
fn what_is_too_large_for_a_kamailio_is_lost_alone_by_udp() {
    what_is_too_large_for_a_kamailio_is_lost_alone(Over::Udp, 33_000, |kamailio| {
        if kamailio.release() < (5, 8) { "taken" } else { "timeout" }
    });
}

#[test]
fn what_is_too_large_for_a_kamailio_is_lost_alone_by_tcp() {
    what_is_too_large_for_a_kamailio_is_lost_alone(Over::Tcp, 17_000, |_| "unreachable");
}
