//! The pages for people.

use super::*;

#[tokio::test]
async fn the_page_begins_with_a_sentence_and_has_every_trigger() {
    let world = World::new(&["orders", "mail"]);
    {
        let mut status = world.status(0);
        status.last_success_ms = Some(NOW_MS - 61_000);
        status.last_error = Some((NOW_MS - 2_000, "503 Service Unavailable".into()));
        status.counters = Counters { ok: 1_234_567, retry: 4, lost: 2, ..Counters::default() };
        status.counters.dead[Reason::Timeout as usize] = 5;
        status.failures = vec![run("order-7", "dead", "exit 65: no such customer")];
        status.runs = (0..20).map(|n| run(&format!("run-{n}"), "ok", "200")).collect();
    }
    let reply = world.get("/").await;
    assert_eq!(reply.status, 200);
    reply.shows(&[
        "Triggers Works: all 2 triggers run. Trigger State",
        "orders running orders.in https://svc/hook 3 7 1 1,234,567 4 5 2 1 min 1 s ago \
         2 s ago: 503 Service Unavailable mail running mail.in https://svc/hook 3 7 1 0 0 0 0 none \
         none orders orders: it reads the queue orders.in; 3 runs of 10 consumers. pause",
        "Last failures Ended Message id Routing key Attempt Took Outcome Result \
         2026-11-22 09:08:02 UTC, 5 s ago order-7 eu.new 2 1,250 ms dead exit 65: no such customer",
        "run-4",
        "mail: it reads the queue mail.in; 3 runs of 10 consumers. pause Last failures None. \
         Last runs None.",
    ]);
    assert!(!reply.text.contains("run-5"), "only the latest ones");
    assert!(reply.text.contains("action=\"triggers/orders/pause\""));
    assert!(reply.text.contains("<meta http-equiv=refresh content=\"5; url=./\">"));
    for elsewhere in ["<script", "http://", "<link", "<img"] {
        assert!(!reply.text.contains(elsewhere), "{elsewhere}");
    }
}

#[tokio::test]
async fn a_trigger_has_a_page_of_its_own() {
    let world = World::new(&["orders"]);
    world.status(0).counters.received = 1_234;
    world.status(0).counters.refused[Reason::TooLarge as usize] = 6;
    world.status(0).runs = (0..20).map(|n| run(&format!("run-{n}"), "ok", "200")).collect();
    let reply = world.get("/triggers/orders").await;
    reply.shows(&[
        "Trigger orders orders: it reads",
        "run-19",
        "Broker amqp://hare@rabbit:5672/ Queue orders.in Pipeline http, https://svc/hook",
        "Unacknowledged 11 of 20",
        "Last success none Last error none Started 2026-11-22 07:03:07 UTC, 2 h 5 min ago",
        "received 1,234 Messages received from the queue.",
        "refused 6 Messages refused before a run.",
        "refused: too large 6",
    ]);
    assert!(reply.text.contains("action=\"orders/pause\""));
    let missing = world.get("/triggers/nothing").await;
    assert_eq!(missing.status, 404);
    missing.shows(&["no trigger &quot;nothing&quot;; /api/triggers lists all."]);
}

#[tokio::test]
async fn what_is_wrong_is_said_with_what_to_do() {
    let world = World::new(&["orders", "mail"]);
    for (condition, sentence) in [
        (Condition::Draining, "it stops after 3 unfinished runs."),
        (
            Condition::Disconnected("login refused".into()),
            "it is not connected to amqp://hare@rabbit:5672/: login refused; it is tried again",
        ),
        (
            Condition::NoQueue("no queue".into()),
            "mail: no queue; declare it, or correct the configuration: the trigger declares nothing",
        ),
        (
            Condition::Paused("the endpoint answered 410".into()),
            "it is paused (the endpoint answered 410) and leaves messages to others until it is \
             resumed. resume Last failures",
        ),
        (
            Condition::BreakerOpen(NOW_MS + 5_000),
            "it has failed too often in a row and tries again in 5 s: the last failures say why. \
             resume pause Last failures",
        ),
        (Condition::BreakerHalfOpen, "tries one run at a time. pause Last failures"),
        (
            Condition::RetryAfter(NOW_MS + 90_000),
            "its endpoint has asked it to wait; it goes on in 1 min 30 s. resume pause",
        ),
    ] {
        world.status(1).condition = condition.clone();
        let words = condition.word().replace('_', " ");
        let summary = format!("1 of 2 do not run: mail ({words}).");
        world.get("/").await.shows(&[&summary, sentence]);
    }
}

