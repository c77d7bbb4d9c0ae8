//! What one change appends to the segments: built in memory, written with few calls, synced once
//! per file.

use std::io;
use std::sync::Arc;

use ::store::vfs::{File, Open};

use super::lifetime::CLASSES;
use super::record::{self, Head};
use super::segment::{self, Files, HEADER};
use crate::message::{Millis, NewMessage};

/// The segment that a class is being written to.
#[derive(Clone)]
pub(super) struct Stream {
    pub(super) segment: u32,
    pub(super) end: u64,
    pub(super) file: Arc<dyn File>,
}

pub(super) type Streams = [Option<Stream>; CLASSES];

/// Where a record went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub(super) segment: u32,
    pub(super) offset: u32,
    pub(super) bytes: u32,
}

/// What goes into one file.
pub(super) struct Part<'a> {
    pub(super) segment: u32,
    pub(super) class: u8,
    /// When the first of its messages was received.
    pub(super) begun_ms: Millis,
    /// Where the file ended before; 0 when there was none.
    start: u64,
    pub(super) end: u64,
    file: Option<Arc<dyn File>>,
    bytes: Vec<u8>,
    /// Large bodies, each with how much of `bytes` comes before it.
    bodies: Vec<(usize, &'a [u8])>,
}

impl Part<'_> {
    pub(super) fn is_new(&self) -> bool {
        self.start == 0
    }

    fn write(&self, file: &dyn File) -> io::Result<()> {
        let mut slices = Vec::with_capacity(2 * self.bodies.len() + 1);
        let mut done = 0;
        for &(before, body) in &self.bodies {
            slices.push(&self.bytes[done..before]);
            slices.push(body);
            done = before;
        }
        slices.push(&self.bytes[done..]);
        segment::write_all(file, &slices, self.start)
    }
}

/// Everything that one change appends.
pub(super) struct Group<'a> {
    pub(super) parts: Vec<Part<'a>>,
    /// The part that a class goes on in.
    current: [Option<usize>; CLASSES],
    streams: &'a Streams,
    segment_bytes: u64,
    next_segment: u32,
    spare: Buffers,
}

/// Memory of earlier groups, to be used again.
#[derive(Default)]
pub(super) struct Buffers(Vec<Vec<u8>>);

impl Buffers {
    /// A larger buffer is not kept: it was for an unusual group.
    const BYTES_MAX: usize = 4 << 20;

    fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_default()
    }

    fn give(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= Buffers::BYTES_MAX && self.0.len() < CLASSES {
            buffer.clear();
            self.0.push(buffer);
        }
    }
}

/// Why a group was not written.
pub(super) enum WriteError {
    /// No room; what was written has been cut off again.
    Full(io::Error),
    /// The disk failed; nothing more may be written.
    Failed(String),
}

