//! Consumer timeouts: a delivery that nobody settles in time is taken back. Off unless a setting, a queue, a policy or a
//! consumer says otherwise.
//!
//! Nothing is written down per delivery. A channel notes now and then which delivery tag comes next; an outstanding tag
//! below a note is at least as old as the note. So an age is known to within the time between two notes, which is a small
//! part of the timeout.

use std::collections::VecDeque;

use amqp::error::{AmqpError, ReplyCode};
use broker::Millis;
use broker::broker::INTERNAL_USER;
use broker::queue::Return;

use super::acks::Verdict;
use super::unacked::{BY_GET, UnackedList};
use super::{Channel, Mode};
use crate::amqp::connections::Phase;
use crate::config::timeout_action::TimeoutAction;
use crate::shard::{At, Shard};

/// A channel keeps at most this many notes; then every second one goes.
const NOTES_MAX: usize = 64;
/// Between two notes lies at least this part of the shortest timeout of the channel.
const INTERVALS: Millis = 32;
/// Deliveries that were taken back are remembered up to this many stretches of tags, so that a late acknowledgement is not
/// an error.
const TAKEN_BACK_MAX: usize = 1024;
/// A look goes through at most this many deliveries of a channel; the next one goes on there.
const LOOK_MAX: usize = 4096;

/// Which tags were handed out until when, and which were taken back.
#[derive(Default)]
pub(crate) struct Ages {
    /// Every tag below the first was delivered at the second or before.
    notes: VecDeque<(u64, Millis)>,
    /// Stretches of tags that were taken back, both ends included, in order.
    taken_back: VecDeque<(u64, u64)>,
    /// The tag where the next look begins; 0 unless the last one did not come to the end.
    next_look: u64,
}

impl Ages {
    /// Notes that `next` is the tag to come, unless it is less than `interval` since the last note; `oldest` is the
    /// oldest outstanding tag.
    fn note(&mut self, next: u64, oldest: u64, now: Millis, interval: Millis) {
        while self.notes.front().is_some_and(|(tag, _)| *tag <= oldest) {
            self.notes.pop_front();
        }
        match self.notes.back() {
            Some((tag, at)) if *tag >= next || at.saturating_add(interval) > now => {}
            _ => self.notes.push_back((next, now)),
        }
        if self.notes.len() > NOTES_MAX {
            // The first stays, which is about the oldest delivery. Others count as younger than they are, never as older.
            let mut odd = false;
            self.notes.retain(|_| {
                odd = !odd;
                odd
            });
        }
    }

    /// All tags below this one are at least `age` old.
    fn older_than(&self, age: Millis, now: Millis) -> u64 {
        let old = self.notes.iter().take_while(|(_, at)| at.saturating_add(age) <= now);
        old.last().map_or(0, |(tag, _)| *tag)
    }

    /// The first delivery below a tag that is late, among a bounded number of them.
    fn look(
        &mut self,
        unacked: &UnackedList,
        below: u64,
        is_late: impl Fn(&Ages, u64, u32) -> bool,
    ) -> Option<u32> {
        let mut last = None;
        let mut seen = 0;
        let late = unacked.between(self.next_look, below).take(LOOK_MAX).find(|(tag, unacked)| {
            (last, seen) = (Some(*tag), seen + 1);
            is_late(self, *tag, unacked.consumer)
        });
        if late.is_none() {
            self.next_look = last.filter(|_| seen == LOOK_MAX).map_or(0, |tag| tag + 1);
        }
        late.map(|(_, unacked)| unacked.consumer)
    }

    fn take_back(&mut self, tag: u64) {
        match self.taken_back.back_mut() {
            Some((_, last)) if *last + 1 == tag => *last = tag,
            _ => self.taken_back.push_back((tag, tag)),
        }
        if self.taken_back.len() > TAKEN_BACK_MAX {
            self.taken_back.pop_front();
        }
    }

    /// Whether a delivery was taken back, so that settling it does nothing.
    pub(crate) fn was_taken_back(&self, tag: u64) -> bool {
        self.taken_back.iter().any(|(first, last)| (*first..=*last).contains(&tag))
    }
}

/// A consumer that has had a delivery for too long; none for `basic.get`.
struct Late {
    consumer: Option<u32>,
    timeout: Millis,
}

