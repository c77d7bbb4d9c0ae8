//! Acknowledgements of a channel: ack, nack, reject, recover, and what a closed channel gives back.

use amqp::error::{AmqpError, ReplyCode};
use broker::queue::Return;
use broker::{ConsumerKey, Handle};

use super::Channel;
use super::unacked::{BY_GET, Unacked};
use crate::amqp::connections::{Flow, Handled};
use crate::shard::{At, Shard};

/// What to do with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ack,
    Requeue(Return),
    Discard,
}

impl Verdict {
    /// Of `basic.nack` and `basic.reject`.
    pub(crate) fn without_ack(requeue: bool, how: Return) -> Verdict {
        if requeue { Verdict::Requeue(how) } else { Verdict::Discard }
    }
}

/// One settled delivery of a channel.
pub(crate) type Settled = (u64, Unacked);

impl Shard {
    /// `basic.ack`, `basic.nack` and `basic.reject`.
    pub(crate) fn settle(&mut self, at: At, tag: u64, multiple: bool, verdict: Verdict) -> Handled {
        let Some(channel) = self.channel(at) else { return Ok(Flow::Continue) };
        if !multiple {
            let Some(unacked) = channel.unacked.take(tag) else { return channel.unknown(tag) };
            if let Some(transaction) = &mut channel.transaction {
                transaction.settled.push(((tag, unacked), verdict));
                return Ok(Flow::Continue);
            }
            self.credit(at, &unacked);
            self.apply(at, unacked, verdict);
            return Ok(Flow::Continue);
        }
        // Tag 0 means all, and is legal when there are none (amqp.md 5.3).
        let through = if tag == 0 { u64::MAX } else { tag };
        if tag != 0 && !channel.unacked.contains(tag) {
            channel.unknown(tag)?;
        }
        let mut settled = std::mem::take(&mut self.settled);
        let Some(channel) = self.channel(at) else { return Ok(Flow::Continue) };
        channel.unacked.take_through(through, |tag, unacked| settled.push((tag, unacked)));
        if let Some(transaction) = &mut channel.transaction {
            transaction.settled.extend(settled.drain(..).map(|one| (one, verdict)));
        } else {
            self.apply_all(at, &settled, verdict);
        }
        settled.clear();
        self.settled = settled;
        Ok(Flow::Continue)
    }

    /// Settles deliveries that were taken from the channel's list, oldest first.
    pub(crate) fn apply_all(&mut self, at: At, settled: &[Settled], verdict: Verdict) {
        for (_, unacked) in settled {
            self.credit(at, unacked);
        }
        if let Verdict::Requeue(how) = verdict {
            let handles = settled.iter().map(|(_, one)| (one.handle, self.key(at, one.consumer)));
            let handles: Vec<_> = handles.collect();
            self.requeue(&handles, how);
            return;
        }
        for (_, unacked) in settled {
            self.apply(at, *unacked, verdict);
        }
    }

    fn apply(&mut self, at: At, unacked: Unacked, verdict: Verdict) {
        let by = self.key(at, unacked.consumer);
        let (broker, mut cx) = self.parts();
        match verdict {
            Verdict::Ack => broker.settle(&mut cx, unacked.handle, by),
            Verdict::Requeue(how) => broker.requeue(&mut cx, &[(unacked.handle, by)], how),
            Verdict::Discard => broker.discard(&mut cx, unacked.handle, by),
        }
    }

    /// Gives messages back to their queues, in one go so that their order is kept.
    pub(crate) fn requeue(&mut self, handles: &[(Handle, Option<ConsumerKey>)], how: Return) {
        let (broker, mut cx) = self.parts();
        broker.requeue(&mut cx, handles, how);
    }

    /// Counts a delivery out of the channel's prefetch, and wakes consumers that starved for it.
    fn credit(&mut self, at: At, unacked: &Unacked) {
        let Some(channel) = self.channel(at) else { return };
        if unacked.consumer == BY_GET {
            return;
        }
        channel.unacked_by_consumers -= 1;
        if std::mem::take(&mut channel.starved) {
            self.starved.push(at);
        }
    }

    /// `basic.recover` with requeue=true: all unacked messages of the channel go back.
    pub(crate) fn recover(&mut self, at: At) {
        let mut settled = Vec::new();
        let Some(channel) = self.channel(at) else { return };
        channel.unacked.take_through(u64::MAX, |tag, unacked| settled.push((tag, unacked)));
        self.apply_all(at, &settled, Verdict::Requeue(Return::Failed));
    }

    /// The consumer that took a delivery; none for `basic.get`.
    pub(crate) fn key(&self, at: At, consumer: u32) -> Option<ConsumerKey> {
        (consumer != BY_GET).then(|| self.consumer_key(at, consumer))
    }
}

impl Channel {
    /// 406 for a tag that is not outstanding, unless its delivery was taken back from a consumer that was late.
    #[cold]
    fn unknown(&self, tag: u64) -> Handled {
        if self.ages.as_ref().is_some_and(|ages| ages.was_taken_back(tag)) {
            return Ok(Flow::Continue);
        }
        let text = format!("unknown delivery tag {tag}");
        Err(AmqpError::new(ReplyCode::PreconditionFailed, text))
    }
}
