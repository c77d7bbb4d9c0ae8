//! Every refusal that a client can provoke (amqp.md 5.1): code, method, text, and what is left usable afterwards.

mod access;
mod messages;
mod properties;
mod quorum;

use amqp::method::{
    BasicCancelOk, BasicConsume, BasicGet, BasicQos, BasicRecover, ChannelFlow, ExchangeBind,
    ExchangeDelete, QueueBind, QueueDelete, QueuePurge,
};
use amqp::value::RawTable;

use crate::broker::{Broker, shared};
use crate::client::Client;
use crate::client::arguments::{consume, exchange, queue};
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
            (406, (50, 40), "PRECONDITION_FAILED - queue 'both' in vhost '/' not empty", |c| {
                c.declare(&queue("both").exclusive());
                c.publish("", "both", "m");
                c.prefetch(1);
                c.consume(&consume("both"));
                c.publish("", "both", "m");
                c.delivery();
                delete(c, "both", true, true);
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
            (503, (60, 31), "COMMAND_INVALID - unimplemented method", |c| {
                c.send(BasicCancelOk { consumer_tag: "a" });
            }),
            (501, (0, 0), "FRAME_ERROR - Malformed UTF-8 in shortstr", |c| {
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
