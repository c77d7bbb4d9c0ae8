//! Every refusal that a client can provoke (amqp.md 5.1): code, method, text, and what is left usable afterwards.

use amqp::method::{
    BasicAck, BasicCancelOk, BasicConsume, BasicGet, BasicNack, BasicQos, BasicRecover,
    BasicReject, ChannelFlow, ConfirmSelect, ExchangeBind, ExchangeDelete, QueueBind, QueueDelete,
    QueuePurge, QueueUnbind, TxCommit, TxRollback, TxSelect,
};
use amqp::value::{RawTable, Value};

use crate::broker::{Broker, shared};
use crate::client::Client;
use crate::client::arguments::{Queue, consume, exchange, queue, table};
use crate::client::channel::Channel;
use crate::client::message::message;

const QUEUE_DECLARE: (u16, u16) = (50, 10);
const EXCHANGE_DECLARE: (u16, u16) = (40, 10);
const CONSUME: (u16, u16) = (60, 20);
const PUBLISH: (u16, u16) = (60, 40);

/// Code, class and method, the beginning of the text, and how to come by it.
type Row = (u16, (u16, u16), &'static str, fn(&Channel));

/// Provokes each refusal on a fresh connection. After a soft one a sibling channel goes on and the number can be opened again;
/// after a hard one the stream ends.
#[track_caller]
fn check(broker: &Broker, rows: &[Row]) {
    for (code, at, text, provoke) in rows {
        eprintln!("{code} {at:?} {text}");
        let client = Client::connect(broker);
        let (channel, sibling) = (client.channel(), client.channel());
        provoke(&channel);
        if *code < 500 && *code != 320 {
            channel.expect_close(*code, *at, text);
            client.channel_at(channel.number).silent();
            sibling.silent();
            client.close();
        } else {
            client.expect_close(*code, *at, text);
        }
    }
}

fn bind(channel: &Channel, queue: &str, exchange: &str) {
    let (routing_key, arguments) = ("k", RawTable(&[]));
    channel.send(QueueBind { queue, exchange, routing_key, no_wait: false, arguments });
}

fn bind_exchange(channel: &Channel, destination: &str, source: &str) {
    let (routing_key, arguments) = ("k", RawTable(&[]));
    channel.send(ExchangeBind { destination, source, routing_key, no_wait: false, arguments });
}

fn get(channel: &Channel, queue: &str) {
    channel.send(BasicGet { queue, no_ack: true });
}

fn delete(channel: &Channel, queue: &str, if_unused: bool, if_empty: bool) {
    channel.send(QueueDelete { queue, if_unused, if_empty, no_wait: false });
}

fn purge(channel: &Channel, queue: &str) {
    channel.send(QueuePurge { queue, no_wait: false });
}

fn delete_exchange(channel: &Channel, exchange: &str, if_unused: bool) {
    channel.send(ExchangeDelete { exchange, if_unused, no_wait: false });
}

#[test]
fn what_is_not_there_is_not_found() {
    check(
        shared(),
        &[
            (404, QUEUE_DECLARE, "NOT_FOUND - no queue 'nope' in vhost '/'", |c| {
                c.send_declare(&queue("nope").passive());
            }),
            (404, EXCHANGE_DECLARE, "NOT_FOUND - no exchange 'nope' in vhost '/'", |c| {
                c.send_declare_exchange(&exchange("nope", "direct").passive());
            }),
            (404, EXCHANGE_DECLARE, "NOT_FOUND - no exchange 'nope' in vhost '/'", |c| {
                c.send_declare_exchange(&exchange("nope", "").passive());
            }),
            (404, CONSUME, "NOT_FOUND - no queue 'nope' in vhost '/'", |c| {
                c.send_consume(&consume("nope"));
            }),
            (404, (60, 70), "NOT_FOUND - no queue 'nope' in vhost '/'", |c| get(c, "nope")),
            (404, (50, 30), "NOT_FOUND - no queue 'nope' in vhost '/'", |c| purge(c, "nope")),
            (404, (50, 20), "NOT_FOUND - no queue 'nope' in vhost '/'", |c| {
                bind(c, "nope", "amq.direct");
            }),
            (404, (50, 20), "NOT_FOUND - no exchange 'nope' in vhost '/'", |c| {
                c.declare(&queue("bound").exclusive());
                bind(c, "bound", "nope");
            }),
            (404, (40, 30), "NOT_FOUND - no exchange 'nope' in vhost '/'", |c| {
                bind_exchange(c, "amq.direct", "nope");
            }),
            (404, (40, 30), "NOT_FOUND - no exchange 'nope' in vhost '/'", |c| {
                bind_exchange(c, "nope", "amq.direct");
            }),
            (404, PUBLISH, "NOT_FOUND - no exchange 'nope' in vhost '/'", |c| {
                c.publish("nope", "k", "body");
            }),
            (404, CONSUME, "NOT_FOUND - no previously declared queue", |c| {
                c.send_consume(&consume(""));
            }),
            (404, (60, 70), "NOT_FOUND - no previously declared queue", |c| get(c, "")),
            (404, (50, 20), "NOT_FOUND - no previously declared queue", |c| {
                bind(c, "", "amq.direct");
            }),
            (404, (50, 30), "NOT_FOUND - no previously declared queue", |c| purge(c, "")),
            (404, (50, 40), "NOT_FOUND - no previously declared queue", |c| {
                delete(c, "", false, false);
            }),
        ],
    );
}

const LOCKED: &str = "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'locked' in vhost '/'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration.";

#[test]
fn exclusive_queue_is_locked_to_others() {
    let owner = Client::connect(shared()).channel();
    owner.declare(&queue("locked").exclusive());
    check(
        shared(),
        &[
            (405, QUEUE_DECLARE, LOCKED, |c| c.send_declare(&queue("locked").passive())),
            (405, QUEUE_DECLARE, LOCKED, |c| c.send_declare(&queue("locked").exclusive())),
            (405, QUEUE_DECLARE, LOCKED, |c| c.send_declare(&queue("locked"))),
            (405, CONSUME, LOCKED, |c| c.send_consume(&consume("locked"))),
            (405, (60, 70), LOCKED, |c| get(c, "locked")),
            (405, (50, 30), LOCKED, |c| purge(c, "locked")),
            (405, (50, 40), LOCKED, |c| delete(c, "locked", false, false)),
            (405, (50, 20), LOCKED, |c| bind(c, "locked", "amq.direct")),
            (405, (50, 50), LOCKED, |c| {
                c.send(QueueUnbind {
                    queue: "locked",
                    exchange: "amq.direct",
                    routing_key: "k",
                    arguments: RawTable(&[]),
                });
            }),
        ],
    );
    // Publishing to it is anybody's right.
    let other = Client::connect(shared()).channel();
    other.publish("", "locked", "from outside");
    other.silent();
    assert_eq!(owner.drain("locked"), ["from outside"]);
}

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
fn redeclare_with_other_properties_is_refused() {
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
    Client::connect(shared()).channel().delete("r1");
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
    const ROWS: &[(&str, fn() -> Value)] = &[
        ("x-message-ttl", || Value::I64(-1)),
        ("x-message-ttl", || "1000".into()),
        ("x-message-ttl", || Value::I64(400 * 24 * 3600 * 1000 * 10)),
        ("x-expires", || Value::I64(0)),
        ("x-expires", || Value::Bool(true)),
        ("x-max-length", || Value::I64(-1)),
        ("x-max-length", || "ten".into()),
        ("x-max-length-bytes", || Value::I64(-1)),
        ("x-max-priority", || Value::I64(256)),
        ("x-max-priority", || Value::I64(-1)),
        ("x-max-priority", || "high".into()),
        ("x-overflow", || "explode".into()),
        ("x-overflow", || Value::I64(1)),
        ("x-single-active-consumer", || "yes".into()),
        ("x-queue-type", || "heap".into()),
    ];
    for (name, value) in ROWS {
        let client = Client::connect(shared());
        let channel = client.channel();
        let value = value();
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
fn delivery_tags_have_to_be_outstanding() {
    fn fetch(channel: &Channel, count: u64) {
        channel.declare(&queue("tags").exclusive());
        for _ in 0..count {
            channel.publish("", "tags", "m");
            channel.get("tags").expect("a message");
        }
    }
    check(
        shared(),
        &[
            (406, (60, 80), "PRECONDITION_FAILED - unknown delivery tag 1", |c| c.ack(1)),
            (406, (60, 80), "PRECONDITION_FAILED - unknown delivery tag 0", |c| {
                fetch(c, 1);
                c.ack(0);
            }),
            (406, (60, 80), "PRECONDITION_FAILED - unknown delivery tag 1", |c| {
                fetch(c, 1);
                c.ack(1);
                c.ack(1);
            }),
            (406, (60, 80), "PRECONDITION_FAILED - unknown delivery tag 3", |c| {
                fetch(c, 2);
                c.send(BasicAck { delivery_tag: 3, multiple: true });
            }),
            (406, (60, 80), "PRECONDITION_FAILED - unknown delivery tag 1", |c| {
                fetch(c, 2);
                c.ack(1);
                c.ack_through(1);
            }),
            (406, (60, 90), "PRECONDITION_FAILED - unknown delivery tag 9", |c| {
                c.send(BasicReject { delivery_tag: 9, requeue: true });
            }),
            (406, (60, 120), "PRECONDITION_FAILED - unknown delivery tag 9", |c| {
                c.send(BasicNack { delivery_tag: 9, multiple: true, requeue: true });
            }),
        ],
    );
    // A tag of another channel is not ours.
    let client = Client::connect(shared());
    let (one, two) = (client.channel(), client.channel());
    fetch(&one, 1);
    two.ack(1);
    two.expect_close(406, (60, 80), "PRECONDITION_FAILED - unknown delivery tag 1");
    one.ack_through(0);
    one.ack_through(0);
    one.silent();
}

#[test]
fn what_is_in_use_or_not_empty_stays_if_asked_so() {
    check(
        shared(),
        &[
            (406, (50, 40), "PRECONDITION_FAILED - queue 'used' in vhost '/' in use", |c| {
                c.declare(&queue("used").exclusive());
                c.consume(&consume("used"));
                delete(c, "used", true, false);
            }),
            (406, (50, 40), "PRECONDITION_FAILED - queue 'full' in vhost '/' not empty", |c| {
                c.declare(&queue("full").exclusive());
                c.publish("", "full", "m");
                delete(c, "full", false, true);
            }),
            (406, (40, 20), "PRECONDITION_FAILED - exchange 'busy' in vhost '/' in use", |c| {
                c.declare_exchange(&exchange("busy", "fanout"));
                c.declare(&queue("bound-to-busy").exclusive());
                c.bind("bound-to-busy", "busy", "");
                delete_exchange(c, "busy", true);
            }),
        ],
    );
    let channel = Client::connect(shared()).channel();
    delete_exchange(&channel, "busy", false);
    channel.next();
}

#[test]
fn modes_of_a_channel_exclude_each_other() {
    check(
        shared(),
        &[
            (406, (90, 10), "PRECONDITION_FAILED - cannot switch from confirm to tx mode", |c| {
                c.confirms();
                c.send(TxSelect {});
            }),
            (406, (85, 10), "PRECONDITION_FAILED - cannot switch from tx to confirm mode", |c| {
                c.rpc(TxSelect {});
                c.send(ConfirmSelect { no_wait: false });
            }),
            (406, (90, 20), "PRECONDITION_FAILED - channel is not transactional", |c| {
                c.send(TxCommit {});
            }),
            (406, (90, 30), "PRECONDITION_FAILED - channel is not transactional", |c| {
                c.send(TxRollback {});
            }),
        ],
    );
}

#[test]
fn wrong_messages_are_refused() {
    check(
        shared(),
        &[
            (406, PUBLISH, "PRECONDITION_FAILED - invalid expiration '1000ms'", |c| {
                c.send_message(&message("", "k", "m").expiration("1000ms"));
            }),
            (406, PUBLISH, "PRECONDITION_FAILED - invalid expiration '-1'", |c| {
                c.send_message(&message("", "k", "m").expiration("-1"));
            }),
            (406, PUBLISH, "PRECONDITION_FAILED - invalid expiration ''", |c| {
                c.send_message(&message("", "k", "m").expiration(""));
            }),
            (
                406,
                PUBLISH,
                "PRECONDITION_FAILED - user_id property set to 'someone' but authenticated user was 'guest'",
                |c| c.send_message(&message("", "k", "m").user_id("someone")),
            ),
            (
                406,
                PUBLISH,
                "PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,\"CC\",",
                |c| c.send_message(&message("", "k", "m").header("CC", "text")),
            ),
            (
                406,
                PUBLISH,
                "PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,\"BCC\",",
                |c| c.send_message(&message("", "k", "m").header("BCC", 1)),
            ),
            (406, PUBLISH, "PRECONDITION_FAILED - fast reply consumer does not exist", |c| {
                c.send_message(&message("", "k", "m").reply_to("amq.rabbitmq.reply-to"));
            }),
            (
                403,
                PUBLISH,
                "ACCESS_REFUSED - cannot publish to internal exchange 'inner' in vhost '/'",
                |c| {
                    c.declare_exchange(&exchange("inner", "fanout").internal());
                    c.publish("inner", "k", "m");
                },
            ),
        ],
    );
    let channel = Client::connect(shared()).channel();
    channel.send_message(&message("", "nowhere", "m").user_id("guest").expiration("0"));
    channel.silent();
    delete_exchange(&channel, "inner", false);
    channel.next();
}

#[test]
fn message_above_the_limit_is_refused() {
    let broker = Broker::with(&["--max-message-size", "1000B"]);
    let client = Client::connect(&broker);
    let channel = client.channel();
    channel.declare(&queue("limited").exclusive());
    channel.publish("", "limited", vec![0; 1000]);
    channel.publish("", "limited", vec![0; 1001]);
    let text = "PRECONDITION_FAILED - message size 1001 is larger than configured max size 1000";
    channel.expect_close(406, PUBLISH, text);
    let channel = client.channel();
    assert_eq!(channel.take("limited").unwrap().body.len(), 1000);
    assert_eq!(channel.take("limited"), None);
}

#[test]
fn direct_reply_consumer_has_its_rules() {
    check(
        shared(),
        &[
            (406, CONSUME, "PRECONDITION_FAILED - reply consumer cannot acknowledge", |c| {
                c.send_consume(&consume("amq.rabbitmq.reply-to"));
            }),
            (406, CONSUME, "PRECONDITION_FAILED - reply consumer already set", |c| {
                c.consume(&consume("amq.rabbitmq.reply-to").no_ack());
                c.send_consume(&consume("amq.rabbitmq.reply-to").no_ack());
            }),
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
fn names_of_the_broker_are_its_own() {
    check(
        shared(),
        &[
            (
                403,
                QUEUE_DECLARE,
                "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'",
                |c| c.send_declare(&queue("amq.mine")),
            ),
            (
                403,
                EXCHANGE_DECLARE,
                "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'",
                |c| c.send_declare_exchange(&exchange("amq.mine", "direct")),
            ),
            (
                403,
                EXCHANGE_DECLARE,
                "ACCESS_REFUSED - operation not permitted on the default exchange",
                |c| c.send_declare_exchange(&exchange("", "direct").durable()),
            ),
            (
                403,
                (40, 20),
                "ACCESS_REFUSED - operation not permitted on the default exchange",
                |c| {
                    delete_exchange(c, "", false);
                },
            ),
            (
                403,
                (50, 20),
                "ACCESS_REFUSED - operation not permitted on the default exchange",
                |c| {
                    c.declare(&queue("to-default").exclusive());
                    bind(c, "to-default", "");
                },
            ),
            (
                403,
                (40, 30),
                "ACCESS_REFUSED - operation not permitted on the default exchange",
                |c| {
                    bind_exchange(c, "amq.direct", "");
                },
            ),
            (
                403,
                (40, 20),
                "ACCESS_REFUSED - deletion of system exchange 'amq.direct' in vhost '/' not allowed",
                |c| delete_exchange(c, "amq.direct", false),
            ),
            (403, QUEUE_DECLARE, "ACCESS_REFUSED - queue name 'amq.gen-", |c| {
                let name = c.declare(&queue("").exclusive()).name;
                assert!(name.starts_with("amq.gen-"), "{name}");
                c.declare(&queue(&name).passive());
                c.send_declare(&queue(&name).exclusive());
            }),
        ],
    );
}

#[test]
fn exclusive_consumer_keeps_others_out() {
    check(
        shared(),
        &[
            (
                403,
                CONSUME,
                "ACCESS_REFUSED - queue 'one-reader' in vhost '/' in exclusive use",
                |c| {
                    c.declare(&queue("one-reader").exclusive());
                    c.consume(&consume("one-reader").exclusive());
                    c.send_consume(&consume("one-reader"));
                },
            ),
            (
                403,
                CONSUME,
                "ACCESS_REFUSED - queue 'two-readers' in vhost '/' in exclusive use",
                |c| {
                    c.declare(&queue("two-readers").exclusive());
                    c.consume(&consume("two-readers"));
                    c.send_consume(&consume("two-readers").exclusive());
                },
            ),
            (403, CONSUME, "ACCESS_REFUSED - queue 'sac' in vhost '/' in exclusive use", |c| {
                c.declare(&queue("sac").exclusive().arg("x-single-active-consumer", true));
                c.send_consume(&consume("sac").exclusive());
            }),
        ],
    );
}

#[test]
fn permissions_are_regular_expressions() {
    let broker = Broker::with(&[
        "--default-permissions-configure",
        "^mine",
        "--default-permissions-write",
        "^(mine|w-|amq\\.default)",
        "--default-permissions-read",
        "^(mine|r-)",
    ]);
    check(
        &broker,
        &[
            (
                403,
                QUEUE_DECLARE,
                "ACCESS_REFUSED - configure access to queue 'yours' in vhost '/' refused for user 'guest'",
                |c| c.send_declare(&queue("yours")),
            ),
            (
                403,
                EXCHANGE_DECLARE,
                "ACCESS_REFUSED - configure access to exchange 'yours' in vhost '/' refused for user 'guest'",
                |c| c.send_declare_exchange(&exchange("yours", "topic")),
            ),
            (
                403,
                PUBLISH,
                "ACCESS_REFUSED - write access to exchange 'amq.direct' in vhost '/' refused for user 'guest'",
                |c| c.publish("amq.direct", "k", "m"),
            ),
            (
                403,
                (50, 20),
                "ACCESS_REFUSED - read access to exchange 'amq.direct' in vhost '/' refused for user 'guest'",
                |c| {
                    c.declare(&queue("mine-1").exclusive());
                    bind(c, "mine-1", "amq.direct");
                },
            ),
            (
                403,
                (50, 40),
                "ACCESS_REFUSED - configure access to queue 'yours' in vhost '/' refused for user 'guest'",
                |c| delete(c, "yours", false, false),
            ),
        ],
    );
    let channel = Client::connect(&broker).channel();
    channel.declare(&queue("mine-2").exclusive());
    channel.declare_exchange(&exchange("mine", "fanout"));
    channel.bind("mine-2", "mine", "");
    channel.publish("", "mine-2", "through the default exchange");
    channel.publish("mine", "", "through mine");
    assert_eq!(channel.drain("mine-2"), ["through the default exchange", "through mine"]);
}

#[test]
fn hard_refusals_end_the_connection() {
    check(
        shared(),
        &[
            (530, CONSUME, "NOT_ALLOWED - attempt to reuse consumer tag 'twice'", |c| {
                c.declare(&queue("tagged").exclusive());
                c.consume(&consume("tagged").tag("twice"));
                c.send_consume(&consume("tagged").tag("twice"));
            }),
            (540, PUBLISH, "NOT_IMPLEMENTED - immediate=true", |c| {
                c.send_message(&message("", "k", "m").immediate());
            }),
            (540, (20, 20), "NOT_IMPLEMENTED - active=false", |c| {
                c.send(ChannelFlow { active: false });
            }),
            (540, (60, 110), "NOT_IMPLEMENTED - requeue=false", |c| {
                c.send(BasicRecover { requeue: false });
            }),
            (540, (60, 10), "NOT_IMPLEMENTED - prefetch_size!=0 (7)", |c| {
                c.send(BasicQos { prefetch_size: 7, prefetch_count: 1, global: false });
            }),
            (503, (60, 31), "COMMAND_INVALID - ", |c| {
                c.send(BasicCancelOk { consumer_tag: "a" });
            }),
            (501, (60, 20), "FRAME_ERROR - ", |c| {
                let mut bytes = Vec::new();
                let consume = BasicConsume {
                    queue: "abcd",
                    consumer_tag: "",
                    no_local: false,
                    no_ack: false,
                    exclusive: false,
                    no_wait: false,
                    arguments: RawTable(&[]),
                };
                amqp::frame::write_method(&mut bytes, c.number, &consume.into());
                let name = bytes.windows(4).position(|four| four == b"abcd").unwrap();
                bytes[name] = 0xff;
                c.connection.borrow_mut().wire.write(&bytes);
            }),
        ],
    );
}

#[test]
fn missing_things_may_be_deleted_and_unbound() {
    let channel = Client::connect(shared()).channel();
    assert_eq!(channel.delete("never-was"), 0);
    delete_exchange(&channel, "never-was", false);
    channel.next();
    channel.declare(&queue("unbound").exclusive());
    channel.unbind("unbound", "amq.direct", "never-was");
    channel.unbind("never-was", "amq.direct", "k");
    channel.unbind("unbound", "never-was", "k");
    channel.cancel("never-was");
    channel.silent();
}

#[test]
fn long_texts_are_cut_at_255_bytes() {
    let channel = Client::connect(shared()).channel();
    let name = "x".repeat(255);
    channel.send_declare(&queue(&name).passive());
    let crate::client::channel::Event::Closed { text, .. } = channel.next() else {
        panic!("no close");
    };
    assert_eq!(text.len(), 255);
    assert!(text.starts_with("NOT_FOUND - no queue 'xxx") && text.ends_with("..."), "{text}");
}

#[test]
fn wrong_x_match_is_refused() {
    let channel = Client::connect(shared()).channel();
    channel.declare(&queue("matched").exclusive());
    let arguments = crate::client::arguments::encoded(&table([("x-match", "some".into())]));
    channel.send(QueueBind {
        queue: "matched",
        exchange: "amq.headers",
        routing_key: "",
        no_wait: false,
        arguments: RawTable(&arguments),
    });
    channel.expect_close(406, (50, 20), "PRECONDITION_FAILED - ");
}
