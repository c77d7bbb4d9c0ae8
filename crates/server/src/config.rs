//! The settings of `leveret serve`: one documented field and one row of [`SETTINGS`] each.
//! Flags, variables, file keys, help and docs/settings.md derive from the row.

pub mod intercept;
pub mod mechanism;
pub mod queue_type;
pub mod rabbitmq;
#[cfg(test)]
mod tests;
pub mod timeout_action;

use std::path::PathBuf;
use std::time::Duration;

use service::config::{Invalid, Setting, Settings, Size, Spelling};
use service::listen::HostPort;
use service::log::{Format, Level};
use service::machine::{DiskLimit, Watermark};
use service::tls::{LoginFrom, Tls, Verify, Version};

use intercept::Intercept;
use timeout_action::TimeoutAction;

use mechanism::Mechanism;
use queue_type::QueueType;

/// The smallest frame_max that AMQP 0-9-1 allows, in bytes.
const FRAME_MAX_MIN: u32 = 4096;
/// The largest frame_max, in bytes: one frame is held in memory as a whole.
const FRAME_MAX_MAX: u32 = 128 << 20;
/// RabbitMQ's own upper limit of `max_message_size`.
const MESSAGE_SIZE_MAX: Size = Size(512 << 20);
/// A smaller cache does not hold the chunks that are being written.
const CACHE_SIZE_MIN: Size = Size(4 << 20);

/// How the broker is set up. The rows of [`SETTINGS`] say what each field means.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// Where messages and topology are kept. Default: `leveret-data`.
    pub data_dir: PathBuf,
    /// AMQP without TLS. Default: port 5672 on both loopback addresses.
    pub amqp_listen: Vec<HostPort>,
    /// AMQP with TLS. Default: nowhere.
    pub amqps_listen: Vec<HostPort>,
    /// `/metrics` and `/healthz`. Default: 127.0.0.1:15692.
    pub metrics_listen: Vec<HostPort>,
    /// The server's certificate chain. Default: not set.
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key. Default: not set.
    pub tls_key: Option<PathBuf>,
    /// Authorities that sign clients' certificates. Default: not set.
    pub tls_ca: Option<PathBuf>,
    /// Whether clients are asked for a certificate. Default: `verify_none`.
    pub tls_verify: Verify,
    /// Whether a client without a certificate is refused. Default: false.
    pub tls_fail_if_no_peer_cert: bool,
    /// The versions of TLS that are offered. Default: 1.3 and 1.2.
    pub tls_versions: Vec<Version>,
    /// The user name that EXTERNAL takes from a certificate. Default: `distinguished_name`.
    pub ssl_cert_login_from: LoginFrom,
    /// Resident memory above which publishers are blocked. Default: 0.4 of the total.
    pub vm_memory_high_watermark: Watermark,
    /// Free disk below which publishers are blocked. Default: 50 MB.
    pub disk_free_limit: DiskLimit,
    /// The memory that parts of it are counted from. Default: what the system says.
    pub total_memory_available_override_value: Option<Size>,
    /// Recently written messages kept in memory. Default: 16 MiB.
    pub cache_size: Size,
    /// The largest body of one message. Default: 128 MiB.
    pub max_message_size: Size,
    /// Connections at a time. Default: 65,536.
    pub max_connections: usize,
    /// Seconds; 0 is off. Default: 60.
    pub heartbeat: u16,
    /// Channels of one connection. Default: 2,047.
    pub channel_max: u16,
    /// Channels of all connections; 0 is no limit. Default: 0.
    pub channel_max_per_node: usize,
    /// Consumers of one channel; 0 is no limit. Default: 0.
    pub consumer_max_per_channel: usize,
    /// How long a consumer may take to settle a delivery; 0 is for ever. Default: 0.
    pub consumer_timeout: Duration,
    /// What happens to one that takes longer. Default: `cancel`.
    pub consumer_timeout_action: TimeoutAction,
    /// Bytes of one frame. Default: 131,072.
    pub frame_max: u32,
    /// From accept to `connection.open`. Default: 10 s.
    pub handshake_timeout: Duration,
    /// The type of queues that are declared without one. Default: `classic`.
    pub default_queue_type: QueueType,
    /// Whether a quorum queue may be declared again as a classic one. Default: false.
    pub relaxed_checks_on_redeclaration: bool,
    /// What clients are told the broker is. Default: `RabbitMQ`.
    pub product: String,
    /// What clients are told its version is; numeric. Default: 4.2.0.
    pub product_version: String,
    /// What clients and metrics are told the cluster is called. Default: `leveret`.
    pub cluster_name: String,
    /// Whether each message gets the time of its publishing. Default: off.
    pub set_header_timestamp: Intercept,
    /// Whether each message gets the name of the node. Default: off.
    pub set_header_routing_node: Intercept,
    /// Users that may log in from loopback only. Default: `guest`.
    pub loopback_users: Vec<String>,
    /// How clients may log in; EXTERNAL is offered to those alone whom it can let in. Default: all.
    pub auth_mechanisms: Vec<Mechanism>,
    /// The user of a new data directory. Default: `guest`.
    pub default_user: String,
    /// That user's password. Default: `guest`.
    pub default_pass: String,
    /// That user's tags. Default: `administrator`.
    pub default_user_tags: Vec<String>,
    /// The virtual host of a new data directory. Default: `/`.
    pub default_vhost: String,
    /// What that user may declare and delete there, as a regular expression. Default: `.*`.
    pub default_permissions_configure: String,
    /// What that user may publish to and bind. Default: `.*`.
    pub default_permissions_write: String,
    /// What that user may consume from and bind. Default: `.*`.
    pub default_permissions_read: String,
    /// Definitions that are imported at each start, a file or a directory of them. Default: not set.
    pub load_definitions: Option<PathBuf>,
    /// Whether they are passed over when they are those of the last import. Default: false.
    pub definitions_skip_if_unchanged: bool,
    /// What is logged. Default: `info`.
    pub log_level: Level,
    /// How it is logged. Default: text.
    pub log_format: Format,
}

