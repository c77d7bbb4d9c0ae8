//! What can be listed, and the columns of each listing in RabbitMQ's names.

use serde::{Deserialize, Serialize};

/// One kind of things that there are several of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Listing {
    #[default]
    Queues,
    Exchanges,
    Bindings,
    Consumers,
    Connections,
    Channels,
    Users,
    Vhosts,
    Permissions,
    TopicPermissions,
    Policies,
    OperatorPolicies,
    Parameters,
    GlobalParameters,
    VhostLimits,
    UserLimits,
    Delayed,
}

/// Columns, and those that are shown when none is asked for.
struct Columns {
    of: Listing,
    all: &'static [&'static str],
    shown: &'static [&'static str],
}

/// Every listing. Names and choice are those of RabbitMQ 3.10.8.
const TABLE: &[Columns] = &[
    Columns {
        of: Listing::Queues,
        all: &[
            "arguments",
            "auto_delete",
            "consumer_capacity",
            "consumer_utilisation",
            "consumers",
            "disk_reads",
            "disk_writes",
            "durable",
            "effective_policy_definition",
            "exclusive",
            "exclusive_consumer_pid",
            "exclusive_consumer_tag",
            "head_message_timestamp",
            "leader",
            "members",
            "memory",
            "message_bytes",
            "message_bytes_persistent",
            "message_bytes_ram",
            "message_bytes_ready",
            "message_bytes_unacknowledged",
            "messages",
            "messages_persistent",
            "messages_ram",
            "messages_ready",
            "messages_ready_ram",
            "messages_unacknowledged",
            "messages_unacknowledged_ram",
            "name",
            "online",
            "operator_policy",
            "owner_pid",
            "pid",
            "policy",
            "slave_pids",
            "state",
            "synchronised_slave_pids",
            "type",
            "vhost",
        ],
        shown: &["name", "messages"],
    },
    Columns {
        of: Listing::Exchanges,
        all: &[
            "arguments",
            "auto_delete",
            "durable",
            "internal",
            "name",
            "policy",
            "type",
            "vhost",
        ],
        shown: &["name", "type"],
    },
    Columns { of: Listing::Bindings, all: BINDINGS, shown: BINDINGS_SHOWN },
    Columns { of: Listing::Consumers, all: CONSUMERS, shown: CONSUMERS_SHOWN },
    Columns {
        of: Listing::Connections,
        all: &[
            "auth_mechanism",
            "channel_max",
            "channels",
            "client_properties",
            "connected_at",
            "frame_max",
            "host",
            "name",
            "peer_cert_issuer",
            "peer_cert_subject",
            "peer_cert_validity",
            "peer_host",
            "peer_port",
            "pid",
            "port",
            "protocol",
            "recv_cnt",
            "recv_oct",
            "send_cnt",
            "send_oct",
            "send_pend",
            "ssl",
            "ssl_cipher",
            "ssl_hash",
            "ssl_key_exchange",
            "ssl_protocol",
            "state",
            "timeout",
            "user",
            "vhost",
        ],
        shown: &["user", "peer_host", "peer_port", "state"],
    },
    Columns {
        of: Listing::Channels,
        all: &[
            "acks_uncommitted",
            "confirm",
            "connection",
            "consumer_count",
            "global_prefetch_count",
            "messages_unacknowledged",
            "messages_uncommitted",
            "messages_unconfirmed",
            "name",
            "number",
            "pid",
            "prefetch_count",
            "transactional",
            "user",
            "vhost",
        ],
        shown: &["pid", "user", "consumer_count", "messages_unacknowledged"],
    },
    Columns { of: Listing::Users, all: USERS, shown: USERS },
    Columns {
        of: Listing::Vhosts,
        all: &["cluster_state", "default_queue_type", "description", "name", "tags", "tracing"],
        shown: &["name"],
    },
    Columns { of: Listing::Permissions, all: PERMISSIONS, shown: PERMISSIONS },
    Columns { of: Listing::TopicPermissions, all: TOPIC_PERMISSIONS, shown: TOPIC_PERMISSIONS },
    Columns { of: Listing::Policies, all: POLICIES, shown: POLICIES },
    Columns { of: Listing::OperatorPolicies, all: POLICIES, shown: POLICIES },
    Columns { of: Listing::Parameters, all: PARAMETERS, shown: PARAMETERS_SHOWN },
    Columns { of: Listing::GlobalParameters, all: GLOBAL_PARAMETERS, shown: GLOBAL_PARAMETERS },
    Columns { of: Listing::VhostLimits, all: VHOST_LIMITS, shown: VHOST_LIMITS },
    Columns { of: Listing::UserLimits, all: USER_LIMITS, shown: USER_LIMITS },
    Columns { of: Listing::Delayed, all: DELAYED, shown: DELAYED },
];

