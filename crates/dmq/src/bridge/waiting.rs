//! What waits to be published or confirmed, oldest first. Without I/O and clock: time is an
//! argument.
//!
//! An entry ends when the broker confirms it, or when its time is over. What was on its way when a
//! channel ended, or was refused, is published again in its place: at least once, in order.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use client::confirms::{Confirms, Identity};
use tokio::time::Instant;

use super::inbound::Publication;
use super::outbound::Verdict;

/// The most that waits, in bytes.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// So much waits that nothing is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} messages wait for the broker: no more are taken (bridge_waiting_max, and 64 MiB)")]
pub(crate) struct Full(pub(crate) usize);

/// What is done when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A message of the bus, and what its sender's request is known by, if that is not answered.
    Inbound(Option<u64>),
    /// The outcomes of a delivery, which is settled then.
    Reply(Unsettled),
}

/// A delivery that is to be settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unsettled {
    /// The life of the consumer's channel.
    pub(super) epoch: u64,
    pub(super) tag: u64,
    pub(super) verdict: Verdict,
}

struct Entry {
    purpose: Purpose,
    publication: Publication,
    deadline: Instant,
}

/// The list.
pub(super) struct Waiting {
    /// By age, and therefore by deadline.
    entries: BTreeMap<u64, Entry>,
    next_id: u64,
    /// Those that are not on their way.
    unpublished: BTreeSet<u64>,
    /// Those that are; one whose time was over is no entry any more.
    confirms: Confirms<u64>,
    inbound: usize,
    bytes: usize,
    inbound_max: usize,
}

impl Waiting {
    pub(super) fn new(inbound_max: usize) -> Waiting {
        Waiting {
            entries: BTreeMap::new(),
            next_id: 0,
            unpublished: BTreeSet::new(),
            confirms: Confirms::new(),
            inbound: 0,
            bytes: 0,
            inbound_max,
        }
    }

    /// Messages of the bus.
    pub(super) fn inbound(&self) -> usize {
        self.inbound
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a message of the bus finds no room. Outcomes always do: the prefetch limits them.
    pub(super) fn check_room(&self) -> Result<(), Full> {
        let has_room = self.inbound < self.inbound_max && self.bytes < BYTES_MAX;
        if has_room { Ok(()) } else { Err(Full(self.inbound)) }
    }

    /// Adds an entry, whose deadline is not before those of earlier ones.
    pub(super) fn push(&mut self, purpose: Purpose, publication: Publication, deadline: Instant) {
        self.inbound += usize::from(matches!(purpose, Purpose::Inbound(_)));
        self.bytes += publication.bytes();
        self.entries.insert(self.next_id, Entry { purpose, publication, deadline });
        self.unpublished.insert(self.next_id);
        self.next_id += 1;
    }

    /// What is to be published next.
    pub(super) fn next(&self) -> Option<&Publication> {
        let id = self.unpublished.first()?;
        self.entries.get(id).map(|entry| &entry.publication)
    }

    /// [`Waiting::next`] is on its way under this number.
    pub(super) fn published(&mut self, seq: u64) {
        if let Some(id) = self.unpublished.pop_first() {
            // Nothing is mandatory, so nothing comes back: what a message is does not matter.
            self.confirms.push(seq, Identity::of(&[], &[], &[], &[]), id);
        }
    }

    /// The broker has taken them. Returns what they were for, oldest first.
    pub(super) fn acked(&mut self, tag: u64, multiple: bool) -> Vec<Purpose> {
        let ids: Vec<u64> = self.confirms.ack(tag, multiple).map(|(id, _)| id).collect();
        ids.into_iter().filter_map(|id| self.end(id)).collect()
    }

    /// The broker could not take them: again.
    pub(super) fn nacked(&mut self, tag: u64, multiple: bool) {
        let ids: Vec<u64> = self.confirms.nack(tag, multiple).map(|(id, _)| id).collect();
        self.again(ids);
    }

    /// The connection is gone: what was on its way goes again.
    pub(super) fn connection_lost(&mut self) {
        let ids: Vec<u64> = self.confirms.drain().collect();
        self.again(ids);
    }

    /// The broker has closed the channel over something that was on its way. If that was an answer
    /// it would close every channel, so that those are given up; the rest goes again.
    pub(super) fn channel_refused(&mut self) -> Vec<Purpose> {
        let ids: Vec<u64> = self.confirms.drain().collect();
        let (replies, inbound): (Vec<u64>, Vec<u64>) = ids.into_iter().partition(|id| {
            let entry = self.entries.get(id);
            entry.is_some_and(|entry| matches!(entry.purpose, Purpose::Reply(_)))
        });
        self.again(inbound);
        replies.into_iter().filter_map(|id| self.end(id)).collect()
    }

    fn again(&mut self, ids: Vec<u64>) {
        let entries = &self.entries;
        self.unpublished.extend(ids.into_iter().filter(|id| entries.contains_key(id)));
    }

    /// When the time of the oldest is over.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.entries.first_key_value().map(|(_, entry)| entry.deadline)
    }

    /// Ends one whose time is over. One that was on its way may arrive nevertheless.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<Purpose> {
        let (id, entry) = self.entries.first_key_value()?;
        let id = (entry.deadline <= now).then_some(*id)?;
        self.end(id)
    }

    fn end(&mut self, id: u64) -> Option<Purpose> {
        let entry = self.entries.remove(&id)?;
        self.unpublished.remove(&id);
        self.bytes -= entry.publication.bytes();
        self.inbound -= usize::from(matches!(entry.purpose, Purpose::Inbound(_)));
        Some(entry.purpose)
    }
}
