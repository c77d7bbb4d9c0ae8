//! What goes out: notifications, messages, replicated requests; and what became of them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::hash::BuildHasher;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::{Bus, Clock, Effect, Purpose};
use crate::address::{NodeUri, Transport};
use crate::desk::{NodeState, ReplicateError, SendError};
use crate::htable::Sync;
use crate::members::{Answer, Notice};
use crate::message::{Delivered, Outcome, Outgoing, Recipient};
use crate::modules;
use crate::outbox::{Cargo, Item, Kind, Outbox};
use crate::sip::grammar::{is_content_type, is_peer};
use crate::sip::write::{Kdmq, replicate};
use crate::sip::{Message, Response};
use crate::transaction::Due;
use crate::transport::Route;

/// The largest body of a datagram: 65,507 bytes less a head that is as large as one can be.
pub(crate) const DATAGRAM_BODY_MAX: usize = 60_000;

/// Who waits for what becomes of a message at several nodes.
#[derive(Debug)]
pub(super) struct Batch {
    /// Whom to tell.
    ticket: u64,
    /// Outcomes that are still to come.
    left: usize,
    started: Duration,
    /// One a node: of several messages the worst.
    outcomes: BTreeMap<NodeUri, Delivered>,
}

impl Bus {
    /// Sends a message; its end everywhere is the effect with this ticket.
    ///
    /// # Errors
    /// It cannot be sent to anybody.
    pub(crate) fn send(
        &mut self,
        message: Outgoing,
        ticket: u64,
        clock: Clock,
    ) -> Result<(), SendError> {
        self.check(&message)?;
        let to = self.recipients(&message.to)?;
        let lane = lane(&message.peer, message.lane);
        let cargo = Cargo::Message(Arc::new(message));
        self.send_all(to, &[(cargo, lane)], ticket, clock);
        Ok(())
    }

    fn check(&self, message: &Outgoing) -> Result<(), SendError> {
        if !is_peer(&message.peer) || *message.peer == *self.plan.channel {
            return Err(SendError::BadPeer(message.peer.to_string()));
        }
        if !message.content_type.is_empty() && !is_content_type(&message.content_type) {
            return Err(SendError::BadContentType(message.content_type.to_string()));
        }
        let bytes = message.body.len();
        let bytes_max = self.body_bytes_max();
        if bytes > bytes_max {
            return Err(SendError::TooLarge { bytes, bytes_max });
        }
        let bad = |why| SendError::BadBody { peer: Arc::clone(&message.peer), why };
        modules::check(&message.peer, &message.body).map_err(bad)
    }

    /// The largest body that all nodes can be sent.
    pub(super) fn body_bytes_max(&self) -> usize {
        match self.me().transport {
            Transport::Udp => self.plan.body_bytes_max.min(DATAGRAM_BODY_MAX),
            Transport::Tcp | Transport::Tls => self.plan.body_bytes_max,
        }
    }

    fn recipients(&self, to: &Recipient) -> Result<Vec<NodeUri>, SendError> {
        match to {
            Recipient::All => Ok(self.members.active().cloned().collect()),
            Recipient::One(node) if self.members.is_me(node) => {
                Err(SendError::Ourselves(node.clone()))
            }
            Recipient::One(node) if self.members.get(node).is_none() => {
                Err(SendError::UnknownNode(node.clone()))
            }
            Recipient::One(node) => Ok(vec![node.clone()]),
        }
    }

    /// Sends something to some nodes, in this order to each.
    pub(super) fn send_all(
        &mut self,
        to: Vec<NodeUri>,
        cargo: &[(Cargo, u64)],
        ticket: u64,
        clock: Clock,
    ) {
        let left = to.len() * cargo.len();
        if left == 0 {
            return self.effects.push(Effect::Sent(ticket, Vec::new()));
        }
        let serial = self.next_serial();
        let outcomes = BTreeMap::new();
        self.batches.insert(serial, Batch { ticket, left, started: clock.now, outcomes });
        for node in to {
            for (cargo, lane) in cargo {
                let item = Item { cargo: cargo.clone(), lane: *lane, batch: Some(serial) };
                let outbox = self.outboxes.entry(node.clone()).or_default();
                if outbox.push(item, self.plan.bounds).is_err() {
                    self.counters.full += 1;
                    self.outcome(serial, &node, Outcome::Full, clock);
                }
            }
            self.pump(&node, clock);
        }
    }

