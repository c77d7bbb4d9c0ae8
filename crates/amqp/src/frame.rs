//! Frames: the envelope of everything but the protocol header, and the frames that a broker writes
//! for every message.
//!
//! A frame is an octet of kind, a 16-bit channel, a 32-bit payload size, the payload and
//! [`FRAME_END`]. The `write_…` functions append to a connection's output.

use std::fmt;

use crate::content::Properties;
use crate::error::{AmqpError, Octets, ReplyCode, SHORTSTR_BYTES_MAX};
use crate::method::Method;
use crate::wire::put_short_bytes;

/// What a client sends first: the protocol's name and version 0-9-1.
pub const PROTOCOL_HEADER: [u8; 8] = *b"AMQP\x00\x00\x09\x01";

/// The last octet of every frame.
pub const FRAME_END: u8 = 0xCE;

/// Bytes of a frame that are not payload: header and end.
pub const FRAME_OVERHEAD_BYTES: usize = HEAD_BYTES + 1;

/// The largest payload when no frame_max was negotiated.
pub const PAYLOAD_BYTES_MAX: u32 = 256 * 1024 * 1024;

const HEAD_BYTES: usize = 7;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// A [`Method`].
    Method = 1,
    /// A [`ContentHeader`](crate::content::ContentHeader).
    Header = 2,
    /// A piece of a message's body.
    Body = 3,
    /// Nothing: a sign of life.
    Heartbeat = 8,
}

impl FrameKind {
    /// The kind of a frame with this octet and payload: a method starts with its ids, a content
    /// header has class, weight and size, a heartbeat is empty.
    #[inline]
    fn new(octet: u8, payload: &[u8]) -> Option<FrameKind> {
        match octet {
            1 if payload.len() >= 4 => Some(FrameKind::Method),
            2 if payload.len() >= CONTENT_HEAD_BYTES => Some(FrameKind::Header),
            3 => Some(FrameKind::Body),
            8 if payload.is_empty() => Some(FrameKind::Heartbeat),
            _ => None,
        }
    }
}

/// One frame of a read buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What the payload is.
    pub kind: FrameKind,
    /// 0 is the connection itself.
    pub channel: u16,
    /// Without header and end.
    pub payload: &'a [u8],
}

impl Frame<'_> {
    /// The error for a frame where it has no business, as a heartbeat on a channel has none.
    pub fn unexpected(&self) -> AmqpError {
        let text = format!("type {}, {}", self.kind as u8, Snippet::new(self.payload));
        AmqpError::new(ReplyCode::UnexpectedFrame, text)
    }
}

/// Why a stream of bytes is not one of frames. There is no way on from here: where the next frame
/// starts is unknown. `Display` gives RabbitMQ's explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The payload is larger than was negotiated.
    #[error("type {kind}, all octets = <<>>: {{frame_too_large,{size},{max}}}")]
    TooLarge {
        /// The octet where the kind should be.
        kind: u8,
        /// Bytes of payload that the frame announces.
        size: u32,
        /// Bytes of payload that were negotiated.
        max: u32,
    },
    /// The octet after the payload is not [`FRAME_END`].
    #[error("type {kind}, {payload}: {{invalid_frame_end_marker,{end}}}")]
    BadEnd {
        /// The octet of the kind.
        kind: u8,
        /// What there is instead.
        end: u8,
        /// The start of the payload.
        payload: Snippet,
    },
    /// There is no such kind of frame, or its payload cannot be one: a method without ids, a
    /// heartbeat that is not empty.
    #[error("type {kind}, {payload}: unknown_frame")]
    Unknown {
        /// The octet where the kind should be.
        kind: u8,
        /// The start of the payload.
        payload: Snippet,
    },
}

impl FrameError {
    /// 501 for all of them.
    pub fn reply_code(&self) -> ReplyCode {
        ReplyCode::FrameError
    }
}

impl From<FrameError> for AmqpError {
    fn from(error: FrameError) -> AmqpError {
        AmqpError::new(error.reply_code(), error.to_string())
    }
}

/// The start of a payload, for an error text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snippet {
    bytes: [u8; 16],
    len: usize,
}

impl Snippet {
    fn new(payload: &[u8]) -> Snippet {
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(payload).for_each(|(to, from)| *to = *from);
        Snippet { bytes, len: payload.len() }
    }
}

/// As Erlang prints binaries: `all octets = <<"text">>` or `first 16 octets = <<1,2,…>>`. Latin-1
/// counts as text there, but would not be UTF-8 in an error text.
impl fmt::Display for Snippet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = &self.bytes[..self.len.min(self.bytes.len())];
        let which = if self.len > bytes.len() { "first 16" } else { "all" };
        write!(f, "{which} octets = ")?;
        match bytes.iter().map(|byte| printable(*byte)).collect::<Option<String>>() {
            Some(text) if !text.is_empty() => write!(f, "<<\"{text}\">>"),
            _ => write!(f, "{}", Octets(bytes)),
        }
    }
}

