//! What arrives on the bus is published.

use amqp::method::{ConnectionBlocked, ConnectionUnblocked};

use super::world::{EVENTS, EVERYTHING, World, header};
use crate::server::now_ms;
use crate::site::BrokerKind;

stories! {
    brokers: [
        a_message_is_published_with_its_sender_before_it_is_answered,
        messages_wait_for_a_broker_that_comes_back,
        unconfirmed_messages_are_published_again_in_order,
        without_a_broker_a_message_is_refused_in_time,
        without_confirms_a_message_is_answered_at_once,
        refused_messages_are_published_again,
        a_broker_that_is_short_of_memory_is_waited_for,
    ],
    home: [a_node_that_is_full_refuses, what_nobody_wants_is_taken],
}

fn a_message_is_published_with_its_sender_before_it_is_answered(kind: BrokerKind) {
    let world = World::at(kind).start();
    world.proxy.withhold();
    let mut event = world.event(b"\x00 up \xff");
    event.content_type = "application/x-event".into();
    event.send();
    let published = world.published();
    // The broker has it, and the bridge does not know yet.
    assert!(
        world
            .kamailio
            .all(|packet| packet.is_reply())
            .iter()
            .all(|reply| { reply.branch() != event.branch })
    );
    world.proxy.let_through();
    let reply = world.kamailio.reply(&event.branch);
    assert_eq!((reply.code(), reply.body()), (200, &b""[..]));

    let node = world.kamailio.ip();
    assert_eq!(published.key, format!("{EVENTS}.{node}:5060"));
    assert_eq!(published.exchange, world.exchange);
    assert_eq!(published.body, b"\x00 up \xff");
    assert_eq!(header(&published, "dmq-peer"), EVENTS);
    assert_eq!(header(&published, "dmq-node"), world.kamailio.uri());
    assert_eq!(header(&published, "dmq-source"), format!("{node}:5060"));
    let call_id = format!("{}@{node}", event.branch);
    assert_eq!(header(&published, "dmq-call-id"), call_id);
    let properties = &published.properties;
    assert_eq!(properties.message_id.as_deref(), Some(call_id.as_bytes()));
    assert_eq!(properties.content_type.as_deref(), Some(&b"application/x-event"[..]));
    assert_eq!(properties.delivery_mode, Some(2));
    let age = now_ms() / 1000 - properties.timestamp.unwrap();
    assert!(age < 10, "{age} s");

    // It did not come back to the bus, and its retransmission is not published again.
    event.ask();
    assert_eq!(world.channel.counts(&world.queue).0, 0);
    assert_eq!(world.channel.take(&world.inbox), None);
    assert!(world.kamailio.all(|packet| packet.asks(EVENTS)).is_empty());
    world.ours.expect_metric("bridge_published_total", 1.0);
}

/// Somewhere where nobody listens.
fn away(world: &World) {
    world.proxy.lead_to("127.0.0.1:1".parse().unwrap());
    world.proxy.cut();
    world.expect_connected(false);
}

fn back(world: &World) {
    world.proxy.lead_to(world.broker.amqp());
}

fn messages_wait_for_a_broker_that_comes_back(kind: BrokerKind) {
    let world = World::at(kind).start();
    away(&world);
    let events = ["1", "2", "3"].map(|body| world.event(body));
    for event in &events {
        event.send();
    }
    world.ours.expect_metric("bridge_waiting", 3.0);
    back(&world);
    for event in &events {
        assert_eq!(world.kamailio.reply(&event.branch).code(), 200);
    }
    let bodies = events.each_ref().map(|_| world.published().text());
    assert_eq!(bodies, ["1", "2", "3"]);
    world.ours.expect_metric("bridge_waiting", 0.0);
}

fn unconfirmed_messages_are_published_again_in_order(kind: BrokerKind) {
    let world = World::at(kind).start();
    world.proxy.withhold();
    let events = ["1", "2", "3"].map(|body| world.event(body));
    for event in &events {
        event.send();
        assert_eq!(world.published().text(), str::from_utf8(&event.body).unwrap());
    }
    world.proxy.cut();
    world.proxy.let_through();
    for event in &events {
        assert_eq!(world.kamailio.reply(&event.branch).code(), 200);
    }
    let again = events.each_ref().map(|_| world.published());
    assert_eq!(again.each_ref().map(|message| message.text()), ["1", "2", "3"]);
    // Whoever must not take a message twice can tell by its id.
    let ids = again.map(|message| message.properties.message_id.unwrap());
    assert!(ids[0].starts_with(events[0].branch.as_bytes()));
}

fn without_a_broker_a_message_is_refused_in_time(kind: BrokerKind) {
    let world = World::at(kind).set("bridge_timeout_ms", 300).start();
    away(&world);
    assert_eq!(world.event("lost").ask().code(), 503);
    world.ours.expect_metric("bridge_failed_total", 1.0);
    world.ours.expect_log(&["bridge", "not published within 300 ms"]);
    back(&world);
    world.expect_connected(true);
    assert_eq!(world.event("kept").ask().code(), 200);
    // What was refused is not published later.
    assert_eq!(world.published().text(), "kept");
}

fn without_confirms_a_message_is_answered_at_once(kind: BrokerKind) {
    let world = World::at(kind).set("bridge_confirm", false).start();
    away(&world);
    for body in ["1", "2"] {
        assert_eq!(world.event(body).ask().code(), 200);
    }
    back(&world);
    assert_eq!([world.published().text(), world.published().text()], ["1", "2"]);
    world.ours.expect_metric("bridge_published_total", 2.0);
}

fn refused_messages_are_published_again(kind: BrokerKind) {
    let world = World::at(kind).start();
    world.proxy.refuse(1);
    assert_eq!(world.event("again").ask().code(), 200);
    assert_eq!([world.published().text(), world.published().text()], ["again", "again"]);
    world.ours.expect_log(&["bridge", "basic.nack"]);
}

fn a_broker_that_is_short_of_memory_is_waited_for(kind: BrokerKind) {
    let world = World::at(kind).start();
    world.proxy.say(ConnectionBlocked { reason: "low on memory" });
    world.expect_connected(false);
    let event = world.event("patient");
    event.send();
    world.ours.expect_metric("bridge_waiting", 1.0);
    world.proxy.say(ConnectionUnblocked {});
    assert_eq!(world.kamailio.reply(&event.branch).code(), 200);
    assert_eq!(world.published().text(), "patient");
}

fn a_node_that_is_full_refuses(kind: BrokerKind) {
    let world = World::at(kind).set("bridge_waiting_max", 2).start();
    world.proxy.withhold();
    let events = ["1", "2"].map(|body| world.event(body));
    for event in &events {
        event.send();
    }
    world.ours.expect_metric("bridge_waiting", 2.0);
    assert_eq!(world.event("too many").ask().code(), 503);
    world.proxy.let_through();
    for event in &events {
        assert_eq!(world.kamailio.reply(&event.branch).code(), 200);
    }
    assert_eq!([world.published().text(), world.published().text()], ["1", "2"]);
}

fn what_nobody_wants_is_taken(kind: BrokerKind) {
    let world = World::at(kind).start();
    world.channel.unbind(&world.inbox, &world.exchange, EVERYTHING);
    assert_eq!(world.event("nobody is bound").ask().code(), 200);
    // Peers that are not named are unknown, and not published.
    let other = world.kamailio.request(world.ours.ip(), "other", "x");
    assert_eq!(other.ask().code(), 404);
    world.ours.expect_metric("bridge_published_total", 1.0);
}
