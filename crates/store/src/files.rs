//! The tables of files and chunks: where the bytes of the two logs are, in memory and on disk.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use slab::Slab;

use crate::chunk::Chunk;
use crate::segment::IndexEntry;
use crate::vfs::{File, Open, Vfs};
use crate::wal::ZEROS;
use crate::{LaneId, Pos};

/// The folder a data file is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Home {
    /// `wal/<id>.wal`
    Wal,
    /// `seg/<id>.dat` and `.idx`
    Seg,
    /// `tmp/t-<id>.dat` and `.idx`; worth nothing after a restart.
    Tmp,
}

/// The names below a data directory.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) dir: PathBuf,
}

impl Layout {
    pub(crate) fn new(dir: &Path) -> Layout {
        Layout { dir: dir.to_owned() }
    }

    pub(crate) fn folder(&self, home: Home) -> PathBuf {
        self.dir.join(match home {
            Home::Wal => "wal",
            Home::Seg => "seg",
            Home::Tmp => "tmp",
        })
    }

    /// The file that holds records.
    pub(crate) fn data(&self, home: Home, id: u64) -> PathBuf {
        self.folder(home).join(match home {
            Home::Wal => format!("{id}.wal"),
            Home::Seg => format!("{id}.dat"),
            Home::Tmp => format!("t-{id}.dat"),
        })
    }

    /// The file that says where the records of each lane are.
    pub(crate) fn index(&self, home: Home, id: u64) -> PathBuf {
        match home {
            // A sealed WAL file is on its way to being a segment.
            Home::Wal | Home::Seg => self.folder(Home::Seg).join(format!("{id}.idx")),
            Home::Tmp => self.folder(Home::Tmp).join(format!("t-{id}.idx")),
        }
    }

    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.dir.join("checkpoint")
    }

    /// The checkpoint until it is complete.
    pub(crate) fn new_checkpoint(&self) -> PathBuf {
        self.dir.join("checkpoint.tmp")
    }

    pub(crate) fn ballast(&self) -> PathBuf {
        self.dir.join("ballast")
    }
}

/// Where a file is in its life. `Open -> Full -> Sealing -> Sealed -> Dead`; one without waiting
/// messages skips from `Full` to `Dead`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// The log appends to it.
    Open,
    /// Complete, in memory or on its way to disk; its messages are tail entries.
    Full,
    /// Its messages are runs; the background thread writes its index, or copies what lives.
    Sealing,
    /// A segment.
    Sealed,
    /// Nothing in it waits; removed or recycled after the next checkpoint.
    Dead,
}

/// Where a sealed file's index is.
#[derive(Clone)]
pub(crate) enum Index {
    /// Not sealed.
    None,
    /// While the background thread writes it.
    Memory(Arc<Vec<IndexEntry>>),
    /// In the `.idx` file.
    Disk,
}

/// One file of a log, or a segment.
pub(crate) struct DataFile {
    pub(crate) id: u64,
    pub(crate) home: Home,
    pub(crate) state: State,
    /// The handle that a log file is written by; `None` until the file has been made.
    pub(crate) log: Option<Arc<dyn File>>,
    /// The handle that it is read by, once it was.
    pub(crate) handle: Option<Arc<dyn File>>,
    /// The handle that it is read by past the page cache.
    pub(crate) stream: Option<Arc<dyn File>>,
    pub(crate) index_handle: Option<Arc<dyn File>>,
    /// Bytes of a log file whose blocks have been written since the file was made.
    pub(crate) written: u64,
    /// Bytes given to chunks.
    pub(crate) used: u64,
    /// Number of the last frame in it.
    pub(crate) last_frame: Pos,
    /// Number of the first frame in it.
    pub(crate) first_frame: Pos,
    /// Slots of its chunks, in order.
    pub(crate) chunks: Vec<u32>,
    /// Lanes with messages in it, each once.
    pub(crate) lanes: Vec<LaneId>,
    pub(crate) index: Index,
    /// Entries of the index.
    pub(crate) entries: u32,
    /// Waiting messages in runs of this file.
    pub(crate) live: u64,
    /// Their record bytes.
    pub(crate) live_bytes: u64,
    /// When a merge was first considered, since most of it is settled.
    pub(crate) mostly_dead_since: Option<Instant>,
    /// `live` when a merge was last considered.
    pub(crate) live_before: u64,
    /// A merge is reading it.
    pub(crate) merging: bool,
}

impl DataFile {
    /// The handle that the index is read by, opened when need be.
    pub(crate) fn index_handle(
        &mut self,
        vfs: &dyn Vfs,
        layout: &Layout,
    ) -> io::Result<Arc<dyn File>> {
        if let Some(handle) = &self.index_handle {
            return Ok(handle.clone());
        }
        let opened = vfs.open(&layout.index(self.home, self.id), Open::Read)?;
        self.index_handle = Some(opened.clone());
        Ok(opened)
    }

    pub(crate) fn new(id: u64, home: Home) -> DataFile {
        DataFile {
            id,
            home,
            state: State::Open,
            log: None,
            handle: None,
            stream: None,
            index_handle: None,
            written: 0,
            used: 0,
            last_frame: 0,
            first_frame: 0,
            chunks: Vec::new(),
            lanes: Vec::new(),
            index: Index::None,
            entries: 0,
            live: 0,
            live_bytes: 0,
            mostly_dead_since: None,
            live_before: 0,
            merging: false,
        }
    }
}

