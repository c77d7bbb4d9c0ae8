//! Measures Leveret, and RabbitMQ beside it, with a neutral load generator; prints a Markdown table.
//!
//! Each round starts both brokers on empty folders and runs every scenario on one, then on the
//! other, so that what disturbs the machine disturbs both. The table has the medians.

mod scenario;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use self::scenario::{Figure, SCENARIOS, Scenario};
use crate::broker::{self, Broker, Kind, Wanted};
use crate::rounds::choose;
use crate::{namespace, peers, process};

/// The load generator's binary, below the folder it is built in.
const GENERATOR: &str = "release/loadgen";

/// `cargo xtask bench`.
pub(crate) fn run(options: &Options) -> Result<()> {
    options.scenarios()?;
    let source = &options.loadgen;
    if options.oracle {
        peers::install()?;
    }
    let built = process::peers_dir().join("loadgen");
    let manifest = source.join("Cargo.toml");
    process::check(
        Command::new(peers::cargo())
            .args(["build", "--quiet", "--release", "--manifest-path"])
            .arg(&manifest)
            .arg("--target-dir")
            .arg(&built),
    )?;
    let leveret = broker::build_release()?;
    namespace::run_here(
        "bench",
        &options.to_args().iter().map(String::as_str).collect::<Vec<_>>(),
        &[(broker::PATH_VARIABLE, leveret.as_os_str()), ("XTASK_LOADGEN", built.as_os_str())],
    )
}

/// What `cargo xtask bench` is told.
#[derive(Debug, clap::Parser)]
pub(crate) struct Options {
    /// The load generator's sources.
    #[arg(long, value_name = "DIR")]
    loadgen: PathBuf,
    /// Measures RabbitMQ in the same run.
    #[arg(long)]
    oracle: bool,
    /// How often each scenario is measured.
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Scenarios; all without it.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    only: Vec<String>,
}

impl Options {
    fn scenarios(&self) -> Result<Vec<&'static Scenario>> {
        choose(&self.only, SCENARIOS, |scenario| scenario.name)
    }

    /// For the part that runs in the namespace.
    fn to_args(&self) -> Vec<String> {
        let loadgen = self.loadgen.display().to_string();
        let mut args =
            vec!["--loadgen".into(), loadgen, "--rounds".into(), self.rounds.to_string()];
        args.extend(self.oracle.then(|| "--oracle".into()));
        args.extend(self.only.iter().map(|name| format!("--only={name}")));
        args
    }

    fn kinds(&self) -> &'static [Kind] {
        if self.oracle { &[Kind::Oracle, Kind::Leveret] } else { &[Kind::Leveret] }
    }
}

