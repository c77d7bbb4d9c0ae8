//! CloudEvents 1.0: attributes in HTTP headers and the body as it is, or everything in one JSON
//! object.
//!
//! `id` is the message's id, or that of the run; `source` is the queue's place; `type` is
//! configured; `subject` is the routing key, `time` the property `timestamp`. Extensions are
//! `amqpexchange`, `amqproutingkey`, `amqpcorrelationid`, `amqpredelivered`, `amqpattempt`,
//! `traceparent` and `tracestate`. What is empty is left out. A string with control characters, or
//! one that is not UTF-8, cannot be an attribute, and is percent-encoded.
//!
//! A message that is a CloudEvent already stays one. In binary mode (headers `cloudEvents:NAME`,
//! `cloudEvents_NAME` or `ce-NAME`, `specversion` among them) its attributes come before ours of
//! the same name. In structured mode (`content-type: application/cloudevents…`) it is passed on as
//! it is, in both profiles.
//!
//! Structured, `data` is JSON when the content type says so and it is; else text where the body is
//! text in its character set; else there is `data_base64`.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use amqp::value::RawTable;
use amqp::value::raw::RawValue;
use http::{HeaderName, HeaderValue};
use percent_encoding::percent_encode;
use serde::de::IgnoredAny;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::config::OnInvalidText;
use crate::payload::carried::Carried;
use crate::payload::date::rfc3339;
use crate::payload::text::{Base64, Shown};
use crate::payload::{
    Format, NOT_IN_HEADERS, Parts, RenderError, Rendered, content_type, header_value, json, raw,
};

/// Before the name of an attribute in HTTP headers.
const PREFIX: &str = "ce-";

/// Before the name of an attribute in a message's headers: the two of the AMQP binding, and HTTP's.
const GIVEN_PREFIXES: [&[u8]; 3] = [b"cloudEvents:", b"cloudEvents_", b"ce-"];

/// Attributes that a message's headers may bring. More are left out.
const GIVEN_MAX: usize = 64;

/// The media types that say that a body is a whole event.
const STRUCTURED: &[u8] = b"application/cloudevents";

/// Bytes of the JSON beside the data, as a rule.
const BYTES_BESIDE: usize = 640;

/// What all events of a trigger have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) place: String,
    pub(super) kind: String,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Value<'a> {
    Text(Cow<'a, str>),
    Int(i32),
    Bool(bool),
}

impl Value<'_> {
    fn header(&self) -> HeaderValue {
        match self {
            Value::Text(text) => header_value(text.as_bytes()),
            Value::Int(number) => (*number).into(),
            Value::Bool(true) => HeaderValue::from_static("true"),
            Value::Bool(false) => HeaderValue::from_static("false"),
        }
    }
}

/// Names with [`PREFIX`], and values.
type Attributes<'a> = Vec<(Cow<'static, str>, Value<'a>)>;

pub(super) fn binary(format: &Format, parts: &Parts<'_>, carried: &Carried<'_>) -> Rendered {
    if let Some(event) = passed_on(parts) {
        return event;
    }
    let mut headers = Vec::with_capacity(20);
    raw::push_content(&mut headers, parts);
    for (name, value) in attributes(format, parts, carried) {
        let name = match name {
            Cow::Borrowed(name) => HeaderName::from_static(name),
            Cow::Owned(name) => match HeaderName::try_from(name) {
                Ok(name) => name,
                Err(_) => continue,
            },
        };
        headers.push((name, value.header()));
    }
    Rendered { body: parts.body.clone(), headers, invalid_text: false }
}

pub(super) fn structured(
    format: &Format,
    parts: &Parts<'_>,
    carried: &Carried<'_>,
) -> Result<Rendered, RenderError> {
    if let Some(event) = passed_on(parts) {
        return Ok(event);
    }
    let (shown, invalid) = format.text.show(&parts.body, &parts.scan)?;
    let stated = parts.scan.content_type.filter(|kind| !kind.is_empty()).map(attribute_text);
    let data = match shown {
        Shown::Text(text) if stated.as_deref().is_some_and(is_json) && parses(&text) => {
            Data::Json(text)
        }
        shown => Data::Shown(shown),
    };
    // Without a type, a string would be taken for JSON.
    let kind = stated.unwrap_or(match data {
        Data::Json(_) | Data::Shown(Shown::Text(_)) => "text/plain".into(),
        Data::Shown(Shown::Base64(_)) => "application/octet-stream".into(),
    });
    let bytes_expected = data.bytes_expected() + BYTES_BESIDE;
    let attributes = attributes(format, parts, carried);
    let mut body = json(&Event { attributes, kind, data: &data }, bytes_expected)?;
    if let Data::Json(text) = &data {
        // It is JSON already, so it stands as it is before the end of the object.
        body.pop();
        body.extend_from_slice(b",\"data\":");
        body.extend_from_slice(text.as_bytes());
        body.push(b'}');
    }
    let headers = vec![content_type("application/cloudevents+json; charset=utf-8")];
    // Base64 is what this form has for bytes: nothing is amiss unless something was replaced.
    let invalid_text = invalid && format.text.on_invalid == OnInvalidText::Replace;
    Ok(Rendered { body: body.into(), headers, invalid_text })
}

/// A body that is an event already.
fn passed_on(parts: &Parts<'_>) -> Option<Rendered> {
    let kind = parts.scan.content_type?.get(..STRUCTURED.len())?;
    if !kind.eq_ignore_ascii_case(STRUCTURED) {
        return None;
    }
    let mut headers = Vec::with_capacity(4);
    raw::push_content(&mut headers, parts);
    Some(Rendered { body: parts.body.clone(), headers, invalid_text: false })
}

