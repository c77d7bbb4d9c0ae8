//! Runs that fail and may be tried again: in which mode, how often, and when not.

use std::time::Duration;

use amqp::value::Value;

use super::endpoint::{Answer, Request};
use super::world::{Plan, World, at};
use crate::client::arguments::queue;
use crate::site::BrokerKind;

stories! {
    brokers: [
        a_held_message_is_tried_again_after_its_pauses,
        a_held_message_leaves_its_place_to_others,
        attempts_end,
        requeued_messages_are_marked,
        attempts_end_where_the_queue_does_not_count_them,
        delay_queues_count_attempts,
        a_missing_delay_queue_falls_back_to_requeueing,
        without_a_delay_queue_there_is_a_pause_as_well,
        delay_queues_may_be_declared,
        without_redelivery_a_failure_is_final,
        a_redelivered_message_is_refused_where_redelivery_is_not_allowed,
        a_redelivered_message_runs_where_it_is_not_refused,
        expired_messages_do_not_run,
    ],
    home: [statuses_decide, answers_may_decide, an_expired_message_may_go_back],
}

/// A world where failures are tried again so.
fn redelivering(place: BrokerKind, redelivery: &str) -> Plan {
    at(place)
        .trigger(&format!("allow_redelivery = true\nredelivery = {{ jitter = 0, {redelivery} }}"))
}

/// Waits for so many requests, and checks the numbers of the runs.
#[track_caller]
fn attempts(w: &World, count: u32) -> Vec<Request> {
    let requests: Vec<Request> = (0..count).map(|_| w.sink.request()).collect();
    let numbers: Vec<u32> = requests.iter().map(Request::attempt).collect();
    assert_eq!(numbers, (1..=count).collect::<Vec<_>>());
    requests
}

#[track_caller]
fn expect_pauses(requests: &[Request], pauses_ms: &[u64]) {
    for (pair, pause_ms) in requests.windows(2).zip(pauses_ms) {
        let pause = pair[1].at - pair[0].at;
        assert!(pause >= Duration::from_millis(*pause_ms), "{pause:?} and not {pause_ms} ms");
    }
}

fn a_held_message_is_tried_again_after_its_pauses(place: BrokerKind) {
    let w = redelivering(place, "backoff_ms = [50, 120]").start();
    w.sink.script([503, 500, 429].map(Answer::status));
    w.publish(&["m"]);
    expect_pauses(&attempts(&w, 4), &[50, 120, 120]);
    w.expect_all_settled();
    w.trigger.expect_outcome("ok", 1);
    w.trigger.expect_outcome("retry", 3);
    w.expect_no_dead();
}

fn a_held_message_leaves_its_place_to_others(place: BrokerKind) {
    let w =
        redelivering(place, "backoff_ms = [60000]").trigger("consumers = 1\nprefetch = 3").start();
    w.sink.answer_to("bad", [Answer::status(503)]);
    w.publish(&["bad", "a", "b", "c"]);
    w.sink.expect(&["bad", "a", "b", "c"]);
    w.trigger.expect_metric("holding", 1);
    w.expect_unacked(1);
}

fn attempts_end(place: BrokerKind) {
    let w = redelivering(place, "max_attempts = 3, backoff_ms = [20]")
        .trigger("dead_letter = { mode = \"publish\", routing_key = \"{dead}\" }")
        .start();
    w.sink.answer(Answer::status(500));
    w.publish(&["m"]);
    attempts(&w, 3);
    let letter = w.expect_dead("m");
    let headers = letter.headers();
    assert_eq!(headers.get("x-trigger-attempts").and_then(Value::as_i64), Some(3));
    let reason = headers.get("x-trigger-reason").and_then(Value::as_str);
    assert_eq!(reason, Some("attempts_exhausted"), "{headers:?}");
    let error = headers.get("x-trigger-error").and_then(Value::as_str).unwrap_or_default();
    assert!(error.contains("500"), "{error}");
    w.expect_all_settled();
    w.trigger.expect_dead("attempts_exhausted", 1);
    w.sink.expect_no_more();
}

fn requeued_messages_are_marked(place: BrokerKind) {
    let w = redelivering(place, "mode = \"requeue\", backoff_ms = [50]").start();
    w.sink.script([Answer::status(503)]);
    w.publish(&["m"]);
    let requests = attempts(&w, 2);
    expect_pauses(&requests, &[50]);
    assert_eq!(requests[0].the("x-trigger-redelivered"), "false");
    assert_eq!(requests[1].the("x-trigger-redelivered"), "true");
    w.expect_all_settled();
}

