//! Messages in two LMDB files, `data` and `index`, each of at most `mapsize`: how AmqpDelayer
//! keeps them.
//!
//! It never gives disk space back, and slows down after a spike of large bodies, because LMDB
//! looks for adjoining pages; [`log`](super::log) does neither. An error of the disk while a page
//! is read ends the process with SIGBUS, as with every memory map.
//!
//! Reading order: [`record`] and [`index`] (bytes), [`data`], [`mod@write`] (what happens
//! in which order), [`read`], [`room`] and [`blocks`], [`directory`].

mod blocks;
mod data;
mod directory;
mod index;
mod read;
mod record;
mod room;
mod write;

#[cfg(test)]
mod tests;

use std::any::Any;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use super::{Applied, Batch, Changes, OpenError, Store, StoreError, Totals};
use crate::message::{Entry, Held, Key, Millis};
use blocks::Blocks;
use data::Data;
use index::Index;

/// Where and how large.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory; it is made when it is missing.
    pub dir: PathBuf,
    /// Bytes that each of the two files may have (`storage-mapsize`). May grow between two starts,
    /// and shrink to what the files have grown to.
    pub map_bytes: u64,
}

/// The store.
#[derive(Debug)]
pub struct LmdbStore {
    dir: PathBuf,
    map_bytes: u64,
    index: Index,
    data: Data,
    writer: Mutex<Writer>,
}

/// What only the writing thread needs.
#[derive(Debug)]
struct Writer {
    /// Why nothing can be written any more.
    failed: Option<String>,
    /// Whether something was written since the last `tidy`.
    applied: bool,
    blocks: Blocks,
    /// The directory's.
    _lock: Box<dyn Any + Send>,
}

impl LmdbStore {
    /// Opens the store of a directory, or makes one. Takes no longer with more messages.
    pub fn open(options: &Options) -> Result<LmdbStore, OpenError> {
        directory::open(options)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn broken(&self, reason: &str) -> StoreError {
        StoreError::Broken(format!("{}: {reason}", self.dir.display()))
    }

    fn read<T>(&self, result: heed::Result<T>) -> Result<T, StoreError> {
        result.map_err(|error| self.broken(&error.to_string()))
    }
}

impl Store for LmdbStore {
    fn apply(&self, changes: &Changes<'_>) -> Result<Applied, StoreError> {
        self.change(changes)
    }

    fn tidy(&self, _now_ms: Millis) -> Result<bool, StoreError> {
        self.collect()
    }

    fn load(
        &self,
        after: Key,
        until_ms: Millis,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Batch, StoreError> {
        self.read(self.due(after, until_ms, count_max, bytes_max))
    }

    fn get(&self, key: Key) -> Result<Option<Held>, StoreError> {
        // One damaged message is no reason to end the process.
        self.read(self.one(key))?.map_err(StoreError::Away)
    }

    fn list(
        &self,
        after: Key,
        until_ms: Millis,
        count_max: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.read(self.entries(after, until_ms, count_max))
    }

    fn find(&self, message_id: &[u8], count_max: usize) -> Result<Vec<Entry>, StoreError> {
        self.read(self.with_id(message_id, count_max))
    }

    fn totals(&self) -> Result<Totals, StoreError> {
        self.read(self.sums())
    }

    fn histogram(&self, edges_ms: &[Millis]) -> Result<Vec<u64>, StoreError> {
        let txn = self.read(self.index.env.read_txn())?;
        self.read(self.index.histogram(&txn, edges_ms))
    }
}
