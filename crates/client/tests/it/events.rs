//! What comes from the server, in whichever pieces.

use std::time::Duration;

use amqp::content::Properties;
use amqp::frame::{self, FrameKind};
use amqp::method::*;
use client::connection::{Connection, Consume};
use client::error::Error;
use client::event::{Event, Returned};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::fake::*;

fn consume_ok(peer: &mut Peer) -> Vec<u8> {
    peer.expect("basic.consume");
    method_frame(1, Method::BasicConsumeOk(BasicConsumeOk { consumer_tag: "c" }))
}

async fn consuming(fake: &Fake<()>) -> Connection {
    let mut connection = fake.connection().await;
    assert_eq!(connection.open_channel().await.unwrap(), 1);
    let consume = Consume { queue: "q", ..Consume::default() };
    assert_eq!(&*connection.consume(1, &consume).await.unwrap(), "c");
    connection
}

#[track_caller]
fn delivered(event: Event) -> client::event::Delivery {
    match event {
        Event::Delivery(delivery) => delivery,
        other => panic!("{other:?}"),
    }
}

/// One that RabbitMQ 3.x passes on, and that clients with text for keys choke on.
const POISON_KEY: &[u8] = b"\xff\x00key";
/// A header `U` and a value that runs past the end: not for us to judge.
const POISON_PROPERTIES: &[u8] = &[0x20, 0, 0, 0, 0, 3, 1, b'k', b'U'];

#[tokio::test]
async fn deliveries_come_byte_for_byte_whatever_they_hold() {
    let body: Vec<u8> = (0..20_000_u32).map(|i| i as u8).collect();
    let sent = body.clone();
    let fake = with_channel(move |peer| {
        let mut bytes = consume_ok(peer);
        bytes.extend(delivery(1, POISON_KEY, POISON_PROPERTIES, &sent));
        bytes.extend(delivery(2, b"", &[0, 0], b""));
        peer.bytes(&bytes);
        peer.expect("basic.ack");
    });
    let mut connection = consuming(&fake).await;
    let first = delivered(connection.next().await.unwrap());
    assert_eq!((first.channel, &*first.consumer, first.tag), (1, "c", 1));
    assert_eq!((&*first.exchange, &*first.routing_key), (b"e".as_slice(), POISON_KEY));
    assert_eq!((first.properties, first.body), (POISON_PROPERTIES.to_vec(), body));
    let second = delivered(connection.next().await.unwrap());
    assert_eq!((second.tag, second.properties, second.body), (2, vec![0, 0], vec![]));
    connection.ack(1, 2, true);
    connection.flush().await.unwrap();
    fake.finish();
}

/// `next` stands in a `select!`: its future is dropped at every piece.
#[tokio::test]
async fn nothing_is_lost_when_next_is_dropped() {
    let fake = with_channel(|peer| {
        let consumed = consume_ok(peer);
        peer.bytes(&consumed);
        for tag in 1..=30 {
            for piece in delivery(tag, b"k", &[0, 0], &[tag as u8; 100]).chunks(7) {
                peer.bytes(piece);
            }
        }
    });
    let mut connection = consuming(&fake).await;
    let mut tag = 0;
    while tag < 30 {
        tokio::select! {
            biased;
            event = connection.next() => {
                tag += 1;
                let delivery = delivered(event.unwrap());
                assert_eq!((delivery.tag, delivery.body), (tag, vec![tag as u8; 100]));
            }
            () = tokio::task::yield_now() => {}
        }
    }
    fake.finish();
}

#[tokio::test]
async fn confirms_returns_and_news_come_in_their_order() {
    let fake = with_channel(|peer| {
        let mut bytes = consume_ok(peer);
        let nack = BasicNack { delivery_tag: 4, multiple: true, requeue: false };
        let cancel = BasicCancel { consumer_tag: "c", no_wait: true };
        let polite = BasicCancel { consumer_tag: "d", no_wait: false };
        frame::write_ack(&mut bytes, 1, 3, false);
        frame::write_return(&mut bytes, 1, amqp::ReplyCode::NoRoute, "NO_ROUTE", b"", POISON_KEY);
        frame::write_content(&mut bytes, 1, Properties(POISON_PROPERTIES), b"body", 0);
        for method in [
            Method::BasicNack(nack),
            Method::BasicCancel(cancel),
            Method::BasicCancel(polite),
            Method::ChannelFlow(ChannelFlow { active: false }),
        ] {
            frame::write_method(&mut bytes, 1, &method);
        }
        let blocked = ConnectionBlocked { reason: "low on memory" };
        frame::write_method(&mut bytes, 0, &Method::ConnectionBlocked(blocked));
        frame::write_method(&mut bytes, 0, &Method::ConnectionUnblocked(ConnectionUnblocked {}));
        peer.bytes(&bytes);
        peer.expect("basic.cancel-ok");
        let flow_ok = peer.expect("channel.flow-ok");
        let expected = Method::ChannelFlowOk(ChannelFlowOk { active: false });
        assert_eq!(Method::decode(&flow_ok), Ok(expected));
    });
    let mut connection = consuming(&fake).await;
    let returned = Returned {
        channel: 1,
        code: 312,
        text: "NO_ROUTE".into(),
        exchange: vec![],
        routing_key: POISON_KEY.to_vec(),
        properties: POISON_PROPERTIES.to_vec(),
        body: b"body".to_vec(),
    };
    for expected in [
        Event::Acked { channel: 1, tag: 3, multiple: false },
        Event::Returned(returned),
        Event::Nacked { channel: 1, tag: 4, multiple: true },
        Event::Cancelled { channel: 1, consumer: "c".into() },
        Event::Cancelled { channel: 1, consumer: "d".into() },
        Event::Flow { channel: 1, active: false },
        Event::Blocked("low on memory".into()),
        Event::Unblocked,
    ] {
        assert_eq!(connection.next().await.unwrap(), expected);
    }
    connection.flush().await.unwrap();
    fake.finish();
}

