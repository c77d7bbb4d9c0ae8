//! Memory for messages that are only on disk: read-ahead windows and index blocks, both bounded.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use crate::chunk::{Chunk, Slice};
use crate::record::{self, BLOCK};
use crate::segment;
use crate::vfs::{self, File};

mod fetch;

pub(crate) use fetch::FetchJob;

use fetch::Fetch;

/// First read of a file: a lone message costs one small read.
const SMALL: usize = 16 << 10;
/// Size that reads of neighbours grow to. Each read costs a trip to the device, on a virtual
/// machine as much CPU as copying several hundred KiB.
const LARGE: usize = 1 << 20;
/// Windows of this size are read past the page cache.
const STREAM: usize = 256 << 10;
/// A read this far behind a window still counts as its neighbour.
const NEAR: u64 = 64 << 10;
/// Windows of one file: as many lanes are drained from it at a time without reading twice.
const PER_FILE: usize = 4;
/// Windows at a time: they are searched one by one.
const COUNT_MAX: usize = 64;

/// Windows asked for in advance at a time.
const FETCHES: usize = 4;
/// How far a window read in advance begins before the end of the one before: records that lie
/// across that end are read with their neighbours.
const OVERLAP: u64 = 16 << 10;

struct Window {
    file: u64,
    start: u64,
    buf: Chunk,
    used: u64,
}

impl Window {
    fn end(&self) -> u64 {
        self.start + self.buf.len() as u64
    }
}

/// What is read.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    /// Id of the file.
    pub(crate) file: u64,
    pub(crate) off: u64,
    pub(crate) len: usize,
    /// Bytes of the file from here on may not be written yet.
    pub(crate) end: u64,
}

/// A window to be read: whole blocks.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    start: u64,
    /// Bytes to read.
    read: usize,
    /// Bytes of them that are known to be written.
    keep: usize,
    /// Bytes of them that there must be.
    least: usize,
    /// Reads have been going on for a while: the page cache would not be asked again.
    pub(crate) stream: bool,
}

/// Recently read stretches of files.
pub(crate) struct Windows {
    list: Vec<Window>,
    /// Asked for in advance, oldest first.
    fetches: VecDeque<Fetch>,
    bytes: usize,
    limit: usize,
    recent: usize,
    tick: u64,
}

