//! Why a command did not do what it was to do: a text in RabbitMQ's form, and its exit code.

use crate::client::ClientError;
use crate::reply::{Refusal, Why};

/// Exit codes, from `sysexits.h`.
pub(super) const USAGE: u8 = 64;
pub(super) const DATA: u8 = 65;
pub(super) const NO_USER: u8 = 67;
pub(super) const UNAVAILABLE: u8 = 69;
pub(super) const SOFTWARE: u8 = 70;
pub(super) const TEMPORARY: u8 = 75;

/// See the module.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: u8,
    /// What is written to stderr, as it is; nothing when empty.
    pub(super) text: String,
}

impl Failure {
    /// `Error:` and the text in the next line, as most failures look.
    pub(super) fn new(exit: u8, text: impl std::fmt::Display) -> Failure {
        Failure { exit, text: format!("Error:\n{text}\n") }
    }

    /// The text alone.
    pub(super) fn plain(exit: u8, text: impl std::fmt::Display) -> Failure {
        Failure { exit, text: format!("{text}\n") }
    }

    pub(super) fn show(&self) {
        eprint!("{}", self.text);
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        let exit = exit_of(refusal.kind);
        match refusal.kind {
            Why::NoUser => {
                Failure::new(exit, format!("User \"{}\" does not exist", named(&refusal.text)))
            }
            // RabbitMQ says this one without a heading.
            Why::NoVhost => {
                let vhost = named(&refusal.text);
                Failure::plain(exit, format!("Virtual host '{vhost}' does not exist"))
            }
            _ => Failure::new(exit, refusal.text),
        }
    }
}

/// The name between the quotes of a refusal, or all of it.
fn named(text: &str) -> &str {
    text.split('\'').nth(1).unwrap_or(text)
}

fn exit_of(kind: Why) -> u8 {
    match kind {
        Why::NoUser => NO_USER,
        Why::NoVhost | Why::Credentials => DATA,
        Why::Exists => SOFTWARE,
        Why::AppStopped => USAGE,
        Why::NotFound | Why::Invalid | Why::AppRuns | Why::Unsupported | Why::Failed => UNAVAILABLE,
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        let advice = match &error {
            ClientError::NotRunning { .. } => {
                "\nIs Leveret running? Name its directory with --data-dir or LEVERET_DATA_DIR."
            }
            _ => "",
        };
        Failure::plain(UNAVAILABLE, format!("Error: {error}{advice}"))
    }
}
