//! Measures delayed messages: how punctual they are, what holding them costs, how fast a broker that
//! holds many comes back.
//!
//! Every scenario starts a broker of its own in an empty folder and publishes to a durable
//! `x-delayed-message` exchange. Lateness is what the broker measures: from a message's time to its
//! routing.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use amqp::content::PropertiesBuf;
use amqp::value::{Table, Value};
use anyhow::{Result, bail};
use client::connection::{Consume, DeclareExchange};
use client::event::Event;

use crate::bench::percentile;
use crate::load::Broker;
use crate::program::folder_bytes;
use crate::rounds::{Line, Options};

/// Bytes of a body.
const BODY_BYTES: usize = 1024;
/// Messages that `hold` holds.
const MESSAGES: u64 = 10_000_000;
/// Due messages a second.
const DUE_PER_SECOND: u64 = 10_000;
/// The queue that the exchange leads to, and another one.
const QUEUES: [&str; 2] = ["out", "other"];
const EXCHANGE: &str = "delayed";
const HELD: &str = "leveret_delayed_messages";

const SCENARIOS: &[Line<Bench>] =
    &[("punctual", punctual), ("scattered", scattered), ("beside", beside), ("hold", hold)];

/// `cargo xtask bench-delayed`.
pub(crate) fn run(options: &Options) -> Result<()> {
    let bench = Bench {
        leveret: options.leveret()?,
        messages: options.messages.unwrap_or(MESSAGES),
        dir: options.folder("bench-delayed"),
    };
    options.run_each(&bench, SCENARIOS)
}

struct Bench {
    leveret: PathBuf,
    messages: u64,
    dir: PathBuf,
}

impl Bench {
    /// An empty folder and a broker in it, whose delayed exchange leads to the queue `out`.
    fn broker(&self) -> Result<Broker> {
        let broker = Broker::start(&self.leveret, &self.dir, &QUEUES)?;
        broker.with(async |connection, channel| {
            let declare = DeclareExchange {
                exchange: EXCHANGE,
                kind: "x-delayed-message",
                durable: true,
                arguments: Table(vec![(b"x-delayed-type".to_vec(), Value::from("fanout"))]),
                ..DeclareExchange::default()
            };
            connection.declare_exchange(channel, &declare).await?;
            connection.bind_queue(channel, QUEUES[0], EXCHANGE, "", &Table::new()).await?;
            Ok(())
        })?;
        Ok(broker)
    }

    /// Publishes persistent messages that are due `from_ms` to `from_ms + span_ms` from now: one after the other, or in
    /// no order.
    fn fill(&self, broker: &Broker, count: u64, due: Due) -> Result<()> {
        let begin = unix_ms();
        let mut random = 0x9E37_79B9_7F4A_7C15_u64;
        broker.fill_exchange(EXCHANGE, "", count, &[b'x'; BODY_BYTES], |number| {
            // xorshift
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let after_ms = match due.scattered {
                true => due.from_ms + random % due.span_ms,
                false => due.from_ms + number * due.span_ms / count,
            };
            properties((begin + after_ms).saturating_sub(unix_ms()))
        })
    }
}

/// When messages are due.
#[derive(Clone, Copy)]
struct Due {
    from_ms: u64,
    span_ms: u64,
    scattered: bool,
}

/// Messages that fall due in the order in which they came, 10,000 a second.
fn punctual(bench: &Bench) -> Result<String> {
    due(bench, 200_000, false)
}

/// The same with times that have nothing to do with the order of arrival: each is read from another place of the disk.
fn scattered(bench: &Bench) -> Result<String> {
    due(bench, 1_000_000, true)
}

