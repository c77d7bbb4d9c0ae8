//! Requests, their answers, and what else may come instead.

use amqp::content::Properties;
use amqp::frame;
use amqp::method::*;
use amqp::value::{Table, Value};
use client::connection::{Consume, DeclareExchange, DeclareQueue, QueueInfo};
use client::error::Error;
use client::event::{ChannelClosed, Event};

use crate::fake::*;

fn queue_ok(queue: &str, message_count: u32) -> Method<'_> {
    Method::QueueDeclareOk(QueueDeclareOk { queue, message_count, consumer_count: 2 })
}

#[tokio::test]
async fn requests_carry_what_was_asked_and_bring_what_was_answered() {
    let fake = with_channel(|peer| {
        let payload = peer.expect("queue.declare");
        let Ok(Method::QueueDeclare(declare)) = Method::decode(&payload) else { unreachable!() };
        assert_eq!((declare.queue, declare.durable, declare.passive), ("q", true, false));
        let ttl = declare.arguments.get("x-message-ttl");
        assert_eq!(ttl, Ok(Some(Value::I64(5))));
        peer.send(1, queue_ok("q", 7));
        let payload = peer.expect("queue.declare");
        let Ok(Method::QueueDeclare(declare)) = Method::decode(&payload) else { unreachable!() };
        assert_eq!((declare.queue, declare.passive), ("other", true));
        peer.send(1, queue_ok("other", 0));
        peer.expect("exchange.declare");
        peer.send(1, Method::ExchangeDeclareOk(ExchangeDeclareOk {}));
        peer.expect("exchange.declare");
        peer.send(1, Method::ExchangeDeclareOk(ExchangeDeclareOk {}));
        peer.expect("queue.bind");
        peer.send(1, Method::QueueBindOk(QueueBindOk {}));
        peer.expect("basic.qos");
        peer.send(1, Method::BasicQosOk(BasicQosOk {}));
        peer.expect("confirm.select");
        peer.send(1, Method::ConfirmSelectOk(ConfirmSelectOk {}));
        peer.expect("basic.recover");
        peer.send(1, Method::BasicRecoverOk(BasicRecoverOk {}));
        peer.expect("queue.purge");
        peer.send(1, Method::QueuePurgeOk(QueuePurgeOk { message_count: 3 }));
        peer.expect("queue.delete");
        peer.send(1, Method::QueueDeleteOk(QueueDeleteOk { message_count: 4 }));
        peer.expect("exchange.delete");
        peer.send(1, Method::ExchangeDeleteOk(ExchangeDeleteOk {}));
        peer.expect("basic.cancel");
        peer.send(1, Method::BasicCancelOk(BasicCancelOk { consumer_tag: "c" }));
        peer.expect("channel.close");
        peer.send(1, Method::ChannelCloseOk(ChannelCloseOk {}));
    });
    let mut connection = fake.connection().await;
    let channel = connection.open_channel().await.unwrap();
    let mut arguments = Table::new();
    arguments.insert("x-message-ttl", 5.into());
    let declare = DeclareQueue { queue: "q", durable: true, arguments, ..<_>::default() };
    let info = QueueInfo { name: "q".into(), messages: 7, consumers: 2 };
    assert_eq!(connection.declare_queue(channel, &declare).await.unwrap(), info);
    assert_eq!(connection.queue_exists(channel, "other").await.unwrap().name, "other");
    let declare = DeclareExchange { exchange: "e", kind: "topic", ..<_>::default() };
    connection.declare_exchange(channel, &declare).await.unwrap();
    connection.exchange_exists(channel, "e").await.unwrap();
    connection.exchange_exists(channel, "").await.unwrap();
    connection.bind_queue(channel, "q", "e", "#", &Table::new()).await.unwrap();
    connection.qos(channel, 10).await.unwrap();
    connection.confirm_select(channel).await.unwrap();
    connection.recover(channel).await.unwrap();
    assert_eq!(connection.purge_queue(channel, "q").await.unwrap(), 3);
    assert_eq!(connection.delete_queue(channel, "q").await.unwrap(), 4);
    connection.delete_exchange(channel, "e").await.unwrap();
    connection.cancel(channel, "c").await.unwrap();
    connection.close_channel(channel).await.unwrap();
    assert!(matches!(connection.qos(channel, 1).await, Err(Error::NotOpen(1))));
    fake.finish();
}

