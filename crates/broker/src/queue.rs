//! One queue: a deterministic state machine driven by commands that carry the time.
//!
//! A command comes with a [`Cx`] (store, sink, time); its effects are deliveries through the [`Sink`], dead letters in
//! the [`Outbox`], and what the store is told. No clock, no socket, no randomness: the same commands give the same
//! effects, which the model test relies on and a replicated queue will.
//!
//! Where a message is:
//!
//! ```text
//! admit ─ Direct ────────────────────────────▶ a no-ack consumer; never stored
//!   │ Store, append                                    ┌──────── settle ─▶ dead
//! enqueue ─▶ ready ─ pump, get ─▶ unacked (the channel knows which) ─ discard ─▶ Outbox
//!              ▲  └ expired, maxlen ─▶ Outbox          │
//!              └─────────────────────────────── requeue┘
//! ```
//!
//! Invariants: every stored message that is not settled is exactly one of ready, unacked, in an outbox, or unreadable;
//! after every command either nothing waits or no consumer can take, unless [`Queue::deadline`] says "at once".

pub mod args;
mod consumer;
mod expiry;
mod limit;
mod ready;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::rc::Rc;

use amqp::value::Table;
use store::{LaneId, RecoveredLane, Slice, Store};

use crate::message::Message;
use crate::{ConsumerKey, Cx, Delivery, Handle, Millis, QueueId, Sink};

use args::{Overflow, QueueArgs};
use consumer::Consumers;
use expiry::{Due, Expiry};
use ready::{Head, Ready};

pub use consumer::{Cancelled, CheckoutError, Consumer, ConsumerSpec};

/// Messages that one command may expire, drop or find unreadable. What is left is due at once, so that a million
/// messages that expire together neither stop the shard nor fill memory with dead letters.
pub const BATCH: u32 = 1024;

/// What a queue is made from, when it is declared and when it is recovered.
pub struct QueueSpec {
    /// Its id in the broker.
    pub id: QueueId,
    /// Its name, without its virtual host.
    pub name: Rc<str>,
    /// Its virtual host.
    pub vhost: Rc<str>,
    /// Survives a restart.
    pub durable: bool,
    /// The connection that alone may use it.
    pub exclusive: Option<u64>,
    /// Goes with its last consumer.
    pub auto_delete: bool,
    /// The name was made by the broker.
    pub server_named: bool,
    /// What the arguments mean: `QueueArgs::parse(&arguments)`.
    pub args: QueueArgs,
    /// The arguments as declared.
    pub arguments: Table,
    /// The time of the declare or of the recovery: `x-expires` counts from here.
    pub now: Millis,
}

/// What happened to messages since the queue was made; only grows.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct QueueStats {
    /// Came in.
    pub published: u64,
    /// Went to consumers that acknowledge, again included.
    pub delivered: u64,
    /// Went to consumers without acknowledgement.
    pub delivered_no_ack: u64,
    /// Were got with acknowledgement.
    pub got: u64,
    /// Were got without.
    pub got_no_ack: u64,
    /// Gets that found nothing.
    pub got_empty: u64,
    /// Of all deliveries and gets, those with `redelivered`.
    pub redelivered: u64,
    /// Settled by an ack.
    pub acked: u64,
    /// Came back.
    pub requeued: u64,
    /// Rejected for good.
    pub rejected: u64,
    /// Died of age.
    pub expired: u64,
    /// Dropped from the head by a length limit.
    pub dropped: u64,
    /// Turned away by a length limit.
    pub refused: u64,
    /// Could not be read back: never delivered, kept in the store.
    pub corrupt: u64,
}

/// What is to become of a message, before it is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// Append it to the lane, then `enqueue`.
    Store,
    /// A no-ack consumer has it already.
    Direct,
    /// The queue is full and says so.
    Refuse {
        /// A copy goes to the dead letter exchange, for [`Reason::Maxlen`].
        dead_letter: bool,
    },
}

/// Why a message left its queue for the dead letter exchange.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reason {
    /// It was too old.
    Expired,
    /// A consumer rejected it.
    Rejected,
    /// The queue was full.
    Maxlen,
}

impl Reason {
    /// As in the `x-death` header.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Expired => "expired",
            Reason::Rejected => "rejected",
            Reason::Maxlen => "maxlen",
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

/// What `get` found.
pub struct Got {
    /// Names it, for ack and reject. Already settled when got without acknowledgement.
    pub handle: Handle,
    /// Whether it was delivered before.
    pub redelivered: bool,
    /// The stored message.
    pub slice: Slice,
    /// Messages that still wait.
    pub remaining: u64,
}

/// What `tick` found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TickResult {
    /// `x-expires` has run out: delete the queue.
    pub delete: bool,
}

