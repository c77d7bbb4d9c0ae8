//! What a node can be asked, one JSON line each.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::listing::Listing;

/// One question or order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are the arguments of the command that each names")]
pub enum Request {
    // Users.
    AddUser {
        user: String,
        password: String,
        tags: Vec<String>,
    },
    DeleteUser {
        user: String,
    },
    ChangePassword {
        user: String,
        password: String,
    },
    ClearPassword {
        user: String,
    },
    AuthenticateUser {
        user: String,
        password: String,
    },
    SetUserTags {
        user: String,
        tags: Vec<String>,
    },
    SetUserLimits {
        user: String,
        limits: String,
    },
    /// Limits called `all` or one of them.
    ClearUserLimits {
        user: String,
        limit: String,
    },

    // Permissions.
    SetPermissions {
        user: String,
        vhost: String,
        configure: String,
        write: String,
        read: String,
    },
    ClearPermissions {
        user: String,
        vhost: String,
    },
    SetTopicPermissions {
        user: String,
        vhost: String,
        exchange: String,
        write: String,
        read: String,
    },
    /// Without an exchange: of all exchanges of the virtual host.
    ClearTopicPermissions {
        user: String,
        vhost: String,
        exchange: Option<String>,
    },

    // Virtual hosts.
    AddVhost {
        vhost: String,
        meta: VhostMeta,
    },
    DeleteVhost {
        vhost: String,
    },
    SetVhostMeta {
        vhost: String,
        meta: VhostMeta,
    },
    SetVhostLimits {
        vhost: String,
        limits: String,
    },
    ClearVhostLimits {
        vhost: String,
    },
    Trace {
        vhost: String,
        on: bool,
    },

    // Policies and parameters; definitions and values are JSON texts.
    SetPolicy {
        operator: bool,
        vhost: String,
        policy: Policy,
    },
    ClearPolicy {
        operator: bool,
        vhost: String,
        name: String,
    },
    /// Without a virtual host: a global parameter, whose component is empty.
    SetParameter {
        vhost: Option<String>,
        component: String,
        name: String,
        value: String,
    },
    ClearParameter {
        vhost: Option<String>,
        component: String,
        name: String,
    },

    // What there is.
    List(List),

    // Queues.
    DeleteQueue {
        vhost: String,
        queue: String,
        if_empty: bool,
        if_unused: bool,
    },
    PurgeQueue {
        vhost: String,
        queue: String,
    },

    // Delayed messages.
    CancelDelayed {
        id: String,
    },
    ReleaseDelayed {
        id: String,
    },

    // Connections.
    CloseConnections {
        which: Which,
        reason: String,
    },
    SuspendListeners,
    ResumeListeners,

    // Definitions; without a virtual host: of the whole node.
    ExportDefinitions {
        vhost: Option<String>,
    },
    /// Answered by an object: `report` is a text with a line for each kind of things.
    ImportDefinitions {
        vhost: Option<String>,
        definitions: Value,
    },

    // The node.
    Ping,
    Status,
    /// The settings, by name; secrets are not told.
    Settings,
    /// Files of certificates, and until when each is valid.
    Certificates,
    /// The variables of the process that mean something to it.
    Environment,
    SetAlarm {
        resource: Resource,
        on: bool,
    },
    /// Channels that connections may have from now on; 0 is no limit.
    SetChannelMax {
        channel_max: u16,
    },
    /// The users that may log in from this machine only.
    RestrictToLoopback {
        users: Vec<String>,
    },
    SetLogLevel {
        level: String,
    },
    SetClusterName {
        name: String,
    },
    SetDiskFreeLimit {
        limit: Amount,
    },
    SetMemoryLimit {
        limit: Amount,
    },
    /// Closes connections and listeners and keeps what is durable; the node goes on.
    StopApp,
    StartApp,
    /// Forgets everything; only while the application is stopped.
    Reset,
    /// Ends the process.
    Stop,
}

/// What is to be listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Of which kind.
    pub listing: Listing,
    /// Only what is in this virtual host.
    pub vhost: Option<String>,
    /// Only what concerns this user.
    pub user: Option<String>,
    /// Only what waits in this exchange; for delayed messages.
    pub exchange: Option<String>,
    /// At most so many rows; for delayed messages.
    pub limit: Option<usize>,
    /// The columns of each row, from those of the listing.
    pub columns: Vec<String>,
}

/// What is said of a virtual host; none means: as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VhostMeta {
    /// For people.
    pub description: Option<String>,
    /// For people and tools.
    pub tags: Option<Vec<String>>,
    /// `classic` or `quorum`.
    pub default_queue_type: Option<String>,
}

/// A policy as it is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// The regular expression of the names it applies to.
    pub pattern: String,
    /// A JSON object.
    pub definition: String,
    /// `all`, `queues`, `exchanges`, …
    pub apply_to: String,
    /// The highest that matches applies.
    pub priority: i64,
}

/// Which connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// The one that listings show with this process id or name.
    One(String),
    /// Those of a user.
    User(String),
    /// Those to a virtual host; none: all.
    Vhost {
        /// Its name.
        vhost: Option<String>,
        /// At most this many; 0 is no limit.
        limit: usize,
    },
}

/// What an alarm is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Resident memory.
    Memory,
    /// Free disk.
    Disk,
}

/// A limit of memory or disk.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// So many bytes.
    Bytes(u64),
    /// This part of the machine's memory.
    OfMemory(f64),
}
