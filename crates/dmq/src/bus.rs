//! A node without its sockets: requests in, replies and requests out. No I/O and no clock, so that a
//! whole bus runs in one test.
//!
//! A request is answered once: what arrives again gets the same answer without being done again. A
//! message is sent until it is answered or its time is over, and its outcome is told.

mod incoming;
mod outgoing;
mod peers;
mod status;
mod tables;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use client::backoff::Chance;
use ipnet::IpNet;

use crate::address::NodeUri;
use crate::desk::{Counters, Handled, NodeEvent};
use crate::htable::Tables;
use crate::members::{Act, Members, Notice, Rules};
use crate::message::{Delivered, Millis, Received};
use crate::outbox::{Bounds, Kind, Outbox};
use crate::transaction::{Clients, Servers, Timers};
use crate::transport::{Route, Source};
use outgoing::Batch;
pub(crate) use outgoing::DATAGRAM_BODY_MAX;
pub(crate) use peers::Peers;

/// Requests that are remembered, so that they are not done twice: those of 32 s at 20,000 a second,
/// and more.
const SERVERS_MAX: usize = 1_000_000;

/// Events that are kept for the page.
const EVENTS_MAX: usize = 50;

/// How late something that is due may be done before we, and not the nodes, are to blame for what
/// was not answered.
const LATE_MAX: Duration = Duration::from_millis(500);

/// What a node goes by.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// About the list of nodes.
    pub(crate) rules: Rules,
    /// About retransmissions.
    pub(crate) timers: Timers,
    /// How long a message waits for its answer.
    pub(crate) fr_timer: Duration,
    /// How much waits for a node.
    pub(crate) bounds: Bounds,
    /// The size of a body.
    pub(crate) body_bytes_max: usize,
    /// Who may send to us.
    pub(crate) allow: Vec<IpNet>,
    /// The peer by which nodes tell of each other.
    pub(crate) channel: Arc<str>,
    /// The peer that gets replicated requests; empty for none.
    pub(crate) replicated_peer: Arc<str>,
    /// Messages that wait for the bridge, at most.
    pub(crate) parked_max: usize,
    /// Our own addresses.
    pub(crate) own: Vec<IpAddr>,
    /// Chance.
    pub(crate) seed: u64,
}

/// The time, in both ways of counting it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// Since the node started.
    pub(crate) now: Duration,
    /// Unix time.
    pub(crate) wall_ms: Millis,
}

/// What is to be done outside.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Send a packet.
    Send(Route, Arc<[u8]>),
    /// Publish a message; with a ticket, `published` is waited for.
    Publish(Option<u64>, Arc<Received>),
    /// A `send` has come to its end everywhere.
    Sent(u64, Vec<Delivered>),
    /// The reply to a request that was `handle`d.
    Handled(u64, Handled),
    /// Find the address of a name; told by `resolved`.
    Resolve(Arc<str>),
    /// Find the configured nodes; told by `configured`.
    ResolveConfigured,
}

/// Whom a reply goes to.
#[derive(Clone, Debug)]
enum Way {
    /// Whoever sent the request.
    Wire(Route),
    /// Whoever gave it to `handle`, by this number.
    Hand(u64),
}

/// A request whose answer waits for the bridge.
struct Parked {
    packet: Vec<u8>,
    source: Source,
    way: Way,
    key: u64,
}

/// What a request of ours is for.
#[derive(Debug)]
enum Purpose {
    Notice(NodeUri, Notice),
    Cargo { node: NodeUri, kind: Kind, lane: u64, batch: Option<u64> },
}

impl Purpose {
    fn node(&self) -> &NodeUri {
        match self {
            Purpose::Notice(node, _) | Purpose::Cargo { node, .. } => node,
        }
    }
}

/// A node.
pub(crate) struct Bus {
    plan: Plan,
    pub(crate) members: Members,
    outboxes: BTreeMap<NodeUri, Outbox>,
    clients: Clients<Purpose>,
    servers: Servers,
    pub(crate) peers: Peers,
    pub(crate) tables: Option<Tables>,
    parked: HashMap<u64, Parked>,
    batches: HashMap<u64, Batch>,
    /// The next number of a batch or a parked request.
    serial: u64,
    /// Whom we asked for tables and have no answer of yet.
    donor: Option<NodeUri>,
    /// Whether we have the tables of somebody.
    synced: bool,
    /// Goodbyes that are not answered yet; none before we leave.
    leaving: Option<usize>,
    events: VecDeque<NodeEvent>,
    pub(crate) counters: Counters,
    chance: Chance,
    scratch: Vec<u8>,
    pub(crate) effects: Vec<Effect>,
}