fn due(bench: &Bench, count: u64, scattered: bool) -> Result<String> {
    let broker = bench.broker()?;
    let from_ms = 15_000 + count / 10;
    let begin = Instant::now();
    let span_ms = count * 1000 / DUE_PER_SECOND;
    bench.fill(&broker, count, Due { from_ms, span_ms, scattered })?;
    if begin.elapsed() > Duration::from_millis(from_ms) {
        bail!("messages were due before all were stored");
    }
    let cpu = broker.program.cpu_seconds()?;
    take(&broker, count)?;
    let cpu = (broker.program.cpu_seconds()? - cpu) * 1e6 / count as f64;
    let late = broker.program.buckets("leveret_delayed_lateness_seconds")?;
    let shown: Vec<String> = late
        .iter()
        .map(|(bound, seen)| format!("{:.3} % by {bound} s", *seen as f64 * 100.0 / count as f64))
        .collect();
    Ok(format!("{DUE_PER_SECOND}/s due: {}; {cpu:.1} CPU s per million", shown.join(", ")))
}

/// Other messages are published while there are none, then many delayed messages.
fn beside(bench: &Bench) -> Result<String> {
    let broker = bench.broker()?;
    let rate = || -> Result<f64> {
        let mut rates = Vec::new();
        for _ in 0..5 {
            let begin = Instant::now();
            broker.fill(QUEUES[1], 100_000, &[b'x'; BODY_BYTES], |_| properties(0))?;
            rates.push(100_000.0 / begin.elapsed().as_secs_f64());
            broker.with(async |connection, channel| {
                connection.purge_queue(channel, QUEUES[1]).await?;
                Ok(())
            })?;
        }
        rates.sort_by(f64::total_cmp);
        Ok(percentile(&rates, 0.5))
    };
    let without = rate()?;
    let count = bench.messages / 10;
    let day = Due { from_ms: 7_200_000, span_ms: 86_400_000, scattered: true };
    bench.fill(&broker, count, day)?;
    Ok(format!("{without:.0} persistent messages/s, {:.0} beside {count} held ones", rate()?))
}

/// Many messages are held; the process is killed and started again.
fn hold(bench: &Bench) -> Result<String> {
    let broker = bench.broker()?;
    let count = bench.messages;
    let begin = Instant::now();
    let day = Due { from_ms: 7_200_000, span_ms: 86_400_000, scattered: true };
    bench.fill(&broker, count, day)?;
    let rate = count as f64 / begin.elapsed().as_secs_f64();
    broker.program.wait_for(HELD, count)?;
    let (peak, resident) = (broker.program.peak_memory()?, broker.program.memory()?);
    let disk = folder_bytes(&bench.dir.join("broker"))?;
    broker.program.kill()?;
    let begin = Instant::now();
    let broker = Broker::again(&bench.leveret, &bench.dir)?;
    let ready = begin.elapsed().as_secs_f64();
    broker.program.wait_for(HELD, count)?;
    let restarted = (broker.program.peak_memory()?, broker.program.memory()?);
    bench.fill(&broker, 1, Due { from_ms: 100, span_ms: 1, scattered: false })?;
    take(&broker, 1)?;
    broker.program.terminate()?;
    let mb = |bytes: u64| bytes as f64 / 1e6;
    Ok(format!(
        "{count} held, stored at {rate:.0}/s: {:.0} MB resident (peak {:.0}); ready {ready:.2} s after kill -9 with \
         {:.0} MB (peak {:.0}); {:.1} GB on disk",
        mb(resident),
        mb(peak),
        mb(restarted.1),
        mb(restarted.0),
        disk as f64 / 1e9
    ))
}

/// Takes messages from `out`.
fn take(broker: &Broker, count: u64) -> Result<()> {
    broker.with(async |connection, channel| {
        let consume = Consume { queue: QUEUES[0], no_ack: true, ..Consume::default() };
        connection.consume(channel, &consume).await?;
        let mut taken = 0;
        while taken < count {
            if let Event::Delivery(_) = connection.next().await? {
                taken += 1;
            }
        }
        Ok(())
    })
}

fn properties(delay_ms: u64) -> Vec<u8> {
    let headers = Table(vec![(b"x-delay".to_vec(), Value::I64(delay_ms as i64))]);
    let properties = PropertiesBuf {
        delivery_mode: Some(2),
        headers: Some(headers),
        ..PropertiesBuf::default()
    };
    properties.encode()
}

/// The wall clock.
fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}
