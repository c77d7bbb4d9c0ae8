//! The `leveret` binary: reads the command line and the settings, runs one part, says how it ended.
//! It has no logic of its own.

mod command;

use std::io::Write;
use std::process::ExitCode;

use server::config::{SETTINGS, ServeConfig};
use service::config::{Loaded, Sources};
use service::log::Format;
use service::shutdown::{self, Exit};

use crate::command::{Command, Serve};

/// Gives memory back after a burst, and costs less per message than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Number of mimalloc's option `purge_delay`, which its bindings do not name (`mimalloc.h`).
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// Freed memory goes back to the system after a millisecond instead of a second: the store's chunks
/// are recycled, so what is freed is not wanted again soon.
fn return_memory_early() {
    // SAFETY: sets one integer of the allocator; no other thread runs yet.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, 1) };
    service::machine::release_memory_by(|force| {
        // SAFETY: may be called at any time by any thread; frees what nobody uses.
        unsafe { libmimalloc_sys::mi_collect(force) };
    });
}

fn main() -> ExitCode {
    return_memory_early();
    let exit = match command::read(std::env::args_os()) {
        Ok(Command::Serve(serve)) => run(serve),
        Err(answer) => {
            // Help and version go to stdout and are no failure.
            let _ = answer.print();
            if answer.use_stderr() { Exit::Usage } else { Exit::Clean }
        }
    };
    exit.into()
}

fn run(Serve { config, print_config, flags }: Serve) -> Exit {
    let loaded = match SETTINGS.load(&Sources::of_process(config, flags)) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("leveret: {error}");
            return error.exit();
        }
    };
    if print_config {
        // A closed pipe (`| head`) is no failure.
        let _ = std::io::stdout().write_all(SETTINGS.print(&loaded).as_bytes());
        return Exit::Clean;
    }
    serve(&loaded)
}

fn serve(Loaded { config, files, .. }: &Loaded<ServeConfig>) -> Exit {
    service::log::start(&config.log_level, config.log_format);
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(pid = std::process::id(), ?files, "leveret {version} starts");
    let shutdown = match shutdown::on_signals() {
        Ok((_, shutdown)) => shutdown,
        Err(error) => {
            return fail(config.log_format, &format!("cannot watch signals: {error}"), Exit::Io);
        }
    };
    match server::run(config, &shutdown) {
        Ok(()) => {
            tracing::info!("stopped cleanly");
            Exit::Clean
        }
        Err(error) => fail(config.log_format, &error.to_string(), error.exit()),
    }
}

/// Says why the process ends, as a line for people or, in a JSON log, as one more event.
fn fail(format: Format, why: &str, exit: Exit) -> Exit {
    match format {
        Format::Text => eprintln!("leveret: {why}"),
        Format::Json => tracing::error!(exit_code = exit.code(), "{why}"),
    }
    exit
}
