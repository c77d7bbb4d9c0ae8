//! Closing a connection from our side.

use std::time::Duration;

use amqp::method::*;
use client::connection::Connection;
use client::error::Error;

use crate::fake::*;

#[tokio::test]
async fn what_is_buffered_goes_out_before_goodbye() {
    let fake = with_channel(|peer| {
        peer.expect("basic.ack");
        let payload = peer.expect("connection.close");
        let Ok(Method::ConnectionClose(close)) = Method::decode(&payload) else { unreachable!() };
        assert_eq!(close.reply_code, 200);
        // What is on its way to us is dropped.
        peer.bytes(&delivery(1, b"k", &[0, 0], b"late"));
        peer.bytes(&channel_close(1, 406, "late"));
        peer.send(0, Method::ConnectionUnblocked(ConnectionUnblocked {}));
        peer.send(0, Method::ConnectionCloseOk(ConnectionCloseOk {}));
        peer.expect_end();
    });
    let mut connection = fake.connection().await;
    connection.open_channel().await.unwrap();
    connection.ack(1, 1, false);
    connection.close().await.unwrap();
    fake.finish();
}

#[tokio::test]
async fn goodbyes_that_cross_are_both_answered() {
    let fake = opened(|peer| {
        peer.expect("connection.close");
        peer.bytes(&connection_close(320, "CONNECTION_FORCED"));
        peer.expect("connection.close-ok");
        peer.expect_end();
    });
    fake.connection().await.close().await.unwrap();
    fake.finish();
}

#[tokio::test]
async fn an_end_without_an_answer_is_told() {
    let fake = opened(|peer| {
        peer.expect("connection.close");
        peer.hang_up();
    });
    assert!(matches!(fake.connection().await.close().await, Err(Error::Eof)));
    fake.finish();
}

#[tokio::test]
async fn an_answer_is_not_waited_for_forever() {
    let fake = opened(|peer| {
        peer.expect("connection.close");
        peer.expect_end();
    });
    let mut options = fake.options.clone();
    options.addresses[0].connection_timeout = Some(options.connect_timeout);
    options.connect_timeout = Duration::from_millis(50);
    let connection = Connection::open(&options, 0).await.unwrap();
    let error = connection.close().await.unwrap_err();
    assert!(matches!(error, Error::Timeout { ms: 50, .. }), "{error:?}");
    fake.finish();
}
