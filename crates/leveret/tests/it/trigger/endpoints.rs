//! Endpoints that misbehave: each harms its own run and nothing else.

use std::time::{Duration, Instant};

use super::endpoint::Answer;
use super::world::{Plan, at};
use crate::site::BrokerKind;

stories! {
    brokers: [an_endpoint_that_is_down_for_a_while_loses_nothing],
    home: [
        a_hanging_endpoint_times_out,
        an_answer_that_ends_early_is_a_failure,
        an_answer_of_2_gb_is_not_read,
        redirects_are_not_followed,
        retry_after_pauses_the_trigger,
        gone_pauses_the_trigger_until_it_is_resumed,
        an_open_breaker_lets_one_run_try,
        connections_are_used_again,
    ],
}

/// A world whose trigger tries again soon and for long.
fn patient(place: BrokerKind) -> Plan {
    at(place)
        .trigger("allow_redelivery = true\nredelivery = { max_attempts = 1000, backoff_ms = [20] }")
}

fn a_hanging_endpoint_times_out(place: BrokerKind) {
    let w = at(place).trigger("maximum_timeout_ms = 200").start();
    w.sink.answer_to("hangs", [Answer::hang()]);
    let begin = Instant::now();
    w.publish(&["hangs", "goes on"]);
    w.expect_dead("hangs");
    assert!(begin.elapsed() >= Duration::from_millis(200));
    w.expect_all_settled();
    w.trigger.expect_dead("timeout", 1);
    w.trigger.expect_outcome("ok", 1);
    crate::server::eventually("the request was given up", || w.sink.aborted() == 1);
}

fn an_answer_that_ends_early_is_a_failure(place: BrokerKind) {
    let w = patient(place).start();
    w.sink.answer_to("m", [Answer::early(), Answer::early(), Answer::status(200)]);
    w.publish(&["m"]);
    w.expect_all_settled();
    // The status of a good answer may be enough; half of a head is not.
    assert!(w.sink.runs_of("m") >= 1);
    w.trigger.expect_outcome("ok", 1);
    w.sink.answer_to("cut", [Answer::cut(), Answer::cut(), Answer::status(200)]);
    w.publish(&["cut"]);
    w.expect_all_settled();
    assert_eq!(w.sink.runs_of("cut"), 3);
    w.expect_no_dead();
}

fn an_answer_of_2_gb_is_not_read(place: BrokerKind) {
    let w = at(place).start();
    w.sink.answer_to("large", [Answer::endless(2 << 30)]);
    w.publish(&["large", "small"]);
    w.trigger.expect_outcome("ok", 2);
    w.expect_all_settled();
    assert!(w.sink.sent_bytes() < 64 << 20, "{} bytes were taken", w.sink.sent_bytes());
}

fn redirects_are_not_followed(place: BrokerKind) {
    let w = at(place).start();
    let elsewhere = format!("http://{}/elsewhere", w.sink.address());
    w.sink.answer_to("m", [Answer::status(302).header("location", &elsewhere)]);
    w.publish(&["m"]);
    w.expect_dead("m");
    w.expect_all_settled();
    w.trigger.expect_dead("rejected", 1);
    w.trigger.expect_log(&["302", "/elsewhere"]);
    assert!(w.sink.requests().iter().all(|request| request.path == "/hook"));
}

fn an_endpoint_that_is_down_for_a_while_loses_nothing(place: BrokerKind) {
    let bodies: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    let w =
        patient(place).trigger("consumers = 4\nbreaker = { failures = 5, open_ms = 300 }").start();
    w.sink.close();
    w.publish(&bodies);
    w.trigger.expect_condition("t", "breaker_open");
    // What it does not run it leaves to others.
    w.expect_consumers(0);
    w.trigger.expect_log(&["WARN", "breaker"]);
    w.sink.open();
    w.expect_all_settled();
    w.expect_no_dead();
    w.trigger.expect_outcome("ok", 50);
    w.trigger.expect_condition("t", "running");
    w.expect_consumers(1);
    w.sink.expect_all(&bodies);
    w.sink.expect_no_more();
}

fn retry_after_pauses_the_trigger(place: BrokerKind) {
    let w = patient(place).trigger("consumers = 1").start();
    w.sink.answer_to("first", [Answer::status(503).header("retry-after", 2), Answer::status(200)]);
    w.publish(&["first"]);
    let begin = w.sink.request().at;
    w.trigger.expect_condition("t", "retry_after");
    w.publish(&["second"]);
    for _ in 0..2 {
        let pause = w.sink.request().at - begin;
        assert!(pause >= Duration::from_secs(2), "{pause:?}");
    }
    w.expect_all_settled();
    w.trigger.expect_condition("t", "running");
}

fn gone_pauses_the_trigger_until_it_is_resumed(place: BrokerKind) {
    let w = patient(place).trigger("consumers = 1").start();
    w.sink.answer_to("first", [Answer::status(410), Answer::status(200)]);
    w.publish(&["first"]);
    w.sink.expect(&["first"]);
    w.trigger.expect_condition("t", "paused");
    w.trigger.expect_log(&["WARN", "pause", "410"]);
    w.expect_consumers(0);
    w.publish(&["second"]);
    w.sink.expect_no_more();
    let (status, said) = w.trigger.http("POST", "/api/triggers/t/resume");
    assert!((200..300).contains(&status), "{status} {said}");
    w.sink.expect_all(&["first", "second"]);
    w.expect_all_settled();
    w.trigger.expect_condition("t", "running");
}

fn an_open_breaker_lets_one_run_try(place: BrokerKind) {
    let bodies: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    let w =
        patient(place).trigger("consumers = 4\nbreaker = { failures = 4, open_ms = 100 }").start();
    w.sink.answer(Answer::status(503));
    w.publish(&bodies);
    w.trigger.expect_condition("t", "breaker_open");
    w.sink.hold();
    w.trigger.expect_condition("t", "breaker_half_open");
    crate::server::eventually("one tries", || w.sink.in_flight() == 1);
    w.trigger.expect_metric("in_flight", 1);
    w.sink.answer(Answer::status(200));
    w.sink.let_through();
    w.expect_all_settled();
    w.trigger.expect_outcome("ok", 20);
    w.trigger.expect_condition("t", "running");
}

fn connections_are_used_again(place: BrokerKind) {
    let bodies: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let w = at(place).trigger("consumers = 2").start();
    w.publish(&bodies);
    w.trigger.expect_outcome("ok", 100);
    assert!(w.sink.connections() <= 3, "{} connections", w.sink.connections());
}
