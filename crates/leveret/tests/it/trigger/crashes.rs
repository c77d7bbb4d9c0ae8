//! kill -9 of the trigger at random moments: every message is run at least once.

use super::world::at;
use crate::random::Random;
use crate::server::eventually;
use crate::site::BrokerKind;

stories! {
    brokers: [kills_lose_nothing, kills_between_delay_queues_lose_nothing],
    home: [],
}

/// Kills in one story.
const ROUNDS: u64 = 5;
const CONSUMERS: u64 = 4;

fn kills_lose_nothing(place: BrokerKind) {
    let mut random = Random::new();
    let mut w = at(place)
        .trigger(&format!("consumers = {CONSUMERS}\nprefetch = 10\nallow_redelivery = true"))
        .trigger("redelivery = { max_attempts = 1000, backoff_ms = [5] }")
        .start();
    let mut bodies: Vec<String> = Vec::new();
    for round in 0..ROUNDS {
        let new: Vec<String> = (0..100).map(|n| format!("{round}-{n}")).collect();
        w.publish(&new);
        bodies.extend(new);
        let started = 1 + random.below(100);
        eventually("some are started", || w.trigger.metric("started_total") >= started as f64);
        w.trigger.kill9();
        w.trigger.launch();
    }
    w.trigger.expect_ready(200);
    w.expect_all_settled();
    let runs = w.sink.messages();
    let lost: Vec<&String> = bodies.iter().filter(|body| !runs.contains(body)).collect();
    assert!(lost.is_empty(), "never run: {lost:?}");
    w.expect_no_dead();
    let repeated = runs.len() - bodies.len();
    assert!(repeated as u64 <= ROUNDS * 10, "{repeated} runs were repeated");
}

fn kills_between_delay_queues_lose_nothing(place: BrokerKind) {
    let mut random = Random::new();
    let mut w = at(place)
        .trigger("consumers = 4\nprefetch = 10\nallow_redelivery = true")
        .trigger("redelivery = { max_attempts = 1000, mode = \"delay-queue\", declare = true, backoff_ms = [30] }")
        .trigger("breaker = { failures = 0 }")
        .start();
    let bodies: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    for body in &bodies {
        w.sink.answer_to(body, [503, 503, 200].map(super::endpoint::Answer::status));
    }
    w.publish(&bodies);
    for _ in 0..ROUNDS {
        let started = 1 + random.below(60);
        let done = || w.sink.requests().len() >= 300;
        eventually("some are started", || {
            w.trigger.metric("started_total") >= started as f64 || done()
        });
        w.trigger.kill9();
        w.trigger.launch();
    }
    w.trigger.expect_ready(200);
    eventually("every message has succeeded", || {
        let runs = w.sink.messages();
        bodies.iter().all(|body| runs.iter().filter(|run| *run == body).count() >= 3)
    });
    w.expect_all_settled();
    w.expect_no_dead();
}
