//! Messages that wait for their time in exchanges of type `x-delayed-message`.
//!
//! Each such exchange has a *room*: a lane of the store with the messages as they came, and in memory their due times in
//! order. A durable room has a second lane, of which one record holds the due times of 4096 messages, so that coming back
//! after a restart reads these and no message.
//!
//! ```text
//! publish ─ route.rs meets a room ─ hold ─▶ waiting ─ its time, or `delayed_release` ─▶ routed like a publish
//!                                           ▲  └ `delayed_cancel`, or the exchange is deleted ─▶ gone
//!                                           └─ a full queue refused it: later again
//! ```
//!
//! Invariants: a message is in the set of its room exactly as long as the store keeps it, but for one that cannot be read
//! (it stays in the store and is not tried again); its copies are appended before it is settled, so that a crash in between
//! doubles it and never loses it.

mod index;
mod listing;
mod recovery;
mod release;
mod room;

use std::rc::Rc;

use amqp::AmqpError;
use amqp::value::RawTable;
use slab::Slab;
use store::{Pos, Store};

use crate::binding::ExchangeId;
use crate::broker::precondition;
use crate::deadlines::{Deadlines, NEVER};
use crate::exchange::Kind;
use crate::exchange::delayed::{DELAY_MAX, Delay, X_DELAY, delay};
use crate::topology::Record;
use crate::{Broker, Message, Millis, Published, QueueId};

use room::Room;

pub use listing::{DelayedId, DelayedIdError, DelayedMessage, LIST_MAX};
pub use release::{DelayedStats, LATENESS_BOUNDS_MS};

pub(crate) use recovery::PendingRooms;

/// Names the waiting room of one delayed exchange.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RoomId(u32);

/// A route leads to queues and rooms alike, so a room has an id among those of queues, of a generation that none reaches.
const ROOM: u32 = u32::MAX;

impl RoomId {
    /// What a route has for it.
    pub(crate) fn target(self) -> QueueId {
        QueueId(self.0, ROOM)
    }

    /// The room that a route leads to, if it is not a queue.
    pub(crate) fn of(target: QueueId) -> Option<RoomId> {
        (target.1 == ROOM).then_some(RoomId(target.0))
    }
}

/// All rooms, and when each has something to do next.
#[derive(Default)]
pub(crate) struct Delayed {
    rooms: Slab<Room>,
    due: Deadlines<RoomId>,
    /// Lanes of rooms whose records were read, while coming back from a restart.
    pub(crate) pending: PendingRooms,
    stats: DelayedStats,
}

impl Delayed {
    fn get(&self, id: RoomId) -> Option<&Room> {
        self.rooms.get(id.0 as usize)
    }

    fn get_mut(&mut self, id: RoomId) -> Option<&mut Room> {
        self.rooms.get_mut(id.0 as usize)
    }

    fn insert(&mut self, room: Room) -> RoomId {
        let id = RoomId(self.rooms.insert(room) as u32);
        self.note(id);
        id
    }

    /// When a room next has something to do. May be earlier than needed, never later.
    #[inline]
    pub(crate) fn deadline(&self) -> Option<Millis> {
        self.due.first()
    }

    /// Looks at the earliest message of a room that was just changed.
    fn note(&mut self, id: RoomId) {
        let Some(room) = self.rooms.get_mut(id.0 as usize) else { return };
        let Some(first) = room.deadline() else { return };
        self.due.note(id, &mut room.noted, first);
    }

    /// Takes a room whose time has come. The caller notes it again.
    fn take_due(&mut self, now: Millis) -> Option<RoomId> {
        let id = self.due.take(now)?;
        if let Some(room) = self.get_mut(id) {
            room.noted = NEVER;
        }
        Some(id)
    }
}

impl Broker {
    /// Gives an exchange that was just made its room, if it is a delayed one.
    pub(crate) fn open_room(&mut self, store: &mut Store, vhost: &Rc<str>, id: ExchangeId) -> Pos {
        let Some(exchange) = self.vhosts.get_mut(vhost).and_then(|v| v.exchange_mut(id)) else {
            return 0;
        };
        if exchange.spec.kind != Kind::Delayed {
            return 0;
        }
        let (name, durable) = (exchange.spec.name.clone(), exchange.spec.durable);
        let room = Room::new((vhost.clone(), name, id), durable, store);
        let record = room.record();
        exchange.room = Some(self.delayed.insert(room));
        record.map_or(0, |record| record.log(store))
    }

    /// The exchange is gone, and with it what waits there.
    pub(crate) fn close_room(&mut self, store: &mut Store, id: RoomId) {
        if let Some(room) = self.delayed.rooms.try_remove(id.0 as usize) {
            self.delayed.due.forget(id, room.noted);
            room.delete(store);
        }
    }

    /// The records of the durable rooms, for a checkpoint.
    pub(crate) fn room_records(&self) -> impl Iterator<Item = Record> {
        self.delayed.rooms.iter().filter_map(|(_, room)| room.record())
    }

    /// 406 for a delay that the publisher of a message to a delayed exchange cannot have meant.
    pub(crate) fn check_delay(headers: Option<RawTable<'_>>) -> Result<(), AmqpError> {
        match delay(headers) {
            Delay::None | Delay::Wait(_) => Ok(()),
            Delay::NoNumber => Err(precondition(format!("invalid {X_DELAY}: not an integer"))),
            Delay::TooLong => Err(precondition(format!(
                "invalid {X_DELAY}: a message waits at most {DELAY_MAX} milliseconds, ten years"
            ))),
        }
    }

    /// Has a message wait in a room that its routing led to. A durable exchange keeps it safe whatever its delivery mode,
    /// as the plugin does.
    #[cold]
    pub(crate) fn hold(
        &mut self,
        store: &mut Store,
        id: RoomId,
        message: &Message<'_>,
        now: Millis,
    ) -> Published {
        let wait = match delay(message.properties.headers()) {
            Delay::Wait(wait) => wait,
            // It came by another exchange, and its publisher was not told.
            _ => DELAY_MAX,
        };
        let due = now.saturating_add(wait).min(room::DUE_MAX);
        let Some(room) = self.delayed.get_mut(id) else { return Published::default() };
        let (head, mut seqs) = (message.head_until(due), [0]);
        let (parts, bytes) = (message.parts(&head), message.body.len() as u32);
        let pos = store.append(&[room.lane], true, bytes, &parts, &mut seqs);
        room.add(store, due, seqs[0]);
        self.delayed.note(id);
        Published { pos, routed: true, refused: false }
    }
}

#[cfg(test)]
mod tests;
