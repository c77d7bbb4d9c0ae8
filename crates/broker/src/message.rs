//! The stored form of a message and its view: what `store.append` gets and `store.read` gives back.
//!
//! All integers are little-endian (docs/internals/message.md):
//!
//! ```text
//! 0   u8   flags: 1 persistent, 2 expires is set, 4 a bcc block follows the properties,
//!          8 held back: 16 is when it is due, 16 priority is set
//! 1   u8   priority, 0 when the publisher set none (or 0, then with flag 16)
//! 2   u8   length of the exchange name
//! 3   u8   length of the routing key
//! 4   u32  length of the properties (flag words and list, as on the wire)
//! 8   u64  enqueued, Unix ms
//! 16  u64  expires, Unix ms, 0 when not set
//! 24       exchange, routing key, properties, [u16 length, bcc block], body (the rest)
//! ```
//!
//! Parsing reads the fixed head and slices; nothing is copied or allocated.

use amqp::content::Properties;
use store::Slice;

use crate::Millis;

/// Bytes of the fixed head.
pub const HEAD_LEN: usize = 24;

const PERSISTENT: u8 = 1;
const EXPIRES: u8 = 2;
const BCC: u8 = 4;
const HELD: u8 = 8;
const PRIORITY: u8 = 16;

/// Everything a queue and a consumer need to know of one message.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// Where it was published, at most 255 bytes.
    pub exchange: &'a [u8],
    /// With which key, at most 255 bytes.
    pub routing_key: &'a [u8],
    /// Flags and property list exactly as on the wire.
    pub properties: Properties<'a>,
    /// The content.
    pub body: &'a [u8],
    /// When it was published.
    pub enqueued: Millis,
    /// When its own `expiration` makes it die.
    pub expires: Option<Millis>,
    /// The whole stored record, so that a sink can share a large body instead of copying it.
    pub backing: Option<&'a Slice>,
    /// `delivery_mode` 2.
    pub persistent: bool,
    /// The `priority` property.
    pub priority: Option<u8>,
    /// Keys of the `BCC` header, which no consumer may see but dead lettering routes by: each a u8 length and its bytes.
    pub bcc: &'a [u8],
}

/// A stored record that is not a message: the store's checksum held, so another version or a bug wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stored message of {len} bytes is shorter than its head says")]
pub struct MessageError {
    /// Length of the record.
    pub len: usize,
}

impl<'a> Message<'a> {
    /// Views a stored record; fails when a length in it reaches beyond its end.
    #[inline]
    pub fn parse(slice: &'a Slice) -> Result<Message<'a>, MessageError> {
        let mut message = Message::view(slice)?;
        message.backing = Some(slice);
        Ok(message)
    }

    /// Views stored bytes without sharing them (`backing` is none).
    #[inline]
    pub fn view(bytes: &'a [u8]) -> Result<Message<'a>, MessageError> {
        let err = || MessageError { len: bytes.len() };
        let (head, rest) = bytes.split_first_chunk::<HEAD_LEN>().ok_or_else(err)?;
        let [flags, priority, exchange_len, key_len, p0, p1, p2, p3, times @ ..] = *head;
        let properties_len = u32::from_le_bytes([p0, p1, p2, p3]) as usize;
        let [e0, e1, e2, e3, e4, e5, e6, e7, x0, x1, x2, x3, x4, x5, x6, x7] = times;
        let enqueued = u64::from_le_bytes([e0, e1, e2, e3, e4, e5, e6, e7]);
        let expires = u64::from_le_bytes([x0, x1, x2, x3, x4, x5, x6, x7]);
        let (exchange, rest) = rest.split_at_checked(exchange_len as usize).ok_or_else(err)?;
        let (routing_key, rest) = rest.split_at_checked(key_len as usize).ok_or_else(err)?;
        let (properties, rest) = rest.split_at_checked(properties_len).ok_or_else(err)?;
        let (bcc, body) = if flags & BCC == 0 {
            (&[][..], rest)
        } else {
            let (len, rest) = rest.split_first_chunk::<2>().ok_or_else(err)?;
            rest.split_at_checked(u16::from_le_bytes(*len) as usize).ok_or_else(err)?
        };
        Ok(Message {
            exchange,
            routing_key,
            properties: Properties(properties),
            body,
            enqueued,
            expires: (flags & EXPIRES != 0).then_some(expires),
            backing: None,
            persistent: flags & PERSISTENT != 0,
            // Before there was the flag, 0 was stored for a message without one.
            priority: (priority > 0 || flags & PRIORITY != 0).then_some(priority),
            bcc,
        })
    }

    /// The fixed head. Give it to [`Message::parts`].
    #[inline]
    pub fn head(&self) -> Head {
        debug_assert!(self.exchange.len() <= 255 && self.routing_key.len() <= 255, "shortstr");
        let mut flags = 0;
        if self.persistent {
            flags |= PERSISTENT;
        }
        if self.expires.is_some() {
            flags |= EXPIRES;
        }
        if !self.bcc.is_empty() {
            flags |= BCC;
        }
        if self.priority.is_some() {
            flags |= PRIORITY;
        }
        let mut fixed = [0; HEAD_LEN];
        fixed[0] = flags;
        fixed[1] = self.priority.unwrap_or(0);
        fixed[2] = self.exchange.len() as u8;
        fixed[3] = self.routing_key.len() as u8;
        fixed[4..8].copy_from_slice(&(self.properties.0.len() as u32).to_le_bytes());
        fixed[8..16].copy_from_slice(&self.enqueued.to_le_bytes());
        fixed[16..24].copy_from_slice(&self.expires.unwrap_or(0).to_le_bytes());
        Head { fixed, bcc_len: (self.bcc.len() as u16).to_le_bytes() }
    }

    /// The fixed head of a message that is held back until `due`. Its own `expiration` counts from then, so that the head
    /// needs no room for both times.
    pub(crate) fn head_until(&self, due: Millis) -> Head {
        let mut head = self.head();
        head.fixed[0] = head.fixed[0] & !EXPIRES | HELD;
        head.fixed[16..24].copy_from_slice(&due.to_le_bytes());
        head
    }

    /// When a stored message is due that is held back; none for any other.
    pub(crate) fn due(stored: &[u8]) -> Option<Millis> {
        let head = stored.first_chunk::<HEAD_LEN>()?;
        let due = head.last_chunk::<8>().map(|due| Millis::from_le_bytes(*due));
        due.filter(|_| head[0] & HELD != 0)
    }

    /// The stored form as slices in order, for `store.append`, which concatenates them.
    #[inline]
    pub fn parts<'b>(&'b self, head: &'b Head) -> [&'b [u8]; 7] {
        let bcc_len: &[u8] = if self.bcc.is_empty() { &[] } else { &head.bcc_len };
        [
            &head.fixed,
            self.exchange,
            self.routing_key,
            self.properties.0,
            bcc_len,
            self.bcc,
            self.body,
        ]
    }

    /// The stored form in one piece.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.parts(&self.head()).concat()
    }

    /// The keys of the `BCC` header.
    pub fn bcc_keys(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.bcc;
        std::iter::from_fn(move || {
            let (len, tail) = rest.split_first()?;
            let (key, tail) = tail.split_at_checked(*len as usize)?;
            rest = tail;
            Some(key)
        })
    }
}

/// The lengths and times in front of a stored message.
pub struct Head {
    fixed: [u8; HEAD_LEN],
    bcc_len: [u8; 2],
}
