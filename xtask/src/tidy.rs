//! House rules that neither the compiler nor clippy knows.
//!
//! An exemption is a row in [`EXEMPT`] with its reason; a row that is no longer needed is an error,
//! so the list only shrinks.

#[cfg(test)]
mod tests;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{peers, process};

/// Lines that a file outside tests may have.
const LINES: usize = 800;

/// Which of our crates each crate may use, apart from tests: arrows point down only.
const ARROWS: &[(&str, &[&str])] = &[
    ("amqp", &[]),
    ("store", &[]),
    ("service", &[]),
    ("broker", &["amqp", "store"]),
    ("control", &[]),
    ("client", &["amqp", "service"]),
    ("delayer", &["amqp", "client", "service", "store"]),
    ("trigger", &["amqp", "client", "service"]),
    ("dmq", &["amqp", "client", "service"]),
    ("server", &["amqp", "broker", "control", "service", "store"]),
    ("leveret", &["client", "control", "delayer", "dmq", "server", "service", "trigger"]),
    ("xtask", &["amqp", "client"]),
];

/// `(rule, file, reason)`.
const EXEMPT: &[(&str, &str, &str)] = &[];

/// A broken rule: rule, file, what is wrong.
struct Finding {
    rule: &'static str,
    file: String,
    what: String,
}

/// `cargo xtask tidy`.
pub(crate) fn run() -> Result<()> {
    let wrong = check()?;
    for line in &wrong {
        eprintln!("{line}");
    }
    if !wrong.is_empty() {
        bail!("{} findings", wrong.len());
    }
    Ok(())
}

/// All that is wrong, a line each.
pub(crate) fn check() -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for file in files()? {
        let path = process::root().join(&file);
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        source(&file, &text, &mut findings);
    }
    arrows(&mut findings)?;
    architecture(&mut findings)?;
    let mut wrong: Vec<String> = EXEMPT
        .iter()
        .filter(|(rule, file, _)| !findings.iter().any(|f| f.rule == *rule && f.file == *file))
        .map(|(rule, file, _)| format!("{file}: the exemption from {rule} is no longer needed"))
        .collect();
    let exempt =
        |f: &Finding| EXEMPT.iter().any(|(rule, file, _)| *rule == f.rule && *file == f.file);
    wrong.extend(
        findings
            .iter()
            .filter(|f| !exempt(f))
            .map(|f| format!("{}: {}: {}", f.file, f.rule, f.what)),
    );
    Ok(wrong)
}

/// Rust files that are, or would be, in the repository.
fn files() -> Result<Vec<String>> {
    let listed = process::output(
        Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"])
            .current_dir(process::root()),
    )?;
    Ok(listed.lines().map(str::to_owned).collect())
}

fn is_test(file: &str) -> bool {
    file.ends_with("/tests.rs") || file.contains("/tests/")
}

fn source(file: &str, text: &str, findings: &mut Vec<Finding>) {
    let mut found =
        |rule, what: String| findings.push(Finding { rule, file: file.to_owned(), what });
    if !text.starts_with("//!") {
        found("header", "the first line does not say what the file is for (//!)".into());
    }
    let lines = text.lines().count();
    if lines > LINES && !is_test(file) {
        found("length", format!("{lines} lines, {LINES} are the limit"));
    }
    let name = Path::new(file).file_name().unwrap_or_default().to_string_lossy();
    if ["util.rs", "utils.rs", "common.rs", "helpers.rs", "mod.rs"].contains(&&*name) {
        found("name", "a file is named after what it holds".into());
    }
    for (number, line) in text.lines().enumerate() {
        // This file names what it forbids.
        if file.starts_with("xtask/src/tidy") {
            break;
        }
        let number = number + 1;
        if line.trim_start().starts_with("#[ignore") {
            found("ignored", format!("line {number}: a test that never runs"));
        }
        if is_test(file) && (line.contains("thread::sleep") || line.contains("time::sleep")) {
            found("sleep", format!("line {number}: wait for the event, or drive the clock"));
        }
    }
}

fn arrows(findings: &mut Vec<Finding>) -> Result<()> {
    let printed = process::output(
        Command::new(peers::cargo())
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(process::root()),
    )?;
    let metadata: Value = serde_json::from_str(&printed)?;
    for package in metadata["packages"].as_array().context("cargo metadata")? {
        let name = package["name"].as_str().context("cargo metadata")?;
        let mut found = |what| {
            let file = format!("crates/{name}/Cargo.toml");
            findings.push(Finding { rule: "arrows", file, what });
        };
        let Some((_, allowed)) = ARROWS.iter().find(|(of, _)| *of == name) else {
            found(format!("{name} has no row in xtask/src/tidy.rs"));
            continue;
        };
        for dependency in package["dependencies"].as_array().context("cargo metadata")? {
            let ours = dependency["path"].is_string() && dependency["kind"] != "dev";
            let to = dependency["name"].as_str().unwrap_or_default();
            if ours && !allowed.contains(&to) {
                found(format!("{name} may not use {to}"));
            }
        }
    }
    Ok(())
}

/// Every crate and file that ARCHITECTURE.md names in backquotes exists: from the root, or, for a
/// name without a folder, anywhere.
fn architecture(findings: &mut Vec<Finding>) -> Result<()> {
    const MAP: &str = "ARCHITECTURE.md";
    let text = std::fs::read_to_string(process::root().join(MAP)).context(MAP)?;
    let files = files()?;
    for word in text.split('`').skip(1).step_by(2) {
        let path = word.trim_end_matches('/');
        let names_a_file = [".rs", ".md", ".toml"].iter().any(|end| path.ends_with(end));
        let names_a_folder = path.starts_with("crates/") || path.starts_with("xtask/");
        if path.contains([' ', '*', '{']) || !(names_a_file || names_a_folder) {
            continue;
        }
        let somewhere = || files.iter().any(|file| file.ends_with(&format!("/{path}")));
        if !process::root().join(path).exists() && (path.starts_with("crates/") || !somewhere()) {
            let what = format!("names {word}, which does not exist");
            findings.push(Finding { rule: "map", file: MAP.into(), what });
        }
    }
    Ok(())
}
