//! Stored messages as JSON that loses nothing: every value of a header table stands beside the name
//! of its wire type, fields keep their order and duplicates, text that is not UTF-8 is base64.

use amqp::content::{Properties, PropertyScan};
use amqp::value::{Table, Value as Field};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use service::http::json::set_time;

use super::query::key_text;
use crate::desk::Status;
use crate::message::{Entry, Held, Key};
use crate::web::metrics::COUNTERS;

/// Larger bodies are only given out raw: as base64 in JSON one takes several times its size.
pub(super) const BODY_BYTES_MAX: usize = 16 << 20;

/// Text that is UTF-8 as it is, anything else as `{"base64": "…"}`.
pub(super) fn text(bytes: &[u8]) -> Value {
    match str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!({ "base64": STANDARD.encode(bytes) }),
    }
}

/// A key and when it is due, to which more is added.
pub(super) fn key(key: Key) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("key".into(), json!(key_text(key)));
    set_time(&mut object, "due", Some(key.due_ms));
    object
}

/// A message of a list.
pub(super) fn entry(entry: &Entry) -> Value {
    let mut object = key(entry.key);
    set_time(&mut object, "stored", Some(entry.stored_ms));
    object.insert("message_id".into(), text(&entry.message_id));
    object.insert("exchange".into(), text(&entry.exchange));
    object.insert("routing_key".into(), text(&entry.routing_key));
    object.insert("body_bytes".into(), json!(entry.body_bytes));
    Value::Object(object)
}

/// A whole message. The body is null when it is too large for JSON.
pub(super) fn held(held: &Held) -> Value {
    let message = &held.message;
    let mut object = key(held.key);
    set_time(&mut object, "stored", Some(held.stored_ms));
    object.insert("exchange".into(), text(&message.exchange));
    object.insert("routing_key".into(), text(&message.routing_key));
    match properties(Properties(&message.properties)) {
        Ok(properties) => object.insert("properties".into(), properties),
        Err(error) => {
            object.insert("properties_error".into(), json!(error));
            object.insert("properties".into(), Value::Null)
        }
    };
    object.insert("properties_base64".into(), json!(STANDARD.encode(&message.properties)));
    object.insert("body_bytes".into(), json!(message.body.len()));
    let body = (message.body.len() <= BODY_BYTES_MAX).then(|| STANDARD.encode(&message.body));
    object.insert("body_base64".into(), json!(body));
    Value::Object(object)
}

/// The properties that are there, each with its type.
fn properties(properties: Properties<'_>) -> Result<Value, String> {
    let PropertyScan {
        content_type,
        content_encoding,
        headers,
        delivery_mode,
        priority,
        correlation_id,
        reply_to,
        expiration,
        message_id,
        timestamp,
        kind,
        user_id,
        app_id,
        cluster_id,
    } = properties.scan().map_err(|error| error.to_string())?;
    let short = |value: Option<&[u8]>| value.map(|value| typed("shortstr", text(value)));
    let octet = |value: Option<u8>| value.map(|value| typed("octet", json!(value)));
    let headers = headers.map(|headers| headers.decode()).transpose();
    let headers = headers.map_err(|error| format!("headers: {error}"))?;
    let all = [
        ("content_type", short(content_type)),
        ("content_encoding", short(content_encoding)),
        ("headers", headers.map(|headers| typed("table", table(&headers)))),
        ("delivery_mode", octet(delivery_mode)),
        ("priority", octet(priority)),
        ("correlation_id", short(correlation_id)),
        ("reply_to", short(reply_to)),
        ("expiration", short(expiration)),
        ("message_id", short(message_id)),
        ("timestamp", timestamp.map(|seconds| typed("timestamp", json!(seconds)))),
        ("type", short(kind)),
        ("user_id", short(user_id)),
        ("app_id", short(app_id)),
        ("cluster_id", short(cluster_id)),
    ];
    let present = all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Ok(Value::Object(present.collect()))
}

fn typed(kind: &str, value: Value) -> Value {
    json!({ "type": kind, "value": value })
}

/// The fields of a table as `[{"name", "type", "value"}]`: a JSON object keeps no duplicates.
pub(super) fn table(table: &Table) -> Value {
    let named = |(name, value): (&[u8], &Field)| {
        let mut field = field(value);
        field["name"] = text(name);
        field
    };
    table.iter().map(named).collect()
}

fn field(value: &Field) -> Value {
    let plain = match value {
        Field::Bool(value) => json!(value),
        Field::I8(value) => json!(value),
        Field::U8(value) => json!(value),
        Field::I16(value) => json!(value),
        Field::U16(value) => json!(value),
        Field::I32(value) => json!(value),
        Field::U32(value) => json!(value),
        Field::I64(value) => json!(value),
        Field::F32(value) if !value.is_finite() => bits(value, u64::from(value.to_bits()), 8),
        Field::F32(value) => json!(value),
        Field::F64(value) if !value.is_finite() => bits(value, value.to_bits(), 16),
        Field::F64(value) => json!(value),
        Field::Decimal { scale, value } => json!({ "scale": scale, "value": value }),
        Field::LongStr(bytes) => text(bytes),
        Field::Array(items) => items.iter().map(field).collect(),
        Field::Timestamp(seconds) => json!(seconds),
        Field::Table(inner) => table(inner),
        Field::Void => Value::Null,
        Field::Bytes(bytes) => json!({ "base64": STANDARD.encode(bytes) }),
    };
    typed(value.type_name(), plain)
}

/// A number that JSON does not have: its name, and its bits in hexadecimal.
fn bits(value: &dyn std::fmt::Display, bits: u64, digits: usize) -> Value {
    json!({ "text": value.to_string(), "bits": format!("{bits:0digits$x}") })
}

/// Everything that is known of the delayer.
pub(super) fn status(s: &Status, sentence: &str) -> Value {
    let error = s.last_error.as_ref().map(|(at_ms, error)| {
        let mut object = Map::new();
        object.insert("error".into(), json!(error));
        set_time(&mut object, "at", Some(*at_ms));
        object
    });
    let counters: Map<String, Value> =
        COUNTERS.iter().map(|(n, _, _, value)| ((*n).into(), json!(value(&s.counters)))).collect();
    let mut object = json!({
        "name": s.name,
        "version": env!("CARGO_PKG_VERSION"),
        "mode": s.mode,
        "state": sentence,
        "broker": s.connected,
        "connected": s.connected.is_some(),
        "blocked": s.blocked,
        "queue": s.queue,
        "exchange": s.exchange,
        "held": s.totals.held,
        "held_bytes": s.totals.held_bytes,
        "storage": {
            "address": s.storage,
            "full": s.full,
            "disk_bytes": s.totals.disk_bytes,
            "part_bytes": s.totals.part_bytes,
            "part_limit_bytes": s.totals.part_bytes_max,
        },
        "unacked": s.unacked,
        "in_flight": s.in_flight,
        "rates": {
            "stored": s.rates.stored,
            "revived": s.rates.revived,
            "forwarded": s.rates.forwarded,
        },
        "last_error": error,
        "counters": counters,
    });
    if let Value::Object(object) = &mut object {
        set_time(object, "now", Some(s.now_ms));
        set_time(object, "started", Some(s.started_ms));
        set_time(object, "next_due", s.totals.next_due_ms);
        set_time(object, "oldest", s.totals.oldest_ms);
    }
    object
}
