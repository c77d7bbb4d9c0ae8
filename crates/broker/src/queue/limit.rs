//! How long a queue may get: `x-max-length` and `x-max-length-bytes` count what waits, not what is unacked. In a quorum
//! queue they also count what waits for its retry, and dead letters that are kept.

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

    /// Whether one more message would be too much. RabbitMQ asks this even when a consumer could take it at once.
    fn would_overflow(&self, store: &Store, m: &Message<'_>) -> bool {
        let (kept, kept_bytes) = match &self.quorum {
            None => (0, 0),
            Some(quorum) => (quorum.graves.count, quorum.graves.bytes(store)),
        };
        let count = self.ready.count() + self.delayed() + kept;
        let bytes = |max| self.ready_bytes(store) + kept_bytes + m.body.len() as u64 > max;
        self.args.max_length.is_some_and(|max| count + 1 > max)
            || self.args.max_length_bytes.is_some_and(bytes)
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
