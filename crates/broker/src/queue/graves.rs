//! Dead letters that have not arrived: what at-least-once dead lettering keeps (`x-dead-letter-strategy`).
//!
//! A dead letter that reaches no queue, or that a queue refuses, moves from its lane to one of the queue's graves: a lane
//! of its own for each reason. So it survives a restart, costs no memory, and the queue knows of what it died. It is tried
//! again when the topology has changed and from time to time, oldest first, a [`BATCH`] at once; what fails waits until all
//! others had their turn. As long as some of a batch arrive, the next one follows at once.
//!
//! A message that reached some of its queues is not sent to those again, except after a restart.

use store::{LaneId, RecoveredLane, Seq, Slice, Store};

use crate::message::Message;
use crate::{Cx, Handle, Map, Millis, QueueId, Sink};

use super::settle::{DeadLetter, Outbox, Reason};
use super::{BATCH, Queue};

/// Milliseconds until the first try after one that failed; they double with each that fails completely.
const WAIT_MIN: Millis = 200;
/// The longest wait.
const WAIT_MAX: Millis = 5_000;

/// The reasons with their graves' levels, which are above those of all priorities of a quorum queue.
const LEVELS: [(u8, Reason); 4] = [
    (252, Reason::Maxlen),
    (253, Reason::Expired),
    (254, Reason::Rejected),
    (255, Reason::DeliveryLimit),
];

/// One reason's dead letters.
struct Grave {
    level: u8,
    reason: Reason,
    id: LaneId,
    /// The next one to try.
    cursor: Seq,
}

/// See the module.
#[derive(Default)]
pub(super) struct Graves {
    lanes: Vec<Grave>,
    /// How many there are.
    pub(super) count: u64,
    /// Not before this time, unless `promising`.
    retry_at: Millis,
    wait: Millis,
    /// Something arrived since the last batch, or the topology changed.
    promising: bool,
    /// The queues that have a message already that others refused.
    reached: Map<(u8, Seq), Vec<QueueId>>,
}

impl Graves {
    /// Takes a lane that recovery found; gives it back when it is no grave.
    pub(super) fn recover<'a>(
        &mut self,
        level: u8,
        lane: &'a RecoveredLane,
        store: &Store,
    ) -> Option<(u8, &'a RecoveredLane)> {
        let Some((level, reason)) = LEVELS.into_iter().find(|(other, _)| *other == level) else {
            return Some((level, lane));
        };
        self.lanes.push(Grave { level, reason, id: lane.lane, cursor: 0 });
        self.count += store.stats(lane.lane).live;
        self.promising = true;
        None
    }

    pub(super) fn lanes(&self) -> impl Iterator<Item = (u8, LaneId)> + '_ {
        self.lanes.iter().map(|grave| (grave.level, grave.id))
    }

    fn lane_of(&self, level: u8) -> Option<LaneId> {
        self.lanes().find(|(other, _)| *other == level).map(|(_, id)| id)
    }

    /// Their body bytes.
    pub(super) fn bytes(&self, store: &Store) -> u64 {
        self.lanes.iter().map(|grave| store.stats(grave.id).live_bytes).sum()
    }

    /// When to try again; none without dead letters, once that has been looked at.
    pub(super) fn deadline(&self) -> Option<Millis> {
        let at = if self.promising { 0 } else { self.retry_at };
        (at < Millis::MAX && !self.lanes.is_empty()).then_some(at)
    }

    /// Hands out the next ones, when it is time.
    fn dig(&mut self, store: &mut Store, now: Millis, from: QueueId, out: &mut Outbox) {
        if self.deadline().is_none_or(|time| time > now) {
            return;
        }
        self.promising = false;
        let mut left = BATCH;
        for grave in &mut self.lanes {
            while left > 0 {
                let Some(seq) = store.next(grave.id, grave.cursor) else {
                    grave.cursor = 0;
                    break;
                };
                left -= 1;
                grave.cursor = seq + 1;
                if let Ok(slice) = store.read(grave.id, seq) {
                    let handle = Handle { queue: from, lane: grave.level, seq, bytes: 0 };
                    out.dead.push_back(DeadLetter { from, handle, reason: grave.reason, slice });
                }
            }
        }
        self.wait = (self.wait * 2).clamp(WAIT_MIN, WAIT_MAX);
        self.retry_at = if self.count == 0 { Millis::MAX } else { now.saturating_add(self.wait) };
    }

    /// One arrived.
    pub(super) fn arrived(&mut self, store: &mut Store, handle: Handle) {
        if let Some(lane) = self.lane_of(handle.lane) {
            store.settle(lane, handle.seq);
            self.count = self.count.saturating_sub(1);
        }
        self.reached.remove(&(handle.lane, handle.seq));
        self.promising = true;
        self.wait = 0;
    }

    /// All go. Gives back how many.
    pub(super) fn purge(&mut self, store: &mut Store) -> u64 {
        self.reached.clear();
        self.count = 0;
        self.lanes.iter().map(|grave| store.settle_from(grave.id, 0)).sum()
    }
}

