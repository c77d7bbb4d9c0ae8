//! What is published and settled, and how it is written.

use amqp::content::Properties;
use amqp::frame::FrameKind;
use amqp::method::*;
use client::error::Error;

use crate::fake::*;

#[tokio::test]
async fn messages_go_out_as_they_are_in_frames_that_fit() {
    let body: Vec<u8> = (0..20_000_u32).map(|i| (i * 7) as u8).collect();
    let sent = body.clone();
    let fake = with_channel(move |peer| {
        peer.expect("confirm.select");
        peer.send(1, Method::ConfirmSelectOk(ConfirmSelectOk {}));
        let (_, _, publish) = peer.frame().unwrap();
        let expected = b"\x00\x3c\x00\x28\x00\x00\x02\xff\x00\x03\xfekk\x01";
        assert_eq!(publish, expected);
        let (kind, channel, header) = peer.frame().unwrap();
        assert_eq!((kind, channel), (FrameKind::Header, 1));
        let expected = [0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0x4E, 0x20, 0x20, 0, 0, 0, 0, 3, 1, b'k', 9];
        assert_eq!(header, expected);
        let mut received = Vec::new();
        while received.len() < sent.len() {
            let (kind, _, piece) = peer.frame().unwrap();
            assert_eq!(kind, FrameKind::Body);
            assert!(piece.len() + 8 <= 8192);
            received.extend(piece);
        }
        assert_eq!(received, sent);
        let empty = BasicPublish { routing_key: "k".into(), ..BasicPublish::default() };
        let payload = peer.expect("basic.publish");
        assert_eq!(Method::decode(&payload), Ok(Method::BasicPublish(empty)));
        let (_, _, header) = peer.frame().unwrap();
        assert_eq!(header[12..], *Properties::EMPTY.0);
        for expected in [
            Method::BasicAck(BasicAck { delivery_tag: 1, multiple: true }),
            Method::BasicNack(BasicNack { delivery_tag: 2, multiple: false, requeue: true }),
            Method::BasicNack(BasicNack { delivery_tag: 3, multiple: true, requeue: false }),
            Method::BasicReject(BasicReject { delivery_tag: 4, requeue: true }),
        ] {
            let payload = peer.expect(expected.name());
            assert_eq!(Method::decode(&payload), Ok(expected));
        }
    });
    let mut connection = fake.connection().await;
    connection.open_channel().await.unwrap();
    connection.confirm_select(1).await.unwrap();
    assert_eq!(connection.output_bytes(), 0);
    let properties = [0x20, 0, 0, 0, 0, 3, 1, b'k', 9];
    assert_eq!(connection.publish(1, b"\xff\x00", b"\xfekk", true, &properties, &body), 1);
    assert!(connection.output_bytes() > body.len());
    assert_eq!(connection.publish(1, b"", b"k", false, &[], b""), 2);
    connection.ack(1, 1, true);
    connection.nack(1, 2, false, true);
    connection.nack(1, 3, true, false);
    connection.reject(1, 4, true);
    connection.flush().await.unwrap();
    assert_eq!(connection.output_bytes(), 0);
    fake.finish();
}

#[tokio::test]
async fn what_cannot_be_written_is_not_written() {
    let fake = with_channel(|peer| {
        let (_, payload) = peer.expect_on("basic.publish");
        let Ok(Method::BasicPublish(publish)) = Method::decode(&payload) else { unreachable!() };
        assert_eq!(publish.routing_key.0.len(), 255);
        let (kind, _, header) = peer.frame().unwrap();
        assert_eq!((kind, header.len() + 8), (FrameKind::Header, 8192));
        peer.expect_end();
    });
    let mut connection = fake.connection().await;
    connection.open_channel().await.unwrap();
    let long = [b'k'; 256];
    assert_eq!(connection.publish(1, b"", &long, true, &[], b""), 0);
    assert_eq!(connection.publish(1, &long, b"", true, &[], b""), 0);
    assert_eq!(connection.publish(1, b"", b"", true, &[0; 8192 - 19], b""), 0);
    assert_eq!(connection.publish(7, b"", b"", true, &[], b""), 0);
    assert_eq!(connection.publish(0, b"", b"", true, &[], b""), 0);
    assert_eq!(connection.output_bytes(), 0);
    assert_eq!(connection.publish(1, b"", &long[1..], true, &[0; 8192 - 20], b""), 1);
    connection.flush().await.unwrap();
    drop(connection);
    fake.finish();
}

/// More than all socket buffers hold, and the server sends as much before it reads a byte.
#[tokio::test]
async fn both_sides_may_write_before_they_read() {
    const MESSAGES: u64 = 400;
    const BODY: usize = 100_000;
    let fake = with_channel(|peer| {
        peer.expect("basic.qos");
        peer.send(1, Method::BasicQosOk(BasicQosOk {}));
        for tag in 1..=MESSAGES {
            peer.bytes(&delivery(tag, b"k", &[0, 0], &[tag as u8; BODY]));
        }
        let mut bytes = 0;
        while bytes < MESSAGES as usize * BODY {
            let (kind, _, payload) = peer.frame().unwrap();
            bytes += if kind == FrameKind::Body { payload.len() } else { 0 };
        }
    });
    let mut connection = fake.connection().await;
    connection.open_channel().await.unwrap();
    connection.qos(1, 0).await.unwrap();
    for tag in 1..=MESSAGES {
        assert_eq!(connection.publish(1, b"", b"k", false, &[], &[tag as u8; BODY]), tag);
    }
    connection.flush().await.unwrap();
    for tag in 1..=MESSAGES {
        let client::event::Event::Delivery(delivery) = connection.next().await.unwrap() else {
            panic!("something else than delivery {tag}");
        };
        assert_eq!((delivery.tag, delivery.body), (tag, vec![tag as u8; BODY]));
    }
    fake.finish();
}

/// A server that closes the connection may have gone while we still write.
#[tokio::test]
async fn the_reason_of_an_end_is_found_behind_a_failed_write() {
    let fake = with_channel(|peer| {
        peer.expect("basic.qos");
        peer.send(1, Method::BasicQosOk(BasicQosOk {}));
        peer.bytes(&connection_close(320, "CONNECTION_FORCED"));
    });
    let mut connection = fake.connection().await;
    connection.open_channel().await.unwrap();
    connection.qos(1, 0).await.unwrap();
    connection.pause(true);
    // The reading is for later, so that writes fail first.
    fake.finish();
    for _ in 0..100 {
        connection.publish(1, b"", b"k", false, &[], &[0; 100_000]);
    }
    connection.pause(false);
    let error = connection.next().await.unwrap_err();
    assert!(matches!(error, Error::Closed { code: 320, .. }), "{error:?}");
}
