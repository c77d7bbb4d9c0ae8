//! Messages, lanes and topology records enter the logs.

use crate::commit::WalFront;
use crate::files::{Chunks, DataFile, Home};
use crate::lane::{Log, TailEntry};
use crate::record::{self, FRAME_HEADER, Kind, RECORD_HEADER, RecordHeader, TARGET};
use crate::{LaneId, Pos, Seq, Store};

/// Lane generations made safe with one record.
const RESERVE: u64 = 65_536;

/// Where the T-log stands.
#[derive(Default)]
pub(crate) struct TransientLog {
    /// Slots of the open file and chunk; the file exists only in this table until a chunk of it
    /// must leave memory.
    pub(crate) open: Option<(u32, u32)>,
}

impl Store {
    /// Makes a lane. A durable one is remembered once the current batch is synced.
    pub fn create_lane(&mut self, durable: bool) -> LaneId {
        if self.lanes.next_generation >= self.lanes.reserved {
            self.lanes.reserved = self.lanes.next_generation + RESERVE;
            let reserved = self.lanes.reserved;
            self.log_record(Kind::Reserve, &reserved.to_le_bytes());
        }
        let id = self.lanes.create(durable);
        if durable {
            self.log_record(Kind::LaneCreate, &id.0.to_le_bytes());
        }
        id
    }

    /// Logs a topology record, opaque to the store, in order with everything else.
    pub fn log(&mut self, record: &[u8]) -> Pos {
        self.log_record(Kind::Topology, record)
    }

    /// Stores one message in every lane of `targets`; its bytes are the concatenation of `parts`,
    /// copied once. Persistent messages of durable lanes go to the P-log, all others to the T-log.
    /// `body_len` is what counts for the lane's bytes. `seqs[i]` receives the message's sequence
    /// number in `targets[i]`; `Seq::MAX` when there is no such lane.
    ///
    /// Returns the group commit to wait for, 0 when nothing is persistent. Messages are below
    /// 2 GiB.
    pub fn append(
        &mut self,
        targets: &[LaneId],
        persistent: bool,
        body_len: u32,
        parts: &[&[u8]],
        seqs: &mut [Seq],
    ) -> Pos {
        assert_eq!(targets.len(), seqs.len(), "one seq for each target");
        let mut counts = [0; 2];
        let mut missing = false;
        for &lane in targets {
            match self.lanes.get(lane) {
                Some(l) => counts[log_of(persistent, l.durable) as usize] += 1,
                None => missing = true,
            }
        }
        match counts {
            [0, 0] => {
                seqs.fill(Seq::MAX);
                0
            }
            [_, 0] if !missing => self.append_to(Log::P, targets, body_len, parts, seqs),
            [0, _] if !missing => self.append_to(Log::T, targets, body_len, parts, seqs),
            _ => self.append_mixed(targets, persistent, body_len, parts, seqs),
        }
    }

    /// One record in each log that is concerned.
    #[cold]
    fn append_mixed(
        &mut self,
        targets: &[LaneId],
        persistent: bool,
        body_len: u32,
        parts: &[&[u8]],
        seqs: &mut [Seq],
    ) -> Pos {
        seqs.fill(Seq::MAX);
        let mut pos = 0;
        for log in Log::BOTH {
            let chosen: Vec<usize> = (0..targets.len())
                .filter(|&i| {
                    let lane = self.lanes.get(targets[i]);
                    lane.is_some_and(|l| log_of(persistent, l.durable) == log)
                })
                .collect();
            if chosen.is_empty() {
                continue;
            }
            let lanes: Vec<LaneId> = chosen.iter().map(|&i| targets[i]).collect();
            let mut given = vec![0; lanes.len()];
            pos = pos.max(self.append_to(log, &lanes, body_len, parts, &mut given));
            chosen.iter().zip(given).for_each(|(&i, seq)| seqs[i] = seq);
        }
        pos
    }

