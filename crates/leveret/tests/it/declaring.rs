//! Queues as they are declared, who owns them, and what survives whom.

use amqp::method::{QueueDeclare, QueueDelete};
use amqp::value::RawTable;

use crate::broker::{eventually, shared};
use crate::client::Client;
use crate::client::arguments::{consume, queue};
use crate::client::vocabulary::Declared;

#[test]
fn server_names_are_unique_and_owned() {
    let client = Client::connect(shared());
    let channel = client.channel();
    let (one, two) = (channel.declare(&queue("")), channel.declare(&queue("").exclusive()));
    assert!(one.name.starts_with("amq.gen-") && two.name.starts_with("amq.gen-"));
    assert_ne!(one.name, two.name);
    channel.delete(&one.name);
}

#[test]
fn passive_declare_counts_ready_messages_and_consumers() {
    let channel = Client::connect(shared()).channel();
    channel.declare(&queue("q-passive").exclusive());
    for _ in 0..3 {
        channel.publish("", "q-passive", "m");
    }
    channel.get("q-passive").unwrap();
    let declared = channel.declare(&queue("q-passive").passive().durable().arg("x-max-length", 1));
    assert_eq!(declared, Declared { name: "q-passive".into(), ready: 2, consumers: 0 });
    assert_eq!(channel.declare(&queue("q-passive").exclusive()).ready, 2);
}

#[test]
fn declare_without_wait_is_not_answered_but_its_error_is() {
    let client = Client::connect(shared());
    let channel = client.channel();
    let declare = |passive| QueueDeclare {
        queue: "q-nowait",
        passive,
        durable: false,
        exclusive: true,
        auto_delete: false,
        no_wait: true,
        arguments: RawTable(&[]),
    };
    channel.send(declare(false));
    assert_eq!(channel.counts("q-nowait"), (0, 0));
    channel.delete("q-nowait");
    channel.send(declare(true));
    channel.expect_close(404, (50, 10), "NOT_FOUND - no queue 'q-nowait' in vhost '/'");
}

#[test]
fn exclusive_queue_is_released_before_close_ok() {
    for round in 0..200 {
        let client = Client::connect(shared());
        let channel = client.channel();
        channel.declare(&queue("q-released").exclusive());
        channel.publish("", "q-released", format!("{round}"));
        client.close();
    }
}

#[test]
fn exclusive_queue_goes_with_a_lost_connection() {
    let client = Client::connect(shared());
    let channel = client.channel();
    channel.declare(&queue("q-lost").exclusive().durable());
    channel.consume(&consume("q-lost"));
    drop((channel, client));
    let watcher = Client::connect(shared());
    eventually("the queue is gone", || {
        let check = watcher.channel();
        check.send_declare(&queue("q-lost").passive());
        let crate::client::channel::Event::Closed { code, .. } = check.next() else {
            panic!("it is locked, or gone")
        };
        check.send(amqp::method::ChannelCloseOk {});
        code == 404
    });
}

#[test]
fn exclusive_queue_lives_on_without_its_channel() {
    let client = Client::connect(shared());
    let one = client.channel();
    one.declare(&queue("q-connection").exclusive());
    one.publish("", "q-connection", "m");
    one.close();
    assert_eq!(client.channel().drain("q-connection"), ["m"]);
}

#[test]
fn deletes_count_messages_and_obey_their_conditions() {
    let channel = Client::connect(shared()).channel();
    channel.declare(&queue("q-delete"));
    channel.publish("", "q-delete", "m");
    channel.publish("", "q-delete", "m");
    assert_eq!(channel.delete("q-delete"), 2);
    channel.declare(&queue("q-delete"));
    let careful = QueueDelete { queue: "q-delete", if_unused: true, if_empty: true, no_wait: true };
    channel.send(careful);
    channel.send_declare(&queue("q-delete").passive());
    channel.expect_close(404, (50, 10), "NOT_FOUND - no queue 'q-delete' in vhost '/'");
}

#[test]
fn many_queues_can_be_made_and_deleted() {
    let channel = Client::connect(shared()).channel();
    for index in 0..300 {
        channel.declare(&queue(&format!("q-many-{index}")).durable());
    }
    for index in 0..300 {
        assert_eq!(channel.delete(&format!("q-many-{index}")), 0);
    }
}
