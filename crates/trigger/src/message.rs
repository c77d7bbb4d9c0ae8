//! A message as it came from its queue.

use amqp::content::{Properties, PropertyScan};
use amqp::error::DecodeError;
use bytes::Bytes;
use client::event::Delivery;

/// Milliseconds, since 1970 where it is a time.
pub type Millis = u64;

/// A message as it came; the strings are bytes, because they need not be UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The delivery tag under which it came.
    pub delivery_tag: u64,
    /// The broker's flag: it was delivered before, which does not mean that it ran.
    pub redelivered: bool,
    /// Where it was published; empty for the default exchange.
    pub exchange: Vec<u8>,
    /// With which key.
    pub routing_key: Vec<u8>,
    /// Flag word and list as they came, unchecked.
    pub properties: Vec<u8>,
    /// The payload; empty when it was too large to be kept.
    pub body: Bytes,
    /// The size of the payload, kept or not.
    pub body_bytes: u64,
}

impl From<Delivery> for Message {
    fn from(delivery: Delivery) -> Message {
        Message {
            delivery_tag: delivery.tag,
            redelivered: delivery.redelivered,
            exchange: delivery.exchange,
            routing_key: delivery.routing_key,
            properties: delivery.properties,
            body: Bytes::from(delivery.body),
            body_bytes: delivery.body_bytes,
        }
    }
}

impl Message {
    /// The properties, decoded in one pass; the headers are checked only when they are walked.
    ///
    /// # Errors
    /// The list is broken.
    pub fn scan(&self) -> Result<PropertyScan<'_>, DecodeError> {
        Properties(&self.properties).scan()
    }
}
