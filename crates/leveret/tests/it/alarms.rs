//! Memory and disk alarms: publishers are told and wait, consumers go on, nothing is lost.

use amqp::content::Properties;
use amqp::frame::{self, FRAME_END, write_body_head, write_header};
use amqp::method::{BasicPublish, ConnectionBlocked, ConnectionUnblocked};

use crate::broker::{Broker, eventually};
use crate::client::Client;
use crate::client::arguments::{consume, queue};
use crate::client::login::Login;

/// More than the broker needs by itself, and less than with [`ballast`].
const LIMIT: &str = "96MiB";
const BALLAST_BYTES: u32 = 110 << 20;

/// Makes the broker keep a body that is not whole yet; it is given back with the connection.
fn ballast(broker: &Broker) -> Client {
    let client = Client::connect(broker);
    client.channel();
    let mut bytes = Vec::new();
    let publish =
        BasicPublish { exchange: "", routing_key: "".into(), mandatory: false, immediate: false };
    frame::write_method(&mut bytes, 1, &publish.into());
    write_header(&mut bytes, 1, u64::from(BALLAST_BYTES) + 1, Properties::EMPTY);
    client.send_bytes(&bytes);
    let mut piece = Vec::new();
    write_body_head(&mut piece, 1, 100 << 10);
    piece.resize(piece.len() + (100 << 10), 7);
    piece.push(FRAME_END);
    for _ in 0..BALLAST_BYTES / (100 << 10) {
        client.send_bytes(&piece);
    }
    client
}

fn alarm_is(broker: &Broker, name: &str, on: bool) {
    let what = format!("the alarm {name} is {on}");
    eventually(&what, || broker.metric(name) == f64::from(u8::from(on)));
}

const MEMORY: &str = "rabbitmq_alarms_memory_used_watermark";

#[test]
fn memory_alarm_blocks_publishers_until_it_is_over() {
    let broker = Broker::with(&["--vm-memory-high-watermark", LIMIT]);
    let publisher = Client::connect(&broker);
    let incapable = Login::incapable().open(broker.amqp());
    let consumer = Client::connect(&broker).channel();
    let (p, q) = (publisher.channel(), incapable.channel());
    p.declare(&queue("blocked").durable());
    p.confirms();
    q.confirms();
    // It publishes before the alarm, and only consumes during it.
    consumer.publish("", "blocked", "before");
    consumer.consume(&consume("blocked"));
    let first = consumer.expect_bodies(&["before"]);
    alarm_is(&broker, MEMORY, false);

    let weight = ballast(&broker);
    alarm_is(&broker, MEMORY, true);
    let (status, health) = broker.http("/healthz");
    assert_eq!(status, 503);
    assert!(health.contains("memory_alarm"), "{health}");

    p.publish("", "blocked", "told");
    publisher.expect(ConnectionBlocked { reason: "low on memory" });
    q.publish("", "blocked", "untold");
    p.publish("", "blocked", "waits");
    q.publish("", "blocked", "waits as well");
    // Whoever does not publish now is not blocked: acks, deliveries, declares, new connections.
    consumer.ack(first[0].tag);
    for _ in 0..3 {
        assert_eq!(consumer.counts("blocked"), (0, 1));
    }
    let other = Client::connect(&broker).channel();
    other.declare(&queue("other").exclusive());

    drop(weight);
    publisher.expect(ConnectionUnblocked {});
    p.expect_confirms(2);
    q.expect_confirms(2);
    // Not even the publish went through by which a connection showed that it publishes.
    let mut bodies = [(); 4].map(|()| consumer.delivery().text());
    bodies.sort();
    assert_eq!(bodies, ["told", "untold", "waits", "waits as well"]);
    alarm_is(&broker, MEMORY, false);
    assert_eq!(broker.http("/healthz").0, 200);
    p.publish("", "blocked", "after");
    assert_eq!(consumer.delivery().text(), "after");
}

#[test]
fn tiny_watermark_blocks_from_the_first_message() {
    let broker = Broker::with(&["--vm-memory-high-watermark", "1MiB"]);
    alarm_is(&broker, MEMORY, true);
    let client = Client::connect(&broker);
    let channel = client.channel();
    channel.declare(&queue("tiny"));
    channel.publish("", "tiny", "m");
    client.expect(ConnectionBlocked { reason: "low on memory" });
    let consumer = Client::connect(&broker).channel();
    assert_eq!(consumer.counts("tiny"), (0, 0));
}

#[test]
fn disk_alarm_blocks_as_well() {
    let broker = Broker::with(&["--disk-free-limit", "1000TiB"]);
    alarm_is(&broker, "rabbitmq_alarms_free_disk_space_watermark", true);
    assert!(broker.http("/healthz").1.contains("disk_alarm"));
    let client = Client::connect(&broker);
    let channel = client.channel();
    channel.declare(&queue("disk"));
    channel.publish("", "disk", "m");
    client.expect(ConnectionBlocked { reason: "low on disk" });
}

#[test]
fn both_alarms_are_named() {
    let broker =
        Broker::with(&["--disk-free-limit", "1000TiB", "--vm-memory-high-watermark", "1MiB"]);
    alarm_is(&broker, MEMORY, true);
    let client = Client::connect(&broker);
    client.channel().publish("", "nowhere", "m");
    client.expect(ConnectionBlocked { reason: "low on memory & disk" });
}

#[test]
fn blocked_publisher_is_told_when_the_broker_stops() {
    let mut broker = Broker::with(&["--disk-free-limit", "1000TiB"]);
    alarm_is(&broker, "rabbitmq_alarms_free_disk_space_watermark", true);
    let client = Client::connect(&broker);
    client.channel().publish("", "nowhere", "m");
    client.expect(ConnectionBlocked { reason: "low on disk" });
    broker.ask_to_stop();
    client.expect_close(320, (0, 0), "CONNECTION_FORCED - ");
    assert!(broker.ended().success());
}
