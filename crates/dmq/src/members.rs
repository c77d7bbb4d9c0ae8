//! Who is on the bus: the state of every node, and when it is told or asked what.
//!
//! No I/O and no clock. Evidence counts more than hearsay: a node becomes active only when it has
//! answered us itself, and what others say of it only makes us ask.
//!
//! ```text
//!            heard of                 200                        no answer
//! (unknown) ─────────> pending ──────────────> active ─────────────────────> not active
//!     ^                   │ no answer             ^  │ says so itself            │   │
//!     │ forgotten         v                       │  v                    200    │   │ no answer
//!     └─────────────── disabled <─────────────────┼──┴──────────────────────────┘<──┘
//!                         └───────── 200 ─────────┘
//! ```
//!
//! A node that was not active is first looked at: a notification with an empty body, which any node
//! answers with its list and which adds nobody to it. So it is known whether it is one of ours, or a
//! Kamailio, whose list must not grow beyond its buffer (see `bodies`).

mod bodies;
mod member;
mod merge;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use client::backoff::Chance;

use crate::address::{NodeUri, Transport};
use crate::desk::NodeState;
use crate::list::{Draft, List};
use member::Door;
pub(crate) use member::Member;
pub(crate) use merge::Heard;

/// How `User-Agent` and `Server` of our own kind start.
pub(crate) const NATIVE: &str = "Leveret/";

/// News that come within this time go out together.
const NEWS_PAUSE: Duration = Duration::from_millis(200);

/// How long we wait, at most, before we ask a Kamailio to let us in; half of it at least, in which
/// we hear of others who want the same.
const SPREAD_MAX: Duration = Duration::from_secs(2);

/// What a list of nodes goes by.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// Ourselves, as everybody has to write us.
    pub(crate) me: NodeUri,
    /// From one ping of a node to the next.
    pub(crate) ping_interval: Duration,
    /// How long a notification waits for its answer.
    pub(crate) ping_timeout: Duration,
    /// How long what is said of a dead node is not believed, and after which it is forgotten.
    pub(crate) tombstone: Duration,
    /// Whether dead nodes are forgotten.
    pub(crate) remove_inactive: bool,
    /// Missed pings that a node may have and still be active.
    pub(crate) fails_active: u32,
    /// Missed pings that a node may have before it is disabled.
    pub(crate) fails_not_active: u32,
    /// Nodes on the list, ourselves not counted.
    pub(crate) nodes_max: usize,
    /// What we have sockets for.
    pub(crate) transports: Vec<Transport>,
}

/// Which notification it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Nothing but a question.
    Look,
    /// Our own line, to be passed on.
    Join,
    /// Our list.
    Ping,
    /// Our list, as somebody is new on it. No answer is needed.
    News,
    /// Our own line, disabled.
    Leave,
}

impl Notice {
    /// Two hops for a join, one for everything else.
    pub(crate) fn max_forwards(self) -> u8 {
        if self == Notice::Join { 2 } else { 1 }
    }
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Send a notification; its end is told by `answered` or `missed`.
    Notify {
        /// To whom.
        to: NodeUri,
        /// Which.
        notice: Notice,
        /// Its body.
        body: Vec<u8>,
    },
    /// Find the address of a name; told by `resolved`.
    Resolve(Arc<str>),
    /// Find the configured addresses again; told by `configured`.
    ResolveConfigured,
    /// Something happened to a node.
    Event(NodeUri, &'static str),
    /// A node has answered, and has us on its list: to a wish for tables from anybody else Kamailio
    /// would send them to everybody.
    Up(NodeUri),
    /// A node has been alone until now, and may have forgotten to ask for tables.
    Lonely(NodeUri),
    /// Nothing can be sent to a node any more.
    Down(NodeUri),
}

/// The list of nodes, without ourselves.
#[derive(Debug)]
pub(crate) struct Members {
    pub(crate) rules: Rules,
    /// Our own addresses: a line that names one of them is about us.
    own: Vec<IpAddr>,
    nodes: BTreeMap<NodeUri, Member>,
    /// Nodes that a Kamailio was told of by us.
    told_of: BTreeSet<NodeUri>,
    /// Nodes that were removed by hand, and until when they are not believed in.
    buried: BTreeMap<NodeUri, Duration>,
    /// Nodes that are to be told of.
    news: Vec<NodeUri>,
    /// When news go out next.
    news_at: Option<Duration>,
    /// When they went out last.
    told_at: Option<Duration>,
    /// When to ask for the configured addresses, as long as we are alone.
    resolve_at: Duration,
    /// The earliest time at which something is due; never too late.
    wake: Duration,
    /// Where the next list to one of ours starts.
    turn: usize,
    chance: Chance,
    pub(crate) acts: Vec<Act>,
    /// Lines of lists that could not be used.
    pub(crate) bad_lines: u64,
}

impl Members {
    pub(crate) fn new(rules: Rules, own: Vec<IpAddr>, seed: u64) -> Members {
        Members {
            rules,
            own,
            nodes: BTreeMap::new(),
            told_of: BTreeSet::new(),
            buried: BTreeMap::new(),
            news: Vec::new(),
            news_at: None,
            told_at: None,
            resolve_at: Duration::ZERO,
            wake: Duration::ZERO,
            turn: 0,
            chance: Chance(seed),
            acts: Vec::new(),
            bad_lines: 0,
        }
    }

