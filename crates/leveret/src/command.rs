//! The command line: which part to run, and the flags of its settings.

mod body;
mod definitions;
mod dmq;
mod trigger;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command as Clap, value_parser};
use control::cli::Tool;
use delayer::config::OPTIONS;
use server::config::SETTINGS;
use service::config::{Assignment, ConfigError};

pub(crate) use self::body::Body;
pub(crate) use self::definitions::{Definitions, Way};
pub(crate) use self::dmq::{Action as DmqAction, Question, What};
pub(crate) use trigger::{Action, Looked};

/// What the command line asks for.
pub(crate) enum Command {
    /// Run the broker, and what its file declares beside it.
    Serve(Given),
    /// Run a delayer alone.
    Delayer(Given),
    /// Run triggers alone, or look at them.
    Trigger(Given, Action),
    /// Run a node of a DMQ bus alone, or look at its settings.
    Dmq(Given, DmqAction),
    /// Ask a node that runs.
    AskDmq(Question),
    /// Export or import the definitions of a broker that runs.
    Definitions(Definitions),
    /// What one of RabbitMQ's tools does, with the words behind its name.
    Control(Tool, Vec<String>),
}

/// What the command line gives to the part that it runs.
pub(crate) struct Given {
    /// What the program is called in messages.
    pub(crate) program: &'static str,
    /// The configuration file that must be there.
    pub(crate) config: Option<PathBuf>,
    /// Only show the settings.
    pub(crate) print_config: bool,
    /// The settings that the command line gives.
    pub(crate) flags: Vec<Assignment>,
}

/// Why there is nothing to run.
pub(crate) enum Answer {
    /// A mistake, or help and version, which are asked for in the same way.
    Clap(clap::Error),
    /// A flag that no option of this program has.
    Flag(&'static str, ConfigError),
}

impl From<clap::Error> for Answer {
    fn from(error: clap::Error) -> Answer {
        Answer::Clap(error)
    }
}

const LEVERET: &str = "leveret";
/// The program that a delayer alone takes the place of, when it is called by its name.
const AMQPDELAYER: &str = "amqpdelayer";

/// Reads the command line.
pub(crate) fn read(arguments: impl Iterator<Item = OsString>) -> Result<Command, Answer> {
    let arguments: Vec<OsString> = arguments.collect();
    let called = arguments.first().map(Path::new).and_then(Path::file_name);
    if called.is_some_and(|name| name == AMQPDELAYER) {
        let matches = delayer(AMQPDELAYER, AMQPDELAYER_EXAMPLES)
            .try_get_matches_from(full_flags(AMQPDELAYER, arguments)?)?;
        return Ok(Command::Delayer(given(AMQPDELAYER, &matches, OPTIONS.flags(&matches))));
    }
    if let Some((tool, words)) = tool(called, &arguments) {
        let words = words.iter().map(|word| word.to_string_lossy().into_owned());
        return Ok(Command::Control(tool, words.collect()));
    }
    let mut arguments = with_default_command(arguments);
    if arguments.get(1).is_some_and(|command| command == "delayer") {
        let rest = arguments.split_off(2);
        arguments.extend(full_flags(LEVERET, rest)?);
    }
    let matches = root().try_get_matches_from(arguments)?;
    let (name, matches) = matches.subcommand().expect("clap demands a command, and has one");
    Ok(match name {
        "delayer" => Command::Delayer(given(LEVERET, matches, OPTIONS.flags(matches))),
        "trigger" => trigger::read(matches),
        "dmq" => self::dmq::read(matches)?,
        "definitions" => self::definitions::read(matches),
        _ => Command::Serve(given(LEVERET, matches, SETTINGS.flags(matches))),
    })
}

fn given(program: &'static str, matches: &ArgMatches, flags: Vec<Assignment>) -> Given {
    Given {
        program,
        config: matches.get_one::<PathBuf>("config").cloned(),
        print_config: matches.get_flag("print_config"),
        flags,
    }
}

/// The tools as commands of `leveret`, for those who have no links with RabbitMQ's names.
const TOOLS: [(&str, Tool, &str); 4] = [
    ("ctl", Tool::Ctl, "Administers a broker that runs, as rabbitmqctl does"),
    ("diagnostics", Tool::Diagnostics, "Looks at a broker that runs, as rabbitmq-diagnostics does"),
    ("queues", Tool::Queues, "Looks at queues, as rabbitmq-queues does"),
    ("plugins", Tool::Plugins, "Lists what RabbitMQ has as plugins, as rabbitmq-plugins does"),
];

/// The tool that is called, by its own name or as a command, and the words behind that.
fn tool<'a>(called: Option<&OsStr>, arguments: &'a [OsString]) -> Option<(Tool, &'a [OsString])> {
    if let Some(tool) = called.and_then(OsStr::to_str).and_then(Tool::parse) {
        return Some((tool, &arguments[1..]));
    }
    let command = arguments.get(1)?;
    let (_, tool, _) = TOOLS.iter().find(|(name, ..)| command == name)?;
    Some((*tool, &arguments[2..]))
}

/// The delayer's flags in full: it takes them in short forms as well.
fn full_flags(program: &'static str, given: Vec<OsString>) -> Result<Vec<OsString>, Answer> {
    let own = [("config", true), ("print-config", false), ("help", false), ("version", false)];
    OPTIONS.full_flags(given, &own).map_err(|error| Answer::Flag(program, error))
}

/// `leveret --data-dir x` means `leveret serve --data-dir x`, and `leveret` means `leveret serve`.
fn with_default_command(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let own = ["-h", "--help", "-V", "--version"];
    let first = arguments.get(1).map(|a| a.to_string_lossy().into_owned());
    let is_serve = match first.as_deref() {
        None => true,
        Some(first) => first.starts_with('-') && !own.contains(&first),
    };
    if is_serve {
        arguments.insert(arguments.len().min(1), "serve".into());
    }
    arguments
}

