//! kill -9 of the delayer at random moments: nothing is lost, and what comes twice is bounded.

use std::time::Duration;

use super::parcel::Parcel;
use super::world::{Place, Plan, StoreKind, World, at};
use crate::random::Random;
use crate::server::{eventually, now_ms};

stories! {
    everywhere: [kills_while_storing_lose_nothing, kills_while_reviving_lose_nothing],
    stores: [],
    brokers: [],
    disks: [kills_while_returning_lose_nothing],
    home: [kills_during_everything_lose_nothing],
}

/// Kills in one story.
const ROUNDS: u64 = 5;

const QOS: u64 = 50;
const THROTTLE: u64 = 20;

fn world(place: Place) -> World {
    plan(place).start()
}

fn plan(place: Place) -> Plan {
    at(place)
        .option("rabbitmq-qos", QOS)
        .option("storage-groupsize", 10)
        .option("rabbitmq-throttle", THROTTLE)
        .option("storage-batchsize", 5)
        .option("storage-timeout", "5ms")
}

/// So many messages, or fewer where the server of the tests is slow.
fn some(Place(_, store): Place, count: u64) -> u64 {
    if store == StoreKind::MongoDb { count / 5 } else { count }
}

/// So many were received since the start of the process.
fn received(w: &World, count: u64) {
    eventually(&format!("{count} are received"), || {
        w.delayer.metric("amqpdelayer_received_total") >= count as f64
    });
}

/// So many were revived since the start of the process, or nothing is left.
fn revived(w: &World, count: u64) {
    eventually(&format!("{count} are revived"), || {
        w.delayer.metric("amqpdelayer_revived_total") >= count as f64 || w.delayer.is_idle()
    });
}

fn kills_while_storing_lose_nothing(place: Place) {
    let mut random = Random::new();
    let mut w = world(place);
    // All kills are over before the first is due.
    let due_ms = now_ms() + 8000;
    let mut parcels: Vec<Parcel> = Vec::new();
    for round in 0..ROUNDS {
        let count = some(place, 100);
        let bodies = (0..count).map(|n| format!("{round}-{n}"));
        parcels.extend(w.publish_all(bodies.map(|body| w.message(body).due_at(due_ms))));
        received(&w, 1 + random.below(count));
        w.delayer.crash();
    }
    let all = parcels.len() as u64;
    eventually("everything is stored", || {
        w.delayer.metric("amqpdelayer_held_messages") as u64 >= all
            && w.delayer.metric("amqpdelayer_unacked_messages") == 0.0
    });
    assert!(now_ms() < due_ms, "the machine is too slow for this story");
    let duplicates = w.expect_at_least(&parcels) as u64;
    assert!(duplicates <= ROUNDS * QOS, "{duplicates} came twice");
}

fn kills_while_reviving_lose_nothing(place: Place) {
    let mut random = Random::new();
    let mut w = world(place);
    let due_ms = now_ms() + 2500;
    let count = some(place, 600);
    let messages = (0..count).map(|n| w.message(n.to_string()).due_at(due_ms + n % 10));
    let parcels = w.publish_all(messages);
    w.expect_held(count);
    for _ in 0..ROUNDS {
        revived(&w, 1 + random.below(count / 6));
        w.delayer.crash();
    }
    let duplicates = w.expect_at_least(&parcels) as u64;
    assert!(duplicates <= ROUNDS * THROTTLE, "{duplicates} came twice");
}

fn kills_while_returning_lose_nothing(place: Place) {
    let mut random = Random::new();
    let mut w = plan(place).option("shutdown", "return").start();
    let due_ms = now_ms() + 8000;
    let messages = (0..1000_u64).map(|n| w.message(n.to_string()).due_at(due_ms));
    let parcels = w.publish_all(messages.collect::<Vec<_>>());
    w.expect_held(1000);
    let returned = 1 + random.below(500) as u32;
    w.delayer.ask_to_stop();
    eventually("some are returned", || w.publisher.counts(&w.names.source).0 >= returned);
    w.delayer.kill9();
    w.delayer.launch();
    assert!(now_ms() < due_ms, "the machine is too slow for this story");
    let duplicates = w.expect_at_least(&parcels) as u64;
    assert!(duplicates <= THROTTLE, "{duplicates} came twice");
}

fn kills_during_everything_lose_nothing(place: Place) {
    let mut random = Random::new();
    let mut w = world(place);
    let mut parcels: Vec<Parcel> = Vec::new();
    for round in 0..2 * ROUNDS {
        let from = now_ms();
        let messages = (0..200).map(|n| {
            let due_ms = from + random.below(600);
            w.message(format!("{round}-{n} {}", "x".repeat(random.below(3000) as usize)))
                .due_at(due_ms)
        });
        let messages: Vec<_> = messages.collect();
        parcels.extend(w.publish_all(messages));
        received(&w, 1 + random.below(200));
        if random.below(2) == 0 {
            let due = Duration::from_millis(random.below(300));
            eventually("some are due", || {
                w.delayer.metric("amqpdelayer_held_messages") >= 0.0
                    && now_ms() > from + due.as_millis() as u64
            });
        }
        w.delayer.crash();
    }
    let duplicates = w.expect_at_least(&parcels) as u64;
    assert!(duplicates <= 2 * ROUNDS * (QOS + THROTTLE), "{duplicates} came twice");
}
