//! Refused messages and settlements, and modes of a channel that do not go together.

use amqp::method::{
    BasicAck, BasicNack, BasicReject, ConfirmSelect, TxCommit, TxRollback, TxSelect,
};

use super::{CONSUME, PUBLISH, check, delete_exchange};
use crate::broker::{Broker, shared};
use crate::client::Client;
use crate::client::arguments::{consume, exchange, queue};
use crate::client::channel::Channel;
use crate::client::message::message;

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