/// Results of one figure on one broker, a number a round.
type Numbers = BTreeMap<(usize, usize, &'static str), Vec<f64>>;

/// The part that runs in the namespace.
pub(crate) fn inside(args: &[String]) -> Result<()> {
    let options = namespace::parse::<Options>(args)?;
    let scenarios = options.scenarios()?;
    let dir = process::peers_dir().join("bench");
    let mut numbers = Numbers::new();
    for round in 0..options.rounds {
        let _ = std::fs::remove_dir_all(&dir);
        let mut running: Vec<Bench> = Vec::new();
        for kind in options.kinds() {
            running.push(Bench::start(*kind, &dir)?);
        }
        for (number, scenario) in scenarios.iter().enumerate() {
            for bench in &mut running {
                let name = bench.kind.name();
                let from = Instant::now();
                let result = match bench.measure(scenario) {
                    Ok(result) => result,
                    Err(error) => {
                        eprintln!("{} on {name}: {error:#}", scenario.name);
                        continue;
                    }
                };
                let seconds = from.elapsed().as_secs_f64();
                eprintln!("round {} {} {name} {seconds:.0} s: {result}", round + 1, scenario.name);
                for (place, figure) in scenario.figures.iter().enumerate() {
                    if let Some(value) = result[figure.key].as_f64() {
                        let all = numbers.entry((number, place, name)).or_default();
                        all.push(value * figure.times);
                    }
                }
            }
        }
    }
    print!("{}", table(&options, &scenarios, &numbers));
    Ok(())
}

/// A broker under load.
struct Bench {
    kind: Kind,
    wanted: Wanted,
    broker: Option<Broker>,
}

impl Bench {
    fn start(kind: Kind, dir: &Path) -> Result<Self> {
        let amqp = if kind == Kind::Oracle { 5682 } else { 5672 };
        let dir = dir.join(kind.name());
        let wanted = Wanted { dir, amqp, tls: None, user: None, product: None };
        let broker = Some(Broker::start(kind, &wanted)?);
        Ok(Self { kind, wanted, broker })
    }

    fn measure(&mut self, scenario: &Scenario) -> Result<Value> {
        for args in scenario.before {
            self.generate(args)?;
        }
        if !scenario.restarts {
            return self.generate(scenario.run);
        }
        let old = self.broker.take().context("no broker")?;
        old.kill()?;
        std::thread::scope(|scope| {
            let command = self.command(scenario.run, None);
            let waiting = scope.spawn(move || result(command));
            self.broker = Some(Broker::start(self.kind, &self.wanted)?);
            waiting.join().unwrap_or_else(|_| bail!("the load generator's thread panicked"))
        })
    }

    fn generate(&self, args: &str) -> Result<Value> {
        let pid = self.broker.as_ref().context("no broker")?.pid()?;
        result(self.command(args, Some(pid)))
    }

    fn command(&self, args: &str, pid: Option<u32>) -> Command {
        let built = PathBuf::from(std::env::var_os("XTASK_LOADGEN").unwrap_or_default());
        let mut command = Command::new(built.join(GENERATOR));
        command.args(args.split_whitespace());
        command.args(["--addr", &format!("127.0.0.1:{}", self.wanted.amqp)]);
        if let Some(pid) = pid {
            command.args(["--pid", &pid.to_string()]);
        }
        command
    }
}

/// The line that the generator prints.
fn result(mut command: Command) -> Result<Value> {
    let printed = process::output(&mut command)?;
    let line = printed
        .lines()
        .last()
        .with_context(|| format!("{} said nothing", process::shown(&command)))?;
    serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))
}

fn table(options: &Options, scenarios: &[&Scenario], numbers: &Numbers) -> String {
    let mut text = String::from("| what | unit |");
    let mut line = String::from("|---|---|");
    for kind in options.kinds() {
        let name = if *kind == Kind::Oracle { "RabbitMQ 3.10.8" } else { "Leveret" };
        text.push_str(&format!(" {name} |"));
        line.push_str("---:|");
    }
    text.push_str(&format!(" target |\n{line}---:|\n"));
    for (number, scenario) in scenarios.iter().enumerate() {
        for (place, Figure { title, unit, target, .. }) in scenario.figures.iter().enumerate() {
            text.push_str(&format!("| {title} | {unit} |"));
            for kind in options.kinds() {
                let all = numbers.get(&(number, place, kind.name()));
                text.push_str(&format!(" {} |", all.map_or("-".into(), |all| median(all))));
            }
            text.push_str(&format!(" {target} |\n"));
        }
    }
    text
}

/// The value below which a part of them is, from 0 to 1; they are in order.
pub(crate) fn percentile(sorted: &[f64], part: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}

fn median(all: &[f64]) -> String {
    let mut all = all.to_vec();
    all.sort_by(f64::total_cmp);
    digits(percentile(&all, 0.5))
}

/// About three digits of a number.
pub(crate) fn digits(value: f64) -> String {
    match value.abs() {
        x if x >= 100.0 => format!("{value:.0}"),
        x if x >= 10.0 => format!("{value:.1}"),
        x if x >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