/// Dead letters that have not arrived.
impl Queue {
    /// How many dead letters are kept because they could not be delivered (`messages_dlx` in RabbitMQ).
    pub fn kept_dead_letters(&self) -> u64 {
        self.quorum.as_ref().map_or(0, |quorum| quorum.graves.count)
    }

    /// Their body bytes.
    pub fn kept_dead_letter_bytes(&self, store: &Store) -> u64 {
        self.quorum.as_ref().map_or(0, |quorum| quorum.graves.bytes(store))
    }

    /// Whether there may be dead letters that wait for another topology.
    pub(crate) fn has_graves(&self) -> bool {
        self.quorum.as_ref().is_some_and(|quorum| quorum.graves.deadline().is_some())
    }

    /// The topology changed: what had no route may have one now.
    pub(crate) fn try_graves_again(&mut self) {
        if let Some(quorum) = &mut self.quorum {
            quorum.graves.promising = true;
        }
    }

    /// Whether a handle names a dead letter that is kept. A classic queue has priorities of the same levels.
    pub(crate) fn is_grave(&self, handle: Handle) -> bool {
        self.quorum.is_some() && handle.lane >= LEVELS[0].0
    }

    /// Whether a dead letter of this queue must arrive.
    pub(crate) fn keeps(&self, dead: &DeadLetter) -> bool {
        self.is_grave(dead.handle) || self.args.keeps_dead_letters()
    }

    /// The queues that a dead letter has reached already.
    pub(crate) fn reached(&self, handle: Handle) -> &[QueueId] {
        let graves = self.quorum.as_ref().map(|quorum| &quorum.graves);
        let found = graves.and_then(|graves| graves.reached.get(&(handle.lane, handle.seq)));
        found.map_or(&[], Vec::as_slice)
    }

    /// Keeps a dead letter that has not arrived everywhere; `reached` has it. The original of one that died just now is
    /// for the caller to bury. Answers whether the queue got a lane, so that its record has to be logged before that.
    pub(crate) fn keep(
        &mut self,
        store: &mut Store,
        dead: &DeadLetter,
        reached: Vec<QueueId>,
        now: Millis,
    ) -> bool {
        let kept = self.is_grave(dead.handle);
        let Some(quorum) = self.quorum.as_deref_mut() else { return false };
        let graves = &mut quorum.graves;
        if kept {
            if !reached.is_empty() {
                graves.reached.insert((dead.handle.lane, dead.handle.seq), reached);
            }
            return false;
        }
        let Some((level, _)) = LEVELS.into_iter().find(|(_, reason)| *reason == dead.reason) else {
            return false;
        };
        let (lane, added) = match graves.lane_of(level) {
            Some(lane) => (lane, false),
            None => {
                let (id, reason) = (store.create_lane(self.durable), dead.reason);
                graves.lanes.push(Grave { level, reason, id, cursor: 0 });
                (id, true)
            }
        };
        if let Some(seq) = bury_in(store, lane, &dead.slice, now) {
            graves.count += 1;
            if !reached.is_empty() {
                graves.reached.insert((level, seq), reached);
            }
        }
        if graves.retry_at == Millis::MAX || graves.wait == 0 {
            graves.wait = WAIT_MIN;
            graves.retry_at = now.saturating_add(WAIT_MIN);
        }
        added
    }

    /// Tries kept dead letters again when it is time.
    pub(super) fn dig<S: Sink>(&mut self, cx: &mut Cx<'_, S>, out: &mut Outbox) {
        if let Some(quorum) = &mut self.quorum {
            quorum.graves.dig(cx.store, cx.now, self.id, out);
        }
    }
}

/// Stores a message in a grave. Its time of publishing, which nobody needs any more, becomes that of its death.
fn bury_in(store: &mut Store, lane: LaneId, slice: &Slice, now: Millis) -> Option<Seq> {
    let message = Message::view(slice).ok()?;
    let message = Message { enqueued: now, expires: None, ..message };
    let mut seqs = [0];
    let bytes = message.body.len() as u32;
    store.append(&[lane], true, bytes, &message.parts(&message.head()), &mut seqs);
    Some(seqs[0])
}
