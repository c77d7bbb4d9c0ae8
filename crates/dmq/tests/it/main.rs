//! Whole nodes in one process: real sockets, but a clock that runs only while nobody works, so that
//! a slow machine changes nothing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helper functions too")]

mod bus;
mod large;
mod transports;
