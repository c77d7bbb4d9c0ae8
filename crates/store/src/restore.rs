//! The state that a checkpoint describes is built again, and checked against the files there are.

use std::collections::HashMap;
use std::path::Path;

use crate::background::Context;
use crate::checkpoint::{self, Checkpoint, FileRow, LaneRow, Meta};
use crate::files::{DataFile, Home, Index, State};
use crate::lane::{Lane, Run};
use crate::record::FORMAT;
use crate::segment;
use crate::vfs::{self, Open, Vfs};
use crate::{OpenError, Store};

/// Reads the checkpoint; `None` when there is none.
pub(crate) fn load(vfs: &dyn Vfs, path: &Path) -> Result<Option<Checkpoint>, OpenError> {
    let file = match vfs.open(path, Open::Read) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|e| OpenError::io(path, e))?,
    };
    let len = file.size().map_err(|e| OpenError::io(path, e))?;
    let mut bytes = vec![0; len as usize];
    vfs::read_exact_at(&*file, &mut bytes, 0).map_err(|e| OpenError::io(path, e))?;
    checkpoint::decode(&bytes).map(Some).map_err(|damage| {
        match checkpoint::format_of(&bytes) {
            // Only a version whose header checks out can be another one; a flipped bit cannot.
            Some(found) if found != FORMAT && checkpoint::header_checks(&bytes) => {
                OpenError::Format {
                    file: path.to_owned(),
                    found: found.into(),
                    known: FORMAT.into(),
                }
            }
            _ => OpenError::corrupt(path, damage.offset, damage.what),
        }
    })
}

impl Store {
    /// Builds files and lanes.
    pub(crate) fn restore(
        &mut self,
        checkpoint: &Checkpoint,
        context: &Context,
    ) -> Result<(), OpenError> {
        let Meta { next_file, generation, reserved, .. } = checkpoint.meta;
        self.next_file = next_file;
        self.lanes.next_generation = generation;
        self.lanes.reserved = reserved;
        let present = self.ids_in(Home::Seg, ".dat")?;
        let mut slots = HashMap::new();
        for row in &checkpoint.files {
            let slot = self.restore_file(row, present.contains(&row.id), context)?;
            slots.insert(row.id, slot);
        }
        for row in &checkpoint.lanes {
            self.restore_lane(row, &slots)?;
        }
        self.lanes.rebuild();
        for &slot in slots.values() {
            if self.files[slot as usize].live == 0 {
                self.file_died(slot);
            }
        }
        self.retired.dead.sort_unstable();
        Ok(())
    }

    /// A segment, which must be as long as the checkpoint says.
    fn restore_file(
        &mut self,
        row: &FileRow,
        renamed: bool,
        context: &Context,
    ) -> Result<u32, OpenError> {
        let path = self.layout.data(Home::Seg, row.id);
        if !renamed {
            // The checkpoint came before the rename; without the WAL file there is nothing.
            let from = self.layout.data(Home::Wal, row.id);
            if let Err(e) = self.vfs.open(&from, Open::Read) {
                return Err(missing(&path, e));
            }
            context.adopt(row.id, row.used).map_err(|e| OpenError::io(&path, e))?;
        }
        let mut file = DataFile::new(row.id, Home::Seg);
        let handle = self.vfs.open(&path, Open::Read).map_err(|e| missing(&path, e))?;
        let len = handle.size().map_err(|e| OpenError::io(&path, e))?;
        if len < row.used {
            let what = format!("the file ends there; it had {} bytes", row.used);
            return Err(OpenError::corrupt(path, len, what));
        }
        let index_path = self.layout.index(Home::Seg, row.id);
        let index = self.vfs.open(&index_path, Open::Read).map_err(|e| missing(&index_path, e))?;
        let index_len = index.size().map_err(|e| OpenError::io(&index_path, e))?;
        let expected = segment::index_bytes(row.entries);
        if index_len < expected {
            let what = format!("the file ends there; it had {expected} bytes");
            return Err(OpenError::corrupt(index_path, index_len, what));
        }
        file.state = State::Sealed;
        file.index = Index::Disk;
        file.used = row.used;
        file.entries = row.entries;
        file.live_bytes = row.live_bytes;
        Ok(self.files.insert(file) as u32)
    }

    fn restore_lane(&mut self, row: &LaneRow, slots: &HashMap<u64, u32>) -> Result<(), OpenError> {
        let mut lane = Lane::new(row.id, true);
        lane.next_seq = row.next_seq;
        lane.mark = row.mark;
        for run in &row.runs {
            let Some(&slot) = slots.get(&run.file) else {
                let what = format!("a lane names segment {}, which is not listed", run.file);
                return Err(OpenError::corrupt(self.layout.checkpoint(), 0, what));
            };
            let file = &mut self.files[slot as usize];
            let live_count = run.live.count();
            file.live += u64::from(live_count);
            if file.lanes.last() != Some(&row.id) {
                file.lanes.push(row.id);
            }
            lane.live += u64::from(live_count);
            lane.live_bytes += run.live_body;
            lane.parts[0].runs.push(Run {
                first: run.first,
                last: run.last,
                file: slot,
                index_at: run.index_at,
                count: run.count,
                live_count,
                live_body: run.live_body,
                live: run.live.clone(),
                hints: [0; 2],
            });
        }
        self.lanes.insert(lane);
        Ok(())
    }

    /// Ids of the files of a folder.
    pub(crate) fn ids_in(&self, home: Home, suffix: &str) -> Result<Vec<u64>, OpenError> {
        let folder = self.layout.folder(home);
        let names = self.vfs.list(&folder).map_err(|e| OpenError::io(&folder, e))?;
        let mut ids: Vec<u64> =
            names.iter().filter_map(|n| n.strip_suffix(suffix)?.parse().ok()).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Removes what a crash left unfinished: everything transient, and segments that no checkpoint
    /// ever named, whose messages are still in the WAL.
    pub(crate) fn sweep(&self) -> Result<(), OpenError> {
        let remove = |path: &Path| self.vfs.remove(path).map_err(|e| OpenError::io(path, e));
        let folder = self.layout.folder(Home::Tmp);
        for name in self.vfs.list(&folder).map_err(|e| OpenError::io(&folder, e))? {
            remove(&folder.join(name))?;
        }
        let known: Vec<u64> =
            self.files.iter().filter(|(_, f)| f.home == Home::Seg).map(|(_, f)| f.id).collect();
        let folder = self.layout.folder(Home::Seg);
        for name in self.vfs.list(&folder).map_err(|e| OpenError::io(&folder, e))? {
            let id = name.split('.').next().and_then(|id| id.parse().ok());
            if id.is_none_or(|id| !known.contains(&id)) {
                remove(&folder.join(name))?;
            }
        }
        Ok(())
    }
}

fn missing(path: &Path, error: std::io::Error) -> OpenError {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            OpenError::corrupt(path, 0, "the checkpoint names this file and it is missing")
        }
        _ => OpenError::io(path, error),
    }
}
