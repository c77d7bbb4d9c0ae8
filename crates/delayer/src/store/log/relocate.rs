//! Moving the last messages out of segments that have lived too long, a slice at a time.
//!
//! A segment is removed when nothing in it is stored any more. A few messages that were
//! rescheduled, or never confirmed, would keep 64 MiB each; they are copied to where messages with
//! their remaining delay go.

use std::collections::HashSet;
use std::io;

use super::change::Change;
use super::group::{Buffers, Group};
use super::index::{self, Index, Place};
use super::record::{self, HEAD, Head};
use super::segment::{Files, HEADER, Segment, read_full};
use super::writer::Writer;
use super::{Options, lifetime};
use crate::message::{Key, Millis};
use crate::store::StoreError;

/// Bytes read and records looked at in one slice: some milliseconds.
const SLICE_BYTES: usize = 1 << 20;
const SLICE_RECORDS: usize = 2000;

/// A segment is worth it when less than this share of it, in hundredths, is still stored.
const LIVE_PERCENT: u64 = 30;

/// How far moving has come.
#[derive(Default)]
pub(super) struct Relocation {
    /// The segment, and where its next record begins.
    current: Option<(u32, u64)>,
    /// Segments that cannot be read through. They stay as they are.
    stuck: HashSet<u32>,
}

/// A stored message on its way.
struct Moving {
    key: Key,
    from: Place,
    to: Place,
}

impl Writer {
    /// Moves one slice. Returns whether there is more to do.
    pub(super) fn relocate(
        &mut self,
        index: &Index,
        files: &Files,
        options: &Options,
        now_ms: Millis,
    ) -> Result<bool, StoreError> {
        self.check()?;
        let Some((id, at)) = self.relocation.current.or_else(|| self.candidate(options, now_ms))
        else {
            return Ok(false);
        };
        let slice = match self.read_slice(files, id, at) {
            Ok(slice) => slice,
            Err(what) => {
                let path = files.path(id);
                tracing::error!("cannot move messages out of {}: {what}", path.display());
                self.relocation.stuck.insert(id);
                self.relocation.current = None;
                return Ok(true);
            }
        };
        // Nothing may be added behind what has been looked through.
        let mut streams = self.streams.clone();
        for stream in &mut streams {
            stream.take_if(|stream| stream.segment == id);
        }
        let next_segment = self.state.next_segment;
        let spare = Buffers::default();
        let mut group = Group::new(&streams, options.segment_bytes, next_segment, spare);
        let scanned = scan(index, &mut group, &slice, id, at, now_ms)?;
        if !scanned.moving.is_empty() || self.segments.get(&id).is_none_or(|s| s.live == 0) {
            self.write(&mut group, files, options)?;
            let (tails, left) = group.tails();
            let moved = self.change(index, &group, &tails, &left, |change| {
                change.touch(id);
                move_all(change, &scanned.moving)
            });
            match moved {
                Ok((outcome, ())) => self.settle(outcome, tails, files),
                Err(e) => return Err(self.failed(e, &group, files)),
            }
        }
        self.advance(files, id, scanned.end);
        Ok(true)
    }

    /// The segment that is most worth the work, if any is.
    fn candidate(&self, options: &Options, now_ms: Millis) -> Option<(u32, u64)> {
        let old = |segment: &Segment| {
            now_ms.saturating_sub(segment.begun_ms) > lifetime::patience_ms(segment.class)
        };
        let worth = |id: u32, segment: &Segment| {
            let bytes = segment.end - HEADER;
            if self.is_tail(id) {
                // An empty one is worth a new file only when it takes room.
                let large = segment.end > options.segment_bytes / 4;
                return large && (segment.live == 0 || old(segment)) && {
                    segment.live_bytes * 100 < bytes * LIVE_PERCENT
                };
            }
            segment.live == 0 || old(segment) && segment.live_bytes * 100 < bytes * LIVE_PERCENT
        };
        let segments = self.segments.iter();
        let found = segments
            .filter(|(id, segment)| !self.relocation.stuck.contains(*id) && worth(**id, segment));
        found.min_by_key(|(_, segment)| segment.live_bytes).map(|(&id, _)| (id, HEADER))
    }

    /// Whole records from `at` on, and part of another one.
    fn read_slice(&self, files: &Files, id: u32, at: u64) -> Result<Vec<u8>, String> {
        let Some(segment) = self.segments.get(&id).filter(|segment| segment.live > 0) else {
            return Ok(Vec::new());
        };
        let left = segment.end.saturating_sub(at) as usize;
        if left < HEAD {
            return Err(format!("{} messages were not found in it", segment.live));
        }
        let read = |bytes: usize| -> io::Result<Vec<u8>> {
            let mut slice = vec![0; bytes.min(left)];
            let n = read_full(&*files.get(id)?, &mut slice, at)?;
            slice.truncate(n);
            Ok(slice)
        };
        let slice = read(SLICE_BYTES).map_err(|e| e.to_string())?;
        let head = Head::parse(&slice).ok_or_else(|| format!("no record at offset {at}"))?;
        if head.bytes <= slice.len() {
            return Ok(slice);
        }
        let slice = read(head.bytes).map_err(|e| e.to_string())?;
        if slice.len() < head.bytes {
            return Err(format!("the record at offset {at} is cut short"));
        }
        Ok(slice)
    }

    fn advance(&mut self, files: &Files, id: u32, to: Result<u64, (u64, &'static str)>) {
        self.relocation.current = None;
        match to {
            Ok(to) if self.segments.contains_key(&id) => {
                for stream in &mut self.streams {
                    stream.take_if(|stream| stream.segment == id);
                }
                self.relocation.current = Some((id, to));
            }
            Ok(_) => {}
            Err((at, what)) => {
                let path = files.path(id);
                tracing::error!("the record at offset {at} of {}: {what}", path.display());
                self.relocation.stuck.insert(id);
            }
        }
    }
}

/// What was found in a slice.
struct Scanned {
    moving: Vec<Moving>,
    /// Where to go on, or where a stored message is damaged.
    end: Result<u64, (u64, &'static str)>,
}

/// Puts the messages of a slice that are still stored into a group.
fn scan(
    index: &Index,
    group: &mut Group<'_>,
    slice: &[u8],
    segment: u32,
    start: u64,
    now_ms: Millis,
) -> Result<Scanned, StoreError> {
    let txn = index.env.read_txn().map_err(index::store_error)?;
    let mut moving = Vec::new();
    let mut at = 0;
    for _ in 0..SLICE_RECORDS {
        let Some(head) = Head::parse(&slice[at..]) else { break };
        let Some(bytes) = slice.get(at..at + head.bytes) else { break };
        let offset = start + at as u64;
        let live = index.live_at(&txn, head.seq, head.due_ms, segment, offset);
        if let Some((key, from)) = live.map_err(index::store_error)? {
            if let Err(what) = record::decode(bytes) {
                return Ok(Scanned { moving, end: Err((offset, what)) });
            }
            let class = lifetime::class_of(key.due_ms.saturating_sub(now_ms));
            let spot = group.push_record(class, bytes, now_ms);
            let to = Place { segment: spot.segment, offset: spot.offset, ..from };
            moving.push(Moving { key, from, to });
        }
        at += head.bytes;
    }
    Ok(Scanned { moving, end: Ok(start + at as u64) })
}

fn move_all(change: &mut Change<'_>, moving: &[Moving]) -> heed::Result<()> {
    let mut moving: Vec<&Moving> = moving.iter().collect();
    moving.sort_unstable_by_key(|one| one.key);
    moving.iter().try_for_each(|one| change.relocate(one.key, &one.from, one.to))
}
