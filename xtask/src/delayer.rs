//! Measures the delayer with Leveret as its broker: storing, reviving, punctuality, memory.
//!
//! Every scenario starts a broker and a delayer of its own in an empty folder. Costs are CPU
//! seconds per million messages of each process, which swing less than rates.

mod load;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use self::load::{Due, fill, lateness_ms, unix_ms};
use crate::bench::percentile;
use crate::load::Broker;
use crate::program::{Program, folder_bytes};
use crate::rounds::{Line, Options};

/// Bytes of a body.
const BODY_BYTES: usize = 2048;

/// What is given to every delayer that is to be fast: larger groups and batches than the defaults.
const TUNED: [&str; 5] =
    ["--qos=4000", "--groupsize=1000", "--timeout=250ms", "--throttle=4000", "--batchsize=1000"];

/// Due messages a second of `punctual`.
const DUE_PER_SECOND: u64 = 5_000;

/// Messages of a scenario, as a rule, and of `memory`.
const MESSAGES: u64 = 400_000;
const MEMORY_MESSAGES: u64 = 10_000_000;

/// What `cargo xtask bench-delayer` is told.
#[derive(Debug, clap::Args)]
pub(crate) struct DelayerOptions {
    #[command(flatten)]
    options: Options,
    /// Messages of `memory`.
    #[arg(long, value_name = "N", default_value_t = MEMORY_MESSAGES)]
    memory_messages: u64,
    /// The delayer's storage engine.
    #[arg(long, default_value = "log", value_parser = ["log", "lmdb"])]
    engine: String,
}

const SCENARIOS: &[Line<Bench>] = &[
    ("store", store),
    ("store-uniform", store_uniform),
    ("revive", revive),
    ("revive-uniform", revive_uniform),
    ("punctual", punctual),
    ("memory", memory),
];

/// `cargo xtask bench-delayer`.
pub(crate) fn run(
    DelayerOptions { options, memory_messages, engine }: &DelayerOptions,
) -> Result<()> {
    let bench = Bench {
        leveret: options.leveret()?,
        messages: options.messages.unwrap_or(MESSAGES),
        memory_messages: *memory_messages,
        engine: engine.clone(),
        dir: options.folder("bench-delayer"),
    };
    options.run_each(&bench, SCENARIOS)
}

struct Bench {
    leveret: PathBuf,
    messages: u64,
    memory_messages: u64,
    engine: String,
    dir: PathBuf,
}

impl Bench {
    /// An empty folder and a broker in it, with the queues `in` and `out`.
    fn broker(&self) -> Result<Broker> {
        Broker::start(&self.leveret, &self.dir, &["in", "out"])
    }

    fn delayer(&self, broker: &Broker, more: &[&str]) -> Result<Program> {
        let dir = &self.dir;
        let mut command = std::process::Command::new(&self.leveret);
        command.arg("delayer").args(["--queue=in", "--exchange=", "--routingkey=out"]);
        command.args(["--www-port=auto", "--www-ip=127.0.0.1", "--due-sources=x-deliver-at"]);
        command.arg(format!("--rabbitmq-address=amqp://{}", broker.program.address("amqp")?));
        command.arg(format!("--storage-address={}", dir.join("delayer").display()));
        command.arg(format!("--storage-engine={}", self.engine));
        command.args(TUNED).args(more);
        Program::start(command, &dir.join("delayer.log"))
    }

    /// Runs the delayer until a counter has reached `count`, and says what that took.
    fn timed(&self, broker: &Broker, more: &[&str], counter: &str, count: u64) -> Result<String> {
        let before = broker.program.cpu_seconds()?;
        let from = Instant::now();
        let delayer = self.delayer(broker, more)?;
        delayer.wait_for(counter, count)?;
        let seconds = from.elapsed().as_secs_f64();
        let million = count as f64 / 1e6;
        let ours = delayer.cpu_seconds()? / million;
        let theirs = (broker.program.cpu_seconds()? - before) / million;
        let rate = count as f64 / seconds;
        delayer.terminate()?;
        Ok(format!("{rate:.0}/s; CPU s per million: delayer {ours:.1}, broker {theirs:.1}"))
    }
}

/// Messages that wait in the queue are stored; their delays are those of mail that is retried.
fn store(bench: &Bench) -> Result<String> {
    stored(bench, Due::Retries)
}

/// The same with delays that are spread evenly over two days, the worst for an index.
fn store_uniform(bench: &Bench) -> Result<String> {
    stored(bench, Due::Spread { from_ms: unix_ms() + 3_600_000, span_ms: 169_200_000 })
}

