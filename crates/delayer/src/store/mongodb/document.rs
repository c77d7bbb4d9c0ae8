//! A message as a document:
//!
//! | field | is |
//! |---|---|
//! | `_id` | seq, int64 |
//! | `due`, `stored` | Unix milliseconds, int64 |
//! | `bytes`, `size` | bytes of all parts, bytes of the body, int64 |
//! | `mid` | message-id, if it has one |
//! | `ex`, `rk`, `hdr` | exchange, routing key, properties |
//! | `body` | the body, unless all parts are more than [`INLINE_BYTES_MAX`] |
//!
//! A larger body is in documents beside it, whose `_id` is `{parent: seq, offset: n}` and whose
//! `body` is the part from there. They are written before it and removed after it, so it is never
//! seen without them. What has no `due` is no message.

use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document, doc};

use crate::message::{DUE_MAX, Entry, Held, Key, Message, NewMessage};

/// A document may have 16 MiB.
pub(super) const INLINE_BYTES_MAX: u64 = 15 << 20;

/// Bytes of the part of a body in a document of its own.
const PART_BYTES: usize = 15 << 20;

/// What is read of a message for a list.
pub(super) const LISTED: &[&str] = &["due", "stored", "mid", "ex", "rk", "size"];

/// A number as MongoDB has it: its integers are signed.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The number of a field, whatever its type.
pub(super) fn number(document: &Document, field: &str) -> Option<u64> {
    match document.get(field)? {
        Bson::Int64(number) => u64::try_from(*number).ok(),
        Bson::Int32(number) => u64::try_from(*number).ok(),
        Bson::Double(number) if *number >= 0.0 => Some(*number as u64),
        _ => None,
    }
}

pub(super) fn binary(bytes: &[u8]) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() })
}

/// The documents of a message: parts of its body if they are too large, then the message.
pub(super) fn documents(key: Key, new: &NewMessage) -> (Vec<Document>, Document) {
    let message = &new.message;
    let mut document = doc! {
        "_id": int(key.seq),
        "due": int(key.due_ms),
        "stored": int(new.stored_ms),
        "bytes": int(message.bytes() as u64),
        "size": int(message.body.len() as u64),
        "ex": binary(&message.exchange),
        "rk": binary(&message.routing_key),
        "hdr": binary(&message.properties),
    };
    if !new.message_id.is_empty() {
        document.insert("mid", binary(&new.message_id));
    }
    if message.bytes() as u64 <= INLINE_BYTES_MAX {
        document.insert("body", binary(&message.body));
        return (Vec::new(), document);
    }
    let ids = part_ids(key.seq, message.body.len() as u64);
    let parts = ids.into_iter().zip(message.body.chunks(PART_BYTES));
    (parts.map(|(id, part)| doc! { "_id": id, "body": binary(part) }).collect(), document)
}

/// The names of the parts of a body, in their order.
pub(super) fn part_ids(seq: u64, size: u64) -> Vec<Document> {
    let offsets = (0..size).step_by(PART_BYTES);
    offsets.map(|offset| doc! { "parent": int(seq), "offset": int(offset) }).collect()
}

/// The key of a message's document.
pub(super) fn key(document: &Document) -> Option<Key> {
    let due_ms = number(document, "due").filter(|due| *due <= DUE_MAX)?;
    Some(Key { due_ms, seq: number(document, "_id")? })
}

/// The message in a document, with an empty body when that is elsewhere; the error says what is
/// wrong.
pub(super) fn held(document: &mut Document) -> Result<Held, &'static str> {
    let key = key(document).ok_or("it has no due time")?;
    let stored_ms = number(document, "stored").ok_or("the field stored is missing")?;
    let whole = number(document, "bytes").ok_or("the field bytes is missing")?;
    let message = Message {
        exchange: take(document, "ex").ok_or("the field ex is missing")?,
        routing_key: take(document, "rk").ok_or("the field rk is missing")?,
        properties: take(document, "hdr").ok_or("the field hdr is missing")?,
        body: match take(document, "body") {
            Some(body) => body,
            None if whole > INLINE_BYTES_MAX => Vec::new(),
            None => return Err("the field body is missing"),
        },
    };
    Ok(Held { key, stored_ms, message })
}

/// What a list shows; empty where the document lacks it.
pub(super) fn entry(document: &mut Document) -> Option<Entry> {
    Some(Entry {
        key: key(document)?,
        stored_ms: number(document, "stored").unwrap_or(0),
        message_id: take(document, "mid").unwrap_or_default(),
        exchange: take(document, "ex").unwrap_or_default(),
        routing_key: take(document, "rk").unwrap_or_default(),
        body_bytes: number(document, "size").unwrap_or(0),
    })
}

/// The bytes of a field, without copying them.
pub(super) fn take(document: &mut Document, field: &str) -> Option<Vec<u8>> {
    match document.get_mut(field)? {
        Bson::Binary(binary) => Some(std::mem::take(&mut binary.bytes)),
        _ => None,
    }
}
