//! `leveret trigger` from outside: for every message of a queue an endpoint is called or a command
//! is run, and the message is settled by what came of it, whatever happens meanwhile.
//!
//! A story is a function of a [`crate::site::BrokerKind`].

mod endpoint;
mod process;
mod world;

mod automatic;
mod commands;
mod connecting;
mod crashes;
mod embedded;
mod endpoints;
mod manual;
mod ordering;
mod outages;
mod payload;
mod people;
mod reloading;
mod retrying;
mod secure;
mod stopping;
mod trials;
