//! Exchanges of RabbitMQ's plugins and of 4.x, and what interceptors write, as clients see them.

use std::collections::BTreeMap;

use amqp::method::ExchangeDelete;
use amqp::value::Value;

use crate::broker::{Broker, shared};
use crate::client::Client;
use crate::client::arguments::{Exchange, exchange, queue};
use crate::client::channel::Channel;
use crate::client::message::{Message, message};

/// Binds four queues with these keys, publishes, and gives what each queue got.
fn bodies(
    channel: &Channel,
    declare: &Exchange,
    keys: [&str; 4],
    messages: impl Iterator<Item = Message>,
) -> BTreeMap<String, Vec<String>> {
    channel.declare_exchange(declare);
    let names: Vec<String> =
        keys.iter().map(|_| channel.declare(&queue("").exclusive()).name).collect();
    for (name, key) in names.iter().zip(keys) {
        channel.bind(name, &declare.name, key);
    }
    messages.for_each(|message| channel.send_message(&message.mandatory()));
    channel.silent();
    let got = names.iter().map(|name| (name.clone(), channel.drain(name))).collect();
    channel.rpc(ExchangeDelete { exchange: &declare.name, if_unused: false, no_wait: false });
    got
}

#[test]
fn a_key_always_finds_the_same_queue_and_all_queues_have_keys() {
    let client = Client::connect(shared());
    let channel = client.channel();
    let publish = |name: &'static str| (0..400).map(move |n| (name, n % 100));
    let by_key = publish("by-key").map(|(name, n)| message(name, &n.to_string(), n.to_string()));
    let modulus = publish("mod").map(|(name, n)| message(name, &n.to_string(), n.to_string()));
    let by_header = publish("by-header").map(|(name, n)| {
        message(name, "same", n.to_string()).header("who", n.to_string().as_str())
    });
    let by_id =
        publish("by-id").map(|(name, n)| message(name, "same", n.to_string()).id(n.to_string()));
    let header = exchange("by-header", "x-consistent-hash").arg("hash-header", "who");
    let id = exchange("by-id", "x-consistent-hash").arg("hash-property", "message_id");
    for got in [
        bodies(&channel, &exchange("by-key", "x-consistent-hash"), ["1", "1", "2", "2"], by_key),
        bodies(&channel, &exchange("mod", "x-modulus-hash"), ["", "", "", ""], modulus),
        bodies(&channel, &header, ["5", "5", "5", "5"], by_header),
        bodies(&channel, &id, ["5", "5", "5", "5"], by_id),
    ] {
        assert_eq!(got.values().map(Vec::len).sum::<usize>(), 400);
        for (queue, bodies) in &got {
            assert!(bodies.len() >= 16, "{queue} got {}", bodies.len());
            let times = |body| bodies.iter().filter(|other| *other == body).count();
            assert!(bodies.iter().all(|body| times(body) == 4), "{bodies:?}");
        }
    }
}

#[test]
fn chance_spreads_equal_messages() {
    let client = Client::connect(shared());
    let channel = client.channel();
    for kind in ["x-random", "x-local-random"] {
        let messages = (0..400).map(|_| message("chance", "k", "m"));
        let got = bodies(&channel, &exchange("chance", kind), [""; 4], messages);
        assert_eq!(got.values().map(Vec::len).sum::<usize>(), 400);
        assert!(got.values().all(|bodies| bodies.len() > 50), "{got:?}");
    }
}

#[test]
fn who_comes_late_hears_the_last_messages() {
    let client = Client::connect(shared());
    let channel = client.channel();
    let chat = exchange("chat", "x-recent-history").arg("x-recent-history-length", 2);
    channel.declare_exchange(&chat.auto_delete());
    for body in ["one", "two", "three"] {
        channel.publish("chat", "k", body);
    }
    channel.send_message(&message("chat", "k", "secret").header("x-recent-history-no-store", true));
    channel.declare(&queue("late").exclusive());
    channel.bind("late", "chat", "");
    channel.publish("chat", "k", "four");
    assert_eq!(channel.drain("late"), ["two", "three", "four"]);
}

#[test]
fn interceptors_write_headers_that_consumers_see() {
    let broker =
        Broker::with(&["--set-header-timestamp=overwrite", "--set-header-routing-node=keep"]);
    let client = Client::connect(&broker);
    let channel = client.channel();
    channel.declare(&queue("seen").exclusive());
    let sent = || message("", "seen", "m").timestamp(5).header("timestamp_in_ms", 6);
    channel.send_message(&sent().header("x-routed-by", "me"));
    channel.send_message(&message("", "seen", "m"));
    for by_whom in [Some("me"), None] {
        let seen = channel.take("seen").expect("a message");
        let ms = seen.headers().get("timestamp_in_ms").and_then(Value::as_i64).unwrap();
        assert!(ms > 1_700_000_000_000, "{ms}");
        assert_eq!(seen.properties.timestamp, Some(ms as u64 / 1000));
        let headers = seen.headers();
        let node = headers.get("x-routed-by").and_then(Value::as_str).unwrap();
        by_whom.map_or_else(|| assert!(node.contains('@'), "{node}"), |me| assert_eq!(node, me));
    }
}