impl Shard {
    /// Looks for deliveries that are too old; answers whether there were any. Called now and then.
    pub(crate) fn check_timeouts(&mut self) -> bool {
        let node = self.settings.consumer_timeout_ms;
        if node == 0 && !self.consumer_timeouts && !self.broker.has_consumer_timeouts() {
            return false;
        }
        let mut late = Vec::new();
        let (broker, now) = (&self.broker, self.now);
        for (conn, connection) in &mut self.connections.table {
            if connection.phase != Phase::Running {
                continue;
            }
            for (number, channel) in &mut connection.channels {
                if channel.mode == Mode::Open
                    && let Some(found) = channel.late(
                        now,
                        |consumer| {
                            let queue = consumer.queue.and_then(|id| broker.queue(id));
                            let said = queue.and_then(|queue| queue.args.consumer_timeout);
                            consumer.timeout.or(said).unwrap_or(node)
                        },
                        node,
                    )
                {
                    late.push((At { conn, channel: *number }, found));
                }
            }
        }
        late.iter().for_each(|(at, late)| self.end_late(*at, late));
        !late.is_empty()
    }

    fn end_late(&mut self, at: At, late: &Late) {
        let connection = &self.connections.table[at.conn];
        let by_cancel = self.settings.consumer_timeout_action == TimeoutAction::Cancel
            && connection.capabilities.consumer_cancel_notify;
        tracing::warn!(
            connection = &*connection.name,
            channel = at.channel,
            "a consumer has not settled a delivery within {} ms (consumer_timeout)",
            late.timeout
        );
        match late.consumer {
            Some(consumer) if by_cancel => self.cancel_late(at, consumer),
            _ => {
                let text = format!(
                    "delivery acknowledgement on channel {} timed out. Timeout value used: {} ms. \
                     This timeout value can be configured, see consumers doc guide to learn more",
                    at.channel, late.timeout
                );
                self.fail(at, &AmqpError::new(ReplyCode::PreconditionFailed, text));
            }
        }
    }

    /// Takes a consumer away and tells the client; all its deliveries go back, to others first.
    fn cancel_late(&mut self, at: At, index: u32) {
        let key = self.consumer_key(at, index);
        let Some(channel) = self.channel(at) else { return };
        let Some(queue) = channel.consumers.get(&index).and_then(|consumer| consumer.queue) else {
            return;
        };
        let mut returned = Vec::new();
        channel.unacked.take_of(index, |tag, unacked| returned.push((tag, unacked)));
        let ages = channel.ages.get_or_insert_default();
        returned.iter().for_each(|(tag, _)| ages.take_back(*tag));
        self.connections.cancel_notify(key, None);
        let (broker, mut cx) = self.parts();
        broker.cancel(&mut cx, queue, key, INTERNAL_USER);
        self.apply_all(at, &returned, Verdict::Requeue(Return::Failed));
    }
}

impl Channel {
    /// The first consumer with a delivery that is older than it may be. `timeout` says what a consumer's is; `by_get` is
    /// that of messages that came by `basic.get`; 0 is never.
    fn late(
        &mut self,
        now: Millis,
        timeout: impl Fn(&super::Consumer) -> Millis,
        by_get: Millis,
    ) -> Option<Late> {
        let oldest = self.unacked.oldest()?;
        let consumers = &self.consumers;
        let of = |index: u32| match index {
            BY_GET => by_get,
            index => consumers.get(&index).map_or(by_get, &timeout),
        };
        let timeouts = consumers.values().map(&timeout).chain([by_get]);
        let shortest = timeouts.filter(|timeout| *timeout > 0).min()?;
        let ages = self.ages.get_or_insert_default();
        ages.note(self.next_tag, oldest, now, shortest / INTERVALS);
        let below = ages.older_than(shortest, now);
        let late = ages.look(&self.unacked, below, |ages, tag, consumer| {
            let timeout = of(consumer);
            timeout > 0 && tag < ages.older_than(timeout, now)
        });
        late.map(|index| {
            let consumer = consumers.contains_key(&index).then_some(index);
            Late { consumer, timeout: of(index) }
        })
    }
}

#[cfg(test)]
mod tests;
