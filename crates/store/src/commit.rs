//! Group commit: frames become batches, batches go to the WAL thread one at a time, completions
//! come back.

use std::sync::Arc;
use std::time::Instant;

use crate::background::Job;
use crate::files::{DataFile, Home, State};
use crate::record::{ACK_RANGE, FrameHeader, Kind, signature};
use crate::retire::RETRY;
use crate::vfs::File;
use crate::wal::{Batch, FileWrite, WalDone, WalJob};
use crate::workers::Event;
use crate::{Pos, Progress, Store};

/// Most bytes of one batch: what waits behind it waits for one sync of this size.
const BATCH_BYTES_MAX: usize = 16 << 20;
/// Acks alone are written at once when there are this many bytes of them.
const LONE_ACK_BYTES: usize = 64 << 10;

/// A complete frame that no batch has taken yet.
struct ClosedFrame {
    chunk: u32,
    start: usize,
    len: usize,
}

/// Where the P-log stands.
pub(crate) struct WalFront {
    /// Slot of the file that is appended to.
    pub(crate) file: u32,
    /// Slot of the file that comes next, once it has been asked for.
    pub(crate) next_file: Option<u32>,
    /// Mixed into the checksum of the current file's records.
    pub(crate) signature: u32,
    /// Slot of the open chunk.
    pub(crate) chunk: Option<u32>,
    /// How far the open chunk may be filled.
    pub(crate) limit: usize,
    /// Start of the open frame in the open chunk.
    pub(crate) frame: Option<usize>,
    /// Records in the open frame.
    records: u32,
    /// Number of the open frame, or of the next one.
    pub(crate) next: Pos,
    /// Last frame known durable.
    pub(crate) synced: Pos,
    /// Last frame that had records.
    last_real: Pos,
    /// The `synced` of the last frame made.
    covered: Pos,
    closed: Vec<ClosedFrame>,
    /// Chunks of the batch in flight.
    flying: Vec<u32>,
    in_flight: bool,
    /// A batch that found the disk full.
    retry: Option<Batch>,
    /// It is time to try it again.
    pub(crate) retry_now: bool,
    unsynced: usize,
    pub(crate) fsyncs: u64,
    pub(crate) written: u64,
}

impl WalFront {
    /// Starts with an empty file after frame `last`.
    pub(crate) fn new(file: u32, id: u64, last: Pos) -> WalFront {
        WalFront {
            file,
            next_file: None,
            signature: signature(id),
            chunk: None,
            limit: 0,
            frame: None,
            records: 0,
            next: last + 1,
            synced: last,
            last_real: last,
            covered: last,
            closed: Vec::new(),
            flying: Vec::new(),
            in_flight: false,
            retry: None,
            retry_now: false,
            unsynced: 0,
            fsyncs: 0,
            written: 0,
        }
    }

    /// Counts a record of the open frame; the frame's number.
    pub(crate) fn recorded(&mut self) -> Pos {
        self.records += 1;
        self.next
    }

    /// The header of the open frame, which is complete now.
    pub(crate) fn header(&mut self, file: u64, bytes: u32) -> FrameHeader {
        let seq = self.next;
        self.next += 1;
        let records = std::mem::take(&mut self.records);
        if records > 0 {
            self.last_real = seq;
        }
        self.covered = self.synced;
        FrameHeader { file, seq, synced: self.synced, records, bytes }
    }

    pub(crate) fn closed(&mut self, chunk: u32, start: usize, len: usize) {
        self.unsynced += len;
        self.closed.push(ClosedFrame { chunk, start, len });
    }

    /// Bytes of complete frames that are not synced.
    pub(crate) fn unsynced(&self) -> usize {
        self.unsynced
    }

    /// Whether a batch waits for room on the disk.
    pub(crate) fn is_stuck(&self) -> bool {
        self.retry.is_some()
    }

    /// Nothing will be appended any more: the last frame needs no other to vouch for it.
    pub(crate) fn end(&mut self) {
        self.last_real = self.covered;
    }

    /// Whether everything appended is durable.
    pub(crate) fn is_quiet(&self) -> bool {
        self.frame.is_none() && self.closed.is_empty() && !self.in_flight && self.retry.is_none()
    }
}

