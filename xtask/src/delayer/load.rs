//! Fills the queue of a delayer, and takes what it publishes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use amqp::content::PropertiesBuf;
use amqp::value::{Table, Value};
use anyhow::{Context, Result, bail};
use client::address::Address;
use client::connection::{Connection, Consume, DeclareQueue};
use client::event::Event;
use client::options::Options;
use tokio::runtime::Runtime;

use super::program::Program;

/// Unconfirmed messages of the publisher.
const IN_FLIGHT: u64 = 2_000;

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

/// A broker, with the durable queues `in` and `out`.
pub(super) struct Broker {
    pub(super) program: Program,
    runtime: Runtime,
    options: Options,
}

impl Broker {
    /// Declares the queues.
    pub(super) fn start(program: Program) -> Result<Broker> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let url = format!("amqp://{}", program.address("amqp")?);
        let options = Options { addresses: vec![Address::parse(&url)?], ..Options::default() };
        let broker = Broker { program, runtime, options };
        broker.runtime.block_on(async {
            let mut connection = Connection::open(&broker.options, 0).await?;
            let channel = connection.open_channel().await?;
            for queue in ["in", "out"] {
                let declare = DeclareQueue { queue, durable: true, ..DeclareQueue::default() };
                connection.declare_queue(channel, &declare).await?;
            }
            connection.close().await?;
            anyhow::Ok(())
        })?;
        Ok(broker)
    }

    /// For clients.
    pub(super) fn url(&self) -> String {
        self.program.address("amqp").map(|at| format!("amqp://{at}")).unwrap_or_default()
    }

    /// Publishes persistent messages to `in`, with confirms.
    pub(super) fn fill(&self, count: u64, body_bytes: usize, due: Due) -> Result<()> {
        self.runtime.block_on(async {
            let mut connection = Connection::open(&self.options, 0).await?;
            let channel = connection.open_channel().await?;
            connection.confirm_select(channel).await?;
            let body = vec![b'x'; body_bytes];
            let (mut published, mut confirmed, mut random) = (0, 0, 0x9E37_79B9_7F4A_7C15_u64);
            while confirmed < count {
                while published < count && published - confirmed < IN_FLIGHT {
                    // xorshift
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    let at = match due {
                        Due::Spread { from_ms, span_ms } => from_ms + random % span_ms,
                        Due::Seconds { from_ms, span_s } => from_ms + random % span_s * 1000,
                        Due::Retries => {
                            unix_ms() + RETRIES_MS[(random % RETRIES_MS.len() as u64) as usize]
                        }
                        Due::Even { from_ms, span_ms } => from_ms + published * span_ms / count,
                    };
                    let properties = properties(at, published);
                    published += 1;
                    let sent = connection.publish(channel, b"", b"in", false, &properties, &body);
                    debug_assert_eq!(sent, published);
                }
                match connection.next().await? {
                    Event::Acked { tag, multiple: true, .. } => confirmed = tag,
                    Event::Acked { .. } => confirmed += 1,
                    Event::Nacked { .. } => bail!("the broker refused a message"),
                    _ => {}
                }
            }
            connection.close().await?;
            Ok(())
        })
    }

    /// Takes messages from `out` and says how long after its time each arrived.
    pub(super) fn lateness_ms(&self, count: u64) -> Result<Vec<f64>> {
        self.runtime.block_on(async {
            let mut connection = Connection::open(&self.options, 0).await?;
            let channel = connection.open_channel().await?;
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
            connection.close().await?;
            Ok(late)
        })
    }
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
