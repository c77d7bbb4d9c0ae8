//! Refused declares: other properties than before, and arguments that make no sense.

use amqp::method::QueueBind;
use amqp::value::{RawTable, Value};

use super::{EXCHANGE_DECLARE, QUEUE_DECLARE, check, delete_exchange};
use crate::broker::shared;
use crate::client::Client;
use crate::client::arguments::{Queue, encoded, exchange, queue, table};
use crate::client::channel::Channel;

#[test]
fn exclusive_is_compared_before_anything_else() {
    check(
        shared(),
        &[
            (405, QUEUE_DECLARE, "RESOURCE_LOCKED - cannot obtain exclusive access", |c| {
                c.declare(&queue("owned").exclusive());
                c.send_declare(&queue("owned").durable().arg("x-max-length", 7));
            }),
            (405, QUEUE_DECLARE, "RESOURCE_LOCKED - cannot obtain exclusive access", |c| {
                c.declare(&queue("open").auto_delete());
                c.send_declare(&queue("open").exclusive().auto_delete());
            }),
        ],
    );
    Client::connect(shared()).channel().delete("open");
}

/// Declares `first`, then `second` of the same name, which must be refused.
fn redeclare(channel: &Channel, first: Queue, second: Queue) {
    channel.declare(&first.exclusive());
    channel.send_declare(&second.exclusive());
}

#[test]
fn queue_redeclare_with_other_properties_is_refused() {
    check(
        shared(),
        &[
            (
                406,
                QUEUE_DECLARE,
                "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'r1' in vhost '/': received 'false' but current is 'true'",
                |c| {
                    c.declare(&queue("r1").durable().auto_delete());
                    c.send_declare(&queue("r1"));
                },
            ),
            (
                406,
                QUEUE_DECLARE,
                "PRECONDITION_FAILED - inequivalent arg 'auto_delete' for queue 'r2' in vhost '/': received 'true' but current is 'false'",
                |c| redeclare(c, queue("r2"), queue("r2").auto_delete().arg("x-expires", 1)),
            ),
            (
                406,
                QUEUE_DECLARE,
                "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'r3' in vhost '/': received '2' but current is '1'",
                |c| {
                    let first = queue("r3").arg("x-message-ttl", 1);
                    redeclare(c, first, queue("r3").arg("x-message-ttl", 2));
                },
            ),
            (
                406,
                QUEUE_DECLARE,
                "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'r4' in vhost '/': received none but current is the value '1' of type 'signedint'",
                |c| {
                    let first = queue("r4").arg("x-message-ttl", Value::I32(1));
                    redeclare(c, first, queue("r4"));
                },
            ),
            (
                406,
                QUEUE_DECLARE,
                "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'r5' in vhost '/': received the value '5' of type 'long' but current is none",
                |c| redeclare(c, queue("r5"), queue("r5").arg("x-max-length", 5)),
            ),
            (
                406,
                QUEUE_DECLARE,
                "PRECONDITION_FAILED - inequivalent arg 'x-dead-letter-exchange' for queue 'r6' in vhost '/': received 'b' but current is 'a'",
                |c| {
                    let first = queue("r6").arg("x-dead-letter-exchange", "a");
                    redeclare(c, first, queue("r6").arg("x-dead-letter-exchange", "b"));
                },
            ),
        ],
    );
    Client::connect(shared()).channel().delete("r1");
}

#[test]
fn exchange_redeclare_with_other_properties_is_refused() {
    check(
        shared(),
        &[
            (
                406,
                EXCHANGE_DECLARE,
                "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'amq.direct' in vhost '/': received 'topic' but current is 'direct'",
                |c| c.send_declare_exchange(&exchange("amq.direct", "topic")),
            ),
            (
                406,
                EXCHANGE_DECLARE,
                "PRECONDITION_FAILED - inequivalent arg 'durable' for exchange 'amq.direct' in vhost '/': received 'false' but current is 'true'",
                |c| c.send_declare_exchange(&exchange("amq.direct", "direct")),
            ),
            (
                406,
                EXCHANGE_DECLARE,
                "PRECONDITION_FAILED - inequivalent arg 'auto_delete' for exchange 'amq.fanout' in vhost '/': received 'true' but current is 'false'",
                |c| {
                    c.send_declare_exchange(
                        &exchange("amq.fanout", "fanout").durable().auto_delete(),
                    );
                },
            ),
            (
                406,
                EXCHANGE_DECLARE,
                "PRECONDITION_FAILED - inequivalent arg 'internal' for exchange 'amq.fanout' in vhost '/': received 'true' but current is 'false'",
                |c| {
                    c.send_declare_exchange(&exchange("amq.fanout", "fanout").durable().internal());
                },
            ),
            (
                406,
                EXCHANGE_DECLARE,
                "PRECONDITION_FAILED - inequivalent arg 'alternate-exchange' for exchange 'amq.topic' in vhost '/': received",
                |c| {
                    let topic = exchange("amq.topic", "topic").durable();
                    c.send_declare_exchange(&topic.arg("alternate-exchange", "a"));
                },
            ),
        ],
    );
}

