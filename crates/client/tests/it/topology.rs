//! What a link declares before it is set up for its purpose.

use std::rc::Rc;

use amqp::method::*;
use client::error::Error;
use client::link::topology::Topology;
use client::link::{Link, LinkEvent, Purpose};

use crate::fake::*;

fn link(fake: &Fake<()>) -> Link {
    let topology =
        Topology { exchange: "e".into(), kind: "topic", queue: Some(("q".into(), "*".into())) };
    let purpose = Purpose::Publish { exchange: String::new() };
    Link::new(Rc::new(fake.options.clone()), purpose, 1).declaring(topology)
}

/// Takes the declaration of the exchange.
fn expect_exchange(peer: &mut Peer, passive: bool) {
    let payload = peer.expect("exchange.declare");
    let Ok(Method::ExchangeDeclare(declare)) = Method::decode(&payload) else { unreachable!() };
    assert_eq!((declare.exchange, declare.passive), ("e", passive));
    if !passive {
        assert_eq!((declare.kind, declare.durable), ("topic", true));
    }
}

/// Takes the declaration of the queue.
fn expect_queue(peer: &mut Peer, passive: bool) {
    let payload = peer.expect("queue.declare");
    let Ok(Method::QueueDeclare(declare)) = Method::decode(&payload) else { unreachable!() };
    assert_eq!((declare.queue, declare.passive, declare.durable), ("q", passive, !passive));
}

/// Closes channel 1, and lets channel 2 be opened.
fn refuse(peer: &mut Peer, code: u16, text: &str) {
    peer.bytes(&channel_close(1, code, text));
    peer.expect("channel.close-ok");
    peer.channel(2);
}

fn queue_found(peer: &mut Peer, channel: u16) {
    let ok = QueueDeclareOk { queue: "q", message_count: 0, consumer_count: 0 };
    peer.send(channel, Method::QueueDeclareOk(ok));
}

/// Takes the binding and the purpose.
fn finish(peer: &mut Peer, channel: u16) {
    let payload = peer.expect("queue.bind");
    let Ok(Method::QueueBind(bind)) = Method::decode(&payload) else { unreachable!() };
    assert_eq!((bind.queue, bind.exchange, bind.routing_key), ("q", "e", "*"));
    peer.send(channel, Method::QueueBindOk(QueueBindOk {}));
    peer.expect("confirm.select");
    peer.send(channel, Method::ConfirmSelectOk(ConfirmSelectOk {}));
}

#[tokio::test]
async fn what_is_missing_is_made() {
    let fake = with_channel(|peer| {
        expect_exchange(peer, false);
        peer.send(1, Method::ExchangeDeclareOk(ExchangeDeclareOk {}));
        expect_queue(peer, true);
        refuse(peer, 404, "NOT_FOUND - no queue 'q'");
        expect_queue(peer, false);
        queue_found(peer, 2);
        finish(peer, 2);
    });
    let mut link = link(&fake);
    assert!(matches!(link.next().await, LinkEvent::Up));
    assert!(link.is_open());
    fake.finish();
}

#[tokio::test]
async fn an_exchange_that_may_not_be_declared_and_a_queue_that_exists_are_used() {
    let fake = with_channel(|peer| {
        expect_exchange(peer, false);
        refuse(peer, 403, "ACCESS_REFUSED");
        expect_exchange(peer, true);
        peer.send(2, Method::ExchangeDeclareOk(ExchangeDeclareOk {}));
        expect_queue(peer, true);
        queue_found(peer, 2);
        finish(peer, 2);
    });
    assert!(matches!(link(&fake).next().await, LinkEvent::Up));
    fake.finish();
}

#[tokio::test]
async fn an_exchange_of_another_type_is_a_failure() {
    let fake = with_channel(|peer| {
        expect_exchange(peer, false);
        peer.bytes(&channel_close(1, 406, "PRECONDITION_FAILED"));
        peer.expect("channel.close-ok");
        peer.expect("connection.close");
    });
    match link(&fake).next().await {
        LinkEvent::Down(Error::Channel(closed)) => assert_eq!(closed.code, 406),
        _ => panic!("it is up"),
    }
    fake.finish();
}
