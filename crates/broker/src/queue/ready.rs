//! Which messages of a queue wait: per priority level a lane of the store, a cursor and what came back.
//!
//! Invariants of a lane:
//! 1. A message at or above `cursor` that the store calls live is waiting; there are `fresh` of them.
//! 2. A message below `cursor` waits only if it is in `requeued` or in the queue's `returned`; else it waits for its retry
//!    (`returns.rs`), or is unacked, on its way to a dead letter exchange or to the lane of one that is kept (`graves.rs`),
//!    unreadable or dead. The queue does not know which of these: the channel that holds it does.
//! 3. Everything in `requeued` and `returned` was delivered before, and so was everything below `mark`.
//!
//! So a waiting message costs nothing here: the store's bitmap is the only list of it.
//!
//! What comes back to a classic queue goes to `requeued`, which is where it was. What comes back to a quorum queue goes to
//! `returned`: it is next, before all that is new, whatever its priority, in the order in which it came back (RabbitMQ 4.3).

use std::collections::{BTreeSet, VecDeque};

use store::{LaneId, RecoveredLane, Seq, Store};

/// Room for so many that came back stays when none are left, half a KiB: a consumer that gives back one after the other
/// costs no allocation each.
const RETURNED_KEPT: usize = 32;

/// One level's messages, in the order of their numbers.
pub(super) struct Lane {
    /// The priority; 0 in a queue without priorities.
    pub(super) level: u8,
    /// Where the store keeps them.
    pub(super) id: LaneId,
    cursor: Seq,
    mark: Seq,
    fresh: u64,
    requeued: BTreeSet<Seq>,
}

impl Lane {
    fn new(level: u8, id: LaneId) -> Lane {
        Lane { level, id, cursor: 0, mark: 0, fresh: 0, requeued: BTreeSet::new() }
    }

    fn waiting(&self) -> u64 {
        self.fresh + self.requeued.len() as u64
    }
}

/// The next message of a queue, still waiting.
#[derive(Clone, Copy)]
pub(super) struct Head {
    /// Index of the lane; holds until a lane is added.
    lane: usize,
    pub(super) level: u8,
    pub(super) id: LaneId,
    pub(super) seq: Seq,
    pub(super) redelivered: bool,
    returned: bool,
}

/// All lanes of a queue, the highest level first.
pub(super) struct Ready {
    lanes: Vec<Lane>,
    count: u64,
    /// Level and number; never used by a classic queue.
    returned: VecDeque<(u8, Seq)>,
}

impl Ready {
    /// A queue that starts with the lane of one level; others get theirs with their first message.
    pub(super) fn new(level: u8, id: LaneId) -> Ready {
        Ready { lanes: vec![Lane::new(level, id)], count: 0, returned: VecDeque::new() }
    }

    /// After a restart every live message waits.
    pub(super) fn recover<'a>(
        lanes: impl IntoIterator<Item = (u8, &'a RecoveredLane)>,
        store: &Store,
    ) -> Ready {
        let mut ready = Ready { lanes: Vec::new(), count: 0, returned: VecDeque::new() };
        for (level, recovered) in lanes {
            let mut lane = Lane::new(level, recovered.lane);
            lane.cursor = store.next(lane.id, 0).unwrap_or(recovered.next_seq);
            lane.mark = recovered.mark;
            lane.fresh = store.stats(lane.id).live;
            ready.count += lane.fresh;
            ready.insert(lane);
        }
        ready
    }

    /// Gives `level` a lane. The caller knows that it has none.
    pub(super) fn add(&mut self, level: u8, id: LaneId) {
        self.insert(Lane::new(level, id));
    }

    fn insert(&mut self, lane: Lane) {
        let at = self.lanes.partition_point(|other| other.level > lane.level);
        self.lanes.insert(at, lane);
    }

    /// Messages that wait.
    #[inline]
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    #[inline]
    fn index(&self, level: u8) -> Option<usize> {
        match self.lanes.as_slice() {
            [only] => (only.level == level).then_some(0),
            lanes => lanes.iter().position(|lane| lane.level == level),
        }
    }

    /// The lane of a level, when it has one.
    #[inline]
    pub(super) fn lane_id(&self, level: u8) -> Option<LaneId> {
        self.index(level).map(|at| self.lanes[at].id)
    }

    /// Whether a message of `level` that arrives now becomes the head.
    #[inline]
    pub(super) fn leads(&self, level: u8) -> bool {
        let higher = |lane: &Lane| lane.level >= level && lane.waiting() > 0;
        self.count == 0 || (self.returned.is_empty() && !self.lanes.iter().any(higher))
    }

