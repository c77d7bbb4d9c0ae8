//! The messages that wait in one delayed exchange, in the order of their times.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use store::{LaneId, Seq, Store};

use crate::binding::ExchangeId;
use crate::deadlines::NEVER;
use crate::topology::Record;
use crate::{Millis, QueueId};

use super::index::Index;

/// The latest time a message can be due: what fits into a key, the year 10889.
pub(super) const DUE_MAX: Millis = (1 << 48) - 1;

/// A waiting message: when it is due and its number in the room's lane, 48 bits each, the first byte the highest, so that
/// keys sort by time and then by arrival. Twelve bytes, because there may be tens of millions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Key([u8; 12]);

impl Key {
    pub(super) fn new(due: Millis, seq: Seq) -> Key {
        debug_assert!(due <= DUE_MAX && seq <= DUE_MAX, "48 bits");
        let both = u128::from(due) << 48 | u128::from(seq);
        let [.., a, b, c, d, e, f, g, h, i, j, k, l] = both.to_be_bytes();
        Key([a, b, c, d, e, f, g, h, i, j, k, l])
    }

    fn half(&self, at: usize) -> u64 {
        self.0[at..at + 6].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }

    pub(super) fn due(&self) -> Millis {
        self.half(0)
    }

    pub(super) fn seq(&self) -> Seq {
        self.half(6)
    }
}

/// Messages are read ahead when the first of them is due in this many milliseconds, so that a slow disk holds nobody up,
const WARM_LEAST: Millis = 1000;
/// together with all that are due in this many,
const WARM_MOST: Millis = 2000;
/// but at most this many at a time.
const WARM_BATCH: usize = 4096;

/// See the module.
pub(super) struct Room {
    pub(super) vhost: Rc<str>,
    /// The exchange's name.
    pub(super) exchange: Rc<str>,
    /// Where the messages go on from.
    pub(super) source: ExchangeId,
    /// Where the store keeps the messages.
    pub(super) lane: LaneId,
    waiting: BTreeSet<Key>,
    /// None in a room that does not survive a restart.
    index: Option<Index>,
    /// What comes up to here was read ahead, or came too late for that.
    warmed: Option<Key>,
    /// The queues that have a message already that others refused.
    reached: BTreeMap<Seq, Vec<QueueId>>,
    /// Its time among the rooms' deadlines.
    pub(super) noted: Millis,
}

impl Room {
    /// An empty room with lanes of its own.
    pub(super) fn new(
        place: (Rc<str>, Rc<str>, ExchangeId),
        durable: bool,
        store: &mut Store,
    ) -> Room {
        let lane = store.create_lane(durable);
        let index = durable.then(|| Index::new(store.create_lane(true)));
        Room::with(place, lane, index, BTreeSet::new())
    }

    /// A durable room after a restart.
    pub(super) fn recover(
        place: (Rc<str>, Rc<str>, ExchangeId),
        (lane, index_lane): (LaneId, LaneId),
        store: &mut Store,
    ) -> Room {
        let (index, keys) = Index::recover(index_lane, lane, store);
        Room::with(place, lane, Some(index), keys.into_iter().collect())
    }

    fn with(
        (vhost, exchange, source): (Rc<str>, Rc<str>, ExchangeId),
        lane: LaneId,
        index: Option<Index>,
        waiting: BTreeSet<Key>,
    ) -> Room {
        let (warmed, reached, noted) = (None, BTreeMap::new(), NEVER);
        Room { vhost, exchange, source, lane, waiting, index, warmed, reached, noted }
    }

    /// What has to be known to find the lanes again; none for a room that does not survive.
    pub(super) fn record(&self) -> Option<Record> {
        let index = self.index.as_ref()?;
        Some(Record::DelayedRoom {
            vhost: self.vhost.to_string(),
            exchange: self.exchange.to_string(),
            lane: self.lane.0,
            index: index.lane().0,
        })
    }

    /// How many messages wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// When the earliest message is due, or messages should be read ahead.
    pub(super) fn deadline(&self) -> Option<Millis> {
        let due = self.waiting.first()?.due();
        let cold = self.after(self.warmed).next();
        Some(cold.map_or(due, |key| due.min(key.due().saturating_sub(WARM_LEAST))))
    }

    /// Has the store read what is due soon, if it is time for that.
    pub(super) fn warm(&mut self, store: &mut Store, now: Millis) {
        let (soon, later) = (now + WARM_LEAST, now + WARM_MOST);
        if self.after(self.warmed).next().is_none_or(|key| key.due() > soon) {
            return;
        }
        let cold = self.after(self.warmed).take(WARM_BATCH);
        let keys: Vec<Key> = cold.take_while(|key| key.due() <= later).collect();
        let seqs: Vec<Seq> = keys.iter().map(Key::seq).collect();
        store.warm(self.lane, &seqs);
        self.warmed = keys.last().copied();
    }

    /// The earliest message, when it is due.
    pub(super) fn first_until(&self, now: Millis) -> Option<Key> {
        self.waiting.first().filter(|key| key.due() <= now).copied()
    }

    pub(super) fn contains(&self, key: Key) -> bool {
        self.waiting.contains(&key)
    }

    /// Waiting messages in the order of their times, those behind `after` only.
    pub(super) fn after(&self, after: Option<Key>) -> impl Iterator<Item = Key> + '_ {
        use std::ops::Bound;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.waiting.range((from, Bound::Unbounded)).copied()
    }

    /// A message was appended to the lane.
    pub(super) fn add(&mut self, store: &mut Store, due: Millis, seq: Seq) {
        self.waiting.insert(Key::new(due, seq));
        if let Some(index) = &mut self.index {
            index.add(store, due, seq);
        }
    }

    /// A message does not wait any more; the store forgets it.
    pub(super) fn remove(&mut self, store: &mut Store, key: Key) {
        if !self.waiting.remove(&key) {
            return;
        }
        self.reached.remove(&key.seq());
        store.settle(self.lane, key.seq());
        if let Some(index) = &mut self.index {
            index.remove(store, key.seq());
        }
    }

    /// Queues refused a message: it waits for another try. `reached` are those that have it; both are forgotten at a
    /// restart, and then it is tried at once.
    pub(super) fn put_off(&mut self, key: Key, until: Millis, reached: Vec<QueueId>) {
        self.waiting.remove(&key);
        self.waiting.insert(Key::new(until.min(DUE_MAX), key.seq()));
        if !reached.is_empty() {
            self.reached.insert(key.seq(), reached);
        }
    }

    /// The queues that a message has reached before.
    pub(super) fn reached(&self, key: Key) -> &[QueueId] {
        self.reached.get(&key.seq()).map_or(&[], Vec::as_slice)
    }

    /// A message cannot be read: it is not tried again before the next start, and stays in the store.
    pub(super) fn skip(&mut self, key: Key) {
        self.waiting.remove(&key);
    }

    /// Everything that waits is gone with its lanes.
    pub(super) fn delete(self, store: &mut Store) {
        store.delete_lane(self.lane);
        if let Some(index) = self.index {
            store.delete_lane(index.lane());
        }
    }
}
