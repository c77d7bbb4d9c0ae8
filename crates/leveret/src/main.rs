//! The `leveret` binary: reads the command line and the settings, runs one part, says how it ended.
//! It has no logic of its own.

mod alone;
mod beside;
mod command;
mod definitions;
mod node;
mod serve;
mod tools;
mod triggers;

use std::io::Write;
use std::process::ExitCode;

use service::log::Format;
use service::shutdown::Exit;

use crate::command::{Answer, Command};

/// Gives memory back after a burst, and costs less per message than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Number of mimalloc's option `purge_delay`, which its bindings do not name (`mimalloc.h`).
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// The broker's freed memory goes back to the system after a millisecond instead of a second: its
/// store's chunks are recycled, so what is freed is not wanted again soon. A delayer alone frees and
/// wants a group of messages many times a second.
fn return_memory_early() {
    // SAFETY: sets one integer of the allocator; no other thread runs yet.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, 1) };
}

fn main() -> ExitCode {
    service::machine::release_memory_by(|force| {
        // SAFETY: may be called at any time by any thread; frees what nobody uses.
        unsafe { libmimalloc_sys::mi_collect(force) };
    });
    let exit = match command::read(std::env::args_os()) {
        Ok(Command::Serve(given)) => {
            return_memory_early();
            serve::run(given)
        }
        Ok(Command::Delayer(given)) => alone::run(given),
        Ok(Command::Trigger(given, action)) => triggers::run(given, action),
        Ok(Command::Dmq(given, action)) => node::run(given, action),
        Ok(Command::Definitions(asked)) => definitions::run(&asked),
        Ok(Command::AskDmq(question)) => return node::ask(question),
        Ok(Command::Control(tool, words)) => return tools::run(tool, &words),
        Err(Answer::Clap(answer)) => {
            // Help and version go to stdout and are no failure.
            let _ = answer.print();
            if answer.use_stderr() { Exit::Usage } else { Exit::Clean }
        }
        Err(Answer::Flag(program, error)) => {
            eprintln!("{program}: {error}");
            error.exit()
        }
    };
    exit.into()
}

/// Shows what was asked for on stdout. A closed pipe (`| head`) is no failure.
fn show(what: &[u8]) -> Exit {
    let _ = std::io::stdout().write_all(what);
    Exit::Clean
}

/// Says why the process ends, as a line for people or, in a JSON log, as one more event.
fn fail(program: &str, format: Format, why: &str, exit: Exit) -> Exit {
    match format {
        Format::Text => eprintln!("{program}: {why}"),
        Format::Json => tracing::error!(exit_code = exit.code(), "{why}"),
    }
    exit
}
