//! How delivered messages end: acknowledged, back in the queue, or on their way to the dead letter exchange.

use std::collections::VecDeque;

use store::{Slice, Store};

use crate::{ConsumerKey, Cx, Handle, QueueId, Sink};

use super::expiry::Due;
use super::returns::{Fate, Return};
use super::{BATCH, Queue};

/// Why a message left its queue for the dead letter exchange.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reason {
    /// It was too old.
    Expired,
    /// A consumer rejected it.
    Rejected,
    /// The queue was full.
    Maxlen,
    /// It came back too often.
    DeliveryLimit,
}

impl Reason {
    /// As in the `x-death` header.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Expired => "expired",
            Reason::Rejected => "rejected",
            Reason::Maxlen => "maxlen",
            Reason::DeliveryLimit => "delivery_limit",
        }
    }
}

/// A message on its way to the dead letter exchange of the queue `from`. It is no longer the queue's in any count; the
/// store keeps it until [`Queue::bury`], so that a crash cannot lose it.
pub struct DeadLetter {
    /// Where it died.
    pub from: QueueId,
    /// The original, for `bury`.
    pub handle: Handle,
    /// Of what.
    pub reason: Reason,
    /// The stored message.
    pub slice: Slice,
}

/// What a command leaves for the broker to route.
#[derive(Default)]
pub struct Outbox {
    /// Oldest first.
    pub dead: VecDeque<DeadLetter>,
}

/// Delivered messages are done with, or come back.
impl Queue {
    /// An ack. `by` is the consumer that had it; none for `basic.get`.
    #[inline]
    pub fn settle<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        handle: Handle,
        by: Option<ConsumerKey>,
        out: &mut Outbox,
    ) {
        let Some(lane) = self.ready.lane_id(handle.lane) else { return };
        cx.store.settle(lane, handle.seq);
        self.forget(handle.lane, handle.seq);
        self.stats.acked += 1;
        self.release(handle, by);
        self.pump(cx, out);
    }

    /// Back into the queue, to be delivered again: a classic one takes them where they were, a quorum queue puts them
    /// before all others, lets them wait first, or lets them die.
    pub fn requeue<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        handles: &[(Handle, Option<ConsumerKey>)],
        how: Return,
        out: &mut Outbox,
    ) {
        for &(handle, by) in handles {
            self.stats.requeued += 1;
            let fate = self
                .quorum
                .as_mut()
                .map(|quorum| quorum.returns.count(&self.args, handle, how, cx.now));
            match fate {
                None => self.ready.requeue(handle.lane, handle.seq),
                Some(Fate::Waits) => self.ready.give_back(handle.lane, handle.seq),
                Some(Fate::Delayed) => {}
                Some(Fate::Dies) => {
                    self.stats.delivery_limited += 1;
                    self.kill(cx, handle, by, Reason::DeliveryLimit, out);
                    continue;
                }
            }
            self.release(handle, by);
        }
        if self.can_expire() && self.ready.count() > 0 {
            self.expiry.due = Due::Unknown;
        }
        let mut budget = BATCH;
        self.drop_excess(cx, out, &mut budget);
        self.pump_within(cx, out, &mut budget);
        self.settle_due(cx, out, &mut budget);
    }

    /// Rejected for good: to the dead letter exchange, or away.
    pub fn discard<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        handle: Handle,
        by: Option<ConsumerKey>,
        out: &mut Outbox,
    ) {
        self.stats.rejected += 1;
        self.kill(cx, handle, by, Reason::Rejected, out);
        self.pump(cx, out);
    }

    /// A delivered message dies.
    fn kill<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        handle: Handle,
        by: Option<ConsumerKey>,
        reason: Reason,
        out: &mut Outbox,
    ) {
        let Some(lane) = self.ready.lane_id(handle.lane) else { return };
        self.release(handle, by);
        let slice = match self.args.dead_letter_exchange {
            Some(_) => cx.store.read(lane, handle.seq),
            None => Err(store::ReadError::Gone),
        };
        match slice {
            Ok(slice) => {
                self.held_bytes += u64::from(handle.bytes);
                out.dead.push_back(DeadLetter { from: self.id, handle, reason, slice });
            }
            Err(store::ReadError::Gone) => {
                cx.store.settle(lane, handle.seq);
                self.forget(handle.lane, handle.seq);
            }
            Err(_) => self.stats.corrupt += 1,
        }
    }

    /// The dead letter's copy is stored, or goes nowhere: the original may go.
    pub fn bury(&mut self, store: &mut Store, handle: Handle) {
        if self.is_grave(handle)
            && let Some(quorum) = &mut self.quorum
        {
            quorum.graves.arrived(store, handle);
            return;
        }
        self.forget(handle.lane, handle.seq);
        self.held_bytes = self.held_bytes.saturating_sub(u64::from(handle.bytes));
        if let Some(lane) = self.ready.lane_id(handle.lane) {
            store.settle(lane, handle.seq);
        }
    }

    #[inline]
    fn release(&mut self, handle: Handle, by: Option<ConsumerKey>) {
        self.unacked = self.unacked.saturating_sub(1);
        self.held_bytes = self.held_bytes.saturating_sub(u64::from(handle.bytes));
        self.forget_own_times();
        if let (Some(key), Some(consumers)) = (by, self.consumers.as_mut()) {
            consumers.credit(key);
        }
    }

    /// Settles everything that waits; unacked messages stay. Gives back how many.
    pub fn purge(&mut self, store: &mut Store) -> u64 {
        let purged = self.ready.purge(store) + self.purge_quorum(store);
        self.expiry.due = Due::Never;
        self.unfinished = false;
        self.forget_own_times();
        purged
    }

    /// The queue goes: consumers are told, messages die without dead letters. Gives back how many waited.
    pub fn delete<S: Sink>(&mut self, cx: &mut Cx<'_, S>) -> u64 {
        for consumer in self.consumers.take().iter().flat_map(|consumers| consumers.iter()) {
            cx.sink.cancelled(consumer.spec.key);
        }
        for (_, lane) in self.lanes() {
            cx.store.delete_lane(lane);
        }
        self.ready.count()
    }
}
