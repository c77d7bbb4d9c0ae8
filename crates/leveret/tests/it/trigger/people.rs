//! What people see: the page, the API, metrics, health and the log.

use super::endpoint::Answer;
use super::world::at;
use crate::server::eventually;
use crate::site::BrokerKind;

stories! {
    brokers: [a_trigger_is_paused_and_resumed],
    home: [
        the_page_shows_runs_and_failures,
        the_page_has_no_login_and_asks_for_none_of_other_sites,
        metrics_tell_triggers_apart,
        health_and_readiness_differ,
        the_log_names_message_and_reason,
        many_idle_triggers_are_small,
    ],
}

fn a_trigger_is_paused_and_resumed(place: BrokerKind) {
    let w = at(place).trigger("allow_redelivery = true").start();
    let (status, said) = w.trigger.http("POST", "/api/triggers/t/pause");
    assert!((200..300).contains(&status), "{status} {said}");
    w.trigger.expect_condition("t", "paused");
    w.expect_consumers(0);
    w.publish(&["m"]);
    w.expect_ready(1);
    w.sink.expect_no_more();
    let (status, said) = w.trigger.http("POST", "/api/triggers/t/resume");
    assert!((200..300).contains(&status), "{status} {said}");
    w.sink.expect(&["m"]);
    w.expect_all_settled();
    w.trigger.expect_condition("t", "running");
    assert_eq!(w.trigger.http("POST", "/api/triggers/unknown/pause").0, 404);
}

fn the_page_shows_runs_and_failures(place: BrokerKind) {
    let w = at(place).http("url = \"http://{sink}/hook?key=hidden\"").start();
    w.sink.answer_to("<bad>", [Answer::status(422)]);
    w.publish(&["good", "<bad>"]);
    w.expect_dead("<bad>");
    w.expect_all_settled();
    let (status, page) = w.trigger.http("GET", "/");
    assert_eq!(status, 200);
    for text in [&*w.names.queue, "/hook", "running", "good", "&lt;bad&gt;", "422", "<form"] {
        assert!(page.contains(text), "no {text} in\n{page}");
    }
    assert!(!page.contains("hidden") && !page.contains("<bad>") && !page.contains("<script"));
    let state = w.trigger.api("GET", "/api/triggers/t");
    assert_eq!((&state["name"], &state["queue"]), (&"t".into(), &w.names.queue.as_str().into()));
    let (runs, failures) = (state["runs"].as_array(), state["failures"].as_array());
    assert_eq!((runs.map(Vec::len), failures.map(Vec::len)), (Some(2), Some(1)), "{state}");
    assert!(!state.to_string().contains("hidden"), "{state}");
}

fn the_page_has_no_login_and_asks_for_none_of_other_sites(place: BrokerKind) {
    let w = at(place).start();
    // A browser says whose page a request comes from.
    let status = w.trigger.http_from("https://evil.example", "POST", "/api/triggers/t/pause");
    assert_eq!(status, 403);
    w.trigger.expect_condition("t", "running");
}

fn metrics_tell_triggers_apart(place: BrokerKind) {
    let w = at(place).start();
    w.sink.answer_to("bad", [Answer::status(422)]);
    w.publish(&["a", "b", "bad"]);
    w.expect_all_settled();
    let of_t = |name: &str, labels: &[(&str, &str)]| {
        w.trigger.metric_with(name, &[&[("trigger", "t")], labels].concat())
    };
    assert_eq!(of_t("received_total", &[]), 3.0);
    assert_eq!(of_t("started_total", &[]), 3.0);
    assert_eq!(of_t("outcomes_total", &[("outcome", "ok")]), 2.0);
    assert_eq!(of_t("outcomes_total", &[("outcome", "dead")]), 1.0);
    assert_eq!(of_t("dead_total", &[("reason", "rejected")]), 1.0);
    assert_eq!((of_t("in_flight", &[]), of_t("queued", &[])), (0.0, 0.0));
    assert_eq!((of_t("consumers", &[]), of_t("prefetch", &[])), (10.0, 10.0));
    assert_eq!(of_t("breaker_state", &[]), 0.0);
    for count in ["wait_seconds_count", "run_seconds_count", "ack_lag_seconds_count"] {
        assert_eq!(of_t(count, &[]), 3.0, "{count}");
    }
    let last_s = of_t("last_success_timestamp_seconds", &[]);
    assert!((crate::server::now_ms() as f64 / 1000.0 - last_s).abs() < 15.0, "{last_s}");
    assert_eq!(of_t("condition", &[("condition", "running")]), 1.0);
    assert_eq!(of_t("recycled_total", &[]), 0.0);
}

fn health_and_readiness_differ(place: BrokerKind) {
    let w = at(place).start();
    w.channel.delete(&w.names.queue);
    let said = w.trigger.expect_ready(503);
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(json.to_string().contains(&w.names.queue), "{json}");
    assert_eq!(w.trigger.http("GET", "/healthz").0, 200);
    assert_eq!(w.trigger.http("GET", "/nowhere").0, 404);
}

fn the_log_names_message_and_reason(place: BrokerKind) {
    let w = at(place).top("log_format = \"json\"").start();
    w.sink.answer(Answer::status(503));
    w.publish(&["order-4711"]);
    w.expect_dead("order-4711");
    let mut found = None;
    eventually("a line about it", || {
        w.trigger.metric("in_flight");
        let log = w.trigger.stderr();
        found = log.lines().find(|line| line.contains("order-4711")).map(str::to_owned);
        found.is_some()
    });
    let line = found.unwrap();
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    let text = json.to_string();
    for part in ["\"t\"", "order-4711", "failed", "503"] {
        assert!(text.contains(part), "no {part} in {text}");
    }
}

fn many_idle_triggers_are_small(place: BrokerKind) {
    const MANY: usize = 50;
    let resident_kb = |pid: u32| -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    let mut w = at(place).start();
    let one_kb = resident_kb(w.trigger.pid());
    w.trigger.stop();
    let more: String = (0..MANY)
        .map(|n| {
            format!(
                "[trigger.more{n}]\nqueue = \"{{queue}}\"\n\
                 http = {{ url = \"http://{{sink}}/hook\" }}\n"
            )
        })
        .collect();
    w.change("[trigger.t.http]", &format!("{more}[trigger.t.http]"));
    w.trigger.launch();
    w.trigger.expect_ready(200);
    w.expect_consumers(MANY as u32 + 1);
    let each_kb = resident_kb(w.trigger.pid()).saturating_sub(one_kb) / MANY as u64;
    assert!(each_kb <= 300, "{each_kb} kB for each trigger");
    // They share the work.
    let bodies: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    w.publish(&bodies);
    w.expect_all_settled();
    w.sink.expect_all(&bodies);
}
