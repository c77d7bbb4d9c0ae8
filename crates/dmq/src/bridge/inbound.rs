//! A message of the bus as it is published: routing key, properties and body. Pure functions.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use amqp::content::PropertyScan;
use amqp::value::{RawTable, Table, Value};

use crate::message::Received;

/// The peer. A message that is to be sent may name its peer here as well.
pub(super) const PEER_HEADER: &str = "dmq-peer";
/// Who sent it: the `From` URI. A message that is to be sent may name its recipient here, so that
/// an answer can be given by the same header.
pub(super) const NODE_HEADER: &str = "dmq-node";
/// The address that it came from. A message that has it came from a bus.
pub(super) const SOURCE_HEADER: &str = "dmq-source";
/// The `Call-ID` of the request.
const CALL_ID_HEADER: &str = "dmq-call-id";

/// A short string of AMQP; also what is kept of a `Call-ID`, so that the headers fit into any frame.
const SHORT_BYTES_MAX: usize = 255;
/// The longest name of a peer in a routing key.
const PEER_BYTES_MAX: usize = 64;
/// Survives a restart of the broker.
const PERSISTENT: u8 = 2;

/// What is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Publication {
    /// Empty for the default exchange.
    pub(super) exchange: Vec<u8>,
    pub(super) routing_key: Vec<u8>,
    /// Flag word and list.
    pub(super) properties: Vec<u8>,
    pub(super) body: Vec<u8>,
}

impl Publication {
    /// What it takes while it waits.
    pub(super) fn bytes(&self) -> usize {
        self.routing_key.len() + self.properties.len() + self.body.len()
    }
}

/// The message for this exchange.
///
/// The routing key is the peer and the sender's `host:port`, or the address that it came from when
/// it names no sender or one with a very long name: always more than one word. `message_id` is the
/// `Call-ID`, which is new for each message and destination, unless it is too long for that.
pub(super) fn publication(exchange: &str, message: &Received) -> Publication {
    let call_id = cut(&message.call_id, SHORT_BYTES_MAX);
    let mut headers = Table::new();
    headers.insert(PEER_HEADER, Value::from(cut(&message.peer, SHORT_BYTES_MAX)));
    if let Some(node) = &message.from {
        headers.insert(NODE_HEADER, Value::from(&*node.to_string()));
    }
    headers.insert(SOURCE_HEADER, Value::from(&*message.source.to_string()));
    headers.insert(CALL_ID_HEADER, Value::from(call_id));
    let mut table = Vec::new();
    headers.encode(&mut table);
    let content_type = message.content_type.as_bytes();
    let fits = (1..=SHORT_BYTES_MAX).contains(&content_type.len());
    let properties = PropertyScan {
        content_type: fits.then_some(content_type),
        headers: Some(RawTable(&table[4..])),
        delivery_mode: Some(PERSISTENT),
        message_id: (call_id.len() == message.call_id.len()).then_some(call_id.as_bytes()),
        timestamp: u64::try_from(message.at_ms / 1000).ok(),
        ..PropertyScan::default()
    };
    Publication {
        exchange: exchange.into(),
        routing_key: routing_key(message).into_bytes(),
        properties: properties.encode(),
        body: message.body.clone(),
    }
}

fn routing_key(message: &Received) -> String {
    let mut key = format!("{}.", cut(&message.peer, PEER_BYTES_MAX));
    let peer_bytes = key.len();
    if let Some(node) = &message.from {
        // Writing to a string cannot fail.
        let _ = node.host_port(&mut key);
        if key.len() <= SHORT_BYTES_MAX {
            return key;
        }
        key.truncate(peer_bytes);
    }
    let _ = write!(key, "{}", message.source);
    key
}

fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}
