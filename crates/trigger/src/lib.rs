//! The trigger: runs a pipeline, an HTTP endpoint or a local command, for every message of a queue.
//!
//! A complete counterpart of Digibee's RabbitMQ Trigger for any AMQP 0-9-1 broker. Reading order:
//! [`config`] (what it is told), [`message`] and [`reason`], `attempts` (has it run before),
//! [`payload`] (what the pipeline is given), [`pipeline`] (how it runs), `machine` (the states of
//! a run), `engine` (the event loop), `daemon` (several triggers, reload), [`desk`] and [`web`]
//! (what people see), [`trial`] (one message by hand).
#![warn(missing_docs)]

pub mod attempts;
pub mod config;
pub mod daemon;
pub mod desk;
mod engine;
pub mod keys;
mod machine;
pub mod message;
mod origin;
pub mod outgoing;
pub mod payload;
pub mod pipeline;
pub mod reason;
pub mod trial;
pub mod web;
