//! How long a queue may get: `x-max-length` and `x-max-length-bytes` count what waits, not what is unacked.

use store::Store;

use crate::message::Message;
use crate::{Cx, Sink};

use super::args::Overflow;
use super::{Outbox, Queue, Reason};

impl Queue {
    /// Whether one more message would be too much. RabbitMQ asks this even when a consumer could take it at once.
    pub(super) fn would_overflow(&self, store: &Store, m: &Message<'_>) -> bool {
        let too_many = self.args.max_length.is_some_and(|max| self.ready.count() + 1 > max);
        too_many
            || self
                .args
                .max_length_bytes
                .is_some_and(|max| self.ready_bytes(store) + m.body.len() as u64 > max)
    }

    #[inline]
    fn too_long(&self, store: &Store) -> bool {
        self.args.max_length.is_some_and(|max| self.ready.count() > max)
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
