//! What a queue promises, as scripts: one command a line, its effects behind `=>`.

mod args;
mod consumers;
mod expiry;
mod limits;
mod model;
mod order;
mod quorum;
mod recovery;
mod rig;
