//! The command pipeline: one process per message, which reads it on standard input and says by its
//! exit code what becomes of it.
//!
//! No shell, and nothing of the message among the arguments. Each run is a process group of its own,
//! so that a run that takes too long ends with everything it has started. Beyond reach is what has
//! left its group (`setsid`), and what runs when the trigger itself is killed by SIGKILL: such
//! commands run on, with their streams closed.

mod environment;
mod exit;
mod group;
mod streams;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use rustix::fs::{Access, access};
use tokio::process;

use crate::config::{CommandConfig, Stdin};
use crate::message::Message;
use crate::pipeline::{Outcome, Reply, Run, Verdict};
use crate::reason::Reason;
use environment::Environment;
use exit::ExitCodes;
use group::{End, Group};
use streams::{Heard, Streams};

/// Why a command cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// There is no program.
    #[error("command.argv is empty: name the program and its arguments")]
    Empty,
    /// The name is in no directory of the path.
    #[error(
        "the program {program:?} of command.argv is in no directory of PATH ({path}): give its \
         whole path, or set PATH in command.environment"
    )]
    NotFound {
        /// As the configuration has it.
        program: String,
        /// Where it was looked for.
        path: String,
    },
    /// It is there, or not, and cannot be run.
    #[error("the program {} of command.argv cannot be run: {error}", .program.display())]
    Program {
        /// Where it would be.
        program: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// There is no such directory.
    #[error("command.directory {}: {error}", .directory.display())]
    Directory {
        /// As the configuration has it.
        directory: PathBuf,
        /// What is wrong with it.
        error: io::Error,
    },
    /// No variable can be called so.
    #[error("expected NAME=value or NAME, got {0:?}")]
    Environment(String),
}

/// What log lines of a run are told apart by.
#[derive(Debug)]
struct Labels<'a> {
    trigger: &'a str,
    message_id: Option<&'a str>,
    execution_id: &'a str,
}

/// A command that is run for messages.
#[derive(Debug)]
pub struct Command {
    trigger: String,
    /// The program's whole path.
    program: PathBuf,
    /// The program as the configuration calls it, and its arguments.
    argv: Vec<String>,
    directory: Option<PathBuf>,
    environment: Environment,
    stdin: Stdin,
    exit_codes: ExitCodes,
    kill_after: Duration,
    /// Bytes of output that are kept; none where no reply is sent.
    output_max: Option<u64>,
}

impl Command {
    /// The command of the trigger `name` that reads `queue`; with `keep_reply` what it writes is
    /// the reply.
    ///
    /// # Errors
    /// When the program or the directory is not there, or the environment is not one.
    pub fn new(
        config: &CommandConfig,
        name: &str,
        queue: &str,
        keep_reply: bool,
    ) -> Result<Command, SetupError> {
        let own = |name: &str| std::env::var_os(name);
        let environment = Environment::new(&config.environment, name, queue, own)?;
        if let Some(directory) = &config.directory {
            let enterable = access(directory.as_path(), Access::EXEC_OK).map_err(io::Error::from);
            let is_directory = enterable.and_then(|()| match directory.is_dir() {
                true => Ok(()),
                false => Err(io::ErrorKind::NotADirectory.into()),
            });
            is_directory
                .map_err(|error| SetupError::Directory { directory: directory.clone(), error })?;
        }
        Ok(Command {
            trigger: name.to_owned(),
            program: locate(&config.argv, config.directory.as_deref(), environment.path())?,
            argv: config.argv.0.clone(),
            directory: config.directory.clone(),
            environment,
            stdin: config.stdin,
            exit_codes: ExitCodes::new(config.exit_preset, &config.exit_codes),
            kill_after: Duration::from_millis(config.kill_after_ms),
            output_max: keep_reply.then_some(config.max_output_bytes.0),
        })
    }

    /// The program as the configuration calls it, and its arguments.
    pub fn argv(&self) -> &[String] {
        &self.argv
    }

    /// The variables that tell a run about its trigger and its message; those of the configuration, which may hold
    /// secrets, are not among them.
    pub fn variables(&self, run: &Run) -> Vec<(String, String)> {
        self.environment.of_run(run, message_id(&run.message))
    }

