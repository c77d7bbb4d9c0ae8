//! The store as its callers see it: on a real disk with its threads, and against a model on a disk

#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it must be")]
//! that loses, tears and refuses.

mod disk;
mod faults;
mod world;
