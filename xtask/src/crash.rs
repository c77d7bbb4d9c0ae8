//! Kills a working broker, or its disk, over and over, and checks what it kept each time.
//!
//! The rule: every confirmed and unacked message is there after the restart, in order, once, its
//! bytes intact. An acked one may come back only with `redelivered`. Nothing else appears.

mod client;
mod damage;
mod fault;
mod full_disk;
mod ledger;
mod message;
mod workload;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use self::fault::{Fault, KINDS};
use self::message::Random;
use self::workload::Story;
use crate::broker::{self, Launch, Leveret};
use crate::{namespace, peers, process};

/// The whole part runs in a network namespace, where every port is free.
const PORT: u16 = 5672;

/// How long a broker that must stop by itself may take.
const STOPS: Duration = Duration::from_secs(10);

/// After so many rounds a story ends: its queues are drained and its folder is emptied.
const ROUNDS_OF_A_STORY: u32 = 10;

/// `cargo xtask crash`.
pub(crate) fn run(options: &Options) -> Result<()> {
    peers::install()?;
    broker::build()?;
    namespace::run_here(
        "crash",
        &options.to_args().iter().map(String::as_str).collect::<Vec<_>>(),
        &[],
    )
}

/// Runs rounds for the test command: how many parts passed and failed.
pub(crate) fn rounds(rounds: u32, seed: Option<u64>) -> Result<(usize, usize)> {
    let options = Options { rounds, seed: seed.unwrap_or_else(fresh_seed), kind: None };
    let all = usize::try_from(rounds)? + EXTRAS.len();
    let done = namespace::run_here(
        "crash",
        &options.to_args().iter().map(String::as_str).collect::<Vec<_>>(),
        &[],
    );
    match done {
        Ok(()) => Ok((all, 0)),
        Err(error) => {
            println!("crash: {error:#}");
            Ok((0, 1))
        }
    }
}

/// What `cargo xtask crash` is told.
#[derive(Debug, clap::Parser)]
pub(crate) struct Options {
    /// How often the broker is killed.
    #[arg(long, value_name = "N", default_value_t = 20)]
    rounds: u32,
    /// Repeats a run that printed it.
    #[arg(long, value_name = "S", default_value_t = fresh_seed())]
    seed: u64,
    /// One kind of fault only.
    #[arg(long, value_parser = kinds())]
    kind: Option<String>,
}

fn kinds() -> clap::builder::PossibleValuesParser {
    let kinds = KINDS.iter().map(|kind| kind.name);
    kinds.chain(EXTRAS.iter().map(|extra| extra.name)).collect::<Vec<_>>().into()
}

impl Options {
    /// For the part that runs in the namespace.
    fn to_args(&self) -> Vec<String> {
        let Self { rounds, seed, kind } = self;
        let mut args = vec![format!("--rounds={rounds}"), format!("--seed={seed}")];
        args.extend(kind.as_ref().map(|kind| format!("--kind={kind}")));
        args
    }
}

/// A seed from the clock; it is printed, so that a failure can be repeated.
fn fresh_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(1, |now| u64::from(now.subsec_nanos()) << 20 ^ now.as_secs())
}

/// A test of its own; it gets a folder and the seed, and says what it saw.
struct Extra {
    name: &'static str,
    run: fn(&Path, u64) -> Result<String>,
}

/// What is tested once, after the rounds.
const EXTRAS: &[Extra] = &[
    Extra { name: "bit-flips", run: damage::run },
    Extra { name: "full-disk", run: full_disk::run },
];

/// The part that runs in the namespace.
pub(crate) fn inside(args: &[String]) -> Result<()> {
    let options = namespace::parse::<Options>(args)?;
    let dir = process::peers_dir().join("crash");
    let seed = options.seed;
    println!("crash: seed {seed}, data in {}", dir.display());
    let is_kind = |name: &str| options.kind.as_deref() == Some(name);
    let extra = EXTRAS.iter().any(|extra| is_kind(extra.name));
    let mut story = None;
    for round in 0..if extra { 0 } else { options.rounds } {
        if round % ROUNDS_OF_A_STORY == 0 {
            let data = dir.join(format!("story-{}", round / ROUNDS_OF_A_STORY));
            story = Some(Chapter::begin(data)?);
        }
        let Some(chapter) = &mut story else { bail!("no story") };
        let fault = match KINDS.iter().find(|kind| is_kind(kind.name)) {
            Some(kind) => (kind.make)(&mut Random(seed ^ u64::from(round) << 32)),
            None => Fault::of_round(seed, round),
        };
        let last =
            round % ROUNDS_OF_A_STORY == ROUNDS_OF_A_STORY - 1 || round + 1 == options.rounds;
        let told = chapter.round(seed, round, fault, last).with_context(|| {
            format!(
                "round {round}, {fault:?}; again: cargo xtask crash --seed {seed} --rounds {}",
                round + 1
            )
        })?;
        println!("round {round:>3} {fault:?}: {told}");
    }
    for Extra { name, run } in EXTRAS {
        if options.kind.is_none() || is_kind(name) {
            let told =
                run(&dir.join(name), seed).with_context(|| format!("{name}, seed {seed}"))?;
            println!("{name}: {told}");
        }
    }
    Ok(())
}

