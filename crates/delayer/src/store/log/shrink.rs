//! Giving the index's room back after a spike. LMDB's file never shrinks: a copy without the free
//! pages takes its place.

use std::fs;
use std::path::Path;
use std::sync::PoisonError;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use heed::CompactionOption;

use super::LogStore;
use super::index::{self, Index, store_error};
use super::writer::Writer;
use crate::message::Millis;
use crate::store::StoreError;

/// The copy while it is made.
const NEW: &str = "index.new";

/// More than this is not copied: changes wait meanwhile, and the free pages will be used again.
const COPY_MAX: u64 = 64 << 20;

/// The least time between two copies, also when one did not work for want of room.
const PAUSE_MS: Millis = 600_000;

/// How often the pages that the copy reads are given back.
const GIVE_BACK: Duration = Duration::from_millis(20);

impl LogStore {
    /// Replaces the index by a smaller one when more than half of a large file is free. Changes
    /// wait while it is copied, readers only while the files change places.
    pub(super) fn shrink(&self, writer: &mut Writer, now_ms: Millis) -> Result<(), StoreError> {
        if now_ms < writer.no_shrink_before_ms {
            return Ok(());
        }
        let dir = &self.options.dir;
        {
            let index = self.index()?;
            let file = index.file_bytes();
            let used = {
                let txn = index.env.read_txn().map_err(store_error)?;
                index.used_bytes(&txn).map_err(store_error)?
            };
            if file <= self.options.shrink_above || used * 2 >= file || used > COPY_MAX {
                return Ok(());
            }
            writer.no_shrink_before_ms = now_ms + PAUSE_MS;
            if let Err(e) = copy(&index, &dir.join(NEW)) {
                tracing::warn!("cannot copy the index to a smaller file: {e}");
                discard(dir);
                return Ok(());
            }
            tracing::info!("the index shrinks: it uses {used} of {file} bytes");
        }
        writer.forget_reserve();
        self.replace()
    }

    fn replace(&self) -> Result<(), StoreError> {
        let dir = &self.options.dir;
        let mut slot = self.index.write().unwrap_or_else(PoisonError::into_inner);
        // Closes it: every other use is over, for all of them hold the lock.
        drop(slot.take());
        let swap = || -> heed::Result<Index> {
            fs::rename(dir.join(NEW), dir.join(index::NAME))?;
            fs::File::open(dir)?.sync_all()?;
            Index::open(dir, self.options.map_bytes)
        };
        *slot = Some(swap().map_err(|e| {
            StoreError::Broken(format!("cannot take the new index in use: {e}; restart"))
        })?);
        Ok(())
    }
}

/// Removes a copy that a crash or a full disk left.
pub(super) fn discard(dir: &Path) {
    match fs::remove_file(dir.join(NEW)) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!("cannot remove {}: {e}", dir.join(NEW).display());
        }
        _ => {}
    }
}

fn copy(index: &Index, to: &Path) -> heed::Result<()> {
    let (done, waiting) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while waiting.recv_timeout(GIVE_BACK) == Err(RecvTimeoutError::Timeout) {
                index.give_back();
            }
        });
        let copied = index.env.copy_to_path(to, CompactionOption::Enabled);
        drop(done);
        Ok(copied?.sync_all()?)
    })
}
