//! Why a connection could not be had or is gone. The texts say what an operator can do.

use std::io;
use std::sync::Arc;

use crate::event::ChannelClosed;

/// Everything but [`Error::Channel`], [`Error::NotOpen`], [`Error::NoChannel`] and
/// [`Error::Argument`] means that the connection is gone.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The host has no address, or nobody listens there.
    #[error(
        "cannot connect to {address}: {reason}; is the broker running, and is this its address"
    )]
    Connect {
        /// The address without its password.
        address: String,
        /// What the system says.
        reason: String,
    },
    /// The broker does not take the login (403), or takes no login of this kind.
    #[error(
        "{address} refuses user {user:?}: {text}; check the name, the password, and whether the user may connect from this host"
    )]
    Refused {
        /// The address without its password.
        address: String,
        /// Who tried to log in.
        user: String,
        /// The broker's words.
        text: String,
    },
    /// Files for TLS that cannot be used, or a TLS handshake that failed.
    #[error("no TLS with {address}: {reason}")]
    Tls {
        /// The address without its password.
        address: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The broker closed the connection with `connection.close`, which was answered.
    #[error("the broker closed the connection: {code} {text}{}", advice(*.code))]
    Closed {
        /// The reply code, 320 for a broker that stops.
        code: u16,
        /// The broker's words.
        text: String,
    },
    /// The broker closed the channel on which the request was made; the connection lives on.
    #[error("{0}")]
    Channel(ChannelClosed),
    /// Nothing came for two heartbeat intervals.
    #[error(
        "nothing came from the broker for {seconds} s, two heartbeats: the network or the broker stands still"
    )]
    Heartbeat {
        /// Two intervals.
        seconds: u32,
    },
    /// The other side ended the stream without a word.
    #[error("the broker ended the connection without a word; its log may say why")]
    Eof,
    /// The system's error of a read or a write.
    #[error("the connection broke: {0}")]
    Io(Arc<io::Error>),
    /// The other side does not speak AMQP 0-9-1 as it should.
    #[error("the broker broke the protocol: {0}")]
    Protocol(String),
    /// A message is larger than [`Options::max_body_bytes`](crate::options::Options) allows.
    #[error("a message of {bytes} bytes came, {max} are allowed; remove it from its queue")]
    TooLarge {
        /// Bytes that the message's header announces.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// A step of opening or closing took longer than
    /// [`Options::connect_timeout`](crate::options::Options).
    #[error("{address} did not finish the {step} within {ms} ms")]
    Timeout {
        /// The address without its password.
        address: String,
        /// Which step.
        step: &'static str,
        /// The limit.
        ms: u64,
    },
    /// The request names a channel that is not open; nothing was sent.
    #[error("channel {0} is not open")]
    NotOpen(u16),
    /// As many channels are open as were negotiated.
    #[error("all {0} channels of the connection are open")]
    NoChannel(u16),
    /// The request cannot be written; nothing was sent.
    #[error("{0}")]
    Argument(String),
}

impl Error {
    /// Whether trying again is no use until somebody changes something: the settings here, or
    /// users, permissions and objects at the broker.
    pub fn is_permanent(&self) -> bool {
        match self {
            Error::Refused { .. } | Error::Tls { .. } | Error::TooLarge { .. } => true,
            Error::Argument(_) | Error::Protocol(_) => true,
            Error::Closed { code, .. } => matches!(code, 402 | 403 | 501..=505 | 530 | 540),
            Error::Channel(closed) => matches!(closed.code, 403 | 404 | 406),
            Error::Connect { .. } | Error::Heartbeat { .. } | Error::Eof | Error::Io(_) => false,
            Error::Timeout { .. } | Error::NotOpen(_) | Error::NoChannel(_) => false,
        }
    }

    pub(crate) fn io(error: io::Error) -> Error {
        Error::Io(Arc::new(error))
    }
}

/// What to do about a reply code.
fn advice(code: u16) -> &'static str {
    match code {
        402 | 530 => "; check the virtual host and the user's permissions there",
        320 => "; it stops, or an administrator closed the connection",
        _ => "",
    }
}
