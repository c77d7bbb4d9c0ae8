//! RabbitMQ's Java client: its tests of a client, of what a broker does, and of a broker's operation.

#[cfg(test)]
mod tests;

use std::process::Command;

use anyhow::{Context, Result};

use super::{Outcome, Place, Results, certificates};
use crate::{peers, process};

/// The groups in which the tests come.
const GROUPS: &[&str] = &[
    "com.rabbitmq.client.test.ClientTests",
    "com.rabbitmq.client.test.functional.FunctionalTests",
    "com.rabbitmq.client.test.server.ServerTests",
    "com.rabbitmq.client.test.ssl.SSLTests",
];

/// Of the key stores that [`prepare`] makes.
const PASSWORD: &str = "changeit";

/// Makes certificates, and from them the key stores of a client: one that trusts the broker, one
/// that trusts nobody, and one that says who the client is.
pub(super) fn prepare() -> Result<()> {
    certificates::prepare()?;
    let dir = certificates::dir();
    if dir.join("client.p12").exists() {
        return Ok(());
    }
    let keytool = |args: &[&str], store: &str| {
        let mut command = Command::new("keytool");
        command.args(args).args(["-alias", "authority", "-storetype", "JKS"]);
        command.args(["-storepass", PASSWORD, "-keystore", store]).current_dir(&dir);
        process::output(&mut command)
    };
    for store in ["trusting.jks", "distrusting.jks"] {
        let _ = std::fs::remove_file(dir.join(store));
        keytool(&["-importcert", "-noprompt", "-file", "ca.pem"], store)?;
    }
    keytool(&["-delete"], "distrusting.jks")?;
    process::output(
        Command::new("openssl")
            .args(["pkcs12", "-export", "-in", "client_certificate.pem", "-inkey"])
            .args(["client_key.pem", "-passout", &format!("pass:{PASSWORD}")])
            .args(["-out", "client.p12"])
            .current_dir(&dir),
    )?;
    Ok(())
}

pub(super) fn run(place: &Place) -> Result<Results> {
    let certificate = |name| place.certificates.join(name).display().to_string();
    let ours = process::root().join("xtask/java");
    let properties = [
        ("make.bin", "make".to_owned()),
        // Our Makefile stands for that of RabbitMQ's sources.
        ("rabbitmq.dir", ours.display().to_string()),
        ("rabbitmqctl.bin", ours.join("rabbitmqctl").display().to_string()),
        ("test-broker.A.nodename", place.node.clone()),
        ("test-broker.A.node_port", "5672".to_owned()),
        ("test-keystore.ca", certificate("trusting.jks")),
        ("test-keystore.empty", certificate("distrusting.jks")),
        ("test-keystore.password", PASSWORD.to_owned()),
        ("test-client-cert.path", certificate("client.p12")),
        ("test-client-cert.password", PASSWORD.to_owned()),
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
