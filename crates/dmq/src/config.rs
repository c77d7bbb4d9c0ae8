//! What a node is told: one documented field and one row of the table each. Flags, variables, file
//! keys, help and docs/dmq-options.md derive from the row. Names are those of Kamailio's module
//! where it has them.

mod check;
mod sources;
mod table;
mod value;
mod warnings;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use client::addresses::Addresses;
use service::config::{Settings, Size};
use service::listen::HostPort;
use service::log::{Format, Level};

use crate::address::{NodeUri, Transport};

pub use sources::{KIND, alone, kind};
pub use value::{Network, NotificationAddress, ServerSocket, Switch};
pub use warnings::warnings;

/// Stands for every name in a list of peers or tables.
pub const ANY: &str = "*";

/// The peer by which hash tables are replicated.
pub const HTABLE_PEER: &str = "htable";

/// How a node is set up. The rows of [`DMQ`] say what each field means.
#[derive(Clone, Debug, PartialEq)]
pub struct DmqConfig {
    /// Who we are; must be set. Default: not set.
    pub server_address: Option<NodeUri>,
    /// Where to listen, when that is not `server_address`. Default: not set.
    pub server_socket: Option<ServerSocket>,
    /// Nodes that are asked for the others. Default: none.
    pub notification_address: Vec<NotificationAddress>,
    /// Whether the first of them is a name with several addresses. Default: false.
    pub multi_notify: Switch,
    /// The peer by which nodes tell of each other. Default: `notification_peer`.
    pub notification_channel: String,
    /// Seconds between two pings. Default: 60.
    pub ping_interval: u32,
    /// How long a ping waits for its answer. Default: 4,000.
    pub ping_timeout_ms: u64,
    /// Whether nodes that are down are disabled at once and forgotten. Default: true.
    pub remove_inactive: Switch,
    /// Pings in a row without an answer, after more of which a node is not active. Default: 0.
    pub fail_count_threshold_not_active: u32,
    /// Pings in a row without an answer, after more of which a node is disabled. Default: 1.
    pub fail_count_threshold_disabled: u32,
    /// Nodes that are known at most. Default: 1,000.
    pub nodes_max: usize,
    /// How long the other nodes have to hear that we leave. Default: 2,000.
    pub leave_timeout_ms: u64,
    /// Requests under way to one node. Default: 2.
    pub num_workers: u16,
    /// Nothing. Default: 0.
    pub worker_usleep: u32,
    /// Messages that wait for one node at most. Default: 1,000.
    pub queue_messages_max: usize,
    /// How long a message waits for its answer. Default: 30,000.
    pub fr_timer_ms: u64,
    /// When a request is first sent again by UDP. Default: 500.
    pub t1_ms: u64,
    /// The longest pause between two of the same request. Default: 4,000.
    pub t2_ms: u64,
    /// Who may send to us. Default: loopback and private networks.
    pub allow: Vec<Network>,
    /// The size of a message's body at most. Default: 64 KiB.
    pub body_bytes_max: Size,
    /// Authorities that sign certificates of nodes. Default: the system's; of clients, none.
    pub tls_ca_file: Option<PathBuf>,
    /// Our certificate chain. Default: not set.
    pub tls_cert_file: Option<PathBuf>,
    /// Its private key. Default: not set.
    pub tls_key_file: Option<PathBuf>,
    /// Names of certificates of which one is needed. Default: any.
    pub tls_names: Vec<String>,
    /// Peers that are always known. Default: none.
    pub peers: Vec<String>,
    /// The peer that gets replicated SIP requests; empty: they get 405. Default: empty.
    pub replicated_peer: String,
    /// Hash tables that are kept; `*` is any. Default: `*`.
    pub htable: Vec<String>,
    /// What all of them may hold. Default: 64 MiB.
    pub htable_bytes_max: Size,
    /// Peers whose messages are published; `*` is any, none is no bridge. Default: none.
    pub bridge_peers: Vec<String>,
    /// Brokers, any of which will do. Default: `amqp://guest:guest@localhost:5672/`.
    pub bridge_broker: Addresses,
    /// The topic exchange. Default: `dmq`.
    pub bridge_exchange: String,
    /// The queue whose messages are sent; empty: none. Default: `dmq.send`.
    pub bridge_queue: String,
    /// Whether a message is answered when the broker has confirmed it. Default: true.
    pub bridge_confirm: bool,
    /// How long the confirm may take. Default: 20,000.
    pub bridge_timeout_ms: u64,
    /// Messages of the queue that are under way. Default: 100.
    pub bridge_prefetch: u16,
    /// Messages that wait for the broker at most. Default: 10,000.
    pub bridge_waiting_max: usize,
    /// Where page, API, metrics and health are served; empty is nowhere.
    /// Default: 127.0.0.1:15694.
    pub listen: Vec<HostPort>,
    /// What is logged. Default: `info`.
    pub log_level: Level,
    /// How it is logged. Default: text.
    pub log_format: Format,
}

