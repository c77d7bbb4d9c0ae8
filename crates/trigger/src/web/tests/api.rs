//! The API and the two ways to ask for health.

use super::*;

#[tokio::test]
async fn a_trigger_is_told_with_everything_that_is_known() {
    let world = World::new(&["orders", "mail"]);
    {
        let mut status = world.status(0);
        status.last_success_ms = Some(NOW_MS - 1_000);
        status.last_error = Some((NOW_MS - 2_000, "connection refused".into()));
        status.runs = vec![run("a", "ok", "200")];
        status.failures = vec![run("b", "retry", "503")];
        status.counters = Counters { received: 9, ok: 5, lost: 1, ..Counters::default() };
        status.counters.dead[Reason::Rejected as usize] = 2;
        status.counters.dead[Reason::Timeout as usize] = 1;
        status.counters.refused[Reason::TooLarge as usize] = 4;
    }
    let reply = world.get("/api/triggers/orders").await;
    assert_eq!(reply.status, 200);
    let at = |at: &str, ms: u64| (json!(format!("2026-11-22T{at}Z")), json!(ms));
    let (now, now_ms) = at("09:08:07.006", NOW_MS);
    let (success, success_ms) = at("09:08:06.006", NOW_MS - 1_000);
    let (error, error_ms) = at("09:08:05.006", NOW_MS - 2_000);
    let (ended, ended_ms) = at("09:08:02.006", NOW_MS - 5_000);
    let (started, started_ms) = at("07:03:07.006", NOW_MS - 7_500_000);
    let run = |id: &str, outcome: &str, summary: &str| {
        json!({
            "at": ended, "at_ms": ended_ms, "message_id": id, "routing_key": "eu.new",
            "attempt": 2, "took_ms": 1250, "outcome": outcome, "summary": summary,
        })
    };
    let counters = json!({
        "received": 9, "started": 0, "oversize": 0, "invalid_text": 0, "replies": 0,
        "unpublished": 0, "reconnects": 0, "recycled": 0,
        "ok": 5, "retry": 0, "dead": 3, "expired": 0, "refused": 4, "dropped": 0,
        "returned": 0, "orphaned": 0, "joined": 0, "lost": 1,
        "dead_by_reason": { "rejected": 2, "timeout": 1 },
        "refused_by_reason": { "too_large": 4 },
    });
    let expected = json!({
        "name": "orders", "condition": "running", "ready": true,
        "state": "it reads the queue orders.in; 3 runs of 10 consumers",
        "queue": "orders.in", "broker": "amqp://hare@rabbit:5672/", "pipeline": "http",
        "target": "https://svc/hook", "consumers": 10, "prefetch": 20, "in_flight": 3,
        "queued": 7, "holding": 1, "unacked": 11,
        "last_error": { "error": "connection refused", "at": error, "at_ms": error_ms },
        "last_success": success, "last_success_ms": success_ms,
        "started": started, "started_ms": started_ms, "now": now, "now_ms": now_ms,
        "counters": counters,
        "runs": [run("a", "ok", "200")], "failures": [run("b", "retry", "503")],
    });
    assert_eq!(reply.json(), expected);

    let list = world.get("/api/triggers").await.json();
    assert_eq!(list["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(list["reload"], Value::Null);
    let mut first = expected;
    first.as_object_mut().unwrap().retain(|name, _| name != "runs" && name != "failures");
    assert_eq!(list["triggers"][0], first);
    assert_eq!(list["triggers"][1]["name"], "mail");
    assert_eq!(list["triggers"][1]["last_success"], Value::Null);
}

#[tokio::test]
async fn triggers_are_paused_and_resumed() {
    let world = World::new(&["orders"]);
    let reply = world.post("/api/triggers/orders/pause").await;
    assert_eq!((reply.status, reply.json()), (200, json!({ "paused": "orders" })));
    assert_eq!(world.status(0).condition, Condition::Paused("by a person".into()));
    let paused = world.get("/api/triggers/orders").await.json();
    assert_eq!((&paused["condition"], &paused["ready"]), (&json!("paused"), &json!(true)));
    let reply = world.post("/api/triggers/orders/resume").await;
    assert_eq!((reply.status, reply.json()), (200, json!({ "resumed": "orders" })));
    assert_eq!(world.status(0).condition, Condition::Running);
}

#[tokio::test]
async fn what_is_not_there_is_refused() {
    let world = World::new(&["orders"]);
    let unknown = (404, "no trigger \"<x>\"; /api/triggers lists all".into());
    assert_eq!(world.get("/api/triggers/%3Cx%3E").await.refused(), unknown);
    assert_eq!(world.post("/api/triggers/%3Cx%3E/pause").await.refused(), unknown);
    for path in ["/nothing", "/api", "/api/triggers/orders/stop", "/triggers"] {
        let refused = world.get(path).await.refused();
        assert_eq!(refused, (404, "no such page; / shows what there is".into()), "{path}");
    }
    let reply = world.get("/api/triggers/orders/pause").await;
    assert_eq!((reply.refused().0, reply.header("allow")), (405, "POST"));
    assert_eq!(world.status(0).condition, Condition::Running);
}

#[tokio::test]
async fn other_web_sites_cannot_pause() {
    let world = World::new(&["orders"]);
    for path in ["/api/triggers/orders/pause", "/triggers/orders/pause"] {
        for header in [("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")] {
            let refused = world.send("POST", path, &[header]).await.refused();
            let expected = (403, "a page of another web site asks for this change".into());
            assert_eq!(refused, expected, "{path} {header:?}");
        }
    }
    assert_eq!(world.status(0).condition, Condition::Running);
}

/// The names and details of what is wrong.
fn reasons(reply: &Reply) -> Vec<(String, String)> {
    let body = reply.json();
    assert_eq!((reply.status, &body["status"]), (503, &json!("failing")));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = body["reasons"].as_array().unwrap().iter();
    all.map(|reason| (text(&reason["name"]), text(&reason["detail"]))).collect()
}

#[tokio::test]
async fn it_is_ready_when_every_queue_can_be_read() {
    let world = World::new(&["orders", "mail"]);
    for (condition, ready) in [
        (Condition::Running, true),
        (Condition::Paused("by a person".into()), true),
        (Condition::BreakerOpen(NOW_MS + 5_000), true),
        (Condition::BreakerHalfOpen, true),
        (Condition::RetryAfter(NOW_MS + 5_000), true),
        (Condition::Draining, false),
        (Condition::Disconnected("connection refused".into()), false),
        (Condition::NoQueue("no queue 'mail.in'".into()), false),
    ] {
        world.status(1).condition = condition.clone();
        let reply = world.get("/readyz").await;
        let (status, word) = (if ready { 200 } else { 503 }, condition.word());
        assert_eq!(reply.status, status, "{condition:?}");
        if !ready {
            assert_eq!(reasons(&reply)[0].0, word);
        }
        assert_eq!(world.get("/healthz").await.status, 200, "{condition:?}");
    }
    world.status(0).condition = Condition::Disconnected("login refused".into());
    let expected = [
        "the trigger orders: it is not connected to amqp://hare@rabbit:5672/: login refused; it is \
         tried again and again: check that the broker runs, and the trigger's host, account and \
         virtual host",
        "the trigger mail: no queue 'mail.in'; declare it, or correct the configuration: the \
         trigger declares nothing, and starts by itself when the queue can be read",
    ];
    let details: Vec<_> =
        reasons(&world.get("/readyz").await).into_iter().map(|(_, detail)| detail).collect();
    assert_eq!(details, expected);
}

#[tokio::test]
async fn an_engine_that_has_ended_is_not_healthy() {
    let world = World::new(&["orders"]);
    drop(world.add_silent("gone"));
    let detail = "the trigger gone: it has ended, an error in the program: restart it";
    let expected = [("ended".to_owned(), detail.to_owned())];
    assert_eq!(reasons(&world.get("/healthz").await), expected);
    assert_eq!(reasons(&world.get("/readyz").await), expected);
    let reply = world.get("/api/triggers/gone").await.json();
    assert_eq!((&reply["condition"], &reply["ready"]), (&json!("ended"), &json!(false)));
    let refused = world.post("/api/triggers/gone/pause").await.refused();
    assert_eq!(refused, (503, "the trigger gone: it has ended".into()));
}

#[tokio::test]
async fn an_engine_that_does_not_answer_delays_no_other() {
    let world = World::new(&["orders"]);
    let _unanswered = [world.add_silent("deaf"), world.add_silent("mute")];
    let begun = std::time::Instant::now();
    let (list, health, resume) = tokio::join!(
        world.get("/api/triggers"),
        world.get("/healthz"),
        world.post("/api/triggers/deaf/resume"),
    );
    assert!(begun.elapsed() < 2 * ANSWER_TIMEOUT, "{:?}", begun.elapsed());
    let list = list.json();
    let conditions: Vec<_> =
        list["triggers"].as_array().unwrap().iter().map(|t| t["condition"].clone()).collect();
    assert_eq!(conditions, ["running", "unresponsive", "unresponsive"]);
    let found = reasons(&health);
    assert_eq!(found[0].0, "unresponsive");
    assert!(found[0].1.starts_with("the trigger deaf: it has not answered within 2 s"));
    assert_eq!(resume.refused().0, 503);
}

#[tokio::test]
async fn reloads_are_told_and_replace_triggers() {
    let world = World::new(&["orders"]);
    world.registry.reloaded(Err("[trigger.mail] unknown key".into()));
    let reload = world.get("/api/triggers").await.json()["reload"].clone();
    assert_eq!(
        (&reload["ok"], &reload["error"]),
        (&json!(false), &json!("[trigger.mail] unknown key"))
    );
    assert!(reload["at_ms"].as_u64().unwrap() > 0);
    world.registry.reloaded(Ok(()));
    world.registry.set(Vec::new());
    let list = world.get("/api/triggers").await.json();
    assert_eq!((&list["reload"]["ok"], &list["triggers"]), (&json!(true), &json!([])));
    assert_eq!(world.get("/api/triggers/orders").await.status, 404);
    assert_eq!(world.get("/readyz").await.status, 200);
}
