//! What a delayer does at all, and what it does with its messages when it is stopped.

use std::time::Duration;

use super::parcel::Parcel;
use super::world::{Place, World, at};
use crate::server::{eventually, now_ms};

stories! {
    everywhere: [held_messages_survive_every_end],
    stores: [one_delayer_stores_and_another_revives],
    brokers: [a_stop_can_forward_everything],
    disks: [a_stop_can_return_everything],
    home: [
        returned_messages_keep_what_they_were,
        what_cannot_be_returned_stays_stored,
        a_second_signal_ends_it_at_once,
        nothing_is_acknowledged_before_it_is_written,
        an_open_group_is_written_when_it_stops
    ],
}

const HOUR: Duration = Duration::from_secs(3600);

fn held_messages_survive_every_end(place: Place) {
    let mut w = at(place).start();
    let due_ms = now_ms() + 3500;
    let messages = (0..40_u64).map(|n| w.message(format!("message {n}")).due_at(due_ms + n));
    let parcels = w.publish_all(messages);
    w.expect_held(40);
    w.delayer.restart();
    w.expect_held(40);
    w.delayer.crash();
    w.expect_held(40);
    w.expect_in_order(&parcels);
    w.delayer.expect_idle();
}

fn one_delayer_stores_and_another_revives(place: Place) {
    let mut w = at(place).option("mode", "delay").start();
    let due_ms = now_ms() + 500;
    let held: Vec<Parcel> =
        w.publish_all((0..10_u64).map(|n| w.message(format!("message {n}")).due_at(due_ms + n)));
    let prompt = w.publish(w.message("no delay"));
    w.expect(&prompt);
    w.expect_held(10);
    eventually("they are due", || {
        w.delayer.metric("amqpdelayer_held_messages") == 10.0 && now_ms() > due_ms + 300
    });
    w.expect_nothing();
    w.delayer.stop();
    w.delayer.set("mode", "revive");
    w.delayer.launch();
    w.expect_in_order(&held);
    w.expect_held(0);
    w.publish_all([w.message("stays in the queue")]);
    assert_eq!(w.publisher.counts(&w.names.source), (1, 0));
}

fn a_stop_can_forward_everything(place: Place) {
    let mut w = at(place).option("shutdown", "forward").start();
    let messages = (0..500).map(|n| w.message(format!("message {n}")).due_in(HOUR));
    let parcels: Vec<Parcel> =
        w.publish_all(messages).into_iter().map(|parcel| parcel.due_at(0)).collect();
    w.expect_held(500);
    w.delayer.stop();
    w.expect_all(&parcels);
    w.delayer.launch();
    w.delayer.expect_idle();
}

fn a_stop_can_return_everything(place: Place) {
    let mut w = at(place).option("shutdown", "return").start();
    let due_ms = now_ms() + 4000;
    let messages = (0..300_u64).map(|n| w.message(format!("message {n}")).due_at(due_ms + n));
    let parcels = w.publish_all(messages);
    w.expect_held(300);
    w.delayer.stop();
    assert_eq!(w.publisher.counts(&w.names.source).0, 300);
    w.delayer.launch();
    w.expect_held(300);
    w.expect_in_order(&parcels);
}

/// Exchange and key as the API shows them of the only message that is held.
fn original(w: &World) -> (String, String) {
    let page = w.delayer.api("GET", "/api/messages", "");
    let message = &page["messages"][0];
    let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
    (text("exchange"), text("routing_key"))
}