impl Windows {
    pub(crate) fn new(limit: usize) -> Windows {
        Windows { list: Vec::new(), fetches: VecDeque::new(), bytes: 0, limit, recent: 0, tick: 0 }
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The bytes, when a window holds them.
    pub(crate) fn get(&mut self, span: Span) -> Option<Slice> {
        let holds = |w: &Window| {
            w.file == span.file && w.start <= span.off && span.off + span.len as u64 <= w.end()
        };
        if !self.list.get(self.recent).is_some_and(holds) {
            self.recent = self.list.iter().position(holds)?;
        }
        self.tick += 1;
        let window = &mut self.list[self.recent];
        window.used = self.tick;
        Some(window.buf.slice((span.off - window.start) as usize, span.len))
    }

    /// How much to read for bytes that no window holds: more, the longer neighbours were read.
    pub(crate) fn plan(&self, span: Span) -> Plan {
        let near =
            |w: &&Window| w.file == span.file && w.start <= span.off && span.off <= w.end() + NEAR;
        let before = self.list.iter().filter(near).map(|w| w.buf.capacity()).max();
        // Where many lanes are read at once their windows share the room, or they would push each
        // other out before they are used.
        let share = self.limit / self.list.len().max(self.limit / LARGE).max(1);
        let most = (share / BLOCK * BLOCK).clamp(SMALL, LARGE);
        let size = before.map_or(SMALL, |len| (len * 4).clamp(SMALL, most));
        let start = span.off / BLOCK as u64 * BLOCK as u64;
        let least = (span.off - start) as usize + span.len;
        let written = usize::try_from(span.end.saturating_sub(start)).unwrap_or(usize::MAX);
        let keep = size.min(written).max(least);
        Plan { start, read: record::blocks(keep), keep, least, stream: size >= STREAM }
    }

    /// Reads a planned window. A file that ends too early is `UnexpectedEof`.
    pub(crate) fn load(&mut self, file: &dyn File, span: Span, plan: Plan) -> io::Result<Slice> {
        let mut buf = self.take(span.file, plan.read).unwrap_or_else(|| Chunk::new(plan.read));
        let filled = fill(file, buf.space(plan.read), plan.start, plan.least)?;
        buf.advance(filled.min(plan.keep));
        let slice = buf.slice(plan.least - span.len, span.len);
        self.keep(Window { file: span.file, start: plan.start, buf, used: 0 });
        Ok(slice)
    }

    /// The bytes, when they were asked for in advance.
    pub(crate) fn fetched(&mut self, span: Span) -> Option<Slice> {
        let i = self.fetches.iter().position(|fetch| fetch.covers(span))?;
        let fetch = self.fetches.remove(i)?;
        let (file, start) = (fetch.file, fetch.start);
        let buf = fetch.collect()?;
        self.keep(Window { file, start, buf, used: 0 });
        self.get(span)
    }

    /// Asks for what follows the window that was loaded last.
    pub(crate) fn fetch_next(&mut self, handle: Arc<dyn File>, span: Span) -> Option<FetchJob> {
        let window = self.list.get(self.recent).filter(|w| w.file == span.file)?;
        let (end, size) = (window.end(), window.buf.capacity());
        if end >= span.end || size < STREAM {
            return None;
        }
        let start = end.saturating_sub(OVERLAP) / BLOCK as u64 * BLOCK as u64;
        let keep = (span.end - start).min(size as u64) as usize;
        let read = record::blocks(keep);
        let buf = self.take(span.file, read).unwrap_or_else(|| Chunk::new(read));
        if self.fetches.len() >= FETCHES {
            self.fetches.pop_front();
        }
        // A reused chunk may be longer than what is to be read; the rest of it is not touched.
        let (fetch, job) = Fetch::new((span.file, handle), start, (keep, read), buf);
        self.fetches.push_back(fetch);
        Some(job)
    }

    /// Removes the oldest window of a file that has several: it was read through. Its memory, when
    /// it can serve again.
    fn take(&mut self, file: u64, want: usize) -> Option<Chunk> {
        let of_file = || (0..self.list.len()).filter(|&i| self.list[i].file == file);
        if of_file().count() < PER_FILE {
            return None;
        }
        let window = self.list.swap_remove(of_file().min_by_key(|&i| self.list[i].used)?);
        self.bytes -= window.buf.capacity();
        Some(window.buf).filter(|b| b.capacity() >= want).and_then(Chunk::reuse)
    }

    fn keep(&mut self, mut window: Window) {
        if window.buf.capacity() > self.limit / 4 {
            return;
        }
        while self.list.len() >= COUNT_MAX || self.bytes + window.buf.capacity() > self.limit {
            let oldest = (0..self.list.len()).min_by_key(|&i| self.list[i].used);
            let Some(i) = oldest else { break };
            self.bytes -= self.list[i].buf.capacity();
            self.list.swap_remove(i);
        }
        self.tick += 1;
        window.used = self.tick;
        self.bytes += window.buf.capacity();
        self.recent = self.list.len();
        self.list.push(window);
    }
}

/// Reads at least `least` bytes; how many.
fn fill(file: &dyn File, buf: &mut [u8], off: u64, least: usize) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buf.len() {
        let n = file.read_at(&mut buf[filled..], off + filled as u64)?;
        filled += n;
        // Only the end of the file leaves a part of a block; reading on from there is refused by
        // handles that bypass the page cache.
        if n == 0 || !n.is_multiple_of(BLOCK) {
            break;
        }
    }
    if filled < least { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(filled) }
}

/// Blocks kept: 256 KiB, enough for 64 lanes that are drained at the same time.
const BLOCKS: usize = 64;

struct CachedBlock {
    file: u64,
    number: u32,
    bytes: Box<[u8]>,
}

/// Recently read index blocks, each in the one place its number hashes to.
#[derive(Default)]
pub(crate) struct IndexBlocks {
    places: Vec<Option<CachedBlock>>,
}

/// Why an index block could not be had.
pub(crate) enum BlockError {
    /// Its check failed.
    Corrupt,
    /// It could not be read.
    Io(io::Error),
}

impl IndexBlocks {
    /// Block `number` of the index of file `id`, read from `file` when it is not here.
    pub(crate) fn block(
        &mut self,
        id: u64,
        number: u32,
        file: impl FnOnce() -> io::Result<Arc<dyn File>>,
    ) -> Result<&[u8], BlockError> {
        if self.places.is_empty() {
            self.places.resize_with(BLOCKS, || None);
        }
        let hash = (id.wrapping_mul(31).wrapping_add(u64::from(number)))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let place = &mut self.places[(hash >> 32) as usize % BLOCKS];
        let here = place.as_ref().is_some_and(|b| b.file == id && b.number == number);
        if !here {
            let mut bytes = match place.take() {
                Some(old) => old.bytes,
                None => vec![0; BLOCK].into_boxed_slice(),
            };
            let file = file().map_err(BlockError::Io)?;
            match vfs::read_exact_at(&*file, &mut bytes, u64::from(number) * BLOCK as u64) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(BlockError::Corrupt);
                }
                Err(e) => return Err(BlockError::Io(e)),
            }
            if !segment::check_block(&bytes, id, number) {
                return Err(BlockError::Corrupt);
            }
            *place = Some(CachedBlock { file: id, number, bytes });
        }
        Ok(place.as_ref().map_or(&[], |b| &b.bytes))
    }
}

#[cfg(test)]
mod tests;
