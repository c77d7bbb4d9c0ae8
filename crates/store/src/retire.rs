//! Chunks and files whose time is over: memory is given back, complete files become segments.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Store;
use crate::background::{Done, Job};
use crate::compaction::{Seal, Sealed};
use crate::files::{Home, Index, State};
use crate::lane::{Lane, Log, Run};
use crate::live::LiveSet;
use crate::segment::IndexEntry;
use crate::wal::WalJob;

/// Complete WAL files that may wait for their messages to be consumed from memory.
const FULL_LOGS_MAX: usize = 2;
/// How long a job that found the disk full waits before it is tried again.
pub(crate) const RETRY: Duration = Duration::from_secs(1);
/// A run's sequence numbers are kept as 32 bits from its first.
const RUN_SPAN_MAX: u64 = 1 << 31;

/// Files on their way from log to segment.
#[derive(Default)]
pub(crate) struct Retired {
    /// Slots of complete P-log files, oldest first.
    pub(crate) logs: VecDeque<u32>,
    /// A P-log file is being sealed. One at a time: a checkpoint lists a gapless past.
    pub(crate) sealing: bool,
    /// Slots of complete T-log files, oldest first.
    pub(crate) transient: VecDeque<u32>,
    /// Ids of WAL files that hold nothing any more, once the next checkpoint says so.
    pub(crate) spent: Vec<u64>,
    /// Ids of WAL files to write again.
    pub(crate) spares: Vec<u64>,
    /// Slots of segments in which nothing waits, to be removed after the next checkpoint.
    pub(crate) dead: Vec<u32>,
    /// Sealed WAL files that have not got their names as segments.
    pub(crate) adopted: usize,
    /// Jobs that found the disk full.
    stalled: Vec<Job>,
    retry_at: Option<Instant>,
    /// Bytes of transient chunks on their way to disk.
    pub(crate) leaving: usize,
}

impl Retired {
    /// Whether the disk was full and not enough of it is free again.
    pub(crate) fn is_stalled(&self) -> bool {
        !self.stalled.is_empty()
    }
}

impl Store {
    /// Gives back the memory of a chunk in which nothing waits and that needs no write.
    pub(crate) fn release_if_dead(&mut self, slot: u32) {
        let Some(meta) = self.chunks.slab.get(slot as usize) else { return };
        let written = meta.last_frame <= self.wal.synced;
        if meta.live == 0 && !meta.open && !meta.leaving && written {
            self.chunks.release(slot);
        }
    }

    /// Takes chunks out of memory, oldest first, until the budget holds: persistent ones are on
    /// disk already, transient ones are written first.
    pub(crate) fn shed(&mut self) {
        let synced = self.wal.synced;
        // What is on its way to disk cannot go faster by pushing out the rest.
        let bound = |s: &Store| s.retired.leaving + s.wal.unsynced() + s.options.cache_bytes;
        while self.chunks.resident > bound(self) {
            let Some(slot) = self.chunks.oldest(|c| c.last_frame > synced) else { return };
            let meta = &mut self.chunks.slab[slot as usize];
            let file = &self.files[meta.file as usize];
            let chunk = meta.buf.as_ref().expect("the oldest chunk is in memory");
            if file.home == Home::Wal || meta.live == 0 {
                self.chunks.release(slot);
                continue;
            }
            meta.leaving = true;
            self.retired.leaving += chunk.capacity();
            let bytes = chunk.slice(0, chunk.len());
            let (id, handle, at) = (file.id, file.handle.clone(), u64::from(meta.base));
            let job = Job::WriteChunk { chunk: slot, id, file: handle, at, bytes };
            self.workers.background(job);
        }
    }

    /// A file of the T-log is complete.
    pub(crate) fn retire_transient(&mut self, file: u32) {
        self.files[file as usize].state = State::Full;
        self.retired.transient.push_back(file);
    }

    /// Does what has become possible since the last call.
    pub(crate) fn advance(&mut self) {
        self.shed();
        while let Some(&file) = self.retired.logs.front()
            && !self.retired.sealing
        {
            let many = self.retired.logs.len() > FULL_LOGS_MAX;
            let synced = self.files[file as usize].last_frame <= self.wal.synced;
            if !synced || !(many || self.has_left_memory(file)) {
                break;
            }
            self.retired.logs.pop_front();
            self.seal(file, Log::P);
        }
        self.seal_transient();
        self.merge_if_due();
        self.install_if_due();
    }

