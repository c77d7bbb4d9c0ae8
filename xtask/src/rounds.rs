//! Scenarios that are measured several times, and what came out as a Markdown table.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::bench::{digits, percentile};
use crate::process;

/// What was measured, and the value.
pub(crate) type Figures = Vec<(&'static str, f64)>;

/// A scenario's name, and what runs it.
pub(crate) type Scenario<B> = (&'static str, fn(&B) -> Result<Figures>);

/// What such a measurement is told on the command line.
pub(crate) struct Options {
    /// Messages of a round.
    pub(crate) messages: u64,
    rounds: usize,
    /// The release build that is measured; without it one is built.
    pub(crate) program: Option<PathBuf>,
    /// Where the programs work.
    pub(crate) dir: PathBuf,
    only: Vec<String>,
}

impl Options {
    /// Reads the arguments of the command `name`.
    pub(crate) fn parse(name: &str, messages: u64, args: &[String]) -> Result<Options> {
        let dir = process::peers_dir().join(name);
        let mut options = Options { messages, rounds: 3, program: None, dir, only: Vec::new() };
        let mut args = args.iter();
        while let Some(flag) = args.next() {
            let value = args.next().with_context(|| format!("{flag} needs a value"))?;
            match flag.as_str() {
                "--messages" => options.messages = value.parse().context("--messages")?,
                "--rounds" => options.rounds = value.parse().context("--rounds")?,
                "--program" => options.program = Some(value.into()),
                "--dir" => options.dir = value.into(),
                "--only" => options.only = value.split(',').map(str::to_owned).collect(),
                other => bail!("unknown argument {other}"),
            }
        }
        ensure!(options.rounds > 0, "--rounds must be 1 or more");
        Ok(options)
    }

    /// Runs the scenarios that are asked for and prints their table.
    pub(crate) fn measure<B>(&self, bench: &B, scenarios: &[Scenario<B>]) -> Result<()> {
        if let Some(name) = self.only.iter().find(|n| !scenarios.iter().any(|s| s.0 == **n)) {
            let all: Vec<&str> = scenarios.iter().map(|s| s.0).collect();
            bail!("no scenario {name}; there are {}", all.join(", "));
        }
        let mut table =
            String::from("| scenario | what | median | least | most |\n|---|---|---:|---:|---:|\n");
        for (name, scenario) in scenarios.iter().filter(|(name, _)| self.chosen(name)) {
            let mut rounds: Vec<Figures> = Vec::new();
            for round in 1..=self.rounds {
                let from = Instant::now();
                let figures = scenario(bench).with_context(|| format!("scenario {name}"))?;
                let seconds = from.elapsed().as_secs_f64();
                eprintln!("{name}, round {round}, {seconds:.0} s: {}", line(&figures));
                rounds.push(figures);
            }
            for (place, (what, _)) in rounds[0].iter().enumerate() {
                let mut all: Vec<f64> = rounds.iter().map(|figures| figures[place].1).collect();
                all.sort_by(f64::total_cmp);
                let [median, least, most] =
                    [0.5, 0.0, 1.0].map(|part| digits(percentile(&all, part)));
                table.push_str(&format!("| {name} | {what} | {median} | {least} | {most} |\n"));
            }
        }
        print!("{table}");
        Ok(())
    }

    fn chosen(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}

fn line(figures: &Figures) -> String {
    let shown = figures.iter().map(|(what, value)| format!("{what} {}", digits(*value)));
    shown.collect::<Vec<_>>().join(", ")
}