#[tokio::test]
async fn a_message_is_fetched_or_there_is_none() {
    let fake = with_channel(|peer| {
        peer.expect("basic.get");
        let mut bytes = Vec::new();
        frame::write_get_ok(&mut bytes, 1, 5, true, b"e", b"\xff", 3);
        frame::write_content(&mut bytes, 1, Properties::EMPTY, b"body", 0);
        peer.bytes(&bytes);
        peer.expect("basic.get");
        peer.send(1, Method::BasicGetEmpty(BasicGetEmpty {}));
    });
    let mut connection = fake.connection().await;
    connection.open_channel().await.unwrap();
    let got = connection.get(1, "q", false).await.unwrap().unwrap();
    assert_eq!((got.tag, got.redelivered, &*got.consumer), (5, true, ""));
    assert_eq!((got.routing_key, got.body), (b"\xff".to_vec(), b"body".to_vec()));
    assert_eq!(connection.get(1, "q", true).await.unwrap(), None);
    fake.finish();
}

#[tokio::test]
async fn what_comes_before_an_answer_is_kept() {
    let fake = with_channel(|peer| {
        peer.expect("basic.consume");
        let consumed = Method::BasicConsumeOk(BasicConsumeOk { consumer_tag: "c" });
        let mut bytes = method_frame(1, consumed);
        bytes.extend(delivery(1, b"k", &[0, 0], b"one"));
        peer.bytes(&bytes);
        peer.expect("basic.qos");
        let mut bytes = delivery(2, b"k", &[0, 0], b"two");
        bytes.extend(method_frame(1, Method::BasicQosOk(BasicQosOk {})));
        peer.bytes(&bytes);
    });
    let mut connection = fake.connection().await;
    connection.open_channel().await.unwrap();
    connection.consume(1, &Consume::default()).await.unwrap();
    connection.qos(1, 5).await.unwrap();
    for expected in [1, 2] {
        let Event::Delivery(delivery) = connection.try_next().unwrap() else { panic!() };
        assert_eq!(delivery.tag, expected);
    }
    assert_eq!(connection.try_next(), None);
    fake.finish();
}

#[tokio::test]
async fn a_channel_that_is_closed_in_answer_is_an_error_and_no_event() {
    let text = "NOT_FOUND - no queue 'q' in vhost '/'";
    let fake = with_channel(move |peer| {
        peer.expect("queue.declare");
        peer.bytes(&channel_close(1, 404, text));
        peer.expect("channel.close-ok");
        // The connection lives, and the number is not used again at once.
        peer.channel(2);
    });
    let mut connection = fake.connection().await;
    connection.open_channel().await.unwrap();
    let error = connection.queue_exists(1, "q").await.unwrap_err();
    let Error::Channel(closed) = &error else { panic!("{error:?}") };
    let expected =
        ChannelClosed { channel: 1, code: 404, text: text.into(), class_id: 50, method_id: 10 };
    assert_eq!(*closed, expected);
    let told = "the broker closed channel 1: 404 NOT_FOUND - no queue 'q' in vhost '/' \
                (answer to queue.declare)";
    assert_eq!(error.to_string(), told);
    assert!(error.is_permanent());
    assert_eq!(connection.try_next(), None);
    assert_eq!(connection.publish(1, b"", b"k", false, &[], b"x"), 0);
    connection.ack(1, 1, false);
    connection.nack(1, 1, false, true);
    connection.reject(1, 1, true);
    assert!(matches!(connection.queue_exists(1, "q").await, Err(Error::NotOpen(1))));
    assert_eq!(connection.open_channel().await.unwrap(), 2);
    fake.finish();
}

#[tokio::test]
async fn a_channel_that_is_closed_out_of_the_blue_is_an_event() {
    let fake = with_channel(|peer| {
        peer.bytes(&channel_close(1, 406, "PRECONDITION_FAILED - unknown delivery tag 9"));
        peer.expect("channel.close-ok");
        // Late frames for it mean nothing.
        peer.bytes(&delivery(1, b"k", &[0, 0], b"late"));
        peer.bytes(&connection_close(320, "bye"));
    });
    let mut connection = fake.connection().await;
    connection.open_channel().await.unwrap();
    let Ok(Event::ChannelClosed(closed)) = connection.next().await else { panic!() };
    assert_eq!((closed.channel, closed.code), (1, 406));
    assert!(matches!(connection.next().await, Err(Error::Closed { code: 320, .. })));
    fake.finish();
}

/// Lets a request be made and no more.
async fn drop_waiting<T>(request: impl Future<Output = T>) {
    tokio::select! {
        biased;
        _ = request => panic!("answered at once"),
        () = std::future::ready(()) => {}
    }
}