/// See the module.
pub struct Queue {
    /// Its id in the broker.
    pub id: QueueId,
    /// Its name, without its virtual host.
    pub name: Rc<str>,
    /// Its virtual host.
    pub vhost: Rc<str>,
    /// Survives a restart.
    pub durable: bool,
    /// The connection that alone may use it.
    pub exclusive: Option<u64>,
    /// Goes with its last consumer.
    pub auto_delete: bool,
    /// The name was made by the broker.
    pub server_named: bool,
    /// What the arguments mean.
    pub args: QueueArgs,
    /// The arguments as declared.
    pub arguments: Table,
    /// Counters for metrics.
    pub stats: QueueStats,
    ready: Ready,
    /// None as long as nobody ever consumed: most of a hundred thousand queues never see a consumer.
    consumers: Option<Box<Consumers>>,
    expiry: Expiry,
    unacked: u64,
    /// Body bytes of live messages that do not wait: unacked, or in an outbox.
    held_bytes: u64,
    /// The last command stopped at [`BATCH`].
    unfinished: bool,
}

impl Queue {
    /// A new, empty queue with one lane.
    pub fn new(spec: QueueSpec, store: &mut Store) -> Queue {
        let ready = Ready::new(store.create_lane(spec.durable));
        Queue::with(spec, ready, false)
    }

    /// A queue after a restart: `lanes` are its levels and what the store found of them. Every live message waits;
    /// those below a lane's mark carry `redelivered`. Ages are looked at with the first `tick`, which is due at once.
    pub fn recover<'a>(
        spec: QueueSpec,
        lanes: impl IntoIterator<Item = (u8, &'a RecoveredLane)>,
        store: &mut Store,
    ) -> Queue {
        let mut ready = Ready::recover(lanes, store);
        if ready.lane_id(0).is_none() {
            ready.add(0, store.create_lane(spec.durable));
        }
        let occupied = ready.count() > 0;
        Queue::with(spec, ready, occupied)
    }

    fn with(spec: QueueSpec, ready: Ready, occupied: bool) -> Queue {
        Queue {
            id: spec.id,
            name: spec.name,
            vhost: spec.vhost,
            durable: spec.durable,
            exclusive: spec.exclusive,
            auto_delete: spec.auto_delete,
            server_named: spec.server_named,
            args: spec.args,
            arguments: spec.arguments,
            stats: QueueStats::default(),
            ready,
            consumers: None,
            expiry: Expiry {
                due: if occupied { Due::Unknown } else { Due::Never },
                own_times: occupied,
                used: spec.now,
            },
            unacked: 0,
            held_bytes: 0,
            unfinished: occupied,
        }
    }

    /// The level that a message's priority means here, and its lane. None: the level has no lane yet, see `add_lane`.
    #[inline]
    pub fn lane_for(&self, priority: u8) -> Option<(u8, LaneId)> {
        let level = priority.min(self.args.max_priority);
        self.ready.lane_id(level).map(|id| (level, id))
    }

    /// Gives the priority's level its lane. For a durable queue the caller then logs the queue's record with the new
    /// `lanes` before it appends to the lane.
    pub fn add_lane(&mut self, priority: u8, store: &mut Store) -> (u8, LaneId) {
        if let Some(found) = self.lane_for(priority) {
            return found;
        }
        let level = priority.min(self.args.max_priority);
        let id = store.create_lane(self.durable);
        self.ready.add(level, id);
        (level, id)
    }