    /// The nodes by name.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&NodeUri, &Member)> {
        self.nodes.iter()
    }

    pub(crate) fn get(&self, node: &NodeUri) -> Option<&Member> {
        self.nodes.get(node)
    }

    /// Nodes that get broadcasts.
    pub(crate) fn active(&self) -> impl Iterator<Item = &NodeUri> {
        self.nodes.iter().filter(|(_, m)| m.state == NodeState::Active).map(|(node, _)| node)
    }

    /// Like `dmq_is_from_node`: whatever the node's state, whatever the port.
    pub(crate) fn is_from_node(&self, source: IpAddr) -> bool {
        self.nodes.values().any(|member| member.ip == Some(source))
    }

    /// Whether a node is ourselves, under whatever name.
    pub(crate) fn is_me(&self, node: &NodeUri) -> bool {
        let me = &self.rules.me;
        *node == *me
            || node.port == me.port
                && node.transport == me.transport
                && node.ip().is_some_and(|ip| self.own.contains(&ip))
    }

    /// Takes the nodes that the configuration names; those of an earlier call are kept.
    pub(crate) fn configured(&mut self, nodes: Vec<NodeUri>, now: Duration) {
        for node in nodes {
            if self.is_me(&node) {
                continue;
            }
            self.add(&node, now);
            if let Some(member) = self.nodes.get_mut(&node) {
                member.configured = true;
            }
        }
    }

    /// Takes the address of a name. Without one it is asked for again at the next ping.
    pub(crate) fn resolved(&mut self, host: &str, ip: Option<IpAddr>, now: Duration) {
        let interval = self.rules.ping_interval;
        for (node, member) in self.nodes.iter_mut().filter(|(node, _)| *node.host == *host) {
            member.ip = ip.or(member.ip);
            member.next = if member.ip.is_some() { now } else { now + interval };
            self.wake = self.wake.min(member.next);
            if ip.is_none() {
                tracing::warn!("the node {node} has no address; it is asked for again");
            }
        }
    }

    /// Adds a node that is to be looked at, if it can be and there is room.
    fn add(&mut self, node: &NodeUri, now: Duration) {
        if self.nodes.contains_key(node) || self.buried.contains_key(node) {
            return;
        }
        let reachable = self.rules.transports.contains(&node.transport);
        if !reachable || self.nodes.len() >= self.rules.nodes_max {
            self.bad_lines += 1;
            return;
        }
        let mut member = Member::new(node.ip(), now);
        if member.ip.is_none() {
            self.acts.push(Act::Resolve(Arc::clone(&node.host)));
            member.next = now + self.rules.ping_interval;
        }
        self.wake = self.wake.min(member.next);
        self.nodes.insert(node.clone(), member);
        self.acts.push(Act::Event(node.clone(), "found"));
    }

    /// Like `dmq.remove`: forgets a node, and for a while what others say of it.
    pub(crate) fn remove(&mut self, node: &NodeUri, now: Duration) -> bool {
        if self.nodes.remove(node).is_none() {
            return false;
        }
        self.buried.insert(node.clone(), now + self.rules.tombstone);
        self.wake = self.wake.min(now + self.rules.tombstone);
        self.acts.extend([Act::Down(node.clone()), Act::Event(node.clone(), "removed")]);
        true
    }

