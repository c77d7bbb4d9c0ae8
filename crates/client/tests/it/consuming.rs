//! The only consumer of a link, and what a broker may have against it.

use std::rc::Rc;

use amqp::method::*;
use amqp::value::{Table, Value};
use client::link::{Link, LinkEvent, Purpose};

use crate::fake::*;

const REFUSED: &str = "PRECONDITION_FAILED - invalid arg 'x-consumer-timeout' for queue 'q' in \
                       vhost '/' of queue type rabbit_classic_queue";

fn link(fake: &Fake<()>) -> Link {
    let mut arguments = Table::new();
    arguments.insert("x-consumer-timeout", Value::I64(2_000_000));
    let purpose = Purpose::Consume { queue: "q".into(), qos: 7, no_ack: false, arguments };
    Link::new(Rc::new(fake.options.clone()), purpose, 1)
}

/// Takes the prefetch and the consumer; how many arguments that has.
fn expect_consumer(peer: &mut Peer, channel: u16) -> usize {
    peer.expect("basic.qos");
    peer.send(channel, Method::BasicQosOk(BasicQosOk {}));
    let payload = peer.expect("basic.consume");
    let Ok(Method::BasicConsume(consume)) = Method::decode(&payload) else { unreachable!() };
    assert_eq!(consume.queue, "q");
    consume.arguments.decode().unwrap().iter().count()
}

fn refuse(peer: &mut Peer, channel: u16, code: u16, text: &str) {
    peer.bytes(&channel_close(channel, code, text));
    peer.expect("channel.close-ok");
}

#[tokio::test]
async fn an_argument_that_is_refused_is_left_away() {
    let fake = with_channel(|peer| {
        assert_eq!(expect_consumer(peer, 1), 1);
        refuse(peer, 1, 406, REFUSED);
        peer.channel(2);
        assert_eq!(expect_consumer(peer, 2), 0);
        let tag = "c";
        peer.send(2, Method::BasicConsumeOk(BasicConsumeOk { consumer_tag: tag }));
    });
    let mut link = link(&fake);
    assert!(matches!(link.next().await, LinkEvent::Up));
    assert_eq!(link.open().unwrap().channel, 2);
    fake.finish();
}

#[tokio::test]
async fn another_refusal_is_not_answered_by_asking_again() {
    for (code, text) in [
        (404, "NOT_FOUND - no queue 'x-consumer-timeout' in vhost '/'"),
        (406, "PRECONDITION_FAILED - invalid arg 'x-priority' for queue 'q' in vhost '/'"),
    ] {
        let fake = with_channel(move |peer| {
            assert_eq!(expect_consumer(peer, 1), 1);
            refuse(peer, 1, code, text);
            peer.expect("connection.close");
        });
        assert!(matches!(link(&fake).next().await, LinkEvent::Down(_)));
        fake.finish();
    }
}
