//! Checkpoints and the clean stop: the state of all lanes goes to disk, log files come free.

use std::sync::Arc;
use std::time::Duration;

use crate::background::Job;
use crate::checkpoint::{FileRow, Meta, Writer};
use crate::files::{Home, State};
use crate::lane::Log;
use crate::{CloseError, Health, LaneId, Pos, Store};

/// WAL files kept for reuse.
const SPARES_MAX: usize = 8;
/// Sealed log files that make a checkpoint due at once; fewer wait for an idle moment.
const DUE: usize = 2;

/// Longest wait for the threads before looking again.
const WAIT: Duration = Duration::from_millis(100);

/// How often a close looks again on a full disk: a little longer than jobs wait for a new try.
const FULL_TRIES: u32 = 25;

/// A checkpoint on its way.
struct Pending {
    /// What it contains must be durable first.
    wait: Pos,
    bytes: Arc<Vec<u8>>,
    effects: Effects,
}

/// What may be done once a checkpoint counts.
#[derive(Default)]
struct Effects {
    /// Ids of WAL files to reuse.
    spent: Vec<u64>,
    /// Slots of adopted WAL files.
    adopt: Vec<u32>,
    /// Slots of dead segments.
    dead: Vec<u32>,
}

/// Where checkpoints stand.
#[derive(Default)]
pub(crate) struct Checkpoints {
    next: Option<Pending>,
    installing: Option<Effects>,
    pub(crate) written: u64,
    /// Size of the last one.
    bytes: u64,
}

impl Store {
    /// Records the caller's whole topology, and everything the store knows, in a checkpoint.
    pub fn checkpoint(&mut self, topology: Vec<Vec<u8>>) {
        self.snapshot(&topology, false);
        self.submit();
    }

    fn snapshot(&mut self, topology: &[Vec<u8>], clean: bool) {
        self.close_frame();
        let replay = self.first_open_log();
        let meta = Meta {
            clean,
            replay_file: replay.map_or(self.next_file + 1, |(id, _)| id),
            replay_frame: replay.map_or(self.wal.next, |(_, frame)| frame),
            frame: self.wal.next,
            next_file: self.next_file,
            generation: self.lanes.next_generation,
            reserved: self.lanes.reserved,
        };
        let mut writer = Writer::new(&meta);
        let mut effects = Effects { spent: self.retired.spent.clone(), ..Default::default() };
        for (slot, f) in &self.files {
            match f.state {
                State::Sealed if f.home != Home::Tmp => {
                    let (used, live_bytes, entries) = (f.used, f.live_bytes, f.entries);
                    writer.file(&FileRow { id: f.id, used, live_bytes, entries });
                    if f.home == Home::Wal {
                        effects.adopt.push(slot as u32);
                    }
                }
                State::Dead => effects.dead.push(slot as u32),
                _ => {}
            }
        }
        for lane in self.lanes.iter().filter(|l| l.durable) {
            let listed = |r: &&crate::lane::Run| self.files[r.file as usize].state == State::Sealed;
            let runs = &lane.parts[Log::P as usize].runs;
            writer.lane(lane.id, lane.next_seq, lane.mark, runs.iter().filter(listed).count());
            for run in runs.iter().filter(listed) {
                writer.run(self.files[run.file as usize].id, run);
            }
        }
        topology.iter().for_each(|record| writer.topology(record));
        let bytes = Arc::new(writer.finish());
        self.checkpoints.next = Some(Pending { wait: self.wal.next - 1, bytes, effects });
    }

    /// Id and first frame of the oldest WAL file that is not a segment yet.
    fn first_open_log(&self) -> Option<(u64, Pos)> {
        self.files
            .iter()
            .filter(|(_, f)| {
                f.home == Home::Wal
                    && f.first_frame > 0
                    && matches!(f.state, State::Open | State::Full | State::Sealing)
            })
            .map(|(_, f)| (f.id, f.first_frame))
            .min()
    }

    /// Hands a checkpoint over once everything in it is durable.
    pub(crate) fn install_if_due(&mut self) {
        if self.checkpoints.installing.is_some() {
            return;
        }
        let synced = self.wal.synced;
        let Some(pending) = self.checkpoints.next.take_if(|p| p.wait <= synced) else { return };
        let adopt = pending.effects.adopt.iter().map(|&slot| {
            let f = &self.files[slot as usize];
            (f.id, f.used)
        });
        let job = Job::Checkpoint { bytes: pending.bytes, adopt: adopt.collect() };
        self.checkpoints.installing = Some(pending.effects);
        self.workers.background(job);
    }

