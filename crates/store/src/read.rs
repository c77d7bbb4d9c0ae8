//! Messages are found again: in a chunk, or on disk behind a check of every record.

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;

use crate::background::Job;
use crate::chunk::Slice;
use crate::files::{Home, Index};
use crate::lane::{Log, Run};
use crate::record::{BLOCK, RECORD_HEADER, Record, TARGET};
use crate::segment::{self, IndexEntry};
use crate::vfs::{self, File, Open};
use crate::window::{BlockError, Span};
use crate::{LaneId, ReadError, Seq, Store};

/// Segments opened before all are closed again; each has two files.
const HANDLES_MAX: usize = 512;

/// Which of a run's hints a lookup uses.
#[derive(Clone, Copy)]
pub(crate) enum Hint {
    Read = 0,
    Settle = 1,
}

/// Where the record of a message is on disk.
#[derive(Clone, Copy)]
struct Place {
    /// Slot in the file table.
    file: u32,
    off: u32,
    len: u32,
    /// Bytes of the file from here on may not be written yet.
    end: u64,
}

/// Where a waiting message is.
enum Found {
    Memory(Slice),
    Disk(Place),
}

impl Store {
    /// The bytes of a waiting message. Of a recent one without a copy; of one that is only on disk
    /// by a read that blocks, which is then shared by its neighbours.
    pub fn read(&mut self, lane: LaneId, seq: Seq) -> Result<Slice, ReadError> {
        match self.find(lane, seq)? {
            Found::Memory(slice) => Ok(slice),
            Found::Disk(place) => self.read_cold(place, (lane, seq)),
        }
    }

    /// The same for a message whose neighbours will not be read soon: no more than its bytes are read from disk, and what
    /// other lanes have read ahead stays in memory.
    pub fn read_alone(&mut self, lane: LaneId, seq: Seq) -> Result<Slice, ReadError> {
        let place = match self.find(lane, seq)? {
            Found::Memory(slice) => return Ok(slice),
            Found::Disk(place) => place,
        };
        let span = self.span(place);
        let bytes = match self.windows.get(span) {
            Some(bytes) => bytes,
            None => {
                let handle = self.handle(place.file);
                let handle = handle.map_err(|source| self.refused(place.file, source))?;
                let mut bytes = vec![0; span.len];
                match vfs::read_exact_at(&*handle, &mut bytes, span.off) {
                    Ok(()) => Slice::from(bytes),
                    Err(e) if e.kind() == ErrorKind::UnexpectedEof => {
                        return Err(self.damaged(place.file, span.off));
                    }
                    Err(source) => return Err(self.refused(place.file, source)),
                }
            }
        };
        self.checked(place, bytes, (lane, seq))
    }

    /// Where a waiting message is.
    #[inline(always)]
    fn find(&mut self, lane: LaneId, seq: Seq) -> Result<Found, ReadError> {
        let l = self.lanes.get(lane).ok_or(ReadError::Gone)?;
        for log in Log::BOTH {
            let part = &l.parts[log as usize];
            if let Some(position) = part.position(seq) {
                let entry = part.tail[position];
                if !entry.is_live() {
                    return Err(ReadError::Gone);
                }
                let meta = &self.chunks.slab[entry.chunk as usize];
                let Some(chunk) = &meta.buf else {
                    let (file, end) = (meta.file, u64::from(meta.end));
                    return Ok(Found::Disk(Place { file, off: entry.off, len: entry.len, end }));
                };
                let at = (entry.off - meta.base) as usize;
                let count = chunk.bytes(at + 10, 2);
                let targets = usize::from(u16::from_le_bytes([count[0], count[1]]));
                let head = RECORD_HEADER + targets * TARGET;
                return Ok(Found::Memory(chunk.slice(at + head, entry.len as usize - head)));
            }
            if let Some(i) = part.run_position(seq)
                && part.runs[i].contains(seq)
            {
                let (entry, file) = self.entry_of(lane, log, i, seq, Hint::Read)?;
                let end = self.files[file as usize].used;
                return Ok(Found::Disk(Place { file, off: entry.off, len: entry.len, end }));
            }
        }
        Err(ReadError::Gone)
    }

    /// Reads a record from disk, checks it and that it is the message asked for.
    fn read_cold(&mut self, place: Place, message: (LaneId, Seq)) -> Result<Slice, ReadError> {
        let span = self.span(place);
        let bytes = match self.windows.get(span) {
            Some(bytes) => bytes,
            None => self.load_window(place.file, span)?,
        };
        self.checked(place, bytes, message)
    }

    fn span(&self, Place { file, off, len, end }: Place) -> Span {
        Span { file: self.files[file as usize].id, off: u64::from(off), len: len as usize, end }
    }

