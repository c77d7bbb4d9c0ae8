//! Quorum queues as a client sees them: counted returns, the end of a message that comes back too often, dead letters
//! that are kept, and what a `kill -9` leaves.

mod peer_rabbitmq;

use amqp::value::Value;

use crate::broker::{Broker, eventually, shared};
use crate::client::Client;
use crate::client::arguments::{Queue, consume, exchange, queue};
use crate::client::channel::Event;
use crate::client::message::{Delivery, message};

fn quorum(name: &str) -> Queue {
    queue(name).durable().arg("x-queue-type", "quorum")
}

fn count(delivery: &Delivery, header: &str) -> Option<Value> {
    delivery.headers().get(header).cloned()
}

/// A redelivery and what its headers say: how often as a failure, and how often at all.
fn counts(delivery: &Delivery) -> (bool, Option<i64>, Option<i64>) {
    let number = |header| count(delivery, header).and_then(|value| value.as_i64());
    (delivery.redelivered, number("x-delivery-count"), number("x-acquired-count"))
}

#[test]
fn redeliveries_say_how_often_a_message_came_back() {
    let client = Client::connect(shared());
    let c = client.channel();
    c.declare(&quorum("q-counted"));
    c.send_message(&message("", "q-counted", "m").header("own", 7_i64));
    c.consume(&consume("q-counted"));
    let first = c.delivery();
    assert_eq!(counts(&first), (false, None, None));
    c.nack(first.tag, false, true);
    let second = c.delivery();
    assert_eq!(counts(&second), (true, Some(1), Some(1)));
    assert_eq!(count(&second, "x-delivery-count"), Some(Value::I64(1)));
    assert_eq!(count(&second, "own"), Some(Value::I64(7)));
    c.reject(second.tag, true);
    assert_eq!(counts(&c.delivery()), (true, Some(2), Some(2)));
    c.close();
    let c = client.channel();
    let third = c.get("q-counted").unwrap();
    assert_eq!(counts(&third), (true, Some(3), Some(3)));
    assert_eq!(third.text(), "m");
    c.ack(third.tag);
    c.delete("q-counted");
}

#[test]
fn a_message_that_comes_back_too_often_is_dead_lettered() {
    let c = Client::connect(shared()).channel();
    c.declare(&queue("q-limit-dead").exclusive());
    c.declare(
        &quorum("q-limit")
            .arg("x-delivery-limit", 2)
            .arg("x-dead-letter-exchange", "")
            .arg("x-dead-letter-routing-key", "q-limit-dead"),
    );
    c.publish("", "q-limit", "poison");
    c.publish("", "q-limit", "fine");
    for _ in 0..3 {
        let got = c.get("q-limit").unwrap();
        assert_eq!(got.text(), "poison");
        c.nack(got.tag, false, true);
    }
    let dead = c.take("q-limit-dead").unwrap();
    assert_eq!(dead.headers().get("x-first-death-reason"), Some(&Value::from("delivery_limit")));
    assert_eq!(c.drain("q-limit"), ["fine"]);
    c.delete("q-limit");
}

#[test]
fn counts_and_transient_messages_survive_a_kill() {
    let mut broker = Broker::start();
    let c = Client::connect(&broker).channel();
    c.declare(&quorum("kept"));
    c.confirms();
    c.publish("", "kept", "a");
    c.publish("", "kept", "b");
    c.expect_confirms(2);
    for _ in 0..2 {
        let got = c.get("kept").unwrap();
        c.nack(got.tag, false, true);
    }
    // A confirm of what follows says that the counts are on disk.
    c.publish("", "kept", "c");
    c.expect_confirms_from(2, 3);
    broker.crash();
    let c = Client::connect(&broker).channel();
    assert_eq!(c.counts("kept").0, 3);
    assert_eq!(counts(&c.get("kept").unwrap()), (true, Some(2), Some(2)));
    assert_eq!(counts(&c.get("kept").unwrap()), (true, None, None));
}

#[test]
fn dead_letters_without_a_way_wait_for_one_even_over_a_kill() {
    let mut broker = Broker::start();
    let c = Client::connect(&broker).channel();
    c.declare(
        &quorum("kept")
            .arg("x-overflow", "reject-publish")
            .arg("x-dead-letter-exchange", "later")
            .arg("x-dead-letter-strategy", "at-least-once"),
    );
    c.confirms();
    for body in ["a", "b"] {
        c.publish("", "kept", body);
        let got = c.get("kept").unwrap();
        c.reject(got.tag, false);
    }
    c.publish("", "kept", "c");
    c.expect_confirms(3);
    broker.crash();
    let c = Client::connect(&broker).channel();
    assert_eq!(c.counts("kept").0, 1);
    c.declare(&queue("home").durable());
    c.declare_exchange(&exchange("later", "fanout").durable());
    c.bind("home", "later", "");
    eventually("the dead letters arrive", || c.counts("home").0 == 2);
    let mut arrived = c.drain("home");
    arrived.sort();
    assert_eq!(arrived, ["a", "b"]);
}

#[test]
fn priorities_are_always_on() {
    let c = Client::connect(shared()).channel();
    c.declare(&quorum("q-priorities"));
    let publish = |body: &str, priority| {
        c.send_message(&message("", "q-priorities", body).priority(priority));
    };
    c.publish("", "q-priorities", "without");
    publish("low", 3);
    publish("high", 5);
    publish("zero", 0);
    assert_eq!(c.drain("q-priorities"), ["high", "without", "low", "zero"]);
    c.delete("q-priorities");
}

#[test]
fn a_limit_of_the_channel_holds_for_quorum_queues_too() {
    let c = Client::connect(shared()).channel();
    c.declare(&quorum("q-global"));
    let qos = amqp::method::BasicQos { prefetch_size: 0, prefetch_count: 1, global: true };
    c.ask(qos, amqp::method::BasicQosOk {});
    for body in ["a", "b"] {
        c.publish("", "q-global", body);
    }
    c.consume(&consume("q-global"));
    let first = c.expect_bodies(&["a"]);
    c.silent();
    c.ack(first[0].tag);
    c.expect_bodies(&["b"]);
    c.delete("q-global");
}

#[test]
fn a_full_queue_refuses() {
    let c = Client::connect(shared()).channel();
    c.declare(&quorum("q-full").arg("x-max-length", 2).arg("x-overflow", "reject-publish"));
    c.confirms();
    for body in ["a", "b"] {
        c.publish("", "q-full", body);
    }
    c.expect_confirms(2);
    c.publish("", "q-full", "c");
    assert!(matches!(c.next(), Event::Nack { tag: 3, .. }));
    assert_eq!(c.drain("q-full"), ["a", "b"]);
    c.delete("q-full");
}

/// Lets a message come back at once, and see it again no sooner than its retry is due.
#[test]
fn a_retry_waits() {
    let c = Client::connect(shared()).channel();
    c.declare(
        &quorum("q-retry").arg("x-delayed-retry-type", "all").arg("x-delayed-retry-min", 300),
    );
    c.publish("", "q-retry", "m");
    let started = std::time::Instant::now();
    let got = c.get("q-retry").unwrap();
    c.nack(got.tag, false, true);
    c.consume(&consume("q-retry"));
    assert_eq!(counts(&c.delivery()), (true, None, Some(1)));
    assert!(started.elapsed() >= std::time::Duration::from_millis(299), "{:?}", started.elapsed());
    c.delete("q-retry");
}
