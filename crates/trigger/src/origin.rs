//! Where a message was first published, also when it has been in a delay queue since.

use amqp::value::RawTable;
use amqp::value::raw::RawValue;

use crate::message::Message;

/// The exchange that the message was first published to.
pub(crate) const EXCHANGE_HEADER: &str = "x-trigger-exchange";

/// The routing key that it was first published with.
pub(crate) const ROUTING_KEY_HEADER: &str = "x-trigger-routing-key";

/// The property `expiration` that it was first published with.
pub(crate) const EXPIRATION_HEADER: &str = "x-trigger-expiration";

/// Where a message was first published.
///
/// A delay queue gives messages back through the default exchange. So the headers that were written
/// before it went there count for a message from the default exchange that has both, and for no
/// other: one that was published anew elsewhere, with its headers, comes from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin<'a> {
    /// The exchange.
    pub(crate) exchange: &'a [u8],
    /// The routing key.
    pub(crate) routing_key: &'a [u8],
    /// The expiration that was taken off, if there was one.
    pub(crate) expiration: Option<&'a [u8]>,
}

impl<'a> Origin<'a> {
    /// Of a message with these headers; ones that cannot be read say nothing.
    pub(crate) fn of(message: &'a Message, headers: Option<RawTable<'a>>) -> Origin<'a> {
        let (mut exchange, mut routing_key, mut expiration) = (None, None, None);
        if let (true, Some(headers)) = (message.exchange.is_empty(), headers) {
            for field in headers.fields().map_while(Result::ok) {
                let place = match str::from_utf8(field.key) {
                    Ok(EXCHANGE_HEADER) => &mut exchange,
                    Ok(ROUTING_KEY_HEADER) => &mut routing_key,
                    Ok(EXPIRATION_HEADER) => &mut expiration,
                    _ => continue,
                };
                if let Ok(RawValue::LongStr(bytes)) = field.read() {
                    place.get_or_insert(bytes);
                }
            }
        }
        match (exchange, routing_key) {
            (Some(exchange), Some(routing_key)) => Origin { exchange, routing_key, expiration },
            _ => Origin {
                exchange: &message.exchange,
                routing_key: &message.routing_key,
                expiration: None,
            },
        }
    }
}
