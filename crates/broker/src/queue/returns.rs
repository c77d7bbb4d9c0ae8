//! What a quorum queue knows of messages that came back: how often, and which of them wait before they are next.
//!
//! A message that never came back costs nothing here. The counts end with their message; the broker logs them when they
//! change and with each checkpoint, so that they survive a crash. A delivery that a crash cuts off is not counted.
//!
//! What counts against `x-delivery-limit` differs between versions: up to RabbitMQ 4.2 every return does, from 4.3 on
//! `basic.nack` does not. Queues that are declared with a delayed retry, which is new in 4.3, get the new rule, others the
//! old one: a limit that was set so that nacked messages end in a dead letter queue goes on to do that.

use std::collections::BTreeMap;

use amqp::content::{Properties, PropertiesBuf};
use amqp::value::Value;
use store::{LaneId, Seq, Store};

use crate::message::Message;
use crate::{Handle, Map, Millis};

use super::args::{QueueArgs, Retry, RetryOf};

/// How a delivery ended that was not the last one of its message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Return {
    /// `basic.nack`: nobody says that anything failed.
    Nacked,
    /// `basic.reject`, `basic.recover`, or the end of the channel.
    Failed,
}

/// How often a message came back.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// As a failure: what `x-delivery-limit` counts, and `x-delivery-count` says.
    pub failed: u32,
    /// At all: what `x-acquired-count` says.
    pub acquired: u32,
}

/// Counts by level and number.
#[derive(Default)]
pub(super) struct Returns {
    counts: Map<(u8, Seq), Counts>,
    /// By the time when they wait again, and the order in which they came back.
    delayed: BTreeMap<(Millis, u64), (u8, Seq)>,
    orders: u64,
}

/// What becomes of a message that came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// It waits.
    Waits,
    /// It waits for its time first.
    Delayed,
    /// It came back too often.
    Dies,
}

impl Returns {
    /// Counts a return and says what comes of it.
    pub(super) fn count(
        &mut self,
        args: &QueueArgs,
        handle: Handle,
        how: Return,
        now: Millis,
    ) -> Fate {
        let retry = args.retry;
        let enabled = retry.which != RetryOf::Disabled && retry.min > 0;
        let failed = how == Return::Failed || !enabled;
        let counts = self.counts.entry((handle.lane, handle.seq)).or_default();
        counts.acquired = counts.acquired.saturating_add(1);
        counts.failed = counts.failed.saturating_add(failed.into());
        if args.delivery_limit.is_some_and(|limit| counts.failed > limit) {
            return Fate::Dies;
        }
        let delayed = match retry.which {
            RetryOf::Disabled => false,
            RetryOf::All => true,
            RetryOf::Failed => failed,
            RetryOf::Returned => !failed,
        };
        if !(enabled && delayed) {
            return Fate::Waits;
        }
        let until = now.saturating_add(wait(retry, *counts));
        self.orders += 1;
        self.delayed.insert((until, self.orders), (handle.lane, handle.seq));
        Fate::Delayed
    }

    /// Takes the first message whose time has come.
    pub(super) fn take_due(&mut self, now: Millis) -> Option<(u8, Seq)> {
        let entry = self.delayed.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// When the first message waits again.
    pub(super) fn deadline(&self) -> Option<Millis> {
        self.delayed.first_key_value().map(|((time, _), _)| *time)
    }

    /// Messages that wait for their time.
    pub(super) fn delayed(&self) -> u64 {
        self.delayed.len() as u64
    }

    /// Takes all messages that wait for their time.
    pub(super) fn take_delayed(&mut self) -> impl Iterator<Item = (u8, Seq)> {
        std::mem::take(&mut self.delayed).into_values()
    }

    /// The message is gone.
    #[inline]
    pub(super) fn forget(&mut self, level: u8, seq: Seq) {
        if !self.counts.is_empty() {
            self.counts.remove(&(level, seq));
        }
    }

    /// How often a message came back.
    pub(super) fn get(&self, level: u8, seq: Seq) -> Counts {
        self.counts.get(&(level, seq)).copied().unwrap_or_default()
    }

    /// All counts by level, oldest message first.
    pub(super) fn by_level(&self) -> BTreeMap<u8, Vec<(Seq, Counts)>> {
        let mut levels: BTreeMap<u8, Vec<(Seq, Counts)>> = BTreeMap::new();
        for ((level, seq), counts) in &self.counts {
            levels.entry(*level).or_default().push((*seq, *counts));
        }
        levels.values_mut().for_each(|own| own.sort_unstable_by_key(|(seq, _)| *seq));
        levels
    }

    /// Brings back what was logged of the messages in a lane, unless they are gone.
    pub(super) fn restore(
        &mut self,
        level: u8,
        lane: LaneId,
        logged: impl IntoIterator<Item = (Seq, Counts)>,
        store: &Store,
    ) {
        let live = logged.into_iter().filter(|(seq, _)| store.next(lane, *seq) == Some(*seq));
        self.counts.extend(live.map(|(seq, counts)| ((level, seq), counts)));
    }

    /// Forgets the messages that are gone without having been told: those that a purge took.
    pub(super) fn retain_live(&mut self, lane_of: impl Fn(u8) -> Option<LaneId>, store: &Store) {
        self.counts.retain(|(level, seq), _| {
            lane_of(*level).is_some_and(|lane| store.next(lane, *seq) == Some(*seq))
        });
    }
}

/// RabbitMQ 4.3: n times as long for the n-th failure, at least once, and no longer than the most.
fn wait(retry: Retry, counts: Counts) -> Millis {
    let times = u64::from(counts.failed.max(1));
    retry.min.saturating_mul(times).min(retry.max.unwrap_or(retry.min))
}

/// The properties of a message that came back, with both counts in its headers, as RabbitMQ 4.x has them. None when they
/// cannot be read, or there is nothing to say.
pub(super) fn counted(message: &Message<'_>, counts: Counts) -> Option<Vec<u8>> {
    if counts == Counts::default() {
        return None;
    }
    let mut properties = PropertiesBuf::from(message.properties).ok()?;
    let headers = properties.headers.get_or_insert_default();
    for (name, count) in
        [("x-delivery-count", counts.failed), ("x-acquired-count", counts.acquired)]
    {
        if count > 0 {
            headers.insert(name, Value::I64(count.into()));
        }
    }
    Some(properties.encode())
}

/// The message with other properties.
pub(super) fn with_properties<'a>(message: &Message<'a>, properties: &'a [u8]) -> Message<'a> {
    Message { properties: Properties(properties), ..*message }
}
