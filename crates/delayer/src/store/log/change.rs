//! One transaction of the index: what it adds and takes, and the counters that follow.

use std::collections::{BTreeMap, HashMap};

use heed::RwTxn;

use super::index::{self, Index, Place, State};
use super::segment::Segment;
use crate::message::{Key, Millis};

const MINUTE_MS: Millis = 60_000;

/// The minute of a time.
pub(super) fn minute_of(time_ms: Millis) -> u64 {
    time_ms / MINUTE_MS
}

/// An open transaction. Dropped without [`Change::commit`], nothing has happened.
pub(super) struct Change<'i> {
    index: &'i Index,
    txn: RwTxn<'i>,
    /// As it will be.
    pub(super) state: State,
    /// Segments as they were.
    before: &'i BTreeMap<u32, Segment>,
    /// Segments as they will be, where that differs.
    pub(super) segments: HashMap<u32, Segment>,
    due_minutes: BTreeMap<u64, i64>,
    stored_minutes: BTreeMap<u64, i64>,
}

impl<'i> Change<'i> {
    pub(super) fn begin(
        index: &'i Index,
        state: State,
        before: &'i BTreeMap<u32, Segment>,
    ) -> heed::Result<Change<'i>> {
        Ok(Change {
            index,
            txn: index.env.write_txn()?,
            state,
            before,
            segments: HashMap::new(),
            due_minutes: BTreeMap::new(),
            stored_minutes: BTreeMap::new(),
        })
    }

    /// A segment as it will be.
    fn segment(&mut self, id: u32) -> Option<&mut Segment> {
        if !self.segments.contains_key(&id) {
            let segment = *self.before.get(&id)?;
            self.segments.insert(id, segment);
        }
        self.segments.get_mut(&id)
    }

    /// Looks a segment through again when the change ends: it may be empty.
    pub(super) fn touch(&mut self, id: u32) {
        self.segment(id);
    }

    pub(super) fn insert(&mut self, key: Key, place: Place) -> heed::Result<()> {
        self.put(key, &place)?;
        self.enter(&place);
        self.state.held += 1;
        self.state.held_bytes += place.message_bytes();
        *self.due_minutes.entry(minute_of(key.due_ms)).or_default() += 1;
        *self.stored_minutes.entry(u64::from(place.minute)).or_default() += 1;
        Ok(())
    }

    /// Returns whether there was such a message.
    pub(super) fn remove(&mut self, key: Key) -> heed::Result<bool> {
        let Some(place) = self.take(key)? else { return Ok(false) };
        if place.moved {
            self.index.moved.delete(&mut self.txn, &key.seq.to_be_bytes())?;
        }
        self.leave(&place);
        self.state.held = self.state.held.saturating_sub(1);
        self.state.held_bytes = self.state.held_bytes.saturating_sub(place.message_bytes());
        *self.due_minutes.entry(minute_of(key.due_ms)).or_default() -= 1;
        *self.stored_minutes.entry(u64::from(place.minute)).or_default() -= 1;
        Ok(true)
    }

    /// Returns the new key, `None` when there is no such message.
    pub(super) fn reschedule(&mut self, key: Key, due_ms: Millis) -> heed::Result<Option<Key>> {
        let Some(place) = self.take(key)? else { return Ok(None) };
        let to = Key { due_ms, seq: key.seq };
        self.put(to, &Place { moved: true, ..place })?;
        self.index.moved.put(&mut self.txn, &key.seq.to_be_bytes(), &due_ms.to_be_bytes())?;
        *self.due_minutes.entry(minute_of(key.due_ms)).or_default() -= 1;
        *self.due_minutes.entry(minute_of(due_ms)).or_default() += 1;
        Ok(Some(to))
    }

    /// A message's record has been copied to another place.
    pub(super) fn relocate(&mut self, key: Key, from: &Place, to: Place) -> heed::Result<()> {
        self.index.visited(1);
        self.index.due.put(&mut self.txn, &key.to_bytes(), to.to_bytes().as_slice())?;
        self.leave(from);
        self.enter(&to);
        Ok(())
    }

    /// Makes it durable. Segments that nothing lives in are forgotten, unless `tails` are written
    /// to; returns which.
    pub(super) fn commit(mut self, tails: &[u32]) -> heed::Result<Outcome> {
        let mut dead = Vec::new();
        for (&id, segment) in &self.segments {
            if segment.live == 0 && !tails.contains(&id) {
                self.index.segments.delete(&mut self.txn, &id.to_be_bytes())?;
                dead.push(id);
            } else {
                self.index.segments.put(&mut self.txn, &id.to_be_bytes(), &segment.to_bytes())?;
            }
        }
        add(&self.index.due_minutes, &mut self.txn, &self.due_minutes)?;
        add(&self.index.stored_minutes, &mut self.txn, &self.stored_minutes)?;
        self.index.put_state(&mut self.txn, self.state)?;
        self.txn.commit()?;
        let mut segments = self.segments;
        segments.retain(|id, _| !dead.contains(id));
        Ok(Outcome { state: self.state, segments, dead })
    }

    fn put(&mut self, key: Key, place: &Place) -> heed::Result<()> {
        self.index.visited(1);
        self.index.due.put(&mut self.txn, &key.to_bytes(), place.to_bytes().as_slice())?;
        if let Some(id) = place.id {
            self.index.visited(1);
            let due = key.due_ms.to_be_bytes();
            self.index.ids.put(&mut self.txn, &index::id_key(key.seq, id.hash), &due)?;
        }
        Ok(())
    }

    fn take(&mut self, key: Key) -> heed::Result<Option<Place>> {
        self.index.visited(1);
        let Some(place) = self.index.place(&self.txn, key)? else { return Ok(None) };
        self.index.due.delete(&mut self.txn, &key.to_bytes())?;
        if let Some(id) = place.id {
            self.index.visited(1);
            self.index.ids.delete(&mut self.txn, &index::id_key(key.seq, id.hash))?;
        }
        Ok(Some(place))
    }

    fn enter(&mut self, place: &Place) {
        if let Some(segment) = self.segment(place.segment) {
            segment.live += 1;
            segment.live_bytes += u64::from(place.bytes);
        }
    }

    fn leave(&mut self, place: &Place) {
        if let Some(segment) = self.segment(place.segment) {
            segment.live = segment.live.saturating_sub(1);
            segment.live_bytes = segment.live_bytes.saturating_sub(u64::from(place.bytes));
        }
    }
}

/// What a committed change leaves to do.
pub(super) struct Outcome {
    pub(super) state: State,
    /// Segments that differ now.
    pub(super) segments: HashMap<u32, Segment>,
    /// Segments that are no longer in the index: their files can go.
    pub(super) dead: Vec<u32>,
}

/// Adds to counts per minute; none is kept at zero.
fn add(db: &index::Db, txn: &mut RwTxn<'_>, changes: &BTreeMap<u64, i64>) -> heed::Result<()> {
    for (minute, &change) in changes.iter().filter(|(_, change)| **change != 0) {
        let minute = minute.to_be_bytes();
        let count = db.get(txn, &minute)?.and_then(index::number_of).unwrap_or(0);
        match count.saturating_add_signed(change) {
            0 => drop(db.delete(txn, &minute)?),
            count => db.put(txn, &minute, &count.to_le_bytes())?,
        }
    }
    Ok(())
}
