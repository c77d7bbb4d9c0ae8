//! `/metrics`, as Prometheus reads it.

use super::*;

async fn lines(world: &World) -> Vec<String> {
    let reply = world.get("/metrics").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, service::metrics::CONTENT_TYPE));
    reply.text.lines().map(str::to_owned).collect()
}

#[track_caller]
fn has(lines: &[String], expected: &[&str]) {
    for line in expected {
        assert!(lines.iter().any(|l| l == line), "{line}\n{}", lines.join("\n"));
    }
}

/// What the first trigger of the test below shows: metrics without a further label.
const SINGLE: &[(&str, &str)] = &[
    ("start_time_seconds", "1795330987.006"),
    ("in_flight", "3"),
    ("queued", "7"),
    ("holding", "1"),
    ("unacked", "11"),
    ("prefetch", "20"),
    ("consumers", "10"),
    ("breaker_state", "2"),
    ("ready", "1"),
    ("last_success_timestamp_seconds", "1795338487.006"),
    ("received_total", "1"),
    ("started_total", "2"),
    ("oversize_total", "11"),
    ("invalid_text_total", "12"),
    ("replies_total", "13"),
    ("unpublished_total", "14"),
    ("reconnects_total", "15"),
    ("recycled_total", "16"),
    ("wait_seconds_sum", "0.003"),
    ("run_seconds_count", "1"),
    ("ack_lag_seconds_count", "0"),
];

/// And the outcomes.
const COUNTED: &[(&str, u64)] = &[
    ("ok", 3),
    ("retry", 4),
    ("dead", 17),
    ("expired", 5),
    ("refused", 18),
    ("dropped", 6),
    ("returned", 9),
    ("orphaned", 7),
    ("joined", 8),
    ("lost", 10),
];

#[tokio::test]
async fn every_number_has_its_trigger() {
    let world = World::new(&["orders", "mail"]);
    {
        let mut status = world.status(0);
        status.last_success_ms = Some(NOW_MS);
        status.condition = Condition::BreakerOpen(NOW_MS + 1);
        let c = &mut status.counters;
        (c.received, c.started, c.ok, c.retry, c.expired) = (1, 2, 3, 4, 5);
        (c.dropped, c.orphaned, c.joined, c.returned, c.lost) = (6, 7, 8, 9, 10);
        (c.oversize, c.invalid_text, c.replies, c.unpublished) = (11, 12, 13, 14);
        (c.reconnects, c.recycled) = (15, 16);
        c.dead[Reason::Timeout as usize] = 17;
        c.refused[Reason::TooLarge as usize] = 18;
        c.wait_ms.observe(3);
        c.run_ms.observe(1_500);
    }
    world.status(1).condition = Condition::BreakerHalfOpen;
    let lines = lines(&world).await;
    let of =
        |name: &str, value: &str| format!("leveret_trigger_{name}{{trigger=\"orders\"}} {value}");
    for (name, value) in SINGLE {
        has(&lines, &[&of(name, value)]);
    }
    for (outcome, count) in COUNTED {
        let metric = "leveret_trigger_outcomes_total";
        has(&lines, &[&format!("{metric}{{trigger=\"orders\",outcome=\"{outcome}\"}} {count}")]);
    }
    has(
        &lines,
        &[
            "# TYPE leveret_trigger_received_total counter",
            "# TYPE leveret_trigger_run_seconds histogram",
            "leveret_trigger_dead_total{trigger=\"orders\",reason=\"timeout\"} 17",
            "leveret_trigger_dead_total{trigger=\"orders\",reason=\"rejected\"} 0",
            "leveret_trigger_refused_total{trigger=\"orders\",reason=\"too_large\"} 18",
            "leveret_trigger_run_seconds_bucket{trigger=\"orders\",le=\"1\"} 0",
            "leveret_trigger_run_seconds_bucket{trigger=\"orders\",le=\"5\"} 1",
            "leveret_trigger_condition{trigger=\"orders\",condition=\"breaker_open\"} 1",
            "leveret_trigger_condition{trigger=\"mail\",condition=\"breaker_half_open\"} 1",
            "leveret_trigger_breaker_state{trigger=\"mail\"} 1",
            "leveret_trigger_info{trigger=\"mail\",queue=\"mail.in\",\
             broker=\"amqp://hare@rabbit:5672/\",pipeline=\"http\",target=\"https://svc/hook\"} 1",
            "leveret_trigger_config_reload_success 1",
        ],
    );
    let absent = ["last_success_timestamp_seconds{trigger=\"mail\"}", "config_last_reload"];
    for text in absent {
        assert!(!lines.iter().any(|line| line.contains(text) && !line.starts_with('#')), "{text}");
    }
}

#[tokio::test]
async fn families_are_declared_once_and_stand_together() {
    let world = World::new(&["orders", "mail"]);
    let lines = lines(&world).await;
    let mut families: Vec<&str> = Vec::new();
    for line in &lines {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            families.push(declared.split_once(' ').unwrap().0);
        } else if !line.starts_with('#') {
            assert!(line.starts_with(families.last().unwrap()), "{line}");
        }
    }
    let mut once = families.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), families.len());
}

#[tokio::test]
async fn a_trigger_without_an_answer_has_a_condition_only() {
    let world = World::new(&["orders"]);
    drop(world.add_silent("gone"));
    world.registry.reloaded(Err("no".into()));
    let lines = lines(&world).await;
    has(
        &lines,
        &[
            "leveret_trigger_condition{trigger=\"gone\",condition=\"ended\"} 1",
            "leveret_trigger_ready{trigger=\"gone\"} 0",
            "leveret_trigger_config_reload_success 0",
        ],
    );
    assert_eq!(lines.iter().filter(|line| line.contains("trigger=\"gone\"")).count(), 2);
}
