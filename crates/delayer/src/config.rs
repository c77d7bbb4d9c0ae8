//! The options of the delayer: one documented field and one row of [`OPTIONS`] each. Flags,
//! variables, file keys, help and docs/delayer-options.md derive from the row.
//!
//! Names and values are AmqpDelayer's where they are known.

mod address;
mod check;
mod value;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use client::addresses::Addresses;
use service::config::{FileKind, Setting, Settings, Size, Spelling};
use service::listen::HostPort;
use service::log::{Format, Level};

pub use address::StorageAddress;
pub use check::warnings;
pub use value::{
    DueSource, Mode, OnShutdown, Seconds, StorageEngine, TimestampUnit, UseReplyTo, WwwPort,
};

/// How a delayer is set up. The rows of [`OPTIONS`] say what each field means.
#[derive(Debug, Clone)]
pub struct DelayerConfig {
    /// The brokers, any of which will do. Default: `amqp://guest:guest@localhost:5672/`.
    pub rabbitmq_address: Addresses,
    /// The queue that is read. Default: empty, not set.
    pub rabbitmq_queue: String,
    /// The exchange that is published to; may be empty, but must be set. Default: not set.
    pub rabbitmq_exchange: Option<String>,
    /// The routing key; empty for that of each message. Default: empty.
    pub rabbitmq_routingkey: String,
    /// Whether `reply-to` says where a message goes. Default: false.
    pub rabbitmq_usereplyto: UseReplyTo,
    /// Messages received and not yet acknowledged. Default: 1,000.
    pub rabbitmq_qos: u16,
    /// Messages published and not yet confirmed. Default: 100.
    pub rabbitmq_throttle: u32,
    /// Authorities that sign brokers' certificates. Default: the system's.
    pub rabbitmq_ca: Option<PathBuf>,
    /// The delayer's own certificate chain. Default: not set.
    pub rabbitmq_cert: Option<PathBuf>,
    /// That certificate's private key. Default: not set.
    pub rabbitmq_key: Option<PathBuf>,
    /// Where messages are stored. Default: `/var/lib/amqpdelayer`.
    pub storage_address: StorageAddress,
    /// How they are stored in a directory. Default: log.
    pub storage_engine: StorageEngine,
    /// The largest size of each file of LMDB. Default: 64 GiB.
    pub storage_mapsize: Size,
    /// Messages in one write transaction. Default: 100.
    pub storage_groupsize: u32,
    /// How long a group that is not full waits. Default: 1 s.
    pub storage_timeout: Seconds,
    /// Confirms that free the way for loading more. Default: 50.
    pub storage_batchsize: u32,
    /// What is due sooner is forwarded at once. Default: 0, no limit.
    pub min_delay: Seconds,
    /// What is due later is due then. Default: 0, no limit.
    pub max_delay: Seconds,
    /// Where messages say when they are due, in order. Default: the timestamp.
    pub due_sources: Vec<DueSource>,
    /// What the timestamp counts. Default: seconds.
    pub timestamp_unit: TimestampUnit,
    /// What the delayer does. Default: both.
    pub mode: Mode,
    /// What happens to stored messages when it stops. Default: keep.
    pub shutdown: OnShutdown,
    /// Where the web server listens. Default: nowhere.
    pub www_port: WwwPort,
    /// On which address. Default: 0.0.0.0, all of IPv4.
    pub www_ip: String,
    /// What is logged. Default: `info`.
    pub log_level: Level,
    /// How it is logged. Default: text.
    pub log_format: Format,
}

impl Default for DelayerConfig {
    fn default() -> Self {
        DelayerConfig {
            rabbitmq_address: Addresses::default(),
            rabbitmq_queue: String::new(),
            rabbitmq_exchange: None,
            rabbitmq_routingkey: String::new(),
            rabbitmq_usereplyto: UseReplyTo::False,
            rabbitmq_qos: 1000,
            rabbitmq_throttle: 100,
            rabbitmq_ca: None,
            rabbitmq_cert: None,
            rabbitmq_key: None,
            storage_address: StorageAddress::Path("/var/lib/amqpdelayer".into()),
            storage_engine: StorageEngine::Log,
            storage_mapsize: Size(64 << 30),
            storage_groupsize: 100,
            storage_timeout: Seconds(Duration::from_secs(1)),
            storage_batchsize: 50,
            min_delay: Seconds::default(),
            max_delay: Seconds::default(),
            due_sources: vec![DueSource::Timestamp],
            timestamp_unit: TimestampUnit::Seconds,
            mode: Mode::Both,
            shutdown: OnShutdown::Keep,
            www_port: WwwPort::Off,
            www_ip: "0.0.0.0".into(),
            log_level: Level::default(),
            log_format: Format::Text,
        }
    }
}