    /// A node has answered a notification. `took` is the round trip.
    pub(crate) fn answered(&mut self, node: &NodeUri, answer: Answer<'_>, now: Duration) {
        let Some(member) = self.nodes.get_mut(node) else { return };
        member.probing = false;
        if answer.code != 200 {
            let (code, agent) = (answer.code, answer.agent);
            tracing::warn!(
                "{node} ({agent}) answers notifications with {code}: is its DMQ loaded?"
            );
            return self.failed(node, answer.notice, now);
        }
        member.heard(answer.agent, answer.wall_ms);
        member.round_trip = Some(answer.took);
        member.fails = 0;
        let list = List::parse(answer.body);
        self.bad_lines += list.bad;
        member.alone |= answer.notice == Notice::Look && list.lines.iter().all(|l| l.node == *node);
        member.remember(&list);
        self.accept(node, answer.notice, now);
        self.merge(&list, Some(node), now);
    }

    /// Decides what comes after an answer: to be let in, or to rest until the next ping.
    fn accept(&mut self, node: &NodeUri, notice: Notice, now: Duration) {
        let rest = self.rest();
        let me = self.rules.me.clone();
        let is_look = notice == Notice::Look;
        let has_room = is_look && self.has_room();
        let is_drawn = is_look && self.chance.fraction() < self.chance_at(node);
        let spread = SPREAD_MAX.min(self.rules.ping_interval / 2);
        let wait = spread.mul_f64(0.5 + 0.5 * self.chance.fraction());
        let Some(member) = self.nodes.get_mut(node) else { return };
        if is_look && !member.lists(&me) {
            if member.native || is_drawn && member.door == Door::Room {
                member.door = Door::Open;
                member.next = now;
            } else if has_room {
                // Many that start together and find room at the same time would be too many: each
                // looks again at a time of its own, and lets chance decide.
                member.door = Door::Room;
                member.next = now + wait;
            } else {
                member.next = now + rest;
                if std::mem::replace(&mut member.door, Door::Full) != Door::Full {
                    tracing::warn!(
                        "the list of {node} has no room for us: it would exceed the 1024 bytes that \
                         Kamailio has for it, so we do not join it"
                    );
                }
            }
        } else {
            member.door = Door::Unseen;
            member.joined |= notice == Notice::Join;
            member.told |= notice != Notice::Look;
            member.next = now + rest;
            self.acts.push(Act::Up(node.clone()));
            if std::mem::take(&mut member.alone) {
                self.acts.push(Act::Lonely(node.clone()));
            }
        }
        self.wake = self.wake.min(member.next);
        if member.state != NodeState::Active {
            member.state = NodeState::Active;
            member.forget_at = None;
            let news = std::mem::take(&mut member.announce);
            self.acts.push(Act::Event(node.clone(), "up"));
            if news {
                self.announce(node, now);
            }
        }
    }

    /// A node has not answered a notification in time. Does not count when `excused`: it was us who
    /// were late.
    pub(crate) fn missed(&mut self, node: &NodeUri, notice: Notice, excused: bool, now: Duration) {
        let Some(member) = self.nodes.get_mut(node) else { return };
        member.probing = false;
        if excused {
            member.next = now;
            self.wake = now;
            return;
        }
        self.failed(node, notice, now);
    }

    fn failed(&mut self, node: &NodeUri, notice: Notice, now: Duration) {
        let rest = self.rest();
        let rules = &self.rules;
        let Some(member) = self.nodes.get_mut(node) else { return };
        // The next try is made without a look, in case that an empty body is what is not answered.
        member.door = if notice == Notice::Look { Door::Blind } else { Door::Unseen };
        member.fails = member.fails.saturating_add(1);
        let before = member.state;
        member.state = match before {
            NodeState::Disabled => NodeState::Disabled,
            NodeState::NotActive if member.configured => NodeState::NotActive,
            _ if member.fails > rules.fails_not_active && member.configured => NodeState::NotActive,
            _ if member.fails > rules.fails_not_active => NodeState::Disabled,
            NodeState::Active if member.fails > rules.fails_active => NodeState::NotActive,
            other => other,
        };
        // Until it is decided, it is asked again at once; but what fails without waiting for an answer
        // is given that time: a network that is away for a moment must not cost a whole interval.
        let undecided = member.fails <= rules.fails_not_active;
        let again = now.max(member.asked + rules.ping_timeout);
        member.next = if undecided { again } else { now + rest };
        self.wake = self.wake.min(member.next);
        if member.fails == rules.fails_not_active.saturating_add(1) {
            member.lose_touch();
        }
        if member.state == before {
            return;
        }
        let what = match member.state {
            NodeState::Disabled => "down",
            _ if before == NodeState::Active => "suspected",
            _ => "silent",
        };
        self.acts.push(Act::Event(node.clone(), what));
        if member.state == NodeState::Disabled {
            member.forget_at = Some(now + rules.tombstone);
            self.acts.push(Act::Down(node.clone()));
        }
    }