fn returned_messages_keep_what_they_were(place: Place) {
    // Headers before, so that there is something to keep; and none, so that none must stay.
    for headers in [true, false] {
        let mut w = at(place).option("shutdown", "return").start();
        let message = w.message("m").key("original").due_in(Duration::from_secs(3));
        let message = if headers { message.header("kept", "value") } else { message };
        let parcel = w.publish(message);
        w.expect_held(1);
        let before = original(&w);
        assert_eq!(before, (w.names.entry.clone(), "original".to_owned()));
        for _ in 0..2 {
            w.delayer.stop();
            let returned = w.publisher.get(&w.names.source).expect("it was returned");
            assert_eq!(
                returned.headers().get("x-amqpdelayer-exchange"),
                Some(&(&*w.names.entry).into())
            );
            assert_eq!(
                returned.headers().get("x-amqpdelayer-routingkey"),
                Some(&"original".into())
            );
            w.publisher.nack(returned.tag, false, true);
            w.delayer.launch();
            w.expect_held(1);
            assert_eq!(original(&w), before);
        }
        w.expect(&parcel);
    }
}

fn a_second_signal_ends_it_at_once(place: Place) {
    let mut w = at(place).option("shutdown", "forward").proxied().start();
    let messages = (0..20).map(|n| w.message(format!("message {n}")).due_in(HOUR));
    let parcels: Vec<Parcel> =
        w.publish_all(messages).into_iter().map(|parcel| parcel.due_at(0)).collect();
    w.expect_held(20);
    // No confirm comes, so it cannot forward them.
    w.proxy().withhold();
    w.delayer.ask_to_stop();
    eventually("it forwards", || {
        w.publisher.silent();
        w.proxy().published() == 20
    });
    w.delayer.ask_to_stop();
    assert_eq!(w.delayer.ended().code(), Some(143));
    w.proxy().let_through();
    w.delayer.launch();
    w.expect_held(20);
    w.delayer.stop();
    w.expect_copies(&parcels, 2);
}

fn nothing_is_acknowledged_before_it_is_written(place: Place) {
    let mut w = at(place)
        .option("storage-timeout", "60s")
        .option("storage-groupsize", "10")
        .option("rabbitmq-qos", "50")
        .start();
    w.publish_all((0..10).map(|n| w.message(format!("group {n}")).due_in(HOUR)));
    w.expect_held(10);
    w.delayer.expect_metric("amqpdelayer_unacked_messages", 0.0);
    w.publish_all((0..5).map(|n| w.message(format!("open {n}")).due_in(HOUR)));
    w.delayer.expect_metric("amqpdelayer_unacked_messages", 5.0);
    w.expect_held(10);
    w.delayer.kill9();
    eventually("the broker has the open group", || w.publisher.counts(&w.names.source) == (5, 0));
    w.delayer.launch();
    w.delayer.expect_metric("amqpdelayer_unacked_messages", 5.0);
    w.expect_held(10);
}

fn an_open_group_is_written_when_it_stops(place: Place) {
    let mut w = at(place).option("storage-timeout", "60s").start();
    w.publish_all((0..5).map(|n| w.message(format!("message {n}")).due_in(HOUR)));
    w.delayer.expect_metric("amqpdelayer_unacked_messages", 5.0);
    w.delayer.stop();
    let left = w.publisher.counts(&w.names.source).0;
    w.delayer.launch();
    // Written or given back to the queue: each is in one place.
    eventually("all five are held or received", || {
        let held = w.delayer.metric("amqpdelayer_held_messages");
        held + w.delayer.metric("amqpdelayer_unacked_messages") == 5.0
    });
    assert!(left == 0 || left == 5, "{left} of one group are in the queue");
}

fn what_cannot_be_returned_stays_stored(place: Place) {
    let mut w = at(place).option("shutdown", "return").start();
    w.publish_all((0..3).map(|n| w.message(format!("message {n}")).due_in(HOUR)));
    w.expect_held(3);
    w.leveret().kill9();
    w.delayer.ask_to_stop();
    let status = w.delayer.ended();
    assert_eq!(status.code(), Some(69), "{status}");
    let log = w.delayer.stderr();
    assert!(log.contains("3 messages stay in the storage"), "{log}");
    w.leveret().launch();
    w.delayer.launch();
    w.expect_held(3);
}
