//! The `leveret` binary from outside: its command line, its start and stop, and AMQP over sockets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helper functions too")]

#[macro_use]
mod stories;

mod broker;
mod client;
mod configured;
mod peers;
mod proxy;
mod random;
mod server;
mod site;

mod abuse;
mod alarms;
mod bad_input;
mod choosing;
mod cli;
mod closing;
mod consumers;
mod ctl;
mod declaring;
mod definitions;
mod delayed;
mod delayer;
mod delayer_options;
mod dmq;
mod dmq_options;
mod docs;
mod durability;
mod events;
mod handshake;
mod lifecycle;
mod lifetimes;
mod limits;
mod observing;
mod policies;
mod quorum;
mod refusals;
mod replies;
mod restarts;
mod routing;
mod settings_page;
mod settling;
mod stopping;
mod timeouts;
mod tls;
mod trace;
mod transactions;
mod trigger;
mod trigger_options;
mod turmoil;
