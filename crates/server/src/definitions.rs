//! RabbitMQ's definitions: everything that was declared, as one JSON document, and the way back.
//!
//! An import adds: what is there already stays, only users, permissions, policies, parameters and a virtual
//! host's description get the values of the file. The whole file is checked before anything is applied.

mod boot;
mod check;
mod document;
mod export;
mod fields;
mod import;
mod report;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub(crate) use boot::BootError;
pub(crate) use boot::read as read_at_boot;
pub(crate) use export::export;
pub(crate) use import::import;
pub(crate) use report::Report;

/// The component of parameters that are limits of a virtual host.
const VHOST_LIMITS: &str = "vhost-limits";
/// The component of parameters that are operator policies.
const OPERATOR_POLICY: &str = "operator_policy";
/// The argument that says a queue's type.
const QUEUE_TYPE: &str = "x-queue-type";
/// The global parameter that keeps what was imported last; the name is RabbitMQ's.
const IMPORTED_HASH: &str = "imported_definition_hash_value";

/// Why definitions were not imported, or not to the end.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionsError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The text is not JSON.
    #[error("not JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    /// The JSON is not an object.
    #[error("definitions are one JSON object, this is something else")]
    NotAnObject,
    /// A field cannot be what it is. Nothing was applied.
    #[error("{place}: {reason}; nothing was imported")]
    Form {
        /// The object and its field.
        place: String,
        /// What was expected.
        reason: String,
    },
    /// The broker refused an object that the check had let pass.
    #[error("{place}: {reason}; imported before it: {before}")]
    Refused {
        /// The object.
        place: String,
        /// What the broker says.
        reason: String,
        /// What was applied.
        before: String,
    },
}