impl<'a> Group<'a> {
    pub(super) fn new(
        streams: &'a Streams,
        segment_bytes: u64,
        next_segment: u32,
        spare: Buffers,
    ) -> Group<'a> {
        let parts = Vec::new();
        Group { parts, current: [None; CLASSES], streams, segment_bytes, next_segment, spare }
    }

    /// Gives its memory back.
    pub(super) fn into_buffers(self) -> Buffers {
        let mut spare = self.spare;
        self.parts.into_iter().for_each(|part| spare.give(part.bytes));
        spare
    }

    pub(super) fn next_segment(&self) -> u32 {
        self.next_segment
    }

    /// Appends a message. `stored_ms` begins a segment's age when it is the first in it.
    pub(super) fn push(&mut self, class: u8, head: &Head, message: &'a NewMessage) -> Spot {
        let (part, spot) = self.place(class, head.bytes, message.stored_ms);
        let part = &mut self.parts[part];
        let body = record::encode(head, message, &mut part.bytes);
        if !body.is_empty() {
            part.bodies.push((part.bytes.len(), body));
        }
        spot
    }

    /// Appends a record as it is.
    pub(super) fn push_record(&mut self, class: u8, record: &[u8], now_ms: Millis) -> Spot {
        let (part, spot) = self.place(class, record.len(), now_ms);
        self.parts[part].bytes.extend_from_slice(record);
        spot
    }

    /// Chooses the file for a record: the class's, a new one when that is full, or one of its own
    /// for a record that is larger than a segment.
    fn place(&mut self, class: u8, bytes: usize, now_ms: Millis) -> (usize, Spot) {
        let slot = usize::from(class);
        let bytes = bytes as u64;
        let large = HEADER + bytes > self.segment_bytes;
        if self.current[slot].is_none()
            && let Some(stream) = &self.streams[slot]
            && stream.end + bytes <= self.segment_bytes
        {
            self.current[slot] = Some(self.parts.len());
            self.parts.push(Part {
                segment: stream.segment,
                class,
                begun_ms: now_ms,
                start: stream.end,
                end: stream.end,
                file: Some(stream.file.clone()),
                bytes: self.spare.take(),
                bodies: Vec::new(),
            });
        }
        let fitting = self.current[slot]
            .filter(|&part| !large && self.parts[part].end + bytes <= self.segment_bytes);
        let part = fitting.unwrap_or_else(|| {
            let part = self.begin(class, now_ms);
            if !large {
                self.current[slot] = Some(part);
            }
            part
        });
        let spot = Spot {
            segment: self.parts[part].segment,
            offset: self.parts[part].end as u32,
            bytes: bytes as u32,
        };
        self.parts[part].end += bytes;
        (part, spot)
    }

    fn begin(&mut self, class: u8, now_ms: Millis) -> usize {
        let segment = self.next_segment;
        self.next_segment += 1;
        let mut bytes = self.spare.take();
        bytes.extend_from_slice(&segment::header(segment, class));
        self.parts.push(Part {
            segment,
            class,
            begun_ms: now_ms,
            start: 0,
            end: HEADER,
            file: None,
            bytes,
            bodies: Vec::new(),
        });
        self.parts.len() - 1
    }

    /// Writes and syncs everything, `at_once` files at a time. When it returns, the records are
    /// durable, and so are the names of new files.
    pub(super) fn write(&mut self, files: &Files, at_once: usize) -> Result<(), WriteError> {
        if let Err(e) = self.write_parts(files) {
            if !super::index::is_full(&e) {
                return Err(WriteError::Failed(format!("cannot write a segment: {e}")));
            }
            self.undo(files);
            return Err(WriteError::Full(e));
        }
        self.sync(files, at_once)
            .map_err(|e| WriteError::Failed(format!("cannot sync a segment: {e}")))
    }

    fn write_parts(&mut self, files: &Files) -> io::Result<()> {
        for part in &mut self.parts {
            let file = match &part.file {
                Some(file) => file.clone(),
                None => files.vfs.open(&files.path(part.segment), Open::Create)?,
            };
            part.file = Some(file.clone());
            part.write(&*file)?;
        }
        Ok(())
    }

    /// A disk does several syncs at a time in little more than the time of one: the journal takes
    /// them together.
    fn sync(&self, files: &Files, at_once: usize) -> io::Result<()> {
        for some in self.parts.chunks(at_once.max(1)) {
            let Some((first, rest)) = some.split_first() else { continue };
            std::thread::scope(|scope| {
                let others: Vec<_> =
                    rest.iter().map(|part| scope.spawn(|| sync_part(part))).collect();
                let mut result = sync_part(first);
                for other in others {
                    result = result.and(other.join().unwrap_or_else(|_| {
                        Err(io::Error::other("a thread that syncs has panicked"))
                    }));
                }
                result
            })?;
        }
        if self.parts.iter().any(Part::is_new) { files.vfs.sync_dir(&files.dir) } else { Ok(()) }
    }

    /// Takes back what was written, so that it takes no room. What cannot be taken back lies
    /// behind the ends that the index knows, or in files that it does not name.
    pub(super) fn undo(&self, files: &Files) {
        for part in &self.parts {
            let undone = match &part.file {
                None => Ok(()),
                Some(_) if part.is_new() => files.remove(part.segment),
                Some(file) => file.set_len(part.start),
            };
            if let Err(e) = undone {
                let path = files.path(part.segment);
                tracing::warn!("cannot cut {} back: {e}", path.display());
            }
        }
    }

    /// The streams after the group, and the segments that are no longer written to.
    pub(super) fn tails(&self) -> (Streams, Vec<u32>) {
        let mut tails = self.streams.clone();
        let mut left = Vec::new();
        for (tail, &current) in tails.iter_mut().zip(&self.current) {
            let Some(part) = current.map(|part| &self.parts[part]) else { continue };
            let Some(file) = part.file.clone() else { continue };
            let new = Stream { segment: part.segment, end: part.end, file };
            let old = tail.replace(new).map(|old| old.segment);
            left.extend(old.filter(|&old| old != part.segment));
        }
        (tails, left)
    }
}

fn sync_part(part: &Part<'_>) -> io::Result<()> {
    part.file.as_ref().map_or(Ok(()), |file| file.sync())
}
