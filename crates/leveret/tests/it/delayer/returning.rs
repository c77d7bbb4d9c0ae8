//! Messages come back when they are due, not before, and are what they were.

use std::time::Duration;

use super::world::{Place, at};
use crate::client::arguments::exchange;
use crate::server::now_ms;

stories! {
    everywhere: [messages_come_back_when_they_are_due, messages_without_a_delay_pass_at_once],
    stores: [bodies_of_all_sizes_come_back, equal_due_times_keep_the_order_of_arrival],
    brokers: [a_routing_key_replaces_the_original_one, reply_to_replaces_the_exchange],
    disks: [],
    home: [
        a_body_of_128_mib_comes_back,
        reply_to_is_ignored_unless_it_is_asked_for,
        ten_thousand_messages_come_back_once
    ],
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn messages_come_back_when_they_are_due(place: Place) {
    let w = at(place).start();
    let delays = [900, 300, 1500, 600, 1200, 450, 1050];
    let messages = delays.map(|delay| w.message(format!("due in {delay} ms")).due_in(ms(delay)));
    let mut parcels = w.publish_all(messages);
    parcels.sort_by_key(|parcel| parcel.due_ms);
    w.expect_in_order(&parcels);
    w.delayer.expect_idle();
    w.expect_nothing();
}

fn messages_without_a_delay_pass_at_once(place: Place) {
    // Long enough to show that they do not wait for a group to fill.
    let w = at(place).option("storage-timeout", "60s").start();
    let messages = [
        w.message("no timestamp"),
        w.message("due long ago").due_at(1),
        w.message("due at 0").due_at(0),
        w.message("just due").due_at(now_ms()),
    ];
    let parcels = w.publish_all(messages);
    w.expect_in_order(&parcels);
    w.delayer.expect_idle();
    assert_eq!(w.delayer.metric("amqpdelayer_stored_total"), 0.0);
}

fn bodies_of_all_sizes_come_back(place: Place) {
    let w = at(place).start();
    let due_ms = now_ms() + 1500;
    let sizes = [0, 1, 2 << 10, 5 << 20];
    let bodies = sizes.map(|size| (0..size).map(|at| (at % 251) as u8).collect::<Vec<u8>>());
    let parcels = w.publish_all(bodies.map(|body| w.message(body).due_at(due_ms)));
    w.expect_all(&parcels);
    w.delayer.expect_idle();
}

fn equal_due_times_keep_the_order_of_arrival(place: Place) {
    let w = at(place).start();
    let due_ms = now_ms() + 1000;
    let messages = (0..200).map(|number| w.message(number.to_string()).due_at(due_ms));
    let parcels = w.publish_all(messages);
    w.expect_in_order(&parcels);
}

fn a_routing_key_replaces_the_original_one(place: Place) {
    let w = at(place).option("rabbitmq-routingkey", "outbox").start();
    let late = w.publish(w.message("late").key("retries").due_in(ms(300))).key("outbox");
    let prompt = w.publish(w.message("prompt").key("retries")).key("outbox");
    w.expect_in_order(&[prompt, late]);
}

fn reply_to_replaces_the_exchange(place: Place) {
    for (mode, key) in
        [("true", ""), ("true", "configured"), ("split", ""), ("split", "configured")]
    {
        eprintln!("usereplyto {mode}, routing key {key:?}");
        let w = at(place)
            .option("rabbitmq-usereplyto", mode)
            .option("rabbitmq-routingkey", key)
            .start();
        let reply = format!("reply-{}", w.names.id);
        w.publisher.declare_exchange(&exchange(&reply, "topic").durable());
        w.publisher.bind(&w.names.sink, &reply, "#");
        let configured = |own: &str| if key.is_empty() { own.to_owned() } else { key.to_owned() };
        let whole = w.publish(w.message("whole").key("own").reply_to(&reply).due_in(ms(600)));
        let none = w.publish(w.message("none").key("own").due_in(ms(300)));
        let whole = whole.exchange(&reply).key(&configured("own"));
        w.expect_in_order(&[none.key(&configured("own")), whole]);
        if mode == "split" {
            let to = format!("{reply}:its.key");
            let split = w.publish(w.message("split").key("own").reply_to(&to).due_in(ms(300)));
            w.expect(&split.exchange(&reply).key("its.key"));
        }
    }
}

fn reply_to_is_ignored_unless_it_is_asked_for(place: Place) {
    let w = at(place).start();
    let parcel = w.publish(w.message("m").reply_to("no such exchange").due_in(ms(200)));
    w.expect(&parcel);
}

fn a_body_of_128_mib_comes_back(place: Place) {
    let w = at(place).option("storage-mapsize", "1GiB").start();
    let body: Vec<u8> = (0..128_u32 << 20).map(|at| (at >> 10) as u8).collect();
    let parcel = w.publish(w.message(body).id("large").due_in(ms(3_600_000)));
    w.expect_held(1);
    w.delayer.api("POST", "/api/messages/release?message_id=large", "");
    w.expect(&parcel.due_at(0));
    w.delayer.expect_idle();
}

fn ten_thousand_messages_come_back_once(place: Place) {
    let w = at(place).start();
    let from = now_ms() + 1000;
    let messages = (0..10_000_u64).map(|n| w.message(n.to_string()).due_at(from + n * 7 % 1000));
    let parcels = w.publish_all(messages);
    let duplicates = w.expect_at_least(&parcels);
    let count = |name: &str| w.delayer.metric(&format!("amqpdelayer_{name}_total"));
    let counts = ["received", "stored", "forwarded", "revived"].map(count);
    assert_eq!((duplicates, counts[0], counts[2] + counts[3]), (0, 1e4, 1e4), "{counts:?}");
}
