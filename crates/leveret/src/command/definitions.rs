//! The command line of `leveret definitions`.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command as Clap, value_parser};

use super::Command;

/// What is done with the definitions of a broker that runs.
pub(crate) struct Definitions {
    pub(crate) way: Way,
    /// `-` for standard input or output.
    pub(crate) file: PathBuf,
    /// Only one virtual host.
    pub(crate) vhost: Option<String>,
    /// Where the broker keeps its data, if the settings do not say it.
    pub(crate) data_dir: Option<String>,
}

/// Which way they go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the broker into a file.
    Export,
    /// From a file into the broker.
    Import,
}

/// What the matches of `leveret definitions` ask for.
pub(super) fn read(matches: &ArgMatches) -> Command {
    let (name, of) = matches.subcommand().expect("clap demands a command, and has one");
    let text = |id: &str| of.get_one::<String>(id).cloned();
    Command::Definitions(Definitions {
        way: if name == "export" { Way::Export } else { Way::Import },
        file: of.get_one::<PathBuf>("file").cloned().unwrap_or_else(|| "-".into()),
        vhost: text("vhost"),
        data_dir: text("data_dir"),
    })
}

pub(super) fn command() -> Clap {
    let way = |name: &'static str, about: &'static str, file: &'static str| {
        let text = |id: &'static str, flag: &'static str, value: &'static str| {
            Arg::new(id).long(flag).value_name(value)
        };
        Clap::new(name)
            .about(about)
            .arg(
                Arg::new("file")
                    .value_name("FILE")
                    .required(true)
                    .value_parser(value_parser!(PathBuf))
                    .help(file),
            )
            .arg(text("vhost", "vhost", "NAME").help(
                "Only what is in this virtual host; an import goes there, wherever the file is from",
            ))
            .arg(text("data_dir", "data-dir", "DIR").help(
                "The directory of the broker; default: that of the settings",
            ))
    };
    Clap::new("definitions")
        .about("Writes what is declared to a file of RabbitMQ's form, and reads it back")
        .subcommand_required(true)
        .subcommand(way(
            "export",
            "Writes users, permissions, policies, queues, exchanges, bindings to a file",
            "Where to; - is standard output",
        ))
        .subcommand(way(
            "import",
            "Adds what a file defines; what is there stays",
            "From where; - is standard input",
        ))
        .after_help(EXAMPLES)
}

const EXAMPLES: &str = "\
Examples:
  leveret definitions export all.json
      everything that is declared, as RabbitMQ exports it
  leveret definitions import all.json
      adds it to this broker, and says what was made, was there, was ignored
  leveret definitions export --vhost orders - | leveret definitions import --vhost copy -
      one virtual host into another one, which must be there

The broker must run, and belong to the same user. Exit codes: 0 done, 64 wrong command line,
65 the definitions cannot be used, 69 the broker is not reached, 74 the file cannot be read or written.";
