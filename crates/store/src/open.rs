//! A data directory becomes a store again.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use slab::Slab;

use crate::append::TransientLog;
use crate::background::{Context, Done, Job};
use crate::checkpoint::{Checkpoint, Meta};
use crate::commit::WalFront;
use crate::files::{Chunks, DataFile, Home, Layout, State};
use crate::lane::{Lane, Lanes, TailEntry};
use crate::merge::MergeFront;
use crate::node;
use crate::record::{BLOCK, Kind, Record};
use crate::recovery::{self, LogFile, Replayed};
use crate::restore;
use crate::retire::Retired;
use crate::settle::PendingAcks;
use crate::snapshot::Checkpoints;
use crate::vfs::{self, Lock, Open, Vfs};
use crate::window::{IndexBlocks, Windows};
use crate::workers::Workers;
use crate::{LaneId, OpenError, Options, Recovered, RecoveredLane, Store};

impl Store {
    /// Opens a data directory, making it when it does not exist. Takes an exclusive lock on
    /// `LOCK` in it. Every complete group commit is there again; what a crash cut short is not.
    pub fn open(
        vfs: Arc<dyn Vfs>,
        dir: &Path,
        options: Options,
    ) -> Result<(Store, Recovered), OpenError> {
        let layout = Layout::new(dir);
        vfs.create_dir_all(dir).map_err(|e| OpenError::io(dir, e))?;
        let path = dir.join("LOCK");
        let lock = match vfs.lock(&path).map_err(|e| OpenError::io(&path, e))? {
            Lock::Held(lock) => lock,
            Lock::Busy(pid) => return Err(OpenError::Locked { dir: dir.to_owned(), pid }),
        };
        for home in [Home::Wal, Home::Seg, Home::Tmp] {
            let folder = layout.folder(home);
            vfs.create_dir_all(&folder).map_err(|e| OpenError::io(&folder, e))?;
        }
        let mut options = options;
        fit(&mut options, &*vfs, dir)?;
        let context = Context { vfs: vfs.clone(), layout: layout.clone() };
        let workers =
            Workers::start(context.clone(), &options).map_err(|e| OpenError::io(dir, e))?;
        let mut store = Store {
            lanes: Lanes::default(),
            files: Slab::new(),
            chunks: Chunks::new(options.chunk_bytes, options.cache_bytes),
            windows: Windows::new(options.window_bytes),
            blocks: IndexBlocks::default(),
            wal: WalFront::new(0, 0, 0),
            tlog: TransientLog::default(),
            acks: PendingAcks::default(),
            retired: Retired::default(),
            merge: MergeFront::default(),
            checkpoints: Checkpoints::default(),
            full: false,
            ballast_held: 0,
            ballast_asked: false,
            workers,
            next_file: 0,
            handles: 0,
            corrupt: 0,
            failed: false,
            layout,
            vfs,
            options,
            _lock: lock,
        };
        let node_id = node::open(&*store.vfs, dir, store.options.inline)?;
        let recovered = Recovered { node_id, ..store.recover(&context)? };
        store.start_log(&context)?;
        Ok((store, recovered))
    }

    fn recover(&mut self, context: &Context) -> Result<Recovered, OpenError> {
        // Names that a failed process left may not be durable; what follows builds on them.
        let folders = [Home::Wal, Home::Seg].map(|home| self.layout.folder(home));
        for folder in folders.iter().chain([&self.layout.dir]) {
            self.vfs.sync_dir(folder).map_err(|e| OpenError::io(folder, e))?;
        }
        let found = restore::load(&*self.vfs, &self.layout.checkpoint())?;
        let found = found.unwrap_or_else(|| Checkpoint {
            meta: Meta { replay_frame: 1, frame: 1, ..Default::default() },
            ..Default::default()
        });
        let meta = found.meta;
        self.restore(&found, context)?;
        let mut recovered = Recovered { topology: found.topology, ..Default::default() };
        let logs = self.find_logs(meta.replay_file)?;
        self.next_file = self.next_file.max(logs.last().map_or(0, |l| l.id));
        let slots: Vec<u32> = logs
            .iter()
            .map(|log| {
                let mut file = DataFile::new(log.id, Home::Wal);
                file.handle = Some(log.file.clone());
                file.state = State::Full;
                let slot = self.files.insert(file) as u32;
                let chunk = self.chunks.cold(slot, log.len);
                self.files[slot as usize].chunks.push(chunk);
                slot
            })
            .collect();
        let folder = self.layout.folder(Home::Wal);
        let (next, synced) = (meta.replay_frame, meta.frame - 1);
        let replayed = recovery::replay(&logs, &folder, next, synced, |frame, record, at| {
            let i = logs.iter().position(|l| l.id == frame.file.id).unwrap_or(0);
            // The snapshot of lanes and topology already has what earlier frames say of them.
            let fresh = frame.header.seq >= meta.frame;
            self.apply(slots[i], record, at, fresh, &mut recovered);
            Ok(())
        })?;
        self.sweep()?;
        self.take_logs(&logs, &slots, &replayed)?;
        self.trim_spares();
        self.wal = WalFront::new(0, 0, replayed.last);
        self.lanes.rebuild();
        self.lanes.next_generation = self.lanes.next_generation.max(self.lanes.reserved).max(1);
        recovered.clean = meta.clean && replayed.bytes == 0;
        recovered.replayed_bytes = replayed.bytes;
        recovered.torn_bytes = replayed.torn;
        recovered.lanes = self
            .lanes
            .iter()
            .map(|l| RecoveredLane {
                lane: l.id,
                next_seq: l.next_seq,
                mark: if recovered.clean { l.mark } else { l.next_seq },
                live: l.live,
            })
            .collect();
        Ok(recovered)
    }

