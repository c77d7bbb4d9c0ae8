//! What waits, for people: listed, counted, cancelled, released before its time.

use std::fmt;
use std::rc::Rc;
use std::str::FromStr;

use store::{Seq, Store};

use crate::broker::not_found;
use crate::user::Resource;
use crate::{Broker, Cx, Message, Millis, Sink};

use super::room::{DUE_MAX, Key, Room};
use super::{DelayedStats, RoomId};

/// Messages that one listing reads at most: each may be a read from disk.
pub const LIST_MAX: usize = 1000;

/// Names one delayed message for as long as it waits; one that a full queue refused gets another name. As text it has no blanks and means nothing to its user.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct DelayedId {
    lane: u64,
    due: Millis,
    seq: Seq,
}

/// A text that is no [`DelayedId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not the id of a delayed message: take one from the listing")]
pub struct DelayedIdError(String);

/// One message that waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DelayedMessage {
    /// Its name.
    pub id: DelayedId,
    /// When it goes on, Unix ms.
    pub due: Millis,
    /// When it came, Unix ms.
    pub published: Millis,
    /// The exchange where it waits.
    pub exchange: Rc<str>,
    /// With which key it came.
    pub routing_key: Vec<u8>,
    /// Bytes of its body.
    pub size: u64,
}

impl fmt::Display for DelayedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{:x}.{:x}", self.lane, self.due, self.seq)
    }
}

impl FromStr for DelayedId {
    type Err = DelayedIdError;

    fn from_str(text: &str) -> Result<DelayedId, DelayedIdError> {
        let mut parts = text.split('.').map(|part| match part.as_bytes() {
            [b'0'..=b'9' | b'a'..=b'f', ..] => u64::from_str_radix(part, 16).ok(),
            _ => None,
        });
        let mut next = || parts.next().flatten();
        match (next(), next(), next(), parts.next()) {
            (Some(lane), Some(due), Some(seq), None) if due <= DUE_MAX && seq <= DUE_MAX => {
                Ok(DelayedId { lane, due, seq })
            }
            _ => Err(DelayedIdError(text.to_owned())),
        }
    }
}

/// Delayed messages.
impl Broker {
    /// The messages that wait in an exchange in the order of their times, at most `max` and at most [`LIST_MAX`]: from the
    /// first one, or from behind `after`, which need not wait any more. One that cannot be read is left out. 404 when there
    /// is no such exchange; none wait in one of another type.
    pub fn delayed(
        &self,
        store: &mut Store,
        vhost: &str,
        exchange: &str,
        after: Option<DelayedId>,
        max: usize,
    ) -> Result<Vec<DelayedMessage>, amqp::AmqpError> {
        let found = self.vhosts.get(vhost).and_then(|vhost| vhost.exchange(exchange));
        let found = found.ok_or_else(|| not_found(Resource::Exchange, exchange, vhost))?;
        let Some(room) = found.room.and_then(|id| self.delayed.get(id)) else {
            return Ok(Vec::new());
        };
        let after = after.map(|id| Key::new(id.due, id.seq));
        let keys = room.after(after).take(max.min(LIST_MAX));
        Ok(keys.filter_map(|key| room.listed(store, key)).collect())
    }

    /// How many messages wait in all exchanges.
    pub fn delayed_count(&self) -> u64 {
        self.delayed.rooms.iter().map(|(_, room)| room.len() as u64).sum()
    }

    /// How many messages wait in one exchange; none if it is not a delayed one.
    pub fn delayed_in(&self, vhost: &str, exchange: &str) -> Option<u64> {
        let id = self.vhosts.get(vhost)?.exchange(exchange)?.room?;
        self.delayed.get(id).map(|room| room.len() as u64)
    }

    /// The counters.
    pub fn delayed_stats(&self) -> DelayedStats {
        self.delayed.stats
    }

    /// A message is not to go on: it is gone. False when it does not wait any more.
    pub fn delayed_cancel<S: Sink>(&mut self, cx: &mut Cx<'_, S>, id: DelayedId) -> bool {
        let Some((room, key)) = self.waiting(id) else { return false };
        if let Some(room) = self.delayed.get_mut(room) {
            room.remove(cx.store, key);
            self.delayed.stats.cancelled += 1;
        }
        true
    }

    /// A message goes on now; one that a full queue refuses waits on. False when it does not wait any more.
    pub fn delayed_release<S: Sink>(&mut self, cx: &mut Cx<'_, S>, id: DelayedId) -> bool {
        let Some((room, key)) = self.waiting(id) else { return false };
        self.release(cx, room, key);
        true
    }

    fn waiting(&self, id: DelayedId) -> Option<(RoomId, Key)> {
        let (slot, room) = self.delayed.rooms.iter().find(|(_, room)| room.lane.0 == id.lane)?;
        let key = Key::new(id.due, id.seq);
        room.contains(key).then_some((RoomId(slot as u32), key))
    }
}

impl Room {
    fn listed(&self, store: &mut Store, key: Key) -> Option<DelayedMessage> {
        let stored = store.read_alone(self.lane, key.seq()).ok()?;
        let message = Message::view(&stored).ok()?;
        Some(DelayedMessage {
            id: DelayedId { lane: self.lane.0, due: key.due(), seq: key.seq() },
            due: key.due(),
            published: message.enqueued,
            exchange: self.exchange.clone(),
            routing_key: message.routing_key.to_vec(),
            size: message.body.len() as u64,
        })
    }
}
