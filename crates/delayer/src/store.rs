//! Where delayed messages wait. One trait, three stores, one contract suite (`store/contract.rs`).
//!
//! A store is used by two threads: one calls [`Store::apply`] and [`Store::tidy`], another one the
//! reading functions. Reads see what the last `apply` that returned has written.

use std::path::PathBuf;

use crate::message::{Entry, Held, Key, Millis, NewMessage};

pub mod lmdb;
pub mod log;
pub mod mongodb;

#[cfg(test)]
mod contract;

/// Changes that become durable together or not at all. They name no message twice, and none that
/// the same change stores.
#[derive(Debug, Default)]
pub struct Changes<'a> {
    /// Messages to store.
    pub insert: &'a [NewMessage],
    /// Messages to forget; unknown keys are passed over.
    pub remove: &'a [Key],
    /// Messages to move to another due time; unknown keys are passed over.
    pub reschedule: &'a [(Key, Millis)],
}

/// What [`Store::apply`] did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The keys of the inserted messages, in their order.
    pub inserted: Vec<Key>,
    /// How many messages were removed.
    pub removed: u64,
    /// The new keys of rescheduled messages, `None` where there was none, in their order.
    pub rescheduled: Vec<Option<Key>>,
}

/// Messages in order of their keys, and what comes after them.
#[derive(Debug, Default)]
pub struct Batch {
    /// The messages.
    pub held: Vec<Held>,
    /// Keys that are in the index but whose message cannot be read, each with what is wrong. They
    /// stay where they are.
    pub damaged: Vec<(Key, String)>,
    /// The first key after them, due or not.
    pub next: Option<Key>,
}

/// Totals, none of which takes longer with more messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Stored messages.
    pub held: u64,
    /// Bytes of their exchanges, keys, properties and bodies.
    pub held_bytes: u64,
    /// The earliest due time.
    pub next_due_ms: Option<Millis>,
    /// When the message that has waited longest was received, to the minute.
    pub oldest_ms: Option<Millis>,
    /// Bytes on disk.
    pub disk_bytes: u64,
    /// Bytes that the fullest part of it may have.
    pub part_bytes_max: Option<u64>,
    /// Bytes that the fullest part of it uses.
    pub part_bytes: Option<u64>,
}

/// A place where delayed messages wait.
pub trait Store: Send + Sync {
    /// Makes changes durable, all or none of them. When it returns [`StoreError::Full`] nothing
    /// has changed and removing still works; after [`StoreError::Broken`] the process has to end.
    fn apply(&self, changes: &Changes<'_>) -> Result<Applied, StoreError>;

    /// Does what can wait: gives space back, moves live messages together. Returns whether there
    /// is more to do; each call takes some 10 ms at most. Called after [`Store::apply`] and when idle.
    fn tidy(&self, now_ms: Millis) -> Result<bool, StoreError>;

    /// The messages after `after` that are due by `until_ms`: at most `count_max`, and no more once
    /// `bytes_max` are reached, but at least one.
    fn load(
        &self,
        after: Key,
        until_ms: Millis,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Batch, StoreError>;

    /// One message.
    fn get(&self, key: Key) -> Result<Option<Held>, StoreError>;

    /// At most `count_max` entries after `after` that are due by `until_ms`.
    fn list(
        &self,
        after: Key,
        until_ms: Millis,
        count_max: usize,
    ) -> Result<Vec<Entry>, StoreError>;

    /// At most `count_max` entries whose `message-id` is `message_id`, in the order of their keys.
    fn find(&self, message_id: &[u8], count_max: usize) -> Result<Vec<Entry>, StoreError>;

    /// The totals.
    fn totals(&self) -> Result<Totals, StoreError>;

    /// How many messages are due in each of the spans between neighbours of `edges_ms`, which
    /// ascends: from the first edge, included, to the second, and so on. Edges are exact to the
    /// minute; the time it takes does not grow with the number of messages in a minute.
    fn histogram(&self, edges_ms: &[Millis]) -> Result<Vec<u64>, StoreError>;
}

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no room; nothing was changed.
    #[error("the storage is full: {0}")]
    Full(String),
    /// It may work later: a server that is away. Nothing was changed as far as is known: an insert
    /// may have happened, and is then there twice after it is repeated.
    #[error("the storage does not answer: {0}")]
    Away(String),
    /// Data is damaged or the disk failed: what was promised can no longer be kept, so end.
    #[error("the storage failed: {0}")]
    Broken(String),
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process uses it.
    #[error("the storage {} is used by process {pid}; give each delayer a directory of its own", path.display())]
    Busy {
        /// The directory.
        path: PathBuf,
        /// The other process, 0 when unknown.
        pid: u32,
    },
    /// It holds something else, or a version of it that is not known.
    #[error("{}: {what}", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// What was found and what to do.
        what: String,
    },
    /// The operating system, or the server, refused.
    #[error("cannot open the storage {address}: {reason}")]
    Refused {
        /// The directory or the server, without its password.
        address: String,
        /// The answer.
        reason: String,
    },
}