    /// The WAL files that may have to be replayed, oldest first. Older ones are spare.
    fn find_logs(&mut self, replay_file: u64) -> Result<Vec<LogFile>, OpenError> {
        let ids = self.ids_in(Home::Wal, ".wal")?;
        let old = ids.partition_point(|&id| id < replay_file);
        self.retired.spares.extend(&ids[..old]);
        ids[old..]
            .iter()
            .map(|&id| {
                let path = self.layout.data(Home::Wal, id);
                let io = |e| OpenError::io(&path, e);
                let file = self.vfs.open(&path, Open::Write).map_err(io)?;
                let len = file.size().map_err(io)?;
                Ok(LogFile { id, path: path.clone(), file, len })
            })
            .collect()
    }

    /// Files with frames wait to be sealed; the others can be written again.
    fn take_logs(
        &mut self,
        logs: &[LogFile],
        slots: &[u32],
        replayed: &Replayed,
    ) -> Result<(), OpenError> {
        for (log, &slot) in logs.iter().zip(slots) {
            match replayed.ends.iter().find(|e| e.id == log.id) {
                Some(end) => {
                    // What was read may be in the page cache only; from now on it is called synced.
                    let io = |e| OpenError::io(&log.path, e);
                    write_again(log, replayed).map_err(io)?;
                    log.file.set_len(end.end).map_err(io)?;
                    log.file.sync().map_err(io)?;
                    let file = &mut self.files[slot as usize];
                    file.used = end.end;
                    file.first_frame = end.first;
                    file.last_frame = end.last;
                    let chunk = file.chunks[0];
                    self.chunks.slab[chunk as usize].end = end.end as u32;
                    self.retired.logs.push_back(slot);
                }
                None => {
                    self.retired.spares.push(log.id);
                    let file = self.files.remove(slot as usize);
                    file.chunks.iter().for_each(|&chunk| self.chunks.remove(chunk));
                }
            }
        }
        Ok(())
    }

    /// `fresh`: the checkpoint's lanes and topology are older than this record.
    fn apply(
        &mut self,
        file: u32,
        record: &Record<'_>,
        at: u64,
        fresh: bool,
        recovered: &mut Recovered,
    ) {
        match record.header.kind {
            Kind::LaneCreate | Kind::LaneDelete | Kind::Topology if !fresh => {}
            Kind::Entry => self.apply_entry(file, record, at),
            Kind::Acks => {
                for (lane, first, last) in record.ack_ranges() {
                    if first == last {
                        self.settle_one(lane, first, false);
                    } else {
                        self.settle_range(lane, first, last);
                    }
                }
            }
            Kind::LaneCreate => {
                if let Some(id) = record.number().map(LaneId)
                    && self.lanes.get(id).is_none()
                {
                    self.lanes.insert(Lane::new(id, true));
                }
            }
            Kind::LaneDelete => {
                if let Some(id) = record.number() {
                    self.forget_lane(LaneId(id));
                }
            }
            Kind::Topology => recovered.topology.push(record.payload().to_vec()),
            Kind::Reserve => {
                self.lanes.reserved = self.lanes.reserved.max(record.number().unwrap_or(0));
            }
        }
    }

