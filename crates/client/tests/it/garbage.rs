//! A server out of its mind: whatever it sends, the client comes to an end.

use std::time::Duration;

use amqp::method::{BasicConsumeOk, METHODS, Method};
use client::connection::Consume;
use proptest::prelude::*;
use tokio::time::timeout;

use crate::fake::*;

/// Frames that begin well, frames of anything, and bytes that are no frames.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    let frame = |kind: u8, channel: u16, payload: Vec<u8>| {
        let [c1, c0] = channel.to_be_bytes();
        let [s3, s2, s1, s0] = (payload.len() as u32).to_be_bytes();
        [vec![kind, c1, c0, s3, s2, s1, s0], payload, vec![0xCE]].concat()
    };
    let method = (prop::sample::select(METHODS), 0..3_u16, bytes()).prop_map(
        move |((class, method, _), channel, arguments)| {
            let ids = [class.to_be_bytes(), method.to_be_bytes()].concat();
            frame(1, channel, [ids, arguments].concat())
        },
    );
    let message =
        (bytes(), bytes(), any::<u64>(), 0..60_u64).prop_map(move |(key, body, tag, cut)| {
            let mut message = delivery(tag, &key, &[0, 0], &body);
            message.truncate(message.len().saturating_sub(cut.saturating_sub(40) as usize));
            message
        });
    prop_oneof![
        5 => message,
        5 => method,
        2 => (0..10_u8, 0..3_u16, bytes()).prop_map(move |(k, c, payload)| frame(k, c, payload)),
        1 => bytes(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn garbage_ends_in_an_error(pieces in prop::collection::vec(piece(), 0..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let fake = with_channel(move |peer| {
                peer.expect("basic.consume");
                let consumed = BasicConsumeOk { consumer_tag: "c" };
                peer.send(1, Method::BasicConsumeOk(consumed));
                // The client may hang up first.
                use std::io::Write;
                let _ = pieces.iter().try_for_each(|piece| peer.stream.write_all(piece));
                let _ = peer.stream.shutdown(std::net::Shutdown::Write);
            });
            let mut connection = fake.connection().await;
            connection.open_channel().await.unwrap();
            connection.consume(1, &Consume::default()).await.unwrap();
            let end = async { while connection.next().await.is_ok() {} };
            timeout(Duration::from_secs(20), end).await.expect("an end");
            fake.finish();
        });
    }
}
