//! The store as its callers see it: on a real disk with its threads, and against a model on a disk
//! that loses, tears and refuses.

mod disk;
mod faults;
mod world;
