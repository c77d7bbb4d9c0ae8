//! amqp091-go, the Go client, from Debian's package that contains its tests.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Outcome, Place, Results};
use crate::process;

const SOURCE: &str = "/usr/share/gocode/src/github.com/rabbitmq/amqp091-go";

fn binary() -> PathBuf {
    process::peers_dir().join("amqp091-go.test")
}

/// Compiles the tests, in GOPATH mode, which needs no network.
pub(super) fn prepare() -> Result<()> {
    process::check(
        Command::new("go")
            .args(["test", "-tags", "integration", "-c", "-o"])
            .arg(binary())
            .arg(".")
            .current_dir(SOURCE)
            .env("GO111MODULE", "off")
            .env("GOPATH", "/usr/share/gocode")
            .env("GOFLAGS", "")
            .env("GOCACHE", process::peers_dir().join("go-cache")),
    )
}

pub(super) fn run(place: &Place) -> Result<Results> {
    let mut command = Command::new(binary());
    command.args(["-test.v", "-test.timeout", "200s"]).current_dir(SOURCE);
    command.env("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/");
    process::logged(&mut command, &place.log, place.limit)?;
    Ok(parse(&std::fs::read_to_string(&place.log).context("the suite's log")?))
}

/// Reads lines such as `--- PASS: TestName (0.01s)`.
fn parse(text: &str) -> Results {
    let mut results = Results::default();
    for line in text.lines() {
        let Some(rest) = line.trim_start().strip_prefix("--- ") else { continue };
        let Some((word, rest)) = rest.split_once(": ") else { continue };
        let outcome = match word {
            "PASS" => Outcome::Pass,
            "FAIL" => Outcome::Fail,
            "SKIP" => Outcome::Skip,
            _ => continue,
        };
        let test = rest.split(" (").next().unwrap_or(rest);
        results.0.insert(test.to_owned(), outcome);
    }
    results
}
