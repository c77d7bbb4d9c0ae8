//! The delayer: takes messages off a queue, keeps each until it is due, and publishes it back.
//!
//! A complete AmqpDelayer for any AMQP 0-9-1 broker. Reading order: [`message`], [`store`] (where
//! messages wait).
#![warn(missing_docs)]

pub mod desk;
pub mod message;
pub mod store;