    fn apply_entry(&mut self, slot: u32, record: &Record<'_>, at: u64) {
        let file = &mut self.files[slot as usize];
        let chunk = file.chunks[0];
        let header = record.header;
        for (id, seq) in record.targets() {
            let Some(lane) = self.lanes.get_mut(id) else { continue };
            let part = &mut lane.parts[0];
            let known = part.tail.back().is_some_and(|e| e.seq >= seq)
                || part.runs.last().is_some_and(|r| r.last >= seq);
            if known {
                continue;
            }
            let (off, body) = (at as u32, header.body);
            part.tail.push_back(TailEntry { seq, off, len: header.len, body, chunk });
            if part.noted != file.id {
                part.noted = file.id;
                file.lanes.push(id);
            }
            lane.next_seq = lane.next_seq.max(seq + 1);
            lane.live += 1;
            lane.live_bytes += u64::from(body);
            let meta = &mut self.chunks.slab[chunk as usize];
            meta.live += 1;
            meta.live_bytes += u64::from(header.len);
        }
    }

    /// Begins a new file, never the rest of an old one: what a crash left behind the last frame
    /// could otherwise be taken for frames that follow.
    fn start_log(&mut self, context: &Context) -> Result<(), OpenError> {
        let id = self.new_file_id();
        let last = self.wal.synced;
        let bytes = self.options.wal_file_bytes;
        let spare = self.take_spare();
        let path = self.layout.data(Home::Wal, id);
        let mut file = DataFile::new(id, Home::Wal);
        file.first_frame = last + 1;
        let mut done = context.run(Job::Prepare { id, bytes, spare });
        if let Some(Done::Full(job)) = done {
            // A start needs room like any ack: that is what the ballast is for.
            let _ = self.vfs.remove(&self.layout.ballast());
            done = context.run(job);
            if let Some(Done::Full(_)) = done {
                // A file without its room grows while there is any; acks make more.
                done = context.run(Job::Prepare { id, bytes: LEAST_LOG_BYTES, spare: None });
            }
        }
        match done {
            Some(Done::Prepared { file: log, written, .. }) => {
                file.log = Some(log);
                file.written = written;
            }
            Some(Done::Fatal { error, .. }) => return Err(OpenError::io(path, error)),
            _ => return Err(OpenError::io(path, ErrorKind::StorageFull.into())),
        }
        let slot = self.files.insert(file) as u32;
        self.wal = WalFront::new(slot, id, last);
        // The first frame says that a clean stop is over, and that the disk takes writes.
        self.reserve_frame();
        self.dispatch();
        while !self.wal.is_quiet() {
            self.workers.wait(Duration::from_secs(1));
            self.poll();
            if self.failed || self.full {
                let kind = if self.full { ErrorKind::StorageFull } else { ErrorKind::Other };
                return Err(OpenError::io(path, kind.into()));
            }
        }
        match self.vfs.open(&self.layout.ballast(), Open::Read).and_then(|f| f.size()) {
            Ok(bytes) => self.ballast_held = bytes,
            Err(_) => {
                self.restore_ballast();
                self.full = !self.ballast_asked;
            }
        }
        Ok(())
    }
}

/// Writes frames that may be in the page cache only: after a failed sync the system calls their
/// pages clean, and syncing again would do nothing for them.
fn write_again(log: &LogFile, replayed: &Replayed) -> std::io::Result<()> {
    for frame in replayed.unproven.iter().filter(|frame| frame.file == log.id) {
        let mut bytes = vec![0; frame.len];
        vfs::read_exact_at(&*log.file, &mut bytes, frame.at)?;
        vfs::write_all_at(&*log.file, &[&bytes], frame.at)?;
    }
    Ok(())
}

/// What a log file takes at the start on a full disk.
const LEAST_LOG_BYTES: u64 = 64 << 10;

/// Makes log files small enough for a small disk: a sixteenth of it, at least 1 MiB.
fn fit(options: &mut Options, vfs: &dyn Vfs, dir: &Path) -> Result<(), OpenError> {
    let space = vfs.space(dir).map_err(|e| OpenError::io(dir, e))?;
    let share = (space.total / 16).max(1 << 20) / BLOCK as u64 * BLOCK as u64;
    options.wal_file_bytes = options.wal_file_bytes.min(share);
    let quarter = (options.wal_file_bytes / 4) as usize / BLOCK * BLOCK;
    options.chunk_bytes = options.chunk_bytes.min(quarter).max(BLOCK);
    Ok(())
}
