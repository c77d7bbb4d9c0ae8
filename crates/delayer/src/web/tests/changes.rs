//! Changing by the API: cancel, release and reschedule, one message or all copies of it.

use serde_json::json;
use service::time;

use super::*;

#[test]
fn a_cancelled_message_is_gone() {
    let world = World::with(2);
    let key = world.keys()[0].clone();
    let path = format!("/api/messages/{key}");
    let reply = world.send("DELETE", &path, &[], "");
    assert_eq!((reply.status, reply.json()), (200, json!({ "cancelled": key })));
    assert_eq!(world.keys().len(), 1);
    for (method, path) in
        [("DELETE", path.clone()), ("GET", path.clone()), ("POST", path + "/release")]
    {
        let (status, error) = world.send(method, &path, &[], "").refused();
        assert_eq!(
            (status, error),
            (404, format!("no message {key}: published, cancelled or moved"))
        );
    }
}

#[test]
fn a_released_message_is_due_now() {
    let world = World::with(1);
    let key = world.keys()[0].clone();
    let before_ms = time::now();
    let reply = world.post(&format!("/api/messages/{key}/release"), "").json();
    let due_ms = reply["due_ms"].as_u64().unwrap();
    assert!((before_ms..=time::now()).contains(&due_ms), "{reply}");
    assert_eq!((&reply["released"], &reply["key"]), (&json!(key), &json!(format!("{due_ms}-1"))));
    assert_eq!(world.keys(), [format!("{due_ms}-1")]);
}

#[test]
fn a_rescheduled_message_has_a_new_key() {
    let world = World::with(1);
    for (due, expected) in [
        ("\"2030-01-02T03:04:05Z\"", "2030-01-02T03:04:05.000Z"),
        ("\"2030-01-02T03:04:05+02:00\"", "2030-01-02T01:04:05.000Z"),
        ("1893553445006", "2030-01-02T03:04:05.006Z"),
        ("\"1893553445007\"", "2030-01-02T03:04:05.007Z"),
        ("9223372036854775807", "+292278994-08-17T07:12:55.807Z"),
    ] {
        let key = world.keys()[0].clone();
        let body = format!("{{\"due\": {due}}}");
        let reply = world.post(&format!("/api/messages/{key}/reschedule"), &body);
        let reply = reply.json();
        assert_eq!((&reply["rescheduled"], &reply["due"]), (&json!(key), &json!(expected)));
        assert_eq!(reply["key"], json!(world.keys()[0]));
    }
    let before_ms = time::now();
    let key = world.keys()[0].clone();
    let reply = world.post(&format!("/api/messages/{key}/reschedule"), "{\"due\":\"+90s\"}").json();
    let range = before_ms + 90_000..=time::now() + 90_000;
    assert!(range.contains(&reply["due_ms"].as_u64().unwrap()), "{reply}");
}

#[test]
fn a_message_that_is_being_published_cannot_be_changed() {
    let world = World::with(2);
    let key = world.keys()[0].clone();
    let path = format!("/api/messages/{key}");
    world.engine().in_flight.insert(Key { due_ms: NOW_MS + 1_000, seq: 1 });
    let error = format!("the message {key} is being published right now");
    let body = "{\"due\": 5}";
    for (method, end) in [("DELETE", ""), ("POST", "/release"), ("POST", "/reschedule")] {
        let reply = world.send(method, &format!("{path}{end}"), &[], body);
        assert_eq!(reply.refused(), (409, error.clone()));
    }
    let reply = world.send("DELETE", "/api/messages?message_id=mail", &[], "");
    assert_eq!(reply.json(), json!({ "cancelled": 1, "in_flight": 1, "more": false }));
    let reply = world.send("DELETE", "/api/messages?message_id=mail", &[], "");
    assert_eq!(reply.refused().0, 409);
    assert_eq!(reply.json()["in_flight"], json!(1));
}

#[test]
fn every_copy_of_a_message_id_is_changed() {
    let world = World::with(3);
    world.hold(NOW_MS, 9, "other", b"");
    let reply = world.post("/api/messages/reschedule?message_id=mail", "{\"due\": 77}").json();
    assert_eq!(reply, json!({ "rescheduled": 3, "in_flight": 0, "more": false }));
    assert_eq!(world.keys()[..3], ["77-1", "77-2", "77-3"]);
    let reply = world.post("/api/messages/release?message_id=mail", "").json();
    assert_eq!(reply["released"], json!(3));
    let reply = world.send("DELETE", "/api/messages?message_id=mail", &[], "").json();
    assert_eq!(reply["cancelled"], json!(3));
    assert_eq!(world.keys(), [format!("{NOW_MS}-9")]);
    let reply = world.send("DELETE", "/api/messages?message_id=mail", &[], "");
    assert_eq!(reply.refused(), (404, "no message with this message_id is stored".into()));
}

#[test]
fn one_request_changes_a_thousand_copies_at_most() {
    let world = World::with(1_001);
    let cancel = || world.send("DELETE", "/api/messages?message_id=mail", &[], "").json();
    assert_eq!(cancel(), json!({ "cancelled": 1_000, "in_flight": 0, "more": true }));
    assert_eq!(cancel(), json!({ "cancelled": 1, "in_flight": 0, "more": false }));
}

#[test]
fn a_storage_that_goes_away_is_told_with_what_was_done() {
    let world = World::with(3);
    world.engine().changes_left = 2;
    let reply = world.send("DELETE", "/api/messages?message_id=mail", &[], "");
    let error = "the storage does not answer: connection refused";
    assert_eq!(reply.refused(), (503, error.into()));
    assert_eq!(reply.json()["cancelled"], json!(2));
    for path in
        ["/api/messages", "/api/messages?message_id=x", "/api/messages/1-1", "/api/histogram"]
    {
        assert_eq!(world.get(path).refused(), (503, error.into()), "{path}");
    }
    for path in ["/api/messages/1-1/release", "/api/messages/release?message_id=mail"] {
        assert_eq!(world.post(path, "").refused(), (503, error.into()), "{path}");
    }
}

#[test]
fn pages_of_other_sites_change_nothing() {
    let world = World::with(1);
    let key = world.keys()[0].clone();
    let api = format!("/api/messages/{key}/release");
    let form = format!("/messages/{key}/release");
    for headers in [
        &[("Origin", "http://evil.example")][..],
        &[("Origin", "null")],
        &[("Origin", "http://delayer:8486")],
        &[("Origin", "http://delayer:8485.evil.example")],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Sec-Fetch-Site", "cross-site"), ("Origin", "http://delayer:8485")],
    ] {
        for (method, path) in [("POST", &api), ("POST", &form), ("DELETE", &api), ("PUT", &api)] {
            let reply = world.send(method, path, headers, "");
            let error = "a page of another web site asks for this change";
            assert_eq!(reply.refused(), (403, error.into()), "{headers:?}");
        }
        assert_eq!(world.send("GET", "/api/messages", headers, "").status, 200);
    }
    for headers in [
        &[("Origin", "http://delayer:8485")][..],
        &[("Origin", "https://DELAYER:8485")],
        &[("Sec-Fetch-Site", "same-origin"), ("Origin", "https://behind.a.proxy")],
        &[("Sec-Fetch-Site", "none")],
        &[],
    ] {
        assert_eq!(world.send("POST", &form, headers, "").status, 303, "{headers:?}");
    }
}