impl Default for ServeConfig {
    fn default() -> Self {
        let at = |host: &str, port| HostPort { host: host.into(), port };
        ServeConfig {
            data_dir: "leveret-data".into(),
            amqp_listen: vec![at("127.0.0.1", 5672), at("::1", 5672)],
            amqps_listen: Vec::new(),
            metrics_listen: vec![at("127.0.0.1", 15692)],
            tls_cert: None,
            tls_key: None,
            tls_ca: None,
            tls_verify: Verify::None,
            tls_fail_if_no_peer_cert: false,
            tls_versions: Version::ALL.to_vec(),
            ssl_cert_login_from: LoginFrom::DistinguishedName,
            vm_memory_high_watermark: Watermark::Fraction(0.4),
            disk_free_limit: DiskLimit::Absolute(Size(50_000_000)),
            total_memory_available_override_value: None,
            cache_size: Size(16 << 20),
            max_message_size: Size(128 << 20),
            max_connections: 65_536,
            heartbeat: 60,
            channel_max: 2047,
            channel_max_per_node: 0,
            consumer_max_per_channel: 0,
            consumer_timeout: Duration::ZERO,
            consumer_timeout_action: TimeoutAction::Cancel,
            frame_max: 131_072,
            handshake_timeout: Duration::from_secs(10),
            default_queue_type: QueueType::default(),
            relaxed_checks_on_redeclaration: false,
            product: "RabbitMQ".into(),
            product_version: "4.2.0".into(),
            cluster_name: "leveret".into(),
            set_header_timestamp: Intercept::Off,
            set_header_routing_node: Intercept::Off,
            loopback_users: vec!["guest".into()],
            auth_mechanisms: vec![Mechanism::External, Mechanism::Plain, Mechanism::Amqplain],
            default_user: "guest".into(),
            default_pass: "guest".into(),
            default_user_tags: vec!["administrator".into()],
            default_vhost: "/".into(),
            default_permissions_configure: ".*".into(),
            default_permissions_write: ".*".into(),
            default_permissions_read: ".*".into(),
            load_definitions: None,
            definitions_skip_if_unchanged: false,
            log_level: Level::default(),
            log_format: Format::Text,
        }
    }
}