fn attempts_end_where_the_queue_does_not_count_them(place: BrokerKind) {
    let w = redelivering(place, "mode = \"requeue\", max_attempts = 3, backoff_ms = [20]").start();
    w.sink.answer(Answer::status(503));
    w.publish(&["m"]);
    attempts(&w, 3);
    w.expect_dead("m");
    w.trigger.expect_dead("attempts_exhausted", 1);
    w.expect_all_settled();
    w.sink.expect_no_more();
}

fn delay_queues_count_attempts(place: BrokerKind) {
    let w = redelivering(place, "mode = \"delay-queue\", max_attempts = 3, backoff_ms = [50, 100]")
        .trigger("dead_letter = { mode = \"publish\", routing_key = \"{dead}\" }")
        .start();
    for ms in [50, 100] {
        let name = format!("{}.retry.{ms}", w.names.queue);
        let delay = queue(&name).durable().arg("x-message-ttl", ms);
        let delay = delay.arg("x-dead-letter-exchange", "");
        w.channel.declare(&delay.arg("x-dead-letter-routing-key", w.names.queue.as_str()));
    }
    w.channel.bind(&w.names.queue, "amq.topic", &w.names.id);
    w.sink.answer(Answer::status(503));
    let mut message = w.message("m").header("tenant", "hare").key(&w.names.id);
    message.exchange = "amq.topic".into();
    w.publish_all([message]);
    let requests = attempts(&w, 3);
    expect_pauses(&requests, &[50, 100]);
    for request in &requests {
        let json = request.json();
        assert_eq!(json["headers"]["tenant"], "hare");
        assert_eq!(json["properties"]["messageId"], "m");
        assert_eq!(json["envelope"]["exchange"], "amq.topic");
        assert_eq!(json["envelope"]["routingKey"], w.names.id);
    }
    w.expect_dead("m");
    w.expect_all_settled();
}

fn a_missing_delay_queue_falls_back_to_requeueing(place: BrokerKind) {
    let w = redelivering(place, "mode = \"delay-queue\", backoff_ms = [50]").start();
    w.sink.script([Answer::status(503)]);
    w.publish(&["m"]);
    let requests = attempts(&w, 2);
    assert_eq!(requests[1].the("x-trigger-redelivered"), "true");
    w.expect_all_settled();
    w.trigger.expect_metric("unpublished_total", 1);
    w.trigger.expect_log(&["WARN", ".retry.50"]);
}

fn without_a_delay_queue_there_is_a_pause_as_well(place: BrokerKind) {
    let w = redelivering(place, "mode = \"delay-queue\", backoff_ms = [200]")
        .trigger("breaker = { failures = 0 }")
        .start();
    w.sink.script([503, 503, 503].map(Answer::status));
    w.publish(&["m"]);
    let times: Vec<_> = (0..4).map(|_| w.sink.request().at).collect();
    for pair in times.windows(2) {
        assert!(pair[1] - pair[0] >= Duration::from_millis(200), "{:?}", pair[1] - pair[0]);
    }
    w.expect_all_settled();
}

fn delay_queues_may_be_declared(place: BrokerKind) {
    let w =
        redelivering(place, "mode = \"delay-queue\", backoff_ms = [50], declare = true").start();
    w.sink.script([503, 503].map(Answer::status));
    w.publish(&["m"]);
    expect_pauses(&attempts(&w, 3), &[50, 50]);
    w.expect_all_settled();
    assert_eq!(w.channel.counts(&format!("{}.retry.50", w.names.queue)), (0, 0));
}

fn without_redelivery_a_failure_is_final(place: BrokerKind) {
    let w = at(place).start();
    w.sink.answer(Answer::status(503));
    w.publish(&["m"]);
    w.expect_dead("m");
    w.expect_all_settled();
    assert_eq!(w.sink.runs_of("m"), 1);
    w.trigger.expect_dead("failed", 1);
}

/// A message whose run was begun by a process that is gone.
fn begun_before(place: BrokerKind, trigger: &str) -> World {
    let mut w = at(place).trigger(trigger).start();
    w.sink.hold();
    w.publish(&["m"]);
    w.sink.expect(&["m"]);
    w.trigger.kill9();
    w.expect_ready(1);
    w.sink.let_through();
    w.trigger.launch();
    w
}

fn a_redelivered_message_is_refused_where_redelivery_is_not_allowed(place: BrokerKind) {
    let w = begun_before(place, "");
    w.expect_dead("m");
    w.trigger.expect_refused("redelivery_disallowed", 1);
    w.expect_all_settled();
    w.sink.expect_no_more();
}

fn a_redelivered_message_runs_where_it_is_not_refused(place: BrokerKind) {
    let w = begun_before(place, "refuse_redelivered = false");
    let request = w.sink.request();
    assert_eq!((request.message().as_str(), request.attempt()), ("m", 2));
    w.expect_all_settled();
    w.expect_no_dead();
}

