//! How long a queue may get: `x-max-length` and `x-max-length-bytes` count what waits, not what is unacked. In a quorum
//! queue they also count what waits for its retry, and, where a publish is refused, dead letters that are kept: dropping
//! from the head makes no room among those, and a queue that drops keeps none.

use store::Store;

use crate::message::Message;
use crate::{Cx, Sink};

use super::args::Overflow;
use super::{Outbox, Queue, Reason};

impl Queue {
    /// Whether a publish is turned away.
    #[inline]
    pub(crate) fn refuses(&self, store: &Store, m: &Message<'_>) -> bool {
        self.args.overflow != Overflow::DropHead && self.would_overflow(store, m)
    }

    /// Whether what is turned away becomes a dead letter.
    pub(super) fn buries_refused(&self) -> bool {
        self.args.overflow == Overflow::RejectPublishDlx && self.args.dead_letter_exchange.is_some()
    }

    /// Whether a publish is turned away and nothing is left of it here.
    pub(crate) fn turns_away(&self, store: &Store, m: &Message<'_>) -> bool {
        self.refuses(store, m) && !self.buries_refused()
    }

    /// Whether one more message would be too much. RabbitMQ asks this even when a consumer could take it at once.
    fn would_overflow(&self, store: &Store, m: &Message<'_>) -> bool {
        let count = || self.ready.count() + self.delayed() + self.kept_dead_letters();
        let bytes = || self.ready_bytes(store) + self.kept_dead_letter_bytes(store);
        self.args.max_length.is_some_and(|max| count() >= max)
            || self.args.max_length_bytes.is_some_and(|max| bytes() + m.body.len() as u64 > max)
    }

    #[inline]
    fn too_long(&self, store: &Store) -> bool {
        self.args.max_length.is_some_and(|max| self.ready.count() + self.delayed() > max)
            || self.args.max_length_bytes.is_some_and(|max| self.ready_bytes(store) > max)
    }

    /// With drop-head: dead-letters from the head, the highest priority first, until the rest fits.
    #[inline]
    pub(super) fn drop_excess<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        out: &mut Outbox,
        budget: &mut u32,
    ) {
        let limited = self.args.max_length.is_some() || self.args.max_length_bytes.is_some();
        if !limited || self.args.overflow != Overflow::DropHead {
            return;
        }
        while self.too_long(cx.store) {
            if !self.spend(budget) {
                return;
            }
            let Some(head) = self.ready.head(cx.store) else { return };
            if self.args.dead_letter_exchange.is_none() {
                self.stats.dropped += 1;
                self.bury_head(cx, out, &head, Reason::Maxlen, None);
                continue;
            }
            let Some(slice) = self.read_or_skip(cx.store, &head) else { continue };
            let bytes = Message::view(&slice).map_or(0, |m| m.body.len() as u32);
            self.stats.dropped += 1;
            self.bury_head(cx, out, &head, Reason::Maxlen, Some((&slice, bytes)));
        }
    }
}
