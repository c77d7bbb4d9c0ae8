//! Automatic acknowledgement: fast, bounded, and what is lost is counted.

use super::endpoint::Answer;
use super::world::at;
use crate::server::eventually;
use crate::site::BrokerKind;

stories! {
    brokers: [
        messages_are_acknowledged_on_admission,
        the_local_queue_is_bounded,
        failed_runs_are_counted_as_lost,
        retries_happen_in_the_process,
        cut_connections_lose_nothing,
    ],
    home: [a_stop_finishes_what_was_acknowledged, an_aborted_run_is_counted_as_lost, the_wire_may_acknowledge],
}

fn messages_are_acknowledged_on_admission(place: BrokerKind) {
    let mut w = at(place).trigger("auto_acknowledge = true\nconsumers = 3").start();
    w.sink.hold();
    w.publish(&["a", "b", "c"]);
    w.sink.expect_all(&["a", "b", "c"]);
    w.expect_unacked(0);
    assert_eq!(w.ready(), 0);
    w.trigger.expect_metric("in_flight", 3);
    // So nothing comes back.
    w.trigger.kill9();
    w.expect_consumers(0);
    assert_eq!(w.ready(), 0);
}

fn the_local_queue_is_bounded(place: BrokerKind) {
    let bodies: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
    let w = at(place).trigger("auto_acknowledge = true\nconsumers = 5\nprefetch = 10").start();
    w.sink.hold();
    w.publish(&bodies);
    for _ in 0..5 {
        w.sink.request();
    }
    // Five run, ten wait here, and the broker has sent ten more.
    w.trigger.expect_metric("in_flight", 5);
    eventually("the local queue is full", || w.trigger.metric("queued") >= 5.0);
    assert!(w.trigger.metric("queued") <= 20.0, "{}", w.trigger.metric("queued"));
    assert!(w.ready() >= 975, "{} are left", w.ready());
    w.sink.let_through();
    w.expect_all_settled();
    w.trigger.expect_outcome("ok", 1000);
    assert_eq!(w.sink.in_flight_max(), 5);
}

fn failed_runs_are_counted_as_lost(place: BrokerKind) {
    let w = at(place).trigger("auto_acknowledge = true").start();
    w.sink.answer_to("bad", [Answer::status(422)]);
    w.sink.answer_to("down", [Answer::status(503)]);
    w.publish(&["good", "bad", "down"]);
    w.trigger.expect_outcome("lost", 2);
    w.trigger.expect_outcome("ok", 1);
    w.expect_all_settled();
    w.expect_no_dead();
    w.trigger.expect_log(&["WARN", "bad", "422"]);
}

fn retries_happen_in_the_process(place: BrokerKind) {
    let w = at(place)
        .trigger("auto_acknowledge = true\nallow_redelivery = true")
        .trigger("redelivery = { backoff_ms = [20], max_attempts = 3 }")
        .start();
    w.sink.answer_to("comes back", [503, 503, 200].map(Answer::status));
    w.sink.answer_to("never", [Answer::status(503)]);
    w.publish(&["comes back", "never"]);
    w.trigger.expect_outcome("ok", 1);
    w.trigger.expect_outcome("lost", 1);
    assert_eq!((w.sink.runs_of("comes back"), w.sink.runs_of("never")), (3, 3));
    w.expect_all_settled();
}

fn cut_connections_lose_nothing(place: BrokerKind) {
    let w = at(place)
        .proxied()
        .trigger("auto_acknowledge = true\nconsumers = 4\nprefetch = 10\nallow_redelivery = true")
        .start();
    let mut bodies: Vec<String> = Vec::new();
    for round in 0..5 {
        let new: Vec<String> = (0..50).map(|n| format!("{round}-{n}")).collect();
        w.publish(&new);
        let some = bodies.len() + 20;
        eventually("some ran", || w.trigger.metric("started_total") >= some as f64);
        w.proxy().cut();
        bodies.extend(new);
    }
    w.expect_all_settled();
    w.expect_no_dead();
    let runs = w.sink.messages();
    assert!(bodies.iter().all(|body| runs.contains(body)));
    // An acknowledgement that was on its way when the connection broke is not known to the broker.
    assert!(runs.len() <= bodies.len() + 5 * 20, "{} runs", runs.len());
}

fn a_stop_finishes_what_was_acknowledged(place: BrokerKind) {
    let bodies: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let mut w = at(place).trigger("auto_acknowledge = true\nconsumers = 2\nprefetch = 5").start();
    w.sink.hold();
    w.publish(&bodies);
    w.sink.request();
    w.sink.request();
    w.trigger.ask_to_stop();
    w.expect_consumers(0);
    w.sink.let_through();
    assert_eq!(w.trigger.ended().code(), Some(0));
    // Each message ran or is still in the queue.
    let mut seen = w.sink.messages();
    seen.extend(w.channel.drain(&w.names.queue));
    seen.sort_unstable();
    assert_eq!(seen, bodies);
}

fn an_aborted_run_is_counted_as_lost(place: BrokerKind) {
    let mut w = at(place).trigger("auto_acknowledge = true\ndrain_timeout_ms = 100").start();
    w.sink.hold();
    w.publish(&["m"]);
    w.sink.expect(&["m"]);
    w.trigger.ask_to_stop();
    assert_eq!(w.trigger.ended().code(), Some(3));
    assert_eq!(w.ready(), 0);
    let log = w.trigger.stderr();
    assert!(log.lines().any(|line| line.contains("WARN") && line.contains("lost")), "{log}");
}

fn the_wire_may_acknowledge(place: BrokerKind) {
    let bodies: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let w = at(place).trigger("auto_acknowledge = true\nwire_no_ack = true\nconsumers = 4").start();
    w.sink.hold();
    w.publish(&bodies);
    for _ in 0..4 {
        w.sink.request();
    }
    w.expect_ready(0);
    w.expect_unacked(0);
    w.sink.let_through();
    w.trigger.expect_outcome("ok", 100);
    assert_eq!(w.sink.in_flight_max(), 4);
}