impl ServeConfig {
    /// What the TLS listeners need. With `amqps_listen` set, certificate and key are there.
    pub fn tls(&self) -> Tls {
        Tls {
            cert: self.tls_cert.clone().unwrap_or_default(),
            key: self.tls_key.clone().unwrap_or_default(),
            ca: self.tls_ca.clone(),
            verify: self.tls_verify,
            fail_if_no_peer_cert: self.tls_fail_if_no_peer_cert,
            versions: self.tls_versions.clone(),
        }
    }
}

/// Every setting of `leveret serve`.
pub const SETTINGS: Settings<ServeConfig> =
    Settings { command: "leveret serve", spelling: &SPELLING, table: TABLE, check };

/// As everything of Leveret; what was meant for RabbitMQ is understood as well.
const SPELLING: Spelling = Spelling { foreign: Some(rabbitmq::read), ..Spelling::LEVERET };

/// What most rows have in common: not secret, no variable of the surroundings.
const ROW: Setting<ServeConfig> = Setting {
    name: "",
    also: &[],
    section: "",
    value: "TEXT",
    field: |c| &mut c.data_dir,
    secret: false,
    fallback_variable: None,
    doc: "",
};

const BASICS: Setting<ServeConfig> = Setting { section: "Basics", ..ROW };
const TLS: Setting<ServeConfig> = Setting { section: "TLS", value: "FILE", ..ROW };
const LIMITS: Setting<ServeConfig> = Setting { section: "Limits", value: "SIZE", ..ROW };
const PROTOCOL: Setting<ServeConfig> = Setting { section: "Protocol", value: "NUMBER", ..ROW };
const USERS: Setting<ServeConfig> = Setting { section: "Users", ..ROW };
const DEFINITIONS: Setting<ServeConfig> = Setting { section: "Definitions", ..ROW };
const LOGGING: Setting<ServeConfig> = Setting { section: "Logging", ..ROW };