fn expired_messages_do_not_run(place: BrokerKind) {
    let w = at(place).trigger("consumers = 1\nprefetch = 2\nexpiration_ms = 200").start();
    w.sink.hold();
    w.publish(&["a", "waits too long"]);
    w.expect_dead("waits too long");
    w.sink.let_through();
    w.trigger.expect_outcome("expired", 1);
    w.expect_all_settled();
    assert_eq!(w.sink.messages(), ["a"]);
}

fn an_expired_message_may_go_back(place: BrokerKind) {
    let w = at(place)
        .trigger("consumers = 1\nprefetch = 2\nexpiration_ms = 200\nallow_redelivery = true")
        .start();
    w.sink.hold();
    w.publish(&["a", "waits too long"]);
    w.sink.expect(&["a"]);
    w.trigger.expect_metric("queued", 1);
    crate::server::eventually("it went back", || {
        w.trigger.metric_with("outcomes_total", &[("outcome", "expired")]) >= 1.0
    });
    w.sink.let_through();
    // Nobody's fault: it counts as no attempt, and it runs in the end.
    w.sink.expect(&["waits too long"]);
    w.expect_all_settled();
    w.expect_no_dead();
}

fn statuses_decide(place: BrokerKind) {
    let w = redelivering(place, "max_attempts = 2, backoff_ms = [10]")
        .trigger("breaker = { failures = 0 }")
        .start();
    for (status, runs) in [
        (200, 1),
        (201, 1),
        (202, 1),
        (204, 1),
        (304, 1),
        (400, 1),
        (401, 1),
        (404, 1),
        (408, 2),
        (409, 1),
        (425, 2),
        (429, 2),
        (500, 2),
        (501, 2),
        (502, 2),
        (503, 2),
        (504, 2),
    ] {
        let body = status.to_string();
        w.sink.answer_to(&body, [Answer::status(status)]);
        w.publish(&[&body]);
        if status >= 300 {
            w.expect_dead(&body);
        }
        w.expect_all_settled();
        assert_eq!(w.sink.runs_of(&body), runs, "{status}");
    }
    w.trigger.expect_outcome("ok", 4);
}

fn answers_may_decide(place: BrokerKind) {
    let w = redelivering(place, "max_attempts = 2, backoff_ms = [10]").start();
    let action = |status, word| Answer::status(status).header("X-Trigger-Action", word);
    let ok = || Answer::status(200);
    for (name, answers, runs, dead) in [
        ("ack", vec![action(500, "ack")], 1, false),
        ("retry", vec![action(200, "retry"), ok()], 2, false),
        ("dead-letter", vec![action(200, "dead-letter")], 1, true),
        ("requeue", vec![action(200, "requeue"), ok()], 2, false),
        ("success", vec![ok().json("{\"status\":\"SUCCESS\"}")], 1, false),
        ("retries", vec![ok().json("{\"status\":\"RETRY\"}"), ok()], 2, false),
        ("drop", vec![ok().json("{\"status\":\"DROP\"}")], 1, false),
        ("error 500", vec![ok().json("{\"error\":\"e\",\"code\":500}"), ok()], 2, false),
        ("error 404", vec![ok().json("{\"error\":\"e\",\"code\":404}")], 1, true),
        ("not an error", vec![ok().json("{\"error\":\"e\",\"code\":200}")], 1, false),
        ("not JSON", vec![ok().json("{\"status\":\"RETRY\"")], 1, false),
        ("not marked as JSON", vec![ok().body("{\"status\":\"RETRY\"}")], 1, false),
    ] {
        w.sink.answer_to(name, answers);
        w.publish(&[name]);
        if dead {
            w.expect_dead(name);
        }
        // A message on its way back is in the queue, or unsettled.
        crate::server::eventually(name, || w.sink.runs_of(name) >= runs);
        w.expect_all_settled();
        assert_eq!(w.sink.runs_of(name), runs, "{name}");
        w.expect_no_dead();
    }
}

mod peer_quorum_queues {
    use super::*;

    #[test]
    fn requeueing_counts_attempts() {
        let w = redelivering(
            BrokerKind::RabbitMq,
            "mode = \"requeue\", max_attempts = 3, backoff_ms = [20]",
        )
        .queue(|queue| queue.arg("x-queue-type", "quorum"))
        .start();
        w.sink.answer(Answer::status(503));
        w.publish(&["m"]);
        attempts(&w, 3);
        w.expect_dead("m");
        w.trigger.expect_dead("attempts_exhausted", 1);
        w.sink.expect_no_more();
    }
}
