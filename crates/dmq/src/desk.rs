//! What people and programs may ask of a running node, and how: over a bounded channel, since the
//! event loop alone knows. [`Node`] is the Rust API; the web server, the command line and the
//! bridge use the same orders.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use service::desk::{Desk, Gone};
use tokio::sync::{mpsc, oneshot};

use crate::address::NodeUri;
use crate::message::{Delivered, Millis, Outgoing, Received};

/// A question, and where its answer goes.
#[derive(Debug)]
pub enum Order {
    /// How the node is, and its list.
    Status(oneshot::Sender<Box<Status>>),
    /// Send a message.
    Send(Outgoing, oneshot::Sender<Result<Vec<Delivered>, SendError>>),
    /// Replicate a SIP request.
    Replicate(Replication, oneshot::Sender<Result<Vec<Delivered>, ReplicateError>>),
    /// Take a KDMQ request that arrived by other ways.
    Handle(Handed, oneshot::Sender<Handled>),
    /// Whether a node of the list has this address.
    IsFromNode(IpAddr, oneshot::Sender<bool>),
    /// Copies of what arrives for a peer, or for all; the peer is known as long as it listens.
    Subscribe(Subscription, oneshot::Sender<Result<(), SubscribeError>>),
    /// Forget a node, like `kamcmd dmq.remove`; whether there was one.
    Remove(NodeUri, oneshot::Sender<bool>),
    /// Something about hash tables.
    Table(TableOrder),
}

/// Why nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// As `dmq_send_message` has it: the node must be on the list.
    #[error("{0} is not on the list of nodes; see list-nodes")]
    UnknownNode(NodeUri),
    /// The message is to go to ourselves.
    #[error("{0} is this node itself")]
    Ourselves(NodeUri),
    /// A peer's name is the user part of a SIP URI.
    #[error(
        "a peer's name is 1 to 64 of A-Z a-z 0-9 - _ . ! ~ * ' ( ) & = + $ , and not the notification channel, but this is {0:?}"
    )]
    BadPeer(String),
    /// A content type is one line of visible text.
    #[error("a content type is at most 255 bytes of visible ASCII, but this is {0:?}")]
    BadContentType(String),
    /// It would end a Kamailio.
    #[error("the module behind the peer {peer} does not survive this body: {why}")]
    BadBody {
        /// The peer.
        peer: Arc<str>,
        /// What is wrong with it.
        why: String,
    },
    /// The body is larger than messages may be.
    #[error(
        "the body has {bytes} bytes, and {bytes_max} are the most (body_bytes_max; over UDP never more than 60000)"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
}

/// A SIP request to be replicated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replication {
    /// The request, whole.
    pub request: Vec<u8>,
    /// Where it came from, for the loop test; without it the test passes.
    pub source: Option<IpAddr>,
    /// Whether the loop test is left out, as `dmq_t_replicate("1")` does.
    pub skip_loop_test: bool,
}

/// Why nothing was replicated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplicateError {
    /// It is not a SIP request.
    #[error("not a SIP request that can be replicated: {0}")]
    Bad(String),
    /// It came from a node: replicating it would go round in circles.
    #[error("{0} is a node of the bus: a request that a node replicated is not replicated again")]
    Loop(IpAddr),
}

/// A KDMQ request that did not come to our socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handed {
    /// The request, whole.
    pub request: Vec<u8>,
    /// Where it came from.
    pub source: SocketAddr,
}

/// What became of it: the reply that its sender should get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handled {
    /// Its code.
    pub code: u16,
    /// The words for it.
    pub reason: String,
    /// The body: a node list when the request was a notification.
    pub body: Vec<u8>,
}

/// Wants copies of what arrives.
#[derive(Debug)]
pub struct Subscription {
    /// For this peer; `None` for all that are known.
    pub peer: Option<String>,
    /// To whom; what does not fit is dropped and counted.
    pub to: mpsc::Sender<Arc<Received>>,
    /// What was dropped for want of room there; the node adds to it, the listener reads it.
    pub missed: Arc<AtomicU64>,
}

/// What a registered peer gets. Dropping it ends the registration.
#[derive(Debug)]
pub struct Listener {
    /// The messages in the order of their arrival; ends when the node stops.
    pub messages: mpsc::Receiver<Arc<Received>>,
    /// How many were dropped since the registration because there was no room.
    pub missed: Arc<AtomicU64>,
}

/// Why there are no copies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// See [`SendError::BadPeer`].
    #[error("no such name can be a peer's: {0:?}")]
    BadPeer(String),
    /// There are as many as may be.
    #[error("{0} streams are open already, which is the limit: close one")]
    TooMany(usize),
}

/// A value of a hash table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Int(i64),
    /// A text; Kamailio's are bytes, what is not UTF-8 has been replaced.
    Text(String),
}

/// A cell of a hash table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The key.
    pub key: String,
    /// What it holds.
    pub value: Value,
    /// How long it still lives; `None` for ever.
    pub expires_in_ms: Option<u64>,
}

