//! A node of a DMQ bus alone, and what one that runs is asked: `leveret dmq`.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use dmq::ask::nodes_table;
use dmq::config::{DMQ, DmqConfig, alone, warnings};
use dmq::remote::{Event, Remote, RemoteError};
use service::config::{Loaded, Sources};
use service::shutdown::{self, Exit};

use crate::command::{Body, DmqAction, Given, Question, What};
use crate::{fail, show};

/// Runs it to its end, or looks at its settings.
pub(crate) fn run(given: Given, action: DmqAction) -> Exit {
    let Given { program, config, print_config, flags } = given;
    let loaded = match alone(&Sources::of_process(config, flags)) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("{program}: {error}");
            return error.exit();
        }
    };
    if print_config {
        return show(DMQ.print(&loaded).as_bytes());
    }
    match action {
        DmqAction::Run => serve(program, &loaded),
        DmqAction::Check => check(&loaded),
    }
}

fn check(loaded: &Loaded<DmqConfig>) -> Exit {
    let warnings = warnings(loaded).into_iter().map(|warning| format!("warning: {warning}\n"));
    let file = loaded.files.first().map(|file| format!("{}: ", file.display()));
    let file = file.unwrap_or_default();
    let node = loaded.config.node();
    show(format!("{}{file}{node}, no errors\n", warnings.collect::<String>()).as_bytes())
}

fn serve(program: &str, loaded: &Loaded<DmqConfig>) -> Exit {
    let (config, files) = (&loaded.config, &loaded.files);
    service::log::start(&config.log_level, config.log_format);
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(pid = std::process::id(), ?files, "leveret dmq {version} starts");
    for warning in warnings(loaded) {
        tracing::warn!("{warning}");
    }
    let fail = |why: &str, exit| fail(program, config.log_format, why, exit);
    let shutdown = match shutdown::on_signals() {
        Ok((_, shutdown, _)) => shutdown,
        Err(error) => return fail(&format!("cannot watch signals: {error}"), Exit::Io),
    };
    match dmq::run(config, &shutdown) {
        Ok(()) => {
            tracing::info!("stopped cleanly");
            Exit::Clean
        }
        Err(error) => fail(&error.to_string(), error.exit()),
    }
}

/// Asks a node that runs, and shows what it answers. Exit code 1 is a no.
pub(crate) fn ask(Question { api, what }: Question) -> ExitCode {
    let asked = Remote::new(&api).map_err(Failed::Remote).and_then(|remote| match what {
        What::Messages(peer) => messages(&remote, peer.as_deref()),
        What::Ask { ask, body, as_table } => {
            let body = body.map(Body::read).transpose().map_err(Failed::Body)?;
            let answered = ask.of(&remote, body.unwrap_or_default())?;
            let shown = match as_table {
                true => nodes_table(&answered.json),
                false => format!("{:#}\n", answered.json),
            };
            show(shown.as_bytes());
            Ok(answered.is_yes)
        }
    });
    match asked {
        Ok(true) => Exit::Clean.into(),
        Ok(false) => NO,
        Err(failed) => {
            eprintln!("leveret: {failed}");
            failed.exit()
        }
    }
}

/// The answer is no.
const NO: ExitCode = ExitCode::FAILURE;

/// Shows what arrives, a line each, until the node stops or nobody reads.
fn messages(remote: &Remote, peer: Option<&str>) -> Result<bool, Failed> {
    for event in remote.messages(peer)? {
        match event? {
            Event::Message(line) => {
                if writeln!(std::io::stdout(), "{line}").is_err() {
                    break;
                }
            }
            Event::Missed(count) => eprintln!("leveret: {count} messages missed: read faster"),
        }
    }
    Ok(true)
}

/// Why there is no answer.
enum Failed {
    Body(String),
    Remote(RemoteError),
}

impl From<RemoteError> for Failed {
    fn from(error: RemoteError) -> Failed {
        Failed::Remote(error)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Body(why) => f.write_str(why),
            Failed::Remote(error) => error.fmt(f),
        }
    }
}

impl Failed {
    fn exit(&self) -> ExitCode {
        match self {
            Failed::Remote(RemoteError::Refused { status: 404 | 409, .. }) => NO,
            Failed::Remote(RemoteError::Refused { status: 400..500, .. }) => Exit::Usage.into(),
            Failed::Remote(RemoteError::Address(_)) => Exit::Usage.into(),
            Failed::Remote(RemoteError::Io(_)) | Failed::Body(_) => Exit::Io.into(),
            Failed::Remote(_) => Exit::Unavailable.into(),
        }
    }
}
