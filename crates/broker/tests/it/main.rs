//! The broker through its facade: scripts against a recording sink and a store in a directory of its own.

mod admin;
mod bindings;
mod consuming;
mod dead_letters;
mod declares;
mod delayed;
mod events;
mod hashing;
mod kept_dead_letters;
mod limits;
mod log_ends;
mod odd_tables;
mod policies;
mod publishing;
mod quorum;
mod recovery;
mod rig;
mod routing;
mod scale;
mod trace;