/// A broker's data folder and what is known of it, over several rounds.
struct Chapter {
    data: PathBuf,
    log: PathBuf,
    story: Story,
}

impl Chapter {
    fn begin(data: PathBuf) -> Result<Self> {
        let _ = std::fs::remove_dir_all(&data);
        std::fs::create_dir_all(&data)?;
        let log = data.with_extension("log");
        let _ = std::fs::remove_file(&log);
        Ok(Self { data, log, story: Story::new(PORT) })
    }

    fn launch(&self, before: Vec<String>) -> Launch {
        Launch {
            data: self.data.clone(),
            amqp: PORT,
            metrics: 15692,
            config: None,
            log: self.log.clone(),
            before,
        }
    }

    /// Publishes and consumes until the fault, or the end of the round.
    fn work(&mut self, mut leveret: Leveret, fault: Fault, random: &mut Random) -> Result<String> {
        if let Err(error) = self.story.declare() {
            let ended = fault.ends_by_itself() && leveret.server.wait(STOPS)?.is_some();
            return if ended {
                Ok("ended by the fault while declaring".into())
            } else {
                Err(error)
            };
        }
        fault.arm(leveret.server.pid())?;
        let length = fault.length(random);
        self.story.during(random.next(), || end(&mut leveret, fault, length))
    }

    /// Starts, works, fails, starts again, looks at what is there.
    fn round(&mut self, seed: u64, round: u32, fault: Fault, last: bool) -> Result<String> {
        let mut random = Random(seed.wrapping_add(u64::from(round)));
        self.story.ledger().counts = ledger::Counts::default();
        let ended = match Leveret::start(&self.launch(fault.before())) {
            Ok(leveret) => self.work(leveret, fault, &mut random)?,
            // A start syncs and writes as well, so the fault may hit recovery itself.
            Err(error) if fault.may_end_a_start(&format!("{error:#}")) => {
                "ended by the fault while starting".into()
            }
            Err(error) => return Err(error),
        };
        let counts = self.story.ledger().counts;
        let mut leveret =
            Leveret::start(&self.launch(Vec::new())).context("the start after the fault")?;
        self.story.declare()?;
        let held = self.story.inspect(last, false)?;
        let wrong = self.story.ledger().take_wrong();
        if !wrong.is_empty() {
            bail!("{}\nthe broker said:\n{}", wrong.join("\n"), leveret.said());
        }
        let clean = leveret.server.terminate(STOPS)?;
        if !clean.success() {
            bail!("a clean stop ended with {clean}:\n{}", leveret.said());
        }
        Ok(format!(
            "{ended}; {} sent, {} confirmed, {} delivered, {} acked; {held} kept",
            counts.sent, counts.confirmed, counts.delivered, counts.acked
        ))
    }
}

/// Lets the fault happen, or ends the broker from outside; says how it ended.
fn end(leveret: &mut Leveret, fault: Fault, length: Duration) -> Result<String> {
    if let Some(status) = leveret.server.wait(length)? {
        if !fault.ends_by_itself() {
            bail!("leveret ended by itself with {status}:\n{}", leveret.said());
        }
        if status.success() {
            bail!("leveret ended with success after a fault:\n{}", leveret.said());
        }
        return Ok(format!("{status}"));
    }
    if fault == Fault::Stop {
        let status = leveret.server.terminate(STOPS)?;
        if !status.success() {
            bail!("a clean stop under load ended with {status}:\n{}", leveret.said());
        }
        return Ok(format!("{status}"));
    }
    leveret.server.kill()?;
    Ok(if fault.ends_by_itself() { "killed before the fault".into() } else { "killed".into() })
}
