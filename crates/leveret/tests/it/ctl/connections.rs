//! Connections that an administrator closes.

use amqp::value::Value;

use crate::broker::Broker;
use crate::client::Client;
use crate::client::arguments::{consume, queue};
use crate::client::login::Login;

/// One after the other would be given the message, and each return counts: it would be gone.
#[test]
fn connections_that_are_closed_together_pass_nothing_on() {
    let broker = Broker::start();
    let consumers: Vec<Client> = (0..5).map(|_| Client::connect(&broker)).collect();
    for client in &consumers {
        let channel = client.channel();
        let quorum = queue("once").durable().arg("x-queue-type", "quorum");
        channel.declare(&quorum.arg("x-delivery-limit", 1));
        channel.consume(&consume("once"));
    }
    consumers[0].channel().publish("", "once", "kept");
    consumers[0].channel().counts("once");
    assert_eq!(broker.ctl(&["close_all_connections", "bye", "-q"]), "Closed 5 connections\n");
    for client in &consumers {
        client.expect_close(320, (0, 0), "CONNECTION_FORCED - bye");
    }
    let kept = Client::connect(&broker).channel().get("once").unwrap();
    assert_eq!(kept.text(), "kept");
    assert_eq!(kept.headers().get("x-delivery-count"), Some(&Value::I64(1)));
}

#[test]
fn a_connection_is_closed_by_the_name_that_is_listed() {
    let broker = Broker::start();
    let mut login = Login::default();
    login.properties.insert("connection_name", "fast hare".into());
    let client = login.open(broker.amqp());
    let listed = broker.ctl(&["list_connections", "-s", "name"]);
    broker.ctl(&["close_connection", listed.trim_end(), "bye"]);
    client.expect_close(320, (0, 0), "CONNECTION_FORCED - bye");
}
