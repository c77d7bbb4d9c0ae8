//! What peers on the bus say to each other, and what became of it.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::address::NodeUri;

/// Milliseconds since 1970.
pub type Millis = i64;

/// A message that arrived for a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The channel: the user part of the request's URI.
    pub peer: Arc<str>,
    /// Who says that he sent it: the `From` URI, when it can be a node's.
    pub from: Option<NodeUri>,
    /// Where it came from.
    pub source: SocketAddr,
    /// The `Call-ID`, new for each message and destination.
    pub call_id: String,
    /// The `Content-Type`; empty when there is none.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
    /// When it arrived.
    pub at_ms: Millis,
}

/// To whom a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// To every node that is active, but not to ourselves.
    All,
    /// To one node, active or not; it must be on the list.
    One(NodeUri),
}

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The channel, which the other side must know.
    pub peer: Arc<str>,
    /// To whom.
    pub to: Recipient,
    /// Its `Content-Type`; none when empty.
    pub content_type: Arc<str>,
    /// The body.
    pub body: Arc<[u8]>,
    /// What must stay in order goes in one lane of a peer: one request at a time to a node.
    pub lane: u32,
}

/// What became of a message at one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The node's final answer; 200 and 202 mean that it took the message.
    Answered {
        /// The code.
        code: u16,
        /// The node's words for it.
        reason: String,
    },
    /// There was no answer in time. It may have arrived.
    TimedOut,
    /// It could not be sent: no connection, no address, no such transport here.
    Unreachable(String),
    /// So much waits for the node that it was not queued.
    Full,
    /// The node left the bus before it was sent, or we stopped before there was an answer.
    Dropped,
}

impl Outcome {
    /// Whether the node took the message.
    pub fn is_taken(&self) -> bool {
        matches!(self, Outcome::Answered { code: 200..=299, .. })
    }

    /// A word for metrics and the API.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Answered { code: 200..=299, .. } => "taken",
            Outcome::Answered { .. } => "refused",
            Outcome::TimedOut => "timeout",
            Outcome::Unreachable(_) => "unreachable",
            Outcome::Full => "full",
            Outcome::Dropped => "dropped",
        }
    }
}

/// What became of a message at one node, and how long that took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The node.
    pub node: NodeUri,
    /// Its answer, or why there is none.
    pub outcome: Outcome,
    /// From the call to the outcome, in microseconds.
    pub took_us: u64,
}
