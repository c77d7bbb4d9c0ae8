//! Messages go on when their time has come: they are routed as if they had just been published.
//!
//! Their `expiration` counts from here, `x-delay` is negated so that no exchange behind delays them again, and `CC` and
//! `BCC` count as they did. One that reaches no queue goes to the alternate exchange, else it is dropped. One that a full
//! queue refuses has no publisher any more who could try again: it waits for as long as it is late already, within bounds,
//! and is not sent to the others again, except after a restart.

use amqp::content::{Properties, PropertiesBuf};
use store::ReadError;

use crate::dead_letter::own_keys;
use crate::exchange::delayed::spend;
use crate::publish::parse_expiration;
use crate::route::Headers;
use crate::{Broker, Cx, Message, Millis, QueueId, Sink};

use super::RoomId;
use super::room::Key;

/// Messages that one tick may release. What is left is due at once, so that a million messages that are due together do
/// not stop the shard.
const BATCH: u32 = 256;

/// Milliseconds after which a message is tried again that a full queue refused: at least so many,
const WAIT_MIN: Millis = 1_000;
/// and at most so many, as each try reads the message.
const WAIT_MAX: Millis = 60_000;

/// Bounds of the histogram of how late messages were released, in milliseconds.
pub const LATENESS_BOUNDS_MS: [Millis; 8] = [1, 2, 5, 10, 50, 100, 1000, 10_000];

/// What became of delayed messages since the broker was made; only grows.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct DelayedStats {
    /// Went on, by time or by command.
    pub released: u64,
    /// Of these, reached no queue.
    pub unroutable: u64,
    /// Tries that a full queue refused; the message waits for the next one.
    pub refused: u64,
    /// Were cancelled.
    pub cancelled: u64,
    /// Could not be read back: never delivered, kept in the store.
    pub corrupt: u64,
    /// How late messages were that were due: as many as in [`LATENESS_BOUNDS_MS`] not later than that, then the rest.
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

/// What became of a message that was sent on.
enum Sent {
    /// It is where it had to go.
    On { routed: bool },
    /// Full queues refused it; these others have it.
    Refused { reached: Vec<QueueId> },
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
                self.release(cx, id, key);
            }
            if let Some(room) = self.delayed.get_mut(id) {
                room.warm(cx.store, cx.now);
            }
            self.delayed.note(id);
        }
    }

    /// Sends one message on, then forgets it; or has it wait again when queues refuse it.
    pub(super) fn release<S: Sink>(&mut self, cx: &mut Cx<'_, S>, id: RoomId, key: Key) {
        let Some(room) = self.delayed.get(id) else { return };
        let (due, sent) = match cx.store.read_alone(room.lane, key.seq()) {
            Ok(slice) => (Message::due(&slice), self.send_on(cx, id, key, &slice)),
            Err(ReadError::Gone) => (None, Some(Sent::On { routed: false })),
            Err(ReadError::Corrupt { .. } | ReadError::Io { .. }) => (None, None),
        };
        let Some(room) = self.delayed.rooms.get_mut(id.0 as usize) else { return };
        let late = cx.now.checked_sub(due.unwrap_or(key.due()));
        let stats = &mut self.delayed.stats;
        match sent {
            Some(Sent::On { routed }) => {
                room.remove(cx.store, key);
                stats.released += 1;
                stats.unroutable += u64::from(!routed);
                late.into_iter().for_each(|late| stats.count_late(late));
            }
            Some(Sent::Refused { reached }) => {
                let wait = late.unwrap_or(0).clamp(WAIT_MIN, WAIT_MAX);
                room.put_off(key, key.due().max(cx.now.saturating_add(wait)), reached);
                stats.refused += 1;
            }
            None => {
                room.skip(key);
                stats.corrupt += 1;
            }
        }
    }

    /// Routes a message from the exchange where it waited. None: it makes no sense.
    fn send_on<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        id: RoomId,
        key: Key,
        stored: &[u8],
    ) -> Option<Sent> {
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
        let (vhost, source, mut reached) =
            (room.vhost.clone(), room.source, room.reached(key).to_vec());
        self.find_queues_from(&vhost, source, &keys, &headers, &mut queues);
        queues.retain(|queue| !reached.contains(queue));
        let turns_away = |queue: &QueueId| {
            self.queues.get(*queue).is_some_and(|queue| queue.turns_away(cx.store, &message))
        };
        let (full, open): (Vec<_>, Vec<_>) = queues.into_iter().partition(turns_away);
        let routed = self.place(cx, &open, &message).routed || !reached.is_empty();
        if full.is_empty() {
            self.count_route(false, routed);
            return Some(Sent::On { routed });
        }
        reached.extend(open);
        Some(Sent::Refused { reached })
    }
}
