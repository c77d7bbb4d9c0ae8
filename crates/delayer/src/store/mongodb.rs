//! Messages in a MongoDB collection, by the official driver.
//!
//! A write is acknowledged when a majority of the servers has it in its journal. Changes are not
//! seen as a whole: a message is, a group of them may be half there after a crash; none of the
//! group was acknowledged then, so its messages come once more from the broker.
//!
//! MongoDB has no lock that ends with a process. Each delayer needs a collection of its own: when a
//! second one opens it, the first notices within seconds, names the second, and ends. Until then
//! nothing is lost, for both take numbers from one counter, but messages are published twice.
//!
//! What is counted is kept in memory. Opening counts all messages once, by two indexes; the
//! time it takes grows with their number.
//!
//! Reading order: [`address`], [`document`], [`link`], [`mod@open`], [`mod@write`],
//! [`read`].

mod address;
mod document;
mod link;
mod open;
mod read;
mod write;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use super::{Applied, Batch, Changes, OpenError, Store, StoreError, Totals};
use crate::message::{Entry, Held, Key, Millis};
use address::Address;
use link::Link;

/// Milliseconds of a bucket.
const MINUTE_MS: Millis = 60_000;

/// Where, and how long to wait.
#[derive(Clone)]
pub struct Options {
    /// `mongodb://[user:password@]host[:port]/database[/collection][?options]`; the collection is
    /// `messages` when none is named.
    pub address: String,
    /// How long connecting, and looking for a server that takes writes, may take.
    pub connect_timeout: Duration,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Options({}, {:?})", shown(&self.address), self.connect_timeout)
    }
}

/// An address as people may see it: without login and options.
pub fn shown(address: &str) -> String {
    Address::parse(address).map_or_else(|_| "mongodb".to_owned(), |address| address.to_string())
}

/// The store.
#[derive(Debug)]
pub struct MongoStore {
    link: Link,
    writer: Mutex<Writer>,
    sums: Mutex<Sums>,
}

/// What only the writing thread needs.
#[derive(Debug)]
struct Writer {
    /// What this process is called in the collection.
    owner: String,
    /// When it was last seen that it still is.
    looked_ms: Millis,
    /// The seq of the next message, if it is set aside.
    next_seq: u64,
    /// The first seq that is not set aside.
    reserved_end: u64,
    /// Seqs of changes that failed, and may be there nevertheless.
    unclear: Vec<Range<u64>>,
    /// Whether a change failed that may have removed or moved messages.
    uncounted: bool,
}

/// What is counted.
#[derive(Debug, Default)]
struct Sums {
    held: u64,
    held_bytes: u64,
    /// How many are due in a minute.
    minutes: BTreeMap<u64, u64>,
}

impl MongoStore {
    /// Opens the store of a collection, or makes one.
    pub fn open(options: &Options) -> Result<MongoStore, OpenError> {
        open::open(options)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn database(&self) -> mongodb::Database {
        self.link.collection.client().database(&self.link.address.database)
    }

    fn read<T>(
        &self,
        question: impl Future<Output = Result<T, link::Fault>>,
    ) -> Result<T, StoreError> {
        self.link.wait(question).map_err(|fault| self.link.told(fault))
    }
}

impl Store for MongoStore {
    fn apply(&self, changes: &Changes<'_>) -> Result<Applied, StoreError> {
        self.change(changes)
    }

    fn tidy(&self, now_ms: Millis) -> Result<bool, StoreError> {
        self.look(now_ms)?;
        Ok(false)
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
        self.read(self.one(key))
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
        self.read(self.all())
    }

    fn histogram(&self, edges_ms: &[Millis]) -> Result<Vec<u64>, StoreError> {
        Ok(self.counts(edges_ms))
    }
}
