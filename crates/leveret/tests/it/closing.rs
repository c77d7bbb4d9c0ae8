//! Who says what when a channel or a connection ends (amqp.md 5.4).

use amqp::content::Properties;
use amqp::frame::{self, FRAME_END, write_body_head, write_header};
use amqp::method::{
    BasicPublish, BasicQos, ChannelClose, ChannelCloseOk, ChannelOpen, ChannelOpenOk,
    ConnectionClose, ConnectionCloseOk, Method, QueueDelete,
};

use crate::broker::shared;
use crate::client::Client;
use crate::client::arguments::{consume, queue};
use crate::client::channel::Event;
use crate::client::message::message;

/// Appends a publish to an exchange that does not exist.
fn mistake(bytes: &mut Vec<u8>, channel: u16) {
    let publish = BasicPublish {
        exchange: "missing",
        routing_key: "".into(),
        mandatory: false,
        immediate: false,
    };
    frame::write_method(bytes, channel, &publish.into());
    frame::write_content(bytes, channel, Properties::EMPTY, b"x", 4096);
}

const MISTAKE: (u16, (u16, u16), &str) =
    (404, (60, 40), "NOT_FOUND - no exchange 'missing' in vhost '/'");

#[test]
fn frames_in_flight_are_ignored_until_close_ok() {
    let client = Client::connect(shared());
    let channel = client.channel();
    channel.declare(&queue("in-flight").exclusive());
    let mut bytes = Vec::new();
    mistake(&mut bytes, 1);
    channel.encode(&message("", "in-flight", vec![1; 300_000]), &mut bytes);
    let delete =
        QueueDelete { queue: "in-flight", if_unused: false, if_empty: false, no_wait: false };
    frame::write_method(&mut bytes, 1, &delete.into());
    mistake(&mut bytes, 1);
    client.send_bytes(&bytes);
    channel.expect_close(MISTAKE.0, MISTAKE.1, MISTAKE.2);
    // The number can be used at once.
    let channel = client.channel_at(1);
    assert_eq!(channel.counts("in-flight"), (0, 0));
}

#[test]
fn number_is_free_right_behind_our_close_ok() {
    let client = Client::connect(shared());
    let channel = client.channel();
    let mut bytes = Vec::new();
    mistake(&mut bytes, 1);
    client.send_bytes(&bytes);
    assert!(matches!(channel.next(), Event::Closed { code: 404, .. }));
    let mut bytes = Vec::new();
    frame::write_method(&mut bytes, 1, &ChannelCloseOk {}.into());
    frame::write_method(&mut bytes, 1, &ChannelOpen {}.into());
    client.send_bytes(&bytes);
    let Event::Answer(answer) = channel.next() else { panic!("no answer") };
    assert_eq!(answer.method(), Method::from(ChannelOpenOk {}));
    channel.silent();
}

#[test]
fn closes_that_cross_are_both_answered() {
    let client = Client::connect(shared());
    let channel = client.channel();
    let mut bytes = Vec::new();
    mistake(&mut bytes, 1);
    let close = ChannelClose { reply_code: 200, reply_text: "", class_id: 0, method_id: 0 };
    frame::write_method(&mut bytes, 1, &close.into());
    client.send_bytes(&bytes);
    assert!(matches!(channel.next(), Event::Closed { code: 404, .. }));
    let Event::Answer(answer) = channel.next() else { panic!("no answer") };
    assert_eq!(answer.method(), Method::from(ChannelCloseOk {}));
    channel.send(ChannelCloseOk {});
    client.channel().silent();
}

#[test]
fn close_ok_in_the_middle_of_a_body_is_unexpected() {
    let client = Client::connect(shared());
    let channel = client.channel();
    let mut bytes = Vec::new();
    mistake(&mut bytes, 1);
    let publish =
        BasicPublish { exchange: "", routing_key: "".into(), mandatory: false, immediate: false };
    frame::write_method(&mut bytes, 1, &publish.into());
    write_header(&mut bytes, 1, 100, Properties::EMPTY);
    write_body_head(&mut bytes, 1, 50);
    bytes.extend_from_slice(&[0; 50]);
    bytes.push(FRAME_END);
    client.send_bytes(&bytes);
    assert!(matches!(channel.next(), Event::Closed { code: 404, .. }));
    channel.send(ChannelCloseOk {});
    client.expect_close_code(505);
}

#[test]
fn other_channels_live_on() {
    let client = Client::connect(shared());
    let (one, two) = (client.channel(), client.channel());
    two.declare(&queue("sibling").exclusive());
    two.consume(&consume("sibling").no_ack());
    let mut bytes = Vec::new();
    mistake(&mut bytes, 1);
    client.send_bytes(&bytes);
    two.publish("", "sibling", "still here");
    two.expect_bodies(&["still here"]);
    one.expect_close(MISTAKE.0, MISTAKE.1, MISTAKE.2);
}

#[test]
fn exclusive_queues_are_gone_and_unacked_messages_back_before_close_ok() {
    let watcher = Client::connect(shared()).channel();
    watcher.declare(&queue("kept").auto_delete());
    for round in 0..50 {
        let client = Client::connect(shared());
        let channel = client.channel();
        channel.declare(&queue("mine").exclusive());
        channel.publish("", "kept", format!("{round}"));
        assert_eq!(channel.get("kept").unwrap().text(), format!("{round}"));
        client.close();
        assert_eq!(watcher.take("kept").unwrap().text(), format!("{round}"));
        watcher.send_declare(&queue("mine").passive());
        watcher.expect_close(404, (50, 10), "NOT_FOUND - no queue 'mine' in vhost '/'");
        watcher.send(ChannelOpen {});
        let Event::Answer(_) = watcher.next() else { panic!("no channel") };
    }
}

#[test]
fn unacked_messages_are_back_before_the_channels_close_ok() {
    let client = Client::connect(shared());
    let (one, two) = (client.channel(), client.channel());
    one.declare(&queue("handed-back").exclusive());
    for body in ["a", "b", "c"] {
        one.publish("", "handed-back", body);
    }
    one.silent();
    two.consume(&consume("handed-back"));
    two.expect_bodies(&["a", "b", "c"]);
    two.close();
    assert_eq!(one.counts("handed-back"), (3, 0));
    let got = one.take("handed-back").unwrap();
    assert_eq!((got.text().as_str(), got.redelivered), ("a", true));
    assert_eq!(one.drain("handed-back"), ["b", "c"]);
}

#[test]
fn hard_error_is_over_with_our_close_ok_whatever_was_on_its_way() {
    let client = Client::connect(shared());
    let channel = client.channel();
    let mut bytes = Vec::new();
    let qos = BasicQos { prefetch_size: 1, prefetch_count: 0, global: false };
    frame::write_method(&mut bytes, 1, &qos.into());
    for _ in 0..20 {
        channel.encode(&message("", "nowhere", vec![3; 200_000]), &mut bytes);
    }
    client.send_bytes(&bytes);
    client.expect_close(540, (60, 10), "NOT_IMPLEMENTED - prefetch_size!=0 (1)");
}

#[test]
fn connection_closes_that_cross_are_both_answered() {
    let client = Client::connect(shared());
    let channel = client.channel();
    channel.send(BasicQos { prefetch_size: 1, prefetch_count: 0, global: false });
    let close = ConnectionClose { reply_code: 200, reply_text: "", class_id: 0, method_id: 0 };
    let received = client.next();
    assert!(matches!(received.method(), Method::ConnectionClose(_)));
    client.send(close);
    client.expect(ConnectionCloseOk {});
    client.send(ConnectionCloseOk {});
}
