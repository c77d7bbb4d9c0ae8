//! Delayed messages as a client sees them: when they come, what they look like, what a crash leaves of them.

use std::time::{Duration, Instant};

use amqp::method::{ExchangeDelete, ExchangeDeleteOk};
use amqp::value::Value;

use crate::broker::{Broker, eventually, shared};
use crate::client::Client;
use crate::client::arguments::{Exchange, consume, exchange, queue};
use crate::client::channel::Channel;
use crate::client::message::{Delivery, Message, message};

fn channel(broker: &Broker) -> Channel {
    Client::connect(broker).channel()
}

fn delayed(name: &str, kind: &str) -> Exchange {
    exchange(name, "x-delayed-message").arg("x-delayed-type", kind)
}

/// An exchange and an exclusive queue behind it, of the same name; what arrives is delivered.
fn watched(name: &str, kind: &str, key: &str) -> Channel {
    let c = channel(shared());
    c.declare_exchange(&delayed(name, kind).auto_delete());
    c.declare(&queue(name).exclusive());
    c.bind(name, name, key);
    c.consume(&consume(name).no_ack());
    c
}

fn after(exchange: &str, key: &str, body: &str, delay: impl Into<Value>) -> Message {
    message(exchange, key, body).header("x-delay", delay)
}

fn x_delay(delivery: &Delivery) -> Option<i64> {
    delivery.headers().get("x-delay").and_then(Value::as_i64)
}

#[test]
fn messages_come_in_the_order_of_their_times_and_none_too_early() {
    for (kind, bound) in [("direct", "a.b"), ("topic", "a.#")] {
        let c = watched(&format!("delayed-{kind}"), kind, bound);
        let begin = Instant::now();
        let name = format!("delayed-{kind}");
        for (body, delay) in [("third", 300_i64), ("first", 100), ("second", 200)] {
            c.send_message(&after(&name, "a.b", body, delay));
        }
        c.send_message(&message(&name, "a.b", "at once"));
        assert_eq!(x_delay(&c.expect_bodies(&["at once"])[0]), None);
        for (body, delay) in [("first", 100), ("second", 200), ("third", 300)] {
            let got = &c.expect_bodies(&[body])[0];
            assert!(begin.elapsed() >= Duration::from_millis(delay), "{body} came early");
            assert_eq!(x_delay(got), Some(-(delay as i64)));
            assert_eq!((got.exchange.as_str(), got.key.as_str()), (name.as_str(), "a.b"));
        }
    }
}

#[test]
fn a_delay_may_be_written_in_many_ways() {
    let c = watched("delayed-forms", "fanout", "");
    let forms = [
        (Value::U8(30), Value::I32(-30)),
        (Value::I16(31), Value::I32(-31)),
        (Value::I32(32), Value::I32(-32)),
        (Value::U32(33), Value::I32(-33)),
        (Value::I64(34), Value::I32(-34)),
        ("35".into(), Value::I32(-35)),
        (Value::F64(36.9), Value::I32(-36)),
        (Value::I32(0), Value::I32(0)),
        (Value::I32(-5), Value::I32(-5)),
        (Value::Void, Value::Void),
    ];
    for (form, seen) in forms {
        c.send_message(&after("delayed-forms", "", "m", form));
        assert_eq!(c.delivery().headers().get("x-delay"), Some(&seen));
    }
}

#[test]
fn what_cannot_be_delayed_is_refused() {
    let missing = "PRECONDITION_FAILED - Invalid argument, 'x-delayed-type' must be an existing exchange type";
    let c = channel(shared());
    c.send_declare_exchange(&exchange("delayed-none", "x-delayed-message"));
    c.expect_close(406, (40, 10), missing);
    for (delay, text) in [
        (Value::from("soon"), "PRECONDITION_FAILED - invalid x-delay: not an integer"),
        (
            Value::I64(315_360_000_001),
            "PRECONDITION_FAILED - invalid x-delay: a message waits at most 315360000000 milliseconds, ten years",
        ),
    ] {
        let c = watched("delayed-refused", "fanout", "");
        c.send_message(&after("delayed-refused", "", "m", delay));
        c.expect_close(406, (60, 40), text);
    }
}

#[test]
fn a_mandatory_message_that_waits_is_not_returned() {
    let c = channel(shared());
    c.declare_exchange(&delayed("delayed-mandatory", "fanout"));
    c.confirms();
    c.send_message(&after("delayed-mandatory", "", "m", 20).mandatory());
    c.expect_confirms(1);
    c.silent();
    c.ask(
        ExchangeDelete { exchange: "delayed-mandatory", if_unused: false, no_wait: false },
        ExchangeDeleteOk {},
    );
}

