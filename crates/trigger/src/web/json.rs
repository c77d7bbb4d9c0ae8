//! Triggers as JSON.

use serde_json::{Map, Value, json};
use service::http::json::set_time;

use super::health::{sentence, unready};
use super::metrics::{COUNTERS, OUTCOMES};
use super::{Reloaded, Seen};
use crate::desk::{Counters, Recent};
use crate::reason::Reason;

/// A trigger of a list.
pub(super) fn trigger(seen: &Seen) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("name".into(), json!(seen.name));
    object.insert("condition".into(), json!(seen.word()));
    object.insert("state".into(), json!(sentence(seen)));
    object.insert("ready".into(), json!(unready(seen).is_none()));
    let Ok(s) = &seen.status else { return object };
    for (name, value) in [
        ("queue", json!(s.queue)),
        ("broker", json!(s.broker)),
        ("pipeline", json!(s.pipeline)),
        ("target", json!(s.target)),
        ("consumers", json!(s.consumers)),
        ("prefetch", json!(s.prefetch)),
        ("in_flight", json!(s.in_flight)),
        ("queued", json!(s.queued)),
        ("holding", json!(s.holding)),
        ("unacked", json!(s.unacked)),
        ("counters", counters(&s.counters)),
    ] {
        object.insert(name.into(), value);
    }
    let error = s.last_error.as_ref().map(|(at_ms, error)| {
        let mut object = Map::new();
        object.insert("error".into(), json!(error));
        set_time(&mut object, "at", Some(*at_ms));
        object
    });
    object.insert("last_error".into(), json!(error));
    set_time(&mut object, "last_success", s.last_success_ms);
    set_time(&mut object, "started", Some(s.started_ms));
    set_time(&mut object, "now", Some(s.now_ms));
    object
}

/// A trigger with its last runs and failures.
pub(super) fn with_runs(seen: &Seen) -> Map<String, Value> {
    let mut object = trigger(seen);
    if let Ok(status) = &seen.status {
        let list = |runs: &[Recent]| runs.iter().map(run).collect::<Value>();
        object.insert("runs".into(), list(&status.runs));
        object.insert("failures".into(), list(&status.failures));
    }
    object
}

fn run(run: &Recent) -> Value {
    let mut object = Map::new();
    set_time(&mut object, "at", Some(run.at_ms));
    for (name, value) in [
        ("message_id", json!(run.message_id)),
        ("routing_key", json!(run.routing_key)),
        ("attempt", json!(run.attempt)),
        ("took_ms", json!(run.took_ms)),
        ("outcome", json!(run.outcome)),
        ("summary", json!(run.summary)),
    ] {
        object.insert(name.into(), value);
    }
    object.into()
}

fn counters(counters: &Counters) -> Value {
    let mut object = Map::new();
    for (name, _, _, value) in COUNTERS {
        object.insert((*name).into(), json!(value(counters)));
    }
    for (name, _, value) in OUTCOMES {
        object.insert((*name).into(), json!(value(counters)));
    }
    object.insert("dead_by_reason".into(), by_reason(&counters.dead));
    object.insert("refused_by_reason".into(), by_reason(&counters.refused));
    object.into()
}

/// Only the reasons that there were.
fn by_reason(counts: &[u64; Reason::ALL.len()]) -> Value {
    let all = Reason::ALL.iter().zip(counts).filter(|(_, count)| **count > 0);
    Value::Object(all.map(|(reason, count)| (reason.word().into(), json!(count))).collect())
}

/// How the last reload went.
pub(super) fn reload(reload: &Reloaded) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("ok".into(), json!(reload.result.is_ok()));
    object.insert("error".into(), json!(reload.result.as_ref().err()));
    set_time(&mut object, "at", Some(reload.at_ms));
    object
}