const BINDINGS: &[&str] = &[
    "arguments",
    "destination_kind",
    "destination_name",
    "routing_key",
    "source_kind",
    "source_name",
    "vhost",
];
const BINDINGS_SHOWN: &[&str] = &[
    "source_name",
    "source_kind",
    "destination_name",
    "destination_kind",
    "routing_key",
    "arguments",
];
const CONSUMERS: &[&str] = &[
    "ack_required",
    "active",
    "activity_status",
    "arguments",
    "channel_pid",
    "consumer_tag",
    "prefetch_count",
    "queue_name",
];
const CONSUMERS_SHOWN: &[&str] = &[
    "queue_name",
    "channel_pid",
    "consumer_tag",
    "ack_required",
    "prefetch_count",
    "active",
    "arguments",
];
const USERS: &[&str] = &["user", "tags"];
const PERMISSIONS: &[&str] = &["user", "vhost", "configure", "write", "read"];
const TOPIC_PERMISSIONS: &[&str] = &["user", "vhost", "exchange", "write", "read"];
const POLICIES: &[&str] = &["vhost", "name", "pattern", "apply-to", "definition", "priority"];
const PARAMETERS: &[&str] = &["vhost", "component", "name", "value"];
const PARAMETERS_SHOWN: &[&str] = &["component", "name", "value"];
const GLOBAL_PARAMETERS: &[&str] = &["name", "value"];
const VHOST_LIMITS: &[&str] = &["vhost", "limits"];
const USER_LIMITS: &[&str] = &["user", "limits"];
const DELAYED: &[&str] = &["id", "due", "published", "exchange", "routing_key", "size"];

impl Listing {
    /// Every listing.
    pub const ALL: [Listing; 17] = [
        Listing::Queues,
        Listing::Exchanges,
        Listing::Bindings,
        Listing::Consumers,
        Listing::Connections,
        Listing::Channels,
        Listing::Users,
        Listing::Vhosts,
        Listing::Permissions,
        Listing::TopicPermissions,
        Listing::Policies,
        Listing::OperatorPolicies,
        Listing::Parameters,
        Listing::GlobalParameters,
        Listing::VhostLimits,
        Listing::UserLimits,
        Listing::Delayed,
    ];

    /// The columns that can be asked for.
    pub fn columns(self) -> &'static [&'static str] {
        self.row().all
    }

    /// The columns that are shown when none is asked for.
    pub fn shown(self) -> &'static [&'static str] {
        self.row().shown
    }

    /// Whether it is listed row by row, as RabbitMQ lists what there may be much of.
    pub fn is_streamed(self) -> bool {
        matches!(
            self,
            Listing::Queues
                | Listing::Exchanges
                | Listing::Bindings
                | Listing::Consumers
                | Listing::Connections
                | Listing::Channels
                | Listing::Delayed
        )
    }

    fn row(self) -> &'static Columns {
        TABLE.iter().find(|row| row.of == self).expect("every listing has a row, as a test shows")
    }
}
