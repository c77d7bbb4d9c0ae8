//! No more than `throttle` messages are published and not confirmed, and nothing is loaded until
//! `batchsize` of them are.

use super::world::{Place, World, at};
use crate::server::{eventually, now_ms};

stories! {
    everywhere: [],
    stores: [no_more_than_throttle_are_unconfirmed],
    brokers: [],
    disks: [],
    home: [
        messages_without_a_delay_count_as_well,
        refused_messages_are_tried_again,
        confirms_that_never_come_are_no_loss
    ],
}

const THROTTLE: u64 = 10;
const BATCHSIZE: u64 = 4;

fn world(place: Place) -> World {
    at(place)
        .option("rabbitmq-throttle", THROTTLE)
        .option("storage-batchsize", BATCHSIZE)
        .proxied()
        .start()
}

/// So many were published, and no more are although everything else goes on.
#[track_caller]
fn published(w: &World, count: u64) {
    eventually(&format!("{count} are published"), || {
        w.publisher.silent();
        w.proxy().published() >= count
    });
    w.delayer.expect_metric("amqpdelayer_in_flight_messages", (THROTTLE).min(count) as f64);
    for _ in 0..20 {
        w.delayer.metric("amqpdelayer_in_flight_messages");
    }
    assert_eq!(w.proxy().published(), count);
}

fn no_more_than_throttle_are_unconfirmed(place: Place) {
    let w = world(place);
    w.proxy().withhold();
    let due_ms = now_ms() + 500;
    let parcels = w.publish_all((0..50).map(|n| w.message(n.to_string()).due_at(due_ms)));
    published(&w, THROTTLE);
    // Too few for a batch.
    w.proxy().release(BATCHSIZE - 1);
    let left = (THROTTLE - BATCHSIZE + 1) as f64;
    w.delayer.expect_metric("amqpdelayer_in_flight_messages", left);
    for _ in 0..20 {
        w.delayer.metric("amqpdelayer_in_flight_messages");
    }
    assert_eq!(w.proxy().published(), THROTTLE);
    w.proxy().release(1);
    published(&w, THROTTLE + BATCHSIZE);
    w.proxy().let_through();
    w.expect_in_order(&parcels);
    w.delayer.expect_idle();
    assert_eq!(w.proxy().unconfirmed_max(), THROTTLE);
    assert_eq!(w.proxy().published(), 50);
}

fn messages_without_a_delay_count_as_well(place: Place) {
    let w = world(place);
    w.proxy().withhold();
    let parcels = w.publish_all((0..30).map(|n| w.message(n.to_string())));
    published(&w, THROTTLE);
    w.delayer.expect_metric("amqpdelayer_unacked_messages", 30.0);
    w.proxy().let_through();
    w.expect_in_order(&parcels);
    w.delayer.expect_idle();
    assert_eq!(w.proxy().unconfirmed_max(), THROTTLE);
}

fn refused_messages_are_tried_again(place: Place) {
    // The broker has them all the same, so each refused one comes twice.
    let w = world(place);
    w.proxy().refuse(5);
    let due_ms = now_ms() + 300;
    let parcels = w.publish_all((0..20).map(|n| w.message(n.to_string()).due_at(due_ms)));
    w.delayer.expect_metric("amqpdelayer_unconfirmed_total", 5.0);
    assert_eq!(w.expect_at_least(&parcels), 5);
    w.delayer.expect_metric("amqpdelayer_revived_total", 20.0);
}

fn confirms_that_never_come_are_no_loss(place: Place) {
    let w = world(place);
    w.proxy().withhold();
    let due_ms = now_ms() + 300;
    let parcels = w.publish_all((0..40).map(|n| w.message(n.to_string()).due_at(due_ms)));
    published(&w, THROTTLE);
    assert_eq!(w.proxy().cut(), 2);
    w.proxy().let_through();
    let duplicates = w.expect_at_least(&parcels) as u64;
    assert_eq!(duplicates, THROTTLE);
    w.delayer.expect_health(200);
    assert!(w.delayer.metric("amqpdelayer_reconnects_total") >= 1.0);
}
