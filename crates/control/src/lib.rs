//! How a running node is administered: what it can be asked, the local socket that carries it, and
//! the command lines `rabbitmqctl`, `rabbitmq-diagnostics`, `rabbitmq-queues` and `rabbitmq-plugins`.
//!
//! It knows neither queues nor connections: a request names them, the node answers.
#![warn(missing_docs)]

pub mod address;
pub mod cli;
pub mod client;
pub mod definitions;
pub mod listing;
pub mod reply;
pub mod request;

/// The socket's name in the data directory.
pub const SOCKET_NAME: &str = "control.sock";

/// Bytes of a request, or of one line of an answer, with its end: 256 MiB, for the definitions of a
/// large node. What can be exported can be imported.
pub const LINE_BYTES_MAX: usize = 256 << 20;