    /// Every level with its lane, highest first.
    pub fn lanes(&self) -> impl Iterator<Item = (u8, LaneId)> + '_ {
        self.ready.lanes().iter().map(|lane| (lane.level, lane.id))
    }

    /// Messages that wait.
    #[inline]
    pub fn ready(&self) -> u64 {
        self.ready.count()
    }

    /// Messages that were delivered and not settled.
    pub fn unacked(&self) -> u64 {
        self.unacked
    }

    /// Body bytes of the messages that wait.
    #[inline]
    pub fn ready_bytes(&self, store: &Store) -> u64 {
        self.ready.live_bytes(store).saturating_sub(self.held_bytes)
    }

    /// Body bytes of the messages that were delivered and not settled.
    pub fn unacked_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// How many consumers it has.
    pub fn consumers(&self) -> usize {
        self.consumers.as_ref().map_or(0, |consumers| consumers.len())
    }

    /// Its consumers, for listings.
    pub fn consumer_list(&self) -> impl Iterator<Item = &Consumer> {
        self.consumers.iter().flat_map(|consumers| consumers.iter())
    }

    /// The single active consumer, when the queue has one.
    pub fn active_consumer(&self) -> Option<ConsumerKey> {
        self.consumers.as_ref()?.active()
    }

    /// Whether a consumer has it for itself.
    pub fn has_exclusive_consumer(&self) -> bool {
        self.consumers.as_ref().is_some_and(|consumers| consumers.has_exclusive())
    }

    /// The queue is in use: puts off `x-expires`. For a redeclare; the commands do it themselves.
    pub fn touch(&mut self, now: Millis) {
        self.expiry.used = now;
    }

    /// When `tick` is next needed; 0 is at once.
    pub fn deadline(&self) -> Option<Millis> {
        if self.unfinished {
            return Some(0);
        }
        let head = match self.expiry.due {
            Due::Never => None,
            Due::At(time) => Some(time),
            Due::Unknown => Some(0),
        };
        match (head, self.queue_expires_at()) {
            (Some(head), Some(queue)) => Some(head.min(queue)),
            (head, queue) => head.or(queue),
        }
    }

    /// Before a clean stop: tells the store up to where messages were delivered.
    pub fn save_marks(&self, store: &mut Store) {
        self.ready.save_marks(store);
    }
}

/// Messages come in.
impl Queue {
    /// Before a message is stored: whether it may come in, and whether it has to be stored at all.
    #[inline]
    pub fn admit<S: Sink>(&mut self, cx: &mut Cx<'_, S>, m: &Message<'_>) -> Admission {
        if self.args.overflow != Overflow::DropHead && self.would_overflow(cx.store, m) {
            self.stats.refused += 1;
            let dead_letter = self.args.overflow == Overflow::RejectPublishDlx
                && self.args.dead_letter_exchange.is_some();
            return Admission::Refuse { dead_letter };
        }
        if self.ready.count() > 0 {
            return Admission::Store;
        }
        let Some(to) = self.taker(cx.sink) else { return Admission::Store };
        if !self.consumers.as_ref().is_some_and(|consumers| consumers.spec(to).no_ack) {
            return Admission::Store;
        }
        self.stats.published += 1;
        let handle = Handle { queue: self.id, lane: 0, seq: store::Seq::MAX, bytes: 0 };
        self.hand_over(cx, to, handle, false, m);
        Admission::Direct
    }

    /// After `store.append`: to a consumer at once, or it waits. `lane` is the level that `lane_for` gave.
    #[inline]
    pub fn enqueue<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        lane: u8,
        seq: store::Seq,
        m: &Message<'_>,
        out: &mut Outbox,
    ) {
        self.stats.published += 1;
        if self.ready.count() == 0
            && let Some(to) = self.taker(cx.sink)
        {
            self.ready.pass(lane, seq);
            self.expiry.own_times |= m.expires.is_some();
            let handle = Handle { queue: self.id, lane, seq, bytes: m.body.len() as u32 };
            self.hand_over(cx, to, handle, false, m);
            return;
        }
        if self.ready.leads(lane) {
            self.leads(self.expires_at(m));
        }
        self.expiry.own_times |= m.expires.is_some();
        self.ready.push(lane, seq);
        let mut budget = BATCH;
        self.drop_excess(cx, out, &mut budget);
        self.settle_due(cx, out, &mut budget);
    }
}

