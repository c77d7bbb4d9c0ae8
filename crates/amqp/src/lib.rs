//! AMQP 0-9-1 on the wire: bytes in, values out, as RabbitMQ reads and writes them.
//!
//! No sockets, no clock, no state: every function is a pure one of its arguments. Decoders borrow
//! from their input, never panic, and never allocate more than in proportion to the input.
//!
//! Reading order: [`frame`] (the envelope), [`method`] (what a method frame says), [`content`]
//! (header frames and message properties), [`value`] (field tables), [`error`] (reply codes).
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod content;
pub mod error;
pub mod frame;
pub mod method;
pub mod value;
mod wire;

pub use error::{AmqpError, DecodeError, ReplyCode};