    /// A stored message waits.
    #[inline]
    pub(super) fn push(&mut self, level: u8, seq: Seq) {
        let Some(at) = self.index(level) else { return };
        let lane = &mut self.lanes[at];
        if lane.fresh == 0 {
            // Nothing lives between the cursor and the new message: spares the store a search over dead numbers.
            lane.cursor = lane.cursor.max(seq);
        }
        lane.fresh += 1;
        self.count += 1;
    }

    /// A stored message went to a consumer at once. Only when nothing waits.
    #[inline]
    pub(super) fn pass(&mut self, level: u8, seq: Seq) {
        debug_assert_eq!(self.count, 0, "a message must not overtake");
        if let Some(at) = self.index(level) {
            self.lanes[at].cursor = seq + 1;
        }
    }

    /// A message that was delivered waits again, where it was.
    pub(super) fn requeue(&mut self, level: u8, seq: Seq) {
        let Some(at) = self.index(level) else { return };
        debug_assert!(seq < self.lanes[at].cursor, "only a taken message can come back");
        if self.lanes[at].requeued.insert(seq) {
            self.count += 1;
        }
    }

    /// A message that was delivered waits again, before all that is new.
    pub(super) fn give_back(&mut self, level: u8, seq: Seq) {
        self.returned.push_back((level, seq));
        self.count += 1;
    }

    /// Whether messages wait that came back to a quorum queue.
    #[inline]
    pub(super) fn any_returned(&self) -> bool {
        !self.returned.is_empty()
    }

    #[cold]
    fn first_returned(&self) -> Option<Head> {
        let &(level, seq) = self.returned.front()?;
        let lane = self.index(level)?;
        let id = self.lanes[lane].id;
        Some(Head { lane, level, id, seq, redelivered: true, returned: true })
    }

    /// The message that is next: what was given back, then highest level first, oldest first within a level.
    #[inline(always)]
    pub(super) fn head(&mut self, store: &Store) -> Option<Head> {
        if self.count == 0 {
            return None;
        }
        if !self.returned.is_empty() {
            return self.first_returned();
        }
        for at in 0..self.lanes.len() {
            let lane = &mut self.lanes[at];
            if let Some(&seq) = lane.requeued.first() {
                return Some(Head {
                    lane: at,
                    level: lane.level,
                    id: lane.id,
                    seq,
                    redelivered: true,
                    returned: false,
                });
            }
            if lane.fresh == 0 {
                continue;
            }
            if let Some(seq) = store.next(lane.id, lane.cursor) {
                let redelivered = seq < lane.mark;
                let (level, id) = (lane.level, lane.id);
                return Some(Head { lane: at, level, id, seq, redelivered, returned: false });
            }
            debug_assert!(false, "the store lost {} messages of {:?}", lane.fresh, lane.id);
            self.count -= lane.fresh;
            lane.fresh = 0;
        }
        None
    }

    /// The head does not wait any more; whether it dies is the caller's affair.
    #[inline]
    pub(super) fn take(&mut self, head: &Head) {
        let lane = &mut self.lanes[head.lane];
        if head.returned {
            self.forget_returned();
        } else if head.seq < lane.cursor {
            lane.requeued.remove(&head.seq);
        } else {
            lane.cursor = head.seq + 1;
            lane.fresh -= 1;
        }
        self.count -= 1;
    }

    fn forget_returned(&mut self) {
        self.returned.pop_front();
        if self.returned.is_empty() && self.returned.capacity() > RETURNED_KEPT {
            self.returned = VecDeque::new();
        }
    }

    /// Settles everything that waits; gives back how much.
    pub(super) fn purge(&mut self, store: &mut Store) -> u64 {
        for (level, seq) in std::mem::take(&mut self.returned) {
            if let Some(lane) = self.lane_id(level) {
                store.settle(lane, seq);
            }
        }
        for lane in &mut self.lanes {
            for seq in std::mem::take(&mut lane.requeued) {
                store.settle(lane.id, seq);
            }
            if lane.fresh > 0 {
                store.settle_from(lane.id, lane.cursor);
                lane.fresh = 0;
            }
        }
        std::mem::take(&mut self.count)
    }

    /// Tells the store what was delivered, for a clean stop.
    pub(super) fn save_marks(&self, store: &mut Store) {
        for lane in &self.lanes {
            store.set_mark(lane.id, lane.cursor.max(lane.mark));
        }
    }

    /// Body bytes of every live message: waiting, unacked, unreadable.
    pub(super) fn live_bytes(&self, store: &Store) -> u64 {
        self.lanes.iter().map(|lane| store.stats(lane.id).live_bytes).sum()
    }
}

#[cfg(test)]
mod tests;
