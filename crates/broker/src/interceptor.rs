//! What the broker writes into each message as it is published, for those who ask for it: RabbitMQ's incoming message
//! interceptors (3.12 and later; before that, two plugins that did the same).

use amqp::content::PropertiesBuf;
use amqp::value::{Table, Value};

use crate::Millis;

/// The header with the time of publishing, in milliseconds.
const TIMESTAMP_IN_MS: &str = "timestamp_in_ms";
/// The header with the name of the node.
const ROUTED_BY: &str = "x-routed-by";

/// What becomes of a value that the publisher has set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Existing {
    /// It stays.
    Keep,
    /// The broker's takes its place.
    Overwrite,
}

/// Which interceptors are at work; none by default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Interceptors {
    /// Sets the header `timestamp_in_ms` and the property `timestamp`.
    pub timestamp: Option<Existing>,
    /// Sets the header `x-routed-by` to the node's name.
    pub routing_node: Option<Existing>,
}

impl Interceptors {
    /// Whether any is at work.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.timestamp.is_some() || self.routing_node.is_some()
    }

    /// Lets all do their work.
    pub(crate) fn apply(&self, properties: &mut PropertiesBuf, now: Millis, node: &str) {
        if let Some(existing) = self.routing_node {
            set_header(&mut properties.headers, ROUTED_BY, node.into(), existing);
        }
        if let Some(existing) = self.timestamp {
            let now_ms = Value::I64(i64::try_from(now).unwrap_or(i64::MAX));
            set_header(&mut properties.headers, TIMESTAMP_IN_MS, now_ms, existing);
            if existing == Existing::Overwrite || properties.timestamp.is_none() {
                properties.timestamp = Some(now / 1000);
            }
        }
    }
}

fn set_header(headers: &mut Option<Table>, name: &str, value: Value, existing: Existing) {
    let headers = headers.get_or_insert_default();
    if existing == Existing::Overwrite || headers.get(name).is_none() {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests;
