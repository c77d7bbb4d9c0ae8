//! The firehose over the wire: what the copies say, header by header, on both brokers.

use amqp::content::PropertiesBuf;
use amqp::value::{Table, Value};

use crate::client::Client;
use crate::client::arguments::{consume, encoded, exchange, queue, table};
use crate::client::channel::Channel;
use crate::client::login::Login;
use crate::client::message::{Message, message};
use crate::site::{BrokerKind, Site};

stories! {
    brokers: [
        publishes_and_deliveries_are_copied,
        copies_are_not_copied,
    ],
    home: [],
}

/// A traced virtual host, a channel there, and the queue `trace` that takes the copies.
fn traced(site: &Site, vhost: &'static str) -> (Client, Channel) {
    site.ctl(&["add_vhost", vhost]);
    site.ctl(&["set_permissions", "-p", vhost, "guest", ".*", ".*", ".*"]);
    let client = Login { vhost, ..Login::default() }.open(site.amqp());
    let channel = client.channel();
    channel.declare(&queue("trace"));
    channel.bind("trace", "amq.rabbitmq.trace", "#");
    site.ctl(&["trace_on", "-p", vhost]);
    (client, channel)
}

/// The next copy: its routing key, its headers and its body. It comes a little later than what it copies.
#[track_caller]
fn copy(channel: &Channel) -> (String, Table, String) {
    let mut got = None;
    crate::broker::eventually("a copy comes", || {
        got = channel.take("trace");
        got.is_some()
    });
    let copy = got.unwrap();
    assert_eq!(copy.exchange, "amq.rabbitmq.trace");
    let text = copy.text();
    let mut properties = copy.properties;
    let headers = properties.headers.take();
    assert_eq!(properties, PropertiesBuf::default());
    (copy.key, headers.unwrap(), text)
}

/// The names of the headers in order; node and connection are looked at here, the others are given back.
#[track_caller]
fn looked_at(mut headers: Table) -> (Vec<String>, Table) {
    let names = headers.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned());
    let names = names.collect();
    let node = headers.remove("node").unwrap();
    assert!(node.as_str().unwrap().contains('@'), "{node:?}");
    let connection = headers.remove("connection").unwrap();
    assert!(connection.as_str().unwrap().contains(" -> 127.0.0.1:"), "{connection:?}");
    (names, headers)
}

fn texts(texts: &[&str]) -> Value {
    Value::Array(texts.iter().map(|text| Value::from(*text)).collect())
}

fn everything() -> Message {
    let mut all = message("x", "k", "body");
    all.properties = PropertiesBuf {
        content_type: Some("text/plain".into()),
        content_encoding: Some("gzip".into()),
        headers: Some(table([
            ("h", Value::I32(1)),
            ("CC", texts(&["c", "q"])),
            ("BCC", texts(&["b"])),
        ])),
        delivery_mode: Some(2),
        priority: Some(3),
        correlation_id: Some("c".into()),
        reply_to: Some("r".into()),
        expiration: Some("60000".into()),
        message_id: Some("m".into()),
        timestamp: Some(12_345),
        kind: Some("t".into()),
        user_id: Some("guest".into()),
        app_id: Some("a".into()),
        cluster_id: Some("cl".into()),
    };
    all
}

/// How the properties of [`everything`] are shown.
fn shown() -> Table {
    table([
        ("cluster_id", "cl".into()),
        ("app_id", "a".into()),
        ("user_id", "guest".into()),
        ("type", "t".into()),
        ("timestamp", Value::I32(12_345)),
        ("message_id", "m".into()),
        ("expiration", "60000".into()),
        ("reply_to", "r".into()),
        ("correlation_id", "c".into()),
        ("priority", Value::I32(3)),
        ("delivery_mode", Value::I32(2)),
        ("headers", table([("h", Value::I32(1)), ("CC", texts(&["c", "q"]))]).into()),
        ("content_encoding", "gzip".into()),
        ("content_type", "text/plain".into()),
    ])
}

fn publishes_and_deliveries_are_copied(kind: BrokerKind) {
    let site = Site::of(kind);
    let (_client, channel) = traced(&site, "traced");
    channel.declare(&queue("q"));
    channel.declare(&queue("p"));
    channel.declare_exchange(&exchange("x", "fanout"));
    channel.bind("q", "x", "");
    channel.bind("p", "x", "");
    channel.send_message(&everything());
    let (key, headers, body) = copy(&channel);
    assert_eq!((&*key, &*body), ("publish.x", "body"));
    let (names, rest) = looked_at(headers);
    let order =
        "exchange_name routing_keys properties node vhost connection channel user routed_queues";
    assert_eq!(names.join(" "), order);
    let expected = table([
        ("exchange_name", "x".into()),
        ("routing_keys", texts(&["k", "c", "q", "b"])),
        ("properties", shown().into()),
        ("vhost", "traced".into()),
        ("channel", Value::I32(1)),
        ("user", "guest".into()),
        ("routed_queues", texts(&["p", "q"])),
    ]);
    assert_eq!(encoded(&rest), encoded(&expected));

    let got = channel.get("q").unwrap();
    let delivered = |headers: Table, redelivered: i32| {
        let (names, rest) = looked_at(headers);
        let order =
            "exchange_name routing_keys properties node redelivered vhost connection channel user";
        assert_eq!(names.join(" "), order);
        let expected = table([
            ("exchange_name", "x".into()),
            ("routing_keys", texts(&["k", "c", "q", "b"])),
            ("properties", shown().into()),
            ("redelivered", Value::I32(redelivered)),
            ("vhost", "traced".into()),
            ("channel", Value::I32(1)),
            ("user", "guest".into()),
        ]);
        assert_eq!(encoded(&rest), encoded(&expected));
    };
    let (key, headers, body) = copy(&channel);
    assert_eq!((&*key, &*body), ("deliver.q", "body"));
    delivered(headers, 0);
    channel.nack(got.tag, false, true);
    channel.consume(&consume("q"));
    channel.delivery();
    let (key, headers, _) = copy(&channel);
    assert_eq!(key, "deliver.q");
    delivered(headers, 1);
    site.ctl(&["trace_off", "-p", "traced"]);
    channel.publish("x", "k", "unseen");
    assert_eq!(channel.delivery().text(), "unseen");
    assert!(channel.take("trace").is_none());
    site.ctl(&["delete_vhost", "traced"]);
}

fn copies_are_not_copied(kind: BrokerKind) {
    let site = Site::of(kind);
    let (_client, channel) = traced(&site, "echo");
    channel.declare(&queue("watch"));
    channel.bind("watch", "amq.rabbitmq.trace", "#");
    channel.consume(&consume("watch").no_ack());
    channel.publish("", "nobody", "m");
    let first = channel.delivery();
    assert_eq!((&*first.key, &*first.text()), ("publish.", "m"));
    let (_, headers, _) = copy(&channel);
    assert_eq!(headers.get("routed_queues"), Some(&texts(&["nobody"])));
    channel.silent();
    assert!(channel.take("trace").is_none());
    site.ctl(&["delete_vhost", "echo"]);
}