/// A dropped request has been made; the answer to it is not the answer to the next one.
#[tokio::test]
async fn a_request_that_is_dropped_confuses_no_other() {
    let fake = with_channel(|peer| {
        peer.expect("queue.declare");
        peer.expect("queue.declare");
        peer.send(1, queue_ok("first", 1));
        peer.send(1, queue_ok("second", 2));
        peer.expect("queue.declare");
        peer.bytes(&channel_close(1, 404, "NOT_FOUND"));
        peer.expect("channel.close-ok");
    });
    let mut connection = fake.connection().await;
    connection.open_channel().await.unwrap();
    drop_waiting(connection.queue_exists(1, "first")).await;
    assert_eq!(connection.queue_exists(1, "second").await.unwrap().name, "second");
    drop_waiting(connection.queue_exists(1, "third")).await;
    let Ok(Event::ChannelClosed(closed)) = connection.next().await else { panic!() };
    assert_eq!(closed.code, 404);
    connection.flush().await.unwrap();
    fake.finish();
}

/// Both sides may close a channel at the same time; what was on its way is dropped.
#[tokio::test]
async fn closes_that_cross_are_both_answered() {
    let fake = with_channel(|peer| {
        peer.expect("channel.close");
        let mut bytes = delivery(1, b"k", &[0, 0], b"late");
        bytes.extend(channel_close(1, 406, "PRECONDITION_FAILED"));
        bytes.extend(method_frame(1, Method::ChannelCloseOk(ChannelCloseOk {})));
        peer.bytes(&bytes);
        peer.expect("channel.close-ok");
    });
    let mut connection = fake.connection().await;
    connection.open_channel().await.unwrap();
    connection.close_channel(1).await.unwrap();
    assert_eq!(connection.try_next(), None);
    connection.flush().await.unwrap();
    fake.finish();
}

#[tokio::test]
async fn a_channel_may_be_closed_in_the_middle_of_a_message() {
    let fake = with_channel(|peer| {
        let mut deliver = Vec::new();
        frame::write_deliver(&mut deliver, 1, b"c", 1, false, b"", b"k");
        peer.bytes(&deliver);
        peer.expect("channel.close");
        peer.send(1, Method::ChannelCloseOk(ChannelCloseOk {}));
    });
    let mut connection = fake.connection().await;
    connection.open_channel().await.unwrap();
    connection.close_channel(1).await.unwrap();
    fake.finish();
}

#[tokio::test]
async fn the_wrong_answer_is_a_broken_protocol() {
    let fake = with_channel(|peer| {
        peer.expect("basic.qos");
        peer.send(1, Method::ConfirmSelectOk(ConfirmSelectOk {}));
        peer.expect("queue.purge");
        peer.send(1, Method::BasicGetEmpty(BasicGetEmpty {}));
    });
    let mut connection = fake.connection().await;
    connection.open_channel().await.unwrap();
    assert!(matches!(connection.qos(1, 5).await, Err(Error::Protocol(_))));
    assert!(matches!(connection.purge_queue(1, "q").await, Err(Error::Protocol(_))));
    fake.finish();
}

#[tokio::test]
async fn a_connection_that_ends_ends_the_request() {
    let fake = with_channel(|peer| {
        peer.expect("basic.qos");
        peer.hang_up();
    });
    let mut connection = fake.connection().await;
    connection.open_channel().await.unwrap();
    assert!(matches!(connection.qos(1, 5).await, Err(Error::Eof)));
    assert!(matches!(connection.qos(1, 5).await, Err(Error::Eof)));
    fake.finish();
}

#[tokio::test]
async fn channels_run_out_and_numbers_go_round() {
    let fake = fake(|mut peer| {
        peer.handshake(ConnectionTune { channel_max: 3, ..TUNE });
        for number in [1, 2, 3] {
            peer.channel(number);
        }
        for number in [2, 1] {
            let (channel, _) = peer.expect_on("channel.close");
            assert_eq!(channel, number);
            peer.send(number, Method::ChannelCloseOk(ChannelCloseOk {}));
        }
        for number in [1, 2] {
            peer.channel(number);
        }
    });
    let mut connection = fake.connection().await;
    for number in [1, 2, 3] {
        assert_eq!(connection.open_channel().await.unwrap(), number);
    }
    assert!(matches!(connection.open_channel().await, Err(Error::NoChannel(3))));
    connection.close_channel(2).await.unwrap();
    connection.close_channel(1).await.unwrap();
    for number in [1, 2] {
        assert_eq!(connection.open_channel().await.unwrap(), number);
    }
    fake.finish();
}

#[tokio::test]
async fn names_that_would_be_cut_are_refused() {
    let fake = with_channel(|peer| peer.expect_end());
    let mut connection = fake.connection().await;
    connection.open_channel().await.unwrap();
    let long = "q".repeat(256);
    let error = connection.queue_exists(1, &long).await.unwrap_err();
    assert!(error.to_string().starts_with("the queue has 256 bytes, 255 are allowed"), "{error}");
    assert!(matches!(connection.exchange_exists(1, &long).await, Err(Error::Argument(_))));
    drop(connection);
    fake.finish();
}