    /// Sends a SIP request unchanged to all active nodes, as `dmq_t_replicate` does.
    ///
    /// # Errors
    /// It is no request, or came from a node.
    pub(crate) fn replicate(
        &mut self,
        request: &[u8],
        source: Option<IpAddr>,
        skip_loop_test: bool,
        ticket: u64,
        clock: Clock,
    ) -> Result<(), ReplicateError> {
        let bad = |why: String| ReplicateError::Bad(why);
        let parsed = Message::parse(request).map_err(|error| bad(error.to_string()))?;
        let Message::Request(parsed) = parsed else { return Err(bad("it is a response".into())) };
        if let Some(fault) = parsed.fault {
            return Err(bad(fault.to_string()));
        }
        if request.len() > DATAGRAM_BODY_MAX {
            return Err(bad(format!("it has more than {DATAGRAM_BODY_MAX} bytes")));
        }
        if let Some(source) = source.map(|ip| ip.to_canonical())
            && !skip_loop_test
            && self.members.is_from_node(source)
        {
            return Err(ReplicateError::Loop(source));
        }
        // Requests of one call stay in order.
        let lane = lane(parsed.headers.call_id(), 1);
        let to = self.members.active().cloned().collect();
        self.send_all(to, &[(Cargo::Request(request.into()), lane)], ticket, clock);
        Ok(())
    }

    /// Sends what a node may be sent now.
    pub(super) fn pump(&mut self, node: &NodeUri, clock: Clock) {
        loop {
            let Some(outbox) = self.outboxes.get_mut(node) else { return };
            let tables = self.tables.as_ref();
            let cells = |sync: &mut Sync| sync.body(tables?, clock.wall_ms);
            let Some(item) = outbox.next(self.plan.bounds, cells) else { return };
            self.dispatch(node, item, clock);
        }
    }

    fn dispatch(&mut self, node: &NodeUri, item: Item, clock: Clock) {
        let Item { cargo, lane, batch } = item;
        let kind = cargo.kind();
        let Some(route) = self.route(node) else {
            let why = "its address is not known".to_owned();
            return self.ended(node, kind, lane, batch, Outcome::Unreachable(why), clock);
        };
        let (key, branch) = self.clients.branch();
        let packet: Arc<[u8]> = match &cargo {
            Cargo::Message(message) => {
                let (peer, content_type) = (&*message.peer, &*message.content_type);
                self.kdmq(node, peer, &branch, 1, content_type, &message.body)
            }
            Cargo::Cells(body) => {
                self.kdmq(node, crate::config::HTABLE_PEER, &branch, 1, "application/json", body)
            }
            Cargo::Request(request) => {
                self.scratch.clear();
                let me = &self.plan.rules.me;
                let written = replicate(request, me, node.transport, &branch, &mut self.scratch);
                if let Err(error) = written {
                    let why = Outcome::Unreachable(error.to_string());
                    return self.ended(node, kind, lane, batch, why, clock);
                }
                self.scratch.as_slice().into()
            }
        };
        let purpose = Purpose::Cargo { node: node.clone(), kind, lane, batch };
        let reliable = node.transport.is_reliable();
        let lifetime = self.plan.fr_timer;
        self.counters.sent += 1;
        self.clients.start(key, Arc::clone(&packet), reliable, lifetime, purpose, clock.now);
        self.effects.push(Effect::Send(route, packet));
    }