/// The character in an Erlang string.
fn printable(byte: u8) -> Option<String> {
    Some(match byte {
        b'"' | b'\\' => format!("\\{}", char::from(byte)),
        b' '..=b'~' => char::from(byte).to_string(),
        0x08 => "\\b".into(),
        b'\t' => "\\t".into(),
        b'\n' => "\\n".into(),
        0x0B => "\\v".into(),
        0x0C => "\\f".into(),
        b'\r' => "\\r".into(),
        0x1B => "\\e".into(),
        _ => return None,
    })
}

/// Takes the first frame of `buf`; with it comes the number of bytes that it used. `None`: the
/// frame is not complete yet.
///
/// `frame_max` 0 means unlimited, which is [`PAYLOAD_BYTES_MAX`]. A frame may exceed `frame_max`
/// by the 8 bytes of its header and end, as RabbitMQ allows for clients that count them wrong.
///
/// # Errors
/// The size is judged as soon as it is there, so that nobody waits for a frame that would be
/// refused; the rest when the frame is complete.
#[inline]
pub fn parse(buf: &[u8], frame_max: u32) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let Some((&[octet, c1, c0, s3, s2, s1, s0], rest)) = buf.split_first_chunk() else {
        return Ok(None);
    };
    let size = u32::from_be_bytes([s3, s2, s1, s0]);
    if size > if frame_max == 0 { PAYLOAD_BYTES_MAX } else { frame_max } {
        let max = match frame_max {
            0 => PAYLOAD_BYTES_MAX,
            _ => frame_max.saturating_sub(FRAME_OVERHEAD_BYTES as u32),
        };
        return Err(FrameError::TooLarge { kind: octet, size, max });
    }
    let Some((payload, &[end, ..])) = rest.split_at_checked(size as usize) else {
        return Ok(None);
    };
    if end != FRAME_END {
        return Err(FrameError::BadEnd { kind: octet, end, payload: Snippet::new(payload) });
    }
    let Some(kind) = FrameKind::new(octet, payload) else {
        return Err(FrameError::Unknown { kind: octet, payload: Snippet::new(payload) });
    };
    let frame = Frame { kind, channel: u16::from_be_bytes([c1, c0]), payload };
    Ok(Some((frame, payload.len() + FRAME_OVERHEAD_BYTES)))
}

/// Bytes of the whole first frame of `buf`, header and end included, once its 7-byte header is
/// there. What the header says is not judged; [`parse`] does that.
pub fn needed(buf: &[u8]) -> Option<usize> {
    let [_, _, _, size @ ..] = buf.first_chunk::<HEAD_BYTES>()?;
    Some(u32::from_be_bytes(*size) as usize + FRAME_OVERHEAD_BYTES)
}

/// Appends a method frame.
pub fn write_method(out: &mut Vec<u8>, channel: u16, method: &Method<'_>) {
    let start = out.len();
    out.extend_from_slice(&head(FrameKind::Method, channel, 0));
    method.encode(out);
    let size = (out.len() - start - HEAD_BYTES) as u32;
    out[start + 3..start + HEAD_BYTES].copy_from_slice(&size.to_be_bytes());
    out.push(FRAME_END);
}

/// Appends the header frame of a message.
pub fn write_header(out: &mut Vec<u8>, channel: u16, body_size: u64, properties: Properties<'_>) {
    out.reserve(header_frame_bytes(properties));
    put_header(out, channel, body_size, properties);
}

/// Appends the header of a body frame; `len` bytes of body and [`FRAME_END`] have to follow.
#[inline]
pub fn write_body_head(out: &mut Vec<u8>, channel: u16, len: u32) {
    out.extend_from_slice(&head(FrameKind::Body, channel, len));
}

/// Appends header frame and body frames of at most `frame_max` bytes each; 0 is unlimited. An
/// empty body has no body frame.
pub fn write_content(
    out: &mut Vec<u8>,
    channel: u16,
    properties: Properties<'_>,
    body: &[u8],
    frame_max: u32,
) {
    let piece_bytes = match frame_max {
        0 => PAYLOAD_BYTES_MAX,
        _ => frame_max.saturating_sub(FRAME_OVERHEAD_BYTES as u32).max(1),
    } as usize;
    let frames = body.len().div_ceil(piece_bytes);
    out.reserve(header_frame_bytes(properties) + body.len() + frames * FRAME_OVERHEAD_BYTES);
    put_header(out, channel, body.len() as u64, properties);
    for piece in body.chunks(piece_bytes) {
        write_body_head(out, channel, piece.len() as u32);
        out.extend_from_slice(piece);
        out.push(FRAME_END);
    }
}

/// Appends `basic.deliver`. The strings are cut to 255 bytes.
pub fn write_deliver(
    out: &mut Vec<u8>,
    channel: u16,
    consumer_tag: &[u8],
    delivery_tag: u64,
    redelivered: bool,
    exchange: &[u8],
    routing_key: &[u8],
) {
    let strings = [consumer_tag, exchange, routing_key].map(cut);
    let size = 4 + strings_bytes(&strings) + 8 + 1;
    let [consumer_tag, exchange, routing_key] = strings;
    start_method(out, channel, size, (60, 60));
    put_short_bytes(out, consumer_tag);
    out.extend_from_slice(&tag_and_bits(delivery_tag, u8::from(redelivered)));
    put_short_bytes(out, exchange);
    put_short_bytes(out, routing_key);
    out.push(FRAME_END);
}

