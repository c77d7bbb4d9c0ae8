//! lapin and amqprs: the tests of other Rust clients, from their published crates.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Outcome, Place, Results};
use crate::{peers, process};

fn list(package: &str) -> PathBuf {
    process::peers_dir().join(format!("{package}.binaries"))
}

/// Compiles the tests and notes where their binaries are.
pub(super) fn prepare(package: &str) -> Result<()> {
    let mut command = Command::new(peers::cargo());
    command.args(["test", "--quiet", "--no-run", "--message-format=json", "--package", package]);
    command.args(["--lib", "--tests"]);
    if package == "lapin" {
        command.args(["--no-default-features", "--features", "default-runtime,smol"]);
    }
    let printed = process::output(
        command
            .arg("--target-dir")
            .arg(process::peers_dir().join("crates-target"))
            .current_dir(peers::crates_dir())
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_INCREMENTAL", "0")
            .env_remove("RUSTFLAGS"),
    )?;
    let mut lines = String::new();
    for line in printed.lines() {
        let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
        let (Some(path), Some(name)) =
            (message["executable"].as_str(), message["target"]["name"].as_str())
        else {
            continue;
        };
        if message["profile"]["test"] == true {
            lines.push_str(&format!("{name} {path}\n"));
        }
    }
    std::fs::write(list(package), lines)?;
    Ok(())
}

pub(super) fn run(package: &str, place: &Place) -> Result<Results> {
    let mut results = Results::default();
    for line in std::fs::read_to_string(list(package))?.lines() {
        let (name, path) = line.split_once(' ').context("list of test binaries")?;
        let log = place.dir.join(format!("{name}.log"));
        let mut command = Command::new(path);
        command.arg("--test-threads=2").current_dir(peers::crates_dir());
        command.env("AMQP_ADDR", "amqp://guest:guest@127.0.0.1:5672/%2f");
        process::logged(&mut command, &log, place.limit)?;
        parse(name, &std::fs::read_to_string(&log)?, &mut results);
    }
    Ok(results)
}

/// Reads lines such as `test tests::name ... ok` and `test name - should panic ... ok`.
fn parse(binary: &str, text: &str, results: &mut Results) {
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("test ") else { continue };
        let Some((test, end)) = rest.split_once(" ... ") else { continue };
        let outcome = match end.split([' ', ',']).next() {
            Some("ok") => Outcome::Pass,
            Some("ignored") => Outcome::Skip,
            _ => Outcome::Fail,
        };
        let test = test.trim_end_matches(" - should panic");
        results.0.insert(format!("{binary}::{test}"), outcome);
    }
}
