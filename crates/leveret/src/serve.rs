//! The broker, and what its file declares beside it: `leveret serve`.

use server::config::SETTINGS;
use service::config::Sources;
use service::shutdown::{self, Exit};

use crate::beside::{self, Again};
use crate::command::Given;
use crate::{fail, show};

/// Runs it to its end.
pub(crate) fn run(Given { program, config, print_config, flags }: Given) -> Exit {
    let sources = Sources::of_process(config, flags);
    let (loaded, beside) = match beside::read(&sources) {
        Ok(found) => found,
        Err(error) => {
            eprintln!("{program}: {error}");
            return error.exit();
        }
    };
    if print_config {
        return show((SETTINGS.print(&loaded) + &beside.print()).as_bytes());
    }
    let (config, files) = (&loaded.config, &loaded.files);
    service::log::start(&config.log_level, config.log_format);
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(pid = std::process::id(), ?files, "leveret {version} starts");
    for note in &loaded.notes {
        tracing::warn!("{note}");
    }
    beside.warn();
    let fail = |why: &str, exit| fail(program, config.log_format, why, exit);
    let (shutdown, asked) = match shutdown::on_signals() {
        Ok((_, shutdown, hangups)) => (shutdown, hangups),
        Err(error) => return fail(&format!("cannot watch signals: {error}"), Exit::Io),
    };
    let again = Again { broker: loaded.clone(), sources, asked };
    match beside::run(config, beside, again, &shutdown) {
        Ok(()) => {
            tracing::info!("stopped cleanly");
            Exit::Clean
        }
        Err(failure) => fail(&failure.why, failure.exit),
    }
}