/// Asks about hash tables.
#[derive(Debug)]
pub enum TableOrder {
    /// The names of the tables and how many cells each has.
    Names(oneshot::Sender<Vec<(String, usize)>>),
    /// All cells of one, by key; `None` when there is no such table.
    Dump(String, oneshot::Sender<Option<Vec<Cell>>>),
    /// One cell.
    Get(String, String, oneshot::Sender<Option<Cell>>),
    /// Sets a cell here and on all nodes; answers when all have answered.
    Set(TableSet, oneshot::Sender<Result<Vec<Delivered>, TableError>>),
    /// Deletes a cell here and on all nodes; `None` when it is not there.
    Delete(String, String, oneshot::Sender<Result<Option<Vec<Delivered>>, TableError>>),
    /// Asks a node for all that it has, or, without one, the next that is active.
    Sync(Option<NodeUri>, oneshot::Sender<Result<Vec<Delivered>, SendError>>),
}

/// A cell to be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSet {
    /// Its table, which is made when tables of any name are welcome.
    pub table: String,
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: Value,
    /// How long it lives, in seconds; 0 for ever. `None`: as its table has it, which is for ever
    /// unless the table has an `autoexpire`.
    pub expire_s: Option<u32>,
}

/// Why a table was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Tables are named in the configuration, and this is none of them.
    #[error("there is no table {0:?} (htable)")]
    NoTable(String),
    /// A name that Kamailio would not take, or that is too long.
    #[error(
        "{0:?} cannot be the name of a table or a key: 1 to 255 bytes without control characters"
    )]
    BadName(String),
    /// A value that Kamailio would hold as another.
    #[error("a value is a number from -2147483648 to 2147483647, or a text without U+0000")]
    BadValue,
    /// There is no room.
    #[error("the tables hold {bytes_max} bytes, which is the limit (htable_bytes_max)")]
    Full {
        /// The limit.
        bytes_max: u64,
    },
    /// The cell would not fit in a message.
    #[error("a cell of {bytes} bytes does not fit in a message (body_bytes_max)")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

/// What a node of the list is to us. The words are Kamailio's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NodeState {
    /// Heard of, not heard from yet.
    Pending,
    /// It answers.
    Active,
    /// It missed pings, and is asked again at once; gets no broadcasts.
    NotActive,
    /// It is down, or has left; pinged until it is forgotten.
    Disabled,
}

impl NodeState {
    /// All, in the order of metrics.
    pub const ALL: [NodeState; 4] =
        [NodeState::Pending, NodeState::Active, NodeState::NotActive, NodeState::Disabled];

    /// The word in lists and metrics.
    pub fn word(self) -> &'static str {
        match self {
            NodeState::Pending => "pending",
            NodeState::Active => "active",
            NodeState::NotActive => "not_active",
            NodeState::Disabled => "disabled",
        }
    }
}

/// A node of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// Who it is.
    pub uri: NodeUri,
    /// Its address, when it is known.
    pub resolved_ip: Option<IpAddr>,
    /// What it is to us.
    pub state: NodeState,
    /// Whether that is ourselves.
    pub local: bool,
    /// Whether it is a `notification_address`, which is never forgotten.
    pub configured: bool,
    /// What it calls itself (`User-Agent` or `Server`); empty before it has spoken.
    pub agent: String,
    /// When it last answered or sent something.
    pub last_seen_ms: Option<Millis>,
    /// How long its last answer took, in microseconds.
    pub round_trip_us: Option<u64>,
    /// Pings without an answer since the last one with.
    pub fail_count: u32,
    /// Messages that wait for it.
    pub queued: usize,
    /// Requests under way to it.
    pub in_flight: usize,
}

/// How the node is.
#[derive(Clone, Debug)]
pub struct Status {
    /// Who we are.
    pub uri: NodeUri,
    /// When it started.
    pub started_ms: Millis,
    /// When this was written.
    pub now_ms: Millis,
    /// The notification addresses that are configured, as they were written.
    pub notified: Vec<String>,
    /// Ourselves first, then the others by name.
    pub nodes: Vec<NodeStatus>,
    /// Peers that are known, by name.
    pub peers: Vec<String>,
    /// Tables, cells, and bytes.
    pub tables: (usize, usize, u64),
    /// How the bridge is; `None` without one.
    pub bridge: Option<BridgeStatus>,
    /// Whether we leave the bus.
    pub draining: bool,
    /// The last things that happened to nodes, the latest first.
    pub events: Vec<NodeEvent>,
    /// Counts since the start.
    pub counters: Counters,
}

/// How the bridge to AMQP is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BridgeStatus {
    /// The broker, without the password.
    pub broker: String,
    /// Why there is no connection, if there is none.
    pub down: Option<String>,
    /// Messages that wait to be published or confirmed.
    pub waiting: usize,
    /// Messages from the queue that are on their way to nodes.
    pub sending: usize,
}

