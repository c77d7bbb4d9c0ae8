//! What a message's headers carry on: the trace it belongs to, and the headers that are passed.

#[cfg(test)]
mod tests;

use amqp::value::RawTable;
use amqp::value::raw::RawValue;
use http::{HeaderName, HeaderValue};

use crate::payload::RenderError;

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Bytes of all headers that are passed on, as HTTP/1 writes them; those beyond are left out.
const PASSED_BYTES_MAX: usize = 8 * 1024;

/// Bytes of a `tracestate` that W3C's Trace Context asks everybody to pass on (section 3.3.1.5).
const TRACESTATE_BYTES_MAX: usize = 512;

/// Starts of names that are the trigger's own to say.
const OWN_NAMES: [&str; 5] = ["x-trigger-", "x-amqp-", "ce-", "traceparent", "tracestate"];

/// Which of a message's headers become HTTP headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PassList(Vec<HeaderName>);

impl PassList {
    /// Names that no HTTP header can have, and those that the profiles use, are left out.
    pub(super) fn new(names: &[String]) -> PassList {
        let names = names.iter().filter_map(|name| HeaderName::try_from(name.as_str()).ok());
        let is_own = |name: &HeaderName| OWN_NAMES.iter().any(|own| name.as_str().starts_with(own));
        PassList(names.filter(|name| !is_own(name)).collect())
    }

    /// What these headers carry. Names are compared as HTTP does, without regard to case, and the
    /// first of each name counts.
    ///
    /// # Errors
    /// [`Reason::BadHeaders`](crate::reason::Reason::BadHeaders)
    pub(super) fn carried<'a>(&'a self, headers: RawTable<'a>) -> Result<Carried<'a>, RenderError> {
        let mut carried = Carried::default();
        let mut room = PASSED_BYTES_MAX;
        for field in headers.fields() {
            let field = field.map_err(RenderError::headers)?;
            let is = |name: &HeaderName| field.key.eq_ignore_ascii_case(name.as_str().as_bytes());
            let value = || field.read().map_err(RenderError::headers);
            if carried.traceparent.is_none() && is(&TRACEPARENT) {
                carried.traceparent = text(value()?).filter(|text| is_traceparent(text));
            } else if carried.tracestate.is_none() && is(&TRACESTATE) {
                carried.tracestate = text(value()?).filter(|text| is_tracestate(text));
            } else if let Some(name) = self.0.iter().find(|name| is(name))
                && carried.passed.iter().all(|(passed, _)| *passed != name)
                && let Some(value) = http_value(value()?)
            {
                // `name: value\r\n`
                let bytes = name.as_str().len() + value.len() + 4;
                if let Some(rest) = room.checked_sub(bytes) {
                    room = rest;
                    carried.passed.push((name, value));
                }
            }
        }
        Ok(carried)
    }
}

/// What a message's headers carry.
#[derive(Debug, Default)]
pub(super) struct Carried<'a> {
    /// As W3C's Trace Context has it; anything else is left out.
    pub(super) traceparent: Option<&'a str>,
    /// Means nothing without a `traceparent`.
    tracestate: Option<&'a str>,
    passed: Vec<(&'a HeaderName, HeaderValue)>,
}

impl<'a> Carried<'a> {
    /// The `tracestate` that belongs to the `traceparent`.
    pub(super) fn tracestate(&self) -> Option<&'a str> {
        self.tracestate.filter(|_| self.traceparent.is_some())
    }

    /// Appends it to the headers of a request.
    pub(super) fn append(self, headers: &mut Vec<(HeaderName, HeaderValue)>) {
        let trace = [(&TRACEPARENT, self.traceparent), (&TRACESTATE, self.tracestate())];
        for (name, value) in trace {
            let value = value.and_then(|value| HeaderValue::from_str(value).ok());
            headers.extend(value.map(|value| (name.clone(), value)));
        }
        headers.extend(self.passed.into_iter().map(|(name, value)| (name.clone(), value)));
    }
}

fn text(value: RawValue<'_>) -> Option<&str> {
    match value {
        RawValue::LongStr(bytes) | RawValue::Bytes(bytes) => str::from_utf8(bytes).ok(),
        _ => None,
    }
}

/// Text, integers and truth values; nothing with a line break or another control character in it.
fn http_value(value: RawValue<'_>) -> Option<HeaderValue> {
    match value {
        RawValue::LongStr(bytes) => HeaderValue::from_bytes(bytes).ok(),
        RawValue::Int(number) => Some(number.into()),
        RawValue::Bool(true) => Some(HeaderValue::from_static("true")),
        RawValue::Bool(false) => Some(HeaderValue::from_static("false")),
        _ => None,
    }
}

/// W3C's Trace Context, section 3.2.2: version, trace, parent and flags in lower-case hexadecimal.
/// Version ff is invalid, and so are a trace and a parent of zeros; later versions may have more
/// at the end.
fn is_traceparent(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some((head, rest)) = bytes.split_first_chunk::<55>() else { return false };
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let shaped = head.iter().enumerate().all(|(at, byte)| match at {
        2 | 35 | 52 => *byte == b'-',
        _ => is_hex(byte),
    });
    let all_zero = |part: &[u8]| part.iter().all(|byte| *byte == b'0');
    let later = !head.starts_with(b"00") && rest.first() == Some(&b'-') && is_visible(rest);
    shaped
        && !head.starts_with(b"ff")
        && !all_zero(&head[3..35])
        && !all_zero(&head[36..52])
        && (rest.is_empty() || later)
}

fn is_tracestate(text: &str) -> bool {
    (1..=TRACESTATE_BYTES_MAX).contains(&text.len()) && is_visible(text.as_bytes())
}

/// Whether it is visible ASCII and spaces.
fn is_visible(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b' '..=b'~'))
}