fn stored(bench: &Bench, due: Due) -> Result<String> {
    let broker = bench.broker()?;
    let count = bench.messages;
    fill(&broker, count, BODY_BYTES, due)?;
    bench.timed(&broker, &["--mode=delay"], "amqpdelayer_stored_total", count)
}

/// Messages that are all due are published; they were due in whole seconds, as timestamps are.
fn revive(bench: &Bench) -> Result<String> {
    revived(bench, |from_ms| Due::Seconds { from_ms, span_s: 10 })
}

/// The same with times that have nothing to do with the order of arrival, the worst for an index.
fn revive_uniform(bench: &Bench) -> Result<String> {
    revived(bench, |from_ms| Due::Spread { from_ms, span_ms: 10_000 })
}

fn revived(bench: &Bench, due: fn(u64) -> Due) -> Result<String> {
    let broker = bench.broker()?;
    let count = bench.messages;
    // Far enough away that none is due before the last is stored.
    let due_ms = unix_ms() + 20_000 + count / 10;
    fill(&broker, count, BODY_BYTES, due(due_ms))?;
    bench.timed(&broker, &["--mode=delay"], "amqpdelayer_stored_total", count)?;
    let wait = (due_ms + 10_500).checked_sub(unix_ms()).filter(|wait| *wait > 10_500);
    let wait = wait.context("storing took so long that messages were due; use fewer --messages")?;
    std::thread::sleep(Duration::from_millis(wait));
    bench.timed(&broker, &["--mode=revive"], "amqpdelayer_revived_total", count)
}

/// Messages that fall due evenly.
fn punctual(bench: &Bench) -> Result<String> {
    let broker = bench.broker()?;
    let seconds = 20;
    let count = DUE_PER_SECOND * seconds;
    let from_ms = unix_ms() + 15_000;
    let delayer = bench.delayer(&broker, &["--mode=both"])?;
    fill(&broker, count, BODY_BYTES, Due::Even { from_ms, span_ms: seconds * 1000 })?;
    delayer.wait_for("amqpdelayer_stored_total", count)?;
    if unix_ms() > from_ms {
        bail!("messages were due before all were stored");
    }
    let mut late = lateness_ms(&broker, count)?;
    late.sort_by(f64::total_cmp);
    let at = |part| percentile(&late, part);
    let cpu = delayer.cpu_seconds()?;
    delayer.terminate()?;
    Ok(format!(
        "{DUE_PER_SECOND}/s due: earliest {:.2} ms after its time, p50 {:.2} ms, p99 {:.2} ms, \
         latest {:.1} ms; delayer {cpu:.1} CPU s for {count}",
        at(0.0),
        at(0.5),
        at(0.99),
        at(1.0)
    ))
}

/// Many messages are held; the process is killed and started again.
fn memory(bench: &Bench) -> Result<String> {
    let broker = bench.broker()?;
    let count = bench.memory_messages;
    let delayer = bench.delayer(&broker, &["--mode=both"])?;
    let from = Instant::now();
    fill(
        &broker,
        count,
        BODY_BYTES,
        Due::Spread { from_ms: unix_ms() + 7_200_000, span_ms: 165_600_000 },
    )?;
    delayer.wait_for("amqpdelayer_stored_total", count)?;
    let rate = count as f64 / from.elapsed().as_secs_f64();
    let (peak, resident) = (delayer.peak_memory()?, delayer.memory()?);
    delayer.kill()?;
    let from = Instant::now();
    let delayer = bench.delayer(&broker, &["--mode=both"])?;
    let ready = from.elapsed().as_secs_f64();
    fill(&broker, 1, BODY_BYTES, Due::Spread { from_ms: unix_ms() + 100, span_ms: 1 })?;
    delayer.wait_for("amqpdelayer_revived_total", 1)?;
    let first = from.elapsed().as_secs_f64();
    let disk = folder_bytes(&bench.dir.join("delayer"))?;
    let restarted = delayer.memory()?;
    delayer.terminate()?;
    let mb = |bytes: u64| bytes as f64 / 1e6;
    Ok(format!(
        "{count} held, stored at {rate:.0}/s beside a publisher: {:.0} MB resident (peak {:.0}), \
         {:.0} MB after a restart; ready {ready:.2} s after kill -9, a message delayed by 0.1 s \
         back after {first:.2} s; {:.1} GB on disk",
        mb(resident),
        mb(peak),
        mb(restarted),
        disk as f64 / 1e9
    ))
}
