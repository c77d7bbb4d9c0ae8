//! `leveret dmq` from outside: a node on a bus with scripted nodes, which see and do what real ones
//! do not, and with real Kamailio nodes.
//!
//! Modules whose name begins with `peer_` need Kamailio, which `cargo xtask peers` installs.

mod address;
mod audit;
mod kamailio;
mod node;
mod packet;
mod process;

mod delivering;
mod hazards;
mod joining;
mod peer_kamailio;
mod receiving;
mod replicating;
