//! A message as bytes in the data file. Numbers are little-endian:
//!
//! ```text
//! crc32c of all up to the body, itself apart (4) · crc32c of the body (4) · seq (8) · stored ms (8)
//! · lengths of message-id, exchange, routing key, properties, body (4 each) · those five
//! ```

use std::io::{self, Write};

use crate::message::{Held, Key, Message, Millis, NewMessage};

/// Bytes before the message-id.
const HEAD_BYTES: usize = 44;

/// A stored message, where it lies.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub stored_ms: Millis,
    pub message_id: &'a [u8],
    pub exchange: &'a [u8],
    pub routing_key: &'a [u8],
    properties: &'a [u8],
    pub body: &'a [u8],
    body_crc: u32,
}

/// Bytes that the record of a message takes; `None` when LMDB cannot hold so many.
pub(super) fn size(new: &NewMessage) -> Option<usize> {
    let bytes = HEAD_BYTES + new.message_id.len() + new.message.bytes();
    u32::try_from(bytes).is_ok().then_some(bytes)
}

/// Writes the record of a message whose [`size`] is known.
pub(super) fn write(out: &mut impl Write, seq: u64, new: &NewMessage) -> io::Result<()> {
    let message = &new.message;
    let parts = [
        &new.message_id,
        &message.exchange,
        &message.routing_key,
        &message.properties,
        &message.body,
    ];
    let mut head = [0; HEAD_BYTES];
    head[4..8].copy_from_slice(&crc32c::crc32c(&message.body).to_le_bytes());
    head[8..16].copy_from_slice(&seq.to_le_bytes());
    head[16..24].copy_from_slice(&new.stored_ms.to_le_bytes());
    for (field, part) in head[24..].chunks_exact_mut(4).zip(parts) {
        let length = u32::try_from(part.len()).map_err(io::Error::other)?;
        field.copy_from_slice(&length.to_le_bytes());
    }
    let crc = parts[..4]
        .iter()
        .fold(crc32c::crc32c(&head[4..]), |crc, part| crc32c::crc32c_append(crc, part));
    head[..4].copy_from_slice(&crc.to_le_bytes());
    out.write_all(&head)?;
    parts.into_iter().try_for_each(|part| out.write_all(part))
}

impl<'a> Record<'a> {
    /// Reads the record of `seq` and checks all but its body. The error says what is wrong.
    pub(super) fn parse(bytes: &'a [u8], seq: u64) -> Result<Record<'a>, &'static str> {
        const SHORT: &str = "its record is cut off";
        let (head, _) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or(SHORT)?;
        let number = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| head[at + i]));
        let long = |at: usize| u64::from(number(at)) | u64::from(number(at + 4)) << 32;
        let mut rest = bytes.get(HEAD_BYTES..).ok_or(SHORT)?;
        let mut part = |at: usize| {
            let (part, after) = rest.split_at_checked(number(at) as usize)?;
            rest = after;
            Some(part)
        };
        let record = Record {
            stored_ms: long(16),
            message_id: part(24).ok_or(SHORT)?,
            exchange: part(28).ok_or(SHORT)?,
            routing_key: part(32).ok_or(SHORT)?,
            properties: part(36).ok_or(SHORT)?,
            body: part(40).ok_or(SHORT)?,
            body_crc: number(4),
        };
        let checked = &bytes[4..bytes.len() - record.body.len() - rest.len()];
        if !rest.is_empty() || crc32c::crc32c(checked) != number(0) {
            return Err("its record has a wrong checksum");
        }
        if long(8) != seq {
            return Err("its record belongs to another message");
        }
        Ok(record)
    }

    /// The message, after a check of its body.
    pub(super) fn held(&self, key: Key) -> Result<Held, &'static str> {
        if crc32c::crc32c(self.body) != self.body_crc {
            return Err("its body has a wrong checksum");
        }
        let message = Message {
            exchange: self.exchange.to_vec(),
            routing_key: self.routing_key.to_vec(),
            properties: self.properties.to_vec(),
            body: self.body.to_vec(),
        };
        Ok(Held { key, stored_ms: self.stored_ms, message })
    }
}
