//! py-amqp and kombu, from their source packages, and scripts of our own; how pytest is run and read.

#[cfg(test)]
mod tests;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Outcome, Place, Results};
use crate::{peers, process};

/// Tests that dial hosts outside loopback.
const OUTSIDE: &str = "not test_tls_default_certs and not test_tls_no_default_certs_fails";

pub(super) fn py_amqp(place: &Place) -> Result<Results> {
    let source = place.dir.join("source");
    copy(&peers::python_source("amqp"), &source)?;
    copy(&place.certificates, &source.join("t/certs"))?;
    pytest(place, &source, &["t/integration", "-k", OUTSIDE])
}

pub(super) fn kombu(place: &Place) -> Result<Results> {
    let source = place.dir.join("source");
    copy(&peers::python_source("kombu"), &source)?;
    pytest(place, &source, &["t/integration/test_py_amqp.py"])
}

/// Tests of our own: what frameworks build to delay messages, and whether it delays them.
pub(super) fn delays(place: &Place, test: &str) -> Result<Results> {
    let source = place.dir.join("source");
    copy(&process::root().join("xtask/python"), &source)?;
    pytest(place, &source, &[test])
}

/// A copy, so that what the tests leave behind is not seen by the next run.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    process::check(Command::new("cp").arg("-r").arg(from).arg(to))
}

fn pytest(place: &Place, source: &Path, args: &[&str]) -> Result<Results> {
    let mut command = command(source);
    // A failing test fails the comparison, not the run.
    process::logged(command.args(args), &place.log, place.limit)?;
    Ok(parse(&std::fs::read_to_string(&place.log).context("the suite's log")?))
}

/// Pytest, its output such that [`parse`] can read it.
pub(super) fn command(source: &Path) -> Command {
    let mut command = Command::new(peers::python_path());
    command.args(["-m", "pytest", "-v", "--color=no", "-p", "no:cacheprovider"]);
    command.current_dir(source).env("COLUMNS", "500");
    command
}

/// What follows the name of a test. A part of a test does not say how the test ended unless it failed.
const WORDS: &[(&str, Option<Outcome>)] = &[
    (" PASSED ", Some(Outcome::Pass)),
    (" FAILED ", Some(Outcome::Fail)),
    (" ERROR ", Some(Outcome::Fail)),
    (" SUBFAIL ", Some(Outcome::Fail)),
    (" SKIPPED ", Some(Outcome::Skip)),
    (" XFAIL ", Some(Outcome::Skip)),
    (" RERUN ", None),
];

/// Reads lines such as `t/integration/test_rmq.py::test_connect[plain] PASSED   [ 5%]`; the folder is
/// left away.
pub(super) fn parse(text: &str) -> Results {
    let mut results = Results::default();
    for line in text.lines() {
        let line = line.strip_prefix("t/integration/").unwrap_or(line);
        if !line.split([' ', '[']).next().is_some_and(|name| name.contains(".py::")) {
            continue;
        }
        let ends = WORDS.iter().find_map(|(word, outcome)| Some((line.rfind(word)?, *outcome)));
        let Some((end, outcome)) = ends else { continue };
        // What a part of a test is about follows the test's name.
        let name = &line[..end];
        let name = name.find(" [").map_or(name, |part| &name[..part]);
        match outcome {
            None => drop(results.0.remove(name)),
            Some(_) if results.0.get(name) == Some(&Outcome::Fail) => {}
            Some(outcome) => drop(results.0.insert(name.to_owned(), outcome)),
        }
    }
    results
}
