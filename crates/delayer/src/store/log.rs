//! The default store: bodies in append-only segments by lifetime, an LMDB index that says when
//! they are due. `docs/internals/delayer.md` has the layout and the reasons.
//!
//! Invariants:
//! 1. A segment's bytes are synced before the index names them; the index's commit is what makes a
//!    change happen. Bytes behind a segment's end, and files that the index does not name, are
//!    nothing.
//! 2. A segment id and a `seq` are never used twice.
//! 3. After a failed sync nothing is written any more.
//! 4. The writer's lock is taken before the index's; a reader takes only the index's.
//!
//! Never here: reading a body to open the store, to remove or to reschedule a message.

use std::any::Any;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use ::store::vfs::{Vfs, disk::Disk};

use crate::message::{Entry, Held, Key, Millis};
use crate::store::{Applied, Batch, Changes, OpenError, Store, StoreError, Totals};

mod change;
mod group;
mod index;
mod lifetime;
mod open;
mod read;
mod record;
mod relocate;
mod resident;
mod segment;
mod shrink;
mod totals;
mod writer;

use index::Index;
use segment::Files;
use writer::Writer;

/// How a store is opened.
#[derive(Clone)]
pub struct Options {
    /// The directory; created when it is not there.
    pub dir: PathBuf,
    /// Bytes that the index may have, `storage-mapsize`. Default: 64 GiB.
    pub map_bytes: u64,
    /// The file system of the segments; the index is always on the machine's. Default: the
    /// machine's.
    pub vfs: Arc<dyn Vfs>,
    /// Bytes of a segment, at most 1 GiB; a larger message has a segment of its own. Default:
    /// 64 MiB.
    pub segment_bytes: u64,
    /// Files that are synced at the same time, at least one. Default: 4.
    pub syncs_at_once: usize,
    /// The index's file is replaced by a smaller one when it is larger than this and more than
    /// half of it is free. Default: 64 MiB.
    pub shrink_above: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            dir: PathBuf::new(),
            map_bytes: 64 << 30,
            vfs: Arc::new(Disk),
            segment_bytes: 64 << 20,
            syncs_at_once: 4,
            shrink_above: 64 << 20,
        }
    }
}

impl Options {
    /// The defaults, for a directory.
    pub fn new(dir: impl Into<PathBuf>) -> Options {
        Options { dir: dir.into(), ..Options::default() }
    }
}

/// The store.
pub struct LogStore {
    writer: Mutex<Writer>,
    /// Written to only while the index is replaced by a smaller copy; empty when that failed.
    index: RwLock<Option<Index>>,
    files: Files,
    options: Options,
    /// Bytes of all segments, for whoever counts while the writer is busy.
    log_bytes: AtomicU64,
    /// The directory's; dropped last.
    _lock: Mutex<Box<dyn Any + Send>>,
}

impl LogStore {
    /// Opens or creates a store.
    pub fn open(options: &Options) -> Result<LogStore, OpenError> {
        open::open(options)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn index(&self) -> Result<Open<'_>, StoreError> {
        let guard = self.index.read().unwrap_or_else(PoisonError::into_inner);
        if guard.is_none() {
            return Err(StoreError::Broken("the index is closed; restart".into()));
        }
        Ok(Open(guard))
    }
}

/// The index while it cannot be replaced.
struct Open<'a>(RwLockReadGuard<'a, Option<Index>>);

impl Deref for Open<'_> {
    type Target = Index;

    fn deref(&self) -> &Index {
        self.0.as_ref().expect("there is one, it was looked at when the lock was taken")
    }
}

impl Store for LogStore {
    fn apply(&self, changes: &Changes<'_>) -> Result<Applied, StoreError> {
        let mut writer = self.writer();
        let index = self.index()?;
        let applied = writer.apply(&index, &self.files, &self.options, changes)?;
        self.log_bytes.store(writer.log_bytes(), Ordering::Relaxed);
        Ok(applied)
    }

    fn tidy(&self, now_ms: Millis) -> Result<bool, StoreError> {
        let mut writer = self.writer();
        writer.sweep(&self.files);
        let more = {
            let index = self.index()?;
            let more = writer.relocate(&index, &self.files, &self.options, now_ms);
            self.log_bytes.store(writer.log_bytes(), Ordering::Relaxed);
            match more {
                // There will be room again; meanwhile nothing is lost.
                Err(StoreError::Full(_)) => false,
                more => more?,
            }
        };
        if !more {
            self.shrink(&mut writer, now_ms)?;
        }
        Ok(more)
    }

    fn load(
        &self,
        after: Key,
        until_ms: Millis,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Batch, StoreError> {
        self.read_batch(after, until_ms, count_max, bytes_max)
    }

    fn get(&self, key: Key) -> Result<Option<Held>, StoreError> {
        self.read_one(key)
    }

    fn list(
        &self,
        after: Key,
        until_ms: Millis,
        count_max: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.read_entries(after, until_ms, count_max)
    }

    fn find(&self, message_id: &[u8], count_max: usize) -> Result<Vec<Entry>, StoreError> {
        self.find_entries(message_id, count_max)
    }

    fn totals(&self) -> Result<Totals, StoreError> {
        self.count_totals()
    }

    fn histogram(&self, edges_ms: &[Millis]) -> Result<Vec<u64>, StoreError> {
        self.count_between(edges_ms)
    }
}

#[cfg(test)]
mod tests;