impl Default for DmqConfig {
    fn default() -> DmqConfig {
        DmqConfig {
            server_address: None,
            server_socket: None,
            notification_address: Vec::new(),
            multi_notify: Switch(false),
            notification_channel: "notification_peer".into(),
            ping_interval: 60,
            ping_timeout_ms: 4000,
            remove_inactive: Switch(true),
            fail_count_threshold_not_active: 0,
            fail_count_threshold_disabled: 1,
            nodes_max: 1000,
            leave_timeout_ms: 2000,
            num_workers: 2,
            worker_usleep: 0,
            queue_messages_max: 1000,
            fr_timer_ms: 30_000,
            t1_ms: 500,
            t2_ms: 4000,
            allow: Network::private(),
            body_bytes_max: Size(64 << 10),
            tls_ca_file: None,
            tls_cert_file: None,
            tls_key_file: None,
            tls_names: Vec::new(),
            peers: Vec::new(),
            replicated_peer: String::new(),
            htable: vec![ANY.into()],
            htable_bytes_max: Size(64 << 20),
            bridge_peers: Vec::new(),
            bridge_broker: Addresses::default(),
            bridge_exchange: "dmq".into(),
            bridge_queue: "dmq.send".into(),
            bridge_confirm: true,
            bridge_timeout_ms: 20_000,
            bridge_prefetch: 100,
            bridge_waiting_max: 10_000,
            listen: vec![HostPort { host: "127.0.0.1".into(), port: 15694 }],
            log_level: Level::default(),
            log_format: Format::Text,
        }
    }
}

impl DmqConfig {
    /// Who we are.
    ///
    /// # Panics
    /// Without a `server_address`, which the check of the settings refuses.
    pub fn node(&self) -> &NodeUri {
        self.server_address.as_ref().expect("a checked configuration has a server_address")
    }

    /// How we are reached.
    pub fn transport(&self) -> Transport {
        self.node().transport
    }

    /// Where to listen for SIP.
    pub fn socket(&self) -> HostPort {
        match &self.server_socket {
            Some(socket) => socket.at.clone(),
            None => HostPort { host: self.node().host.to_string(), port: self.node().port },
        }
    }

    /// The nodes that are asked for the others: with `multi_notify` the first, and never ourselves.
    pub fn notified(&self) -> impl Iterator<Item = &NotificationAddress> {
        let count = if self.multi_notify.0 { 1 } else { usize::MAX };
        let others = |at: &&NotificationAddress| Some(&at.uri) != self.server_address.as_ref();
        self.notification_address.iter().take(count).filter(others)
    }

    /// Whether hash tables are kept at all.
    pub fn has_tables(&self) -> bool {
        !self.htable.is_empty()
    }

    /// Whether there is a bridge to a broker.
    pub fn has_bridge(&self) -> bool {
        !self.bridge_peers.is_empty()
    }
}

/// Every setting of a node.
pub const DMQ: Settings<DmqConfig> = Settings {
    command: "leveret dmq",
    spelling: &sources::SPELLING,
    table: table::TABLE,
    check: check::check,
};
