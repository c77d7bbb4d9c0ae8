//! Triggers alone: `leveret trigger`.

use std::path::Path;

use service::config::{FILE_NAME, Sources, nearest};
use service::log::Format;
use service::shutdown::{self, Exit};
use trigger::config::{Definition, Reload, Sections, Set};
use trigger::{daemon, trial};

use crate::command::{Action, Given, Looked};
use crate::{beside, fail, show};

/// Does what is asked for with them.
pub(crate) fn run(Given { program, config, print_config, flags }: Given, action: Action) -> Exit {
    let is_brokers = config.as_deref().and_then(Path::file_name).is_some_and(|n| n == FILE_NAME);
    let sources = Sources::of_process(config, flags);
    // The triggers of a broker's file can be looked at; it is the broker that runs them.
    let read = match is_brokers && !matches!(action, Action::Run) {
        true => beside::triggers(&sources).map(|(sections, home)| (sections, Some(home))),
        false => Sections::alone(&sources).map(|sections| (sections, None)),
    };
    let resolved = read.and_then(|(sections, home)| match print_config {
        true => Ok((sections, None)),
        false => sections.resolve(home.as_ref()).map(|set| (sections, Some(set))),
    });
    match resolved {
        Ok((sections, None)) => show(sections.print().as_bytes()),
        Ok((_, Some(set))) => act(program, action, set, sources),
        Err(error) => {
            eprintln!("{program}: {error}");
            error.exit()
        }
    }
}

fn act(program: &str, action: Action, set: Set, sources: Sources) -> Exit {
    match action {
        Action::Run => serve(program, set, sources),
        Action::Check => check(&set),
        Action::Render { name, message } => {
            let shown = one(&set, &name).and_then(|one| {
                let shown = match message {
                    Looked::Queued => trial::render_queued(one),
                    Looked::Made { mut sample, body } => {
                        sample.body = body.read().map_err(|why| (why, Exit::Io))?;
                        trial::render(one, &sample)
                    }
                };
                shown.map_err(|error| (error.to_string(), error.exit()))
            });
            end(program, shown.map(|shown| (shown, Exit::Clean)))
        }
        Action::Test { name, keep } => {
            let report = one(&set, &name).and_then(|one| {
                trial::test(one, keep).map_err(|error| (error.to_string(), error.exit()))
            });
            let exit = |ok| if ok { Exit::Clean } else { Exit::Unavailable };
            end(program, report.map(|report| (report.shown, exit(report.succeeded))))
        }
    }
}

/// The trigger that the command line names.
fn one<'a>(set: &'a Set, name: &str) -> Result<&'a Definition, (String, Exit)> {
    set.triggers.iter().find(|trigger| trigger.name == name).ok_or_else(|| {
        let names = set.triggers.iter().map(|trigger| trigger.name.as_str());
        let advice = match nearest(name, names.clone()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("there are {}", names.collect::<Vec<_>>().join(", ")),
        };
        (format!("no section [trigger.{name}]; {advice}"), Exit::Usage)
    })
}

/// Shows what came of it, or says why nothing did.
fn end(program: &str, outcome: Result<(Vec<u8>, Exit), (String, Exit)>) -> Exit {
    match outcome {
        Ok((shown, exit)) => {
            show(&shown);
            exit
        }
        Err((why, exit)) => fail(program, Format::Text, &why, exit),
    }
}

fn check(set: &Set) -> Exit {
    let mut out = String::new();
    for warning in &set.warnings {
        out.push_str(&format!("warning: {warning}\n"));
    }
    let file = set.watched.first().map(|file| file.display().to_string()).unwrap_or_default();
    let count = match set.triggers.len() {
        1 => "1 trigger".to_owned(),
        several => format!("{several} triggers"),
    };
    show(format!("{out}{file}: {count}, no errors\n").as_bytes())
}

/// Runs them to their end.
fn serve(program: &str, set: Set, sources: Sources) -> Exit {
    let format = set.part.log_format;
    service::log::start(&set.part.log_level, format);
    let version = env!("CARGO_PKG_VERSION");
    let files = &set.watched;
    tracing::info!(pid = std::process::id(), ?files, "leveret trigger {version} starts");
    let fail = |why: &str, exit| fail(program, format, why, exit);
    let (shutdown, asked) = match shutdown::on_signals() {
        Ok((_, shutdown, hangups)) => (shutdown, hangups),
        Err(error) => return fail(&format!("cannot watch signals: {error}"), Exit::Io),
    };
    let read = move || {
        let sections = Sections::alone(&sources);
        sections.and_then(|sections| sections.resolve(None)).map_err(|error| error.to_string())
    };
    match daemon::run(set, Reload { read: Box::new(read), asked }, &shutdown) {
        Ok(()) => {
            tracing::info!("stopped cleanly");
            Exit::Clean
        }
        Err(error) => fail(&error.to_string(), error.exit()),
    }
}
