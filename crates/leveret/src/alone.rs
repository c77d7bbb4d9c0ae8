//! A delayer alone: `leveret delayer`, or the binary called `amqpdelayer`.

use delayer::config::{DIRECTORY, OPTIONS};
use service::config::Sources;
use service::shutdown::{self, Exit};

use crate::command::Given;
use crate::{fail, show};

/// What messages and `/` call the delayer of a process that has only one.
const NAME: &str = "delayer";

/// Runs it to its end.
pub(crate) fn run(Given { program, config, print_config, flags }: Given) -> Exit {
    let sources = Sources { search: vec![DIRECTORY.into()], ..Sources::of_process(config, flags) };
    let loaded = match OPTIONS.load(&sources) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("{program}: {error}");
            return error.exit();
        }
    };
    if print_config {
        return show(OPTIONS.print(&loaded).as_bytes());
    }
    let (config, files) = (&loaded.config, &loaded.files);
    service::log::start(&config.log_level, config.log_format);
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(pid = std::process::id(), ?files, "{program} {version} starts");
    for warning in delayer::config::warnings(&loaded) {
        tracing::warn!("{warning}");
    }
    let fail = |why: &str, exit| fail(program, config.log_format, why, exit);
    let shutdown = match shutdown::on_signals() {
        Ok((_, shutdown, _)) => shutdown,
        Err(error) => return fail(&format!("cannot watch signals: {error}"), Exit::Io),
    };
    match delayer::run(config, NAME, &shutdown) {
        Ok(()) => {
            tracing::info!("stopped cleanly");
            Exit::Clean
        }
        Err(error) => fail(&error.to_string(), error.exit()),
    }
}
