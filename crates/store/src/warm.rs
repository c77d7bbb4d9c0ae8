//! Messages that will soon be read one here, one there: a thread of its own reads them first, in
//! the order of the files, so that the page cache has them when they are wanted.
//!
//! What is read is thrown away. Nothing depends on it: a file that is removed meanwhile, an index
//! that is damaged, or a job that comes too late cost a wait for the disk and no more.

use std::sync::Arc;

use crate::files::Index;
use crate::lane::Log;
use crate::record::{BLOCK, u32_at};
use crate::segment;
use crate::vfs::{self, File};
use crate::{LaneId, Seq, Store};

/// A record longer than this is read in part: it costs the disk more than one trip anyway.
const READ_MAX: usize = 64 << 10;

/// What is to be read.
pub(crate) struct WarmJob {
    wanted: Vec<Wanted>,
}

/// One message that is only on disk.
struct Wanted {
    /// Id of its file.
    id: u64,
    data: Arc<dyn File>,
    spot: Spot,
}

/// Where its record is; of one file all are known, or none is.
enum Spot {
    /// Offset and bytes.
    Known(u32, u32),
    /// The index tells.
    Indexed(Indexed),
}

/// An entry of an index that is on disk.
struct Indexed {
    index: Arc<dyn File>,
    /// It is among these.
    low: u32,
    high: u32,
    /// The message's number in the run.
    rel: u32,
}

impl Store {
    /// Has messages of one lane read ahead that will be read one by one, in whatever order, within a second or so.
    /// Those that are in memory, or no longer wait, cost nothing.
    pub fn warm(&mut self, lane: LaneId, seqs: &[Seq]) {
        if self.workers.is_inline() {
            return;
        }
        let mut wanted: Vec<Wanted> =
            seqs.iter().filter_map(|&seq| self.wanted(lane, seq)).collect();
        if !wanted.is_empty() {
            wanted.sort_unstable_by_key(|w| (w.id, w.spot.order()));
            self.workers.warm(WarmJob { wanted });
        }
    }

    /// Where the thread finds a message; none when it is in memory, or gone.
    fn wanted(&mut self, lane: LaneId, seq: Seq) -> Option<Wanted> {
        let found = self.lanes.get(lane)?;
        let part = &found.parts[Log::P as usize];
        if let Some(position) = part.position(seq) {
            let entry = part.tail[position];
            let meta = self.chunks.slab.get(entry.chunk as usize).filter(|_| entry.is_live())?;
            let file = meta.file;
            return match meta.buf {
                Some(_) => None,
                None => self.wanted_in(file, Spot::Known(entry.off, entry.len)),
            };
        }
        let run = part.runs.get(part.run_position(seq)?).filter(|run| run.contains(seq))?;
        let (file, rel) = (run.file, run.rel(seq));
        let (low, high) = match run.is_dense() {
            true => (run.index_at + rel, run.index_at + rel),
            false => (run.index_at, run.index_at + run.count - 1),
        };
        let f = &mut self.files[file as usize];
        if !matches!(f.index, Index::Disk) {
            return None;
        }
        // Whoever reads the message learns why a file cannot be opened.
        let index = f.index_handle(&*self.vfs, &self.layout).ok()?;
        self.wanted_in(file, Spot::Indexed(Indexed { index, low, high, rel }))
    }

    fn wanted_in(&mut self, file: u32, spot: Spot) -> Option<Wanted> {
        let data = self.handle(file).ok()?;
        Some(Wanted { id: self.files[file as usize].id, data, spot })
    }
}

impl WarmJob {
    /// Reads, and forgets what was read.
    pub(crate) fn run(&self) {
        let mut scratch = vec![0; READ_MAX];
        for wanted in &self.wanted {
            if let Some((off, len)) = wanted.spot.place() {
                let len = (len as usize).min(READ_MAX);
                // Only the page cache is to have it.
                let _ = wanted.data.read_at(&mut scratch[..len], u64::from(off));
            }
        }
    }
}

impl Spot {
    /// Sorts by the place in the file.
    fn order(&self) -> (u32, u32) {
        match self {
            Spot::Known(off, _) => (*off, 0),
            Spot::Indexed(indexed) => (indexed.low, indexed.rel),
        }
    }

    /// Offset and bytes of the record, if the index is as it should be.
    fn place(&self) -> Option<(u32, u32)> {
        match self {
            Spot::Known(off, len) => Some((*off, *len)),
            Spot::Indexed(indexed) => indexed.place(),
        }
    }
}

impl Indexed {
    fn place(&self) -> Option<(u32, u32)> {
        let (mut low, mut high) = (self.low, self.high);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.entry(middle)?.0 < self.rel {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let (rel, off, len) = self.entry(low)?;
        (rel == self.rel).then_some((off, len))
    }

    /// The entry's number in the run, offset and bytes, not checked.
    fn entry(&self, ordinal: u32) -> Option<(u32, u32, u32)> {
        let (block, position) = segment::locate(ordinal);
        let mut entry = [0; 16];
        let at = u64::from(block) * BLOCK as u64 + segment::entry_offset(position) as u64;
        vfs::read_exact_at(&*self.index, &mut entry, at).ok()?;
        Some((u32_at(&entry, 0)?, u32_at(&entry, 4)?, u32_at(&entry, 8)?))
    }
}
