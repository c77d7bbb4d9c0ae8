//! What waits for one node. So much is under way at a time and so much waits, and the rest is refused
//! at once: a node that does not answer holds up nobody else.
//!
//! Messages of one peer and lane go one after the other, each when the one before has been answered:
//! Kamailio's workers and lost datagrams keep no order themselves.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::htable::Sync;
use crate::message::Outgoing;

/// How far behind the first that waits another may be that overtakes it.
const OVERTAKE_MAX: usize = 64;

/// What is sent.
#[derive(Clone, Debug)]
pub(crate) enum Cargo {
    /// A message for a peer.
    Message(Arc<Outgoing>),
    /// A SIP request that is replicated.
    Request(Arc<[u8]>),
    /// A part of our hash tables.
    Cells(Vec<u8>),
}

/// Something that waits, or is under way.
#[derive(Debug)]
pub(crate) struct Item {
    /// What.
    pub(crate) cargo: Cargo,
    /// What must stay in order.
    pub(crate) lane: u64,
    /// Whose outcome it is; none for [`Cargo::Cells`].
    pub(crate) batch: Option<u64>,
}

/// What waits for one node.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: VecDeque<Item>,
    /// The lanes of what is under way.
    busy: Vec<u64>,
    /// The tables that the node has asked for, as far as they have not been sent.
    sync: Option<Sync>,
    /// Whether a part of them is under way. Nothing else is then, so that no cell overtakes its
    /// own change.
    syncing: bool,
}

/// What bounds outboxes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Requests under way to one node.
    pub(crate) busy_max: usize,
    /// Messages that wait for it.
    pub(crate) waiting_max: usize,
}

impl Outbox {
    /// Puts something at the end; gives it back when too much waits already.
    pub(crate) fn push(&mut self, item: Item, bounds: Bounds) -> Result<(), Item> {
        if self.waiting.len() >= bounds.waiting_max {
            return Err(item);
        }
        self.waiting.push_back(item);
        Ok(())
    }

    /// Sends all tables again from the start.
    pub(crate) fn start_sync(&mut self, sync: Sync) {
        self.sync = Some(sync);
    }

    /// What is to be sent now, if something is; `cells` makes the next part of the tables. Whoever
    /// takes it says `done` when it is answered or given up.
    pub(crate) fn next(
        &mut self,
        bounds: Bounds,
        cells: impl FnOnce(&mut Sync) -> Option<Vec<u8>>,
    ) -> Option<Item> {
        if self.syncing {
            return None;
        }
        if let Some(sync) = &mut self.sync {
            // What is under way first comes to its end.
            if !self.busy.is_empty() {
                return None;
            }
            match cells(sync) {
                Some(body) => {
                    self.syncing = true;
                    return Some(Item { cargo: Cargo::Cells(body), lane: 0, batch: None });
                }
                None => self.sync = None,
            }
        }
        if self.busy.len() >= bounds.busy_max {
            return None;
        }
        let mut passed: Vec<u64> = Vec::new();
        for at in 0..self.waiting.len().min(OVERTAKE_MAX) {
            let lane = self.waiting[at].lane;
            if self.busy.contains(&lane) || passed.contains(&lane) {
                passed.push(lane);
                continue;
            }
            self.busy.push(lane);
            return self.waiting.remove(at);
        }
        None
    }

    /// Something that was under way has come to its end.
    pub(crate) fn done(&mut self, cargo: Kind, lane: u64) {
        match cargo {
            Kind::Cells => self.syncing = false,
            Kind::Other => {
                if let Some(at) = self.busy.iter().position(|busy| *busy == lane) {
                    self.busy.swap_remove(at);
                }
            }
        }
    }

    /// Gives up what waits; what is under way is not touched.
    pub(crate) fn clear(&mut self) -> impl Iterator<Item = Item> + '_ {
        self.sync = None;
        self.waiting.drain(..)
    }

    /// Messages that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Requests under way.
    pub(crate) fn busy(&self) -> usize {
        self.busy.len() + usize::from(self.syncing)
    }
}

/// Which rule of order something goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A part of the tables, alone on its way.
    Cells,
    /// Anything else, alone in its lane.
    Other,
}

impl Cargo {
    /// Which rule of order it goes by.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Cargo::Cells(_) => Kind::Cells,
            Cargo::Message(_) | Cargo::Request(_) => Kind::Other,
        }
    }
}