    /// A checkpoint counts: what it no longer names is free.
    pub(crate) fn installed(&mut self, bytes: u64) {
        self.checkpoints.written += 1;
        self.checkpoints.bytes = bytes;
        let Some(effects) = self.checkpoints.installing.take() else { return };
        for slot in effects.adopt {
            let file = &mut self.files[slot as usize];
            file.home = Home::Seg;
            self.retired.adopted -= usize::from(file.state == State::Sealed);
        }
        self.retired.spent.retain(|id| !effects.spent.contains(id));
        self.retired.spares.extend(effects.spent);
        self.retired.dead.retain(|slot| !effects.dead.contains(slot));
        let mut segments = Vec::new();
        for slot in effects.dead {
            // A later snapshot must not do the same again.
            if let Some(next) = &mut self.checkpoints.next {
                next.effects.dead.retain(|&s| s != slot);
            }
            let file = self.files.remove(slot as usize);
            segments.push(file.id);
            if file.home == Home::Wal {
                self.retired.spares.push(file.id);
            }
        }
        self.trim_spares();
        if let Some(next) = &mut self.checkpoints.next {
            let files = &self.files;
            next.effects.adopt.retain(|&slot| files[slot as usize].home == Home::Wal);
            let spares = &self.retired.spares;
            next.effects.spent.retain(|id| !spares.contains(id));
        }
        if !segments.is_empty() {
            self.workers.background(Job::Remove { home: Home::Seg, ids: segments });
        }
        self.merge.look = true;
    }

    /// Removes WAL files that are too many to keep.
    pub(crate) fn trim_spares(&mut self) {
        if self.retired.spares.len() > SPARES_MAX {
            let ids = self.retired.spares.split_off(SPARES_MAX);
            self.workers.background(Job::RemoveLogs { ids });
        }
    }

    /// Whether files wait for a checkpoint.
    pub(crate) fn checkpoint_due(&self, idle: bool) -> bool {
        let busy = self.checkpoints.next.is_some() || self.checkpoints.installing.is_some();
        if busy || self.failed {
            return false;
        }
        let logs = self.retired.adopted + self.retired.spent.len();
        let dead = self.retired.dead.len();
        // Many segments make a checkpoint long: then more have to come free with it.
        let many = dead >= DUE.max(self.files.len() / 16);
        logs >= DUE || many || (logs + dead > 0 && (idle || self.full))
    }

    /// Syncs everything and records a clean stop with the caller's topology. Transient messages
    /// are gone.
    pub fn close(mut self, topology: Vec<Vec<u8>>) -> Result<(), CloseError> {
        if !self.acks.is_empty() {
            self.log_acks();
        }
        self.wait_until(|s| s.wal.is_quiet())?;
        self.wal.end();
        self.close_chunk();
        let file = self.wal.file;
        self.files[file as usize].state = State::Full;
        self.files[file as usize].last_frame = self.wal.next - 1;
        self.retired.logs.push_back(file);
        self.wait_until(|s| !s.retired.sealing)?;
        while let Some(file) = self.retired.logs.pop_front() {
            self.seal(file, Log::P);
            self.wait_until(|s| !s.retired.sealing)?;
        }
        self.wait_until(|s| s.checkpoints.installing.is_none() && !s.merge.running)?;
        self.merge.running = true;
        self.snapshot(&topology, true);
        self.wait_until(|s| s.checkpoints.next.is_none() && s.checkpoints.installing.is_none())
    }

    /// Works until a condition holds; an error when the disk is full or the store has failed.
    fn wait_until(&mut self, done: impl Fn(&Store) -> bool) -> Result<(), CloseError> {
        let mut tries = 0;
        loop {
            self.poll();
            if self.failed {
                return Err(CloseError::Failed);
            }
            if done(self) {
                return Ok(());
            }
            tries += u32::from(self.full);
            if tries > FULL_TRIES {
                return Err(CloseError::Full { bytes: self.wal.unsynced() });
            }
            self.workers.wait(WAIT);
        }
    }

    /// `backlog_bytes` of [`Store::health`] alone, which is cheap enough to ask after every read.
    pub fn backlog_bytes(&self) -> usize {
        self.wal.unsynced() + self.retired.leaving
    }

    /// Memory of all lanes in bytes: what waiting messages cost beyond the cache. Walks them all.
    pub fn lane_bytes(&self) -> usize {
        self.lanes.iter().map(|lane| lane.bytes()).sum()
    }

    /// The same of one lane; 0 when there is no such lane.
    pub fn lane_memory(&self, lane: LaneId) -> usize {
        self.lanes.get(lane).map_or(0, |lane| lane.bytes())
    }

    /// How the store is doing.
    pub fn health(&self) -> Health {
        let mut disk = self.checkpoints.bytes + self.ballast_held;
        let mut segments = 0;
        for (_, f) in &self.files {
            let index = crate::segment::index_bytes(f.entries);
            disk += match (f.home, f.state) {
                (Home::Wal, _) => f.used.max(self.options.wal_file_bytes) + index,
                (Home::Tmp, _) if f.handle.is_none() => 0,
                _ => f.used + index,
            };
            segments += usize::from(matches!(f.state, State::Sealed | State::Dead));
        }
        let logs = self.retired.spares.len() + self.retired.spent.len();
        Health {
            backlog_bytes: self.backlog_bytes(),
            full: self.full,
            disk_bytes: disk + logs as u64 * self.options.wal_file_bytes,
            cache_bytes: self.chunks.resident + self.windows.bytes(),
            corrupt: self.corrupt,
            segments,
            fsyncs: self.wal.fsyncs,
            written_bytes: self.wal.written,
            checkpoints: self.checkpoints.written,
            lanes: self.lanes.len,
            failed: self.failed,
        }
    }
}
