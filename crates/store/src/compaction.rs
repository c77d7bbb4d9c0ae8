//! What the background thread does to sealed files: writes their indexes, copies what still waits
//! out of mostly dead ones, merges segments.
//!
//! Records are moved without being read: their checksum is carried over, so a damaged record is
//! still damaged, and refused, at its new place.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use crate::LaneId;
use crate::background::Context;
use crate::files::Home;
use crate::live::LiveSet;
use crate::record::{self, BLOCK, Record, u32_at};
use crate::segment::{self, IndexEntry, PER_BLOCK};
use crate::vfs::{self, File, Open};

/// A sealed file whose messages have become runs.
#[derive(Clone)]
pub(crate) struct Seal {
    /// Slot in the file table.
    pub(crate) slot: u32,
    pub(crate) id: u64,
    pub(crate) home: Home,
    pub(crate) file: Arc<dyn File>,
    pub(crate) used: u64,
    /// What waits, lane after lane.
    pub(crate) entries: Arc<Vec<IndexEntry>>,
    /// Copy the records into this new segment; `None`: the file itself becomes one.
    pub(crate) spill: Option<u64>,
}

/// What a sealed file has become.
pub(crate) struct Sealed {
    pub(crate) slot: u32,
    pub(crate) id: u64,
    pub(crate) home: Home,
    pub(crate) file: Arc<dyn File>,
    pub(crate) used: u64,
}

/// Segments whose waiting messages move to a new one.
#[derive(Clone)]
pub(crate) struct Merge {
    pub(crate) home: Home,
    /// Id of the new segment.
    pub(crate) to: u64,
    pub(crate) sources: Vec<Source>,
}

/// A segment to be merged.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) slot: u32,
    pub(crate) id: u64,
    pub(crate) file: Arc<dyn File>,
    pub(crate) runs: Vec<SourceRun>,
}

/// A lane's messages in a segment to be merged.
#[derive(Clone)]
pub(crate) struct SourceRun {
    pub(crate) lane: LaneId,
    pub(crate) first: u64,
    pub(crate) index_at: u32,
    pub(crate) count: u32,
    pub(crate) live: LiveSet,
}

/// The new segment.
pub(crate) struct Merged {
    pub(crate) to: u64,
    pub(crate) home: Home,
    pub(crate) file: Arc<dyn File>,
    pub(crate) used: u64,
    pub(crate) entries: u32,
    pub(crate) slots: Vec<u32>,
    pub(crate) runs: Vec<MovedRun>,
}

/// Where a run's index is now.
pub(crate) struct MovedRun {
    pub(crate) lane: LaneId,
    pub(crate) from: u32,
    pub(crate) first: u64,
    pub(crate) index_at: u32,
    pub(crate) count: u32,
}

impl Context {
    /// Makes a segment of a sealed file. Durable on return, except below `tmp/`.
    pub(crate) fn seal(&self, job: &Seal) -> io::Result<Sealed> {
        let durable = job.home != Home::Tmp;
        let sealed = match job.spill {
            None => {
                self.write_index(job.home, job.id, &job.entries, durable)?;
                Sealed {
                    slot: job.slot,
                    id: job.id,
                    home: job.home,
                    file: job.file.clone(),
                    used: job.used,
                }
            }
            Some(to) => {
                let mut writer = SegmentWriter::create(self, Home::Seg, to)?;
                let mut copier = Copier::new(job.id, to);
                for entry in job.entries.iter() {
                    copier.copy(&*job.file, *entry, &mut writer)?;
                }
                let (file, used, _) = writer.finish(self, durable)?;
                Sealed { slot: job.slot, id: to, home: Home::Seg, file, used }
            }
        };
        if durable {
            self.vfs.sync_dir(&self.layout.folder(Home::Seg))?;
        }
        Ok(sealed)
    }

    fn write_index(
        &self,
        home: Home,
        id: u64,
        entries: &[IndexEntry],
        durable: bool,
    ) -> io::Result<()> {
        let file = self.vfs.open(&self.layout.index(home, id), Open::Create)?;
        let mut out = Vec::new();
        let mut at = 0;
        for (number, block) in entries.chunks(PER_BLOCK as usize).enumerate() {
            segment::encode_block(id, number as u32, block, &mut out);
            if out.len() >= 64 * BLOCK {
                vfs::write_all_at(&*file, &[&out], at)?;
                at += out.len() as u64;
                out.clear();
            }
        }
        vfs::write_all_at(&*file, &[&out], at)?;
        if durable { file.sync() } else { Ok(()) }
    }

    /// Copies what waits in some segments to a new one. A damaged index or record is `InvalidData`:
    /// it stays where it is, so that reading it names the file that a copy of the data has.
    pub(crate) fn merge(&self, job: &Merge) -> io::Result<Merged> {
        let durable = job.home != Home::Tmp;
        let mut writer = SegmentWriter::create(self, job.home, job.to)?;
        let mut runs = Vec::new();
        for source in &job.sources {
            let index = self.vfs.open(&self.layout.index(job.home, source.id), Open::Read)?;
            let mut copier = Copier::new(source.id, job.to);
            for run in &source.runs {
                let index_at = writer.entries.len() as u32;
                each_entry(&*index, source.id, run, |entry| {
                    copier.check(&*source.file, entry)?;
                    copier.copy(&*source.file, entry, &mut writer)
                })?;
                runs.push(MovedRun {
                    lane: run.lane,
                    from: source.slot,
                    first: run.first,
                    index_at,
                    count: writer.entries.len() as u32 - index_at,
                });
            }
        }
        let (file, used, entries) = writer.finish(self, durable)?;
        if durable {
            self.vfs.sync_dir(&self.layout.folder(Home::Seg))?;
        }
        let slots = job.sources.iter().map(|s| s.slot).collect();
        Ok(Merged { to: job.to, home: job.home, file, used, entries, slots, runs })
    }
}

