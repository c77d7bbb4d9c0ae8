//! What a node answers: any number of lines with rows, then a line that ends the answer.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One row of a listing: its columns by name.
pub type Row = Map<String, Value>;

/// One line of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// A part of a listing; more lines follow.
    Rows(Vec<Row>),
    /// It is done, and what was set or declared is durable. Messages that were purged, cancelled or
    /// released go as acknowledged ones do: a crash right after may bring them back. Null when there
    /// is nothing to say about it.
    Done(Value),
    /// It is not.
    Refused(Refusal),
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// Of which kind; decides on the exit code.
    pub kind: Why,
    /// For people.
    pub text: String,
}

/// Kinds of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// There is no such user.
    NoUser,
    /// There is no such virtual host.
    NoVhost,
    /// There is no such queue, policy, connection, …
    NotFound,
    /// It is there already.
    Exists,
    /// The arguments mean nothing.
    Invalid,
    /// A name and a password do not belong together.
    Credentials,
    /// The application does not run (`stop_app`).
    AppStopped,
    /// The application runs and must not (`reset`).
    AppRuns,
    /// This node cannot do that.
    Unsupported,
    /// Anything else.
    Failed,
}

impl Refusal {
    /// A refusal with its reason.
    pub fn new(kind: Why, text: impl Into<String>) -> Refusal {
        Refusal { kind, text: text.into() }
    }
}
