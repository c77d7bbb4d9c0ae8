//! The client against a scripted server on a real socket.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helper functions too")]

mod closing;
mod consuming;
mod events;
mod fake;
mod garbage;
mod handshake;
mod output;
mod requests;
mod secured;
mod topology;