fn root() -> Clap {
    Clap::new(LEVERET)
        .version(env!("CARGO_PKG_VERSION"))
        .about("A message broker that RabbitMQ clients use unchanged.")
        .override_usage("leveret [COMMAND] [OPTIONS]")
        .subcommand_required(true)
        .subcommand(serve())
        .subcommand(
            delayer("delayer", DELAYER_EXAMPLES)
                .display_name("leveret delayer")
                .override_usage("leveret delayer [OPTIONS]"),
        )
        .subcommand(trigger::command())
        .subcommand(self::dmq::command())
        .subcommand(self::definitions::command())
        // Only for the overview: they are read before clap, as their flags are RabbitMQ's.
        .subcommands(TOOLS.map(|(name, _, about)| Clap::new(name).about(about)))
        .after_help(EXAMPLES)
}

fn serve() -> Clap {
    let command = Clap::new("serve")
        .about("Runs the broker (what `leveret` alone does)")
        .override_usage("leveret serve [OPTIONS]")
        .after_help(SETTINGS_HELP);
    let help = "Reads settings from FILE and from conf.d/*.toml beside it.\n\
                Default: ./leveret.toml or /etc/leveret/leveret.toml, if there is one.";
    SETTINGS.arguments(configured(command, help))
}

fn delayer(name: &'static str, examples: &'static str) -> Clap {
    let command = Clap::new(name)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Holds messages of a queue until they are due (a complete AmqpDelayer)")
        .override_usage(format!("{name} [OPTIONS]"))
        .after_help(format!("{examples}\n\n{OPTIONS_HELP}"));
    let help = "Reads options from FILE, in lines of `name: value`.\n\
                Default: /etc/copernica/amqpdelayer.txt, if it is there.";
    OPTIONS.arguments(configured(command, help))
}

/// `command` with the flags about its configuration; `help` says which files it reads.
fn configured(command: Clap, help: &'static str) -> Clap {
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help_heading("Configuration")
        .help(help);
    let print = Arg::new("print_config")
        .long("print-config")
        .action(ArgAction::SetTrue)
        .help_heading("Configuration")
        .help("Shows every setting and where its value comes from, and ends.");
    command.arg(config).arg(print)
}

const EXAMPLES: &str = "\
Examples:
  leveret
      AMQP on port 5672 of loopback (guest/guest), metrics on 127.0.0.1:15692,
      data in ./leveret-data
  leveret serve --data-dir /var/lib/leveret --amqp-listen '*:5672'
      for clients on other machines; give them a user of their own with
      LEVERET_DEFAULT_USER and LEVERET_DEFAULT_PASS before the first start
  leveret serve --print-config
      every setting, its value, and where that comes from
  leveret delayer --rabbitmq-queue retries --rabbitmq-exchange mail
      holds the messages of a queue until they are due, for this or another broker
  leveret trigger --config trigger.toml
      calls an HTTP endpoint or runs a command for every message of a queue
  leveret dmq --config dmq.toml
      joins the DMQ bus of Kamailio nodes, and bridges it to queues
  leveret definitions import all.json
      makes the users, queues and exchanges that a RabbitMQ exported

`--help` behind `leveret serve`, `delayer`, `trigger` or `dmq` lists every setting.
Stop any of them with SIGTERM or Ctrl-C.";

const SETTINGS_HELP: &str = "\
Each setting has one name everywhere: --data-dir here, LEVERET_DATA_DIR in the environment,
data_dir in leveret.toml. A flag wins over the environment, that over conf.d/*.toml, that over
leveret.toml. A section [delayer.NAME] or [trigger.NAME] of the file runs a delayer or a trigger
beside the broker, and [dmq] a node of a DMQ bus.

Exit codes: 0 stopped cleanly, 3 runs of triggers were aborted, 64 wrong command line, 65 damaged
data, 69 address not available, 74 input/output error, 75 data directory in use, 78 wrong setting,
130 or 143 second signal.";

const DELAYER_EXAMPLES: &str = "\
Examples:
  leveret delayer --rabbitmq-queue retries --rabbitmq-exchange '' --rabbitmq-routingkey outbox
      what MailerQ puts into `retries` waits until it is due and goes on to `outbox`
  leveret delayer --config delayer.txt --www-port 8485
      options from a file; state, metrics and API on http://localhost:8485/
  leveret delayer --print-config --config delayer.txt
      every option, its value, and where that comes from";

const AMQPDELAYER_EXAMPLES: &str = "\
Examples:
  amqpdelayer --rabbitmq-queue retries --rabbitmq-exchange '' --rabbitmq-routingkey outbox
      what MailerQ puts into `retries` waits until it is due and goes on to `outbox`
  amqpdelayer
      options from /etc/copernica/amqpdelayer.txt
  amqpdelayer --print-config
      every option, its value, and where that comes from";

const OPTIONS_HELP: &str = "\
Each option has one name everywhere: --rabbitmq-queue here, AMQPDELAYER_RABBITMQ_QUEUE or
LEVERET_DELAYER_RABBITMQ_QUEUE in the environment, rabbitmq-queue in the file and, for a delayer
inside the broker, in a section [delayer.NAME] of leveret.toml. - and _ are alike, and rabbitmq-,
storage- and www- may be left out. A flag wins over the environment, that over the file.

Exit codes: 0 stopped cleanly, 64 wrong command line, 65 damaged data, 69 address not available,
74 input/output error, 75 storage in use, 78 wrong option, 130 or 143 second signal.";
