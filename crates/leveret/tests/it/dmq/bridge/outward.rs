//! What is published for the bus is sent.

use amqp::value::Value;
use serde_json::json;

use super::world::{EVENTS, World, header};
use crate::client::arguments::queue;
use crate::client::message::{Message, message};
use crate::dmq::node::{Manner, Node};
use crate::server::eventually;
use crate::site::BrokerKind;

stories! {
    brokers: [
        a_key_of_one_word_is_broadcast,
        a_header_names_one_node_and_another_the_peer,
        outcomes_go_to_reply_to_before_the_message_is_settled,
        what_no_node_takes_is_a_dead_letter,
        what_cannot_be_sent_is_a_dead_letter,
        what_came_from_the_bus_does_not_go_back,
        a_queue_is_made_where_there_is_none,
        a_killed_node_sends_again_what_it_had,
        a_lost_connection_settles_nothing_twice,
    ],
    home: [a_node_that_stops_gives_back_what_it_had, messages_stay_in_order],
}

fn a_key_of_one_word_is_broadcast(kind: BrokerKind) {
    let world = World::at(kind).start();
    let second = Node::start();
    second.request(world.ours.ip(), crate::dmq::packet::NOTIFICATION, line(&second)).ask();
    world.ours.expect_active(&[&second]);
    let mut sent = world.outbound(EVENTS, "to all");
    sent.properties.content_type = Some(b"text/x-event".to_vec());
    world.publish(&sent);
    let got = world.got("to all");
    assert_eq!(got.header("Content-Type"), "text/x-event");
    assert_eq!(got.header("Max-Forwards"), "1");
    second.first("the broadcast", |packet| packet.asks(EVENTS) && packet.text() == "to all");
    world.expect_all_settled();
    world.ours.expect_metric("bridge_sent_total", 1.0);
    assert_eq!(world.channel.take(&world.dead), None);
}

fn line(node: &Node) -> String {
    format!("{}\r\n", node.line())
}

fn a_header_names_one_node_and_another_the_peer(kind: BrokerKind) {
    let world = World::at(kind).start();
    let second = Node::start();
    second.request(world.ours.ip(), crate::dmq::packet::NOTIFICATION, line(&second)).ask();
    world.ours.expect_active(&[&second]);
    let one = world.outbound(EVENTS, "to one").header("dmq-node", second.uri().as_str());
    world.publish(&one.header("dmq-peer", "dotted.peer"));
    second.first("the message", |packet| packet.asks("dotted.peer") && packet.text() == "to one");
    world.publish(&world.outbound(EVENTS, "to all"));
    world.got("to all");
    assert!(world.kamailio.all(|packet| packet.asks("dotted.peer")).is_empty());

    // Whoever hears from a node can answer it by the header that it came with.
    world.event("who is there?").ask();
    let heard = world.published();
    let answer = world.outbound(EVENTS, "me").header("dmq-node", &*header(&heard, "dmq-node"));
    world.publish(&answer);
    world.got("me");
    world.expect_all_settled();
}

fn outcomes_go_to_reply_to_before_the_message_is_settled(kind: BrokerKind) {
    let world = World::at(kind).start();
    let answers = world.answers();
    let asked = |message: Message, id: &str| {
        let mut message = message.reply_to(&answers);
        message.properties.correlation_id = Some(id.as_bytes().to_vec());
        world.publish(&message);
        let answer = world.take(&answers);
        assert_eq!(answer.properties.correlation_id.as_deref(), Some(id.as_bytes()));
        assert_eq!(answer.properties.content_type.as_deref(), Some(&b"application/json"[..]));
        serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap()
    };
    let answer = asked(world.outbound(EVENTS, "1"), "taken");
    let outcome = &answer["outcomes"][0];
    assert_eq!(answer["taken"], 1, "{answer}");
    assert_eq!(outcome["node"], world.kamailio.uri());
    assert_eq!((&outcome["outcome"], &outcome["code"]), (&json!("taken"), &json!(200)));
    world.kamailio.behave_for(EVENTS, Manner::Code(404, "User Not Found"));
    let answer = asked(world.outbound(EVENTS, "2"), "refused");
    assert_eq!((&answer["taken"], &answer["outcomes"][0]["code"]), (&json!(0), &json!(404)));
    assert_eq!(world.take(&world.dead).text(), "2");
    let stranger = world.outbound(EVENTS, "3").header("dmq-node", "sip:127.0.0.77:5060");
    let answer = asked(stranger, "unknown");
    assert!(answer["error"].as_str().unwrap().contains("127.0.0.77"), "{answer}");
    assert_eq!(world.take(&world.dead).text(), "3");
    // Outcomes that cannot be told stop nothing: nobody declared that queue.
    world.kamailio.behave_for(EVENTS, Manner::Answer);
    world.publish(&world.outbound(EVENTS, "4").reply_to("nowhere"));
    world.got("4");
    world.expect_all_settled();
}

fn what_no_node_takes_is_a_dead_letter(kind: BrokerKind) {
    let world = World::at(kind).start();
    world.kamailio.behave_for(EVENTS, Manner::Code(500, "Server Internal Error"));
    world.publish(&world.outbound(EVENTS, "refused"));
    assert_eq!(world.take(&world.dead).text(), "refused");
    world.silent();
    world.publish(&world.outbound(EVENTS, "unanswered"));
    assert_eq!(world.take(&world.dead).text(), "unanswered");
    world.ours.expect_log(&["bridge", "none of 1 nodes took it", "refused"]);
    world.expect_all_settled();
}