impl Store {
    /// Ends a turn: hands what is pending to the WAL thread when that is idle. What arrives while
    /// it is busy is the next batch. Acks with nothing else to sync may wait a little.
    pub fn submit(&mut self) {
        if !self.wal.in_flight {
            self.dispatch();
        }
    }

    /// The last durable group commit.
    pub fn synced(&self) -> Pos {
        self.wal.synced
    }

    /// Takes completions of both threads and hands over the next batch. Call it after `notify`.
    pub fn poll(&mut self) -> Progress {
        let before = self.wal.synced;
        let mut idle = self.workers.is_inline();
        self.retry_stalled();
        loop {
            let mut worked = false;
            while let Some(event) = self.workers.next() {
                match event {
                    Event::Wal(WalDone::Idle) => idle = true,
                    Event::Wal(done) => {
                        worked = true;
                        self.wal_done(done);
                    }
                    Event::Background(done) => {
                        worked = true;
                        self.background_done(done);
                    }
                }
            }
            if self.failed {
                break;
            }
            self.advance();
            if !self.wal.in_flight {
                self.dispatch();
            }
            if !self.workers.is_inline() {
                break;
            }
            // What was handed over inline is done already.
            idle &= !worked;
            if !self.workers.has_events() {
                break;
            }
            idle = false;
        }
        if idle && !self.failed {
            self.merge.look = true;
            self.chunks.relax();
            self.close_idle_log();
            if self.full && !self.workers.is_inline() {
                self.workers.wal(WalJob::Linger(RETRY));
            }
        }
        Progress {
            synced_advanced: self.wal.synced > before,
            checkpoint_due: self.checkpoint_due(idle),
        }
    }

    /// Hands the pending batch over; the WAL thread must be idle.
    pub(crate) fn dispatch(&mut self) {
        if self.failed {
            return;
        }
        if let Some(batch) = self.wal.retry.take_if(|_| self.wal.retry_now) {
            self.wal.retry_now = false;
            self.wal.in_flight = true;
            self.workers.wal(WalJob::Write(batch));
        }
        if self.wal.in_flight || self.wal.is_stuck() {
            return;
        }
        if !self.acks.is_empty() {
            if self.acks_may_wait() {
                return;
            }
            self.log_acks();
        }
        self.close_frame();
        if let Some(batch) = self.next_batch() {
            self.wal.in_flight = true;
            self.workers.wal(WalJob::Write(batch));
        }
    }

    /// Whether there is nothing to sync but a few young acks.
    fn acks_may_wait(&mut self) -> bool {
        let alone = self.wal.frame.is_none() && self.wal.closed.is_empty();
        let inline = self.workers.is_inline();
        if !alone || inline || self.acks.len() * ACK_RANGE >= LONE_ACK_BYTES {
            return false;
        }
        let linger = self.options.ack_linger;
        let due = match self.acks.since {
            Some(since) => since.elapsed() >= linger,
            None => {
                self.acks.since = Some(Instant::now());
                self.workers.wal(WalJob::Linger(linger));
                linger.is_zero()
            }
        };
        !due
    }

    /// Moves the pending acks into the open frame.
    pub(crate) fn log_acks(&mut self) {
        let ranges = self.acks.take();
        // Records are bounded, so that a frame never outgrows its chunk for acks alone.
        for group in ranges.chunks(2048) {
            let mut bytes = Vec::with_capacity(group.len() * ACK_RANGE);
            for r in group {
                bytes.extend_from_slice(&r.lane.0.to_le_bytes());
                bytes.extend_from_slice(&r.first.to_le_bytes());
                bytes.extend_from_slice(&r.last.to_le_bytes());
            }
            self.log_record(Kind::Acks, &bytes);
        }
        self.acks.give_back(ranges);
    }