#[test]
fn equivalent_redeclares_are_fine() {
    let client = Client::connect(shared());
    let channel = client.channel();
    let same = |first: Queue, second: Queue| {
        channel.declare(&first.exclusive());
        channel.declare(&second.exclusive());
    };
    same(queue("e1").durable(), queue("e1").durable());
    same(queue("e2").arg("x-message-ttl", Value::I8(9)), queue("e2").arg("x-message-ttl", 9));
    same(queue("e3").arg("x-nonsense", 1), queue("e3").arg("x-nonsense", "other"));
    same(queue("e4"), queue("e4").arg("x-queue-type", "classic"));
    same(queue("e5").arg("x-queue-mode", "lazy"), queue("e5").arg("x-queue-mode", "lazy"));
    channel.declare_exchange(&exchange("amq.headers", "headers").durable());
    channel.declare_exchange(&exchange("amq.match", "").passive());
    channel.declare_exchange(&exchange("e-nonsense", "fanout").auto_delete().arg("x", 1));
    channel.declare_exchange(&exchange("e-nonsense", "fanout").auto_delete().arg("y", 2));
    delete_exchange(&channel, "e-nonsense", false);
    channel.next();
}

#[test]
fn invalid_arguments_are_refused() {
    let rows: [(&str, Value); 15] = [
        ("x-message-ttl", Value::I64(-1)),
        ("x-message-ttl", "1000".into()),
        ("x-message-ttl", Value::I64(400 * 24 * 3600 * 1000 * 10)),
        ("x-expires", Value::I64(0)),
        ("x-expires", Value::Bool(true)),
        ("x-max-length", Value::I64(-1)),
        ("x-max-length", "ten".into()),
        ("x-max-length-bytes", Value::I64(-1)),
        ("x-max-priority", Value::I64(256)),
        ("x-max-priority", Value::I64(-1)),
        ("x-max-priority", "high".into()),
        ("x-overflow", "explode".into()),
        ("x-overflow", Value::I64(1)),
        ("x-single-active-consumer", "yes".into()),
        ("x-queue-type", "heap".into()),
    ];
    for (name, value) in rows {
        let client = Client::connect(shared());
        let channel = client.channel();
        eprintln!("{name} {value:?}");
        channel.send_declare(&queue("invalid").exclusive().arg(name, value));
        let text = "PRECONDITION_FAILED - ";
        channel.expect_close(406, QUEUE_DECLARE, text);
    }
    check(
        shared(),
        &[
            (
                406,
                QUEUE_DECLARE,
                "PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue 'invalid' in vhost '/': \"expected integer, got longstr\"",
                |c| c.send_declare(&queue("invalid").exclusive().arg("x-message-ttl", "1")),
            ),
            (
                406,
                QUEUE_DECLARE,
                "PRECONDITION_FAILED - invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 'invalid' in vhost '/'",
                |c| {
                    let dlx = Value::I32(1);
                    c.send_declare(
                        &queue("invalid").exclusive().arg("x-dead-letter-exchange", dlx),
                    );
                },
            ),
            (
                406,
                QUEUE_DECLARE,
                "PRECONDITION_FAILED - invalid arg 'x-dead-letter-routing-key' for queue 'invalid' in vhost '/'",
                |c| {
                    c.send_declare(
                        &queue("invalid").exclusive().arg("x-dead-letter-routing-key", "k"),
                    );
                },
            ),
        ],
    );
}

#[test]
fn unknown_exchange_type_is_refused() {
    check(
        shared(),
        &[(406, EXCHANGE_DECLARE, "PRECONDITION_FAILED - unknown exchange type 'x-ray'", |c| {
            c.send_declare_exchange(&exchange("ray", "x-ray"));
        })],
    );
}

#[test]
fn wrong_x_match_is_refused() {
    let channel = Client::connect(shared()).channel();
    channel.declare(&queue("matched").exclusive());
    let arguments = encoded(&table([("x-match", "some".into())]));
    channel.send(QueueBind {
        queue: "matched",
        exchange: "amq.headers",
        routing_key: "",
        no_wait: false,
        arguments: RawTable(&arguments),
    });
    channel.expect_close(406, (50, 20), "PRECONDITION_FAILED - ");
}
