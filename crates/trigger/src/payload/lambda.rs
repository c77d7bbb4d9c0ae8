//! The profile `lambda`: what AWS Lambda's event source mapping for RabbitMQ sends, with one
//! message.
//!
//! AWS writes it with Gson from the objects of RabbitMQ's Java client, and so do we: a string in
//! the headers is `{"bytes":[…]}` with Java's signed bytes, binary data a list of them; times are
//! `Nov 14, 2023, 10:13:20 PM` in UTC. Exchange, routing key and delivery tag are not shown. A
//! property that is missing is `null`; a message without headers has `{}`.

#[cfg(test)]
mod tests;

use amqp::value::RawTable;
use amqp::value::raw::RawValue;
use serde::ser::{Error, SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use crate::config::TriggerConfig;
use crate::payload::date::american;
use crate::payload::table::{Decimal, Name, deeper, first_fields};
use crate::payload::text::{Base64, Text};
use crate::payload::{Parts, RenderError, Rendered, content_type, json};

/// Bytes of the JSON beside body and headers, as a rule.
const BYTES_BESIDE: usize = 768;

/// Where events come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    arn: String,
    /// `queue::vhost`
    key: String,
}

impl Source {
    /// Without a configured ARN it is `arn:aws:mq:::broker:HOST:QUEUE`.
    pub(super) fn new(config: &TriggerConfig, host: &str, vhost: &str) -> Source {
        let arn = match &*config.lambda_arn {
            "" => format!("arn:aws:mq:::broker:{host}:{}", config.queue),
            arn => arn.to_owned(),
        };
        Source { arn, key: format!("{}::{vhost}", config.queue) }
    }
}

pub(super) fn render(source: &Source, parts: &Parts<'_>) -> Result<Rendered, RenderError> {
    let event = Event {
        event_source: "aws:rmq",
        event_source_arn: &source.arn,
        rmq_messages_by_queue: Queues(source, parts),
    };
    // A byte of a header takes up to five.
    let properties = parts.message.properties.len() * 5;
    let bytes_expected = parts.body.len().div_ceil(3) * 4 + properties + BYTES_BESIDE;
    let body = json(&event, bytes_expected)?;
    let headers = vec![content_type("application/json")];
    Ok(Rendered { body: body.into(), headers, invalid_text: false })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    event_source: &'a str,
    event_source_arn: &'a str,
    rmq_messages_by_queue: Queues<'a>,
}

/// The queue with its one message.
struct Queues<'a>(&'a Source, &'a Parts<'a>);

impl Serialize for Queues<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Queues(source, parts) = self;
        let message = Record {
            basic_properties: BasicProperties::of(parts),
            redelivered: parts.message.redelivered,
            data: Base64(&parts.body),
        };
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(&source.key, &[message])?;
        map.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    basic_properties: BasicProperties<'a>,
    redelivered: bool,
    data: Base64<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BasicProperties<'a> {
    content_type: Option<Text<'a>>,
    content_encoding: Option<Text<'a>>,
    headers: Headers<'a>,
    delivery_mode: Option<u8>,
    priority: Option<u8>,
    correlation_id: Option<Text<'a>>,
    reply_to: Option<Text<'a>>,
    expiration: Option<Text<'a>>,
    message_id: Option<Text<'a>>,
    timestamp: Option<String>,
    r#type: Option<Text<'a>>,
    user_id: Option<Text<'a>>,
    app_id: Option<Text<'a>>,
    cluster_id: Option<Text<'a>>,
    body_size: usize,
}

impl<'a> BasicProperties<'a> {
    fn of(parts: &Parts<'a>) -> BasicProperties<'a> {
        let scan = &parts.scan;
        BasicProperties {
            content_type: scan.content_type.map(Text),
            content_encoding: scan.content_encoding.map(Text),
            headers: Headers { table: scan.headers.unwrap_or_default(), depth: 1 },
            delivery_mode: scan.delivery_mode,
            priority: scan.priority,
            correlation_id: scan.correlation_id.map(Text),
            reply_to: scan.reply_to.map(Text),
            expiration: scan.expiration.or(parts.origin.expiration).map(Text),
            message_id: scan.message_id.map(Text),
            timestamp: scan.timestamp.and_then(american),
            r#type: scan.kind.map(Text),
            user_id: scan.user_id.map(Text),
            app_id: scan.app_id.map(Text),
            cluster_id: scan.cluster_id.map(Text),
            body_size: parts.body.len(),
        }
    }
}

struct Headers<'a> {
    table: RawTable<'a>,
    depth: usize,
}

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for field in first_fields(self.table) {
            let field = field.map_err(Error::custom)?;
            let value = Value { value: field.read().map_err(Error::custom)?, depth: self.depth };
            map.serialize_entry(&Name(field.key), &value)?;
        }
        map.end()
    }
}

struct Value<'a> {
    value: RawValue<'a>,
    depth: usize,
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            RawValue::Bool(value) => serializer.serialize_bool(value),
            RawValue::Int(value) => serializer.serialize_i64(value),
            RawValue::F32(value) => serializer.serialize_f32(value),
            RawValue::F64(value) => serializer.serialize_f64(value),
            RawValue::Decimal { scale, value } => serializer.collect_str(&Decimal(scale, value)),
            RawValue::LongStr(bytes) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("bytes", &SignedBytes(bytes))?;
                map.end()
            }
            RawValue::Bytes(bytes) => SignedBytes(bytes).serialize(serializer),
            RawValue::Timestamp(seconds) => american(seconds).serialize(serializer),
            RawValue::Array(array) => {
                let depth = deeper(self.depth)?;
                let mut seq = serializer.serialize_seq(None)?;
                for item in array.items() {
                    let value = item.and_then(|item| item.read()).map_err(Error::custom)?;
                    seq.serialize_element(&Value { value, depth })?;
                }
                seq.end()
            }
            RawValue::Table(table) => {
                Headers { table, depth: deeper(self.depth)? }.serialize(serializer)
            }
            RawValue::Void => serializer.serialize_unit(),
        }
    }
}

/// Bytes as Java has them.
struct SignedBytes<'a>(&'a [u8]);

impl Serialize for SignedBytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|byte| *byte as i8))
    }
}