#[tokio::test]
async fn a_paused_connection_reads_nothing_and_writes_nevertheless() {
    let (sent, was_sent) = oneshot::channel();
    let (paused, is_paused) = std::sync::mpsc::channel();
    let fake = with_channel(move |peer| {
        let mut bytes = consume_ok(peer);
        bytes.extend(delivery(1, b"k", &[0, 0], b"read"));
        peer.bytes(&bytes);
        is_paused.recv().unwrap();
        peer.bytes(&delivery(2, b"k", &[0, 0], b"not read"));
        sent.send(()).unwrap();
        peer.expect("basic.ack");
    });
    let mut connection = consuming(&fake).await;
    // Read together with the answer to the request.
    assert_eq!(delivered(connection.try_next().unwrap()).tag, 1);
    connection.pause(true);
    paused.send(()).unwrap();
    was_sent.await.unwrap();
    assert!(timeout(Duration::from_millis(20), connection.next()).await.is_err());
    connection.ack(1, 1, false);
    connection.flush().await.unwrap();
    connection.pause(false);
    assert_eq!(delivered(connection.next().await.unwrap()).tag, 2);
    fake.finish();
}

#[tokio::test]
async fn a_heartbeat_is_sent_when_nothing_else_is() {
    let (enough, wait) = oneshot::channel();
    let fake = fake(|mut peer| {
        peer.handshake(ConnectionTune { heartbeat: 1, ..TUNE });
        for _ in 0..2 {
            assert_eq!(peer.frame().unwrap().0, FrameKind::Heartbeat);
        }
        enough.send(()).unwrap();
        peer.expect_end();
    });
    let mut connection = fake.connection().await;
    // Also while nothing is read.
    connection.pause(true);
    tokio::select! {
        event = connection.next() => panic!("{event:?}"),
        done = wait => done.unwrap(),
    }
    drop(connection);
    fake.finish();
}

/// The clock runs as soon as nobody has anything to do.
#[tokio::test]
async fn two_missing_heartbeats_end_the_connection() {
    let fake = fake(|mut peer| {
        peer.handshake(ConnectionTune { heartbeat: 60, ..TUNE });
        peer.expect_end();
    });
    let mut connection = fake.connection().await;
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    let error = connection.next().await.unwrap_err();
    let Error::Heartbeat { seconds: 120 } = error else { panic!("{error:?}") };
    let waited = start.elapsed().as_secs();
    assert!((119..=151).contains(&waited), "{waited} s");
    assert!(!error.is_permanent());
    assert!(matches!(connection.next().await, Err(Error::Heartbeat { .. })));
    assert!(matches!(connection.flush().await, Err(Error::Heartbeat { .. })));
    assert_eq!(connection.publish(1, b"", b"k", false, &[], b""), 0);
    drop(connection);
    fake.finish();
}

#[tokio::test]
async fn what_came_before_the_end_is_given_out_first() {
    let fake = with_channel(|peer| {
        let mut bytes = consume_ok(peer);
        bytes.extend(delivery(1, b"k", &[0, 0], b"one"));
        frame::write_ack(&mut bytes, 1, 9, true);
        bytes.extend(connection_close(320, "CONNECTION_FORCED - broker forced connection closure"));
        peer.bytes(&bytes);
        peer.expect("connection.close-ok");
        peer.expect_end();
    });
    let mut connection = consuming(&fake).await;
    assert_eq!(delivered(connection.next().await.unwrap()).tag, 1);
    let acked = Event::Acked { channel: 1, tag: 9, multiple: true };
    assert_eq!(connection.next().await.unwrap(), acked);
    let error = connection.next().await.unwrap_err();
    assert!(matches!(&error, Error::Closed { code: 320, .. }), "{error:?}");
    assert!(error.to_string().contains("an administrator"), "{error}");
    assert!(!error.is_permanent());
    assert!(matches!(connection.flush().await, Err(Error::Closed { .. })));
    assert!(matches!(connection.open_channel().await, Err(Error::Closed { .. })));
    drop(connection);
    fake.finish();
}

