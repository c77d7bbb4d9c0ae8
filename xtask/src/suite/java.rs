//! RabbitMQ's Java client: its tests of a client, of what a broker does, and of a broker's operation.

#[cfg(test)]
mod tests;

use std::process::Command;

use anyhow::{Context, Result};

use super::{Outcome, Place, Results};
use crate::{peers, process};

/// The groups in which the tests come.
const GROUPS: &[&str] = &[
    "com.rabbitmq.client.test.ClientTests",
    "com.rabbitmq.client.test.functional.FunctionalTests",
    "com.rabbitmq.client.test.server.ServerTests",
];

pub(super) fn run(place: &Place) -> Result<Results> {
    let ours = process::root().join("xtask/java");
    let properties = [
        ("make.bin", "make".to_owned()),
        // Our Makefile stands for that of RabbitMQ's sources.
        ("rabbitmq.dir", ours.display().to_string()),
        ("rabbitmqctl.bin", ours.join("rabbitmqctl").display().to_string()),
        ("test-broker.A.nodename", place.node.clone()),
        ("test-broker.A.node_port", "5672".to_owned()),
    ];
    let mut command = Command::new("java");
    command.args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    command.args(properties.iter().map(|(name, value)| format!("-D{name}={value}")));
    command.arg("-cp").arg(peers::java::class_path()).arg("Tests").args(GROUPS);
    command.env("CONTROL_PROGRAM", &place.control);
    process::logged(command.current_dir(&place.dir), &place.log, place.limit)?;
    Ok(parse(&std::fs::read_to_string(&place.log).context("the suite's log")?))
}

/// Reads lines such as `TEST pass test.functional.Confirm.twoAcks`. A test that is in two groups
/// counts as it ended the worse time.
fn parse(text: &str) -> Results {
    let mut results = Results::default();
    for line in text.lines() {
        let Some((word, test)) = line.strip_prefix("TEST ").and_then(|rest| rest.split_once(' '))
        else {
            continue;
        };
        let Some(outcome) = Outcome::ALL.into_iter().find(|outcome| outcome.name() == word) else {
            continue;
        };
        let before = results.0.get(test).copied();
        if before != Some(Outcome::Fail) {
            results.0.insert(test.to_owned(), outcome);
        }
    }
    results
}
