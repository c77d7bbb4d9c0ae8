//! What makes a queue a quorum queue: counted returns, delayed retries, and dead letters that are kept.

use store::{LaneId, Seq, Slice, Store};

use crate::message::Message;
use crate::{Cx, Handle, Millis, Sink};

use super::args::QueueKind;
use super::expiry::Due;
use super::graves::Graves;
use super::returns::{Counts, Returns, counted, with_properties};
use super::{Queue, sooner};

/// What only a quorum queue has.
#[derive(Default)]
pub(super) struct Quorum {
    pub(super) returns: Returns,
    pub(super) graves: Graves,
}

impl Quorum {
    /// For a queue of this kind.
    pub(super) fn of(kind: QueueKind) -> Option<Box<Quorum>> {
        match kind {
            QueueKind::Classic => None,
            QueueKind::Quorum => Some(Box::default()),
        }
    }

    /// When it next needs a tick.
    pub(super) fn deadline(&self) -> Option<Millis> {
        sooner(self.returns.deadline(), self.graves.deadline())
    }
}

impl Queue {
    /// Messages that came back and wait for their time (`x-delayed-retry-type`); they are not among those that wait.
    #[inline]
    pub fn delayed(&self) -> u64 {
        self.quorum.as_ref().map_or(0, |quorum| quorum.returns.delayed())
    }

    /// How often a message came back.
    pub fn counts(&self, handle: Handle) -> Counts {
        let returns = self.quorum.as_ref().map(|quorum| &quorum.returns);
        returns.map_or_else(Counts::default, |returns| returns.get(handle.lane, handle.seq))
    }

    /// The lane of a level, for the records of its counts.
    pub(crate) fn lane_of(&self, level: u8) -> Option<LaneId> {
        self.ready.lane_id(level)
    }

    /// All counts, by lane, oldest first.
    pub(crate) fn all_counts(&self) -> impl Iterator<Item = (LaneId, Vec<(Seq, Counts)>)> + '_ {
        let levels = self.quorum.iter().flat_map(|quorum| quorum.returns.by_level());
        levels.filter_map(|(level, counts)| Some((self.lane_of(level)?, counts)))
    }

    /// After a restart: brings back what was logged of the messages in its lanes.
    pub(crate) fn restore_counts(
        &mut self,
        store: &Store,
        mut logged: impl FnMut(LaneId) -> Vec<(Seq, Counts)>,
    ) {
        let Some(quorum) = &mut self.quorum else { return };
        for lane in self.ready.lanes() {
            quorum.returns.restore(lane.level, lane.id, logged(lane.id), store);
        }
    }

    /// A message is gone, and what was counted of it.
    #[inline]
    pub(super) fn forget(&mut self, level: u8, seq: Seq) {
        if let Some(quorum) = &mut self.quorum {
            quorum.returns.forget(level, seq);
        }
    }

    /// Messages whose retry is due wait again.
    pub(super) fn retry_due(&mut self, now: Millis) {
        let Some(quorum) = &mut self.quorum else { return };
        let before = self.ready.count();
        while let Some((level, seq)) = quorum.returns.take_due(now) {
            self.ready.give_back(level, seq);
        }
        if self.ready.count() > before && self.can_expire() {
            self.expiry.due = Due::Unknown;
        }
    }

    /// Settles what waits for a retry and the dead letters that are kept; gives back how many.
    pub(super) fn purge_quorum(&mut self, store: &mut Store) -> u64 {
        let Some(quorum) = &mut self.quorum else { return 0 };
        let mut purged = quorum.graves.purge(store);
        for (level, seq) in quorum.returns.take_delayed() {
            if let Some(lane) = self.ready.lane_id(level) {
                store.settle(lane, seq);
                purged += 1;
            }
        }
        quorum.returns.retain_live(|level| self.ready.lane_id(level), store);
        purged
    }

    /// Hands over a message that was delivered before, and says in its headers how often it came back.
    #[cold]
    pub(super) fn hand_over_again<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        to: u32,
        handle: Handle,
        message: &Message<'_>,
    ) {
        let properties = counted(message, self.counts(handle));
        let message = match &properties {
            Some(properties) => with_properties(message, properties),
            None => *message,
        };
        self.hand_over(cx, to, handle, true, &message);
    }

    /// The same for `basic.get`.
    pub(super) fn with_counts(&self, handle: Handle, slice: Slice) -> Slice {
        if self.quorum.is_none() {
            return slice;
        }
        let Ok(message) = Message::view(&slice) else { return slice };
        match counted(&message, self.counts(handle)) {
            Some(properties) => Slice::from(with_properties(&message, &properties).to_bytes()),
            None => slice,
        }
    }
}