    /// Sends a notification.
    pub(super) fn notify(&mut self, to: NodeUri, notice: Notice, body: &[u8], clock: Clock) {
        let Some(route) = self.route(&to) else {
            if !matches!(notice, Notice::News | Notice::Leave) {
                self.members.missed(&to, notice, false, clock.now);
            }
            return;
        };
        let (key, branch) = self.clients.branch();
        let channel = Arc::clone(&self.plan.channel);
        let hops = notice.max_forwards();
        let packet = self.kdmq(&to, &channel, &branch, hops, "text/plain", body);
        if let (Notice::Leave, Some(leaving)) = (notice, &mut self.leaving) {
            *leaving += 1;
        }
        let reliable = to.transport.is_reliable();
        let lifetime = self.plan.rules.ping_timeout;
        self.counters.sent += 1;
        let purpose = Purpose::Notice(to, notice);
        self.clients.start(key, Arc::clone(&packet), reliable, lifetime, purpose, clock.now);
        self.effects.push(Effect::Send(route, packet));
    }

    pub(super) fn kdmq(
        &mut self,
        to: &NodeUri,
        peer: &str,
        branch: &str,
        max_forwards: u8,
        content_type: &str,
        body: &[u8],
    ) -> Arc<[u8]> {
        let mut random = || (self.chance.fraction() * (1_u64 << 53) as f64) as u64;
        let mut call_id = format!("{:014x}-{:x}@", random(), self.serial);
        let tag = format!("{:014x}", random());
        // Writing to a string cannot fail.
        let _ = write!(call_id, "{}", self.plan.rules.me.host);
        self.scratch.clear();
        let from = &self.plan.rules.me;
        let request = Kdmq {
            peer,
            to,
            from,
            branch,
            tag: &tag,
            call_id: &call_id,
            max_forwards,
            content_type,
            body,
        };
        request.write(&mut self.scratch);
        self.scratch.as_slice().into()
    }

    fn route(&self, node: &NodeUri) -> Option<Route> {
        let ip = self.members.get(node)?.ip?;
        let address = SocketAddr::new(ip, node.port);
        Some(match node.transport {
            Transport::Udp => Route::Udp(address),
            transport => Route::Stream { transport, address, name: Arc::clone(&node.host) },
        })
    }

    /// Takes a response.
    pub(super) fn response(&mut self, response: &Response<'_>, clock: Clock) {
        let Some(answered) = self.clients.answered(response, clock.now) else { return };
        let class = match response.code {
            200..=299 => 0,
            400..=499 => 1,
            500..=599 => 2,
            _ => 3,
        };
        self.counters.answers[class] += 1;
        match answered.what {
            Purpose::Notice(node, notice) => {
                let answer = Answer {
                    notice,
                    code: response.code,
                    agent: &response.agent(),
                    body: response.body,
                    took: answered.took,
                    wall_ms: clock.wall_ms,
                };
                self.notice_ended(&node, notice, Some(answer), false, clock);
            }
            Purpose::Cargo { node, kind, lane, batch } => {
                let (code, reason) = (response.code, response.reason.to_owned());
                self.ended(&node, kind, lane, batch, Outcome::Answered { code, reason }, clock);
            }
        }
    }

    fn notice_ended(
        &mut self,
        node: &NodeUri,
        notice: Notice,
        answer: Option<Answer<'_>>,
        excused: bool,
        clock: Clock,
    ) {
        match (notice, answer) {
            (Notice::Leave, _) => {
                if let Some(leaving) = &mut self.leaving {
                    *leaving = leaving.saturating_sub(1);
                }
            }
            // Whether a node is there is found out by its pings.
            (Notice::News, _) => {}
            (_, Some(answer)) => self.members.answered(node, answer, clock.now),
            (_, None) => self.members.missed(node, notice, excused, clock.now),
        }
    }

    /// Something that was under way to a node has come to its end.
    fn ended(
        &mut self,
        node: &NodeUri,
        kind: Kind,
        lane: u64,
        batch: Option<u64>,
        outcome: Outcome,
        clock: Clock,
    ) {
        if let Some(outbox) = self.outboxes.get_mut(node) {
            outbox.done(kind, lane);
        }
        if let Some(batch) = batch {
            self.outcome(batch, node, outcome, clock);
        }
        self.pump(node, clock);
    }

