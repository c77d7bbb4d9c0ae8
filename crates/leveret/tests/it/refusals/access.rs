//! Refused because it is somebody else's: exclusive queues and consumers, reserved names, permissions.

use amqp::method::QueueUnbind;
use amqp::value::RawTable;

use super::{
    CONSUME, EXCHANGE_DECLARE, PUBLISH, QUEUE_DECLARE, bind, bind_exchange, check, delete,
    delete_exchange, get, purge,
};
use crate::broker::{Broker, shared};
use crate::client::Client;
use crate::client::arguments::{consume, exchange, queue};

const LOCKED: &str = "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'locked' in vhost \
     '/'. It could be originally declared on another connection or the exclusive property value does \
     not match that of the original declaration.";

#[test]
fn exclusive_queue_is_locked_to_others() {
    let owner = Client::connect(shared()).channel();
    owner.declare(&queue("locked").exclusive());
    owner.bind("locked", "amq.direct", "k");
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