    /// What a run reads.
    pub fn input<'a>(&self, run: &'a Run) -> &'a Bytes {
        match self.stdin {
            Stdin::Envelope => &run.rendered.body,
            Stdin::Body => &run.message.body,
        }
    }

    /// Runs it once. Returns at most `kill_after` and a few seconds after the run's timeout; when
    /// it is dropped before, the whole process group is killed.
    pub async fn run(&self, run: &Run) -> Outcome {
        let labels = Labels {
            trigger: &self.trigger,
            message_id: message_id(&run.message),
            execution_id: &run.metadata.execution_id,
        };
        let (group, streams) = match self.start(run, &labels) {
            Ok(started) => started,
            Err(error) => return not_started(&self.program, &error),
        };
        let input = self.input(run);
        let mut heard = Heard::default();
        let flow = streams.flow(input, self.output_max.unwrap_or(0), &mut heard, &labels);
        match group.end(flow, run.timeout, self.kill_after).await {
            Ok(end) => self.outcome(&end, heard, run.timeout),
            Err(error) => {
                let text = format!("the end of the command cannot be waited for: {error}");
                failed(Reason::Failed, text.clone(), text)
            }
        }
    }

    fn start(&self, run: &Run, labels: &Labels<'_>) -> io::Result<(Group, Streams)> {
        let mut command = process::Command::new(&self.program);
        self.environment.set(&mut command, run, labels.message_id);
        command
            .arg0(&self.argv[0])
            .args(&self.argv[1..])
            .stdin(Stdio::piped())
            .stdout(if self.output_max.is_some() { Stdio::piped() } else { Stdio::null() })
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        let mut child = command.spawn()?;
        let streams = Streams::of(&mut child);
        Ok((Group::new(child)?, streams))
    }

    fn outcome(&self, end: &End, heard: Heard, run_max: Duration) -> Outcome {
        let status = match end {
            End::Exited(status) => status,
            End::TimedOut => {
                let text = format!("the command did not end within {} ms", run_max.as_millis());
                return failed(Reason::Timeout, text, "timeout".into());
            }
        };
        let Some(code) = status.code().and_then(|code| u8::try_from(code).ok()) else {
            let signal = status.signal().unwrap_or_default();
            let summary = because(&format!("signal {signal}"), &heard.last_line);
            return failed(Reason::Failed, summary.clone(), summary);
        };
        let mut summary = format!("exit {code}");
        let verdict = self.exit_codes.verdict(code, || because(&summary, &heard.last_line));
        if let Verdict::Retry(_, text) | Verdict::Dead(_, text) = &verdict {
            summary.clone_from(text);
        }
        let reply = match verdict {
            Verdict::Done if self.output_max.is_some() => {
                Some(Reply { content_type: String::new(), body: Bytes::from(heard.output) })
            }
            _ => None,
        };
        Outcome { verdict, pause: None, reply, summary }
    }
}

/// The message's id, where it is text.
fn message_id(message: &Message) -> Option<&str> {
    let id = str::from_utf8(message.scan().ok()?.message_id?).ok()?;
    environment::is_plain(id).then_some(id)
}

/// How it ended, and what it said last.
fn because(summary: &str, last_line: &str) -> String {
    match last_line {
        "" => summary.to_owned(),
        line => format!("{summary}: {line}"),
    }
}

fn failed(reason: Reason, text: String, summary: String) -> Outcome {
    Outcome { verdict: Verdict::Retry(reason, text), pause: None, reply: None, summary }
}

/// The program was there when the trigger started; it may be there again for the next run.
fn not_started(program: &Path, error: &io::Error) -> Outcome {
    let text = format!("{} cannot be started: {error}", program.display());
    failed(Reason::NotStarted, text, format!("not started: {error}"))
}

/// The whole path of the program: looked for in `path` unless its name has a slash, then relative
/// to the directory in which it will run.
fn locate(
    argv: &[String],
    directory: Option<&Path>,
    path: Option<&OsStr>,
) -> Result<PathBuf, SetupError> {
    let name = argv.first().filter(|name| !name.is_empty()).ok_or(SetupError::Empty)?;
    if name.contains('/') {
        let program = directory.unwrap_or(Path::new("")).join(name);
        return runnable(&program).map_err(|error| SetupError::Program { program, error });
    }
    let path = path.unwrap_or_default();
    let found = std::env::split_paths(path).find_map(|place| runnable(&place.join(name)).ok());
    found.ok_or_else(|| SetupError::NotFound {
        program: name.clone(),
        path: path.to_string_lossy().into_owned(),
    })
}

/// The absolute path of a file that may be run.
fn runnable(program: &Path) -> io::Result<PathBuf> {
    access(program, Access::EXEC_OK)?;
    match program.is_file() {
        true => std::path::absolute(program),
        false => Err(io::Error::other("it is not a file")),
    }
}
