//! A node and what it knows as JSON.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Map, Value, json};
use service::http::json::set_time;

use super::health::{sentence, unready};
use super::metrics::{ANSWER_CLASSES, COUNTERS};
use crate::desk::{BridgeStatus, Cell, Counters, NodeEvent, NodeStatus, Status, Value as Held};
use crate::message::{Delivered, Millis, Received};
use crate::outcomes::Outcomes;

/// Times of this process as the shared parts write them; before 1970 there are none.
pub(super) fn unix(at_ms: Millis) -> service::time::Millis {
    u64::try_from(at_ms).unwrap_or_default()
}

/// A node of the list: what `kamcmd dmq.list_nodes` tells under the names that it has there, and
/// what only we know. Kamailio never writes `last_notification`; here it is in seconds since 1970.
pub(super) fn node(node: &NodeStatus) -> Value {
    json!({
        "host": &*node.uri.host,
        "port": node.uri.port,
        "proto": node.uri.transport.word(),
        "resolved_ip": node.resolved_ip,
        "status": node.state.word(),
        "last_notification": node.last_seen_ms.unwrap_or_default() / 1_000,
        "local": u8::from(node.local),
        "fail_count": node.fail_count,
        "uri": node.uri.to_string(),
        "last_seen_ms": node.last_seen_ms,
        "round_trip_us": node.round_trip_us,
        "queued": node.queued,
        "in_flight": node.in_flight,
        "agent": node.agent,
        "configured": node.configured,
    })
}

/// What became of a message at each node, and how many of them took it.
pub(super) fn outcomes(delivered: &[Delivered]) -> Value {
    json!(Outcomes::of(delivered))
}

/// A message that arrived, in one line.
pub(super) fn received(message: &Received) -> Value {
    let mut object = Map::new();
    for (name, value) in [
        ("peer", json!(&*message.peer)),
        ("from", json!(message.from.as_ref().map(ToString::to_string))),
        ("source", json!(message.source)),
        ("call_id", json!(message.call_id)),
        ("content_type", json!(message.content_type)),
        ("at_ms", json!(message.at_ms)),
    ] {
        object.insert(name.into(), value);
    }
    set_body(&mut object, &message.body);
    object.into()
}

/// Sets `body` to a text, or `body_base64` when the bytes are none.
pub(super) fn set_body(object: &mut Map<String, Value>, body: &[u8]) {
    match str::from_utf8(body) {
        Ok(text) => object.insert("body".into(), json!(text)),
        Err(_) => object.insert("body_base64".into(), json!(BASE64_STANDARD.encode(body))),
    };
}

/// A cell of a table.
pub(super) fn cell(cell: &Cell) -> Value {
    let value = match &cell.value {
        Held::Int(number) => json!(number),
        Held::Text(text) => json!(text),
    };
    json!({ "key": cell.key, "value": value, "expires_in_ms": cell.expires_in_ms })
}

/// How the node is, with everything that it knows.
pub(super) fn status(status: &Status) -> Value {
    let (tables, cells, bytes) = status.tables;
    let mut object = Map::new();
    for (name, value) in [
        ("version", json!(env!("CARGO_PKG_VERSION"))),
        ("uri", json!(status.uri.to_string())),
        ("state", json!(sentence(status))),
        ("ready", json!(unready(status).is_empty())),
        ("draining", json!(status.draining)),
        ("notified", json!(status.notified)),
        ("nodes", status.nodes.iter().map(node).collect()),
        ("peers", json!(status.peers)),
        ("htable", json!({ "tables": tables, "cells": cells, "bytes": bytes })),
        ("bridge", status.bridge.as_ref().map(bridge).into()),
        ("events", status.events.iter().map(event).collect()),
        ("counters", counters(&status.counters)),
    ] {
        object.insert(name.into(), value);
    }
    set_time(&mut object, "started", Some(unix(status.started_ms)));
    set_time(&mut object, "now", Some(unix(status.now_ms)));
    object.into()
}

fn bridge(bridge: &BridgeStatus) -> Value {
    json!({
        "broker": bridge.broker,
        "connected": bridge.down.is_none(),
        "down": bridge.down,
        "waiting": bridge.waiting,
        "sending": bridge.sending,
    })
}

fn event(event: &NodeEvent) -> Value {
    let mut object = Map::new();
    set_time(&mut object, "at", Some(unix(event.at_ms)));
    object.insert("node".into(), json!(event.node.to_string()));
    object.insert("what".into(), json!(event.what));
    object.into()
}

fn counters(counters: &Counters) -> Value {
    let mut object = Map::new();
    for (name, _, _, value) in COUNTERS {
        object.insert((*name).into(), json!(value(counters)));
    }
    let classes = ANSWER_CLASSES.iter().zip(counters.answers);
    let classes = classes.map(|(class, count)| ((*class).into(), json!(count)));
    object.insert("answers".into(), Value::Object(classes.collect()));
    object.into()
}
