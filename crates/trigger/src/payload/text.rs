//! Strings and bodies as text or as base64, and the character sets of bodies.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use amqp::content::PropertyScan;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::config::OnInvalidText;
use crate::payload::RenderError;
use crate::reason::Reason;

/// Bytes as base64.
pub(super) struct Base64<'a>(pub(super) &'a [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(self.0, &STANDARD))
    }
}

/// Bytes that are no text: `{"$base64":"…"}`.
pub(super) struct Marked<'a>(pub(super) &'a [u8]);

impl Serialize for Marked<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("$base64", &Base64(self.0))?;
        map.end()
    }
}

/// A string that should be UTF-8; one that is not is [`Marked`].
pub(super) struct Text<'a>(pub(super) &'a [u8]);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => Marked(self.0).serialize(serializer),
        }
    }
}

/// A body as it is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown<'a> {
    Text(Cow<'a, str>),
    Base64(&'a [u8]),
}

impl Shown<'_> {
    pub(super) fn bytes_expected(&self) -> usize {
        match self {
            Shown::Text(text) => text.len() + text.len() / 8,
            Shown::Base64(bytes) => bytes.len().div_ceil(3) * 4,
        }
    }
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Shown::Text(text) => serializer.serialize_str(text),
            Shown::Base64(bytes) => Base64(bytes).serialize(serializer),
        }
    }
}

/// How bodies are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// Always as base64.
    pub(super) binary: bool,
    /// What happens when it should be text and is not.
    pub(super) on_invalid: OnInvalidText,
}

impl Rule {
    /// The body, and whether it should have been text and is not.
    ///
    /// # Errors
    /// [`Reason::InvalidText`], where invalid text fails for good.
    pub(super) fn show<'a>(
        self,
        body: &'a [u8],
        scan: &PropertyScan<'_>,
    ) -> Result<(Shown<'a>, bool), RenderError> {
        if self.binary {
            return Ok((Shown::Base64(body), false));
        }
        let charset = Charset::of(scan);
        if let Some(text) = charset.decode(body) {
            return Ok((Shown::Text(text), false));
        }
        match self.on_invalid {
            OnInvalidText::Base64 => Ok((Shown::Base64(body), true)),
            OnInvalidText::Replace => Ok((Shown::Text(charset.decode_lossy(body)), true)),
            OnInvalidText::DeadLetter => Err(RenderError {
                reason: Reason::InvalidText,
                text: format!("the body is not text in {}", charset.name()),
            }),
        }
    }
}

/// The character set of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Charset {
    /// Each byte is the character of that number. The Web takes the name for windows-1252, which
    /// has no controls above 127, but messages are not the Web's.
    Latin1,
    /// UTF-16 whose order of bytes its mark tells; big-endian without one (RFC 2781, section 4.3).
    Utf16,
    Known(&'static Encoding),
    /// Named and not known: no body is text in it.
    Unknown,
}

impl Charset {
    /// The `charset` of `content-type`, or else `content-encoding` where that names a character
    /// set, as some clients have it, or else UTF-8.
    fn of(scan: &PropertyScan<'_>) -> Charset {
        if let Some(label) = scan.content_type.and_then(charset_label) {
            return Charset::named(label).unwrap_or(Charset::Unknown);
        }
        scan.content_encoding.and_then(Charset::named).unwrap_or(Charset::Known(UTF_8))
    }

    fn named(label: &[u8]) -> Option<Charset> {
        let is = |name: &[u8]| label.eq_ignore_ascii_case(name);
        if is(b"iso-8859-1") || is(b"latin1") || is(b"iso_8859-1") {
            return Some(Charset::Latin1);
        }
        if is(b"utf-16") {
            return Some(Charset::Utf16);
        }
        // UTF-8 is ASCII where it is ASCII, and what people send under that name where it is not.
        if is(b"us-ascii") || is(b"ascii") {
            return Some(Charset::Known(UTF_8));
        }
        Encoding::for_label_no_replacement(label).map(Charset::Known)
    }

    /// The text, with a byte order mark where there is one; `None` when it is not in this set.
    fn decode(self, body: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Charset::Latin1 => Some(encoding_rs::mem::decode_latin1(body)),
            // Much the most frequent one, and faster so.
            Charset::Known(encoding) if encoding == UTF_8 => {
                str::from_utf8(body).ok().map(Cow::Borrowed)
            }
            Charset::Known(encoding) => {
                encoding.decode_without_bom_handling_and_without_replacement(body)
            }
            Charset::Utf16 => Charset::Known(utf_16(body)).decode(body),
            Charset::Unknown => None,
        }
    }

    /// The text with U+FFFD for what is not in the set; a set that is not known is taken for UTF-8.
    fn decode_lossy(self, body: &[u8]) -> Cow<'_, str> {
        match self {
            Charset::Latin1 => encoding_rs::mem::decode_latin1(body),
            Charset::Known(encoding) => encoding.decode_without_bom_handling(body).0,
            Charset::Utf16 => Charset::Known(utf_16(body)).decode_lossy(body),
            Charset::Unknown => String::from_utf8_lossy(body),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Charset::Latin1 => "ISO-8859-1",
            Charset::Known(encoding) => encoding.name(),
            Charset::Utf16 => "UTF-16",
            Charset::Unknown => "its character set, which is not known",
        }
    }
}

fn utf_16(body: &[u8]) -> &'static Encoding {
    if body.starts_with(&[0xFF, 0xFE]) { UTF_16LE } else { UTF_16BE }
}

/// The value of the parameter `charset`, without its quotes.
fn charset_label(content_type: &[u8]) -> Option<&[u8]> {
    content_type.split(|byte| *byte == b';').skip(1).find_map(|parameter| {
        let equals = parameter.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (&parameter[..equals], &parameter[equals + 1..]);
        let value = value.trim_ascii();
        let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
        name.trim_ascii().eq_ignore_ascii_case(b"charset").then_some(unquoted.unwrap_or(value))
    })
}