    /// A message to a node was not answered: it is asked whether it is there.
    pub(crate) fn doubt(&mut self, node: &NodeUri, now: Duration) {
        if let Some(member) = self.nodes.get_mut(node).filter(|m| m.state == NodeState::Active) {
            member.next = member.next.min(now);
            self.wake = self.wake.min(now);
        }
    }

    /// How long until the next ping: a little less than the interval, so that the pings of many
    /// nodes do not stay together.
    fn rest(&mut self) -> Duration {
        self.rules.ping_interval.mul_f64(1.0 - 0.1 * self.chance.fraction())
    }

    /// When `tick` has something to do.
    pub(crate) fn next_deadline(&self) -> Duration {
        self.wake
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: Duration) {
        if now < self.wake {
            return;
        }
        self.forget(now);
        self.look_for_others(now);
        if self.news_at.is_some_and(|at| at <= now) {
            self.tell(now);
        }
        let is_due = |member: &Member| !member.probing && member.next <= now;
        let due: Vec<NodeUri> =
            self.nodes.iter().filter(|(_, m)| is_due(m)).map(|(node, _)| node.clone()).collect();
        for node in due {
            self.notify(&node, now);
        }
        let nodes = self.nodes.values().filter(|m| !m.probing).map(|m| m.next);
        let forgotten = self.nodes.values().filter_map(|m| m.forget_at);
        let others = [Some(self.resolve_at), self.news_at];
        self.wake = nodes
            .chain(forgotten)
            .chain(self.buried.values().copied())
            .chain(others.into_iter().flatten())
            .min()
            .unwrap_or(Duration::MAX);
    }

    fn forget(&mut self, now: Duration) {
        self.buried.retain(|_, until| *until > now);
        let is_over = |member: &Member| member.forget_at.is_some_and(|at| at <= now);
        let acts = &mut self.acts;
        let keep = !self.rules.remove_inactive;
        self.nodes.retain(|node, member| {
            if !is_over(member) {
                return true;
            }
            member.forget_at = None;
            if keep || member.configured {
                return true;
            }
            acts.push(Act::Event(node.clone(), "forgotten"));
            false
        });
    }

    /// While nobody is there, the configured names may have got other addresses.
    fn look_for_others(&mut self, now: Duration) {
        if self.resolve_at > now {
            return;
        }
        self.resolve_at = now + self.rules.ping_interval;
        if self.active().next().is_none() {
            self.acts.push(Act::ResolveConfigured);
        }
    }

    /// Tells or asks a node what is due.
    fn notify(&mut self, node: &NodeUri, now: Duration) {
        let me = self.rules.me.clone();
        let rest = self.rest();
        let fits_whole = self.fits_whole();
        let Some(member) = self.nodes.get_mut(node) else { return };
        if member.ip.is_none() {
            member.next = now + rest;
            return self.acts.push(Act::Resolve(Arc::clone(&node.host)));
        }
        let wants_join = member.configured && !member.joined;
        let may_be_told = match member.door {
            Door::Unseen | Door::Room | Door::Full => false,
            Door::Open => true,
            // Unless there are so many that it may be full.
            Door::Blind => fits_whole,
        };
        let notice = match member.lists(&me) || may_be_told {
            false => Notice::Look,
            true if wants_join => Notice::Join,
            true => Notice::Ping,
        };
        member.probing = true;
        member.asked = now;
        let body = match notice {
            Notice::Look => Vec::new(),
            Notice::Join => Draft::of(&me, true).into_body(),
            _ => self.body_for(node, &[]),
        };
        self.acts.push(Act::Notify { to: node.clone(), notice, body });
    }

    /// Says goodbye to everybody who is there.
    pub(crate) fn leave(&mut self) {
        let to: Vec<NodeUri> = self.active().cloned().collect();
        let body = Draft::of(&self.rules.me, false).into_body();
        let leave = |to| Act::Notify { to, notice: Notice::Leave, body: body.clone() };
        self.acts.extend(to.into_iter().map(leave));
    }
}

/// An answer to a notification.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    /// To which.
    pub(crate) notice: Notice,
    /// 200, or the node has no DMQ.
    pub(crate) code: u16,
    /// The `Server`.
    pub(crate) agent: &'a str,
    /// The node's list.
    pub(crate) body: &'a [u8],
    /// The round trip.
    pub(crate) took: Duration,
    /// The wall clock.
    pub(crate) wall_ms: crate::message::Millis,
}