    fn checked(
        &mut self,
        Place { file, off, len, .. }: Place,
        bytes: Slice,
        message: (LaneId, Seq),
    ) -> Result<Slice, ReadError> {
        let good = Record::checked(&bytes, self.files[file as usize].id).filter(|record| {
            record.header.len == len && record.targets().any(|target| target == message)
        });
        match good {
            Some(record) => Ok(bytes.slice(record.payload_at()..len as usize)),
            None => Err(self.damaged(file, u64::from(off))),
        }
    }

    fn load_window(&mut self, file: u32, span: Span) -> Result<Slice, ReadError> {
        if let Some(bytes) = self.windows.fetched(span) {
            self.fetch_next(file, span);
            return Ok(bytes);
        }
        let plan = self.windows.plan(span);
        // Transient files are in the page cache, perhaps nowhere else.
        let stream = plan.stream && self.files[file as usize].home != Home::Tmp;
        let handle = if stream { self.stream_handle(file) } else { self.handle(file) };
        let handle = handle.map_err(|source| self.refused(file, source))?;
        match self.windows.load(&*handle, span, plan) {
            Ok(bytes) => {
                if stream {
                    self.fetch_next(file, span);
                }
                Ok(bytes)
            }
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => Err(self.damaged(file, span.off)),
            Err(source) => Err(self.refused(file, source)),
        }
    }

    /// Has the background thread read the next window, so that its reader need not wait.
    fn fetch_next(&mut self, file: u32, span: Span) {
        let Some(handle) = self.files[file as usize].stream.clone() else { return };
        if !self.workers.is_inline()
            && let Some(job) = self.windows.fetch_next(handle, span)
        {
            self.workers.background(Job::Fetch(job));
        }
    }

    /// The handle that reads a data file past the page cache.
    fn stream_handle(&mut self, file: u32) -> io::Result<Arc<dyn File>> {
        if let Some(stream) = &self.files[file as usize].stream {
            return Ok(stream.clone());
        }
        let stream = self.open_data(file, Open::Stream)?;
        self.files[file as usize].stream = Some(stream.clone());
        Ok(stream)
    }

    /// The handle of a data file, opened when need be.
    pub(crate) fn handle(&mut self, file: u32) -> io::Result<Arc<dyn File>> {
        if let Some(handle) = &self.files[file as usize].handle {
            return Ok(handle.clone());
        }
        let handle = self.open_data(file, Open::Read)?;
        self.files[file as usize].handle = Some(handle.clone());
        Ok(handle)
    }

    fn open_data(&mut self, file: u32, how: Open) -> io::Result<Arc<dyn File>> {
        self.close_some_handles();
        self.handles += 1;
        let f = &self.files[file as usize];
        match self.vfs.open(&self.layout.data(f.home, f.id), how) {
            // The background thread has just given it its name as a segment.
            Err(e) if f.home == Home::Wal && e.kind() == ErrorKind::NotFound => {
                self.vfs.open(&self.layout.data(Home::Seg, f.id), how)
            }
            other => other,
        }
    }

    /// Keeps the number of open segments within bounds: what is read is opened again.
    fn close_some_handles(&mut self) {
        if self.handles < HANDLES_MAX {
            return;
        }
        self.handles = 0;
        for (_, f) in self.files.iter_mut() {
            if f.home != Home::Tmp {
                f.handle = None;
                f.stream = None;
                f.index_handle = None;
            }
        }
    }

    /// The index entry of a message in run `i`, and the run's file.
    pub(crate) fn entry_of(
        &mut self,
        lane: LaneId,
        log: Log,
        i: usize,
        seq: Seq,
        hint: Hint,
    ) -> Result<(IndexEntry, u32), ReadError> {
        let lane = self.lanes.get(lane).ok_or(ReadError::Gone)?;
        let run = &lane.parts[log as usize].runs[i];
        let (file, index_at, rel) = (run.file, run.index_at, run.rel(seq));
        let id = lane.id;
        let ordinal = match run.is_dense() {
            true => rel,
            false => {
                let (count, start) = (run.count, run.hints[hint as usize]);
                let (run_file, last) = ((file, index_at), run.rel(run.last));
                self.search(run_file, (count, last), start, rel)?
            }
        };
        let entry = self.entry_at(file, index_at + ordinal)?;
        if entry.rel != rel {
            let (block, _) = segment::locate(index_at + ordinal);
            return Err(self.damaged_index(file, block));
        }
        if let Some(lane) = self.lanes.get_mut(id) {
            lane.parts[log as usize].runs[i].hints[hint as usize] = ordinal;
        }
        Ok((entry, file))
    }

