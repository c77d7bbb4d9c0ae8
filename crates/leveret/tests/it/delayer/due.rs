//! Where the due time comes from, and what becomes of times that nobody can mean.

use std::time::Duration;

use amqp::value::Value;

use super::parcel::Parcel;
use super::world::{Place, at};
use crate::server::now_ms;

stories! {
    everywhere: [],
    stores: [times_that_nobody_can_mean_are_held],
    brokers: [timestamps_count_seconds],
    disks: [],
    home: [
        timestamps_may_count_either,
        milliseconds_read_as_seconds_are_held_counted_and_told,
        messages_due_sooner_than_min_delay_are_not_held,
        messages_due_later_than_max_delay_come_then,
        x_delay_counts_milliseconds_from_arrival,
        x_delay_and_x_deliver_at_are_headers_like_others_by_default,
        x_deliver_at_is_a_time,
        the_first_source_that_a_message_has_counts
    ],
}

const HOUR: Duration = Duration::from_secs(3600);

fn timestamps_count_seconds(place: Place) {
    let w = at(place).option("timestamp-unit", "seconds").start();
    let due = now_ms() / 1000 + 2;
    let parcel = w.publish(w.message("m").timestamp(due)).due_at(due * 1000);
    w.expect_held(1);
    w.expect(&parcel);
}

fn timestamps_may_count_either(place: Place) {
    let w = at(place).option("timestamp-unit", "auto").start();
    let due = now_ms() / 1000 + 2;
    let seconds = w.publish(w.message("seconds").timestamp(due)).due_at(due * 1000);
    let milliseconds = w.publish(w.message("milliseconds").timestamp(due * 1000 - 500));
    w.expect_in_order(&[milliseconds, seconds]);
    assert_eq!(w.delayer.metric("amqpdelayer_timestamps_implausible_total"), 0.0);
}

fn milliseconds_read_as_seconds_are_held_counted_and_told(place: Place) {
    let w = at(place).option("timestamp-unit", "seconds").start();
    w.publish(w.message("m").timestamp(now_ms()));
    w.expect_held(1);
    w.expect_nothing();
    w.delayer.expect_metric("amqpdelayer_timestamps_implausible_total", 1.0);
    w.delayer.expect_log(&["WARN", "timestamp-unit"]);
    // A new start does not lose it, and the page still answers.
    let mut w = w;
    w.delayer.restart();
    w.expect_held(1);
    assert_eq!(w.delayer.http("GET", "/", "").0, 200);
}

fn times_that_nobody_can_mean_are_held(place: Place) {
    for unit in ["seconds", "milliseconds", "auto"] {
        eprintln!("{unit}");
        let mut w = at(place).option("timestamp-unit", unit).start();
        let times = [1 << 63, u64::MAX, (1 << 63) - 1, u64::MAX / 1000, u64::MAX / 1000 + 1];
        let messages = times.map(|time| w.message(format!("at {time}")).id("far").timestamp(time));
        let parcels = w.publish_all(messages);
        w.expect_held(5);
        w.delayer.restart();
        w.expect_held(5);
        for path in ["/", "/metrics", "/api/messages", "/api/status"] {
            assert_eq!(w.delayer.http("GET", path, "").0, 200, "{path}");
        }
        w.expect_nothing();
        w.delayer.api("POST", "/api/messages/release?message_id=far", "");
        let parcels: Vec<Parcel> = parcels.into_iter().map(|parcel| parcel.due_at(0)).collect();
        w.expect_all(&parcels);
    }
}

fn messages_due_sooner_than_min_delay_are_not_held(place: Place) {
    let w = at(place).option("min-delay", "30").start();
    let soon = w.publish(w.message("soon").due_in(Duration::from_secs(20))).due_at(0);
    w.expect(&soon);
    w.publish(w.message("later").due_in(Duration::from_secs(40)));
    w.expect_held(1);
    assert_eq!(w.delayer.metric("amqpdelayer_below_min_delay_total"), 1.0);
    assert_eq!(w.delayer.metric("amqpdelayer_stored_total"), 1.0);
}

fn messages_due_later_than_max_delay_come_then(place: Place) {
    let w = at(place).option("max-delay", "1").start();
    let from = now_ms();
    let parcel = w.publish(w.message("m").due_in(HOUR)).due_at(from + 1000);
    w.expect_held(1);
    w.expect(&parcel);
    let from = now_ms();
    let parcel = w.publish(w.message("never").due_at(u64::MAX)).due_at(from + 1000);
    w.expect(&parcel);
    assert_eq!(w.delayer.metric("amqpdelayer_clamped_total"), 2.0);
}

fn x_delay_counts_milliseconds_from_arrival(place: Place) {
    let w = at(place).option("due-sources", "x-delay").start();
    let delays: [(Value, Value); 4] = [
        (Value::I32(400), Value::I32(-400)),
        (Value::I64(500), Value::I64(-500)),
        (Value::I16(600), Value::I16(-600)),
        (Value::from("700"), Value::from("-700")),
    ];
    let mut parcels = Vec::new();
    for (index, (delay, after)) in delays.into_iter().enumerate() {
        let body = index.to_string();
        let from = now_ms() + 400 + index as u64 * 100;
        w.publish(w.message(&body).header("first", 1).header("x-delay", delay).header("last", 2));
        // As the plugin did: negated, so that it is not delayed twice.
        let after = w.message(&body).header("first", 1).header("x-delay", after).header("last", 2);
        parcels.push(Parcel::of(&after, &w.names.output).due_at(from));
    }
    w.expect_in_order(&parcels);
    // What comes back delayed once is not delayed again.
    let again = w.publish(w.message("again").header("x-delay", Value::I32(-400)));
    let zero = w.publish(w.message("zero").header("x-delay", Value::I32(0)));
    let absurd = w.publish(w.message("absurd").header("x-delay", "tomorrow"));
    let none = w.publish(w.message("none").due_in(HOUR)).due_at(0);
    w.expect_in_order(&[again, zero, absurd, none]);
}

fn x_delay_and_x_deliver_at_are_headers_like_others_by_default(place: Place) {
    let w = at(place).start();
    let far = (now_ms() + 3_600_000) as i64;
    let delay = w.publish(w.message("x-delay").header("x-delay", 3_600_000));
    let time = w.publish(w.message("x-deliver-at").header("x-deliver-at", far));
    w.expect_in_order(&[delay, time]);
}

fn x_deliver_at_is_a_time(place: Place) {
    let w = at(place).option("due-sources", "x-deliver-at").start();
    let second = now_ms() / 1000 + 2;
    let times = [
        (Value::I64(second as i64 * 1000 - 900), second * 1000 - 900),
        (Value::from((second * 1000 - 600).to_string().as_str()), second * 1000 - 600),
        (Value::Timestamp(second), second * 1000),
    ];
    let mut parcels = Vec::new();
    for (time, due_ms) in times {
        let message = w.message(format!("{time:?}")).header("x-deliver-at", time);
        parcels.push(w.publish(message).due_at(due_ms));
    }
    w.expect_in_order(&parcels);
}

fn the_first_source_that_a_message_has_counts(place: Place) {
    let w = at(place).option("due-sources", "x-deliver-at,timestamp").start();
    let soon = now_ms() + 600;
    let both = w.message("both").header("x-deliver-at", soon as i64).due_in(HOUR);
    let both = w.publish(both).due_at(soon);
    let other = w.publish(w.message("the other").due_at(soon + 300));
    w.expect_in_order(&[both, other]);
}
