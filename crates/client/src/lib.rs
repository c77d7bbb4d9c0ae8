//! An AMQP 0-9-1 client for daemons that move messages: it gives back every property and header
//! with its wire type and every name byte for byte, and never drops a connection because a message
//! is odd.
//!
//! One task owns a [`Connection`](connection::Connection) and calls
//! [`next`](connection::Connection::next) in its loop. There are no background tasks and no locks:
//! what is not polled does not happen, heartbeats included.
//!
//! Reading order: [`address`], [`addresses`] and [`options`] (where to), [`connection`] (the calls), [`event`]
//! (what comes back), [`confirms`] (which of the published messages are safe), [`backoff`] (when to
//! try again), [`error`].
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod address;
pub mod addresses;
pub mod backoff;
pub mod confirms;
pub mod connection;
pub mod error;
pub mod event;
pub mod link;
pub mod options;
pub mod tls;