impl Bus {
    pub(crate) fn new(plan: Plan, peers: Peers, tables: Option<Tables>) -> Bus {
        let mut chance = Chance(plan.seed);
        let mut seed = || (chance.fraction() * (1_u64 << 53) as f64) as u64;
        let members = Members::new(plan.rules.clone(), plan.own.clone(), seed());
        let clients = Clients::new(plan.timers, seed());
        let servers = Servers::new(seed(), SERVERS_MAX);
        Bus {
            members,
            outboxes: BTreeMap::new(),
            clients,
            servers,
            peers,
            tables,
            parked: HashMap::new(),
            batches: HashMap::new(),
            serial: 0,
            donor: None,
            synced: false,
            leaving: None,
            events: VecDeque::new(),
            counters: Counters::default(),
            chance,
            scratch: Vec::new(),
            effects: Vec::new(),
            plan,
        }
    }

    /// Who we are.
    pub(crate) fn me(&self) -> &NodeUri {
        &self.plan.rules.me
    }

    /// Takes the configured nodes.
    pub(crate) fn configured(&mut self, nodes: Vec<NodeUri>, clock: Clock) {
        self.members.configured(nodes, clock.now);
        self.act(clock);
    }

    /// Takes the address of a name.
    pub(crate) fn resolved(&mut self, host: &str, ip: Option<IpAddr>, clock: Clock) {
        self.members.resolved(host, ip, clock.now);
        self.act(clock);
    }

    /// Forgets a node; whether there was one.
    pub(crate) fn remove(&mut self, node: &NodeUri, clock: Clock) -> bool {
        let removed = self.members.remove(node, clock.now);
        self.act(clock);
        removed
    }

    /// When `tick` has something to do.
    pub(crate) fn next_deadline(&self, clock: Clock) -> Duration {
        let expiry = self.tables.as_ref().and_then(Tables::next_expiry);
        let expiry = expiry.map(|at_ms| {
            clock.now + Duration::from_millis(u64::try_from(at_ms - clock.wall_ms).unwrap_or(0))
        });
        let deadlines = [Some(self.members.next_deadline()), self.clients.next_deadline(), expiry];
        deadlines.into_iter().flatten().min().unwrap_or(Duration::MAX)
    }

    /// Does what is due. To be called when `next_deadline` has come.
    pub(crate) fn tick(&mut self, clock: Clock) {
        // A process that was stopped for a while does not blame the others.
        let excused = clock.now.saturating_sub(self.next_deadline(clock)) > LATE_MAX;
        self.retransmit(excused, clock);
        self.members.tick(clock.now);
        if let Some(tables) = &mut self.tables {
            tables.expire(clock.wall_ms);
        }
        self.act(clock);
    }

    /// Leaves the bus: says so to everybody.
    pub(crate) fn leave(&mut self, clock: Clock) {
        self.leaving = Some(0);
        self.members.leave();
        self.act(clock);
    }

    /// Whether everybody has heard that we leave.
    pub(crate) fn has_left(&self) -> bool {
        self.leaving == Some(0)
    }

    /// Does what the list of nodes wants.
    fn act(&mut self, clock: Clock) {
        loop {
            let acts = std::mem::take(&mut self.members.acts);
            if acts.is_empty() {
                break;
            }
            for act in acts {
                match act {
                    Act::Notify { to, notice, body } => self.notify(to, notice, &body, clock),
                    Act::Resolve(host) => self.effects.push(Effect::Resolve(host)),
                    Act::ResolveConfigured => self.effects.push(Effect::ResolveConfigured),
                    Act::Event(node, what) => self.event(node, what, clock),
                    Act::Up(node) => self.want_tables(&node, clock),
                    Act::Lonely(node) => self.offer_tables(&node, clock),
                    Act::Down(node) => self.down(&node, clock),
                }
            }
        }
    }

    fn event(&mut self, node: NodeUri, what: &'static str, clock: Clock) {
        match what {
            "up" | "left" => tracing::info!("{node}: {what}"),
            "suspected" | "down" | "silent" => tracing::warn!("{node}: {what}"),
            _ => tracing::debug!("{node}: {what}"),
        }
        self.events.truncate(EVENTS_MAX - 1);
        self.events.push_front(NodeEvent { at_ms: clock.wall_ms, node, what });
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}
