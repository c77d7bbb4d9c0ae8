//! What is known of one node.

use std::net::IpAddr;
use std::time::Duration;

use super::NATIVE;
use crate::address::NodeUri;
use crate::desk::NodeState;
use crate::list::List;
use crate::message::Millis;

/// The longest `User-Agent` that is kept, in bytes.
const AGENT_BYTES_MAX: usize = 80;

/// Lines of a node's list that are kept.
const LISTED_MAX: usize = 64;

/// How a node that does not list us comes to be told our line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// It is looked at first.
    Unseen,
    /// It has room, and is looked at again, as others may have seen that too.
    Room,
    /// It has none; that has been said.
    Full,
    /// It is told now.
    Open,
    /// It does not answer looks, and is told unseen.
    Blind,
}

/// One node.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) state: NodeState,
    /// A notification address: never forgotten, and told of our joining.
    pub(crate) configured: bool,
    /// Where it is; unknown until its name is resolved.
    pub(crate) ip: Option<IpAddr>,
    /// What it calls itself.
    pub(crate) agent: String,
    /// Whether it is one of ours, which has no trouble with long lists.
    pub(crate) native: bool,
    /// When it last spoke.
    pub(crate) last_seen_ms: Option<Millis>,
    /// How long its last answer took.
    pub(crate) round_trip: Option<Duration>,
    /// Notifications in a row without an answer.
    pub(crate) fails: u32,
    /// Whether a notification is under way.
    pub(super) probing: bool,
    /// When the last one was sent.
    pub(super) asked: Duration,
    /// When the next one is due.
    pub(super) next: Duration,
    /// When a dead one is forgotten.
    pub(super) forget_at: Option<Duration>,
    /// The nodes of the last list that it sent.
    pub(super) listed: Option<Vec<NodeUri>>,
    /// Whether it was told that we joined.
    pub(super) joined: bool,
    /// Whether it has had our line; one of ours keeps it.
    pub(super) told: bool,
    /// How it comes to be told our line, if it does not have it.
    pub(super) door: Door,
    /// Whether others are to be told when it answers.
    pub(super) announce: bool,
    /// Whether its list had nobody but itself when we first saw it.
    pub(super) alone: bool,
}

impl Member {
    /// One that has just been heard of.
    pub(super) fn new(ip: Option<IpAddr>, now: Duration) -> Member {
        Member {
            state: NodeState::Pending,
            configured: false,
            ip,
            agent: String::new(),
            native: false,
            last_seen_ms: None,
            round_trip: None,
            fails: 0,
            probing: false,
            asked: Duration::ZERO,
            next: now,
            forget_at: None,
            listed: None,
            joined: false,
            told: false,
            door: Door::Unseen,
            announce: false,
            alone: false,
        }
    }

    /// It has spoken.
    pub(super) fn heard(&mut self, agent: &str, wall_ms: Millis) {
        self.last_seen_ms = Some(wall_ms);
        if self.agent != agent && !agent.is_empty() {
            let end = agent.floor_char_boundary(AGENT_BYTES_MAX.min(agent.len()));
            self.agent = agent[..end].to_owned();
            self.native = agent.starts_with(NATIVE);
        }
    }

    /// It has shown its list. Of our kind that need not be known; of others it is what has to fit
    /// into their buffer, which is full long before so many lines.
    pub(super) fn remember(&mut self, list: &List) {
        let lines = list.lines.iter().take(LISTED_MAX);
        self.listed = (!self.native).then(|| lines.map(|line| line.node.clone()).collect());
    }

    /// Whether it has shown a list as Kamailio has it, and is not gone.
    pub(super) fn is_kamailio(&self) -> bool {
        self.listed.is_some() && self.state != NodeState::Disabled
    }

    /// Whether it knows `me`, as far as can be told. The lists of our kind do not name everybody.
    pub(super) fn lists(&self, me: &NodeUri) -> bool {
        self.native && self.told || self.listed.as_ref().is_some_and(|listed| listed.contains(me))
    }

    /// What was known of its list and of its kind is void: it may come back as another.
    pub(super) fn lose_touch(&mut self) {
        self.listed = None;
        self.joined = false;
        self.told = false;
        self.native = false;
        self.agent.clear();
    }
}
