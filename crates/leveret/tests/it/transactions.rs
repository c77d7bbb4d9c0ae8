//! Transactions and direct replies.

use amqp::method::{Method, TxCommit, TxCommitOk, TxRollback, TxRollbackOk, TxSelect, TxSelectOk};

use crate::broker::shared;
use crate::client::Client;
use crate::client::arguments::{consume, queue};
use crate::client::channel::{Channel, Event};
use crate::client::message::message;

const REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// A watching channel with the exclusive queue, and one in a transaction.
fn transaction(name: &str) -> (Channel, Channel) {
    let client = Client::connect(shared());
    let (watcher, channel) = (client.channel(), client.channel());
    watcher.declare(&queue(name).exclusive());
    channel.ask(TxSelect {}, TxSelectOk {});
    (watcher, channel)
}

#[test]
fn published_messages_appear_with_the_commit() {
    let (watcher, tx) = transaction("t-commit");
    tx.publish("", "t-commit", "a");
    tx.send_message(&message("", "t-commit", "b").persistent());
    tx.silent();
    assert_eq!(watcher.counts("t-commit").0, 0);
    tx.ask(TxCommit {}, TxCommitOk {});
    assert_eq!(watcher.drain("t-commit"), ["a", "b"]);
    tx.ask(TxCommit {}, TxCommitOk {});
}

#[test]
fn rolled_back_messages_never_appear() {
    let (watcher, tx) = transaction("t-rollback");
    tx.publish("", "t-rollback", "a");
    tx.ask(TxRollback {}, TxRollbackOk {});
    tx.publish("", "t-rollback", "b");
    tx.ask(TxCommit {}, TxCommitOk {});
    assert_eq!(watcher.drain("t-rollback"), ["b"]);
}

#[test]
fn acks_count_with_the_commit_and_are_taken_back_by_a_rollback() {
    let (watcher, tx) = transaction("t-acks");
    for body in ["a", "b", "c"] {
        watcher.publish("", "t-acks", body);
    }
    watcher.silent();
    tx.consume(&consume("t-acks"));
    tx.expect_bodies(&["a", "b", "c"]);
    tx.ack_through(2);
    tx.reject(3, false);
    tx.ask(TxRollback {}, TxRollbackOk {});
    tx.ack(1);
    tx.ask(TxCommit {}, TxCommitOk {});
    tx.ack(2);
    tx.close();
    assert_eq!(watcher.drain("t-acks"), ["b", "c"]);
}

#[test]
fn mandatory_returns_come_with_the_commit() {
    let (_watcher, tx) = transaction("t-returns");
    tx.send_message(&message("", "t-nowhere", "m").mandatory());
    tx.silent();
    tx.send(TxCommit {});
    assert!(matches!(tx.next(), Event::Returned(_)));
    let Event::Answer(answer) = tx.next() else { panic!("no commit-ok") };
    assert_eq!(answer.method(), Method::from(TxCommitOk {}));
}

#[test]
fn closed_channel_rolls_back() {
    let (watcher, tx) = transaction("t-closed");
    watcher.publish("", "t-closed", "kept");
    watcher.silent();
    tx.publish("", "t-closed", "never");
    let got = tx.get("t-closed").unwrap();
    tx.ack(got.tag);
    tx.close();
    assert_eq!(watcher.drain("t-closed"), ["kept"]);
}

#[test]
fn direct_reply_reaches_the_asking_channel() {
    let client = Client::connect(shared());
    let (asker, server) = (client.channel(), Client::connect(shared()).channel());
    server.declare(&queue("t-rpc").exclusive());
    server.consume(&consume("t-rpc").no_ack());
    asker.consume(&consume(REPLY_TO).tag("replies").no_ack());
    for round in 0..20 {
        asker.send_message(&message("", "t-rpc", format!("{round}")).reply_to(REPLY_TO));
        let request = server.delivery();
        let reply_to = String::from_utf8(request.properties.reply_to.clone().unwrap()).unwrap();
        assert!(reply_to.starts_with("amq.rabbitmq.reply-to."), "{reply_to}");
        let declared = server.declare(&queue(&reply_to).passive());
        assert_eq!((declared.ready, declared.consumers), (0, 1));
        server.publish("", &reply_to, format!("answer {}", request.text()));
        let reply = asker.delivery();
        assert_eq!(reply.text(), format!("answer {round}"));
        assert_eq!((reply.consumer.as_str(), reply.exchange.as_str()), ("replies", ""));
    }
}

#[test]
fn reply_to_somebody_who_is_gone_is_lost_and_the_name_is_not_found() {
    let client = Client::connect(shared());
    let (asker, server) = (client.channel(), client.channel());
    server.declare(&queue("t-late").exclusive());
    asker.consume(&consume(REPLY_TO).no_ack());
    asker.send_message(&message("", "t-late", "m").reply_to(REPLY_TO));
    asker.silent();
    let request = server.take("t-late").unwrap();
    let reply_to = String::from_utf8(request.properties.reply_to.unwrap()).unwrap();
    asker.close();
    server.publish("", &reply_to, "too late");
    server.silent();
    server.send_declare(&queue(&reply_to).passive());
    server.expect_close(404, (50, 10), "NOT_FOUND - no queue 'amq.rabbitmq.reply-to.");
}

#[test]
fn reply_consumer_can_be_cancelled_and_made_again() {
    let channel = Client::connect(shared()).channel();
    let tag = channel.consume(&consume(REPLY_TO).no_ack());
    channel.cancel(&tag);
    channel.consume(&consume(REPLY_TO).no_ack());
    channel.silent();
}
