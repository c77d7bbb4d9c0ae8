//! Nodes that fall silent, that come back, and what others say of them meanwhile.

use std::time::{Duration, Instant};

use super::node::{Manner, Node};
use super::packet::{NOTIFICATION, Packet};
use super::process::{Dmq, Member, within};
use crate::server::DEADLINE;

/// A ping every second that waits 400 ms; after two in a row without an answer a node is down.
const PING: Duration = Duration::from_secs(1);
const ANSWER: Duration = Duration::from_millis(400);

fn beside(members: &[&dyn Member]) -> Dmq {
    Dmq::beside(members).set("ping_timeout_ms", ANSWER.as_millis()).set("t1_ms", 100)
}

/// What a node that is not active is called, in the lists of others too.
fn is_told_active(node: &Node) -> impl Fn(&Packet) -> bool + use<> {
    let line = node.line();
    move |packet: &Packet| packet.peer() == NOTIFICATION && packet.text().contains(&line)
}

#[test]
fn a_silent_node_is_suspected_then_down_within_the_bounds() {
    let [seed, other] = [Node::start(), Node::start()];
    seed.tell(&[&other.line(), &seed.line()]);
    let ours = beside(&[&seed]).start();
    ours.expect_active(&[&seed, &other]);
    let from = Instant::now();
    other.behave(Manner::Silent);
    let mut states = Vec::new();
    within(DEADLINE, "it is disabled", || {
        let state = ours.state(&other);
        if states.last() != Some(&state) {
            states.push(state);
        }
        states.last().is_some_and(|state| state == "disabled")
    });
    let took = from.elapsed();
    // At most a whole interval until the next ping, then two misses; and some for a slow machine.
    let bound = PING + 2 * ANSWER + Duration::from_millis(500);
    assert!(took <= bound, "{took:?} is more than {bound:?}");
    assert!(took >= ANSWER, "{took:?}");
    assert_eq!(states, ["active", "not_active", "disabled"]);
    assert!(ours.row(&other.uri())["fail_count"].as_u64().unwrap() >= 2);
    // It gets no broadcasts, and is not in the way of those who do.
    let told = ours.broadcast("chat", "all");
    assert!(told.contains_key(&seed.uri()) && !told.contains_key(&other.uri()), "{told:?}");
    seed.forget();
    seed.nth("pings", 1, |packet| packet.notifies("1") && !packet.body().is_empty());
    assert!(seed.all(is_told_active(&other)).is_empty(), "it is still told of");
}

#[test]
fn a_notification_address_is_never_forgotten() {
    let seed = Node::start();
    let ours = beside(&[&seed]).start();
    ours.expect_active(&[&seed]);
    seed.behave(Manner::Silent);
    ours.expect_state(&seed, "not_active");
    seed.forget();
    seed.nth("pings", 12, |packet| packet.asks(NOTIFICATION));
    assert_ne!(ours.state(&seed), "");
    seed.behave(Manner::Answer);
    ours.expect_state(&seed, "active");
    assert_eq!(ours.row(&seed.uri())["fail_count"], 0);
}

#[test]
fn one_lost_answer_is_no_failure() {
    let other = Node::start();
    // Each ping is answered at its second copy.
    other.behave_for(NOTIFICATION, Manner::AtCopy(2));
    let ours = beside(&[&other]).start();
    ours.expect_active(&[&other]);
    other.forget();
    let mut states = std::collections::BTreeSet::new();
    within(DEADLINE, "five pings", || {
        states.insert(ours.state(&other));
        other.all(|packet| packet.asks(NOTIFICATION)).len() >= 10
    });
    assert_eq!(states.into_iter().collect::<Vec<_>>(), ["active"]);
}

#[test]
fn a_bus_at_rest_does_not_change() {
    let nodes: Vec<Node> = (0..5).map(|_| Node::start()).collect();
    let members: Vec<&dyn Member> = nodes.iter().map(|node| node as &dyn Member).collect();
    let ours = beside(&members).start();
    ours.expect_active(&members);
    let events = |ours: &Dmq| {
        let status = ours.api("GET", "/api/dmq/status", &serde_json::Value::Null);
        status["events"].as_array().expect("events").len()
    };
    let pings = |packet: &Packet| packet.notifies("1") && !packet.body().is_empty();
    for node in &nodes {
        node.first("a join", |packet| packet.notifies("2"));
        node.first("a ping", pings);
    }
    let before = events(&ours);
    nodes[4].forget();
    nodes[4].nth("pings", 3, pings);
    assert_eq!(events(&ours), before);
    // Not more than one request an interval to each.
    let all = nodes[4].all(pings);
    let span = all[3].at - all[0].at;
    assert!(span >= Duration::from_millis(2400), "{span:?}");
}

