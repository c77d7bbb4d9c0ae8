//! Why a request brought no response that counts, in words for people. Never shows a query string
//! or a header: secrets live there.

use std::error::Error;
use std::io;

use crate::pipeline::http::connector::ConnectError;
use crate::reason::Reason;

/// A run that ended without a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) reason: Reason,
    pub(crate) text: String,
}

impl Failure {
    /// The endpoint cannot be reached or broke off.
    pub(crate) fn transport(text: impl Into<String>) -> Failure {
        Failure { reason: Reason::Transport, text: text.into() }
    }

    fn from_cause(cause: &(dyn Error + 'static)) -> Failure {
        let reason = match cause.downcast_ref() {
            Some(ConnectError::Forbidden { .. }) => Reason::Forbidden,
            _ => Reason::Transport,
        };
        let text = match (cause.downcast_ref::<ConnectError>(), cause.source()) {
            (None, Some(deeper)) => format!("{cause}: {}", text(deeper)),
            _ => cause.to_string(),
        };
        Failure { reason, text }
    }
}

impl From<hyper_util::client::legacy::Error> for Failure {
    fn from(error: hyper_util::client::legacy::Error) -> Failure {
        // Its own words only say at which step it was.
        Failure::from_cause(error.source().unwrap_or(&error))
    }
}

impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Failure {
        Failure::from_cause(&error)
    }
}

fn text(error: &(dyn Error + 'static)) -> String {
    error.downcast_ref().map_or_else(|| error.to_string(), io_text)
}

/// An error of the system without its number: `connection refused`.
pub(crate) fn io_text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}
