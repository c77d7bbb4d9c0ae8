//! Measures the trigger with Leveret as its broker and an HTTP endpoint beside it: runs a second,
//! what the trigger adds to the time of a message, and a thousand triggers that wait.
//!
//! Every scenario starts a broker, an endpoint and a trigger of its own in an empty folder. Costs
//! are CPU seconds per million messages, of the three apart.

mod load;
mod sink;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use self::sink::{Seen, Sink};
use crate::bench::percentile;
use crate::load::Broker;
use crate::program::Program;
use crate::rounds::{Figures, Repeated, Scenario};
use crate::suite::certificates;

/// Messages of a round, as a rule.
const MESSAGES: u64 = 300_000;

/// Messages a second of `latency`, and for how long.
const LATENCY_PER_SECOND: u64 = 1_000;
const LATENCY_SECONDS: u64 = 20;

/// Messages a second of `live`.
const LIVE_PER_SECOND: u64 = 15_000;

/// Triggers of `idle`, and for how long they are watched.
const IDLE_TRIGGERS: usize = 1_000;
const IDLE_WATCH: Duration = Duration::from_secs(10);

/// Commands are started, not sent to: fewer messages take as long.
const COMMAND_SHARE: u64 = 20;

const SCENARIOS: &[Scenario<Bench>] = &[
    ("throughput", |bench| bench.waiting("", None)),
    ("throughput-auto", |bench| bench.waiting("auto_acknowledge = true\n", None)),
    ("throughput-raw", |bench| bench.waiting("profile = \"raw\"\n", None)),
    ("throughput-tls", throughput_tls),
    ("live", live),
    ("latency", latency),
    ("idle", idle),
    ("command", command),
];

/// `cargo xtask bench-trigger`.
pub(crate) fn run(repeated: &Repeated) -> Result<()> {
    let options = &repeated.options;
    let messages = options.messages.unwrap_or(MESSAGES);
    ensure!(messages >= COMMAND_SHARE, "--messages must be {COMMAND_SHARE} or more");
    let bench =
        Bench { leveret: options.leveret()?, messages, dir: options.folder("bench-trigger") };
    repeated.measure(&bench, SCENARIOS)
}

struct Bench {
    leveret: PathBuf,
    messages: u64,
    dir: PathBuf,
}

impl Bench {
    fn broker<S: AsRef<str>>(&self, queues: &[S]) -> Result<Broker> {
        Broker::start(&self.leveret, &self.dir, queues)
    }

    /// Starts a trigger with these sections.
    fn trigger(&self, broker: &Broker, sections: &str) -> Result<Program> {
        let dir = &self.dir;
        let address = broker.program.address("amqp")?;
        let main =
            format!("listen = \"127.0.0.1:0\"\n\n[broker.main]\nhosts = [\"{address}\"]\n\n");
        let file = dir.join("trigger.toml");
        std::fs::write(&file, main + sections)?;
        let mut command = Command::new(&self.leveret);
        command.arg("trigger").arg("--config").arg(file);
        Program::start(command, &dir.join("trigger.log"))
    }

    /// Messages that wait in a queue are run, a hundred at a time.
    fn waiting(&self, more: &str, tls: Option<&Path>) -> Result<Figures> {
        let broker = self.broker(&["in"])?;
        let count = self.messages;
        broker.fill("in", count, &load::body(0), load::properties)?;
        let sink = Sink::start(0, tls)?;
        let before = broker.program.cpu_seconds()?;
        let trigger = self.trigger(&broker, &section("in", "in", 100, &sink, more))?;
        sink.wait_for(count)?;
        let million = count as f64 / 1e6;
        let ours = trigger.cpu_seconds()? / million;
        let theirs = (broker.program.cpu_seconds()? - before) / million;
        let peak = trigger.peak_memory()? as f64 / 1e6;
        trigger.terminate()?;
        let seen = sink.stop()?;
        settled(&broker, &seen, count)?;
        Ok(vec![
            ("runs/s", rate(&seen)?),
            ("CPU s per million: trigger", ours),
            ("broker", theirs),
            ("sink", seen.cpu_seconds / million),
            ("trigger's peak memory, MB", peak),
        ])
    }

