//! By which keys messages belong together: a lane, a message that succeeded before, a copy of a
//! message that is still running.

#[cfg(test)]
mod tests;

use amqp::value::raw::RawValue;
use sha2::{Digest, Sha256};

use crate::config::KeySource;
use crate::message::Message;
use crate::origin::Origin;

/// The longest key that is kept as it is; of a longer one, its SHA-256 is.
const KEY_BYTES_MAX: usize = 255;

/// The message's key; `None` when it has none, or an empty one.
///
/// A header's text, binary data, integer and truth value are keys, the latter two as they are
/// written in JSON. A message that comes back from a delay queue has the routing key that it was
/// first published with. Headers that cannot be read hold no key.
pub fn key(message: &Message, source: &KeySource) -> Option<Vec<u8>> {
    let scan = message.scan().ok()?;
    match source {
        KeySource::MessageId => bounded(scan.message_id?),
        KeySource::CorrelationId => bounded(scan.correlation_id?),
        KeySource::RoutingKey => bounded(Origin::of(message, scan.headers).routing_key),
        KeySource::Header(name) => {
            let mut fields = scan.headers?.fields().map_while(Result::ok);
            let field = fields.find(|field| field.key == name.as_bytes())?;
            match field.read().ok()? {
                RawValue::LongStr(bytes) | RawValue::Bytes(bytes) => bounded(bytes),
                RawValue::Int(number) => Some(number.to_string().into_bytes()),
                RawValue::Bool(truth) => Some(truth.to_string().into_bytes()),
                _ => None,
            }
        }
    }
}

fn bounded(key: &[u8]) -> Option<Vec<u8>> {
    match key.len() {
        0 => None,
        1..=KEY_BYTES_MAX => Some(key.to_vec()),
        _ => Some(Sha256::digest(key).to_vec()),
    }
}

/// By what a redelivered copy is known to be of the message that is running: message id, exchange,
/// routing key and body together, so that a publisher that uses ids again loses nothing. `None`
/// without a message id.
///
/// Hashes the whole body: to be asked for when a copy may exist, not for every message.
pub fn join_key(message: &Message) -> Option<[u8; 32]> {
    let message_id = message.scan().ok()?.message_id.filter(|id| !id.is_empty())?;
    let mut hash = Sha256::new();
    for part in [message_id, &message.exchange, &message.routing_key] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(message.body_bytes.to_be_bytes());
    hash.update(Sha256::digest(&message.body));
    Some(hash.finalize().into())
}
