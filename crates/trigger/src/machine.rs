//! The states of a trigger's messages, from receipt to settling: pure, with the time as argument.
//! What is to be done comes out as [`Effect`]s, in order.
//!
//! ```text
//!            too large, ran before, exhausted ──────────────> refused ─┐
//! received ─ a copy of one that runs here: takes its place             │
//!          └ queued ─ turn, rate, breaker ─> running ─ done ─> (reply) ┼─> settled
//!              │ expired                    │  ^  └─ for good ─> dead ─┤
//!              └────────────────────────────┤  │                       │
//!                             to be tried   └─ holding                 │
//!                             again         └─ requeued, published ────┘
//! ```
//!
//! 1. A slot settles its delivery exactly once, on the channel it came on: when that is gone, what
//!    only waited is forgotten, and what has run or is running becomes an *orphan*. It goes on, and
//!    its redelivered copy takes its place; an orphan that ends first leaves what it came to behind.
//! 2. `nack` gives back what never ran, `reject` what failed: RabbitMQ 4.3 counts only the latter.
//! 3. Whatever a slot waits for, it is in exactly one place: `ready`, a line, `timers`, or with the
//!    engine (running, publishing).

mod breaker;
mod ending;
mod intake;
mod lines;
mod losing;
mod memory;
mod rate;
mod starting;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, VecDeque};

use client::backoff::Chance;
use slab::Slab;

use self::breaker::Breaker;
pub(crate) use self::breaker::State as BreakerState;
pub(crate) use self::lines::Key;
use self::lines::Lines;
use self::memory::Memory;
use self::rate::Rate;
use crate::attempts::Prior;
use crate::config::{DeadLetterMode, OnExpire, RetryMode};
use crate::desk::Counters;
use crate::message::Millis;
use crate::pipeline::{Reply, Verdict};
use crate::reason::Reason;

/// Names a message here; used again when the message is gone.
pub(crate) type SlotId = usize;

/// Says that two deliveries are the same message; see `keys::join_key`.
pub(crate) type JoinKey = [u8; 32];

/// Ends of orphans that are remembered.
const ENDS_MAX: usize = 10_000;
/// For how long: a broker gives a message back within seconds, unless other consumers had it.
const ENDS_TTL_MS: Millis = 3_600_000;
/// Successes that are remembered for the idempotency window.
const SUCCESSES_MAX: usize = 1_000_000;
/// A shorter `Retry-After` keeps consuming: other consumers would gain nothing.
const SHORT_PAUSE_MS: Millis = 5_000;
/// The pauses before something is published again, doubling.
const REPUBLISH_FIRST_MS: Millis = 1_000;
const REPUBLISH_LONGEST_MS: Millis = 30_000;

/// What a trigger's configuration says about the states.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) consumers: usize,
    /// Messages that are acknowledged and wait, at most; never 0.
    pub(crate) prefetch: usize,
    pub(crate) auto_acknowledge: bool,
    pub(crate) wire_no_ack: bool,
    pub(crate) allow_redelivery: bool,
    pub(crate) refuse_redelivered: bool,
    pub(crate) max_attempts: u32,
    pub(crate) retry_mode: RetryMode,
    pub(crate) backoff_ms: Vec<Millis>,
    pub(crate) jitter: f64,
    /// 0 is no limit.
    pub(crate) expiration_ms: Millis,
    pub(crate) on_expire: OnExpire,
    pub(crate) dead_letter: DeadLetterMode,
    pub(crate) rate_per_s: f64,
    pub(crate) rate_burst: u32,
    pub(crate) breaker_failures: u32,
    pub(crate) breaker_open_ms: Millis,
    pub(crate) idempotency_ttl_ms: Millis,
}

