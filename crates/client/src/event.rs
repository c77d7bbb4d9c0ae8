//! What a connection hands to its owner.

use std::fmt;
use std::sync::Arc;

/// One thing that the broker sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message for a consumer.
    Delivery(Delivery),
    /// The broker has taken a published message into its care, or dropped it after
    /// [`Event::Returned`].
    Acked {
        /// The channel it was published on.
        channel: u16,
        /// The number that `publish` returned.
        tag: u64,
        /// Whether all up to `tag` are meant.
        multiple: bool,
    },
    /// The broker could not take a published message.
    Nacked {
        /// The channel it was published on.
        channel: u16,
        /// The number that `publish` returned.
        tag: u64,
        /// Whether all up to `tag` are meant.
        multiple: bool,
    },
    /// A mandatory message had no queue to go to; on a confirm channel it is acked after this.
    Returned(Returned),
    /// The broker ended a consumer, as a rule because its queue is gone.
    Cancelled {
        /// The consumer's channel.
        channel: u16,
        /// The consumer's tag.
        consumer: Arc<str>,
    },
    /// The broker closed a channel, and its number is free again. Unsettled deliveries go back to
    /// their queues; unconfirmed messages may or may not have arrived.
    ChannelClosed(ChannelClosed),
    /// The broker is short of memory or disk, and reads nothing from a connection that publishes
    /// until [`Event::Unblocked`]. The text says what it is short of.
    Blocked(String),
    /// The broker reads again.
    Unblocked,
    /// The broker asks for a pause in publishing or ends it; answered already.
    Flow {
        /// The channel.
        channel: u16,
        /// Whether publishing is welcome.
        active: bool,
    },
}

impl Event {
    /// The channel that it is about; `None` when it is about the connection.
    pub fn channel(&self) -> Option<u16> {
        match self {
            Event::Delivery(Delivery { channel, .. })
            | Event::Acked { channel, .. }
            | Event::Nacked { channel, .. }
            | Event::Returned(Returned { channel, .. })
            | Event::Cancelled { channel, .. }
            | Event::ChannelClosed(ChannelClosed { channel, .. })
            | Event::Flow { channel, .. } => Some(*channel),
            Event::Blocked(_) | Event::Unblocked => None,
        }
    }
}

/// A message from a queue. The strings are bytes because RabbitMQ 3.x passes on routing keys that
/// are not UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The channel on which it is settled.
    pub channel: u16,
    /// The consumer's tag; empty for what `get` fetched.
    pub consumer: Arc<str>,
    /// What it is settled by.
    pub tag: u64,
    /// Whether somebody had it before, perhaps.
    pub redelivered: bool,
    /// Where it was published; empty for the default exchange.
    pub exchange: Vec<u8>,
    /// With which key.
    pub routing_key: Vec<u8>,
    /// Flag word and list as they came, unchecked; see [`amqp::content::Properties`].
    pub properties: Vec<u8>,
    /// The payload; empty when it is larger than
    /// [`Options::keep_body_bytes`](crate::options::Options).
    pub body: Vec<u8>,
    /// The size of the payload, kept or not.
    pub body_bytes: u64,
}

/// A mandatory message that came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// The channel it was published on.
    pub channel: u16,
    /// 312 for a message without a route.
    pub code: u16,
    /// The broker's word, `NO_ROUTE`.
    pub text: String,
    /// Where it was published.
    pub exchange: Vec<u8>,
    /// With which key.
    pub routing_key: Vec<u8>,
    /// Flag word and list; a broker may have changed them.
    pub properties: Vec<u8>,
    /// The payload.
    pub body: Vec<u8>,
}

/// Why the broker closed a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelClosed {
    /// The channel.
    pub channel: u16,
    /// The reply code.
    pub code: u16,
    /// The broker's words, which start with the code's name.
    pub text: String,
    /// Class of the method at fault, or 0.
    pub class_id: u16,
    /// The method at fault, or 0.
    pub method_id: u16,
}

impl fmt::Display for ChannelClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the broker closed channel {}: {} {}", self.channel, self.code, self.text)?;
        let at = (self.class_id, self.method_id);
        match amqp::method::METHODS.iter().find(|(class, method, _)| (*class, *method) == at) {
            Some((_, _, name)) => write!(f, " (answer to {name})"),
            None => Ok(()),
        }
    }
}