enum Data<'a> {
    /// JSON as it is.
    Json(Cow<'a, str>),
    Shown(Shown<'a>),
}

impl Data<'_> {
    fn bytes_expected(&self) -> usize {
        match self {
            Data::Json(text) => text.len(),
            Data::Shown(shown) => shown.bytes_expected(),
        }
    }
}

/// The object without data that is JSON.
struct Event<'a> {
    attributes: Attributes<'a>,
    kind: Cow<'a, str>,
    data: &'a Data<'a>,
}

impl Serialize for Event<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &self.attributes {
            map.serialize_entry(&name[PREFIX.len()..], value)?;
        }
        map.serialize_entry("datacontenttype", &self.kind)?;
        match self.data {
            Data::Json(_) => {}
            Data::Shown(Shown::Text(text)) => map.serialize_entry("data", text)?,
            Data::Shown(Shown::Base64(bytes)) => {
                map.serialize_entry("data_base64", &Base64(bytes))?;
            }
        }
        map.end()
    }
}

/// The attributes, those that the message brings in the place of ours.
fn attributes<'a>(format: &'a Format, parts: &Parts<'a>, carried: &Carried<'a>) -> Attributes<'a> {
    let Source { place, kind } = &format.cloudevents;
    let Parts { scan, origin, run, message, .. } = parts;
    let id = scan.message_id.filter(|id| !id.is_empty());
    let id = id.map_or(Cow::Borrowed(&*run.execution_id), attribute_text);
    let time = scan.timestamp.and_then(rfc3339).unwrap_or_default();
    let correlation_id = scan.correlation_id.unwrap_or_default();
    let attempt = i32::try_from(run.attempt).unwrap_or(i32::MAX);
    let text = |bytes| Value::Text(attribute_text(bytes));
    let ours: [(&'static str, Value<'a>); 13] = [
        ("ce-specversion", Value::Text("1.0".into())),
        ("ce-id", Value::Text(id)),
        ("ce-source", Value::Text(place.into())),
        ("ce-type", Value::Text(kind.into())),
        ("ce-subject", text(origin.routing_key)),
        ("ce-time", Value::Text(time.into())),
        ("ce-amqpexchange", text(origin.exchange)),
        ("ce-amqproutingkey", text(origin.routing_key)),
        ("ce-amqpcorrelationid", text(correlation_id)),
        ("ce-amqpredelivered", Value::Bool(message.redelivered)),
        ("ce-amqpattempt", Value::Int(attempt)),
        ("ce-traceparent", Value::Text(carried.traceparent.unwrap_or_default().into())),
        ("ce-tracestate", Value::Text(carried.tracestate().unwrap_or_default().into())),
    ];
    let mut given = given(scan.headers.unwrap_or_default());
    let mut all: Attributes<'a> = Vec::with_capacity(ours.len() + given.len());
    for (name, value) in ours {
        let same = given.iter().position(|(given, _)| given == name);
        let value = same.map_or(value, |at| given.swap_remove(at).1);
        if !matches!(&value, Value::Text(text) if text.is_empty()) {
            all.push((name.into(), value));
        }
    }
    all.append(&mut given);
    all
}

/// The attributes in the headers of a message that is a CloudEvent in binary mode; of any other
/// message there are none.
fn given<'a>(headers: RawTable<'a>) -> Attributes<'a> {
    let mut given = Attributes::new();
    for field in headers.fields().map_while(Result::ok) {
        let mut prefixes = GIVEN_PREFIXES.iter();
        let Some(name) = prefixes.find_map(|prefix| field.key.strip_prefix(*prefix)) else {
            continue;
        };
        let is_name = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if name.is_empty() || !name.iter().all(is_name) || name.starts_with(b"data") {
            continue;
        }
        let value = match field.read() {
            Ok(RawValue::LongStr(bytes)) => Value::Text(attribute_text(bytes)),
            Ok(RawValue::Bytes(bytes)) => Value::Text(attribute_text(bytes)),
            Ok(RawValue::Bool(value)) => Value::Bool(value),
            Ok(RawValue::Int(value)) => match i32::try_from(value) {
                Ok(value) => Value::Int(value),
                Err(_) => Value::Text(value.to_string().into()),
            },
            Ok(RawValue::Timestamp(seconds)) => match rfc3339(seconds) {
                Some(time) => Value::Text(time.into()),
                None => continue,
            },
            _ => continue,
        };
        let name = format!("{PREFIX}{}", String::from_utf8_lossy(name));
        let is_new = given.iter().all(|(known, _)| *known != name);
        let is_empty = matches!(&value, Value::Text(text) if text.is_empty());
        if is_new && !is_empty && given.len() < GIVEN_MAX {
            given.push((name.into(), value));
        }
    }
    if given.iter().any(|(name, _)| name == "ce-specversion") { given } else { Vec::new() }
}

/// Bytes as the text of an attribute (CloudEvents 1.0, "Type System").
fn attribute_text(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) if !text.contains(char::is_control) => text.into(),
        _ => percent_encode(bytes, NOT_IN_HEADERS).into(),
    }
}

/// Whether a media type is JSON: `application/json`, `text/json`, or one that ends with `+json`.
fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(&*kind, "application/json" | "text/json") || kind.ends_with("+json")
}

fn parses(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}
