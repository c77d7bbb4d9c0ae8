//! The one writer: segments first, then the index, then what the index no longer names.

use std::collections::BTreeMap;

use super::change::{Change, Outcome, minute_of};
use super::group::{Buffers, Group, Streams, WriteError};
use super::index::{self, Id, Index, Place, State};
use super::record::Head;
use super::relocate::Relocation;
use super::segment::{Files, Segment};
use super::totals::Reserve;
use super::{Options, lifetime};
use crate::message::{DUE_MAX, Key, Millis, NewMessage};
use crate::store::{Applied, Changes, StoreError};

/// What the writer knows without looking into the index.
pub(super) struct Writer {
    pub(super) state: State,
    pub(super) segments: BTreeMap<u32, Segment>,
    pub(super) streams: Streams,
    /// Segments that are in no index and whose files are still there.
    dead: Vec<u32>,
    /// Why nothing is written any more.
    broken: Option<String>,
    reserve: Reserve,
    spare: Buffers,
    pub(super) relocation: Relocation,
    /// The index is not copied before then.
    pub(super) no_shrink_before_ms: Millis,
}

impl Writer {
    pub(super) fn new(state: State, segments: BTreeMap<u32, Segment>, streams: Streams) -> Writer {
        Writer {
            state,
            segments,
            streams,
            dead: Vec::new(),
            broken: None,
            reserve: Reserve::default(),
            spare: Buffers::default(),
            relocation: Relocation::default(),
            no_shrink_before_ms: 0,
        }
    }

    /// Whether a segment is one that is written to.
    pub(super) fn is_tail(&self, segment: u32) -> bool {
        self.streams.iter().flatten().any(|stream| stream.segment == segment)
    }

    /// Bytes of all segments.
    pub(super) fn log_bytes(&self) -> u64 {
        self.segments.values().map(|segment| segment.end).sum()
    }

    /// The index is another file now.
    pub(super) fn forget_reserve(&mut self) {
        self.reserve = Reserve::default();
    }

    /// See [`crate::store::Store::apply`].
    pub(super) fn apply(
        &mut self,
        index: &Index,
        files: &Files,
        options: &Options,
        changes: &Changes<'_>,
    ) -> Result<Applied, StoreError> {
        self.check()?;
        let Changes { insert, remove, reschedule } = changes;
        if insert.is_empty() && remove.is_empty() && reschedule.is_empty() {
            return Ok(Applied::default());
        }
        if !changes.insert.is_empty() {
            self.reserve.check(index)?;
        }
        let streams = self.streams.clone();
        let spare = std::mem::take(&mut self.spare);
        let next_segment = self.state.next_segment;
        let mut group = Group::new(&streams, options.segment_bytes, next_segment, spare);
        let inserts = lay_out(&mut group, changes.insert, self.state.next_seq)?;
        self.write(&mut group, files, options)?;
        let (tails, left) = group.tails();
        let result =
            self.change(index, &group, &tails, &left, |change| make(change, changes, &inserts));
        match result {
            Ok((outcome, applied)) => {
                self.settle(outcome, tails, files);
                self.spare = group.into_buffers();
                Ok(applied)
            }
            Err(e) => Err(self.failed(e, &group, files)),
        }
    }

