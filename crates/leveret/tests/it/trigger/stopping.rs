//! A stop finishes what runs, gives back the rest, and says how it ended.

use std::os::unix::process::ExitStatusExt;

use super::endpoint::Answer;
use super::world::at;
use crate::site::BrokerKind;

stories! {
    brokers: [
        a_stop_finishes_runs_and_gives_back_the_rest,
        a_stop_finishes_what_may_not_be_redelivered,
        a_stop_that_takes_too_long_gives_back_its_runs,
    ],
    home: [
        a_second_signal_ends_at_once,
        a_held_message_goes_back,
        a_stop_without_a_broker_does_not_wait_for_it,
    ],
}

fn a_stop_finishes_runs_and_gives_back_the_rest(place: BrokerKind) {
    let mut w = at(place).trigger("consumers = 2\nprefetch = 5\nallow_redelivery = true").start();
    w.sink.hold();
    w.publish(&["a", "b", "c", "d", "e", "f", "g"]);
    w.sink.expect_all(&["a", "b"]);
    w.trigger.expect_metric("queued", 3);
    w.trigger.ask_to_stop();
    w.expect_consumers(0);
    w.expect_ready(5);
    w.expect_unacked(2);
    w.sink.let_through();
    assert_eq!(w.trigger.ended().code(), Some(0));
    w.expect_unacked(0);
    let mut left = w.channel.drain(&w.names.queue);
    left.sort_unstable();
    assert_eq!(left, ["c", "d", "e", "f", "g"]);
    w.sink.expect_no_more();
}

fn a_stop_finishes_what_may_not_be_redelivered(place: BrokerKind) {
    let mut w = at(place).trigger("consumers = 2\nprefetch = 5").start();
    w.sink.hold();
    w.publish(&["a", "b", "c", "d", "e", "f", "g"]);
    w.sink.expect_all(&["a", "b"]);
    w.trigger.expect_metric("queued", 3);
    w.trigger.ask_to_stop();
    w.expect_consumers(0);
    w.sink.let_through();
    // What it gave back would be refused when it comes again.
    w.sink.expect_all(&["c", "d", "e"]);
    assert_eq!(w.trigger.ended().code(), Some(0));
    w.expect_unacked(0);
    assert_eq!(w.channel.drain(&w.names.queue), ["f", "g"]);
    w.expect_no_dead();
    w.sink.expect_no_more();
}

fn a_stop_that_takes_too_long_gives_back_its_runs(place: BrokerKind) {
    let mut w =
        at(place).trigger("consumers = 1\nallow_redelivery = true\ndrain_timeout_ms = 200").start();
    w.sink.hold();
    w.publish(&["a", "b"]);
    w.sink.expect(&["a"]);
    w.trigger.ask_to_stop();
    assert_eq!(w.trigger.ended().code(), Some(3));
    let mut left = w.channel.drain(&w.names.queue);
    left.sort_unstable();
    assert_eq!(left, ["a", "b"]);
}

fn a_second_signal_ends_at_once(place: BrokerKind) {
    let mut w = at(place).start();
    w.sink.hold();
    w.publish(&["a"]);
    w.sink.expect(&["a"]);
    w.trigger.ask_to_stop();
    w.expect_consumers(0);
    w.trigger.ask_to_stop();
    let status = w.trigger.ended();
    assert_eq!(status.code(), Some(143), "{status} {:?}", status.signal());
    w.expect_ready(1);
}

fn a_held_message_goes_back(place: BrokerKind) {
    let mut w = at(place)
        .trigger("allow_redelivery = true\nredelivery = { backoff_ms = [600000] }")
        .start();
    w.sink.answer(Answer::status(503));
    w.publish(&["a"]);
    w.trigger.expect_metric("holding", 1);
    w.trigger.ask_to_stop();
    assert_eq!(w.trigger.ended().code(), Some(0));
    assert_eq!(w.channel.drain(&w.names.queue), ["a"]);
}

fn a_stop_without_a_broker_does_not_wait_for_it(place: BrokerKind) {
    let mut w = at(place).start();
    w.broker.leveret().kill9();
    w.trigger.expect_ready(503);
    w.trigger.ask_to_stop();
    assert_eq!(w.trigger.ended().code(), Some(0));
}