    /// Appends for lanes that exist and belong to `log`.
    fn append_to(
        &mut self,
        log: Log,
        targets: &[LaneId],
        body: u32,
        parts: &[&[u8]],
        seqs: &mut [Seq],
    ) -> Pos {
        let mut pos = 0;
        let groups = targets.chunks(record::TARGETS_MAX).zip(seqs.chunks_mut(record::TARGETS_MAX));
        for (targets, seqs) in groups {
            pos = self.append_record(log, targets, body, parts, seqs);
        }
        pos
    }

    fn append_record(
        &mut self,
        log: Log,
        targets: &[LaneId],
        body: u32,
        parts: &[&[u8]],
        seqs: &mut [Seq],
    ) -> Pos {
        let head = RECORD_HEADER + targets.len() * TARGET;
        let len = head + parts.iter().map(|p| p.len()).sum::<usize>();
        let room = record::padded(len);
        let slot = match log {
            Log::P => self.reserve_persistent(room),
            Log::T => self.reserve_transient(room),
        };
        let meta = &mut self.chunks.slab[slot as usize];
        let chunk = meta.buf.as_mut().expect("an open chunk is in memory");
        let off = meta.base + chunk.len() as u32;
        let space = chunk.space(room);
        let header = RecordHeader {
            len: u32::try_from(len).expect("messages are below 4 GiB"),
            kind: Kind::Entry,
            targets: targets.len() as u16,
            body,
        };
        record::put_header(space, &header);
        let file = &mut self.files[meta.file as usize];
        for (i, (&lane, seq)) in targets.iter().zip(seqs.iter_mut()).enumerate() {
            let lane = self.lanes.get_mut(lane).expect("append checked the lanes");
            *seq = lane.next_seq;
            lane.next_seq += 1;
            lane.live += 1;
            lane.live_bytes += u64::from(body);
            let part = &mut lane.parts[log as usize];
            part.tail.push_back(TailEntry { seq: *seq, off, len: header.len, body, chunk: slot });
            if part.noted != file.id {
                part.noted = file.id;
                file.lanes.push(lane.id);
            }
            record::put_target(space, i, lane.id, *seq);
        }
        let mut at = head;
        for part in parts {
            space[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        space[len..].fill(0);
        if log == Log::P {
            record::seal(&mut space[..len], self.wal.signature);
        }
        chunk.advance(room);
        meta.live += targets.len() as u32;
        meta.live_bytes += len as u64 * targets.len() as u64;
        match log {
            Log::P => self.wal.recorded(),
            Log::T => 0,
        }
    }

    /// Appends a record without targets to the P-log.
    pub(crate) fn log_record(&mut self, kind: Kind, payload: &[u8]) -> Pos {
        let len = RECORD_HEADER + payload.len();
        let room = record::padded(len);
        let slot = self.reserve_persistent(room);
        let meta = &mut self.chunks.slab[slot as usize];
        let chunk = meta.buf.as_mut().expect("an open chunk is in memory");
        let space = chunk.space(room);
        let len32 = u32::try_from(len).expect("records are below 4 GiB");
        record::put_header(space, &RecordHeader { len: len32, kind, targets: 0, body: 0 });
        space[RECORD_HEADER..len].copy_from_slice(payload);
        space[len..].fill(0);
        record::seal(&mut space[..len], self.wal.signature);
        chunk.advance(room);
        self.wal.recorded()
    }

    /// The slot of a chunk of the P-log with an open frame and room for a record.
    fn reserve_persistent(&mut self, room: usize) -> u32 {
        if let Some(slot) = self.wal.chunk {
            let meta = &mut self.chunks.slab[slot as usize];
            let chunk = meta.buf.as_mut().expect("an open chunk is in memory");
            let head = if self.wal.frame.is_some() { 0 } else { FRAME_HEADER };
            if record::blocks(chunk.len() + head + room) <= self.wal.limit {
                if head > 0 {
                    self.wal.frame = Some(chunk.len());
                    chunk.hide(FRAME_HEADER);
                }
                return slot;
            }
        }
        self.open_persistent(room)
    }

    /// Starts a chunk, and a file when the current one has no room, and a frame in it.
    #[cold]
    fn open_persistent(&mut self, room: usize) -> u32 {
        self.close_frame();
        self.close_chunk();
        let needed = record::blocks(FRAME_HEADER + room);
        let capacity = self.options.chunk_bytes.max(needed);
        let left =
            self.options.wal_file_bytes.saturating_sub(self.files[self.wal.file as usize].used);
        if left < needed as u64 && self.files[self.wal.file as usize].used > 0 {
            self.roll();
        }
        let used = self.files[self.wal.file as usize].used;
        let left = self.options.wal_file_bytes.saturating_sub(used) as usize;
        let slot = self.chunks.open(self.wal.file, used, capacity);
        self.wal.limit = if needed > left { capacity } else { capacity.min(left) };
        self.files[self.wal.file as usize].chunks.push(slot);
        if used + capacity as u64 > self.options.wal_file_bytes / 2 {
            self.prepare_next_file();
        }
        self.wal.chunk = Some(slot);
        self.wal.frame = Some(0);
        let chunk = self.chunks.slab[slot as usize].buf.as_mut().expect("it was just opened");
        chunk.hide(FRAME_HEADER);
        self.shed();
        slot
    }

    /// Opens a frame without a record.
    pub(crate) fn reserve_frame(&mut self) {
        self.reserve_persistent(0);
    }

    /// The slot of a chunk of the T-log with room for a record.
    fn reserve_transient(&mut self, room: usize) -> u32 {
        if let Some((_, slot)) = self.tlog.open {
            let chunk = self.chunks.slab[slot as usize].buf.as_ref();
            let chunk = chunk.expect("an open chunk is in memory");
            if chunk.capacity() - chunk.len() >= room {
                return slot;
            }
        }
        self.open_transient(room)
    }

    #[cold]
    fn open_transient(&mut self, room: usize) -> u32 {
        let capacity = self.options.chunk_bytes.max(record::blocks(room));
        let mut current = None;
        if let Some((file, slot)) = self.tlog.open.take() {
            if self.chunks.close(slot).live == 0 {
                self.chunks.release(slot);
            }
            if self.files[file as usize].used + capacity as u64 <= self.options.wal_file_bytes {
                current = Some(file);
            } else {
                self.retire_transient(file);
            }
        }
        let file = current.unwrap_or_else(|| {
            let id = self.new_file_id();
            self.files.insert(DataFile::new(id, Home::Tmp)) as u32
        });
        let used = self.files[file as usize].used;
        let slot = self.chunks.open(file, used, capacity);
        self.files[file as usize].used += capacity as u64;
        self.files[file as usize].chunks.push(slot);
        self.tlog.open = Some((file, slot));
        self.shed();
        slot
    }

    pub(crate) fn new_file_id(&mut self) -> u64 {
        self.next_file += 1;
        self.next_file
    }

    /// Closes the P-log's open chunk; its file continues behind it.
    pub(crate) fn close_chunk(&mut self) {
        let Some(slot) = self.wal.chunk.take() else { return };
        let meta = self.chunks.close(slot);
        self.files[self.wal.file as usize].used = u64::from(meta.end);
        if meta.live == 0 && meta.last_frame <= self.wal.synced {
            self.chunks.release(slot);
        }
    }

    /// Completes the open frame; it is handed over with the next batch.
    pub(crate) fn close_frame(&mut self) {
        let Some(slot) = self.wal.chunk else { return };
        let id = self.files[self.wal.file as usize].id;
        close_frame(&mut self.wal, &mut self.chunks, slot, id);
    }
}

fn close_frame(wal: &mut WalFront, chunks: &mut Chunks, slot: u32, id: u64) {
    let Some(start) = wal.frame.take() else { return };
    let meta = &mut chunks.slab[slot as usize];
    let chunk = meta.buf.as_mut().expect("an open chunk is in memory");
    let bytes = chunk.len() - start;
    let whole = record::blocks(chunk.len()) - chunk.len();
    chunk.space(whole).fill(0);
    chunk.advance(whole);
    let header = wal.header(id, bytes as u32);
    chunk.reveal(&header.encode());
    meta.last_frame = header.seq;
    wal.closed(slot, start, chunk.len() - start);
}

fn log_of(persistent: bool, durable: bool) -> Log {
    if persistent && durable { Log::P } else { Log::T }
}
