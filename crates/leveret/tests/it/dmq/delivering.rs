//! Messages on their way out: in order, once, and with an outcome for each node.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use super::node::{Manner, Node};
use super::packet::Packet;
use super::process::{Dmq, Member, outcomes, within};
use crate::server::DEADLINE;

fn chats(packet: &Packet) -> bool {
    packet.asks("chat")
}

#[test]
fn a_broadcast_reaches_all_and_each_outcome_is_told() {
    let nodes: Vec<Node> = (0..5).map(|_| Node::start()).collect();
    let [good, late, unknown, broken, silent] = &nodes[..] else { panic!("five") };
    late.behave_for("chat", Manner::AtCopy(2));
    unknown.behave_for("chat", Manner::Code(404, "User Not Found"));
    broken.behave_for("chat", Manner::Code(500, "Server Internal Error"));
    silent.behave_for("chat", Manner::Silent);
    let members: Vec<&dyn Member> = nodes.iter().map(|node| node as &dyn Member).collect();
    let ours = Dmq::beside(&members).set("fr_timer_ms", 1200).start();
    ours.expect_active(&members);

    let answer = ours.api(
        "POST",
        "/api/dmq/bcast",
        &json!({
            "peer": "chat", "body": "two rabbits, please", "content_type": "text/x-order"
        }),
    );
    let told = outcomes(&answer);
    let of = |node: &Node| &told[&node.uri()];
    assert_eq!(told.len(), 5, "{answer}");
    assert_eq!(answer["taken"], 2, "{answer}");
    assert_eq!((&of(good)["outcome"], &of(good)["code"]), (&json!("taken"), &json!(200)));
    assert_eq!(of(late)["outcome"], "taken");
    assert_eq!((&of(unknown)["outcome"], &of(unknown)["code"]), (&json!("refused"), &json!(404)));
    assert_eq!(of(unknown)["reason"], "User Not Found");
    assert_eq!((&of(broken)["outcome"], &of(broken)["code"]), (&json!("refused"), &json!(500)));
    assert_eq!(of(silent)["outcome"], "timeout");
    for node in &nodes {
        let message = node.first("the message", chats);
        assert_eq!(message.text(), "two rabbits, please");
        assert_eq!(message.header("Content-Type"), "text/x-order");
    }
    // Codes say nothing of a node's health.
    ours.expect_active(&members[..4]);
}

#[test]
fn a_message_goes_to_one_node_alone() {
    let [one, other] = [Node::start(), Node::start()];
    let ours = Dmq::beside(&[&one, &other]).start();
    ours.expect_active(&[&one, &other]);
    assert_eq!(ours.send("chat", &one, "you")["outcome"], "taken");
    assert_eq!(one.all(chats).len(), 1);
    assert!(other.all(chats).is_empty());
    let stranger = json!({ "peer": "chat", "node": "sip:127.0.0.77:5060", "body": "who?" });
    let (status, said) = ours.http("POST", "/api/dmq/send", &stranger.to_string());
    assert_eq!(status, 404, "{said}");
    assert!(said.contains("sip:127.0.0.77:5060"), "{said}");
}

/// The times of the copies of one request, from the first of them.
fn copies(node: &Node, count: usize) -> Vec<Duration> {
    let first = node.first("the message", chats);
    let same = |packet: &Packet| chats(packet) && packet.branch() == first.branch();
    node.nth("the last copy", count - 1, same);
    let all = node.all(same);
    assert!(all.iter().all(|copy| copy.bytes == first.bytes), "copies differ");
    all.iter().map(|copy| copy.at - first.at).collect()
}

#[track_caller]
fn close_to(times: &[Duration], expected_ms: &[u64]) {
    assert!(times.len() >= expected_ms.len(), "{times:?}");
    for (time, expected) in times.iter().zip(expected_ms) {
        let early = time.as_millis() as u64 + 20 < *expected;
        let late = time.as_millis() as u64 > expected + 300;
        assert!(!early && !late, "{times:?} is not {expected_ms:?} ms");
    }
}