#[tokio::test]
async fn many_triggers_have_short_sentences() {
    let names: Vec<String> = (0..60).map(|n| format!("t{n}")).collect();
    let world = World::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for index in 0..7 {
        world.status(index).condition = Condition::Draining;
    }
    let reply = world.get("/").await;
    reply.shows(&[
        "7 of 60 do not run: t0 (draining), t1 (draining), t2 (draining), t3 (draining), \
         t4 (draining) and 2 more.",
    ]);
    assert_eq!(reply.text.matches("<h3>Last runs</h3>").count(), 50);
    assert_eq!(reply.text.matches("<tr><td><a href=\"triggers/").count(), 60);
    World::new(&[]).get("/").await.shows(&["There is no trigger:"]);
}

#[tokio::test]
async fn buttons_pause_and_resume() {
    let world = World::new(&["orders"]);
    let reply = world.post("/triggers/orders/pause").await;
    assert_eq!((reply.status, reply.header("location")), (303, "../../?did=paused"));
    world.get("/?did=paused").await.shows(&["The trigger is paused.", "orders (paused)"]);
    let reply = world.post("/triggers/orders/resume").await;
    assert_eq!((reply.status, reply.header("location")), (303, "../../?did=resumed"));
    world
        .get("/?did=resumed")
        .await
        .shows(&["The trigger is resumed.", "Works: the trigger runs."]);
    for query in ["did=%3Cb%3E", "did=", "x"] {
        assert!(!world.get(&format!("/?{query}")).await.text.contains("role=status"), "{query}");
    }
    assert_eq!(world.post("/triggers/nothing/pause").await.status, 404);
    drop(world.add_silent("gone"));
    let reply = world.post("/triggers/gone/resume").await;
    assert_eq!(reply.status, 503);
    reply.shows(&["the trigger gone: it has ended."]);
    world.get("/triggers/gone").await.shows(&["it has ended, an error in the program"]);
}

#[tokio::test]
async fn reloads_are_shown() {
    let world = World::new(&["orders"]);
    world.registry.reloaded(Ok(()));
    world.get("/").await.shows(&["The configuration was read again at 2"]);
    world.registry.reloaded(Err("leveret.toml, line 3: no <such> key".into()));
    world.get("/").await.shows(&[
        "The configuration cannot be used, and the old one goes on, since 2",
        ": leveret.toml, line 3: no &lt;such&gt; key.",
    ]);
}

#[tokio::test]
async fn hostile_texts_stay_texts() {
    let world = World::new(&["orders"]);
    let evil = "<script>alert('x')</script>\u{202e}\u{7}\"&";
    {
        let mut status = world.status(0);
        (status.queue, status.target, status.broker) = (evil.into(), evil.into(), evil.into());
        status.last_error = Some((NOW_MS, evil.into()));
        status.condition = Condition::NoQueue(evil.into());
        status.runs = vec![Recent { routing_key: evil.into(), ..run(evil, "ok", evil) }];
        status.failures = status.runs.clone();
    }
    for path in ["/", "/triggers/orders"] {
        let page = world.get(path).await.text;
        assert!(!page.contains("<script") && page.contains("&lt;script&gt;"), "{path}");
    }
    assert_eq!(world.get("/api/triggers/orders").await.json()["queue"], evil);
    assert_eq!(world.get("/metrics").await.status, 200);
}
