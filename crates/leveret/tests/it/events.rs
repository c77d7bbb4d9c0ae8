//! The event exchange over the wire: what connections, channels and logins tell.

use amqp::value::{Table, Value};

use crate::broker::Broker;
use crate::client::Client;
use crate::client::arguments::{consume, queue};
use crate::client::channel::Channel;
use crate::client::login::Login;
use crate::client::message::Delivery;

/// A channel that gets all events from now on.
fn watching(broker: &Broker) -> Channel {
    let channel = Client::connect(broker).channel();
    channel.declare(&queue("events").exclusive());
    channel.bind("events", "amq.rabbitmq.event", "#");
    channel.consume(&consume("events").no_ack());
    loop {
        if next(&channel).key == "consumer.created" {
            return channel;
        }
    }
}

#[track_caller]
fn next(channel: &Channel) -> Delivery {
    let event = channel.delivery();
    assert_eq!(event.exchange, "amq.rabbitmq.event");
    assert!(event.body.is_empty());
    assert_eq!(event.properties.delivery_mode, Some(2));
    let headers = event.properties.headers.as_ref().unwrap();
    let ms = headers.get("timestamp_in_ms").and_then(Value::as_i64).unwrap();
    assert_eq!(event.properties.timestamp, u64::try_from(ms / 1000).ok());
    event
}

/// The next event has this name and these headers, in this order; those that are given have these values.
#[track_caller]
fn expect(channel: &Channel, name: &str, headers: &str, values: &[(&str, Value)]) -> Table {
    let event = next(channel);
    let told = event.properties.headers.unwrap();
    let names: Vec<_> = told.iter().map(|(name, _)| String::from_utf8_lossy(name)).collect();
    assert_eq!((&*event.key, &*names.join(" ")), (name, &*format!("{headers} timestamp_in_ms")));
    for (name, value) in values {
        assert_eq!(told.get(name), Some(value), "{name}");
    }
    told
}

const LOGIN: &str =
    "ssl auth_mechanism protocol peer_port peer_host connection_name host name connection_type";
const CONNECTION: &str = "user_who_performed_action node connected_at client_properties channel_max \
    frame_max timeout vhost user protocol ssl_hash ssl_cipher ssl_key_exchange ssl_protocol \
    auth_mechanism peer_cert_validity peer_cert_issuer peer_cert_subject ssl peer_host host peer_port \
    port name pid type";
const CHANNEL: &str = "user_who_performed_action vhost user number connection name pid";

#[test]
fn a_connection_tells_of_itself_from_login_to_end() {
    let broker = Broker::start();
    let watch = watching(&broker);
    let mut named = Login::default();
    named.properties.insert("connection_name", "me".into());
    named.properties.insert("n", Value::I32(5));
    let client = named.open(broker.amqp());
    let local = [
        ("auth_mechanism", "PLAIN".into()),
        ("protocol", "{0,9,1}".into()),
        ("peer_host", "{127,0,0,1}".into()),
        ("host", "{127,0,0,1}".into()),
        ("ssl", Value::Bool(false)),
    ];
    let login = expect(&watch, "user.authentication.success", LOGIN, &local);
    assert_eq!(login.get("name"), Some(&"guest".into()));
    let made =
        expect(&watch, "connection.created", &format!("{CONNECTION} user_provided_name"), &local);
    let Some(Value::Array(properties)) = made.get("client_properties") else { panic!("{made:?}") };
    assert_eq!(properties.last(), Some(&"{<<\"n\">>,signedint,5}".into()));
    assert_eq!(made.get("port"), Some(&Value::I64(broker.amqp().port().into())));
    assert_eq!(made.get("name"), login.get("connection_name"));

    let channel = client.channel();
    let opened = expect(&watch, "channel.created", CHANNEL, &[("number", Value::I64(1))]);
    assert_eq!(opened.get("connection"), made.get("pid"));
    channel.close();
    let closed = "user_who_performed_action pid";
    let pid = [("pid", opened.get("pid").unwrap().clone())];
    expect(&watch, "channel.closed", closed, &pid);
    drop(channel);
    client.channel();
    next(&watch);
    // The end is told when the client has closed its socket.
    client.close();
    expect(&watch, "channel.closed", closed, &[]);
    let pid = [("pid", made.get("pid").unwrap().clone())];
    expect(&watch, "connection.closed", "node client_properties pid name user_provided_name", &pid);
}

#[test]
fn a_connection_that_breaks_off_takes_everything_along() {
    let broker = Broker::start();
    let watch = watching(&broker);
    let client = Client::connect(&broker);
    let channel = client.channel();
    channel.declare(&queue("own").exclusive());
    channel.consume(&consume("own").tag("c"));
    let mut names = Vec::new();
    while names.last().is_none_or(|name| name != "consumer.created") {
        names.push(next(&watch).key);
    }
    drop((client, channel));
    let gone: Vec<_> = (0..4).map(|_| next(&watch).key).collect();
    assert_eq!(gone, ["channel.closed", "consumer.deleted", "queue.deleted", "connection.closed"]);
}

#[test]
fn a_refused_login_is_told_with_its_reason() {
    let broker = Broker::start();
    let watch = watching(&broker);
    let client = Client::raw(broker.amqp());
    Login::user("guest", "wrong").start(&client);
    client.expect_close_code(403);
    let told = expect(
        &watch,
        "user.authentication.failure",
        &format!("error {LOGIN}"),
        &[("name", "guest".into())],
    );
    let reason = told.get("error").and_then(Value::as_str).unwrap();
    assert!(reason.contains("guest"), "{reason}");
    assert_eq!(next(&watch).key, "connection.closed");
}

#[test]
fn what_administrators_do_is_told() {
    let broker = Broker::start();
    let watch = watching(&broker);
    broker.ctl(&["add_user", "u", "p"]);
    let by = ("user_who_performed_action", "rmq-cli".into());
    expect(&watch, "user.created", "user_who_performed_action name", std::slice::from_ref(&by));
    broker.ctl(&["set_vhost_limits", "-p", "/", r#"{"max-queues": 9}"#]);
    let limit = ("max-queues", Value::I64(9));
    expect(
        &watch,
        "vhost.limits.set",
        "max-queues vhost user_who_performed_action name",
        &[by, limit],
    );
}