/// Which store keeps the messages, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage<'a> {
    /// Segments of a log and an index, in this directory.
    Log(&'a Path),
    /// Two files of LMDB in this directory.
    Lmdb(&'a Path),
    /// MongoDB, with the password.
    Mongo(&'a str),
}

impl DelayerConfig {
    /// Which store keeps the messages, and where.
    pub fn storage(&self) -> Storage<'_> {
        match (&self.storage_address, self.storage_engine) {
            (StorageAddress::Path(path), StorageEngine::Log) => Storage::Log(path),
            (StorageAddress::Path(path), StorageEngine::Lmdb) => Storage::Lmdb(path),
            (StorageAddress::Lmdb(path), _) => Storage::Lmdb(path),
            (StorageAddress::Mongo(address), _) => Storage::Mongo(address),
        }
    }

    /// The exchange that is published to; once checked, it is set.
    pub fn exchange(&self) -> &str {
        self.rabbitmq_exchange.as_deref().unwrap_or_default()
    }

    /// The addresses of the web server, for [`service::listen::bind`]; none when it is off.
    pub fn www_listen(&self) -> Vec<HostPort> {
        let host = self.www_ip.clone();
        match self.www_port {
            WwwPort::Off => Vec::new(),
            WwwPort::Auto => vec![HostPort { host, port: 0 }],
            WwwPort::Port(port) => vec![HostPort { host, port }],
        }
    }
}

/// Every option of the delayer.
pub const OPTIONS: Settings<DelayerConfig> =
    Settings { command: "leveret delayer", spelling: &SPELLING, table: TABLE, check: check::check };

/// The directory in which AmqpDelayer keeps its configuration.
pub const DIRECTORY: &str = "/etc/copernica";

const SPELLING: Spelling = Spelling {
    prefixes: &["AMQPDELAYER_", "LEVERET_DELAYER_"],
    optional: &["rabbitmq-", "storage-", "www-"],
    loose: true,
    flags: true,
    kind: FileKind::Lines,
    file: "amqpdelayer.txt",
    drop_ins: "",
    page: "docs/delayer-options.md",
    foreign: None,
};

/// What most rows have in common.
const ROW: Setting<DelayerConfig> = Setting {
    name: "",
    also: &[],
    section: "",
    value: "NUMBER",
    field: |c| &mut c.mode,
    secret: false,
    fallback_variable: None,
    doc: "",
};

const RABBITMQ: Setting<DelayerConfig> = Setting { section: "RabbitMQ", ..ROW };
const STORAGE: Setting<DelayerConfig> = Setting { section: "Storage", ..ROW };
const DELAYS: Setting<DelayerConfig> = Setting { section: "Delays", value: "SECONDS", ..ROW };
const OPERATION: Setting<DelayerConfig> = Setting { section: "Operation", ..ROW };

const TABLE: &[Setting<DelayerConfig>] = &[
    Setting {
        name: "rabbitmq-address",
        value: "URL",
        field: |c| &mut c.rabbitmq_address,
        doc: "The broker, as `amqp://user:password@host:port/vhost`, or `amqps://…` with TLS; \
              several brokers of a cluster parted by commas.",
        ..RABBITMQ
    },
    Setting {
        name: "rabbitmq-queue",
        value: "QUEUE",
        field: |c| &mut c.rabbitmq_queue,
        doc: "The queue that messages are read from. It must exist. Needed.",
        ..RABBITMQ
    },
    Setting {
        name: "rabbitmq-exchange",
        value: "EXCHANGE",
        field: |c| &mut c.rabbitmq_exchange,
        doc: "The exchange that messages are published to; the empty name is the default \
              exchange. It must exist. Needed.",
        ..RABBITMQ
    },
    Setting {
        name: "rabbitmq-routingkey",
        value: "KEY",
        field: |c| &mut c.rabbitmq_routingkey,
        doc: "The routing key that messages are published with; empty for the one that each came \
              with.",
        ..RABBITMQ
    },
    Setting {
        name: "rabbitmq-usereplyto",
        value: "false|true|split",
        field: |c| &mut c.rabbitmq_usereplyto,
        doc: "Whether a message's `reply-to` replaces the exchange; `split` reads it as \
              `exchange:routingkey` when it has a colon.",
        ..RABBITMQ
    },
    Setting {
        name: "rabbitmq-qos",
        field: |c| &mut c.rabbitmq_qos,
        doc: "How many messages may be received and not yet stored; more than \
              `storage-groupsize`, at most 65535.",
        ..RABBITMQ
    },
    Setting {
        name: "rabbitmq-throttle",
        field: |c| &mut c.rabbitmq_throttle,
        doc: "How many messages may be published and not yet confirmed and removed.",
        ..RABBITMQ
    },
    Setting {
        name: "rabbitmq-ca",
        value: "FILE",
        field: |c| &mut c.rabbitmq_ca,
        doc: "Authorities that sign the broker's certificate, as PEM; without it the system's.",
        ..RABBITMQ
    },
    Setting {
        name: "rabbitmq-cert",
        value: "FILE",
        field: |c| &mut c.rabbitmq_cert,
        doc: "The delayer's own certificate chain, as PEM, for brokers that ask for one.",
        ..RABBITMQ
    },
    Setting {
        name: "rabbitmq-key",
        value: "FILE",
        field: |c| &mut c.rabbitmq_key,
        doc: "That certificate's private key, as PEM, not encrypted.",
        ..RABBITMQ
    },
    Setting {
        name: "storage-address",
        value: "DIR|URL",
        field: |c| &mut c.storage_address,
        doc: "Where messages wait: a directory, made when missing, or \
              `mongodb://host/database/collection`. One delayer at a time.",
        ..STORAGE
    },
    Setting {
        name: "storage-engine",
        value: "log|lmdb",
        field: |c| &mut c.storage_engine,
        doc: "How a directory is used: `log` keeps bodies in segments and an index in LMDB; `lmdb` \
              keeps a data file and an index file, as AmqpDelayer does. `lmdb://DIR` as the \
              address says `lmdb` as well.",
        ..STORAGE
    },
    Setting {
        name: "storage-mapsize",
        value: "SIZE",
        field: |c| &mut c.storage_mapsize,
        doc: "The largest size of each file of LMDB: the index, and with `lmdb` the data as well. \
              Not for MongoDB.",
        ..STORAGE
    },
    Setting {
        name: "storage-groupsize",
        field: |c| &mut c.storage_groupsize,
        doc: "How many messages are stored in one transaction; they are acknowledged after it.",
        ..STORAGE
    },
    Setting {
        name: "storage-timeout",
        value: "SECONDS",
        field: |c| &mut c.storage_timeout,
        doc: "How long the first message of a group waits for the others, such as `1` or `250ms`.",
        ..STORAGE
    },
    Setting {
        name: "storage-batchsize",
        field: |c| &mut c.storage_batchsize,
        doc: "Once the throttle is reached, nothing is loaded until so many messages are \
              confirmed; less than `rabbitmq-throttle`.",
        ..STORAGE
    },
    Setting {
        name: "min-delay",
        field: |c| &mut c.min_delay,
        doc: "Messages that are due sooner are forwarded at once; 0 is no limit.",
        ..DELAYS
    },
    Setting {
        name: "max-delay",
        field: |c| &mut c.max_delay,
        doc: "Messages that are due later are due after this time; 0 is no limit.",
        ..DELAYS
    },
    Setting {
        name: "due-sources",
        value: "SOURCE",
        field: |c| &mut c.due_sources,
        doc: "Where a message says when it is due; the first that it has counts. `timestamp` is \
              the property, `x-delay` a header with milliseconds from its arrival, `x-deliver-at` \
              a header with a time.",
        ..DELAYS
    },
    Setting {
        name: "timestamp-unit",
        value: "seconds|milliseconds|auto",
        field: |c| &mut c.timestamp_unit,
        doc: "What the property `timestamp` counts; `auto` takes what is too large for seconds as \
              milliseconds.",
        ..DELAYS
    },
    Setting {
        name: "mode",
        value: "both|delay|revive",
        field: |c| &mut c.mode,
        doc: "`delay` stores messages and revives none (those without a delay are forwarded), \
              `revive` publishes what is stored and reads no queue.",
        ..OPERATION
    },
    Setting {
        name: "shutdown",
        value: "keep|return|forward",
        field: |c| &mut c.shutdown,
        doc: "What becomes of stored messages at a stop: they stay, are returned to the queue that \
              they were read from, or are forwarded as if they were due. Not for MongoDB.",
        ..OPERATION
    },
    Setting {
        name: "www-port",
        value: "PORT",
        field: |c| &mut c.www_port,
        doc: "The port of the web server with state, metrics and API; 0 is off, `auto` a free one.",
        ..OPERATION
    },
    Setting {
        name: "www-ip",
        value: "ADDRESS",
        field: |c| &mut c.www_ip,
        doc: "The address that the web server listens on, without a login: `127.0.0.1` for this \
              machine only.",
        ..OPERATION
    },
    Setting {
        name: "log-level",
        value: "LEVEL",
        field: |c| &mut c.log_level,
        doc: "What is logged to stderr: error, warn, info, debug, trace or off, or directives \
              such as `info,delayer=debug`.",
        ..OPERATION
    },
    Setting {
        name: "log-format",
        value: "text|json",
        field: |c| &mut c.log_format,
        doc: "How it is logged: text, or one JSON object a line.",
        ..OPERATION
    },
];