#[tokio::test]
async fn an_end_in_the_middle_of_a_message_is_an_end() {
    let fake = with_channel(|peer| {
        let mut bytes = consume_ok(peer);
        bytes.extend(&delivery(1, b"k", &[0, 0], &[7; 5000])[..3000]);
        peer.bytes(&bytes);
        peer.hang_up();
    });
    let mut connection = consuming(&fake).await;
    assert!(matches!(connection.next().await, Err(Error::Eof)));
    assert!(matches!(connection.next().await, Err(Error::Eof)));
    fake.finish();
}

#[tokio::test]
async fn messages_have_a_limit() {
    let fake = with_channel(|peer| {
        let mut bytes = consume_ok(peer);
        bytes.extend(delivery(1, b"k", &[0, 0], &[7; 1000]));
        bytes.extend(delivery(2, b"k", &[0, 0], &[7; 1001]));
        peer.bytes(&bytes);
    });
    let mut options = fake.options.clone();
    options.max_body_bytes = 1000;
    let mut connection = Connection::open(&options, 0).await.unwrap();
    connection.open_channel().await.unwrap();
    connection.consume(1, &Consume::default()).await.unwrap();
    assert_eq!(delivered(connection.next().await.unwrap()).tag, 1);
    let error = connection.next().await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { bytes: 1001, max: 1000 }), "{error:?}");
    fake.finish();
}

#[tokio::test]
async fn bodies_that_are_too_large_to_keep_leave_their_size() {
    let fake = with_channel(|peer| {
        let mut bytes = consume_ok(peer);
        bytes.extend(delivery(1, b"k", &[0, 0], &[7; 1001]));
        bytes.extend(delivery(2, b"k", &[0, 0], &[7; 1000]));
        peer.bytes(&bytes);
    });
    let mut options = fake.options.clone();
    options.keep_body_bytes = 1000;
    let mut connection = Connection::open(&options, 0).await.unwrap();
    connection.open_channel().await.unwrap();
    connection.consume(1, &Consume::default()).await.unwrap();
    let large = delivered(connection.next().await.unwrap());
    assert_eq!((large.tag, large.body.len(), large.body_bytes), (1, 0, 1001));
    let kept = delivered(connection.next().await.unwrap());
    assert_eq!((kept.tag, kept.body.len(), kept.body_bytes), (2, 1000, 1000));
    fake.finish();
}

#[tokio::test]
async fn broken_messages_break_the_connection() {
    async fn check(broken: impl FnOnce(&mut Vec<u8>) + Send + 'static, expected: &str) {
        let fake = with_channel(|peer| {
            let mut bytes = consume_ok(peer);
            broken(&mut bytes);
            peer.bytes(&bytes);
        });
        let mut connection = consuming(&fake).await;
        let error = connection.next().await.unwrap_err();
        assert!(matches!(error, Error::Protocol(_)), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
        fake.finish();
    }
    let start = |out: &mut Vec<u8>| frame::write_deliver(out, 1, b"c", 1, false, b"", b"k");
    let body = |out: &mut Vec<u8>| {
        frame::write_body_head(out, 1, 2);
        out.extend(b"xx\xCE");
    };
    check(body, "a piece of a message without its method").await;
    check(move |out| (start(out), body(out)).1, "a body before its content header").await;
    check(move |out| (start(out), start(out)).1, "in the middle of a message").await;
    let header = |out: &mut Vec<u8>| frame::write_header(out, 1, 3, Properties::EMPTY);
    check(move |out| (start(out), header(out), header(out)).2, "a second content header").await;
    check(
        move |out| (start(out), header(out), body(out), body(out)).3,
        "a body is longer than its content header says",
    )
    .await;
    check(|out| out.extend([1, 0, 1, 0, 0, 0, 4, 0, 60, 0, 60, 0xCE]), "shorter than").await;
    check(|out| out.extend([1, 0, 1, 0, 0, 0, 4, 0, 60, 0, 60, 0xCD]), "invalid_frame_end").await;
    check(|out| out.extend([1, 0, 0, 0, 0, 0, 4, 0, 10, 0, 10, 0xCE]), "on channel 0").await;
    check(|out| out.extend([1, 0, 1, 0, 0, 0, 4, 0, 85, 0, 11, 0xCE]), "an answer to nothing")
        .await;
    check(|out| out.extend([1, 0, 1, 0, 0, 0, 4, 0, 90, 0, 11, 0xCE]), "tx.select-ok").await;
}
