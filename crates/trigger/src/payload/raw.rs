//! The profile `raw`: the body as it is, and the metadata in headers `X-Amqp-…`.
//!
//! `Content-Type` is the message's, or `application/octet-stream`. `Content-Encoding` is set where
//! the message's is one of HTTP's. Values are visible ASCII with the rest percent-encoded, and
//! `%`, `"` and space too; so a value is what percent-decoding gives. Properties that a message
//! does not have have no header. The message's headers are not shown; `pass_headers` names those
//! that are.

#[cfg(test)]
mod tests;

use amqp::content::PropertyScan;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};

use crate::payload::{Parts, Rendered, header_value};

/// Codings that HTTP knows (RFC 9110, 8.4.1, and RFC 8878). `utf-8` and the like are none.
const CODINGS: [&[u8]; 7] =
    [b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress", b"br", b"zstd"];

static EXCHANGE: HeaderName = HeaderName::from_static("x-amqp-exchange");
static ROUTING_KEY: HeaderName = HeaderName::from_static("x-amqp-routing-key");
static MESSAGE_ID: HeaderName = HeaderName::from_static("x-amqp-message-id");
static CORRELATION_ID: HeaderName = HeaderName::from_static("x-amqp-correlation-id");
static REPLY_TO: HeaderName = HeaderName::from_static("x-amqp-reply-to");
static KIND: HeaderName = HeaderName::from_static("x-amqp-type");
static APP_ID: HeaderName = HeaderName::from_static("x-amqp-app-id");
static USER_ID: HeaderName = HeaderName::from_static("x-amqp-user-id");
static CLUSTER_ID: HeaderName = HeaderName::from_static("x-amqp-cluster-id");
static EXPIRATION: HeaderName = HeaderName::from_static("x-amqp-expiration");
static ENCODING: HeaderName = HeaderName::from_static("x-amqp-content-encoding");
static DELIVERY_MODE: HeaderName = HeaderName::from_static("x-amqp-delivery-mode");
static PRIORITY: HeaderName = HeaderName::from_static("x-amqp-priority");
static TIMESTAMP: HeaderName = HeaderName::from_static("x-amqp-timestamp");

pub(super) fn render(parts: &Parts<'_>) -> Rendered {
    let PropertyScan { delivery_mode, priority, timestamp, .. } = parts.scan;
    let mut headers = Vec::with_capacity(16);
    push_content(&mut headers, parts);
    let strings = [
        (&EXCHANGE, Some(parts.origin.exchange)),
        (&ROUTING_KEY, Some(parts.origin.routing_key)),
        (&MESSAGE_ID, parts.scan.message_id),
        (&CORRELATION_ID, parts.scan.correlation_id),
        (&REPLY_TO, parts.scan.reply_to),
        (&KIND, parts.scan.kind),
        (&APP_ID, parts.scan.app_id),
        (&USER_ID, parts.scan.user_id),
        (&CLUSTER_ID, parts.scan.cluster_id),
        (&EXPIRATION, parts.scan.expiration.or(parts.origin.expiration)),
        (&ENCODING, parts.scan.content_encoding),
    ];
    for (name, value) in strings {
        headers.extend(value.map(|value| (name.clone(), header_value(value))));
    }
    let numbers = [
        (&DELIVERY_MODE, delivery_mode.map(u64::from)),
        (&PRIORITY, priority.map(u64::from)),
        (&TIMESTAMP, timestamp),
    ];
    for (name, value) in numbers {
        headers.extend(value.map(|value| (name.clone(), value.into())));
    }
    Rendered { body: parts.body.clone(), headers, invalid_text: false }
}

/// `Content-Type` and `Content-Encoding` of the body as it is.
pub(super) fn push_content(headers: &mut Vec<(HeaderName, HeaderValue)>, parts: &Parts<'_>) {
    let own = parts.scan.content_type.filter(|kind| !kind.is_empty());
    let kind = own.and_then(|kind| HeaderValue::from_bytes(kind).ok());
    let unknown = HeaderValue::from_static("application/octet-stream");
    headers.push((CONTENT_TYPE, kind.unwrap_or(unknown)));
    let coding = parts.scan.content_encoding.filter(|coding| {
        parts.encoded && CODINGS.iter().any(|known| known.eq_ignore_ascii_case(coding))
    });
    headers.extend(coding.map(|coding| (CONTENT_ENCODING, header_value(coding))));
}