#[test]
fn a_transaction_delays_from_its_commit() {
    use amqp::method::{TxCommit, TxCommitOk, TxSelect, TxSelectOk};
    let c = watched("delayed-tx", "fanout", "");
    let publisher = channel(shared());
    publisher.ask(TxSelect {}, TxSelectOk {});
    publisher.send_message(&after("delayed-tx", "", "m", 50));
    publisher.ask(TxCommit {}, TxCommitOk {});
    let begin = Instant::now();
    assert_eq!(x_delay(&c.delivery()), Some(-50));
    assert!(begin.elapsed() <= Duration::from_secs(10));
}

/// Publishes confirmed messages, some due soon and some much later, ends the broker and starts it again.
#[track_caller]
fn survives(end: fn(&mut Broker)) {
    let mut broker = Broker::start();
    let c = channel(&broker);
    c.declare_exchange(&delayed("x", "direct").durable());
    c.declare(&queue("q").durable());
    c.bind("q", "x", "k");
    c.confirms();
    let begin = Instant::now();
    // More than the records of due times hold, of which each tells 4096.
    let later: Vec<Message> =
        (0..5000).map(|n| after("x", "k", &n.to_string(), 3_600_000).persistent()).collect();
    c.send_messages(&later);
    c.send_message(&after("x", "k", "transient", 3_600_000));
    // Due before the end or after it, as the machine is fast.
    c.send_message(&after("x", "k", "soon", 700).persistent());
    c.expect_confirms(5002);
    end(&mut broker);
    let c = channel(&broker);
    c.consume(&consume("q").no_ack());
    c.expect_bodies(&["soon"]);
    assert!(begin.elapsed() >= Duration::from_millis(700));
    assert_eq!(broker.metric("leveret_delayed_messages"), 5001.0);
    c.silent();
}

#[test]
fn confirmed_delayed_messages_survive_kill_9() {
    survives(Broker::crash);
}

#[test]
fn confirmed_delayed_messages_survive_a_stop() {
    survives(Broker::restart);
}

#[test]
fn what_was_released_does_not_come_again() {
    let mut broker = Broker::start();
    let c = channel(&broker);
    c.declare_exchange(&delayed("x", "fanout").durable());
    c.declare(&queue("q").durable());
    c.bind("q", "x", "");
    c.consume(&consume("q").no_ack());
    for n in 0..100 {
        c.send_message(&after("x", "", &n.to_string(), 10 + n).persistent());
    }
    (0..100).for_each(|_| drop(c.delivery()));
    broker.restart();
    let c = channel(&broker);
    assert_eq!(c.counts("q"), (0, 0));
    assert_eq!(broker.metric("leveret_delayed_messages"), 0.0);
}

/// Who published it was told that it is safe, and is not there any more to try again.
#[test]
fn a_full_queue_gets_a_delayed_message_when_it_has_room() {
    let broker = Broker::start();
    let c = channel(&broker);
    c.declare_exchange(&delayed("x", "fanout").durable());
    let full = queue("q").durable().arg("x-max-length", 1).arg("x-overflow", "reject-publish");
    c.declare(&full);
    c.bind("q", "x", "");
    c.confirms();
    c.send_message(&message("", "q", "first"));
    c.send_message(&after("x", "", "later", 1));
    c.expect_confirms(2);
    eventually("it was refused", || broker.metric("leveret_delayed_refused_total") >= 1.0);
    c.consume(&consume("q").no_ack());
    c.expect_bodies(&["first", "later"]);
    assert_eq!(broker.metric("leveret_delayed_messages"), 0.0);
}

/// The queue that a crash takes along was the last one bound; that is no reason for the exchange to go.
#[test]
fn an_auto_delete_exchange_keeps_what_waits_over_kill_9() {
    let mut broker = Broker::start();
    let c = channel(&broker);
    c.declare_exchange(&delayed("x", "fanout").durable().auto_delete());
    c.declare(&queue("kept").durable());
    c.declare(&queue("transient"));
    c.bind("kept", "x", "");
    c.bind("transient", "x", "");
    c.confirms();
    c.send_message(&after("x", "", "m", 3_600_000));
    c.expect_confirms(1);
    c.unbind("kept", "x", "");
    broker.crash();
    assert_eq!(broker.metric("leveret_delayed_messages"), 1.0);
}
