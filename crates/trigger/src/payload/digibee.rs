//! Digibee's JSON, and the profile `typed`, which is the same with all that Digibee leaves out.
//!
//! Both have `body`, `properties`, `headers` and `envelope`. Properties that a message does not
//! have are `null`, or left out if so wanted; `classId` is always `"60"`, the number of the class
//! `basic`, as RabbitMQ's Java client has it. A message without headers has `{}`.
//!
//! `typed` has the headers with their types, and beside the four:
//!
//! - `bodyEncoding`: `"text"` or `"base64"`;
//! - `delivery`: `queue`, `redelivered` (the broker's flag), `exchange` and `routingKey` as the
//!   broker said them (which is a delay queue's way after a retry), and `bodyBytes`;
//! - `execution`: `id` (a UUIDv7), `attempt` (from 1) and `deadlineMs` (since 1970).

#[cfg(test)]
mod tests;

use amqp::content::PropertyScan;
use http::{HeaderName, HeaderValue};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::config::{Profile, TimestampUnit};
use crate::message::Millis;
use crate::payload::table::Headers;
use crate::payload::text::{Shown, Text};
use crate::payload::{Format, Parts, RenderError, Rendered, content_type, json};

/// Says that the body in the JSON is base64.
static BODY_ENCODING: HeaderName = HeaderName::from_static("x-trigger-body-encoding");

/// The class `basic`, as text.
const CLASS_ID: &str = "60";

/// Bytes of the JSON beside the body, as a rule.
const BYTES_BESIDE: usize = 640;

/// How properties are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PropertyStyle {
    pub(super) omit_missing: bool,
    pub(super) timestamp_unit: TimestampUnit,
}

pub(super) fn render(format: &Format, parts: &Parts<'_>) -> Result<Rendered, RenderError> {
    let (body, invalid_text) = format.text.show(&parts.body, &parts.scan)?;
    let mut headers = Vec::with_capacity(4);
    headers.push(content_type("application/json"));
    if let Shown::Base64(_) = body {
        headers.push((BODY_ENCODING.clone(), HeaderValue::from_static("base64")));
    }
    let bytes_expected = body.bytes_expected() + parts.message.properties.len() + BYTES_BESIDE;
    let body = json(&Object { format, parts, body }, bytes_expected)?;
    Ok(Rendered { body: body.into(), headers, invalid_text })
}

/// The whole.
struct Object<'a> {
    format: &'a Format,
    parts: &'a Parts<'a>,
    body: Shown<'a>,
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Object { format, parts, body } = self;
        let headers = parts.scan.headers.unwrap_or_default();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("body", body)?;
        map.serialize_entry("properties", &Properties { style: format.properties, parts })?;
        map.serialize_entry("headers", &Headers(headers, format.headers))?;
        map.serialize_entry("envelope", &Envelope::of(parts))?;
        if format.profile == Profile::Typed {
            let encoding = if matches!(body, Shown::Text(_)) { "text" } else { "base64" };
            map.serialize_entry("bodyEncoding", encoding)?;
            map.serialize_entry("delivery", &Delivery::of(parts, &format.queue))?;
            map.serialize_entry("execution", &Execution::of(parts))?;
        }
        map.end()
    }
}

struct Properties<'a> {
    style: PropertyStyle,
    parts: &'a Parts<'a>,
}

impl Serialize for Properties<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let PropertyScan {
            content_type,
            content_encoding,
            headers: _,
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
        } = self.parts.scan;
        let timestamp = timestamp.map(|seconds| match self.style.timestamp_unit {
            TimestampUnit::Seconds => seconds,
            TimestampUnit::Milliseconds => seconds.saturating_mul(1000),
        });
        let expiration = expiration.or(self.parts.origin.expiration);
        let omit = self.style.omit_missing;
        let mut map = serializer.serialize_map(None)?;
        put(&mut map, omit, "appId", app_id.map(Text))?;
        put(&mut map, omit, "classId", Some(CLASS_ID))?;
        put(&mut map, omit, "clusterId", cluster_id.map(Text))?;
        put(&mut map, omit, "contentEncoding", content_encoding.map(Text))?;
        put(&mut map, omit, "contentType", content_type.map(Text))?;
        put(&mut map, omit, "correlationId", correlation_id.map(Text))?;
        put(&mut map, omit, "deliveryMode", delivery_mode)?;
        put(&mut map, omit, "expiration", expiration.map(Text))?;
        put(&mut map, omit, "messageId", message_id.map(Text))?;
        put(&mut map, omit, "priority", priority)?;
        put(&mut map, omit, "replyTo", reply_to.map(Text))?;
        put(&mut map, omit, "type", kind.map(Text))?;
        put(&mut map, omit, "userId", user_id.map(Text))?;
        put(&mut map, omit, "timestamp", timestamp)?;
        map.end()
    }
}

/// A property, which may be missing.
fn put<M: SerializeMap>(
    map: &mut M,
    omit_missing: bool,
    name: &str,
    value: Option<impl Serialize>,
) -> Result<(), M::Error> {
    if omit_missing && value.is_none() {
        return Ok(());
    }
    map.serialize_entry(name, &value)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    delivery_tag: u64,
    exchange: Text<'a>,
    routing_key: Text<'a>,
}

impl<'a> Envelope<'a> {
    fn of(parts: &Parts<'a>) -> Envelope<'a> {
        Envelope {
            delivery_tag: parts.message.delivery_tag,
            exchange: Text(parts.origin.exchange),
            routing_key: Text(parts.origin.routing_key),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Delivery<'a> {
    queue: &'a str,
    redelivered: bool,
    exchange: Text<'a>,
    routing_key: Text<'a>,
    body_bytes: u64,
}

impl<'a> Delivery<'a> {
    fn of(parts: &Parts<'a>, queue: &'a str) -> Delivery<'a> {
        let message = parts.message;
        Delivery {
            queue,
            redelivered: message.redelivered,
            exchange: Text(&message.exchange),
            routing_key: Text(&message.routing_key),
            body_bytes: message.body_bytes,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Execution<'a> {
    id: &'a str,
    attempt: u32,
    deadline_ms: Millis,
}

impl<'a> Execution<'a> {
    fn of(parts: &Parts<'a>) -> Execution<'a> {
        let run = parts.run;
        Execution { id: &run.execution_id, attempt: run.attempt, deadline_ms: run.deadline_ms }
    }
}
