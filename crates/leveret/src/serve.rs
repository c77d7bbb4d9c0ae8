//! The broker, and what its file declares beside it: `leveret serve`.

use server::config::{SETTINGS, ServeConfig};
use service::config::{ConfigError, Loaded, Sources};
use service::shutdown::{self, Exit};

use crate::beside::{self, Delayer, KINDS};
use crate::command::Given;
use crate::{fail, show};

/// Runs it to its end.
pub(crate) fn run(Given { program, config, print_config, flags }: Given) -> Exit {
    let (loaded, delayers) = match load(&Sources::of_process(config, flags)) {
        Ok(found) => found,
        Err(error) => {
            eprintln!("{program}: {error}");
            return error.exit();
        }
    };
    if print_config {
        let sections: String = delayers.iter().map(Delayer::print).collect();
        return show(&(SETTINGS.print(&loaded) + &sections));
    }
    let (config, files) = (&loaded.config, &loaded.files);
    service::log::start(&config.log_level, config.log_format);
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(pid = std::process::id(), ?files, "leveret {version} starts");
    for delayer in &delayers {
        delayer.warn();
    }
    let fail = |why: &str, exit| fail(program, config.log_format, why, exit);
    let shutdown = match shutdown::on_signals() {
        Ok((_, shutdown, _)) => shutdown,
        Err(error) => return fail(&format!("cannot watch signals: {error}"), Exit::Io),
    };
    match beside::run(config, delayers, &shutdown) {
        Ok(()) => {
            tracing::info!("stopped cleanly");
            Exit::Clean
        }
        Err(failure) => fail(&failure.why, failure.exit),
    }
}

fn load(sources: &Sources) -> Result<(Loaded<ServeConfig>, Vec<Delayer>), ConfigError> {
    let loaded = SETTINGS.load_with(sources, KINDS)?;
    let delayers = beside::read(&loaded)?;
    Ok((loaded, delayers))
}
