//! Triggers alone: `leveret trigger`.

use service::config::{ConfigError, Sources};
use service::shutdown::{self, Exit};
use trigger::config::{Reload, Sections, Set};
use trigger::daemon;

use crate::command::{Action, Given};
use crate::{fail, show};

/// Does what is asked for with them.
pub(crate) fn run(Given { program, config, print_config, flags }: Given, action: Action) -> Exit {
    let sources = Sources::of_process(config, flags);
    let refused = |error: ConfigError| {
        eprintln!("{program}: {error}");
        error.exit()
    };
    let sections = match Sections::alone(&sources) {
        Ok(sections) => sections,
        Err(error) => return refused(error),
    };
    if print_config {
        return show(&sections.print());
    }
    let set = match sections.resolve(None) {
        Ok(set) => set,
        Err(error) => return refused(error),
    };
    match action {
        Action::Run => serve(program, set, sources),
        Action::Check => check(&set),
        Action::Render { .. } | Action::Test { .. } => todo!(),
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
    show(&format!("{out}{file}: {count}, no errors\n"))
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
