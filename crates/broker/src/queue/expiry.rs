//! When messages and the queue itself die of age.
//!
//! Only the head of a queue expires, as in RabbitMQ: a message that is due behind one that is not stays until its turn.
//! So the queue needs one time at most, when to look at its head next:
//!
//! - a message that becomes the head by arriving brings its time along;
//! - in one lane whose messages die of the queue's TTL alone, a later head dies no earlier than the one before, so the
//!   old time stays good as a lower bound and nothing is read;
//! - otherwise the new head is read by the next `tick`, which is due at once: a turn of many acks reads one head, not as
//!   many as it has acks. Delivering reads the head anyway and drops it when it is due.
//!
//! A clock that goes backwards only makes messages live longer.

use crate::message::Message;
use crate::{Cx, Millis, Sink};

use super::ready::Head;
use super::{Outbox, Queue, Reason};

/// When to look at the head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    /// The head does not expire.
    Never,
    /// Not before this time.
    At(Millis),
    /// The head has to be read first.
    Unknown,
}

impl Due {
    /// Whether the head's time has come, as far as known.
    #[inline]
    pub(super) fn passed(self, now: Millis) -> bool {
        matches!(self, Due::At(time) if time <= now)
    }
}

/// What a queue knows about ages.
pub(super) struct Expiry {
    pub(super) due: Due,
    /// Some live message may carry an `expiration` of its own.
    pub(super) own_times: bool,
    /// The last declare, get or consume, or when the last consumer left.
    pub(super) used: Millis,
}

impl Queue {
    /// When a message of this queue dies: the sooner of its own time and the queue's TTL after its publishing.
    #[inline]
    pub(super) fn expires_at(&self, m: &Message<'_>) -> Option<Millis> {
        match (m.expires, self.args.message_ttl) {
            (own, None) => own,
            (None, Some(ttl)) => Some(m.enqueued.saturating_add(ttl)),
            (Some(own), Some(ttl)) => Some(own.min(m.enqueued.saturating_add(ttl))),
        }
    }

    /// Whether any message here can expire.
    #[inline]
    pub(super) fn can_expire(&self) -> bool {
        self.expiry.own_times || self.args.message_ttl.is_some()
    }

    /// A message became the head by arriving.
    #[inline]
    pub(super) fn leads(&mut self, expires: Option<Millis>) {
        self.expiry.due = expires.map_or(Due::Never, Due::At);
    }

    /// The head went.
    #[inline]
    pub(super) fn head_gone(&mut self) {
        if self.ready.count() == 0 || !self.can_expire() {
            self.expiry.due = Due::Never;
        } else if self.expiry.own_times || self.ready.lanes().len() > 1 || self.ready.any_returned()
        {
            self.expiry.due = Due::Unknown;
        }
    }

    /// With nothing that waits or could come back, no message has a time of its own. Not while a message is on its
    /// way from the one to the other.
    #[inline]
    pub(super) fn forget_own_times(&mut self) {
        if self.unacked == 0 && self.ready.count() == 0 && self.delayed() == 0 {
            self.expiry.own_times = false;
        }
    }

    /// Reads the head if only that tells when it dies, and drops it if that is now.
    #[inline]
    pub(super) fn settle_due<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        out: &mut Outbox,
        budget: &mut u32,
    ) {
        if self.expiry.due == Due::Unknown || self.expiry.due.passed(cx.now) {
            self.live_head(cx, out, budget);
        }
    }

    /// Notes when the head dies; drops it and says so if that is now.
    #[inline]
    pub(super) fn drop_if_due<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        out: &mut Outbox,
        head: &Head,
        slice: &store::Slice,
        m: &Message<'_>,
    ) -> bool {
        let expires = self.expires_at(m);
        self.leads(expires);
        if expires.is_none_or(|time| cx.now < time) {
            return false;
        }
        self.stats.expired += 1;
        self.bury_head(cx, out, head, Reason::Expired, Some((slice, m.body.len() as u32)));
        true
    }

    /// When the queue itself goes for want of use (`x-expires`).
    pub(super) fn queue_expires_at(&self) -> Option<Millis> {
        let idle = self.args.expires?;
        (self.consumers() == 0).then(|| self.expiry.used.saturating_add(idle))
    }
}