const TABLE: &[Setting<ServeConfig>] = &[
    Setting {
        name: "data_dir",
        value: "DIR",
        field: |c| &mut c.data_dir,
        fallback_variable: Some("STATE_DIRECTORY"),
        doc: "Where messages and topology are kept; made when missing. One process at a time.",
        ..BASICS
    },
    Setting {
        name: "amqp_listen",
        value: "HOST:PORT",
        field: |c| &mut c.amqp_listen,
        doc: "Where AMQP clients connect; `localhost` is both loopback addresses, `*` every \
              address, port 0 a free one. May be given several times.",
        ..BASICS
    },
    Setting {
        name: "amqps_listen",
        value: "HOST:PORT",
        field: |c| &mut c.amqps_listen,
        doc: "Where AMQP clients connect with TLS; needs `tls_cert` and `tls_key`.",
        ..BASICS
    },
    Setting {
        name: "metrics_listen",
        value: "HOST:PORT",
        field: |c| &mut c.metrics_listen,
        doc: "Where `/metrics` (Prometheus) and `/healthz` are served, without authentication.",
        ..BASICS
    },
    Setting {
        name: "tls_cert",
        field: |c| &mut c.tls_cert,
        doc: "The server's certificate chain, its own first, as PEM.",
        ..TLS
    },
    Setting {
        name: "tls_key",
        field: |c| &mut c.tls_key,
        doc: "The certificate's private key, as PEM, not encrypted.",
        ..TLS
    },
    Setting {
        name: "tls_ca",
        field: |c| &mut c.tls_ca,
        doc: "Certificates of the authorities that sign clients' certificates, as PEM.",
        ..TLS
    },
    Setting {
        name: "tls_verify",
        value: "verify_none|verify_peer",
        field: |c| &mut c.tls_verify,
        doc: "`verify_peer` asks clients for a certificate and checks it against `tls_ca`.",
        ..TLS
    },
    Setting {
        name: "tls_fail_if_no_peer_cert",
        value: "true|false",
        field: |c| &mut c.tls_fail_if_no_peer_cert,
        doc: "Refuses clients without a certificate; needs `verify_peer`.",
        ..TLS
    },
    Setting {
        name: "tls_versions",
        value: "tlsv1.3|tlsv1.2",
        field: |c| &mut c.tls_versions,
        doc: "The versions of TLS that clients may speak.",
        ..TLS
    },
    Setting {
        name: "ssl_cert_login_from",
        value: "distinguished_name|common_name",
        field: |c| &mut c.ssl_cert_login_from,
        doc: "Which part of its certificate is a client's user name with the EXTERNAL mechanism.",
        ..TLS
    },
    Setting {
        name: "vm_memory_high_watermark",
        value: "FRACTION|SIZE",
        field: |c| &mut c.vm_memory_high_watermark,
        doc: "Resident memory above which publishers are blocked: a part of the machine's (or \
              control group's) memory, or a size.",
        ..LIMITS
    },
    Setting {
        name: "disk_free_limit",
        value: "SIZE|NUMBER",
        field: |c| &mut c.disk_free_limit,
        doc: "Free disk of the data directory below which publishers are blocked: a size, or a \
              number with a point for that many times the memory.",
        ..LIMITS
    },
    Setting {
        name: "total_memory_available_override_value",
        field: |c| &mut c.total_memory_available_override_value,
        doc: "The memory of which `vm_memory_high_watermark` and `disk_free_limit` are parts, instead \
              of what the machine or control group has.",
        ..LIMITS
    },
    Setting {
        name: "cache_size",
        field: |c| &mut c.cache_size,
        doc: "Memory for recently written messages; what waits longer is read from disk.",
        ..LIMITS
    },
    Setting {
        name: "max_message_size",
        field: |c| &mut c.max_message_size,
        doc: "The largest body of one message, at most 512MiB; a larger one closes the channel.",
        ..LIMITS
    },
    Setting {
        name: "max_connections",
        value: "NUMBER",
        field: |c| &mut c.max_connections,
        doc: "Connections at a time; more are refused with 530, and beyond 64 of those closed as soon as they are accepted.",
        ..LIMITS
    },
    Setting {
        name: "heartbeat",
        value: "SECONDS",
        field: |c| &mut c.heartbeat,
        doc: "The heartbeat that is proposed to clients; 0 is off.",
        ..PROTOCOL
    },
    Setting {
        name: "channel_max",
        field: |c| &mut c.channel_max,
        doc: "Channels of one connection.",
        ..PROTOCOL
    },
    Setting {
        name: "channel_max_per_node",
        field: |c| &mut c.channel_max_per_node,
        doc: "Channels of all connections together; 0 is no limit.",
        ..PROTOCOL
    },
    Setting {
        name: "consumer_max_per_channel",
        field: |c| &mut c.consumer_max_per_channel,
        doc: "Consumers of one channel; 0 is no limit.",
        ..PROTOCOL
    },
    Setting {
        name: "consumer_timeout",
        value: "DURATION",
        field: |c| &mut c.consumer_timeout,
        doc: "How long a consumer may take to settle a delivery before that is taken back; 0 is for \
              ever. A consumer, its queue, or a policy may say otherwise.",
        ..PROTOCOL
    },
    Setting {
        name: "consumer_timeout_action",
        value: "cancel|close",
        field: |c| &mut c.consumer_timeout_action,
        doc: "What happens to a consumer that takes longer: `cancel` cancels it, or closes its channel \
              when the client cannot be told; `close` always closes the channel.",
        ..PROTOCOL
    },
    Setting {
        name: "frame_max",
        value: "BYTES",
        field: |c| &mut c.frame_max,
        doc: "The largest frame, from 4096 to 134217728 bytes.",
        ..PROTOCOL
    },
    Setting {
        name: "handshake_timeout",
        value: "DURATION",
        field: |c| &mut c.handshake_timeout,
        doc: "A client that has not opened its connection by then is disconnected.",
        ..PROTOCOL
    },
    Setting {
        name: "default_queue_type",
        value: "classic|quorum",
        field: |c| &mut c.default_queue_type,
        doc: "What a declare without `x-queue-type` makes, where the virtual host does not say otherwise.",
        ..PROTOCOL
    },
    Setting {
        name: "relaxed_checks_on_redeclaration",
        value: "true|false",
        field: |c| &mut c.relaxed_checks_on_redeclaration,
        doc: "Lets clients declare a quorum queue that is there as the classic one that it was.",
        ..PROTOCOL
    },
    Setting {
        name: "product",
        value: "TEXT",
        field: |c| &mut c.product,
        doc: "What clients are told the broker is. Some clients decide by it what they may use.",
        ..PROTOCOL
    },
    Setting {
        name: "product_version",
        value: "X.Y.Z",
        field: |c| &mut c.product_version,
        doc: "The version of RabbitMQ that clients are told; they decide by it what they may use.",
        ..PROTOCOL
    },
    Setting {
        name: "cluster_name",
        value: "NAME",
        field: |c| &mut c.cluster_name,
        doc: "What clients and metrics are told the cluster is called.",
        ..PROTOCOL
    },
    Setting {
        name: "set_header_timestamp",
        value: "off|keep|overwrite",
        field: |c| &mut c.set_header_timestamp,
        doc: "Sets the header `timestamp_in_ms` and the property `timestamp` of each message as it is \
              published; `keep` leaves those that the publisher has set.",
        ..PROTOCOL
    },
    Setting {
        name: "set_header_routing_node",
        value: "off|keep|overwrite",
        field: |c| &mut c.set_header_routing_node,
        doc: "Sets the header `x-routed-by` of each message to this node's name as it is published; \
              `keep` leaves one that the publisher has set.",
        ..PROTOCOL
    },
    Setting {
        name: "loopback_users",
        value: "NAME",
        field: |c| &mut c.loopback_users,
        doc: "Users that may connect from this machine only; empty for none.",
        ..USERS
    },
    Setting {
        name: "auth_mechanisms",
        value: "EXTERNAL|PLAIN|AMQPLAIN",
        field: |c| &mut c.auth_mechanisms,
        doc: "How clients may log in, in the order in which they are offered it; `EXTERNAL` only to a \
              client whose certificate names a user.",
        ..USERS
    },
    Setting {
        name: "default_user",
        value: "NAME",
        field: |c| &mut c.default_user,
        fallback_variable: Some("RABBITMQ_DEFAULT_USER"),
        doc: "The administrator that a new data directory begins with.",
        ..USERS
    },
    Setting {
        name: "default_pass",
        value: "PASSWORD",
        field: |c| &mut c.default_pass,
        secret: true,
        fallback_variable: Some("RABBITMQ_DEFAULT_PASS"),
        doc: "That user's password. Flags are visible to other users of the machine: prefer the \
              variable or a file.",
        ..USERS
    },
    Setting {
        name: "default_user_tags",
        value: "TAG",
        field: |c| &mut c.default_user_tags,
        doc: "What that user may administer: `administrator`, `monitoring`, `policymaker`, `management`.",
        ..USERS
    },
    Setting {
        name: "default_vhost",
        value: "NAME",
        field: |c| &mut c.default_vhost,
        fallback_variable: Some("RABBITMQ_DEFAULT_VHOST"),
        doc: "The virtual host that a new data directory begins with.",
        ..USERS
    },
    Setting {
        name: "default_permissions_configure",
        value: "REGEX",
        field: |c| &mut c.default_permissions_configure,
        doc: "What that user may declare and delete in that virtual host.",
        ..USERS
    },
    Setting {
        name: "default_permissions_write",
        value: "REGEX",
        field: |c| &mut c.default_permissions_write,
        doc: "What that user may publish to, and bind, in that virtual host.",
        ..USERS
    },
    Setting {
        name: "default_permissions_read",
        value: "REGEX",
        field: |c| &mut c.default_permissions_read,
        doc: "What that user may consume from, and bind to, in that virtual host.",
        ..USERS
    },
    Setting {
        name: "load_definitions",
        value: "FILE|DIR",
        field: |c| &mut c.load_definitions,
        doc: "Definitions as RabbitMQ exports them, imported at each start before clients can connect; \
              of a directory, every `*.json` by name. With users in them, a new data directory begins \
              without the default user.",
        ..DEFINITIONS
    },
    Setting {
        name: "definitions_skip_if_unchanged",
        value: "true|false",
        field: |c| &mut c.definitions_skip_if_unchanged,
        doc: "Passes over definitions that are what the last start imported.",
        ..DEFINITIONS
    },
    Setting {
        name: "log_level",
        value: "LEVEL",
        field: |c| &mut c.log_level,
        doc: "What is logged to stderr: error, warn, info, debug, trace or off, or directives \
              such as `info,server=debug`.",
        ..LOGGING
    },
    Setting {
        name: "log_format",
        value: "text|json",
        field: |c| &mut c.log_format,
        doc: "How it is logged: text, or one JSON object a line.",
        ..LOGGING
    },
];