/// Appends `basic.get-ok`. The strings are cut to 255 bytes.
pub fn write_get_ok(
    out: &mut Vec<u8>,
    channel: u16,
    delivery_tag: u64,
    redelivered: bool,
    exchange: &[u8],
    routing_key: &[u8],
    message_count: u32,
) {
    let strings = [exchange, routing_key].map(cut);
    let size = 4 + 8 + 1 + strings_bytes(&strings) + 4;
    let [exchange, routing_key] = strings;
    start_method(out, channel, size, (60, 71));
    out.extend_from_slice(&tag_and_bits(delivery_tag, u8::from(redelivered)));
    put_short_bytes(out, exchange);
    put_short_bytes(out, routing_key);
    out.extend_from_slice(&message_count.to_be_bytes());
    out.push(FRAME_END);
}

/// Appends `basic.return`; RabbitMQ's text is the bare `NO_ROUTE`. The strings are cut to 255
/// bytes.
pub fn write_return(
    out: &mut Vec<u8>,
    channel: u16,
    code: ReplyCode,
    text: &str,
    exchange: &[u8],
    routing_key: &[u8],
) {
    let strings = [text.as_bytes(), exchange, routing_key].map(cut);
    let size = 4 + 2 + strings_bytes(&strings);
    start_method(out, channel, size, (60, 50));
    out.extend_from_slice(&code.code().to_be_bytes());
    for string in strings {
        put_short_bytes(out, string);
    }
    out.push(FRAME_END);
}

/// Appends `basic.ack`, a publisher's confirm.
pub fn write_ack(out: &mut Vec<u8>, channel: u16, delivery_tag: u64, multiple: bool) {
    write_settled(out, channel, 80, delivery_tag, multiple);
}

/// Appends `basic.nack`, a publisher's negative confirm. The requeue bit means nothing to a
/// publisher and is not set.
pub fn write_nack(out: &mut Vec<u8>, channel: u16, delivery_tag: u64, multiple: bool) {
    write_settled(out, channel, 120, delivery_tag, multiple);
}

/// Appends a heartbeat.
pub fn write_heartbeat(out: &mut Vec<u8>) {
    out.extend_from_slice(&[FrameKind::Heartbeat as u8, 0, 0, 0, 0, 0, 0, FRAME_END]);
}

fn write_settled(out: &mut Vec<u8>, channel: u16, method: u8, delivery_tag: u64, multiple: bool) {
    let mut frame = [0; FRAME_OVERHEAD_BYTES + 4 + 8 + 1];
    frame[..7].copy_from_slice(&head(FrameKind::Method, channel, 4 + 8 + 1));
    frame[7..11].copy_from_slice(&[0, 60, 0, method]);
    frame[11..20].copy_from_slice(&tag_and_bits(delivery_tag, u8::from(multiple)));
    frame[20] = FRAME_END;
    out.extend_from_slice(&frame);
}

/// Appends frame header and ids of a method whose payload has `size` bytes, with room for all.
#[inline]
fn start_method(out: &mut Vec<u8>, channel: u16, size: usize, (class, method): (u8, u8)) {
    out.reserve(size + FRAME_OVERHEAD_BYTES);
    out.extend_from_slice(&head(FrameKind::Method, channel, size as u32));
    out.extend_from_slice(&[0, class, 0, method]);
}

#[inline]
fn put_header(out: &mut Vec<u8>, channel: u16, body_size: u64, properties: Properties<'_>) {
    let size = CONTENT_HEAD_BYTES + properties.0.len();
    out.extend_from_slice(&head(FrameKind::Header, channel, size as u32));
    out.extend_from_slice(&[0, 60, 0, 0]);
    out.extend_from_slice(&body_size.to_be_bytes());
    out.extend_from_slice(properties.0);
    out.push(FRAME_END);
}

/// Class, weight and body size, before the properties.
const CONTENT_HEAD_BYTES: usize = 2 + 2 + 8;

fn header_frame_bytes(properties: Properties<'_>) -> usize {
    FRAME_OVERHEAD_BYTES + CONTENT_HEAD_BYTES + properties.0.len()
}

#[inline]
fn head(kind: FrameKind, channel: u16, size: u32) -> [u8; HEAD_BYTES] {
    let [c1, c0] = channel.to_be_bytes();
    let [s3, s2, s1, s0] = size.to_be_bytes();
    [kind as u8, c1, c0, s3, s2, s1, s0]
}

#[inline]
fn tag_and_bits(delivery_tag: u64, bits: u8) -> [u8; 9] {
    let mut bytes = [bits; 9];
    bytes[..8].copy_from_slice(&delivery_tag.to_be_bytes());
    bytes
}

fn cut(bytes: &[u8]) -> &[u8] {
    bytes.get(..SHORTSTR_BYTES_MAX).unwrap_or(bytes)
}

fn strings_bytes(strings: &[&[u8]]) -> usize {
    strings.iter().map(|string| 1 + string.len()).sum()
}

#[cfg(test)]
mod tests;