    /// Position within a run of the first entry at or above `rel`, looking near `hint` first, then
    /// where it would be if entries were missing evenly up to `last`: each probe elsewhere may cost
    /// another block.
    fn search(
        &mut self,
        (file, index_at): (u32, u32),
        (count, last): (u32, u32),
        hint: u32,
        rel: u32,
    ) -> Result<u32, ReadError> {
        for guess in [hint, hint + 1] {
            if guess < count && self.entry_at(file, index_at + guess)?.rel == rel {
                return Ok(guess);
            }
        }
        let (mut low, mut high) = (0, count - 1);
        let mut probe = (u64::from(rel) * u64::from(high) / u64::from(last.max(1))) as u32;
        let mut step = segment::PER_BLOCK;
        while low < high {
            probe = if (low..high).contains(&probe) { probe } else { low + (high - low) / 2 };
            let next = if self.entry_at(file, index_at + probe)?.rel < rel {
                low = probe + 1;
                probe.saturating_add(step)
            } else {
                high = probe;
                probe.saturating_sub(step)
            };
            (probe, step) = (next, step.saturating_mul(2));
        }
        Ok(low)
    }

    fn entry_at(&mut self, file: u32, ordinal: u32) -> Result<IndexEntry, ReadError> {
        let f = &mut self.files[file as usize];
        if let Index::Memory(entries) = &f.index {
            return Ok(entries[ordinal as usize]);
        }
        let (number, position) = segment::locate(ordinal);
        let (home, id) = (f.home, f.id);
        let (vfs, layout) = (&self.vfs, &self.layout);
        let open = || f.index_handle(&**vfs, layout);
        match self.blocks.block(id, number, open) {
            Ok(block) => Ok(segment::entry(block, position).unwrap_or_default()),
            Err(BlockError::Corrupt) => Err(self.damaged_index(file, number)),
            Err(BlockError::Io(source)) => {
                Err(ReadError::Io { file: self.layout.index(home, id), source })
            }
        }
    }

    fn damaged(&mut self, file: u32, offset: u64) -> ReadError {
        self.report(self.path_of(file), offset)
    }

    fn damaged_index(&mut self, file: u32, block: u32) -> ReadError {
        let f = &self.files[file as usize];
        let path = self.layout.index(f.home, f.id);
        self.report(path, u64::from(block) * BLOCK as u64)
    }

    fn report(&mut self, file: PathBuf, offset: u64) -> ReadError {
        self.corrupt += 1;
        let error = ReadError::Corrupt { file, offset };
        (self.options.damaged)(error.to_string());
        error
    }

    fn refused(&self, file: u32, source: io::Error) -> ReadError {
        ReadError::Io { file: self.path_of(file), source }
    }

    /// Settles a message of a run; the caller noted the ack.
    pub(crate) fn settle_in_run(&mut self, lane: LaneId, log: Log, i: usize, seq: Seq) {
        // An index that cannot be read leaves the sizes to the run's average.
        let found = self.entry_of(lane, log, i, seq, Hint::Settle).ok().map(|(entry, _)| entry);
        let Some(lane) = self.lanes.get_mut(lane) else { return };
        let part = &mut lane.parts[log as usize];
        let run = &mut part.runs[i];
        let rel = run.rel(seq);
        if !run.live.remove(rel) {
            return;
        }
        let average = run.live_body / u64::from(run.live_count.max(1));
        let body = match found {
            _ if run.live_count == 1 => run.live_body,
            Some(entry) => u64::from(entry.body).min(run.live_body),
            None => average,
        };
        run.live_count -= 1;
        run.live_body -= body;
        lane.live -= 1;
        lane.live_bytes -= body;
        let file = run.file;
        part.drop_dead_run(i);
        self.settle_in_file(file, 1, found.map(|entry| u64::from(entry.len)));
    }

    /// Settles every run that lies wholly in a range; how many messages that was.
    pub(crate) fn settle_whole_runs(&mut self, lane: LaneId, first: Seq, last: Seq) -> u64 {
        let Some(l) = self.lanes.get_mut(lane) else { return 0 };
        let mut dropped: Vec<Run> = Vec::new();
        for part in &mut l.parts {
            let low = part.runs.partition_point(|r| r.first < first);
            let high = part.runs.partition_point(|r| r.last <= last);
            if low < high {
                dropped.extend(part.runs.drain(low..high));
            }
        }
        let mut settled = 0;
        for run in &dropped {
            settled += u64::from(run.live_count);
            l.live_bytes -= run.live_body;
        }
        l.live -= settled;
        dropped.iter().for_each(|run| self.drop_run_contents(run));
        settled
    }

    /// Takes a run that is gone out of its file's counts.
    pub(crate) fn drop_run_contents(&mut self, run: &Run) {
        self.settle_in_file(run.file, u64::from(run.live_count), None);
    }

    /// Counts settled messages of a sealed file; `bytes` of their records, when known.
    fn settle_in_file(&mut self, file: u32, messages: u64, bytes: Option<u64>) {
        let f = &mut self.files[file as usize];
        let share = || (f.live_bytes as u128 * u128::from(messages) / f.live.max(1) as u128) as u64;
        let bytes = bytes.unwrap_or_else(share);
        f.live -= messages;
        f.live_bytes = if f.live == 0 { 0 } else { f.live_bytes.saturating_sub(bytes) };
        if f.live == 0 {
            self.file_died(file);
        }
    }
}