/// A delivery, as the machine has to know it.
#[derive(Clone, Debug)]
pub(crate) struct Arrival<M> {
    pub(crate) tag: u64,
    pub(crate) message: M,
    pub(crate) too_large: bool,
    pub(crate) prior: Prior,
    /// Of a redelivered message that has an id.
    pub(crate) join: Option<JoinKey>,
    pub(crate) ordering: Option<Key>,
    pub(crate) idempotency: Option<Key>,
}

/// What is to be published about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Publication {
    /// The pipeline's answer, to `reply-to`.
    Reply(Reply),
    /// The message itself, to the delay queue of this pause, after so many runs.
    Retry { ms: Millis, attempts: u32 },
    /// The message itself, to the dead-letter exchange.
    DeadLetter { reason: Reason, text: String, attempts: u32 },
}

/// How a message left, or a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End<M> {
    pub(crate) message: M,
    /// Runs that it had, also elsewhere.
    pub(crate) attempts: u32,
    /// A word of [`Counters`].
    pub(crate) outcome: &'static str,
    pub(crate) reason: Option<Reason>,
    pub(crate) text: String,
}

/// What has to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect<M> {
    Ack(u64),
    Nack {
        tag: u64,
    },
    Reject {
        tag: u64,
        requeue: bool,
    },
    /// Run it: this is its attempt number `attempt`.
    Start {
        slot: SlotId,
        attempt: u32,
        message: M,
    },
    Publish {
        slot: SlotId,
        publication: Publication,
        message: M,
    },
    /// To be logged and shown.
    Ended(End<M>),
    /// More messages are flagged as redelivered than can have been running: from here on they run.
    Excused,
}

/// What became of something that was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    Confirmed,
    /// There is no queue for it.
    Returned,
    /// The broker does not take it, or may not have taken it.
    Refused,
    /// It cannot be published: there is nowhere to reply to, or the body was not kept.
    Impossible,
}

/// What should be consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    Nothing,
    /// One message at a time, to see whether the endpoint works again.
    Probe,
    Full,
}

/// How the broker sees a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// Delivered to us, under this tag of the present channel.
    Unsettled(u64),
    /// Acknowledged before its run.
    Settled,
    /// Not delivered: the channel it came on is gone. The key is that of its message id.
    Lost(Option<JoinKey>),
}

/// What a pause is before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Run,
    /// It failed.
    Requeue,
    /// The pipeline wants it elsewhere.
    GiveBack,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Waits to be acknowledged.
    Unadmitted,
    /// In `ready`.
    Queued,
    /// Waits for the others of its ordering key.
    Lined,
    /// Waits for the run of a message with the same idempotency key.
    Doubled,
    Running,
    Holding {
        until: Millis,
        then: Then,
    },
    Publishing(Publication),
    /// To be published again.
    Republishing {
        at: Millis,
        publication: Publication,
    },
}

#[derive(Debug)]
struct Slot<M> {
    message: M,
    claim: Claim,
    state: State,
    /// Runs that it had, also elsewhere.
    attempts: u32,
    /// Runs that it had here.
    ran: u32,
    /// Times that a publish of it failed.
    unpublished: u32,
    received_at: Millis,
    /// When its last run ended.
    ended_at: Option<Millis>,
    /// Whether its ordering key has its turn with it.
    has_turn: bool,
    ordering: Option<Key>,
    /// Whether it stands for its idempotency key.
    stands: bool,
    idempotency: Option<Key>,
}

/// What an orphan came to, for its redelivered copy.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    /// It only waited: the copy is as good as new, after so many runs elsewhere.
    Waited {
        attempts: u32,
    },
    /// All is done: acknowledge the copy.
    Done,
    /// It failed after so many runs; to be tried again then.
    Retry {
        attempts: u32,
        at: Millis,
    },
    Dead {
        attempts: u32,
        reason: Reason,
        text: String,
    },
}