/// Something that happened to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEvent {
    /// When.
    pub at_ms: Millis,
    /// To whom.
    pub node: NodeUri,
    /// What, in the past: `joined`, `up`, `suspected`, `down`, `left`, `forgotten`.
    pub what: &'static str,
}

/// Counts since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests that arrived, retransmissions not counted.
    pub requests: u64,
    /// Requests that arrived again.
    pub retransmitted_to_us: u64,
    /// Requests that we sent, retransmissions not counted.
    pub sent: u64,
    /// Requests that we sent again.
    pub retransmitted: u64,
    /// Answers of other nodes by class: 2xx, 4xx, 5xx, others.
    pub answers: [u64; 4],
    /// Requests of ours without an answer in time.
    pub timeouts: u64,
    /// Messages that were not queued because too much waited for their node.
    pub full: u64,
    /// Packets that are not SIP, or not whole.
    pub malformed: u64,
    /// Requests from addresses that are not allowed.
    pub forbidden: u64,
    /// Requests for peers that nobody knows.
    pub unknown_peer: u64,
    /// Requests that a peer refused: 400, 413, 500, 503.
    pub refused: u64,
    /// Messages that arrived for peers.
    pub delivered: u64,
    /// Copies that a slow listener missed.
    pub missed: u64,
    /// Messages that the bridge published and the broker confirmed.
    pub bridged_in: u64,
    /// Messages of the bridge's queue that were sent to nodes.
    pub bridged_out: u64,
    /// Messages that the bridge could not publish.
    pub unbridged: u64,
    /// Lines of node lists that could not be used.
    pub bad_lines: u64,
    /// Connections opened to us and by us.
    pub connections: u64,
    /// Packets that could not be sent.
    pub unsent: u64,
}

/// The Rust API: a running node. Cheap to clone. After the node has stopped everything is
/// [`Gone`].
#[derive(Clone, Debug)]
pub struct Node {
    desk: Desk<Order>,
}

impl Node {
    /// A node whose event loop takes orders from this desk.
    pub fn new(desk: Desk<Order>) -> Node {
        Node { desk }
    }

    /// Like `dmq_bcast_message` and `dmq_send_message`: sends a message, and returns what became of
    /// it at each node.
    ///
    /// # Errors
    /// The node stops.
    pub async fn send(&self, message: Outgoing) -> Result<Result<Vec<Delivered>, SendError>, Gone> {
        self.desk.ask(|to| Order::Send(message, to)).await
    }

    /// Like `dmq_t_replicate`: sends a SIP request unchanged to all active nodes.
    ///
    /// # Errors
    /// The node stops.
    pub async fn replicate(
        &self,
        replication: Replication,
    ) -> Result<Result<Vec<Delivered>, ReplicateError>, Gone> {
        self.desk.ask(|to| Order::Replicate(replication, to)).await
    }

    /// Like `dmq_handle_message`: gives a KDMQ request to its peer. Whether the caller goes on with
    /// it afterwards is the caller's own choice.
    ///
    /// # Errors
    /// The node stops.
    pub async fn handle(&self, handed: Handed) -> Result<Handled, Gone> {
        self.desk.ask(|to| Order::Handle(handed, to)).await
    }

    /// Like `dmq_is_from_node`: whether a node of the list, whatever its state, has this address.
    ///
    /// # Errors
    /// The node stops.
    pub async fn is_from_node(&self, source: IpAddr) -> Result<bool, Gone> {
        self.desk.ask(|to| Order::IsFromNode(source, to)).await
    }

    /// Registers a peer, for as long as the listener is there: what arrives for it is copied to the
    /// listener, and dropped and counted when `room` messages wait there.
    ///
    /// # Errors
    /// The node stops.
    pub async fn register(
        &self,
        peer: Option<String>,
        room: usize,
    ) -> Result<Result<Listener, SubscribeError>, Gone> {
        let (to, messages) = mpsc::channel(room.max(1));
        let missed = Arc::new(AtomicU64::new(0));
        let subscription = Subscription { peer, to, missed: missed.clone() };
        let subscribed = self.desk.ask(|done| Order::Subscribe(subscription, done)).await?;
        Ok(subscribed.map(|()| Listener { messages, missed }))
    }

    /// Like `dmq.list_nodes`, and more.
    ///
    /// # Errors
    /// The node stops.
    pub async fn status(&self) -> Result<Box<Status>, Gone> {
        self.desk.ask(Order::Status).await
    }

    /// Like `dmq.remove`: forgets a node; whether there was one.
    ///
    /// # Errors
    /// The node stops.
    pub async fn remove(&self, node: NodeUri) -> Result<bool, Gone> {
        self.desk.ask(|to| Order::Remove(node, to)).await
    }

    /// Asks about hash tables; `order` makes the question, such as [`TableOrder::Names`].
    ///
    /// # Errors
    /// The node stops.
    pub async fn tables<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<T>) -> TableOrder,
    ) -> Result<T, Gone> {
        self.desk.ask(|to| Order::Table(order(to))).await
    }
}