    /// Takes the closed frames whose files exist, up to the batch limit.
    fn next_batch(&mut self) -> Option<Batch> {
        let mut batch = Batch { writes: Vec::new(), last: 0, bytes: 0 };
        let mut taken = 0;
        let mut run: Option<(u32, usize, usize)> = None;
        for frame in &self.wal.closed {
            let meta = &self.chunks.slab[frame.chunk as usize];
            if self.files[meta.file as usize].log.is_none() || batch.bytes > BATCH_BYTES_MAX {
                break;
            }
            taken += 1;
            batch.bytes += frame.len;
            match &mut run {
                Some((chunk, _, len)) if *chunk == frame.chunk => *len += frame.len,
                _ => {
                    self.push_run(&mut batch, run);
                    run = Some((frame.chunk, frame.start, frame.len));
                }
            }
        }
        self.push_run(&mut batch, run);
        if let (Some(write), Some(frame)) =
            (batch.writes.last_mut(), self.wal.closed[..taken].last())
        {
            let file = self.chunks.slab[frame.chunk as usize].file;
            let file = &mut self.files[file as usize];
            let end = write.at + write.slices.iter().map(|s| s.len() as u64).sum::<u64>();
            write.zeros = file.zeros_after(end, batch.bytes, self.options.wal_file_bytes);
        }
        self.wal.flying.clear();
        for frame in self.wal.closed.drain(..taken) {
            if self.wal.flying.last() != Some(&frame.chunk) {
                self.wal.flying.push(frame.chunk);
            }
        }
        batch.last = self.wal.next - 1 - self.wal.closed.len() as u64;
        (taken > 0).then_some(batch)
    }

    fn push_run(&self, batch: &mut Batch, run: Option<(u32, usize, usize)>) {
        let Some((slot, start, len)) = run else { return };
        let meta = &self.chunks.slab[slot as usize];
        let chunk = meta.buf.as_ref().expect("an unsynced chunk is in memory");
        let slice = chunk.slice(start, len);
        let file = &self.files[meta.file as usize];
        match batch.writes.last_mut() {
            Some(write) if write.id == file.id => write.slices.push(slice),
            _ => batch.writes.push(FileWrite {
                id: file.id,
                file: file.log.clone().expect("the caller checked the handle"),
                at: u64::from(meta.base) + start as u64,
                slices: vec![slice],
                zeros: 0,
            }),
        }
    }

    fn wal_done(&mut self, done: WalDone) {
        match done {
            WalDone::Synced(batch) => {
                self.wal.in_flight = false;
                self.wal.synced = batch.last;
                self.wal.unsynced -= batch.bytes;
                self.wal.fsyncs += 1;
                self.wal.written += batch.bytes as u64;
                drop(batch);
                for slot in std::mem::take(&mut self.wal.flying) {
                    self.release_if_dead(slot);
                }
            }
            WalDone::Full(batch) => {
                self.wal.in_flight = false;
                self.disk_is_full();
                self.wal.retry = Some(batch);
            }
            WalDone::Fatal { id, what, error } => {
                let path = self.layout.data(Home::Wal, id);
                self.fail(format!("{what} of {} failed: {error}", path.display()));
            }
            WalDone::Idle => {}
        }
    }

    /// Writes an empty frame when the last frame is not known durable by any frame on disk: then
    /// damage to it could pass for a write that a crash cut short.
    fn close_idle_log(&mut self) {
        if self.wal.is_quiet() && self.wal.last_real > self.wal.covered {
            self.reserve_frame();
            self.dispatch();
        }
    }

    /// Asks for the file after the current one.
    pub(crate) fn prepare_next_file(&mut self) -> u32 {
        if let Some(slot) = self.wal.next_file {
            return slot;
        }
        let id = self.new_file_id();
        let slot = self.files.insert(DataFile::new(id, Home::Wal)) as u32;
        self.wal.next_file = Some(slot);
        let spare = self.take_spare();
        self.workers.background(Job::Prepare { id, bytes: self.options.wal_file_bytes, spare });
        slot
    }

    /// Goes on in the next file. When it is not ready yet its frames wait in memory.
    pub(crate) fn roll(&mut self) {
        let next = self.prepare_next_file();
        self.wal.next_file = None;
        let old = &mut self.files[self.wal.file as usize];
        old.state = State::Full;
        old.last_frame = self.wal.next - 1;
        self.retired.logs.push_back(self.wal.file);
        let file = &mut self.files[next as usize];
        file.first_frame = self.wal.next;
        self.wal.signature = signature(file.id);
        self.wal.file = next;
    }

    pub(crate) fn prepared(&mut self, id: u64, file: Arc<dyn File>, written: u64) {
        if let Some((_, f)) = self.files.iter_mut().find(|(_, f)| f.id == id) {
            f.log = Some(file);
            f.written = written;
        }
    }
}