    /// Messages are published at an even rate; gives when they were sent, when a plain consumer of
    /// another queue had them if there is one, what the endpoint saw, and the trigger's CPU time.
    fn paced(&self, per_second: u64, count: u64, plain: bool) -> Result<Paced> {
        let queues: &[&str] = if plain { &["in", "plain"] } else { &["in"] };
        let broker = self.broker(queues)?;
        load::fanout(&broker, queues)?;
        let sink = Sink::start(count as usize, None)?;
        let trigger = self.trigger(&broker, &section("in", "in", 100, &sink, ""))?;
        trigger.wait_ready()?;
        let before = trigger.cpu_seconds()?;
        let (ready, consuming) = mpsc::channel();
        let (sent, delivered) = std::thread::scope(|scope| {
            let consumer = plain.then(|| {
                let broker = &broker;
                scope.spawn(move || load::consume(broker, "plain", count as usize, &ready))
            });
            if plain {
                consuming.recv()?;
            }
            let sent = load::publish(&broker, per_second, count)?;
            let delivered = match consumer {
                Some(thread) => thread.join().ok().context("the consumer panicked")??,
                None => Vec::new(),
            };
            anyhow::Ok((sent, delivered))
        })?;
        sink.wait_for(count)?;
        let cpu_seconds = trigger.cpu_seconds()? - before;
        trigger.terminate()?;
        let seen = sink.stop()?;
        settled(&broker, &seen, count)?;
        Ok(Paced { sent, delivered, seen, cpu_seconds })
    }
}

/// When numbered messages were where.
struct Paced {
    sent: Vec<Instant>,
    delivered: Vec<Instant>,
    seen: Seen,
    cpu_seconds: f64,
}

impl Paced {
    /// From these times to the requests, in order of length. A request may come first by a little,
    /// which is negative.
    fn until_requests_ms(&self, from: &[Instant]) -> Result<Vec<f64>> {
        let pairs = from.iter().zip(&self.seen.arrivals);
        let mut all = Vec::new();
        for (from, arrival) in pairs {
            let arrival = arrival.context("a message was never seen")?;
            let ahead = from.saturating_duration_since(arrival).as_secs_f64();
            all.push((arrival.saturating_duration_since(*from).as_secs_f64() - ahead) * 1e3);
        }
        all.sort_by(f64::total_cmp);
        Ok(all)
    }
}

/// A trigger's section.
fn section(name: &str, queue: &str, consumers: u16, sink: &Sink, more: &str) -> String {
    let url = sink.url();
    format!(
        "[trigger.{name}]\nqueue = \"{queue}\"\nconsumers = {consumers}\n\
         http.url = \"{url}\"\n{more}\n"
    )
}

/// Every message ran once, and none is left in the queue.
fn settled(broker: &Broker, seen: &Seen, count: u64) -> Result<()> {
    ensure!(seen.requests == count, "{} requests for {count} messages", seen.requests);
    empty(broker)
}

fn empty(broker: &Broker) -> Result<()> {
    let left = broker.with(async |connection, channel| {
        Ok(connection.queue_exists(channel, "in").await?.messages)
    })?;
    ensure!(left == 0, "{left} messages are left in the queue");
    Ok(())
}

/// Requests a second.
fn rate(seen: &Seen) -> Result<f64> {
    let (first, last) = seen.first.zip(seen.last).context("no request")?;
    Ok((seen.requests - 1) as f64 / (last - first).as_secs_f64())
}

/// The endpoint speaks TLS, on connections that stay open.
fn throughput_tls(bench: &Bench) -> Result<Figures> {
    certificates::prepare()?;
    let dir = certificates::dir();
    let more = format!("http.tls_ca = {:?}\n", dir.join("ca.pem"));
    bench.waiting(&more, Some(&dir))
}

