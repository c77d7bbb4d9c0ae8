//! Hash tables between nodes: whom we ask for theirs, who gets ours, and our own changes.

use std::sync::Arc;

use super::outgoing::lane;
use super::{Bus, Clock};
use crate::address::NodeUri;
use crate::config::HTABLE_PEER;
use crate::desk::{SendError, TableError, TableSet};
use crate::htable::{self, Sync};
use crate::message::{Delivered, Outcome, Outgoing, Recipient};
use crate::outbox::Cargo;

/// The ticket of a request for tables that nobody waits for.
const OWN_TICKET: u64 = 0;

/// The size of a message that goes in one datagram without being broken up (RFC 3261 18.1.1).
const DATAGRAM_BYTES: usize = 1300;

/// The size of a message on a stream for which Kamailio has room, by its `tcp_rd_buf_size`. It closes
/// a connection that brings a larger one.
const STREAM_BYTES: usize = 16_383;

/// Digits by which one head may be longer than another: those of its length, branch and Call-ID.
const DIGITS: usize = 32;

const JSON: &str = "application/json";

impl Bus {
    /// Asks a node for its tables, once: the first that is there, then the next if that fails.
    /// Everybody who was asked would send all that he has.
    pub(super) fn want_tables(&mut self, donor: &NodeUri, clock: Clock) {
        if self.tables.is_none() || self.synced || self.donor.is_some() || self.leaving.is_some() {
            return;
        }
        self.donor = Some(donor.clone());
        let asked = self.send(question(donor.clone()), OWN_TICKET, clock);
        if asked.is_err() {
            self.donor = None;
        }
    }

    /// Takes the end of a request for tables.
    pub(super) fn synced_by(&mut self, ticket: u64, outcomes: &[Delivered], clock: Clock) {
        if ticket != OWN_TICKET {
            return;
        }
        let Some(donor) = self.donor.take() else { return };
        if outcomes.iter().any(|one| one.outcome.is_taken()) {
            tracing::info!("{donor} was asked for its hash tables");
            self.synced = true;
            return;
        }
        // One that has no tables says so by a refusal, and cannot be asked again.
        let refused =
            outcomes.iter().any(|one| matches!(one.outcome, Outcome::Answered { code: 404, .. }));
        let next = self.members.active().find(|node| **node > donor).cloned();
        match next {
            Some(next) => self.want_tables(&next, clock),
            None => self.synced = refused,
        }
    }

    /// Asks for tables because somebody wants it.
    pub(crate) fn ask_for_tables(
        &mut self,
        node: Option<NodeUri>,
        ticket: u64,
        clock: Clock,
    ) -> Result<(), SendError> {
        match node.or_else(|| self.members.active().next().cloned()) {
            Some(node) => self.send(question(node), ticket, clock),
            None => {
                self.send_all(Vec::new(), &[], ticket, clock);
                Ok(())
            }
        }
    }

    /// Sends our tables to a node of the list.
    pub(super) fn give_tables(&mut self, to: &NodeUri, table: Option<String>, clock: Clock) {
        if self.members.get(to).is_none() {
            tracing::debug!("{to} asks for tables, and is not on the list: it gets none");
            return;
        }
        let sync = Sync::new(table, self.part_bytes(to));
        self.outboxes.entry(to.clone()).or_default().start_sync(sync);
        self.pump(to, clock);
    }

    /// How much of the tables goes in one message to a node.
    fn part_bytes(&mut self, to: &NodeUri) -> usize {
        let (_, branch) = self.clients.branch();
        let head = self.kdmq(to, HTABLE_PEER, &branch, 1, JSON, &[]).len() + DIGITS;
        let most = if to.transport.is_reliable() { STREAM_BYTES } else { DATAGRAM_BYTES };
        most.saturating_sub(head).min(self.body_bytes_max())
    }

    /// A Kamailio that was alone when it heard of us asked nobody for its tables, and asks nobody
    /// any more: it gets ours, if we have any.
    pub(super) fn offer_tables(&mut self, to: &NodeUri, clock: Clock) {
        if self.tables.as_ref().is_some_and(|tables| tables.size().1 > 0) {
            self.give_tables(to, None, clock);
        }
    }

    /// Sets a cell here and everywhere.
    pub(crate) fn set_cell(
        &mut self,
        set: &TableSet,
        ticket: u64,
        clock: Clock,
    ) -> Result<(), TableError> {
        let no_table = || TableError::NoTable(set.table.clone());
        let tables = self.tables.as_mut().ok_or_else(no_table)?;
        let lane = htable::lane(&set.table, &set.key);
        let bodies = tables.set(set, clock.wall_ms)?;
        self.tell_cells(bodies, lane, ticket, clock);
        Ok(())
    }

    /// Deletes a cell here and everywhere; whether it was there.
    pub(crate) fn delete_cell(
        &mut self,
        table: &str,
        key: &str,
        ticket: u64,
        clock: Clock,
    ) -> Result<bool, TableError> {
        let no_table = || TableError::NoTable(table.to_owned());
        let tables = self.tables.as_mut().ok_or_else(no_table)?;
        let Some(body) = tables.delete(table, key)? else { return Ok(false) };
        self.tell_cells(vec![body], htable::lane(table, key), ticket, clock);
        Ok(true)
    }

    /// Broadcasts changes of one cell, in order.
    fn tell_cells(&mut self, bodies: Vec<Vec<u8>>, cell: u32, ticket: u64, clock: Clock) {
        let lane = lane(HTABLE_PEER, cell);
        let cargo = bodies.into_iter().map(|body| {
            let message = Outgoing {
                peer: HTABLE_PEER.into(),
                to: Recipient::All,
                content_type: JSON.into(),
                body: body.into(),
                lane: cell,
            };
            (Cargo::Message(Arc::new(message)), lane)
        });
        let cargo: Vec<_> = cargo.collect();
        let to = self.members.active().cloned().collect();
        self.send_all(to, &cargo, ticket, clock);
    }
}

/// The request for a node's tables.
fn question(node: NodeUri) -> Outgoing {
    Outgoing {
        peer: HTABLE_PEER.into(),
        to: Recipient::One(node),
        content_type: JSON.into(),
        body: htable::SYNC.into(),
        lane: 0,
    }
}
