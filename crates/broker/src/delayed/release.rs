//! Messages go on when their time has come: they are routed as if they had just been published.
//!
//! Their `expiration` counts from here, `x-delay` is negated so that no exchange behind delays them again, and `CC` and
//! `BCC` count as they did. One that reaches no queue goes to the alternate exchange, else it is dropped.

use amqp::content::{Properties, PropertiesBuf};
use store::ReadError;

use crate::dead_letter::own_keys;
use crate::exchange::delayed::spend;
use crate::publish::parse_expiration;
use crate::route::Headers;
use crate::{Broker, Cx, Message, Millis, Sink};

use super::RoomId;
use super::room::Key;

/// Messages that one tick may release. What is left is due at once, so that a million messages that are due together do
/// not stop the shard.
const BATCH: u32 = 256;

/// Bounds of the histogram of how late messages were released, in milliseconds.
pub const LATENESS_BOUNDS_MS: [Millis; 8] = [1, 2, 5, 10, 50, 100, 1000, 10_000];

/// What became of delayed messages since the broker was made; only grows.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct DelayedStats {
    /// Went on, by time or by command.
    pub released: u64,
    /// Of these, reached no queue.
    pub unroutable: u64,
    /// Were cancelled.
    pub cancelled: u64,
    /// Could not be read back: never delivered, kept in the store.
    pub corrupt: u64,
    /// How late messages were that went by time: as many as in [`LATENESS_BOUNDS_MS`] not later than that, then the rest.
    pub late: [u64; LATENESS_BOUNDS_MS.len() + 1],
    /// The sum of it, in milliseconds.
    pub late_sum_ms: u64,
}

impl DelayedStats {
    pub(super) fn count_late(&mut self, late: Millis) {
        let bucket = LATENESS_BOUNDS_MS.partition_point(|bound| *bound < late);
        self.late[bucket] += 1;
        self.late_sum_ms = self.late_sum_ms.saturating_add(late);
    }
}

impl Broker {
    /// Releases what is due, at most [`BATCH`] messages; then [`Broker::deadline`] says "at once" if there is more.
    pub(crate) fn release_due<S: Sink>(&mut self, cx: &mut Cx<'_, S>) {
        let mut budget = BATCH;
        while budget > 0
            && let Some(id) = self.delayed.take_due(cx.now)
        {
            while budget > 0
                && let Some(key) = self.delayed.get(id).and_then(|room| room.first_until(cx.now))
            {
                budget -= 1;
                self.delayed.stats.count_late(cx.now - key.due());
                self.release(cx, id, key);
            }
            if let Some(room) = self.delayed.get_mut(id) {
                room.warm(cx.store, cx.now);
            }
            self.delayed.note(id);
        }
    }

    /// Sends one message on, then forgets it.
    pub(super) fn release<S: Sink>(&mut self, cx: &mut Cx<'_, S>, id: RoomId, key: Key) {
        let Some(room) = self.delayed.get(id) else { return };
        let sent = match cx.store.read_alone(room.lane, key.seq()) {
            Ok(slice) => self.send_on(cx, id, &slice),
            Err(ReadError::Gone) => Some(false),
            Err(ReadError::Corrupt { .. } | ReadError::Io { .. }) => None,
        };
        let Some(room) = self.delayed.get_mut(id) else { return };
        match sent {
            Some(routed) => {
                room.remove(cx.store, key);
                self.delayed.stats.released += 1;
                self.delayed.stats.unroutable += u64::from(!routed);
            }
            None => {
                room.skip(key);
                self.delayed.stats.corrupt += 1;
            }
        }
    }

    /// Routes a message from the exchange where it waited; whether it reached a queue. None: it makes no sense.
    fn send_on<S: Sink>(&mut self, cx: &mut Cx<'_, S>, id: RoomId, stored: &[u8]) -> Option<bool> {
        let original = Message::view(stored).ok()?;
        let mut rewritten = PropertiesBuf::from(original.properties).ok()?;
        if let Some(headers) = &mut rewritten.headers {
            spend(headers);
        }
        let own = rewritten.expiration.as_deref().and_then(|text| parse_expiration(text).ok());
        let properties = rewritten.encode();
        let message = Message {
            properties: Properties(&properties),
            enqueued: cx.now,
            expires: own.map(|ttl| cx.now.saturating_add(ttl)),
            ..original
        };
        let keys = own_keys(&original, &rewritten);
        let headers = Headers::of(message.properties);
        let mut queues = Vec::new();
        let room = self.delayed.get(id)?;
        let (vhost, source) = (room.vhost.clone(), room.source);
        self.find_queues_from(&vhost, source, &keys, &headers, &mut queues);
        let published = self.place(cx, &queues, &message);
        self.count_route(false, published.routed);
        Some(published.routed)
    }
}
