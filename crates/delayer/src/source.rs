//! What a delivery asks for: when it is due, and what its exchange and key were. Pure functions
//! of bytes and a clock reading.

#[cfg(test)]
mod tests;

use amqp::content::{Properties, PropertyScan};
use amqp::value::{RawTable, Value};

use crate::config::{DueSource, TimestampUnit};
use crate::desk::Counters;
use crate::message::{DUE_MAX, Message, Millis};

/// Where `shutdown: return` keeps the exchange that a message was published to.
pub(crate) const EXCHANGE_HEADER: &str = "x-amqpdelayer-exchange";
/// Where `shutdown: return` keeps the routing key that it was published with.
pub(crate) const ROUTING_KEY_HEADER: &str = "x-amqpdelayer-routingkey";
/// Where `shutdown: return` keeps the due time, in Unix milliseconds.
pub(crate) const DUE_HEADER: &str = "x-amqpdelayer-due";
/// The header of the delayed-message-exchange plugin: milliseconds from now.
pub(crate) const DELAY_HEADER: &str = "x-delay";
/// A time as AMQP timestamp (seconds), or as an integer or digits (milliseconds).
pub(crate) const DELIVER_AT_HEADER: &str = "x-deliver-at";

/// A timestamp from here on is no time in seconds that anybody means (the year 5138); in
/// milliseconds it is one after March 1973.
const SECONDS_MAX: u64 = 100_000_000_000;

/// Which messages are held, and until when.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// Where the due time is looked for; the first that a message has counts.
    pub(crate) due_sources: Vec<DueSource>,
    /// What the `timestamp` property counts.
    pub(crate) timestamp_unit: TimestampUnit,
    /// What is due sooner is not held, in milliseconds.
    pub(crate) min_delay_ms: Millis,
    /// What is due later is due then, in milliseconds; 0 is no limit.
    pub(crate) max_delay_ms: Millis,
}

/// A delivery, understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// The message, with its own exchange and key even if it was returned by a shutdown.
    pub(crate) message: Message,
    /// Its `message-id`, empty when it has none.
    pub(crate) message_id: Vec<u8>,
    /// Until when it is held; `None`: it goes on at once.
    pub(crate) due_ms: Option<Millis>,
}

impl Rules {
    /// Understands a delivery that arrived at `now_ms`. One whose properties cannot be read goes on
    /// at once and unchanged.
    pub(crate) fn receive(
        &self,
        mut message: Message,
        now: Millis,
        counters: &mut Counters,
    ) -> Received {
        let Ok(scan) = Properties(&message.properties).scan() else {
            return Received { message, message_id: Vec::new(), due_ms: None };
        };
        let message_id = scan.message_id.unwrap_or_default().to_vec();
        let returned = scan.headers.and_then(Returned::read);
        let due = match &returned {
            Some(Returned { due_ms: Some(due), .. }) => Some(*due),
            _ => self.due(&scan, now, counters),
        };
        if let Some(Returned { exchange, routing_key, headers, .. }) = returned {
            let scan = PropertyScan { headers: headers.as_deref().map(RawTable), ..scan };
            message.properties = scan.encode();
            message.exchange = exchange;
            message.routing_key = routing_key;
        }
        let due_ms = due.and_then(|due| self.held_until(due, now, counters));
        Received { message, message_id, due_ms }
    }

    /// The first due time that the message has.
    fn due(&self, scan: &PropertyScan<'_>, now: Millis, counters: &mut Counters) -> Option<Millis> {
        let header = |name| scan.headers?.get(name).ok().flatten();
        self.due_sources.iter().find_map(|source| match source {
            DueSource::Timestamp => {
                let stamp = scan.timestamp?;
                let large = stamp >= SECONDS_MAX;
                if large && self.timestamp_unit == TimestampUnit::Seconds {
                    counters.timestamps_implausible += 1;
                }
                let milliseconds = match self.timestamp_unit {
                    TimestampUnit::Seconds => false,
                    TimestampUnit::Milliseconds => true,
                    TimestampUnit::Auto => large,
                };
                Some(if milliseconds { stamp } else { stamp.saturating_mul(1000) })
            }
            DueSource::XDelay => {
                let delay = number(&header(DELAY_HEADER)?)?;
                Some(now.saturating_add_signed(delay))
            }
            DueSource::XDeliverAt => match header(DELIVER_AT_HEADER)? {
                Value::Timestamp(seconds) => Some(seconds.saturating_mul(1000)),
                value => u64::try_from(number(&value)?).ok(),
            },
        })
    }

    fn held_until(&self, due: Millis, now: Millis, counters: &mut Counters) -> Option<Millis> {
        let delay = due.checked_sub(now).filter(|delay| *delay > 0)?;
        if delay < self.min_delay_ms {
            counters.below_min_delay += 1;
            return None;
        }
        if self.max_delay_ms > 0 && delay > self.max_delay_ms {
            counters.clamped += 1;
            return Some(now.saturating_add(self.max_delay_ms));
        }
        Some(due.min(DUE_MAX))
    }
}

/// A whole number, also as text, as the plugin took it.
fn number(value: &Value) -> Option<i64> {
    match value {
        Value::F64(number) if number.is_finite() => Some(*number as i64),
        Value::F32(number) if number.is_finite() => Some(*number as i64),
        _ => value.as_i64().or_else(|| value.as_str()?.trim().parse().ok()),
    }
}

/// What a shutdown wrote into the headers of a message that it returned.
struct Returned {
    exchange: Vec<u8>,
    routing_key: Vec<u8>,
    due_ms: Option<Millis>,
    /// The other headers; `None` when there were none before.
    headers: Option<Vec<u8>>,
}

impl Returned {
    fn read(headers: RawTable<'_>) -> Option<Returned> {
        let (mut exchange, mut routing_key, mut due_ms) = (None, None, None);
        let mut rest = Vec::with_capacity(headers.0.len());
        for field in headers.fields() {
            let field = field.ok()?;
            let is = |name: &str| field.key == name.as_bytes();
            if is(EXCHANGE_HEADER) {
                exchange = Some(field.decode().ok()?.as_bytes()?.to_vec());
            } else if is(ROUTING_KEY_HEADER) {
                routing_key = Some(field.decode().ok()?.as_bytes()?.to_vec());
            } else if is(DUE_HEADER) {
                due_ms = u64::try_from(field.decode().ok()?.as_i64()?).ok();
            } else {
                field.write(field.key, &mut rest);
            }
        }
        let headers = (!rest.is_empty()).then_some(rest);
        Some(Returned { exchange: exchange?, routing_key: routing_key?, due_ms, headers })
    }
}
