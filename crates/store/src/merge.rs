//! Segments that are mostly settled are merged, so that disk space follows what waits.

use std::time::{Duration, Instant};

use crate::Store;
use crate::background::Job;
use crate::compaction::{Merge, Merged, Source, SourceRun};
use crate::files::{DataFile, Home, Index, State};
use crate::lane::Log;

/// A mostly settled segment is merged after this time even if messages of it are still being settled.
const DRAIN_TIME: Duration = Duration::from_secs(30);

/// Which merge is under way.
#[derive(Default)]
pub(crate) struct MergeFront {
    /// One at a time.
    pub(crate) running: bool,
    /// A settle or seal may have made one worth while.
    pub(crate) look: bool,
}

impl Store {
    /// Starts a merge when segments hold mostly settled messages.
    pub(crate) fn merge_if_due(&mut self) {
        if self.merge.running || self.full || !std::mem::take(&mut self.merge.look) {
            return;
        }
        for home in [Home::Seg, Home::Tmp] {
            if let Some(job) = self.choose_merge(home) {
                for source in &job.sources {
                    self.files[source.slot as usize].merging = true;
                }
                self.merge.running = true;
                self.workers.background(Job::Merge(job));
                return;
            }
        }
    }

    fn choose_merge(&mut self, home: Home) -> Option<Merge> {
        // Half of a file has to be gained, and enough bytes to be worth the writes.
        let least = (4 << 20).min(self.options.wal_file_bytes / 16);
        let mut candidates: Vec<(u64, u32)> = Vec::new();
        let now = Instant::now();
        for (slot, f) in &mut self.files {
            let idle = f.home == home && f.state == State::Sealed && !f.merging;
            if !idle || f.live_bytes * 2 >= f.used || f.used - f.live_bytes < least {
                continue;
            }
            // One that is being drained will soon be gone without any copying; unless it takes long, as with messages
            // that are settled one here, one there.
            let rests = f.live == std::mem::replace(&mut f.live_before, f.live);
            let since = *f.mostly_dead_since.get_or_insert(now);
            if rests || now.duration_since(since) >= DRAIN_TIME {
                candidates.push((f.id, slot as u32));
            }
        }
        // Neighbours in age stay neighbours.
        candidates.sort_unstable();
        let mut sources = Vec::new();
        let mut bytes = 0;
        for (_, slot) in candidates {
            bytes += self.files[slot as usize].live_bytes;
            if !sources.is_empty() && bytes > self.options.wal_file_bytes {
                break;
            }
            sources.push(self.source(slot)?);
        }
        if sources.is_empty() {
            return None;
        }
        Some(Merge { home, to: self.new_file_id(), sources })
    }

    /// What the background thread needs to know of a segment.
    fn source(&mut self, slot: u32) -> Option<Source> {
        // A file that cannot be opened is left for the read that misses it to report.
        let file = self.handle(slot).ok()?;
        let f = &self.files[slot as usize];
        let log = if f.home == Home::Tmp { Log::T } else { Log::P };
        let mut runs = Vec::new();
        for &lane in &f.lanes {
            let Some(lane) = self.lanes.get(lane) else { continue };
            for run in lane.parts[log as usize].runs.iter().filter(|r| r.file == slot) {
                runs.push(SourceRun {
                    lane: lane.id,
                    first: run.first,
                    index_at: run.index_at,
                    count: run.count,
                    live: run.live.clone(),
                });
            }
        }
        Some(Source { slot, id: f.id, file, runs })
    }

    /// There is no room for it: a later look chooses anew, as much may be settled until then.
    pub(crate) fn give_merge_up(&mut self, merge: &Merge) {
        self.merge.running = false;
        self.merge.look = true;
        for source in &merge.sources {
            let file = &mut self.files[source.slot as usize];
            file.merging = false;
            if file.live == 0 {
                self.file_died(source.slot);
            }
        }
    }

    /// Points the runs at the new segment; the old ones are dead.
    pub(crate) fn merged(&mut self, merged: Merged) {
        self.merge.running = false;
        self.merge.look = true;
        let log = if merged.home == Home::Tmp { Log::T } else { Log::P };
        let mut file = DataFile::new(merged.to, merged.home);
        file.state = State::Sealed;
        file.handle = Some(merged.file);
        file.used = merged.used;
        file.entries = merged.entries;
        file.index = Index::Disk;
        let slot = self.files.insert(file) as u32;
        let mut live = 0;
        let mut lanes = Vec::new();
        for moved in &merged.runs {
            let Some(lane) = self.lanes.get_mut(moved.lane) else { continue };
            let runs = &mut lane.parts[log as usize].runs;
            let run = runs.iter_mut().find(|r| r.file == moved.from && r.first == moved.first);
            let Some(run) = run else { continue };
            run.file = slot;
            run.index_at = moved.index_at;
            run.count = moved.count;
            run.hints = [0; 2];
            live += u64::from(run.live_count);
            lanes.push(moved.lane);
        }
        lanes.dedup();
        let file = &mut self.files[slot as usize];
        file.live = live;
        file.live_bytes = file.used * live / u64::from(file.entries.max(1));
        file.lanes = lanes;
        for old in merged.slots {
            let f = &mut self.files[old as usize];
            f.merging = false;
            f.live = 0;
            f.live_bytes = 0;
            self.file_died(old);
        }
        if live == 0 {
            self.file_died(slot);
        }
    }
}
