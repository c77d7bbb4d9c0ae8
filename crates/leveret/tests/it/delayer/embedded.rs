//! The same delayer inside the broker's process, and under the name of the program that it
//! replaces.

use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::parcel::Parcel;
use crate::broker::Broker;
use crate::client::Client;
use crate::client::arguments::{consume, exchange, queue};
use crate::client::channel::Channel;
use crate::client::message::message;
use crate::server::{Server, now_ms};

const DELAYS: &str = r#"
[delayer.retries]
rabbitmq_queue = "retries"
rabbitmq_exchange = ""
rabbitmq_routingkey = "outbox"
timestamp_unit = "milliseconds"
storage_timeout = "20ms"

[delayer.reminders]
queue = "reminders"
exchange = "amq.topic"
due_sources = ["x-delay"]
storage_timeout = "20ms"
"#;

fn topology(broker: &Broker) -> Channel {
    let c = Client::connect(broker).channel();
    for name in ["retries", "reminders", "outbox"] {
        c.declare(&queue(name).durable());
    }
    c.bind("outbox", "amq.topic", "#");
    c.confirms();
    c
}

fn broker() -> Broker {
    let dir = tempfile::tempdir().unwrap().keep();
    std::fs::write(dir.join("leveret.toml"), DELAYS).unwrap();
    Broker::in_dir(dir, &["--config", "leveret.toml"])
}

#[test]
fn delayers_of_the_configuration_run_beside_the_broker() {
    let mut broker = broker();
    let c = topology(&broker);
    let due_ms = now_ms() + 3000;
    let retry = message("", "retries", "a retry").persistent().due_at(due_ms);
    let reminder = message("", "reminders", "a reminder").persistent().header("x-delay", 300);
    let held = message("", "retries", "another").persistent().due_at(due_ms + 500);
    c.send_messages([&retry, &reminder, &held]);
    c.expect_confirms(3);
    c.consume(&consume("outbox").no_ack());
    let wait = |c: &Channel| {
        loop {
            if let crate::client::channel::Event::Delivery(delivery) = c.next() {
                return delivery;
            }
        }
    };
    let delivery = wait(&c);
    assert_eq!((delivery.text().as_str(), delivery.key.as_str()), ("a reminder", "reminders"));
    // The whole process stops and starts; what is held stays held.
    broker.restart();
    let c = Client::connect(&broker).channel();
    c.consume(&consume("outbox").no_ack());
    for sent in [&retry, &held] {
        Parcel::of(sent, "").key("outbox").check(&wait(&c));
    }
    for name in ["retries", "reminders"] {
        assert!(broker.data_dir().join(format!("delayer-{name}")).is_dir(), "{name}");
    }
}

#[test]
fn the_process_of_a_delayer_and_a_broker_may_be_killed() {
    let mut broker = broker();
    let c = topology(&broker);
    let due_ms = now_ms() + 2500;
    let sent: Vec<_> = (0..200)
        .map(|n| message("", "retries", n.to_string()).persistent().due_at(due_ms))
        .collect();
    c.send_messages(&sent);
    c.expect_confirms(200);
    broker.crash();
    broker.crash();
    let c = Client::connect(&broker).channel();
    c.consume(&consume("outbox").no_ack());
    let parcels: Vec<Parcel> =
        sent.iter().map(|message| Parcel::of(message, "").key("outbox")).collect();
    let mut sorted = super::parcel::Sorted::new(&parcels);
    while sorted.missing() > 0 {
        sorted.check(&c.delivery());
    }
}

#[test]
fn amqpdelayer_is_a_drop_in() {
    let broker = Broker::start();
    let c = Client::connect(&broker).channel();
    c.declare(&queue("retries").durable());
    c.declare(&queue("outbox").durable());
    c.declare_exchange(&exchange("mail", "fanout").durable());
    c.bind("outbox", "mail", "");
    c.confirms();
    let dir = tempfile::tempdir().unwrap().keep();
    let storage = dir.join("storage");
    let config = format!(
        "# As MailerQ's administrators write it.\nrabbitmq-address: amqp://guest:guest@{}/\n\
         rabbitmq-queue: retries\nrabbitmq-exchange: nowhere\nstorage-address: {}\n\
         storage-timeout: 20ms\nwww-ip: 127.0.0.1\nwww-port: auto\n",
        broker.amqp(),
        storage.display(),
    );
    std::fs::write(dir.join("amqpdelayer.txt"), config).unwrap();
    let program = dir.join("amqpdelayer");
    symlink(env!("CARGO_BIN_EXE_leveret"), &program).unwrap();
    let mut server = Server::in_dir("amqpdelayer", dir.clone());
    let mut command = Command::new(&program);
    command.arg0("amqpdelayer").arg("--config").arg(dir.join("amqpdelayer.txt"));
    command.args(["--groupsize", "10", "--rabbitmq-qos=20"]);
    // Above the file, below the flags.
    command.env_clear().current_dir(&dir);
    command.env("AMQPDELAYER_RABBITMQ_EXCHANGE", "mail");
    server.launch(&mut command);
    let due = now_ms() / 1000 + 2;
    let retry = message("", "retries", "{\"envelope\": \"me@example.org\"}").persistent();
    let retry = retry.timestamp(due);
    c.send_message(&retry);
    c.expect_confirms(1);
    c.consume(&consume("outbox").no_ack());
    Parcel::of(&retry, "mail").due_at(due * 1000).check(&c.delivery());
    assert!(server.metric("http", "amqpdelayer_revived_total") <= 1.0);
    server.stop();
    assert!(storage.is_dir());
}
