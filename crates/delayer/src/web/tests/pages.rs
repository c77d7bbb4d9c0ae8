//! The page, the metrics and the health.

use super::*;

/// The text of a page without its markup, as a text browser has it.
fn read(page: &str) -> String {
    let body = page.split_once("<body>").unwrap().1;
    let pieces = body.split('<').map(|piece| piece.split_once('>').map_or("", |(_, text)| text));
    pieces.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn shows(world: &World, expected: &[&str]) {
    let reply = world.get("/");
    assert_eq!(reply.status, 200);
    let page = read(reply.text());
    for text in expected {
        assert!(page.contains(text), "{text}\n{page}");
    }
}

#[test]
fn the_page_begins_with_a_sentence_and_has_every_figure() {
    let world = World::with(2);
    shows(
        &world,
        &[
            "Delayer retries Works: reads the queue retries and holds 2 messages, the next is due \
             in 1 s. Figures",
            "Held 2 messages, 5.0 MiB",
            "Next due 2026-11-22 09:08:08 UTC, in 1 s",
            "Oldest, stored 2026-11-22 08:08:00 UTC, 1 h ago",
            "stored 12.5, revived 3.0, forwarded 0.0",
            "In flight 3,",
            "Unacknowledged 7,",
            "Broker amqp://hare@rabbit:5672/",
            "From, to retries, outbox",
            "Storage /var/lib/amqpdelayer",
            "Storage size 64.0 MiB; its fullest part uses 3.0 MiB of 64.0 GiB (0 %), not full",
            "Last error none",
            "Started 2026-11-22 07:03:07 UTC, 2 h 5 min ago",
            "received 1,234,567 Messages received from the queue.",
        ],
    );
    let reply = world.get("/");
    assert!(reply.head.contains("content-type: text/html; charset=utf-8"), "{}", reply.head);
    let page = reply.text();
    assert!(page.contains("<meta http-equiv=refresh content=\"5;"), "{page}");
    assert!(page.contains("color-scheme: light dark"), "{page}");
    for elsewhere in ["<script", "http://", "https://", "<link", "<img"] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
}

#[test]
fn an_empty_delayer_has_a_page() {
    shows(&World::new(), &["holds 0 messages. Figures", "Next due nothing", "Nothing is held."]);
}

#[test]
fn what_is_wrong_comes_first_with_what_to_do() {
    let world = World::with(1);
    world.engine().status.connected = None;
    world.engine().status.last_error = Some((NOW_MS - 5_000, "login of hare refused".into()));
    shows(
        &world,
        &[
            "Does not work: not connected to the broker: login of hare refused; it is tried again",
            "check that the broker runs, and rabbitmq-address, rabbitmq-queue and rabbitmq-exchange.",
            "Last error 2026-11-22 09:08:02 UTC, 5 s ago: login of hare refused",
            "Broker not connected",
        ],
    );
    world.engine().status = works();
    world.engine().status.full = Some("the index uses 64 GiB of 64 GiB".into());
    shows(&world, &["Does not work: the storage is full: the index uses", "(0 %), full"]);
    world.engine().status = works();
    world.engine().status.blocked = Some("no exchange 'outbox'".into());
    shows(&world, &["Does not work: nothing can be published: no exchange &#39;outbox&#39;;"]);
    world.engine().status = works();
    world.engine().status.now_ms = NOW_MS + 121_000;
    shows(&world, &["Works, but is 2 min late: reads", "raise rabbitmq-throttle."]);
}

#[test]
fn modes_say_what_is_not_done() {
    let world = World::with(1);
    world.engine().status.mode = "delay";
    shows(&world, &["Works: reads the queue retries and only stores: it holds 1 message. "]);
    world.engine().status.mode = "revive";
    shows(&world, &["Works: only publishes what is due, and stores nothing new: it holds 1 "]);
}

#[test]
fn the_next_messages_have_buttons_and_the_hours_have_bars() {
    let world = World::with(30);
    world.hold(NOW_MS - 120_000, 31, "late", b"");
    world.hold(NOW_MS + 3_600_000, 32, "hour", b"");
    world.hold(NOW_MS + 90_000_000, 33, "tomorrow", b"");
    shows(
        &world,
        &[
            "2026-11-22 09:06:07 UTC , 2 min ago late outbox mail 0 B release cancel…",
            "overdue 1 ██ 09:08–10:00 30 ████████████████████████████████████████ 10:00–11:00 1 ██",
            "11:00–12:00 0",
            "later 1 ██",
        ],
    );
    let page = world.get("/");
    assert_eq!(page.text().matches("<button>release</button>").count(), 20);
    assert!(page.text().contains("action=\"messages/1795338488006-1/release\""));
}

#[test]
fn a_storage_that_is_away_leaves_the_figures() {
    let world = World::with(1);
    world.engine().away = Some("the storage does not answer".into());
    shows(
        &world,
        &["Works:", "Due next Not known: the storage does not answer.", "Since the start"],
    );
}

#[test]
fn buttons_change_messages_and_cancelling_asks_first() {
    let world = World::with(2);
    let (one, two) = (world.keys()[0].clone(), world.keys()[1].clone());
    let reply = world.post(&format!("/messages/{one}/release"), "");
    assert_eq!(reply.status, 303);
    assert!(reply.head.contains("location: ../../?did=released"), "{}", reply.head);
    assert!(world.get("/?did=released").text().contains("The message is released"));
    assert!(!world.keys().contains(&one));

    let cancel = format!("/messages/{two}/cancel");
    let asked = world.post(&cancel, "");
    assert_eq!(asked.status, 200);
    assert!(asked.text().contains("Cancel this message?") && asked.text().contains(&two));
    assert!(world.keys().contains(&two));
    let reply = world.post(&cancel, "sure=yes");
    assert!(reply.head.contains("location: ../../?did=cancelled"), "{}", reply.head);
    assert!(!world.keys().contains(&two));
    for path in [cancel.as_str(), "/messages/nonsense/cancel", "/messages/1-1/release"] {
        assert!(world.post(path, "sure=yes").head.contains("location: ../../?did=unknown"));
    }
    world.engine().in_flight.insert(Key { due_ms: 1, seq: 1 });
    let reply = world.post("/messages/1-1/release", "");
    assert!(reply.head.contains("location: ../../?did=in-flight"), "{}", reply.head);
    world.engine().away = Some("the storage does not answer".into());
    let reply = world.post("/messages/1-1/release", "");
    assert_eq!(reply.status, 503);
    assert!(reply.text().contains("the storage does not answer"));
    assert!(!world.get("/?did=%3Cb%3E").text().contains("role=status"));
}

#[test]
fn metrics_are_prometheus_text_in_base_units() {
    let world = World::with(2);
    world.engine().status.counters.lateness_ms.observe(7);
    let reply = world.get("/metrics");
    assert_eq!(reply.status, 200);
    assert!(reply.head.contains("content-type: text/plain; version=0.0.4"), "{}", reply.head);
    let page = reply.text();
    for line in [
        "# TYPE amqpdelayer_received_total counter",
        "# HELP amqpdelayer_received_total Messages received from the queue.",
        "amqpdelayer_received_total 1234567",
        "amqpdelayer_held_messages 2",
        "amqpdelayer_held_bytes 5242880",
        "amqpdelayer_next_due_timestamp_seconds 1795338488.006",
        "amqpdelayer_overdue_seconds 0",
        "amqpdelayer_connected 1",
        "amqpdelayer_blocked 0",
        "amqpdelayer_storage_full 0",
        "amqpdelayer_storage_part_limit_bytes 68719476736",
        "amqpdelayer_lateness_seconds_bucket{le=\"0.005\"} 0",
        "amqpdelayer_lateness_seconds_bucket{le=\"0.01\"} 1",
        "amqpdelayer_lateness_seconds_sum 0.007",
        &format!("amqpdelayer_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
    let memory = page.lines().find(|l| l.starts_with("amqpdelayer_process_resident_memory_bytes "));
    assert!(memory.unwrap().rsplit(' ').next().unwrap().parse::<f64>().unwrap() > 1e6);

    world.engine().status.full = Some("full".into());
    world.engine().held.clear();
    let page = world.get("/metrics");
    assert!(page.text().contains("\namqpdelayer_storage_full 1\n"));
    assert!(!page.text().contains("\namqpdelayer_next_due_timestamp_seconds "));
}

#[test]
fn every_metric_is_named_once_and_as_prometheus_wants() {
    let page = World::with(1).get("/metrics");
    let mut names = HashSet::new();
    let mut family = String::new();
    for line in page.text().lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').unwrap();
            assert!(names.insert(name.to_owned()), "{name} twice");
            assert!(name.starts_with("amqpdelayer_"), "{name}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
            family = name.to_owned();
        } else if let Some(help) = line.strip_prefix("# HELP ") {
            assert!(
                help.starts_with(&format!("{family} ")) && help.ends_with(['.', ')']),
                "{help}"
            );
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            assert!(sample.starts_with(&family), "{sample} is not in {family}");
            assert!(value.parse::<f64>().unwrap().is_finite(), "{line}");
        }
    }
}

#[test]
fn health_names_every_reason() {
    let world = World::new();
    let reply = world.get("/healthz");
    assert_eq!((reply.status, reply.text()), (200, "{\"status\":\"ok\"}\n"));
    {
        let status = &mut world.engine().status;
        status.full = Some("64 GiB of 64 GiB".into());
        status.blocked = Some("low on memory".into());
    }
    let names = |world: &World| -> Vec<String> {
        let body = world.get("/healthz").json();
        let reasons = body["reasons"].as_array().unwrap();
        reasons.iter().map(|reason| reason["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&world), ["storage_full", "blocked"]);
    // Without a connection nothing can be published anyhow.
    world.engine().status.connected = None;
    assert_eq!(names(&world), ["not_connected", "storage_full"]);
    let reply = world.get("/healthz");
    assert_eq!((reply.status, reply.json()["status"].as_str()), (503, Some("failing")));
}

#[test]
fn a_stopping_delayer_says_so() {
    let (desk, orders) = desk();
    drop(orders);
    let web = serve(desk);
    let ask = |path: &str| send(web.addresses[0], "GET", path, &[], "");
    for path in ["/metrics", "/api/status", "/api/messages", "/api/histogram", "/api/messages/1-1"]
    {
        assert_eq!(ask(path).refused(), (503, "it is stopping".into()), "{path}");
    }
    assert_eq!(ask("/").status, 503);
    assert!(ask("/").text().contains("it is stopping"));
    let health = ask("/healthz");
    assert_eq!((health.status, &health.json()["reasons"][0]["name"]), (503, &"stopping".into()));
}

#[test]
fn dropping_the_handle_frees_the_port() {
    let World { web, .. } = World::new();
    let address = web.addresses[0];
    drop(web);
    assert!(TcpStream::connect(address).is_err());
}
