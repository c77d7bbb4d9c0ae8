//! AMQP 0-9-1 connections: sockets, handshakes, frames, channels.

pub(crate) mod channel;
pub(crate) mod close;
pub(crate) mod connection;
pub(crate) mod connections;
pub(crate) mod facts;
pub(crate) mod handshake;
pub(crate) mod limits;
pub(crate) mod listener;
pub(crate) mod output;
pub(crate) mod socket;

use amqp::error::AmqpError;
use base64::Engine;

/// The error for a table or a method that cannot be read.
pub(crate) fn malformed(error: amqp::error::DecodeError) -> AmqpError {
    AmqpError::new(error.reply_code(), error.to_string())
}

/// A name nobody can guess from another one: 16 bytes of base64.
pub(crate) fn unique_name(seed: u64, serial: u64) -> String {
    let hash = |salt: u64| {
        use std::hash::{BuildHasher, Hasher};
        let mut hasher = foldhash::quality::FixedState::with_seed(seed ^ salt).build_hasher();
        hasher.write_u64(serial);
        hasher.finish()
    };
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&hash(0).to_le_bytes());
    bytes[8..].copy_from_slice(&hash(u64::MAX).to_le_bytes());
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}