/// What must hold between values, and beyond their types.
fn check(c: &ServeConfig) -> Result<(), Invalid> {
    let numeric = c.product_version.split('.').all(|part| part.parse::<u32>().is_ok());
    let rules = [
        (
            !c.amqp_listen.is_empty() || !c.amqps_listen.is_empty(),
            "amqp_listen",
            "nothing to listen on: neither amqp_listen nor amqps_listen names an address",
        ),
        (
            c.amqps_listen.is_empty() || (c.tls_cert.is_some() && c.tls_key.is_some()),
            "amqps_listen",
            "TLS needs a certificate and its key: set tls_cert and tls_key",
        ),
        (
            c.tls_cert.is_some() == c.tls_key.is_some(),
            if c.tls_cert.is_some() { "tls_cert" } else { "tls_key" },
            "tls_cert and tls_key belong together: set the other one as well",
        ),
        (
            c.tls_verify == Verify::None || c.tls_ca.is_some(),
            "tls_verify",
            "verify_peer needs the authorities' certificates: set tls_ca",
        ),
        (
            !c.tls_fail_if_no_peer_cert || c.tls_verify == Verify::Peer,
            "tls_fail_if_no_peer_cert",
            "no client is asked for a certificate: set tls_verify to verify_peer",
        ),
        (!c.tls_versions.is_empty(), "tls_versions", "nobody could connect: name at least one"),
        (
            c.cache_size >= CACHE_SIZE_MIN,
            "cache_size",
            "too small: at least 4MiB, so that what is being written fits",
        ),
        (
            c.max_message_size.0 > 0 && c.max_message_size <= MESSAGE_SIZE_MAX,
            "max_message_size",
            "must be from 1 byte to 512MiB",
        ),
        (c.max_connections > 0, "max_connections", "must be at least 1"),
        (c.channel_max > 0, "channel_max", "must be at least 1"),
        (
            (FRAME_MAX_MIN..=FRAME_MAX_MAX).contains(&c.frame_max),
            "frame_max",
            "must be from 4096 to 134217728 bytes",
        ),
        (!c.handshake_timeout.is_zero(), "handshake_timeout", "must be longer than 0"),
        (numeric, "product_version", "must be numbers parted by dots, such as 4.2.0"),
        (
            !c.auth_mechanisms.is_empty(),
            "auth_mechanisms",
            "nobody could log in: name at least one",
        ),
        (!c.default_user.is_empty(), "default_user", "must not be empty"),
        (!c.default_pass.is_empty(), "default_pass", "must not be empty"),
        (!c.default_vhost.is_empty(), "default_vhost", "must not be empty"),
    ];
    match rules.into_iter().find(|(holds, ..)| !holds) {
        Some((_, setting, reason)) => Err(Invalid::new(setting, reason)),
        None => Ok(()),
    }
}
