//! Whether a message has run before, by what brokers and triggers write into its headers.

#[cfg(test)]
mod tests;

use amqp::error::DecodeError;
use amqp::value::RawTable;
use amqp::value::raw::{RawArray, RawValue};

use crate::message::Message;

/// How often the message has run: written by a trigger that publishes it to a delay queue.
pub(crate) const ATTEMPT_HEADER: &str = "x-trigger-attempt";

/// How often consumers failed with it: written by quorum queues.
pub(crate) const DELIVERY_COUNT_HEADER: &str = "x-delivery-count";

/// How often it was sent to a consumer: written by quorum queues of RabbitMQ 4.3 and later.
pub(crate) const ACQUIRED_COUNT_HEADER: &str = "x-acquired-count";

/// Reasons of a dead-lettering that follow a run. `maxlen` and others do not.
const DEATHS: [&[u8]; 3] = [b"rejected", b"expired", b"delivery_limit"];

/// What is known of earlier runs of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prior {
    /// Runs before this one: the largest of the numbers in the headers, or 1 when there is none
    /// but the broker has delivered the message before.
    pub attempts: u32,
    /// Whether `attempts` is a header's number. The bare flag is also raised for messages that
    /// another consumer was sent and never started.
    pub counted: bool,
    /// Whether the queue counts how often it has sent the message. Then the bare flag says
    /// nothing: a message that was sent but never failed has not run.
    pub acquired: bool,
}

impl Prior {
    /// Of a message that came from `queue`. Headers that cannot be read count as none.
    ///
    /// The numbers are those of `x-trigger-attempt`, `x-delivery-count`, and the entries of
    /// `x-death` for this very queue whose reason is a failed run. A delay queue's entries are for
    /// the delay queue, and do not count.
    pub fn of(message: &Message, queue: &str) -> Prior {
        let headers = message.scan().ok().and_then(|scan| scan.headers).unwrap_or_default();
        let counts = Counts::read(headers, queue.as_bytes()).unwrap_or_default();
        let largest = counts.attempt.max(counts.deliveries).max(counts.deaths);
        let counted = largest.is_some();
        let bare = message.redelivered && !counted && !counts.acquired;
        let attempts = largest.unwrap_or(u32::from(bare));
        Prior { attempts, counted, acquired: counts.acquired }
    }
}

#[derive(Default)]
struct Counts {
    attempt: Option<u32>,
    deliveries: Option<u32>,
    deaths: Option<u32>,
    acquired: bool,
}

impl Counts {
    fn read(headers: RawTable<'_>, queue: &[u8]) -> Result<Counts, DecodeError> {
        let mut counts = Counts::default();
        for field in headers.fields() {
            let field = field?;
            // The first of several fields with the same name counts, as brokers look them up.
            let place = match str::from_utf8(field.key) {
                Ok(ATTEMPT_HEADER) => &mut counts.attempt,
                Ok(DELIVERY_COUNT_HEADER) => &mut counts.deliveries,
                Ok(ACQUIRED_COUNT_HEADER) => {
                    counts.acquired |= count(field.read()?).is_some();
                    continue;
                }
                Ok("x-death") => {
                    if let (None, RawValue::Array(deaths)) = (counts.deaths, field.read()?) {
                        counts.deaths = deaths_of(deaths, queue)?;
                    }
                    continue;
                }
                _ => continue,
            };
            *place = place.or(count(field.read()?));
        }
        Ok(counts)
    }
}

/// The sum over the entries that tell of a failed run from `queue`; `None` without such an entry.
fn deaths_of(deaths: RawArray<'_>, queue: &[u8]) -> Result<Option<u32>, DecodeError> {
    let mut sum: Option<u32> = None;
    for death in deaths.items() {
        let RawValue::Table(death) = death?.read()? else { continue };
        let (mut here, mut failed, mut times) = (false, false, None);
        for field in death.fields() {
            let field = field?;
            match (field.key, field.read()?) {
                (b"queue", RawValue::LongStr(name)) => here = name == queue,
                (b"reason", RawValue::LongStr(reason)) => failed = DEATHS.contains(&reason),
                (b"count", value) => times = times.or(count(value)),
                _ => {}
            }
        }
        if let (true, true, Some(times)) = (here, failed, times) {
            sum = Some(sum.unwrap_or_default().saturating_add(times));
        }
    }
    Ok(sum)
}

/// A number of times; negative ones count as none.
fn count(value: RawValue<'_>) -> Option<u32> {
    match value {
        RawValue::Int(number) => Some(number.clamp(0, u32::MAX.into()) as u32),
        _ => None,
    }
}
