//! The same declares to Leveret and to RabbitMQ 3.10.8: both must say the same.

use amqp::method::{ChannelCloseOk, QueueDelete};
use amqp::value::Value;

use super::quorum;
use crate::broker::shared;
use crate::client::Client;
use crate::client::arguments::{Queue, queue};
use crate::client::channel::{Channel, Event};
use crate::client::login::Login;
use crate::peers::{rabbitmq, rabbitmq_is_4};

/// What a declare is answered: `ok`, or code and text. The queue is gone afterwards.
fn answer(client: &Client, asked: &Queue) -> String {
    let channel = client.channel();
    channel.send_declare(asked);
    let said = said(&channel);
    if said == "ok" {
        channel.delete(&asked.name);
    }
    said
}

fn said(channel: &Channel) -> String {
    match channel.next() {
        Event::Answer(_) => "ok".to_owned(),
        Event::Closed { code, at, text } => {
            channel.send(ChannelCloseOk {});
            format!("{code} {at:?} {text}")
        }
        other => panic!("not an answer: {other:?}"),
    }
}

/// Names of arguments, and values to try with each.
fn arguments() -> Vec<(&'static str, Vec<Value>)> {
    let numbers = || [5, 0, -1].map(Value::I32).to_vec();
    let mut odd = numbers();
    odd.extend([Value::from("a"), Value::Bool(true)]);
    let words = |words: &[&str]| {
        let words = words.iter().map(|word| Value::from(*word));
        words.chain([Value::I32(1)]).collect::<Vec<_>>()
    };
    vec![
        ("x-expires", odd.clone()),
        ("x-message-ttl", odd.clone()),
        ("x-dead-letter-exchange", words(&["d", ""])),
        ("x-dead-letter-routing-key", words(&["d"])),
        ("x-dead-letter-strategy", words(&["at-least-once", "at-most-once", "never"])),
        ("x-max-length", odd.clone()),
        ("x-max-length-bytes", odd.clone()),
        ("x-max-in-memory-length", odd.clone()),
        ("x-max-in-memory-bytes", odd.clone()),
        ("x-max-priority", odd.clone()),
        ("x-overflow", words(&["drop-head", "reject-publish", "reject-publish-dlx", "x"])),
        ("x-queue-mode", words(&["lazy", "x"])),
        ("x-queue-version", numbers()),
        ("x-single-active-consumer", vec![Value::Bool(true), Value::I32(1)]),
        ("x-quorum-initial-group-size", odd.clone()),
        ("x-delivery-limit", odd),
        ("x-max-age", words(&["1D", "x"])),
        ("x-stream-max-segment-size-bytes", numbers()),
        ("x-initial-cluster-size", numbers()),
        ("x-queue-master-locator", words(&["client-local"])),
        ("x-nonsense", words(&["x"])),
    ]
}

#[test]
fn arguments_of_quorum_queues_are_answered_alike() {
    let (ours, theirs) = (Client::connect(shared()), Login::default().open(rabbitmq()));
    let mut different = Vec::new();
    for (name, values) in arguments() {
        for value in values {
            let asked = quorum("compared-arguments").arg(name, value.clone());
            let (here, there) = (answer(&ours, &asked), answer(&theirs, &asked));
            if here != there {
                different
                    .push(format!("{name} {value:?}\n  Leveret:  {here}\n  RabbitMQ: {there}"));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn properties_and_redeclares_are_answered_alike() {
    const NAME: &str = "compared-properties";
    let (ours, theirs) = (Client::connect(shared()), Login::default().open(rabbitmq()));
    let transient = queue(NAME).arg("x-queue-type", "quorum");
    let alone = [
        transient.clone(),
        transient.clone().exclusive(),
        transient.clone().auto_delete(),
        quorum(NAME).exclusive().auto_delete(),
        quorum(""),
    ];
    for asked in &alone {
        assert_eq!(answer(&ours, asked), answer(&theirs, asked));
    }
    let limited = quorum(NAME).arg("x-delivery-limit", 5);
    // A declaration that is wrong in itself and unlike the queue: 4.3 says the latter.
    let transient = (!rabbitmq_is_4()).then_some(transient);
    let again = [
        queue(NAME).durable(),
        queue(NAME).durable().arg("x-queue-type", "classic"),
        quorum(NAME),
        quorum(NAME).arg("x-delivery-limit", 6),
        limited.clone().arg("x-max-priority", 5),
        limited.clone().arg("x-max-length", 5),
        limited.clone().exclusive(),
    ];
    for asked in again.iter().chain(&transient) {
        let said = [&ours, &theirs].map(|client| {
            client.channel().declare(&limited);
            answer(client, asked)
        });
        // 4.3 describes the types of both queues in other words.
        let meant = said.each_ref().map(|said| match said.find(": received") {
            Some(end) if rabbitmq_is_4() => &said[..end],
            _ => said,
        });
        assert_eq!(meant[0], meant[1], "{said:?}");
    }
    for client in [&ours, &theirs] {
        client.channel().delete(NAME);
    }
}

#[test]
fn deletions_under_a_condition_are_answered_alike() {
    for (if_unused, if_empty) in [(true, false), (false, true), (true, true)] {
        let said = [Client::connect(shared()), Login::default().open(rabbitmq())].map(|client| {
            let channel = client.channel();
            channel.declare(&quorum("condition"));
            channel.send(QueueDelete { queue: "condition", if_unused, if_empty, no_wait: false });
            format!("{:?}", client.next().method())
        });
        assert_eq!(said[0], said[1]);
    }
    for client in [Client::connect(shared()), Login::default().open(rabbitmq())] {
        client.channel().delete("condition");
    }
}

/// A nack and a reject count against the limit, and the third return is one too many for a limit of 2. For 4.3 a nack does
/// not count.
#[test]
fn returns_count_alike() {
    type Back = fn(&Channel, u64);
    let ways: [(&str, Back); 2] =
        [("nack", |c, tag| c.nack(tag, false, true)), ("reject", |c, tag| c.reject(tag, true))];
    for (name, way) in ways {
        let said = [Client::connect(shared()), Login::default().open(rabbitmq())].map(|client| {
            let c = client.channel();
            let dead = queue("counted-dead").exclusive();
            c.declare(&dead);
            let limited = quorum("counted")
                .arg("x-delivery-limit", 2)
                .arg("x-dead-letter-exchange", "")
                .arg("x-dead-letter-routing-key", "counted-dead");
            c.declare(&limited);
            c.consume(&crate::client::arguments::consume("counted"));
            c.publish("", "counted", "m");
            let marks: Vec<bool> = (0..3)
                .map(|_| {
                    let got = c.delivery();
                    way(&c, got.tag);
                    got.redelivered
                })
                .collect();
            c.consume(&crate::client::arguments::consume("counted-dead").no_ack());
            let reason = c.delivery().headers().get("x-first-death-reason").cloned();
            c.delete("counted");
            (marks, reason)
        });
        assert_eq!(said[0] != said[1], rabbitmq_is_4() && name == "nack", "{name}: {said:?}");
    }
}
