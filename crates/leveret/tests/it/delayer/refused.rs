//! What the broker does not take stays stored and is tried again; what it can never take does not
//! keep the others from going.

use std::time::Duration;

use super::world::{Place, World, at};
use crate::client::arguments::{exchange, queue};
use crate::server::{eventually, now_ms};

stories! {
    everywhere: [messages_without_a_queue_wait_for_one],
    stores: [],
    brokers: [
        prompt_messages_without_a_queue_wait_for_one,
        a_full_queue_refuses_and_is_tried_again,
        a_deleted_output_exchange_is_waited_for,
        one_poison_message_does_not_stop_the_others
    ],
    disks: [],
    home: [a_missing_output_exchange_at_the_start_is_waited_for, a_loop_is_kept_and_told],
}

const SOON: Duration = Duration::from_millis(300);

/// Takes the sink away from the output exchange.
fn unbind(w: &World) {
    w.publisher.unbind(&w.names.sink, &w.names.output, "#");
}

fn bind(w: &World) {
    w.publisher.bind(&w.names.sink, &w.names.output, "#");
}

fn messages_without_a_queue_wait_for_one(place: Place) {
    let mut w = at(place).start();
    unbind(&w);
    let parcels = w.publish_all((0..5).map(|n| w.message(n.to_string()).due_in(SOON)));
    eventually("all were returned", || w.delayer.metric("amqpdelayer_returned_total") >= 5.0);
    w.expect_held(5);
    w.delayer.expect_log(&["WARN", "312", &w.names.output, "key"]);
    // It is no trouble for others: one with a queue of its own passes.
    let other = w.sink_for("other", "other");
    let good = w.publish(w.message("good").key("other").due_in(SOON));
    good.check(&other.delivery());
    w.delayer.restart();
    w.expect_held(5);
    bind(&w);
    w.expect_all(&parcels);
    w.delayer.expect_idle();
}

fn prompt_messages_without_a_queue_wait_for_one(place: Place) {
    let w = at(place).start();
    unbind(&w);
    let parcels = w.publish_all((0..5).map(|n| w.message(n.to_string())));
    // They are held, so that the queue does not have to.
    w.expect_held(5);
    w.delayer.expect_metric("amqpdelayer_unacked_messages", 0.0);
    bind(&w);
    w.expect_all(&parcels);
}

fn a_full_queue_refuses_and_is_tried_again(place: Place) {
    let w = at(place).unconsumed().start();
    w.publisher.delete(&w.names.sink);
    let sink = queue(&w.names.sink).durable().arg("x-max-length", 1);
    w.publisher.declare(&sink.arg("x-overflow", "reject-publish"));
    bind(&w);
    let parcels = w.publish_all((0..3).map(|n| w.message(n.to_string()).due_in(SOON)));
    eventually("two were refused", || w.delayer.metric("amqpdelayer_unconfirmed_total") >= 2.0);
    w.expect_held(2);
    w.delayer.expect_log(&["WARN", "basic.nack"]);
    assert_eq!(w.take_at_least(&parcels), 0);
}

fn a_deleted_output_exchange_is_waited_for(place: Place) {
    let w = at(place).start();
    let first = w.publish(w.message("first").due_in(SOON));
    w.expect(&first);
    w.delete_exchange(&w.names.output);
    let parcels = w.publish_all((0..20).map(|n| w.message(n.to_string()).due_in(SOON)));
    w.delayer.expect_log(&["WARN", &w.names.output]);
    let health = w.delayer.expect_health(503);
    assert!(health.contains(&w.names.output), "{health}");
    w.expect_held(20);
    w.publisher.declare_exchange(&exchange(&w.names.output, "topic").durable());
    bind(&w);
    w.expect_all(&parcels);
    w.delayer.expect_health(200);
}

fn a_missing_output_exchange_at_the_start_is_waited_for(place: Place) {
    let mut w = at(place).prepare();
    w.delete_exchange(&w.names.output);
    w.delayer.launch();
    let parcel = w.publish(w.message("m").due_in(SOON));
    w.delayer.expect_log(&["WARN", &w.names.output]);
    w.expect_held(1);
    w.publisher.declare_exchange(&exchange(&w.names.output, "topic").durable());
    bind(&w);
    w.expect(&parcel);
}

fn one_poison_message_does_not_stop_the_others(place: Place) {
    // Its reply-to names an exchange that is not there, for which the broker closes the channel.
    let w = at(place).option("rabbitmq-usereplyto", "true").start();
    let missing = format!("missing-{}", w.names.id);
    let due_ms = now_ms() + 500;
    let good = |n: u32| w.message(format!("good {n}")).due_at(due_ms);
    let bad = |n: u32| w.message(format!("bad {n}")).reply_to(&missing).due_at(due_ms);
    let messages = [good(0), bad(0), good(1), good(2), bad(1), good(3), good(4)];
    let parcels = w.publish_all(messages);
    let (bad, good): (Vec<_>, Vec<_>) =
        parcels.into_iter().partition(|parcel| parcel.body.starts_with(b"bad"));
    // Those before a poison message may have arrived without a confirm: they come again.
    let mut seen = super::parcel::Sorted::new(&good);
    while seen.missing() > 0 {
        seen.check(&w.sink.delivery());
    }
    w.delayer.expect_log(&["WARN", &missing]);
    w.expect_held(2);
    let later: Vec<_> = (5..15).map(|n| w.message(format!("good {n}")).due_in(SOON)).collect();
    let later = w.publish_all(later);
    let both: Vec<_> = good.iter().chain(&later).cloned().collect();
    let mut seen = super::parcel::Sorted::new(&both);
    while seen.missing() > good.len() {
        seen.check(&w.sink.delivery());
    }
    w.publisher.declare_exchange(&exchange(&missing, "fanout").durable());
    w.publisher.bind(&w.names.sink, &missing, "");
    let bad: Vec<_> = bad.into_iter().map(|parcel| parcel.exchange(&missing)).collect();
    let all: Vec<_> = both.iter().chain(&bad).cloned().collect();
    let mut seen = super::parcel::Sorted::new(&all);
    while seen.missing() > both.len() {
        seen.check(&w.sink.delivery());
    }
    w.delayer.expect_idle();
}

fn a_loop_is_kept_and_told(place: Place) {
    let w = at(place).option("rabbitmq-usereplyto", "split").start();
    let own = format!(":{}", w.names.source);
    w.publish(w.message("round").reply_to(&own).due_in(SOON));
    w.publish(w.message("prompt round").reply_to(&own));
    let good = w.publish(w.message("good").due_in(SOON));
    w.expect(&good);
    eventually("the loop is seen", || w.delayer.metric("amqpdelayer_loops_total") >= 2.0);
    w.delayer.expect_log(&["WARN", &w.names.source, "rabbitmq-routingkey"]);
    w.expect_held(2);
    assert_eq!(w.publisher.counts(&w.names.source).0, 0);
    // It is not tried again at once.
    assert!(w.delayer.metric("amqpdelayer_loops_total") < 10.0);
}