/// The messages of a trigger.
#[derive(Debug)]
pub(crate) struct Machine<M> {
    policy: Policy,
    /// The key by which a redelivered copy is recognised.
    key_of: fn(&M) -> Option<JoinKey>,
    slots: Slab<Slot<M>>,
    /// Whose turn it is to run, in order.
    ready: VecDeque<SlotId>,
    /// Who waits to be acknowledged, in order.
    unadmitted: VecDeque<SlotId>,
    /// Slots that wait for a time.
    timers: BTreeSet<(Millis, SlotId)>,
    ordering: Lines,
    idempotency: Lines,
    /// Orphans that may still be joined.
    orphans: HashMap<JoinKey, Vec<SlotId>>,
    ends: Memory<JoinKey, Fate>,
    successes: Memory<Key, ()>,
    running: usize,
    /// How many slots have the claims `Unsettled` and `Settled`.
    unsettled: usize,
    settled: usize,
    breaker: Breaker,
    rate: Rate,
    chance: Chance,
    paused: Option<String>,
    retry_after: Millis,
    draining: bool,
    /// Messages in a row of which only the flag says that they may have run.
    flagged: usize,
    /// When the present event happens.
    now: Millis,
    effects: VecDeque<Effect<M>>,
    pub(crate) counters: Counters,
}

impl<M: Clone> Machine<M> {
    pub(crate) fn new(
        policy: Policy,
        key_of: fn(&M) -> Option<JoinKey>,
        seed: u64,
        now: Millis,
    ) -> Machine<M> {
        Machine {
            key_of,
            slots: Slab::new(),
            ready: VecDeque::new(),
            unadmitted: VecDeque::new(),
            timers: BTreeSet::new(),
            ordering: Lines::default(),
            idempotency: Lines::default(),
            orphans: HashMap::new(),
            ends: Memory::new(ENDS_TTL_MS, ENDS_MAX),
            successes: Memory::new(policy.idempotency_ttl_ms, SUCCESSES_MAX),
            running: 0,
            unsettled: 0,
            settled: 0,
            breaker: Breaker::new(policy.breaker_failures, policy.breaker_open_ms),
            rate: Rate::new(policy.rate_per_s, policy.rate_burst, now),
            chance: Chance(seed),
            paused: None,
            retry_after: 0,
            draining: false,
            flagged: 0,
            now,
            effects: VecDeque::new(),
            counters: Counters::default(),
            policy,
        }
    }

    /// The next thing to do.
    pub(crate) fn effect(&mut self) -> Option<Effect<M>> {
        self.effects.pop_front()
    }

    /// When [`Machine::tick`] has something to do.
    pub(crate) fn deadline(&mut self, now: Millis) -> Option<Millis> {
        let timer = self.timers.first().map(|(at, _)| *at);
        let breaker = match self.breaker.state() {
            BreakerState::Open(until) => Some(until),
            _ => None,
        };
        let retry_after = Some(self.retry_after).filter(|at| *at > now);
        let waits = !self.ready.is_empty() && self.running < self.policy.consumers;
        let rate = waits.then(|| self.rate.next(now)).filter(|at| *at > now);
        [timer, breaker, retry_after, rate].into_iter().flatten().min()
    }

