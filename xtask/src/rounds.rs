//! Scenarios that are measured several times, and what came out as a Markdown table.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::bench::{digits, percentile};
use crate::{broker, process};

/// What was measured, and the value.
pub(crate) type Figures = Vec<(&'static str, f64)>;

/// A scenario's name, and what runs it once and gives a line of the table.
pub(crate) type Line<B> = (&'static str, fn(&B) -> Result<String>);

/// A scenario's name, and what runs it.
pub(crate) type Scenario<B> = (&'static str, fn(&B) -> Result<Figures>);

/// What every measurement of a kind is told on the command line.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Messages of a round; the default is the command's own.
    #[arg(long, value_name = "N")]
    pub(crate) messages: Option<u64>,
    /// The release build that is measured; without it one is built.
    #[arg(long, value_name = "LEVERET")]
    program: Option<PathBuf>,
    /// Where the programs work.
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
    /// Scenarios; all without it.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    only: Vec<String>,
}

impl Options {
    /// The release build that is measured.
    pub(crate) fn leveret(&self) -> Result<PathBuf> {
        self.program.clone().map_or_else(broker::build_release, Ok)
    }

    /// The folder for the command `name`.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.dir.clone().unwrap_or_else(|| process::peers_dir().join(name))
    }

    /// Runs the scenarios that are asked for, once, and prints a line of each.
    pub(crate) fn run_each<B>(&self, bench: &B, scenarios: &[Line<B>]) -> Result<()> {
        let mut table = String::from("| what | measured |\n|---|---|\n");
        for (name, scenario) in choose(&self.only, scenarios, |scenario| scenario.0)? {
            let from = Instant::now();
            let row = scenario(bench).with_context(|| format!("scenario {name}"))?;
            eprintln!("{name}: {row} ({:.0} s)", from.elapsed().as_secs_f64());
            table.push_str(&format!("| {name} | {row} |\n"));
        }
        print!("{table}");
        Ok(())
    }
}

/// The same, measured several times.
#[derive(Debug, clap::Args)]
pub(crate) struct Repeated {
    #[command(flatten)]
    pub(crate) options: Options,
    /// How often each scenario is measured.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

/// Those of `all` that are named; all when none is.
pub(crate) fn choose<'a, T>(
    only: &[String],
    all: &'a [T],
    name: fn(&T) -> &str,
) -> Result<Vec<&'a T>> {
    if only.is_empty() {
        return Ok(all.iter().collect());
    }
    let find = |wanted: &String| {
        all.iter().find(|one| name(one) == wanted).with_context(|| {
            let names: Vec<&str> = all.iter().map(name).collect();
            format!("no {wanted}; there are {}", names.join(", "))
        })
    };
    only.iter().map(find).collect()
}

impl Repeated {
    /// Runs the scenarios that are asked for and prints their table.
    pub(crate) fn measure<B>(&self, bench: &B, scenarios: &[Scenario<B>]) -> Result<()> {
        let mut table =
            String::from("| scenario | what | median | least | most |\n|---|---|---:|---:|---:|\n");
        for (name, scenario) in choose(&self.options.only, scenarios, |scenario| scenario.0)? {
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
}

fn line(figures: &Figures) -> String {
    let shown = figures.iter().map(|(what, value)| format!("{what} {}", digits(*value)));
    shown.collect::<Vec<_>>().join(", ")
}