fn what_cannot_be_sent_is_a_dead_letter(kind: BrokerKind) {
    let world = World::at(kind).set("body_bytes_max", "\"1KiB\"").start();
    let large = "x".repeat(1025);
    let direct = message("", &world.queue, "no peer").persistent();
    let to = |node: &str| world.outbound(EVENTS, "to nobody").header("dmq-node", node);
    let peer = |value: Value| world.outbound(EVENTS, "bad peer").header("dmq-peer", value);
    let bad = [
        (direct, "names no peer"),
        (to("127.0.0.1:5060"), "does not start with sip:"),
        (to("sip:127.0.0.77:5060"), "is not on the list of nodes"),
        (to(&world.ours.uri()), "is this node itself"),
        (peer("a b".into()), "a peer's name is"),
        (peer(Value::I32(1)), "dmq-peer is not text"),
        (peer("notification_peer".into()), "a peer's name is"),
        (world.outbound(EVENTS, &large), "bytes"),
    ];
    let answers = world.answers();
    for (message, why) in bad {
        world.publish(&message.clone().reply_to(&answers));
        assert_eq!(world.take(&world.dead).body, message.body, "{why}");
        let answer = world.take(&answers).text();
        assert!(answer.starts_with("{\"error\":\"") && answer.contains(why), "{answer}");
    }
    world.ours.expect_log(&["bridge", "is rejected", "names no peer"]);
    world.publish(&world.outbound(EVENTS, "good"));
    world.got("good");
    world.expect_all_settled();
}

fn what_came_from_the_bus_does_not_go_back(kind: BrokerKind) {
    let world = World::at(kind).start();
    // Somebody bound the queue to everything.
    world.channel.bind(&world.queue, &world.exchange, "#");
    assert_eq!(world.event("round").ask().code(), 200);
    assert_eq!(world.take(&world.dead).text(), "round");
    world.ours.expect_log(&["bridge", "came from the bus"]);
    assert!(world.kamailio.all(|packet| packet.asks(EVENTS)).is_empty());
}

fn a_queue_is_made_where_there_is_none(kind: BrokerKind) {
    let world = World::bare(kind).start();
    // As it would be declared by anybody else.
    world.channel.declare(&queue(&world.queue).durable());
    world.publish(&world.outbound(EVENTS, "first"));
    world.got("first");
    // Without dead letters what nobody takes is gone.
    world.kamailio.behave_for(EVENTS, Manner::Code(404, "User Not Found"));
    world.publish(&world.outbound(EVENTS, "gone"));
    world.ours.expect_log(&["bridge", "none of 1 nodes took it"]);
    world.expect_all_settled();
    // One that is deleted is made again.
    world.kamailio.behave_for(EVENTS, Manner::Answer);
    world.channel.delete(&world.queue);
    world.ours.expect_log(&["bridge", "ended the consumer"]);
    world.expect_connected(true);
    world.publish(&world.outbound(EVENTS, "again"));
    world.got("again");
}

fn a_killed_node_sends_again_what_it_had(kind: BrokerKind) {
    let mut world = World::at(kind).start();
    world.silent();
    world.publish(&world.outbound(EVENTS, "on its way"));
    world.got("on its way");
    let mut event = world.event("half");
    world.proxy.withhold();
    event.send();
    world.published();
    let branch = std::mem::take(&mut event.branch);
    drop(event);
    world.ours.kill9();
    world.proxy.let_through();
    world.kamailio.forget();
    world.kamailio.behave_for(EVENTS, Manner::Answer);
    world.ours.launch();
    world.got("on its way");
    world.expect_all_settled();
    // What was not confirmed was not answered: its sender does not take it for delivered.
    assert!(world.kamailio.all(|packet| packet.is_reply() && packet.branch() == branch).is_empty());
}

fn a_lost_connection_settles_nothing_twice(kind: BrokerKind) {
    let world = World::at(kind).start();
    world.silent();
    world.publish(&world.outbound(EVENTS, "long"));
    let first = world.got("long");
    world.proxy.cut();
    world.ours.expect_metric("bridge_sending", 2.0);
    world.kamailio.behave_for(EVENTS, Manner::Answer);
    // It is answered in the end, but the delivery that it was made of is none any more.
    world.kamailio.first("the message again", |packet| is_other(packet, &first));
    world.expect_all_settled();
    world.publish(&world.outbound(EVENTS, "next"));
    world.got("next");
    world.expect_all_settled();
    assert_eq!(world.channel.take(&world.dead), None);
    world.expect_connected(true);
}

/// Whether it is another request for the peer than this one, with the same body.
fn is_other(packet: &crate::dmq::packet::Packet, first: &crate::dmq::packet::Packet) -> bool {
    packet.asks(EVENTS) && packet.body() == first.body() && packet.branch() != first.branch()
}

fn a_node_that_stops_gives_back_what_it_had(kind: BrokerKind) {
    let mut world = World::at(kind).set("fr_timer_ms", 20_000).start();
    world.silent();
    for body in ["1", "2", "3", "4"] {
        world.publish(&world.outbound(EVENTS, body));
    }
    world.ours.expect_metric("bridge_sending", 4.0);
    world.ours.stop();
    eventually("all are back", || world.channel.counts(&world.queue) == (4, 0));
    assert_eq!(world.channel.drain(&world.queue), ["1", "2", "3", "4"]);
    assert_eq!(world.channel.take(&world.dead), None);
}

fn messages_stay_in_order(kind: BrokerKind) {
    let world = World::at(kind).start();
    let bodies: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    let messages: Vec<Message> = bodies.iter().map(|body| world.outbound(EVENTS, body)).collect();
    world.channel.send_messages(&messages);
    world.got("199");
    let got = world.kamailio.all(|packet| packet.asks(EVENTS));
    let mut got: Vec<&str> = got.iter().map(|packet| packet.text()).collect();
    got.dedup();
    assert_eq!(got, bodies);
    world.expect_all_settled();
}