    /// Does what it is time for.
    pub(crate) fn tick(&mut self, now: Millis) {
        self.now = now;
        self.breaker.tick(now);
        while let Some((at, slot)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, slot));
            self.timed_out(slot);
        }
        self.start();
    }

    fn timed_out(&mut self, slot: SlotId) {
        match self.slots[slot].state.clone() {
            State::Queued | State::Lined | State::Doubled => self.expire(slot),
            State::Holding { then: Then::Run, .. } => {
                self.slots[slot].state = State::Queued;
                self.ready.push_back(slot);
            }
            State::Holding { then: Then::Requeue, .. } => self.requeue(slot),
            State::Holding { then: Then::GiveBack, .. } => self.return_it(slot),
            State::Republishing { publication, .. } => self.publish(slot, publication),
            State::Unadmitted | State::Running | State::Publishing(_) => {}
        }
    }

    /// What should be consumed now.
    pub(crate) fn want(&self, now: Millis) -> Want {
        if self.draining || self.paused.is_some() || self.retry_after > now + SHORT_PAUSE_MS {
            return Want::Nothing;
        }
        match self.breaker.state() {
            BreakerState::Closed => Want::Full,
            BreakerState::Open(_) => Want::Nothing,
            BreakerState::HalfOpen => Want::Probe,
        }
    }

    /// Whether so much waits that nothing more should be read.
    pub(crate) fn is_full(&self) -> bool {
        self.policy.wire_no_ack && self.settled >= self.policy.prefetch.saturating_mul(2)
    }

    /// Why a person, or the endpoint, has paused it.
    pub(crate) fn paused(&self) -> Option<&str> {
        self.paused.as_deref()
    }

    pub(crate) fn breaker(&self) -> BreakerState {
        self.breaker.state()
    }

    /// Until when the endpoint wants nothing.
    pub(crate) fn retry_after(&self) -> Millis {
        self.retry_after
    }

    /// Starts nothing until [`Machine::resume`].
    pub(crate) fn pause(&mut self, why: String) {
        self.paused = Some(why);
    }

    /// Goes on, whatever the reason for the pause.
    pub(crate) fn resume(&mut self, now: Millis) {
        self.now = now;
        self.paused = None;
        self.retry_after = 0;
        self.breaker.reset();
        self.start();
    }

    /// Runs under way.
    pub(crate) fn running(&self) -> usize {
        self.running
    }

    /// Messages that wait for a run.
    pub(crate) fn queued(&self) -> usize {
        let waits = |state: &State| {
            matches!(state, State::Unadmitted | State::Queued | State::Lined | State::Doubled)
        };
        self.slots.iter().filter(|(_, slot)| waits(&slot.state)).count()
    }

    /// Messages that wait for their next attempt.
    pub(crate) fn holding(&self) -> usize {
        let holds = |state: &State| matches!(state, State::Holding { .. });
        self.slots.iter().filter(|(_, slot)| holds(&slot.state)).count()
    }

    /// Messages that are to be settled on the present channel.
    pub(crate) fn unsettled(&self) -> usize {
        self.unsettled
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.slots.is_empty()
    }

    /// Puts a slot into a state that ends at a time.
    fn wait(&mut self, slot: SlotId, state: State, until: Millis) {
        self.slots[slot].state = state;
        self.timers.insert((until, slot));
    }

    /// When a message that waits for its first run expires.
    fn expires_at(&self, slot: &Slot<M>) -> Option<Millis> {
        let counts = self.policy.expiration_ms > 0 && slot.ran == 0;
        counts.then(|| slot.received_at + self.policy.expiration_ms)
    }

    /// Takes a slot that waits for a run out of its timer.
    fn stop_timer(&mut self, slot: SlotId) {
        if let Some(at) = self.expires_at(&self.slots[slot]) {
            self.timers.remove(&(at, slot));
        }
    }

    /// How the slot is told to the world.
    fn ended(&mut self, slot: SlotId, outcome: &'static str, why: Option<(Reason, String)>) {
        let slot = &self.slots[slot];
        let (reason, text) = why.map_or((None, String::new()), |(r, text)| (Some(r), text));
        let (message, attempts) = (slot.message.clone(), slot.attempts);
        self.effects.push_back(Effect::Ended(End { message, attempts, outcome, reason, text }));
    }
}

/// Whether a verdict says that the endpoint works, does not work, or nothing.
fn works(verdict: &Verdict) -> Option<bool> {
    match verdict {
        Verdict::Done | Verdict::Drop | Verdict::Requeue | Verdict::Dead(Reason::Rejected, _) => {
            Some(true)
        }
        Verdict::Retry(..) => Some(false),
        Verdict::Dead(..) => None,
    }
}