/// Messages come as fast as the trigger has to be.
fn live(bench: &Bench) -> Result<Figures> {
    let count = bench.messages;
    let paced = bench.paced(LIVE_PER_SECOND, count, false)?;
    let all = paced.until_requests_ms(&paced.sent)?;
    Ok(vec![
        ("runs/s", rate(&paced.seen)?),
        ("CPU s per million: trigger", paced.cpu_seconds / (count as f64 / 1e6)),
        ("publish to request, ms: p50", percentile(&all, 0.5)),
        ("p99", percentile(&all, 0.99)),
        ("most", percentile(&all, 1.0)),
    ])
}

/// Few messages, each of which is timed.
fn latency(bench: &Bench) -> Result<Figures> {
    let count = LATENCY_PER_SECOND * LATENCY_SECONDS;
    let paced = bench.paced(LATENCY_PER_SECOND, count, true)?;
    let added = paced.until_requests_ms(&paced.delivered)?;
    let all = paced.until_requests_ms(&paced.sent)?;
    Ok(vec![
        ("delivery to request, ms: p50", percentile(&added, 0.5)),
        ("p99", percentile(&added, 0.99)),
        ("most", percentile(&added, 1.0)),
        ("publish to request, ms: p50", percentile(&all, 0.5)),
        ("p99", percentile(&all, 0.99)),
        ("CPU s per million: trigger", paced.cpu_seconds / (count as f64 / 1e6)),
    ])
}

/// Many triggers have nothing to do; then each runs one message.
fn idle(bench: &Bench) -> Result<Figures> {
    let queues: Vec<String> = (0..IDLE_TRIGGERS).map(|number| format!("q{number}")).collect();
    let broker = bench.broker(&queues)?;
    let sink = Sink::start(0, None)?;
    let sections: String =
        queues.iter().map(|queue| section(queue, queue, 10, &sink, "")).collect();
    let from = Instant::now();
    let trigger = bench.trigger(&broker, &sections)?;
    trigger.wait_ready()?;
    let ready = from.elapsed().as_secs_f64();
    let cpu = |of: &Program| of.cpu_seconds();
    let (ours, theirs) = (cpu(&trigger)?, cpu(&broker.program)?);
    std::thread::sleep(IDLE_WATCH);
    let watched = IDLE_WATCH.as_secs_f64() / 1e3;
    let spent = [(cpu(&trigger)? - ours) / watched, (cpu(&broker.program)? - theirs) / watched];
    let idle = trigger.memory()? as f64 / 1e6;
    let body = load::body(0);
    for queue in &queues {
        broker.fill(queue, 1, &body, load::properties)?;
    }
    sink.wait_for(IDLE_TRIGGERS as u64)?;
    let (after, peak) = (trigger.memory()? as f64 / 1e6, trigger.peak_memory()? as f64 / 1e6);
    trigger.terminate()?;
    let seen = sink.stop()?;
    ensure!(seen.requests == IDLE_TRIGGERS as u64, "{} requests", seen.requests);
    Ok(vec![
        ("resident, MB", idle),
        ("resident after one run of each, MB", after),
        ("peak, MB", peak),
        ("all ready after, s", ready),
        ("CPU ms per second: trigger", spent[0]),
        ("broker", spent[1]),
    ])
}

/// Each message starts a command, which does nothing.
fn command(bench: &Bench) -> Result<Figures> {
    let broker = bench.broker(&["in"])?;
    let count = bench.messages / COMMAND_SHARE;
    broker.fill("in", count, &load::body(0), load::properties)?;
    let from = Instant::now();
    let trigger = bench.trigger(
        &broker,
        "[trigger.in]\nqueue = \"in\"\n[trigger.in.command]\nargv = [\"/bin/true\"]\n",
    )?;
    trigger.wait_for("leveret_trigger_outcomes_total", count)?;
    let seconds = from.elapsed().as_secs_f64();
    let ours = trigger.cpu_seconds()? / (count as f64 / 1e6);
    trigger.terminate()?;
    empty(&broker)?;
    Ok(vec![
        ("runs/s", count as f64 / seconds),
        ("CPU s per million: trigger, commands apart", ours),
    ])
}
