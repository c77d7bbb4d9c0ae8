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

/// Bytes of one request, the end of its line included: 64 MiB, for large definitions.
pub const REQUEST_BYTES_MAX: usize = 64 << 20;

/// Bytes of one line of an answer: 256 MiB, for the definitions of a large node.
pub const REPLY_BYTES_MAX: usize = 256 << 20;