    fn outcome(&mut self, serial: u64, node: &NodeUri, outcome: Outcome, clock: Clock) {
        let Some(batch) = self.batches.get_mut(&serial) else { return };
        let took = clock.now.saturating_sub(batch.started);
        let one = Delivered {
            node: node.clone(),
            outcome,
            took_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        };
        match batch.outcomes.get_mut(node) {
            Some(old) if !old.outcome.is_taken() => old.took_us = one.took_us,
            Some(old) => *old = one,
            None => drop(batch.outcomes.insert(node.clone(), one)),
        }
        batch.left -= 1;
        if batch.left == 0
            && let Some(batch) = self.batches.remove(&serial)
        {
            let outcomes: Vec<Delivered> = batch.outcomes.into_values().collect();
            self.synced_by(batch.ticket, &outcomes, clock);
            self.effects.push(Effect::Sent(batch.ticket, outcomes));
        }
    }

    /// Sends again what is due, and gives up what has had its time.
    pub(super) fn retransmit(&mut self, excused: bool, clock: Clock) {
        let mut over = Vec::new();
        while let Some(due) = self.clients.due(clock.now) {
            match due {
                Due::Again { packet, what } => {
                    let node = what.node().clone();
                    if let Some(route) = self.route(&node) {
                        self.counters.retransmitted += 1;
                        self.effects.push(Effect::Send(route, packet));
                    }
                }
                Due::TimedOut { what } => over.push(what),
            }
        }
        for what in over {
            self.counters.timeouts += 1;
            match what {
                Purpose::Notice(node, notice) => {
                    self.notice_ended(&node, notice, None, excused, clock);
                }
                Purpose::Cargo { node, kind, lane, batch } => {
                    self.members.doubt(&node, clock.now);
                    self.ended(&node, kind, lane, batch, Outcome::TimedOut, clock);
                }
            }
        }
    }

    /// Nothing that was sent this way will be answered.
    pub(crate) fn failed(&mut self, route: &Route, why: &str, clock: Clock) {
        let nodes: Vec<NodeUri> = self
            .members
            .all()
            .map(|(node, _)| node)
            .filter(|node| self.route(node).as_ref() == Some(route))
            .cloned()
            .collect();
        let lost = self.clients.abort_all(|what| nodes.contains(what.node()));
        for what in lost {
            match what {
                Purpose::Notice(node, notice) => {
                    self.notice_ended(&node, notice, None, false, clock);
                }
                Purpose::Cargo { node, kind, lane, batch } => {
                    let outcome = Outcome::Unreachable(why.to_owned());
                    self.ended(&node, kind, lane, batch, outcome, clock);
                }
            }
        }
        self.act(clock);
    }

    /// Gives up all that waits and is under way, so that everybody who asked gets an answer.
    pub(crate) fn give_up(&mut self, clock: Clock) {
        let nodes: Vec<NodeUri> = self.outboxes.keys().cloned().collect();
        nodes.iter().for_each(|node| self.down(node, clock));
        for what in self.clients.abort_all(|_| true) {
            if let Purpose::Cargo { node, kind, lane, batch } = what {
                self.ended(&node, kind, lane, batch, Outcome::Dropped, clock);
            }
        }
    }

    /// Gives up what waits for a node that is down.
    pub(super) fn down(&mut self, node: &NodeUri, clock: Clock) {
        let Some(outbox) = self.outboxes.get_mut(node) else { return };
        let dropped: Vec<Item> = outbox.clear().collect();
        for item in dropped {
            if let Some(batch) = item.batch {
                self.outcome(batch, node, Outcome::Dropped, clock);
            }
        }
        let is_there = self.members.get(node).is_some_and(|m| m.state == NodeState::Active);
        if !is_there && self.outboxes.get(node).is_some_and(|outbox| outbox.busy() == 0) {
            self.outboxes.remove(node);
        }
        if self.members.active().next().is_none() {
            // Whoever comes next may know more than we do.
            self.synced = false;
        }
    }

    /// What waits for a node, and is under way to it.
    pub(super) fn load(&self, node: &NodeUri) -> (usize, usize) {
        self.outboxes.get(node).map_or((0, 0), |outbox: &Outbox| (outbox.waiting(), outbox.busy()))
    }
}

/// What must stay in order, as one number.
pub(super) fn lane(peer: &str, lane: u32) -> u64 {
    foldhash::fast::FixedState::default().hash_one((peer, lane))
}
