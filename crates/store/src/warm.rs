//! Messages that will soon be read one here, one there: the background thread reads them first, in
//! the order of the files, so that the page cache has them when they are wanted.
//!
//! What is read is thrown away. Nothing depends on it: a file that is removed meanwhile, an index
//! that is damaged, or a job that comes too late cost a wait for the disk and no more.

use std::sync::Arc;

use crate::background::Job;
use crate::files::{Home, Index};
use crate::lane::Log;
use crate::record::{BLOCK, u32_at};
use crate::segment;
use crate::vfs::{self, File};
use crate::{LaneId, Seq, Store};

/// A record longer than this is read in part: it costs the disk more than one trip anyway.
const READ_MAX: usize = 64 << 10;

/// What the background thread is to read.
pub(crate) struct WarmJob {
    wanted: Vec<Wanted>,
}

/// One message of a segment.
struct Wanted {
    /// Id of the segment.
    id: u64,
    index: Arc<dyn File>,
    data: Arc<dyn File>,
    /// Its entry is among these of the index.
    low: u32,
    high: u32,
    /// Its number in the run.
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
            wanted.sort_unstable_by_key(|w| (w.id, w.low, w.rel));
            self.workers.background(Job::Warm(WarmJob { wanted }));
        }
    }

    /// Where the background thread finds a message; none when it is not in a segment.
    fn wanted(&mut self, lane: LaneId, seq: Seq) -> Option<Wanted> {
        let found = self.lanes.get(lane)?;
        let part = &found.parts[Log::P as usize];
        let run = &part.runs[part.run_position(seq)?];
        if !run.contains(seq) {
            return None;
        }
        let (file, rel) = (run.file, run.rel(seq));
        let (low, high) = match run.is_dense() {
            true => (run.index_at + rel, run.index_at + rel),
            false => (run.index_at, run.index_at + run.count - 1),
        };
        let f = &mut self.files[file as usize];
        if f.home != Home::Seg || !matches!(f.index, Index::Disk) {
            return None;
        }
        let id = f.id;
        // Whoever reads the message learns why a file cannot be opened.
        let index = f.index_handle(&*self.vfs, &self.layout).ok()?;
        let data = self.handle(file).ok()?;
        Some(Wanted { id, index, data, low, high, rel })
    }
}

impl WarmJob {
    /// Reads, and forgets what was read.
    pub(crate) fn run(&self) {
        let mut scratch = vec![0; READ_MAX];
        for wanted in &self.wanted {
            if let Some((off, len)) = wanted.place() {
                let len = (len as usize).min(READ_MAX);
                // Only the page cache is to have it.
                let _ = wanted.data.read_at(&mut scratch[..len], u64::from(off));
            }
        }
    }
}

impl Wanted {
    /// Offset and bytes of the record, if the index is as it should be.
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
