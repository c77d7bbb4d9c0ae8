//! The DMQ node: a member of a Kamailio bus (SIP `KDMQ` requests), bridged to queues.
//!
//! Reading order: [`config`] (what it is told), [`address`] (who a node is), [`sip`] (messages and
//! transactions), `list` (the body by which nodes tell of each other), `members` (who is on the
//! bus), `bus` (requests in, replies and requests out, without I/O), [`htable`] (Kamailio's hash
//! tables), `transport` (sockets), `bridge` (AMQP), `engine` (the event loop), [`desk`] and [`web`]
//! (what people and programs ask of it).
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod address;
pub mod ask;
mod bridge;
mod bus;
pub mod config;
pub mod daemon;
pub mod desk;
mod engine;
pub mod htable;
mod list;
mod members;
pub mod message;
mod modules;
mod outbox;
mod outcomes;
pub mod remote;
mod resolve;
pub mod sip;
pub mod transaction;
mod transport;
pub mod web;

pub use daemon::run;
