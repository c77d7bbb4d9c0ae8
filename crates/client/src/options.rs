//! How a connection is opened.

use std::path::PathBuf;
use std::time::Duration;

use crate::address::Address;
use crate::backoff::Pauses;

/// What applies to every address. What an address says itself comes first.
#[derive(Clone, Debug)]
pub struct Options {
    /// The brokers, any of which will do. Default: `amqp://guest:guest@localhost:5672/`.
    pub addresses: Vec<Address>,
    /// The client property `connection_name`, under which the broker lists the connection.
    /// Default: none.
    pub name: String,
    /// The client property `product`. Default: Leveret.
    pub product: String,
    /// The client property `version`. Default: this crate's.
    pub version: String,
    /// The limit of TCP, TLS and AMQP handshake together, and of closing. Default: 10 s.
    pub connect_timeout: Duration,
    /// Files for `amqps`. Default: the system's authorities, no certificate of our own.
    pub tls: TlsFiles,
    /// The largest frame to ask for, in bytes with its 8 bytes of envelope; 0 leaves it to the
    /// broker. Default: 131,072, RabbitMQ's.
    pub frame_max: u32,
    /// The largest message that is taken, in bytes. Default: 512 MiB, the most that RabbitMQ can
    /// be set to.
    pub max_body_bytes: u64,
    /// The largest body that is kept, in bytes. A larger one is read and given out as empty;
    /// [`Delivery::body_bytes`](crate::event::Delivery) says how large it was. Default: no limit.
    pub keep_body_bytes: u64,
    /// When a connection is tried again.
    pub reconnect: Pauses,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            addresses: vec![Address::default()],
            name: String::new(),
            product: "Leveret".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            connect_timeout: Duration::from_secs(10),
            tls: TlsFiles::default(),
            frame_max: 131_072,
            max_body_bytes: 512 * 1024 * 1024,
            keep_body_bytes: u64::MAX,
            reconnect: Pauses::default(),
        }
    }
}

/// The files of TLS, all in PEM form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The authorities that sign brokers' certificates. Default: the system's.
    pub ca: Option<PathBuf>,
    /// Our certificate chain, our own first, for brokers that ask for one. Default: none.
    pub cert: Option<PathBuf>,
    /// The private key of our certificate, not encrypted. Default: none.
    pub key: Option<PathBuf>,
}