    /// Seals the T-log's complete files that have left memory, oldest first: a lane's tail is
    /// emptied from its front. One in which nothing waits goes at once, whatever older ones hold.
    fn seal_transient(&mut self) {
        let mut older_waits = false;
        for _ in 0..self.retired.transient.len() {
            let Some(file) = self.retired.transient.pop_front() else { break };
            let chunks = &self.files[file as usize].chunks;
            let dead = chunks.iter().all(|&slot| self.chunks.slab[slot as usize].live == 0);
            if self.has_left_memory(file) && (dead || !older_waits) {
                self.seal(file, Log::T);
            } else {
                older_waits = true;
                self.retired.transient.push_back(file);
            }
        }
    }

    fn has_left_memory(&self, file: u32) -> bool {
        // The youngest chunk leaves last, as a rule.
        self.files[file as usize].chunks.iter().rev().all(|&slot| {
            let meta = &self.chunks.slab[slot as usize];
            meta.buf.is_none() && !meta.leaving
        })
    }

    /// Turns the tail entries of a complete file into runs, and has its index written.
    pub(crate) fn seal(&mut self, slot: u32, log: Log) {
        let mut entries = Vec::new();
        let lanes = std::mem::take(&mut self.files[slot as usize].lanes);
        let mut kept = Vec::new();
        for id in lanes {
            let chunks = &self.chunks;
            let in_file = |chunk: u32| chunks.slab[chunk as usize].file == slot;
            if let Some(lane) = self.lanes.get_mut(id)
                && seal_lane(lane, log, slot, in_file, &mut entries)
            {
                kept.push(id);
            }
        }
        let file = &mut self.files[slot as usize];
        for chunk in std::mem::take(&mut file.chunks) {
            self.chunks.remove(chunk);
        }
        let (id, home, used) = (file.id, file.home, file.used);
        if entries.is_empty() {
            return self.discard_file(slot);
        }
        file.lanes = kept;
        file.state = State::Sealing;
        file.entries = entries.len() as u32;
        file.live = entries.len() as u64;
        file.live_bytes = entries.iter().map(|e| u64::from(e.len)).sum();
        let mostly_live = file.live_bytes * 2 >= used;
        let entries = Arc::new(entries);
        file.index = Index::Memory(entries.clone());
        // From now on it is only read.
        file.log = None;
        let spill = if log == Log::T || mostly_live { None } else { Some(self.new_file_id()) };
        let file = match self.handle(slot) {
            Ok(file) => file,
            Err(e) => {
                let path = self.path_of(slot);
                return self.fail(format!("opening {} failed: {e}", path.display()));
            }
        };
        self.retired.sealing |= log == Log::P;
        let seal = Seal { slot, id, home, file, used, entries, spill };
        self.workers.background(Job::Seal(seal));
    }

    /// A complete file in which nothing waits, or a dead transient segment.
    fn discard_file(&mut self, slot: u32) {
        let file = self.files.remove(slot as usize);
        match file.home {
            Home::Wal => self.retired.spent.push(file.id),
            _ if file.handle.is_some() => {
                self.workers.background(Job::Remove { home: file.home, ids: vec![file.id] });
            }
            // Its chunks never left memory: there is no file.
            _ => {}
        }
    }

    fn sealed(&mut self, sealed: Sealed) {
        let file = &mut self.files[sealed.slot as usize];
        self.retired.sealing &= file.home != Home::Wal;
        if sealed.id != file.id {
            self.retired.spent.push(file.id);
        }
        file.id = sealed.id;
        file.home = sealed.home;
        file.handle = Some(sealed.file);
        file.stream = None;
        file.used = sealed.used;
        file.index = Index::Disk;
        file.state = State::Sealed;
        self.retired.adopted += usize::from(file.home == Home::Wal);
        if file.live == 0 {
            self.file_died(sealed.slot);
        }
    }

    /// Nothing in a sealed file waits any more.
    pub(crate) fn file_died(&mut self, slot: u32) {
        let file = &mut self.files[slot as usize];
        // A job that still reads it comes back here when it is done.
        if file.state != State::Sealed || file.merging {
            return;
        }
        file.state = State::Dead;
        self.retired.adopted -= usize::from(file.home == Home::Wal);
        if file.home == Home::Tmp {
            self.discard_file(slot);
        } else {
            self.retired.dead.push(slot);
        }
    }

