//! The command line of `leveret trigger`.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command as Clap, value_parser};
use trigger::config::TRIGGERS;
use trigger::trial::Sample;

use super::{Body, Command, LEVERET, configured, given};

/// What is done with triggers.
pub(crate) enum Action {
    /// They run until a signal.
    Run,
    /// Their configuration is checked.
    Check,
    /// What a pipeline would be given is shown.
    Render {
        /// The trigger.
        name: String,
        /// Of what message.
        message: Looked,
    },
    /// One message of the queue goes through the pipeline.
    Test {
        /// The trigger.
        name: String,
        /// Whether the message goes back to its queue whatever comes out.
        keep: bool,
    },
}

/// A message that is looked at.
pub(crate) enum Looked {
    /// The next one of the queue, which stays there.
    Queued,
    /// One that the command line makes up.
    Made {
        /// All but the body.
        sample: Sample,
        /// Where that is.
        body: Body,
    },
}

/// What the matches of `leveret trigger` ask for.
pub(super) fn read(matches: &ArgMatches) -> Command {
    let (action, matches) = match matches.subcommand() {
        Some(("check", matches)) => (Action::Check, matches),
        Some(("render", matches)) => {
            (Action::Render { name: text(matches, "name"), message: looked(matches) }, matches)
        }
        Some(("test", matches)) => {
            (Action::Test { name: text(matches, "name"), keep: matches.get_flag("keep") }, matches)
        }
        Some((_, matches)) => (Action::Run, matches),
        None => (Action::Run, matches),
    };
    Command::Trigger(given(LEVERET, matches, TRIGGERS.flags(matches)), action)
}

fn text(matches: &ArgMatches, name: &str) -> String {
    matches.get_one::<String>(name).cloned().unwrap_or_default()
}

fn looked(matches: &ArgMatches) -> Looked {
    if matches.get_flag("from_queue") {
        return Looked::Queued;
    }
    let all = |name: &str| matches.get_many::<String>(name).unwrap_or_default().cloned().collect();
    let body = match matches.get_one::<PathBuf>("body_file") {
        Some(file) => Body::File(file.clone()),
        None => Body::Text(text(matches, "body")),
    };
    let sample = Sample {
        body: Vec::new(),
        headers: all("header"),
        properties: all("property"),
        exchange: text(matches, "exchange"),
        routing_key: matches.get_one::<String>("routing_key").cloned(),
    };
    Looked::Made { sample, body }
}

/// `leveret trigger` and what can be done beside running.
pub(super) fn command() -> Clap {
    with_settings(Clap::new("trigger"))
        .about("Runs an HTTP endpoint or a command for every message of a queue")
        .display_name("leveret trigger")
        .override_usage("leveret trigger [run|check|render|test] [OPTIONS]")
        .version(env!("CARGO_PKG_VERSION"))
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
        .subcommand(
            with_settings(Clap::new("run"))
                .about("Runs triggers until a signal (what `leveret trigger` alone does)")
                .override_usage("leveret trigger run [OPTIONS]"),
        )
        .subcommand(
            with_settings(Clap::new("check"))
                .about("Checks the configuration; exit code 78 if it has an error")
                .override_usage("leveret trigger check [OPTIONS]"),
        )
        .subcommand(render())
        .subcommand(test())
        .after_help(HELP)
}

fn render() -> Clap {
    let text = |id: &'static str, value: &'static str, help: &'static str| {
        Arg::new(id)
            .long(id.replace('_', "-"))
            .value_name(value)
            .help(help)
            .allow_hyphen_values(true)
    };
    let repeated = |arg: Arg| arg.action(ArgAction::Append);
    let from_queue = Arg::new("from_queue")
        .long("from-queue")
        .action(ArgAction::SetTrue)
        .help("Shows the next message of the queue, which stays there.");
    let args = [
        text("body", "TEXT", "The body."),
        text("body_file", "FILE", "A file with the body; - is standard input.")
            .value_parser(value_parser!(PathBuf)),
        repeated(text("header", "NAME=VALUE", "A header; may be repeated.")),
        repeated(text("property", "NAME=VALUE", "A property, such as content-type=text/plain.")),
        text("routing_key", "KEY", "The routing key. Default: the queue."),
        text("exchange", "EXCHANGE", "The exchange. Default: the default exchange."),
        from_queue,
    ];
    let made_up = ["body", "body_file", "header", "property", "routing_key", "exchange"];
    with_settings(named(Clap::new("render")))
        .about("Shows what the pipeline of a trigger would be given for a message")
        .override_usage("leveret trigger render NAME [OPTIONS]")
        .args(args.map(|arg| arg.help_heading("Message")))
        .group(ArgGroup::new("bodies").args(["body", "body_file"]))
        .group(ArgGroup::new("made_up").args(made_up).multiple(true).conflicts_with("from_queue"))
}

fn test() -> Clap {
    let keep = Arg::new("keep").long("keep").action(ArgAction::SetTrue).help_heading("Message");
    with_settings(named(Clap::new("test")))
        .about("Takes one message of the queue through the pipeline, and settles it")
        .override_usage("leveret trigger test NAME [OPTIONS]")
        .arg(keep.help("Gives the message back to its queue, whatever comes out."))
}

fn named(command: Clap) -> Clap {
    command.arg(Arg::new("name").value_name("NAME").required(true).help("The trigger's section."))
}

fn with_settings(command: Clap) -> Clap {
    let help = "Reads triggers from FILE and from trigger.d/*.toml beside it.\n\
                Default: ./trigger.toml or /etc/leveret/trigger.toml, if there is one.";
    TRIGGERS.arguments(configured(command, help))
}

const HELP: &str = "\
Examples:
  leveret trigger --config trigger.toml
      runs the triggers of the file; their page is on http://127.0.0.1:15693/
  leveret trigger check --config trigger.toml
      says what is wrong with the file, and where
  leveret trigger render orders --body '{\"id\":1}' --header region=eu
      the request that the trigger `orders` would make for this message
  leveret trigger test orders --keep
      takes one message through the pipeline, shows the outcome, and gives it back

The file has a section [trigger.NAME] for each trigger; docs/trigger-options.md lists its settings.
They are read from the environment as well: LEVERET_TRIGGER_NAME_HTTP_URL is http_url of that
section. SIGHUP, or a change of a file, reads them again; only triggers that changed start anew.

Exit codes: 0 stopped cleanly, 3 runs were aborted at the end of drain_timeout_ms, 64 wrong command
line, 69 address not available, 74 input/output error, 78 wrong setting, 130 or 143 second signal.";