#[test]
fn hearsay_raises_nobody_from_the_dead() {
    let [seed, dead] = [Node::start(), Node::start()];
    seed.tell(&[&dead.line(), &seed.line()]);
    let ours = beside(&[&seed]).start();
    ours.expect_active(&[&seed, &dead]);
    dead.behave(Manner::Silent);
    ours.expect_state(&dead, "disabled");
    seed.forget();
    // The other keeps saying that it is active, in answers and in requests.
    let mut states = std::collections::BTreeSet::new();
    within(DEADLINE, "four pings", || {
        let both = format!("{}\r\n{}\r\n", dead.line(), seed.line());
        let reply = seed.request(ours.ip(), NOTIFICATION, both).ask();
        assert!(!reply.text().contains(&dead.line()), "{reply:?}");
        states.insert(ours.state(&dead));
        seed.all(|packet| packet.notifies("1") && !packet.body().is_empty()).len() >= 4
    });
    assert!(!states.contains("active"), "{states:?}");
    assert!(seed.all(is_told_active(&dead)).is_empty());
    // Its own word counts, once it answers.
    dead.behave(Manner::Answer);
    dead.request(ours.ip(), NOTIFICATION, format!("{}\r\n", dead.line())).ask();
    ours.expect_state(&dead, "active");
}

#[test]
fn who_never_answered_is_never_active() {
    let [seed, ghost] = [Node::start(), Node::start()];
    ghost.behave(Manner::Silent);
    seed.tell(&[&ghost.line(), &seed.line()]);
    let ours = beside(&[&seed]).start();
    ours.expect_active(&[&seed]);
    ghost.first("a question", |packet| packet.asks(NOTIFICATION));
    ours.expect_state(&ghost, "disabled");
    // Even when it says so itself: its answer is missing.
    let own = format!("{}\r\n", ghost.line());
    assert_eq!(ghost.request(ours.ip(), NOTIFICATION, own).ask().code(), 200);
    seed.forget();
    seed.nth("pings", 2, |packet| packet.notifies("1") && !packet.body().is_empty());
    assert!(seed.all(is_told_active(&ghost)).is_empty());
    assert_ne!(ours.state(&ghost), "active");
}

#[test]
fn only_200_makes_a_node_active() {
    let other = Node::start();
    other.behave(Manner::Code(404, "User Not Found"));
    let ours = beside(&[&other]).start();
    other.nth("pings", 3, |packet| packet.asks(NOTIFICATION));
    assert_ne!(ours.state(&other), "active");
    other.behave(Manner::Answer);
    ours.expect_state(&other, "active");
}

#[test]
fn a_restarted_node_is_met_again() {
    let other = Node::start();
    let mut ours = beside(&[&other]).start();
    ours.expect_active(&[&other]);
    for _ in 0..2 {
        ours.kill9();
        other.forget();
        ours.launch();
        ours.expect_active(&[&other]);
        assert_eq!(ours.send("chat", &other, "again")["outcome"], "taken");
    }
}

/// Ours, and a dead node that it only heard of.
fn with_a_dead_one(remove_inactive: bool) -> (Dmq, Node, Node) {
    let [seed, other] = [Node::start(), Node::start()];
    let ours = beside(&[&seed]).set("remove_inactive", remove_inactive).set("fr_timer_ms", 2000);
    let ours = ours.start();
    ours.expect_active(&[&seed]);
    other.request(ours.ip(), NOTIFICATION, format!("{}\r\n", other.line())).ask();
    ours.expect_active(&[&other]);
    other.behave(Manner::Silent);
    ours.expect_state(&other, "disabled");
    (ours, seed, other)
}

#[test]
fn dead_nodes_are_forgotten() {
    let (ours, _seed, other) = with_a_dead_one(true);
    // Two pings and an answer later, when nobody can have an old list of it any more.
    ours.expect_state(&other, "");
}

#[test]
fn dead_nodes_are_kept_when_that_is_wanted() {
    let (ours, _seed, other) = with_a_dead_one(false);
    other.forget();
    other.nth("pings", 12, |packet| packet.asks(NOTIFICATION));
    assert_eq!(ours.state(&other), "disabled");
    other.behave(Manner::Answer);
    ours.expect_state(&other, "active");
}