    /// A WAL file to write again.
    pub(crate) fn take_spare(&mut self) -> Option<u64> {
        self.retired.spares.pop()
    }

    fn chunk_written(&mut self, chunk: u32, file: Arc<dyn crate::vfs::File>) {
        let meta = &mut self.chunks.slab[chunk as usize];
        meta.leaving = false;
        self.files[meta.file as usize].handle.get_or_insert(file);
        self.retired.leaving -= meta.buf.as_ref().map_or(0, |c| c.capacity());
        self.chunks.release(chunk);
    }

    pub(crate) fn background_done(&mut self, done: Done) {
        match done {
            Done::Prepared { id, file, written } => self.prepared(id, file, written),
            Done::ChunkWritten { chunk, file } => self.chunk_written(chunk, file),
            Done::Sealed(sealed) => self.sealed(sealed),
            Done::Merged(merged) => self.merged(merged),
            Done::MergeRefused(merge) => {
                // They stay marked as being merged, so that nobody tries again.
                self.corrupt += 1;
                self.merge.running = false;
                self.workers.background(Job::Remove { home: merge.home, ids: vec![merge.to] });
            }
            Done::Installed { bytes } => self.installed(bytes),
            Done::Ballasted { bytes } => self.ballasted(bytes),
            Done::Full(job) => {
                self.disk_is_full();
                match job {
                    Job::Merge(merge) => self.give_merge_up(&merge),
                    job => self.retired.stalled.push(job),
                }
            }
            Done::Fatal { what, error } => self.fail(format!("{what} failed: {error}")),
        }
    }

    /// Tries jobs again that found the disk full, after a while.
    pub(crate) fn retry_stalled(&mut self) {
        if !self.full || self.failed {
            self.retired.retry_at = None;
            return;
        }
        let inline = self.workers.is_inline();
        match self.retired.retry_at {
            Some(at) if !inline && Instant::now() < at => return,
            None if !inline => {
                self.retired.retry_at = Some(Instant::now() + RETRY);
                self.workers.wal(WalJob::Linger(RETRY));
                return;
            }
            _ => self.retired.retry_at = None,
        }
        self.wal.retry_now = true;
        for job in std::mem::take(&mut self.retired.stalled) {
            self.workers.background(job);
        }
        self.restore_ballast();
    }
}

/// Moves a lane's entries of one file from its tail to new runs; whether there were any.
fn seal_lane(
    lane: &mut Lane,
    log: Log,
    slot: u32,
    in_file: impl Fn(u32) -> bool,
    entries: &mut Vec<IndexEntry>,
) -> bool {
    let part = &mut lane.parts[log as usize];
    let begin = entries.len();
    let (mut start, mut first, mut last, mut body) = (begin, 0, 0, 0);
    let mut runs = Vec::new();
    let finish = |entries: &[IndexEntry], start: usize, first, last, body| Run {
        first,
        last,
        file: slot,
        index_at: start as u32,
        count: (entries.len() - start) as u32,
        live_count: (entries.len() - start) as u32,
        live_body: body,
        live: LiveSet::from_sorted(entries[start..].iter().map(|e| e.rel)),
        hints: [0; 2],
    };
    while let Some(entry) = part.tail.front().copied() {
        if entry.is_live() {
            if !in_file(entry.chunk) {
                break;
            }
            if entries.len() == start {
                first = entry.seq;
            } else if entry.seq - first >= RUN_SPAN_MAX {
                runs.push(finish(entries, start, first, last, body));
                (start, first, body) = (entries.len(), entry.seq, 0);
            }
            let rel = (entry.seq - first) as u32;
            entries.push(IndexEntry { rel, off: entry.off, len: entry.len, body: entry.body });
            (last, body) = (entry.seq, body + u64::from(entry.body));
        }
        part.tail.pop_front();
    }
    if entries.len() > start {
        runs.push(finish(entries, start, first, last, body));
    }
    part.runs.extend(runs);
    if part.tail.capacity() > 64 && part.tail.len() * 4 < part.tail.capacity() {
        part.tail.shrink_to_fit();
    }
    entries.len() > begin
}
