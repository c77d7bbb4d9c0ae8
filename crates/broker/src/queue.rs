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
//! In a quorum queue a message may also wait for its retry before it is ready again (`returns.rs`), and one that is dead may
//! be kept until it can go where it should (`graves.rs`).
//!
//! Invariants: every stored message that is not settled is exactly one of ready, waiting for its retry, unacked, in an
//! outbox, kept, or unreadable; after every command either nothing waits or no consumer can take, unless
//! [`Queue::deadline`] says "at once".

pub mod args;
mod configure;
mod consumer;
mod deliver;
mod expiry;
mod graves;
mod limit;
mod quorum;
mod ready;
mod returns;
mod settle;

#[cfg(test)]
mod tests;

use std::rc::Rc;

use amqp::value::Table;
use store::{LaneId, RecoveredLane, Store};

use crate::message::Message;
use crate::{ConsumerKey, Cx, Handle, Millis, QueueId, Sink};

use args::QueueArgs;
use consumer::Consumers;
use expiry::{Due, Expiry};
use quorum::Quorum;
use ready::Ready;

pub use consumer::{Cancelled, CheckoutError, Consumer, ConsumerSpec};
pub use deliver::Got;
pub use returns::{Counts, Return};
pub use settle::{DeadLetter, Outbox, Reason};

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
    /// Came back more often than `x-delivery-limit` allows.
    pub delivery_limited: u64,
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
    pub declared: QueueArgs,
    /// What it obeys: what it was declared with, and its policies. See [`Queue::configure`].
    pub args: QueueArgs,
    /// The name of its policy.
    pub policy: Option<Rc<str>>,
    /// The name of its operator policy.
    pub operator_policy: Option<Rc<str>>,
    /// The arguments as declared.
    pub arguments: Table,
    /// Counters for metrics.
    pub stats: QueueStats,
    /// Its deliveries are copied to `amq.rabbitmq.trace`.
    pub(crate) traced: bool,
    ready: Ready,
    /// What only a quorum queue has.
    quorum: Option<Box<Quorum>>,
    /// None as long as nobody consumes: most of a hundred thousand queues have no consumer.
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
        let ready = Ready::new(spec.args.default_priority, store.create_lane(spec.durable));
        let quorum = Quorum::of(spec.args.kind);
        Queue::with(spec, ready, quorum, false)
    }

    /// A queue after a restart: `lanes` are its levels and what the store found of them. Every live message waits;
    /// those below a lane's mark carry `redelivered`. Ages are looked at with the first `tick`, which is due at once.
    pub fn recover<'a>(
        spec: QueueSpec,
        lanes: impl IntoIterator<Item = (u8, &'a RecoveredLane)>,
        store: &mut Store,
    ) -> Queue {
        let mut quorum = Quorum::of(spec.args.kind);
        let lanes = lanes.into_iter().filter_map(|(level, lane)| match &mut quorum {
            None => Some((level, lane)),
            Some(quorum) => quorum.graves.recover(level, lane, store),
        });
        let mut ready = Ready::recover(lanes, store);
        let level = spec.args.default_priority;
        if ready.lane_id(level).is_none() {
            ready.add(level, store.create_lane(spec.durable));
        }
        let occupied = ready.count() > 0;
        Queue::with(spec, ready, quorum, occupied)
    }

    fn with(spec: QueueSpec, ready: Ready, quorum: Option<Box<Quorum>>, occupied: bool) -> Queue {
        Queue {
            id: spec.id,
            name: spec.name,
            vhost: spec.vhost,
            durable: spec.durable,
            exclusive: spec.exclusive,
            auto_delete: spec.auto_delete,
            server_named: spec.server_named,
            declared: spec.args.clone(),
            args: spec.args,
            policy: None,
            operator_policy: None,
            arguments: spec.arguments,
            stats: QueueStats::default(),
            traced: false,
            ready,
            quorum,
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
    pub fn lane_for(&self, priority: Option<u8>) -> Option<(u8, LaneId)> {
        let level = self.level(priority);
        self.ready.lane_id(level).map(|id| (level, id))
    }

    /// Gives the priority's level its lane. For a durable queue the caller then logs the queue's record with the new
    /// `lanes` before it appends to the lane.
    pub fn add_lane(&mut self, priority: Option<u8>, store: &mut Store) -> (u8, LaneId) {
        if let Some(found) = self.lane_for(priority) {
            return found;
        }
        let level = self.level(priority);
        let id = store.create_lane(self.durable);
        self.ready.add(level, id);
        (level, id)
    }

    #[inline]
    fn level(&self, priority: Option<u8>) -> u8 {
        priority.unwrap_or(self.args.default_priority).min(self.args.max_priority)
    }

    /// Every level with its lane, highest first; then those of dead letters that are kept.
    pub fn lanes(&self) -> impl Iterator<Item = (u8, LaneId)> + '_ {
        let graves = self.quorum.iter().flat_map(|quorum| quorum.graves.lanes());
        self.ready.lanes().iter().map(|lane| (lane.level, lane.id)).chain(graves)
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

    /// Body bytes of the messages that wait, for their retry too.
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

    /// It was declared again, which puts off `x-expires` of a classic queue, and not that of a quorum queue (measured on
    /// RabbitMQ 3.10.8 and 4.3.6). Other commands do it themselves.
    pub fn declared_again(&mut self, now: Millis) {
        if self.args.kind == args::QueueKind::Classic {
            self.expiry.used = now;
        }
    }

    /// When `tick` is next needed; 0 is at once.
    #[inline]
    pub fn deadline(&self) -> Option<Millis> {
        if self.unfinished {
            return Some(0);
        }
        let head = match self.expiry.due {
            Due::Never => None,
            Due::At(time) => Some(time),
            Due::Unknown => Some(0),
        };
        let due = sooner(head, self.queue_expires_at());
        match &self.quorum {
            None => due,
            Some(quorum) => sooner(due, quorum.deadline()),
        }
    }

    /// Whether everything in it has to be on disk, whatever a message says of itself.
    #[inline]
    pub fn persists_all(&self) -> bool {
        self.quorum.is_some()
    }

    /// Before a clean stop: tells the store up to where messages were delivered.
    pub fn save_marks(&self, store: &mut Store) {
        self.ready.save_marks(store);
    }
}

/// The earlier of two times that may be never.
#[inline]
fn sooner(a: Option<Millis>, b: Option<Millis>) -> Option<Millis> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Messages come in.
impl Queue {
    /// Before a message is stored: whether it may come in, and whether it has to be stored at all.
    #[inline]
    pub fn admit<S: Sink>(&mut self, cx: &mut Cx<'_, S>, m: &Message<'_>) -> Admission {
        if self.refuses(cx.store, m) {
            self.stats.refused += 1;
            return Admission::Refuse { dead_letter: self.buries_refused() };
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
        if self.expiry.due.passed(cx.now) {
            self.live_head(cx, out, &mut budget);
        }
    }
}

/// Time goes by.
impl Queue {
    /// What time alone brings: messages expire, or the queue does.
    pub fn tick<S: Sink>(&mut self, cx: &mut Cx<'_, S>, out: &mut Outbox) -> TickResult {
        if self.queue_expires_at().is_some_and(|time| time <= cx.now) {
            return TickResult { delete: true };
        }
        self.unfinished = false;
        self.retry_due(cx.now);
        let mut budget = BATCH;
        self.drop_excess(cx, out, &mut budget);
        self.pump_within(cx, out, &mut budget);
        self.settle_due(cx, out, &mut budget);
        self.dig(cx, out);
        TickResult { delete: false }
    }
}