    /// Refuses everything once the disk has failed.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.broken.as_ref().map_or(Ok(()), |why| Err(StoreError::Broken(why.clone())))
    }

    /// Writes a group. Its segment ids are used up whatever happens.
    pub(super) fn write(
        &mut self,
        group: &mut Group<'_>,
        files: &Files,
        options: &Options,
    ) -> Result<(), StoreError> {
        self.state.next_segment = group.next_segment();
        group.write(files, options.syncs_at_once).map_err(|e| match e {
            WriteError::Full(e) => StoreError::Full(format!("{}: {e}", files.dir.display())),
            WriteError::Failed(why) => {
                let why = format!("{}: {why}; check the disk, then restart", files.dir.display());
                self.broken = Some(why.clone());
                StoreError::Broken(why)
            }
        })
    }

    /// Runs one transaction of the index that names what the group has written.
    pub(super) fn change<T>(
        &self,
        index: &Index,
        group: &Group<'_>,
        tails: &Streams,
        left: &[u32],
        make: impl FnOnce(&mut Change<'_>) -> heed::Result<T>,
    ) -> Result<(Outcome, T), StoreError> {
        let run = || {
            let mut change = Change::begin(index, self.state, &self.segments)?;
            for part in &group.parts {
                let before = self.segments.get(&part.segment);
                let segment = before.map_or(
                    Segment {
                        class: part.class,
                        live: 0,
                        live_bytes: 0,
                        end: part.end,
                        begun_ms: part.begun_ms,
                    },
                    |before| Segment { end: part.end, ..*before },
                );
                change.segments.insert(part.segment, segment);
            }
            left.iter().for_each(|&id| change.touch(id));
            let made = make(&mut change)?;
            let tails: Vec<u32> = tails.iter().flatten().map(|stream| stream.segment).collect();
            Ok((change.commit(&tails)?, made))
        };
        run().map_err(index::store_error)
    }

    /// Takes over what a committed change has made of the store.
    pub(super) fn settle(&mut self, outcome: Outcome, tails: Streams, files: &Files) {
        self.state = outcome.state;
        self.segments.extend(outcome.segments);
        for id in &outcome.dead {
            self.segments.remove(id);
        }
        self.streams = tails;
        self.dead.extend(outcome.dead);
        self.sweep(files);
    }

    /// A change that did not commit: its records are cut off, unless the disk has failed.
    pub(super) fn failed(
        &mut self,
        error: StoreError,
        group: &Group<'_>,
        files: &Files,
    ) -> StoreError {
        match &error {
            StoreError::Broken(why) => self.broken = Some(why.clone()),
            StoreError::Full(_) | StoreError::Away(_) => group.undo(files),
        }
        error
    }

    /// Removes the files of dead segments; what cannot be removed now is tried again.
    pub(super) fn sweep(&mut self, files: &Files) {
        self.dead.retain(|&id| match files.remove(id) {
            Ok(()) => false,
            Err(e) => {
                tracing::warn!("cannot remove {}: {e}", files.path(id).display());
                true
            }
        });
    }
}

/// A message's key and place, before the index knows them.
type Insert = (Key, Place);

/// Gives the messages their numbers and their places.
fn lay_out<'a>(
    group: &mut Group<'a>,
    messages: &'a [NewMessage],
    next_seq: u64,
) -> Result<Vec<Insert>, StoreError> {
    let mut inserts = Vec::with_capacity(messages.len());
    for (message, seq) in messages.iter().zip(next_seq..) {
        let head = Head::of(message, seq).ok_or_else(|| {
            let bytes = message.message.bytes();
            StoreError::Full(format!("a message of {bytes} bytes is larger than a record can be"))
        })?;
        let class = lifetime::class_of(message.due_ms.saturating_sub(message.stored_ms));
        let spot = group.push(class, &head, message);
        let place = Place {
            segment: spot.segment,
            offset: spot.offset,
            bytes: spot.bytes,
            minute: minute_of(message.stored_ms) as u32,
            moved: false,
            id: Id::of(&message.message_id),
        };
        inserts.push((Key { due_ms: message.due_ms.min(DUE_MAX), seq }, place));
    }
    Ok(inserts)
}

/// Changes the index, in the order of its keys: neighbours are in the same page.
fn make(
    change: &mut Change<'_>,
    changes: &Changes<'_>,
    inserts: &[Insert],
) -> heed::Result<Applied> {
    let mut applied = Applied::default();
    let mut remove = changes.remove.to_vec();
    remove.sort_unstable();
    for key in remove {
        applied.removed += u64::from(change.remove(key)?);
    }
    for &(key, due_ms) in changes.reschedule {
        applied.rescheduled.push(change.reschedule(key, due_ms.min(DUE_MAX))?);
    }
    let mut sorted = inserts.to_vec();
    sorted.sort_unstable_by_key(|(key, _)| *key);
    for (key, place) in &sorted {
        change.insert(*key, *place)?;
    }
    change.state.next_seq += inserts.len() as u64;
    applied.inserted = inserts.iter().map(|(key, _)| *key).collect();
    Ok(applied)
}