impl DataFile {
    /// How many zeros a batch of `bytes` that ends at `end` should write behind itself.
    pub(crate) fn zeros_after(&mut self, end: u64, bytes: usize, file_bytes: u64) -> usize {
        let fresh = end > self.written && bytes < ZEROS / 4;
        let zeros = if fresh { file_bytes.saturating_sub(end).min(ZEROS as u64) } else { 0 };
        self.written = self.written.max(end + zeros);
        zeros as usize
    }
}

/// A chunk: a stretch of a log file, with its bytes while they are in memory.
pub(crate) struct ChunkMeta {
    /// Slot of its file.
    pub(crate) file: u32,
    /// Offset of its first byte in the file.
    pub(crate) base: u32,
    /// Offset behind its last byte, once closed.
    pub(crate) end: u32,
    pub(crate) buf: Option<Chunk>,
    /// The log still appends to it.
    pub(crate) open: bool,
    /// The background thread is writing it to the T file.
    pub(crate) leaving: bool,
    /// Waiting messages in it, each target counted.
    pub(crate) live: u32,
    /// Their record bytes.
    pub(crate) live_bytes: u64,
    /// Number of the last frame in it; 0 in the T-log.
    pub(crate) last_frame: Pos,
    serial: u64,
}

/// All chunks, and which of them are in memory.
pub(crate) struct Chunks {
    pub(crate) slab: Slab<ChunkMeta>,
    /// Oldest first; entries whose serial does not match are gone.
    order: VecDeque<(u32, u64)>,
    /// Bytes of memory in `buf`s.
    pub(crate) resident: usize,
    pool: Vec<Chunk>,
    /// Bytes that chunks should stay below.
    budget: usize,
    standard: usize,
    serial: u64,
}

/// Buffers kept for the next chunks while nothing happens. Under load more are kept, so that what
/// waits for the disk does not come from fresh memory each time: that costs page faults.
const POOL_IDLE: usize = 2;

impl Chunks {
    pub(crate) fn new(standard: usize, budget: usize) -> Chunks {
        Chunks {
            slab: Slab::new(),
            order: VecDeque::new(),
            resident: 0,
            pool: Vec::new(),
            budget,
            standard,
            serial: 0,
        }
    }

    /// A new open chunk with memory.
    pub(crate) fn open(&mut self, file: u32, base: u64, capacity: usize) -> u32 {
        let pooled = if capacity == self.standard { self.pool.pop() } else { None };
        let buf = pooled.unwrap_or_else(|| Chunk::new(capacity));
        self.resident += buf.capacity();
        let slot = self.insert(file, base, Some(buf));
        self.slab[slot as usize].open = true;
        self.order.push_back((slot, self.serial));
        slot
    }

    /// A chunk whose bytes are on disk only.
    pub(crate) fn cold(&mut self, file: u32, end: u64) -> u32 {
        let slot = self.insert(file, 0, None);
        self.slab[slot as usize].end = u32::try_from(end).expect("log files are below 4 GiB");
        slot
    }

    fn insert(&mut self, file: u32, base: u64, buf: Option<Chunk>) -> u32 {
        self.serial += 1;
        let base = u32::try_from(base).expect("log files are below 4 GiB");
        self.slab.insert(ChunkMeta {
            file,
            base,
            end: base,
            buf,
            open: false,
            leaving: false,
            live: 0,
            live_bytes: 0,
            last_frame: 0,
            serial: self.serial,
        }) as u32
    }

    /// Ends a chunk: nothing is appended to it any more.
    pub(crate) fn close(&mut self, slot: u32) -> &mut ChunkMeta {
        let meta = &mut self.slab[slot as usize];
        meta.open = false;
        meta.end = meta.base + meta.buf.as_ref().map_or(0, |c| c.len() as u32);
        meta
    }

    /// Gives a chunk's memory back.
    pub(crate) fn release(&mut self, slot: u32) {
        let Some(buf) = self.slab[slot as usize].buf.take() else { return };
        self.resident -= buf.capacity();
        if self.resident + self.pool.len() * self.standard < self.budget + self.budget / 2
            && buf.capacity() == self.standard
            && let Some(buf) = buf.reuse()
        {
            self.pool.push(buf);
        }
    }

    /// Gives spare buffers back to the system.
    pub(crate) fn relax(&mut self) {
        self.pool.truncate(POOL_IDLE);
    }

    /// Forgets a chunk.
    pub(crate) fn remove(&mut self, slot: u32) {
        self.release(slot);
        self.slab.remove(slot as usize);
    }

    /// The oldest chunk that is in memory, closed, and not being written; it leaves the order.
    /// `keep` says which may not go yet: they stay in order.
    pub(crate) fn oldest(&mut self, keep: impl Fn(&ChunkMeta) -> bool) -> Option<u32> {
        let mut i = 0;
        while let Some(&(slot, serial)) = self.order.get(i) {
            match self.slab.get(slot as usize) {
                Some(c) if c.serial == serial && c.buf.is_some() && !c.leaving => {
                    if !c.open && !keep(c) {
                        self.order.remove(i);
                        return Some(slot);
                    }
                    i += 1;
                }
                _ => {
                    self.order.remove(i);
                }
            }
        }
        None
    }

    /// Counts a settled message; true when nothing in the chunk waits any more.
    pub(crate) fn settle(&mut self, slot: u32, len: u32) -> bool {
        let chunk = &mut self.slab[slot as usize];
        chunk.live -= 1;
        chunk.live_bytes -= u64::from(len);
        chunk.live == 0
    }
}
