//! A record: one message in a segment, with everything that the index knows of it, so that a
//! segment can be read without the index. Layout in `docs/internals/delayer.md`.

use crate::message::{Held, Key, Message, Millis, NewMessage};

/// Bytes of the fixed part.
pub(super) const HEAD: usize = 48;

/// Bodies up to this size are copied behind their head, larger ones are written from where they
/// are.
const COPIED_MAX: usize = 16 << 10;

/// The fixed part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// CRC-32C of everything behind it.
    pub(super) crc: u32,
    /// Bytes of the whole record.
    pub(super) bytes: usize,
    pub(super) seq: u64,
    /// When the message was due when it was stored; the index knows better.
    pub(super) due_ms: Millis,
    pub(super) stored_ms: Millis,
    pub(super) id: usize,
    pub(super) exchange: usize,
    pub(super) routing_key: usize,
    pub(super) properties: usize,
    pub(super) body: usize,
}

impl Head {
    /// The head of a message, without the checksum. `None` when a part is larger than its length
    /// field: 64 KiB for what AMQP limits to 255 bytes, 4 GiB for everything.
    pub(super) fn of(message: &NewMessage, seq: u64) -> Option<Head> {
        let parts = &message.message;
        let head = Head {
            crc: 0,
            bytes: HEAD + message.message_id.len() + parts.bytes(),
            seq,
            due_ms: message.due_ms,
            stored_ms: message.stored_ms,
            id: message.message_id.len(),
            exchange: parts.exchange.len(),
            routing_key: parts.routing_key.len(),
            properties: parts.properties.len(),
            body: parts.body.len(),
        };
        let short = head.id.max(head.exchange).max(head.routing_key);
        (u16::try_from(short).is_ok() && u32::try_from(head.bytes).is_ok()).then_some(head)
    }

    /// Reads a head; `None` when its lengths do not add up.
    pub(super) fn parse(bytes: &[u8]) -> Option<Head> {
        let bytes = bytes.first_chunk::<HEAD>()?;
        let head = Head {
            crc: u32_at(bytes, 0),
            bytes: u32_at(bytes, 4) as usize,
            seq: u64_at(bytes, 8),
            due_ms: u64_at(bytes, 16),
            stored_ms: u64_at(bytes, 24),
            id: usize::from(u16_at(bytes, 32)),
            exchange: usize::from(u16_at(bytes, 34)),
            routing_key: usize::from(u16_at(bytes, 36)),
            properties: u32_at(bytes, 40) as usize,
            body: u32_at(bytes, 44) as usize,
        };
        (head.body_at() + head.body == head.bytes).then_some(head)
    }

    /// Where the body begins.
    pub(super) fn body_at(&self) -> usize {
        HEAD + self.id + self.exchange + self.routing_key + self.properties
    }

    fn write(&self, out: &mut [u8]) {
        out[4..8].copy_from_slice(&(self.bytes as u32).to_le_bytes());
        out[8..16].copy_from_slice(&self.seq.to_le_bytes());
        out[16..24].copy_from_slice(&self.due_ms.to_le_bytes());
        out[24..32].copy_from_slice(&self.stored_ms.to_le_bytes());
        out[32..34].copy_from_slice(&(self.id as u16).to_le_bytes());
        out[34..36].copy_from_slice(&(self.exchange as u16).to_le_bytes());
        out[36..38].copy_from_slice(&(self.routing_key as u16).to_le_bytes());
        out[40..44].copy_from_slice(&(self.properties as u32).to_le_bytes());
        out[44..48].copy_from_slice(&(self.body as u32).to_le_bytes());
    }
}

/// Appends a record to `out`, except for a large body, which is returned: it belongs behind.
pub(super) fn encode<'a>(head: &Head, new: &'a NewMessage, out: &mut Vec<u8>) -> &'a [u8] {
    let start = out.len();
    let parts = &new.message;
    out.resize(start + HEAD, 0);
    head.write(&mut out[start..]);
    for part in [&new.message_id, &parts.exchange, &parts.routing_key, &parts.properties] {
        out.extend_from_slice(part);
    }
    let copied = parts.body.len() <= COPIED_MAX;
    if copied {
        out.extend_from_slice(&parts.body);
    }
    let rest: &[u8] = if copied { &[] } else { &parts.body };
    let crc = crc32c::crc32c_append(crc32c::crc32c(&out[start + 4..]), rest);
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
    rest
}

/// Whether a record is what was written. The error says what is wrong.
pub(super) fn check(head: &Head, front: &[u8], body: &[u8]) -> Result<(), &'static str> {
    let crc = crc32c::crc32c_append(crc32c::crc32c(&front[4..]), body);
    if crc == head.crc { Ok(()) } else { Err("its checksum is wrong") }
}

/// Reads a record that begins at the start of `bytes`.
pub(super) fn decode(bytes: &[u8]) -> Result<(Head, &[u8], &[u8]), &'static str> {
    let head = Head::parse(bytes).ok_or("its lengths do not add up")?;
    let bytes = bytes.get(..head.bytes).ok_or("it is cut short")?;
    let (front, body) = bytes.split_at(head.body_at());
    check(&head, front, body)?;
    Ok((head, front, body))
}

/// The message of a record: `front` is everything before the body.
pub(super) fn held(head: &Head, front: &[u8], body: Vec<u8>, key: Key) -> Held {
    let (_, exchange, routing_key, properties) = front_parts(head, front);
    Held {
        key,
        stored_ms: head.stored_ms,
        message: Message {
            exchange: exchange.to_vec(),
            routing_key: routing_key.to_vec(),
            properties: properties.to_vec(),
            body,
        },
    }
}

/// `message-id`, exchange, routing key and properties of a record, of which `front` has at least
/// these.
pub(super) fn front_parts<'a>(
    head: &Head,
    front: &'a [u8],
) -> (&'a [u8], &'a [u8], &'a [u8], &'a [u8]) {
    let (id, rest) = front[HEAD..].split_at(head.id);
    let (exchange, rest) = rest.split_at(head.exchange);
    let (routing_key, rest) = rest.split_at(head.routing_key);
    (id, exchange, routing_key, &rest[..head.properties.min(rest.len())])
}

fn u16_at(bytes: &[u8; HEAD], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8; HEAD], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8; HEAD], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
