//! What a pipeline is given for a message: the body in one of the profiles, and the metadata beside
//! it. Knows no pipeline, does no I/O.
//!
//! What holds for all profiles:
//!
//! - A message that comes back from a delay queue shows the exchange, the routing key and the
//!   expiration that it was first published with.
//! - A string that is not UTF-8 is shown in JSON as `{"$base64":"…"}`, and in HTTP headers
//!   percent-encoded, so that nothing is lost.
//! - Base64 is RFC 4648's standard alphabet, padded, without line breaks.
//! - Headers that cannot be read are [`Reason::BadHeaders`], also where they are not shown.

mod carried;
mod cloudevents;
mod date;
mod decompress;
mod digibee;
mod lambda;
mod raw;
mod table;
mod text;

#[cfg(test)]
mod tests;

use amqp::content::PropertyScan;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_encode, utf8_percent_encode};
use serde::Serialize;

use crate::config::{Definition, Profile, TriggerConfig};
use crate::message::{Message, Millis};
use crate::origin::Origin;
use crate::reason::Reason;

/// What is percent-encoded in the value of an HTTP header, beside all that is not ASCII:
/// section 3.1.3.2 of CloudEvents' HTTP binding.
const NOT_IN_HEADERS: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// What is percent-encoded in a part of a path: all but RFC 3986's unreserved characters.
const NOT_IN_PATHS: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What the run is told beside the message: HTTP headers `X-Trigger-…`, or variables `TRIGGER_…`
/// of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The number of this run of the message, from 1.
    pub attempt: u32,
    /// A UUIDv7 of this run.
    pub execution_id: String,
    /// When the run has to be done, in milliseconds since 1970.
    pub deadline_ms: Millis,
}

/// A message in the form that the pipeline is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// The request's body, or the command's standard input.
    pub body: Bytes,
    /// Headers that the profile asks for, `content-type` first: `ce-…`, `X-Amqp-…`,
    /// `X-Trigger-Body-Encoding`, `traceparent` and `tracestate`; then those that are passed on.
    /// Never one of [`Metadata`]'s.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether a body that should be text is base64, because it is not in its character set.
    pub invalid_text: bool,
}

/// Why a message has no such form; that is so whenever it is tried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {text}")]
pub struct RenderError {
    /// Of which kind.
    pub reason: Reason,
    /// What is wrong, for people.
    pub text: String,
}

impl RenderError {
    fn headers(error: impl std::fmt::Display) -> RenderError {
        RenderError { reason: Reason::BadHeaders, text: format!("the headers are broken: {error}") }
    }
}

/// `amqp://host/vhost/queue`; virtual host and queue are percent-encoded.
fn place(host: &str, vhost: &str, queue: &str) -> String {
    let part = |text| utf8_percent_encode(text, NOT_IN_PATHS);
    format!("amqp://{host}/{}/{}", part(vhost), part(queue))
}

/// How a trigger renders messages, from its configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Format {
    profile: Profile,
    queue: String,
    properties: digibee::PropertyStyle,
    headers: table::Style,
    text: text::Rule,
    decompress: Option<decompress::Limit>,
    pass: carried::PassList,
    cloudevents: cloudevents::Source,
    lambda: lambda::Source,
}

/// A message taken apart, with its run.
struct Parts<'a> {
    message: &'a Message,
    scan: PropertyScan<'a>,
    origin: Origin<'a>,
    /// Decompressed, where that is wanted.
    body: Bytes,
    /// Whether `body` is still in the encoding that the property `content-encoding` names.
    encoded: bool,
    run: &'a Metadata,
}

impl Format {
    /// Of a trigger.
    pub fn of(definition: &Definition) -> Format {
        let broker = definition.addresses.first();
        let (host, vhost) = broker.map_or(("", ""), |address| (&address.host, &address.vhost));
        Format::new(&definition.trigger, host, vhost)
    }

    fn new(config: &TriggerConfig, host: &str, vhost: &str) -> Format {
        let limit = decompress::Limit { bytes_max: config.max_message_bytes.0 };
        Format {
            profile: config.profile,
            queue: config.queue.clone(),
            properties: digibee::PropertyStyle {
                omit_missing: config.omit_missing,
                timestamp_unit: config.timestamp_unit,
            },
            headers: match config.profile {
                Profile::Typed => table::Style::Typed,
                _ => table::Style::new(config.headers, config.int64),
            },
            text: text::Rule { binary: config.binary_message, on_invalid: config.on_invalid_text },
            decompress: config.decompress.then_some(limit),
            pass: carried::PassList::new(&config.http.pass_headers),
            cloudevents: cloudevents::Source {
                place: place(host, vhost, &config.queue),
                kind: config.cloudevents_type.clone(),
            },
            lambda: lambda::Source::new(config, host, vhost),
        }
    }

    /// The message in the trigger's profile.
    ///
    /// # Errors
    /// [`Reason::BadHeaders`], [`Reason::InvalidText`] and [`Reason::BadEncoding`].
    pub fn render(&self, message: &Message, run: &Metadata) -> Result<Rendered, RenderError> {
        let scan = message.scan().map_err(RenderError::headers)?;
        let carried = self.pass.carried(scan.headers.unwrap_or_default())?;
        let decompressed = match &self.decompress {
            Some(limit) => limit.decompress(scan.content_encoding, &message.body)?,
            None => None,
        };
        let parts = Parts {
            message,
            scan,
            origin: Origin::of(message, scan.headers),
            encoded: decompressed.is_none(),
            body: decompressed.unwrap_or_else(|| message.body.clone()),
            run,
        };
        let mut rendered = match self.profile {
            Profile::Digibee | Profile::Typed => digibee::render(self, &parts)?,
            Profile::Raw => raw::render(&parts),
            Profile::CloudeventsBinary => cloudevents::binary(self, &parts, &carried),
            Profile::CloudeventsStructured => cloudevents::structured(self, &parts, &carried)?,
            Profile::Lambda => lambda::render(&self.lambda, &parts)?,
        };
        carried.append(&mut rendered.headers);
        Ok(rendered)
    }
}

/// The header `content-type`.
fn content_type(value: &'static str) -> (HeaderName, HeaderValue) {
    (CONTENT_TYPE, HeaderValue::from_static(value))
}

/// A JSON body. What a message's table holds is read only now, and is all that can fail.
fn json(value: &impl Serialize, bytes_expected: usize) -> Result<Vec<u8>, RenderError> {
    let mut out = Vec::with_capacity(bytes_expected);
    serde_json::to_writer(&mut out, value).map_err(RenderError::headers)?;
    Ok(out)
}

/// Bytes as the value of a header: visible ASCII, and the rest percent-encoded.
pub(crate) fn header_value(bytes: &[u8]) -> HeaderValue {
    let encoded: std::borrow::Cow<'_, str> = percent_encode(bytes, NOT_IN_HEADERS).into();
    HeaderValue::try_from(&*encoded).expect("visible ASCII is left, which a header may hold")
}