/// Messages go out.
impl Queue {
    /// Admits a consumer. Nothing is delivered before `pump`, so that consume-ok can be written first.
    pub fn checkout<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        spec: ConsumerSpec,
        _out: &mut Outbox,
    ) -> Result<(), CheckoutError> {
        let single_active = self.args.single_active_consumer;
        let consumers =
            self.consumers.get_or_insert_with(|| Box::new(Consumers::new(single_active)));
        consumers.add(spec)?;
        self.expiry.used = cx.now;
        Ok(())
    }

    /// Takes a consumer out. Its unacked deliveries stay unacked; another one may become the active one.
    pub fn cancel<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        key: ConsumerKey,
        out: &mut Outbox,
    ) -> Cancelled {
        let existed = self.consumers.as_mut().is_some_and(|consumers| consumers.remove(key));
        let was_last = existed && self.consumers() == 0;
        if existed {
            self.expiry.used = cx.now;
            self.pump(cx, out);
        }
        Cancelled { existed, was_last }
    }

    /// The sink takes messages for this consumer again.
    pub fn resume<S: Sink>(&mut self, cx: &mut Cx<'_, S>, key: ConsumerKey, out: &mut Outbox) {
        if self.consumers.as_mut().is_some_and(|consumers| consumers.resume(key)) {
            self.pump(cx, out);
        }
    }

    /// Delivers as long as something waits and somebody takes.
    #[inline]
    pub fn pump<S: Sink>(&mut self, cx: &mut Cx<'_, S>, out: &mut Outbox) {
        if self.ready.count() > 0 {
            let mut budget = BATCH;
            self.pump_within(cx, out, &mut budget);
        }
    }

    fn pump_within<S: Sink>(&mut self, cx: &mut Cx<'_, S>, out: &mut Outbox, budget: &mut u32) {
        while self.ready.count() > 0 {
            let Some(to) = self.taker(cx.sink) else { break };
            let Some((head, slice, handle)) = self.live_head(cx, out, budget) else { break };
            let Ok(m) = Message::parse(&slice) else { break };
            self.take(&head);
            self.hand_over(cx, to, handle, head.redelivered, &m);
        }
        self.settle_due(cx, out, budget);
    }

    /// `basic.get`: the head, unless more than [`BATCH`] expired messages lie before it. Unacked unless `no_ack`.
    pub fn get<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        no_ack: bool,
        out: &mut Outbox,
    ) -> Option<Got> {
        self.expiry.used = cx.now;
        let mut budget = BATCH;
        let Some((head, slice, handle)) = self.live_head(cx, out, &mut budget) else {
            self.stats.got_empty += 1;
            return None;
        };
        self.take(&head);
        if no_ack {
            self.stats.got_no_ack += 1;
            cx.store.settle(head.id, head.seq);
        } else {
            self.stats.got += 1;
            self.unacked += 1;
            self.held_bytes += u64::from(handle.bytes);
        }
        self.stats.redelivered += u64::from(head.redelivered);
        self.settle_due(cx, out, &mut budget);
        Some(Got { handle, redelivered: head.redelivered, slice, remaining: self.ready.count() })
    }

    /// Whose turn it is, of those that the sink lets take.
    #[inline]
    fn taker<S: Sink>(&mut self, sink: &mut S) -> Option<u32> {
        let consumers = self.consumers.as_mut()?;
        loop {
            let to = consumers.next()?;
            if sink.can_take(consumers.spec(to).key) {
                return Some(to);
            }
            consumers.block(to);
        }
    }

    /// One message to one consumer. A no-ack one is settled with that.
    #[inline]
    fn hand_over<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        to: u32,
        handle: Handle,
        redelivered: bool,
        message: &Message<'_>,
    ) {
        let Some(consumers) = self.consumers.as_mut() else { return };
        let spec = consumers.spec(to);
        let (key, no_ack) = (spec.key, spec.no_ack);
        consumers.delivered(to);
        self.stats.redelivered += u64::from(redelivered);
        cx.sink.deliver(key, Delivery { handle, no_ack, redelivered, message });
        if no_ack {
            self.stats.delivered_no_ack += 1;
            if handle.seq != store::Seq::MAX
                && let Some(lane) = self.ready.lane_id(handle.lane)
            {
                cx.store.settle(lane, handle.seq);
            }
            self.forget_own_times();
        } else {
            self.stats.delivered += 1;
            self.unacked += 1;
            self.held_bytes += u64::from(handle.bytes);
        }
    }

    /// The first message that is neither expired nor unreadable, read; those before it are dropped or skipped.
    fn live_head<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        out: &mut Outbox,
        budget: &mut u32,
    ) -> Option<(Head, Slice, Handle)> {
        loop {
            let head = self.ready.head(cx.store)?;
            if let Some(slice) = self.read_or_skip(cx.store, &head) {
                match Message::view(&slice) {
                    Ok(m) if !self.drop_if_due(cx, out, &head, &slice, &m) => {
                        let handle = self.handle(&head, m.body.len() as u32);
                        return Some((head, slice, handle));
                    }
                    Ok(_) => {}
                    Err(_) => self.skip(&head),
                }
            }
            if !self.spend(budget) {
                return None;
            }
        }
    }

    #[inline]
    fn handle(&self, head: &Head, bytes: u32) -> Handle {
        Handle { queue: self.id, lane: head.level, seq: head.seq, bytes }
    }

    /// Uses up one of the messages that a command may throw away.
    fn spend(&mut self, budget: &mut u32) -> bool {
        if let Some(left) = budget.checked_sub(1) {
            *budget = left;
            return true;
        }
        self.unfinished = true;
        false
    }

    /// The bytes of the head. What cannot be read is never delivered: it stays in the store for who repairs it.
    #[inline]
    fn read_or_skip(&mut self, store: &mut Store, head: &Head) -> Option<Slice> {
        match store.read(head.id, head.seq) {
            Ok(slice) => Some(slice),
            Err(_) => {
                self.skip(head);
                None
            }
        }
    }

    #[cold]
    fn skip(&mut self, head: &Head) {
        self.stats.corrupt += 1;
        self.take(head);
    }

    /// The head does not wait any more.
    #[inline]
    fn take(&mut self, head: &Head) {
        self.ready.take(head);
        self.head_gone();
    }

    /// The head dies. With a dead letter exchange it goes to the outbox first (`read` must be given then).
    fn bury_head<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        out: &mut Outbox,
        head: &Head,
        reason: Reason,
        read: Option<(&Slice, u32)>,
    ) {
        self.take(head);
        match read {
            Some((slice, bytes)) if self.args.dead_letter_exchange.is_some() => {
                self.held_bytes += u64::from(bytes);
                let handle = self.handle(head, bytes);
                out.dead.push_back(DeadLetter {
                    from: self.id,
                    handle,
                    reason,
                    slice: slice.clone(),
                });
            }
            _ => cx.store.settle(head.id, head.seq),
        }
    }
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
        self.stats.acked += 1;
        self.release(handle, by);
        self.pump(cx, out);
    }

    /// Back to where they were, to be delivered again: nack, reject, recover, the end of a channel.
    pub fn requeue<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        handles: &[(Handle, Option<ConsumerKey>)],
        out: &mut Outbox,
    ) {
        for &(handle, by) in handles {
            self.ready.requeue(handle.lane, handle.seq);
            self.stats.requeued += 1;
            self.release(handle, by);
        }
        if self.can_expire() && self.ready.count() > 0 {
            self.expiry.due = Due::Unknown;
        }
        let mut budget = BATCH;
        self.drop_excess(cx, out, &mut budget);
        self.settle_due(cx, out, &mut budget);
        self.pump_within(cx, out, &mut budget);
    }

    /// Rejected for good: to the dead letter exchange, or away.
    pub fn discard<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        handle: Handle,
        by: Option<ConsumerKey>,
        out: &mut Outbox,
    ) {
        let Some(lane) = self.ready.lane_id(handle.lane) else { return };
        self.stats.rejected += 1;
        self.release(handle, by);
        let slice = match self.args.dead_letter_exchange {
            Some(_) => cx.store.read(lane, handle.seq),
            None => Err(store::ReadError::Gone),
        };
        match slice {
            Ok(slice) => {
                self.held_bytes += u64::from(handle.bytes);
                let reason = Reason::Rejected;
                out.dead.push_back(DeadLetter { from: self.id, handle, reason, slice });
            }
            Err(store::ReadError::Gone) => cx.store.settle(lane, handle.seq),
            Err(_) => self.stats.corrupt += 1,
        }
        self.pump(cx, out);
    }

    /// The dead letter's copy is stored, or goes nowhere: the original may go.
    pub fn bury(&mut self, store: &mut Store, handle: Handle) {
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
    pub fn purge(&mut self, store: &mut Store, _now: Millis) -> u64 {
        let purged = self.ready.purge(store);
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
        for lane in self.ready.lanes() {
            cx.store.delete_lane(lane.id);
        }
        self.ready.count()
    }

    /// What time alone brings: messages expire, or the queue does.
    pub fn tick<S: Sink>(&mut self, cx: &mut Cx<'_, S>, out: &mut Outbox) -> TickResult {
        if self.queue_expires_at().is_some_and(|time| time <= cx.now) {
            return TickResult { delete: true };
        }
        self.unfinished = false;
        let mut budget = BATCH;
        self.drop_excess(cx, out, &mut budget);
        self.settle_due(cx, out, &mut budget);
        self.pump_within(cx, out, &mut budget);
        TickResult { delete: false }
    }
}
