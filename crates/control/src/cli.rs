//! The command lines of RabbitMQ's tools: what was given, what the node is asked, what is shown.
//!
//! Words, banners, tables and exit codes are those of RabbitMQ 3.10.8, so that scripts and
//! configuration tools read them; what only a cluster or an Erlang machine has is refused.

mod arguments;
mod columns;
mod command;
mod commands;
mod failure;
mod format;
mod help;
mod session;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::PathBuf;

use failure::Failure;
use session::Session;

/// A program of RabbitMQ's that this one is called as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// Everything.
    Ctl,
    /// What only looks.
    Diagnostics,
    /// Queues and their replicas.
    Queues,
    /// Plugins.
    Plugins,
}

impl Tool {
    /// Every tool.
    pub const ALL: [Tool; 4] = [Tool::Ctl, Tool::Diagnostics, Tool::Queues, Tool::Plugins];

    /// The program's name.
    pub fn name(self) -> &'static str {
        match self {
            Tool::Ctl => "rabbitmqctl",
            Tool::Diagnostics => "rabbitmq-diagnostics",
            Tool::Queues => "rabbitmq-queues",
            Tool::Plugins => "rabbitmq-plugins",
        }
    }

    /// The tool with this program's name.
    pub fn parse(name: &str) -> Option<Tool> {
        Tool::ALL.into_iter().find(|tool| tool.name() == name)
    }
}

/// Finds the socket: given a data directory from the command line, or from the surroundings.
pub type Locate<'a> = &'a dyn Fn(Option<&str>) -> Result<PathBuf, String>;

/// Does what the words behind the program's name say; answers the exit code.
pub fn run(tool: Tool, words: &[String], locate: Locate<'_>) -> u8 {
    match attempt(tool, words, locate) {
        Ok(()) => 0,
        Err(failure) => {
            failure.show();
            failure.exit
        }
    }
}

fn attempt(tool: Tool, words: &[String], locate: Locate<'_>) -> Result<(), Failure> {
    let given = arguments::read(tool, words)?;
    let Some(command) = given.command else {
        let overview = help::overview(tool);
        if !given.options.has("help") {
            // To stderr, where clients look for the names of commands.
            return Err(Failure { exit: failure::USAGE, text: overview });
        }
        show(&overview);
        return Ok(());
    };
    if given.options.has("help") {
        show(&help::of(tool, command));
        return Ok(());
    }
    (command.check)(&given)?;
    let mut session = Session::new(&given, locate);
    if command.needs_app {
        session.check_app(&given)?;
    }
    let banner = (command.banner)(&given, &session);
    session.banner(&banner);
    (command.run)(&mut session, &given)
}

/// Shows a text. A closed pipe (`| head`) is no failure.
fn show(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