#[test]
fn who_does_not_answer_is_asked_again_as_rfc_3261_has_it() {
    let other = Node::start();
    other.behave_for("chat", Manner::Silent);
    let ours = Dmq::beside(&[&other]).set("fr_timer_ms", 5000).start();
    ours.expect_active(&[&other]);
    assert_eq!(ours.send("chat", &other, "hello")["outcome"], "timeout");
    close_to(&copies(&other, 4), &[0, 500, 1500, 3500]);
    assert_eq!(other.all(chats).len(), 4);
}

#[test]
fn timers_can_be_set() {
    let other = Node::start();
    other.behave_for("chat", Manner::Silent);
    let ours = Dmq::beside(&[&other]).set("t1_ms", 100).set("t2_ms", 200).set("fr_timer_ms", 1000);
    let ours = ours.start();
    ours.expect_active(&[&other]);
    let outcome = ours.send("chat", &other, "hello");
    assert_eq!(outcome["outcome"], "timeout");
    let took_ms = outcome["took_ms"].as_f64().unwrap();
    assert!((990.0..1400.0).contains(&took_ms), "{outcome}");
    close_to(&copies(&other, 6), &[0, 100, 300, 500, 700, 900]);
}

#[test]
fn an_answer_ends_the_copies() {
    let other = Node::start();
    other.behave_for("chat", Manner::AtCopy(3));
    let ours = Dmq::beside(&[&other]).set("t1_ms", 50).start();
    ours.expect_active(&[&other]);
    let outcome = ours.send("chat", &other, "hello");
    assert_eq!(outcome["outcome"], "taken");
    close_to(&copies(&other, 3), &[0, 50, 150]);
    other.behave(Manner::Answer);
    ours.send("chat", &other, "later");
    assert_eq!(other.all(chats).len(), 4);
}

#[test]
fn a_silent_node_delays_nobody_else() {
    let [silent, good] = [Node::start(), Node::start()];
    silent.behave_for("chat", Manner::Silent);
    let ours = Dmq::beside(&[&silent, &good]).set("fr_timer_ms", 1500).start();
    ours.expect_active(&[&silent, &good]);
    let told = ours.broadcast("chat", "all");
    assert_eq!(told[&silent.uri()]["outcome"], "timeout");
    assert_eq!(told[&good.uri()]["outcome"], "taken");
    let took = told[&good.uri()]["took_ms"].as_f64().unwrap();
    assert!(took < 400.0, "{told:?}");
    for n in 0..20 {
        assert_eq!(ours.send("chat", &good, &n.to_string())["outcome"], "taken");
    }
}

#[test]
fn order_to_a_node_holds_even_when_it_is_slow() {
    let other = Node::start();
    // Each message is answered at its second copy alone, so all of them wait for each other.
    other.behave_for("chat", Manner::AtCopy(2));
    let ours = Dmq::beside(&[&other]).set("t1_ms", 30).start();
    ours.expect_active(&[&other]);
    std::thread::scope(|scope| {
        for n in 0..10_u64 {
            scope.spawn({
                let (ours, other) = (&ours, &other);
                move || ours.send("chat", other, &n.to_string())
            });
            // It has to be queued before the next is sent.
            let is_taken = || {
                let begun: BTreeSet<String> =
                    other.all(chats).iter().map(|packet| packet.text().to_owned()).collect();
                let queued = ours.row(&other.uri())["queued"].as_u64().unwrap();
                begun.len() as u64 + queued > n
            };
            within(DEADLINE, "it waits", is_taken);
        }
    });
    let mut order: Vec<String> = other.all(chats).iter().map(|p| p.text().to_owned()).collect();
    order.dedup();
    let mut sorted = order.clone();
    sorted.sort_by_key(|text| text.parse::<u32>().unwrap());
    assert_eq!(order, sorted);
}

#[test]
fn what_waits_for_a_node_is_bounded() {
    let other = Node::start();
    other.behave_for("chat", Manner::Silent);
    let ours = Dmq::beside(&[&other]).set("queue_messages_max", 3).set("fr_timer_ms", 1000).start();
    ours.expect_active(&[&other]);
    let words: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..12)
            .map(|n| {
                scope.spawn({
                    let (ours, other) = (&ours, &other);
                    move || ours.send("chat", other, &n.to_string())
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|t| t.join().unwrap()["outcome"].as_str().unwrap().to_owned())
            .collect()
    });
    assert!(words.iter().any(|word| word == "full"), "{words:?}");
    assert!(words.iter().any(|word| word == "timeout"), "{words:?}");
}
