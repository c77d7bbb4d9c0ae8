//! Fills the queue of a delayer, and takes what it publishes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use amqp::content::PropertiesBuf;
use amqp::value::{Table, Value};
use anyhow::{Context, Result};
use client::connection::Consume;
use client::event::Event;

use crate::load::Broker;

/// `retry-interval` of MailerQ: after the seventh try it stays with the last.
const RETRIES_MS: [u64; 7] =
    [600_000, 600_000, 1_800_000, 1_800_000, 3_600_000, 3_600_000, 7_200_000];

/// When messages are due.
#[derive(Clone, Copy)]
pub(super) enum Due {
    /// At random within the span.
    Spread { from_ms: u64, span_ms: u64 },
    /// At random, in whole seconds, as timestamps are.
    Seconds { from_ms: u64, span_s: u64 },
    /// After one of MailerQ's default retry intervals.
    Retries,
    /// One after the other at equal distances.
    Even { from_ms: u64, span_ms: u64 },
}

/// Publishes persistent messages to `in`.
pub(super) fn fill(broker: &Broker, count: u64, body_bytes: usize, due: Due) -> Result<()> {
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    broker.fill("in", count, &vec![b'x'; body_bytes], |number| {
        // xorshift
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let at = match due {
            Due::Spread { from_ms, span_ms } => from_ms + random % span_ms,
            Due::Seconds { from_ms, span_s } => from_ms + random % span_s * 1000,
            Due::Retries => unix_ms() + RETRIES_MS[(random % RETRIES_MS.len() as u64) as usize],
            Due::Even { from_ms, span_ms } => from_ms + number * span_ms / count,
        };
        properties(at, number)
    })
}

/// Takes messages from `out` and says how long after its time each arrived.
pub(super) fn lateness_ms(broker: &Broker, count: u64) -> Result<Vec<f64>> {
    broker.with(async |connection, channel| {
        let consume = Consume { queue: "out", no_ack: true, ..Consume::default() };
        connection.consume(channel, &consume).await?;
        let mut late = Vec::new();
        while (late.len() as u64) < count {
            let Event::Delivery(delivery) = connection.next().await? else { continue };
            let arrived = SystemTime::now().duration_since(UNIX_EPOCH)?;
            let headers = amqp::content::Properties(&delivery.properties)
                .headers()
                .context("a message without headers")?;
            let at = headers.get("x-deliver-at")?.and_then(|value| value.as_i64());
            let at = Duration::from_millis(u64::try_from(at.context("no time")?)?);
            late.push((arrived.as_secs_f64() - at.as_secs_f64()) * 1e3);
        }
        Ok(late)
    })
}

fn properties(at: u64, number: u64) -> Vec<u8> {
    let headers = Table(vec![(b"x-deliver-at".to_vec(), Value::I64(at as i64))]);
    let properties = PropertiesBuf {
        delivery_mode: Some(2),
        message_id: Some(format!("{number:x}").into_bytes()),
        headers: Some(headers),
        ..PropertiesBuf::default()
    };
    properties.encode()
}

/// The wall clock.
pub(super) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}
