//! Memory for messages that are only on disk: read-ahead windows and index blocks, both bounded.

use std::io;
use std::sync::Arc;

use crate::chunk::{Chunk, Slice};
use crate::record::BLOCK;
use crate::segment;
use crate::vfs::{self, File};

/// First read of a file: a lone message costs one small read.
const SMALL: usize = 16 << 10;
/// Size that reads of neighbours grow to.
const LARGE: usize = 256 << 10;
/// A read this far behind a window still counts as its neighbour.
const NEAR: u64 = 64 << 10;
/// Windows of one file: as many lanes are drained from it at a time without reading twice.
const PER_FILE: usize = 4;
/// Windows at a time: they are searched one by one.
const COUNT_MAX: usize = 64;

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

/// Recently read stretches of files.
pub(crate) struct Windows {
    list: Vec<Window>,
    bytes: usize,
    limit: usize,
    recent: usize,
    tick: u64,
}

impl Windows {
    pub(crate) fn new(limit: usize) -> Windows {
        Windows { list: Vec::new(), bytes: 0, limit, recent: 0, tick: 0 }
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

    /// Reads the bytes and some behind them. Also returns the stretch that will be wanted next,
    /// when reads have been going on for a while. A short file is `UnexpectedEof`.
    pub(crate) fn load(
        &mut self,
        file: &dyn File,
        span: Span,
    ) -> io::Result<(Slice, Option<(u64, u64)>)> {
        let before = self
            .list
            .iter()
            .position(|w| w.file == span.file && w.start <= span.off && span.off <= w.end() + NEAR);
        let size = match before {
            Some(i) => (self.list[i].buf.len().next_power_of_two() * 4).clamp(SMALL, LARGE),
            None => SMALL,
        };
        let room = usize::try_from(span.end.saturating_sub(span.off)).unwrap_or(usize::MAX);
        let want = size.min(room).max(span.len);
        let mut buf = self.take(span.file, want).unwrap_or_else(|| Chunk::new(want));
        let filled = fill(file, buf.space(want), span.off, span.len)?;
        buf.advance(filled);
        let slice = buf.slice(0, span.len);
        let next = (size == LARGE && filled == want)
            .then(|| (span.off + want as u64, span.end))
            .filter(|(from, end)| from < end)
            .map(|(from, end)| (from, (end - from).min(4 * LARGE as u64)));
        self.keep(Window { file: span.file, start: span.off, buf, used: 0 });
        Ok((slice, next))
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
        if n == 0 {
            break;
        }
        filled += n;
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
