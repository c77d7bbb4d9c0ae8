//! A full disk: nothing is lost, and a reserve lets acks and deletes through.
//!
//! States: *roomy* (the ballast file holds its share of the disk) -> *full* (a write found no
//! room: the ballast is removed, whatever failed is tried again, publishers are told to wait) ->
//! roomy, once the ballast fits again.

use crate::Store;
use crate::background::Job;

/// Most bytes of the ballast; on a small disk it is a hundredth of it.
const BALLAST_MAX: u64 = 128 << 20;

impl Store {
    /// A write found no room.
    pub(crate) fn disk_is_full(&mut self) {
        self.full = true;
        if self.ballast_held > 0 {
            self.ballast_held = 0;
            self.wal.retry_now = true;
            // When even that is refused, the next try is as good.
            let _ = self.vfs.remove(&self.layout.ballast());
        }
    }

    /// Reserves the ballast again; the disk counts as full until that works.
    pub(crate) fn restore_ballast(&mut self) {
        if self.wal.is_stuck() || self.retired.is_stalled() || self.ballast_asked {
            return;
        }
        if self.ballast_held > 0 {
            self.full = false;
            return;
        }
        let Ok(space) = self.vfs.space(&self.layout.dir) else { return };
        // Less than a log file would not let a single ack through.
        let bytes = BALLAST_MAX.min(space.total / 100).max(self.options.wal_file_bytes);
        // Twice: what made room is not taken away at once by the file itself.
        if space.available >= 2 * bytes {
            self.ballast_asked = true;
            self.workers.background(Job::Ballast { bytes });
        }
    }

    pub(crate) fn ballasted(&mut self, bytes: u64) {
        self.ballast_asked = false;
        self.ballast_held = bytes;
        self.full = self.wal.is_stuck() || self.retired.is_stalled();
    }
}
