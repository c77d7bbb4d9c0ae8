//! Definitions, in and out.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;

use super::super::arguments::Given;
use super::super::command::{COMMAND, Command, Flag, Kind};
use super::super::failure::{DATA, Failure, UNAVAILABLE};
use super::super::session::Session;
use crate::request::Request;

const DEFINITIONS: Command = Command { section: "Definitions", ..COMMAND };

const FLAGS: &[Flag] = &[("format", Kind::Text), ("skip-if-unchanged", Kind::Switch)];

pub(super) const TABLE: &[Command] = &[
    Command {
        name: "export_definitions",
        usage: "<file_path | \"-\"> [--format <json | erlang>] [--timeout <timeout>]",
        summary: "Exports definitions in JSON or compressed Erlang Term Format.",
        words: (0, 1),
        flags: FLAGS,
        banner: |given, _| match given.word(0) {
            "-" => String::new(),
            file => format!("Exporting definitions in JSON to a file at \"{file}\" ..."),
        },
        run: export,
        ..DEFINITIONS
    },
    Command {
        name: "import_definitions",
        usage: "<file_path | \"-\"> [--format <json | erlang>] [--skip-if-unchanged] \
                [--timeout <timeout>]",
        summary: "Imports definitions in JSON or compressed Erlang Term Format.",
        words: (0, 1),
        flags: FLAGS,
        run: import,
        is_patient: true,
        ..DEFINITIONS
    },
];

fn check(given: &Given) -> Result<(), Failure> {
    match given.options.get("format").unwrap_or("json") {
        "json" | "JSON" => {}
        other => {
            let why = format!("Bad argument: Formatter '{other}' is not supported: use json");
            return Err(given.refused(DATA, &format!("Error (argument validation): {why}")));
        }
    }
    match given.words.is_empty() {
        true => Err(given.invalid("No file path provided. Use - for standard input or output")),
        false => Ok(()),
    }
}

fn export(session: &mut Session, given: &Given) -> Result<(), Failure> {
    check(given)?;
    let definitions = session.ask(&Request::ExportDefinitions { vhost: None })?.to_string();
    if given.word(0) == "-" {
        session.show(&definitions);
        return Ok(());
    }
    let file = given.word(0);
    // With password hashes in it, a new one is nobody else's business.
    let mut options = OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(0o600).open(file);
    let written = opened.and_then(|mut out| out.write_all(definitions.as_bytes()));
    written.map_err(|error| Failure::new(UNAVAILABLE, format!("cannot write {file}: {error}")))
}

fn import(session: &mut Session, given: &Given) -> Result<(), Failure> {
    check(given)?;
    let file = given.word(0);
    let text = match file {
        "-" => {
            session.banner("Importing definitions in JSON from standard input ...");
            let mut text = Vec::new();
            std::io::stdin().read_to_end(&mut text).map(|_| text)
        }
        file => {
            if !std::path::Path::new(file).exists() {
                let why = "Error (argument validation): Bad argument";
                return Err(given.refused(DATA, &format!("{why}: File {file} does not exist")));
            }
            session.banner(&format!("Importing definitions in JSON from a file at \"{file}\" ..."));
            std::fs::read(file)
        }
    };
    let text =
        text.map_err(|error| Failure::new(UNAVAILABLE, format!("cannot read {file}: {error}")))?;
    let definitions = crate::definitions::parse(&text)
        .map_err(|error| Failure::new(DATA, format!("Failed to parse the definitions: {error}")))?;
    let said = session.ask(&Request::ImportDefinitions { definitions, vhost: None })?;
    for warning in said["warnings"].as_array().into_iter().flatten() {
        eprintln!("ignored {}", warning.as_str().unwrap_or_default());
    }
    session.say(
        "Successfully started definition import. This process is asynchronous and can take \
                 some time.",
    );
    Ok(())
}
