//! `leveret dmq` from outside: a node on a bus with scripted nodes, which see and do what real ones
//! do not, and with real Kamailio nodes.
//!
//! Modules whose name begins with `peer_` need Kamailio, which `cargo xtask peers` installs.

mod address;
mod audit;
mod kamailio;
mod netns;
pub(crate) mod node;
mod packet;
pub(crate) mod process;
mod request;

mod bridge;
mod commands;
mod delivering;
mod embedded;
mod failing;
mod hazards;
mod joining;
mod leaving;
mod peer_kamailio;
mod receiving;
mod replicating;
mod streams;
mod tables;
