//! A message as the delayer keeps it: bytes as they came, and when they are due. Nothing here
//! reads what is inside.

/// Unix time in milliseconds.
pub type Millis = u64;

/// The latest due time that can be stored; later ones are brought down to it. MongoDB's integers
/// are signed.
pub const DUE_MAX: Millis = i64::MAX as Millis;

/// The place of a stored message: by due time, then in the order of arrival. No two messages of a
/// store ever have the same `seq`; rescheduling changes `due_ms` and keeps `seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// When it is due.
    pub due_ms: Millis,
    /// Its number, from 1, in the order of arrival.
    pub seq: u64,
}

impl Key {
    /// Below every key.
    pub const MIN: Key = Key { due_ms: 0, seq: 0 };

    /// The bytes that sort as keys do: both numbers big-endian.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.due_ms.to_be_bytes());
        bytes[8..].copy_from_slice(&self.seq.to_be_bytes());
        bytes
    }

    /// The key that [`Key::to_bytes`] wrote; `None` unless there are 16 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Key> {
        let (due, seq) = bytes.split_first_chunk::<8>()?;
        let seq = <[u8; 8]>::try_from(seq).ok()?;
        Some(Key { due_ms: u64::from_be_bytes(*due), seq: u64::from_be_bytes(seq) })
    }
}

/// A message with everything that is needed to publish it again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The exchange that it was published to.
    pub exchange: Vec<u8>,
    /// The routing key that it was published with.
    pub routing_key: Vec<u8>,
    /// The properties as on the wire: flags, then values.
    pub properties: Vec<u8>,
    /// The body.
    pub body: Vec<u8>,
}

impl Message {
    /// Bytes of all parts together.
    pub fn bytes(&self) -> usize {
        self.exchange.len() + self.routing_key.len() + self.properties.len() + self.body.len()
    }
}

/// A message that is to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// When it is due, at most [`DUE_MAX`].
    pub due_ms: Millis,
    /// When it was received.
    pub stored_ms: Millis,
    /// Its `message-id` property; empty when it has none. Need not be unique.
    pub message_id: Vec<u8>,
    /// The message.
    pub message: Message,
}

/// A message that is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Where it is stored.
    pub key: Key,
    /// When it was received.
    pub stored_ms: Millis,
    /// The message.
    pub message: Message,
}

/// What a list shows of a stored message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is stored.
    pub key: Key,
    /// When it was received.
    pub stored_ms: Millis,
    /// Its `message-id` property, empty when it has none.
    pub message_id: Vec<u8>,
    /// The exchange that it was published to.
    pub exchange: Vec<u8>,
    /// The routing key that it was published with.
    pub routing_key: Vec<u8>,
    /// Bytes of its body.
    pub body_bytes: u64,
}