/// Walks the waiting entries of a run.
fn each_entry(
    index: &dyn File,
    id: u64,
    run: &SourceRun,
    mut each: impl FnMut(IndexEntry) -> io::Result<()>,
) -> io::Result<()> {
    let damaged = || io::Error::from(io::ErrorKind::InvalidData);
    let mut block = vec![0; BLOCK];
    let mut loaded = None;
    for ordinal in run.index_at..run.index_at + run.count {
        let (number, position) = segment::locate(ordinal);
        if loaded != Some(number) {
            vfs::read_exact_at(index, &mut block, u64::from(number) * BLOCK as u64)?;
            if !segment::check_block(&block, id, number) {
                return Err(damaged());
            }
            loaded = Some(number);
        }
        let entry = segment::entry(&block, position).ok_or_else(damaged)?;
        if run.live.contains(entry.rel) {
            each(entry)?;
        }
    }
    Ok(())
}

/// Writes a new segment front to back.
struct SegmentWriter {
    home: Home,
    id: u64,
    file: Arc<dyn File>,
    buf: Vec<u8>,
    /// Offset of the buffer in the file.
    at: u64,
    entries: Vec<IndexEntry>,
}

/// Bytes gathered before a write.
const WRITE: usize = 1 << 20;

impl SegmentWriter {
    fn create(context: &Context, home: Home, id: u64) -> io::Result<SegmentWriter> {
        let file = context.vfs.open(&context.layout.data(home, id), Open::Create)?;
        let buf = segment::header(id).to_vec();
        Ok(SegmentWriter { home, id, file, buf, at: 0, entries: Vec::new() })
    }

    /// Adds a record; its offset.
    fn push(&mut self, record: &[u8]) -> io::Result<u32> {
        if self.buf.len() + record.len() > WRITE && !self.buf.is_empty() {
            vfs::write_all_at(&*self.file, &[&self.buf], self.at)?;
            self.at += self.buf.len() as u64;
            self.buf.clear();
        }
        let off = self.at + self.buf.len() as u64;
        self.buf.extend_from_slice(record);
        self.buf.resize(record::padded(self.buf.len()), 0);
        u32::try_from(off).map_err(|_| io::ErrorKind::FileTooLarge.into())
    }

    fn finish(self, context: &Context, durable: bool) -> io::Result<(Arc<dyn File>, u64, u32)> {
        vfs::write_all_at(&*self.file, &[&self.buf], self.at)?;
        if durable {
            self.file.sync()?;
        }
        context.write_index(self.home, self.id, &self.entries, durable)?;
        let used = self.at + self.buf.len() as u64;
        Ok((self.file, used, self.entries.len() as u32))
    }
}

/// Reads records of one file, in the order of an index, and moves them.
struct Copier {
    from: u64,
    to: u64,
    buf: Vec<u8>,
    /// Bytes of the buffer that hold something.
    filled: usize,
    /// Offset of the buffer in the file.
    at: u64,
    record: Vec<u8>,
    /// Records with several targets are copied once.
    shared: HashMap<u32, u32>,
}

/// Bytes read at a time where records follow each other, and where they do not.
const READ: usize = 256 << 10;
const READ_ALONE: usize = 4 << 10;

impl Copier {
    fn new(from: u64, to: u64) -> Copier {
        let (buf, record) = (Vec::new(), Vec::new());
        Copier { from, to, buf, filled: 0, at: 0, record, shared: HashMap::new() }
    }

    fn copy(
        &mut self,
        file: &dyn File,
        entry: IndexEntry,
        out: &mut SegmentWriter,
    ) -> io::Result<()> {
        let known = self.shared.get(&entry.off).copied();
        let off = match known {
            Some(off) => off,
            None => {
                self.load(file, u64::from(entry.off), entry.len as usize)?;
                record::resign(&mut self.record, self.from, self.to);
                let off = out.push(&self.record)?;
                let targets = u32_at(&self.record, 8).unwrap_or(0) >> 16;
                if targets > 1 {
                    self.shared.insert(entry.off, off);
                }
                off
            }
        };
        out.entries.push(IndexEntry { off, ..entry });
        Ok(())
    }

    /// Refuses a record that is damaged.
    fn check(&mut self, file: &dyn File, entry: IndexEntry) -> io::Result<()> {
        self.load(file, u64::from(entry.off), entry.len as usize)?;
        let good = Record::checked(&self.record, self.from).is_some();
        if good { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    /// Has a record in `self.record`.
    fn load(&mut self, file: &dyn File, off: u64, len: usize) -> io::Result<()> {
        let end = self.at + self.filled as u64;
        if off < self.at || off + len as u64 > end {
            let near = off >= self.at && off <= end + READ as u64;
            let want = len.max(if near { READ } else { READ_ALONE });
            if self.buf.len() < want {
                self.buf = vec![0; want];
            }
            let mut filled = 0;
            while filled < want {
                let n = file.read_at(&mut self.buf[filled..want], off + filled as u64)?;
                if n == 0 {
                    break;
                }
                filled += n;
            }
            if filled < len {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.filled = filled;
            self.at = off;
        }
        let start = (off - self.at) as usize;
        self.record.clear();
        self.record.extend_from_slice(&self.buf[start..start + len]);
        Ok(())
    }
}
