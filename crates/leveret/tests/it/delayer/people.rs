//! What people do to held messages over HTTP, and what they are shown.

use std::time::Duration;

use serde_json::Value;

use super::world::{Place, World, at};
use crate::server::now_ms;

stories! {
    everywhere: [],
    stores: [messages_are_cancelled_rescheduled_and_released, messages_are_listed_page_by_page],
    brokers: [],
    disks: [],
    home: [
        a_message_shows_what_is_in_it,
        what_falls_due_when_is_counted,
        a_message_that_is_being_published_is_left_alone,
        the_page_shows_how_it_is,
        changes_survive_kill_9
    ],
}

const HOUR: Duration = Duration::from_secs(3600);

/// The key of the only message with this id.
#[track_caller]
fn key(w: &World, id: &str) -> String {
    let found = w.delayer.api("GET", &format!("/api/messages?message_id={id}"), "");
    let messages = found["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 1, "{found}");
    messages[0]["key"].as_str().unwrap().to_owned()
}

fn messages_are_cancelled_rescheduled_and_released(place: Place) {
    let w = at(place).start();
    let ids = ["cancelled", "released", "sooner", "later", "copy", "copy"];
    let messages =
        ids.iter().enumerate().map(|(n, id)| w.message(format!("{id} {n}")).id(id).due_in(HOUR));
    let parcels = w.publish_all(messages.collect::<Vec<_>>());
    w.expect_held(6);
    w.delayer.api("DELETE", &format!("/api/messages/{}", key(&w, "cancelled")), "");
    w.expect_held(5);
    w.delayer.api("POST", &format!("/api/messages/{}/release", key(&w, "released")), "");
    w.expect(&parcels[1].clone().due_at(0));
    let due_ms = now_ms() + 700;
    let path = format!("/api/messages/{}/reschedule", key(&w, "sooner"));
    let moved = w.delayer.api("POST", &path, &format!("{{\"due\": {due_ms}}}"));
    assert_eq!(moved["due_ms"], due_ms);
    w.expect(&parcels[2].clone().due_at(due_ms));
    let path = format!("/api/messages/{}/reschedule", key(&w, "later"));
    w.delayer.api("POST", &path, "{\"due\": \"+5h\"}");
    let done = w.delayer.api("POST", "/api/messages/release?message_id=copy", "");
    assert_eq!(done["released"], 2);
    w.expect_all(&[parcels[4].clone().due_at(0), parcels[5].clone().due_at(0)]);
    w.expect_held(1);
    // What is gone is unknown.
    let gone = w.delayer.http("DELETE", &path.replace("/reschedule", ""), "");
    assert_eq!(gone.0, 404, "it has another key since it was moved: {}", gone.1);
    w.delayer.api("DELETE", "/api/messages?message_id=later", "");
    w.expect_held(0);
    w.expect_nothing();
    w.delayer.expect_metric("amqpdelayer_cancelled_total", 2.0);
    w.delayer.expect_idle();
}

fn messages_are_listed_page_by_page(place: Place) {
    let w = at(place).start();
    let from = now_ms() + 3_600_000;
    let messages =
        (0..25_u64).map(|n| w.message(n.to_string()).id(n.to_string()).due_at(from + n * 10));
    w.publish_all(messages.collect::<Vec<_>>());
    w.expect_held(25);
    let (mut seen, mut after) = (Vec::new(), String::new());
    for expected in [10, 10, 5] {
        let page = w.delayer.api("GET", &format!("/api/messages?limit=10{after}"), "");
        let messages = page["messages"].as_array().unwrap();
        assert_eq!(messages.len(), expected, "{page}");
        seen.extend(messages.iter().map(|m| m["message_id"].as_str().unwrap().to_owned()));
        after = format!("&after={}", page["next"].as_str().unwrap_or_default());
    }
    assert_eq!(after, "&after=");
    assert_eq!(seen, (0..25).map(|n| n.to_string()).collect::<Vec<_>>());
    let until = w.delayer.api("GET", &format!("/api/messages?until={}", from + 40), "");
    assert_eq!(until["messages"].as_array().unwrap().len(), 5);
}

fn a_message_shows_what_is_in_it(place: Place) {
    let w = at(place).start();
    let message = w.message("a body").id("the id").header("number", 7).header("text", "value");
    w.publish(message.key("its.key").due_in(HOUR));
    w.expect_held(1);
    let path = format!("/api/messages/{}", key(&w, "the%20id"));
    let shown = w.delayer.api("GET", &path, "");
    assert_eq!(shown["exchange"], w.names.entry);
    assert_eq!(shown["routing_key"], "its.key");
    assert_eq!(shown["body_base64"], "YSBib2R5");
    let headers = &shown["properties"]["headers"]["value"];
    assert_eq!(headers[0]["name"], "number", "{headers}");
    assert_eq!(headers[0]["value"], 7);
    assert_eq!(headers[1]["type"], "longstr");
    assert_eq!(w.delayer.http("GET", &format!("{path}?body=raw"), ""), (200, "a body".to_owned()));
    assert_eq!(w.delayer.http("GET", "/api/messages/1-999", "").0, 404);
    assert_eq!(w.delayer.http("GET", "/api/messages/nonsense", "").0, 400);
}

fn what_falls_due_when_is_counted(place: Place) {
    let w = at(place).start();
    let hour = (now_ms() / 3_600_000 + 2) * 3_600_000;
    for (at, count) in [(0, 3), (1, 1), (3, 2)] {
        let due_ms = hour + at * 3_600_000 + 1;
        w.publish_all((0..count).map(|n| w.message(format!("{at} {n}")).due_at(due_ms)));
    }
    w.expect_held(6);
    let path = format!("/api/histogram?from={hour}&until={}&step=1h", hour + 4 * 3_600_000);
    let histogram = w.delayer.api("GET", &path, "");
    let bars = histogram["bars"].as_array().unwrap();
    let counts: Vec<u64> = bars.iter().map(|bar| bar["count"].as_u64().unwrap()).collect();
    assert_eq!(counts, [3, 1, 0, 2]);
}

fn a_message_that_is_being_published_is_left_alone(place: Place) {
    let w = at(place).proxied().start();
    let parcel = w.publish(w.message("m").id("busy").due_in(HOUR));
    w.expect_held(1);
    w.proxy().withhold();
    w.delayer.api("POST", &format!("/api/messages/{}/release", key(&w, "busy")), "");
    w.expect(&parcel.due_at(0));
    w.delayer.expect_metric("amqpdelayer_in_flight_messages", 1.0);
    let path = format!("/api/messages/{}", key(&w, "busy"));
    assert_eq!(w.delayer.http("DELETE", &path, "").0, 409);
    assert_eq!(w.delayer.http("POST", &format!("{path}/release"), "").0, 409);
    w.proxy().let_through();
    w.delayer.expect_idle();
    assert_eq!(w.delayer.http("DELETE", &path, "").0, 404);
}

fn the_page_shows_how_it_is(place: Place) {
    let w = at(place).start();
    w.publish(w.message("m").id("<script>").due_in(HOUR));
    w.expect_held(1);
    let (status, page) = w.delayer.http("GET", "/", "");
    assert_eq!(status, 200);
    for word in [&w.names.source, "Works", "1 message", "&lt;script&gt;"] {
        assert!(page.contains(word), "no {word:?} in\n{page}");
    }
    assert!(!page.contains("<script>"));
    let status: Value = w.delayer.api("GET", "/api/status", "");
    assert_eq!(status["held"], 1, "{status}");
}

fn changes_survive_kill_9(place: Place) {
    let mut w = at(place).start();
    let messages = ["cancelled", "moved", "left"].map(|id| w.message(id).id(id).due_in(HOUR));
    let parcels = w.publish_all(messages);
    w.expect_held(3);
    w.delayer.api("DELETE", "/api/messages?message_id=cancelled", "");
    let due_ms = now_ms() + 1500;
    let body = format!("{{\"due\": {due_ms}}}");
    w.delayer.api("POST", "/api/messages/reschedule?message_id=moved", &body);
    w.delayer.crash();
    w.expect_held(2);
    w.expect(&parcels[1].clone().due_at(due_ms));
    w.expect_held(1);
    key(&w, "left");
}
