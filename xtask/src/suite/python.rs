//! py-amqp, kombu and celery, from their source packages.

#[cfg(test)]
mod tests;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

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

/// Celery's tests of workers, with what it stores results in beside it.
///
/// Of those of its backends and of the library alone, none talks to a broker.
const CELERY: &[&str] = &[
    "t/integration/test_beat.py",
    "t/integration/test_canvas.py",
    "t/integration/test_group_chains.py",
    "t/integration/test_inspect.py",
    "t/integration/test_tasks.py",
    "t/integration/test_worker.py",
];

pub(super) fn celery(place: &Place) -> Result<Results> {
    let source = place.dir.join("source");
    copy(&peers::python_source("celery"), &source)?;
    let mut redis = Command::new("redis-server");
    redis.args(["--bind", "127.0.0.1", "--save", "", "--dir"]).arg(&place.dir);
    let mut redis = process::start(&mut redis, &place.dir.join("redis.log"))?;
    let up = process::until(REDIS, || std::net::TcpStream::connect("127.0.0.1:6379").ok());
    if up.is_none() || redis.ended()?.is_some() {
        bail!("redis-server does not serve, see {}", place.dir.display());
    }
    pytest(place, &source, &[&["-p", "celery.contrib.pytest"], CELERY].concat())
}

/// Tests of our own: what frameworks build to delay messages, and whether it delays them.
pub(super) fn delays(place: &Place, test: &str) -> Result<Results> {
    let source = place.dir.join("source");
    copy(&process::root().join("xtask/python"), &source)?;
    pytest(place, &source, &[test])
}

/// How long Redis may take until it serves.
const REDIS: Duration = Duration::from_secs(30);

/// A copy, so that what the tests leave behind is not seen by the next run.
fn copy(from: &Path, to: &Path) -> Result<()> {
    process::check(Command::new("cp").arg("-r").arg(from).arg(to))
}

fn pytest(place: &Place, source: &Path, args: &[&str]) -> Result<Results> {
    let mut command = Command::new(peers::python_path());
    command.args(["-m", "pytest", "-v", "--color=no", "-p", "no:cacheprovider"]);
    command.args(args).current_dir(source).env("COLUMNS", "500");
    // A failing test fails the comparison, not the run.
    process::logged(&mut command, &place.log, place.limit)?;
    Ok(parse(&std::fs::read_to_string(&place.log).context("the suite's log")?))
}

/// What follows the name of a test.
const WORDS: &[(&str, Outcome)] = &[
    (" PASSED ", Outcome::Pass),
    (" FAILED ", Outcome::Fail),
    (" ERROR ", Outcome::Fail),
    (" SKIPPED ", Outcome::Skip),
    (" XFAIL ", Outcome::Skip),
];

/// Reads lines such as `t/integration/test_rmq.py::test_connect[plain] PASSED   [ 5%]`; the folder is
/// left away.
fn parse(text: &str) -> Results {
    let mut results = Results::default();
    for line in text.lines() {
        let line = line.strip_prefix("t/integration/").unwrap_or(line);
        if !line.split([' ', '[']).next().is_some_and(|name| name.contains(".py::")) {
            continue;
        }
        let ends = WORDS.iter().find_map(|(word, outcome)| Some((line.rfind(word)?, *outcome)));
        if let Some((end, outcome)) = ends {
            results.0.insert(line[..end].to_owned(), outcome);
        }
    }
    results
}
