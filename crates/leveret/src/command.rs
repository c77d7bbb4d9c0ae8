//! The command line: which part to run, and the flags of its settings.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, Command as Clap, value_parser};
use server::config::SETTINGS;
use service::config::Assignment;

/// What the command line asks for.
pub(crate) enum Command {
    /// Run the broker.
    Serve(Serve),
}

/// `leveret serve`.
pub(crate) struct Serve {
    /// The configuration file that must be there.
    pub(crate) config: Option<PathBuf>,
    /// Only show the settings.
    pub(crate) print_config: bool,
    /// The settings that the command line gives.
    pub(crate) flags: Vec<Assignment>,
}

/// Reads the command line; an error is also how help and version are asked for.
pub(crate) fn read(arguments: impl Iterator<Item = OsString>) -> Result<Command, clap::Error> {
    let matches = root().try_get_matches_from(with_default_command(arguments.collect()))?;
    let serve = matches.subcommand_matches("serve").expect("clap demands a command, and has one");
    Ok(Command::Serve(Serve {
        config: serve.get_one::<PathBuf>("config").cloned(),
        print_config: serve.get_flag("print_config"),
        flags: SETTINGS.flags(serve),
    }))
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
    Clap::new("leveret")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A message broker that RabbitMQ clients use unchanged.")
        .override_usage("leveret [COMMAND] [OPTIONS]")
        .subcommand_required(true)
        .subcommand(serve())
        .after_help(EXAMPLES)
}

fn serve() -> Clap {
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help_heading("Configuration")
        .help(
            "Reads settings from FILE and from conf.d/*.toml beside it.\n\
             Default: ./leveret.toml or /etc/leveret/leveret.toml, if there is one.",
        );
    let print = Arg::new("print_config")
        .long("print-config")
        .action(ArgAction::SetTrue)
        .help_heading("Configuration")
        .help("Shows every setting and where its value comes from, and ends.");
    let command = Clap::new("serve")
        .about("Runs the broker (what `leveret` alone does)")
        .override_usage("leveret serve [OPTIONS]")
        .after_help(SETTINGS_HELP);
    SETTINGS.arguments(command.arg(config).arg(print))
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

`leveret serve --help` lists every setting. Stop it with SIGTERM or Ctrl-C.";

const SETTINGS_HELP: &str = "\
Each setting has one name everywhere: --data-dir here, LEVERET_DATA_DIR in the environment,
data_dir in leveret.toml. A flag wins over the environment, that over conf.d/*.toml, that over
leveret.toml.

Exit codes: 0 stopped cleanly, 64 wrong command line, 65 damaged data, 69 address not available,
74 input/output error, 75 data directory in use, 78 wrong setting, 130 or 143 second signal.";
