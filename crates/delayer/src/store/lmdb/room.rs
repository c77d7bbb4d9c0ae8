//! How much of the two maps is used, and how much inserts may use.
//!
//! LMDB needs free pages even to remove, since it never writes over a page that a reader may see.
//! So inserts may use nine tenths of a map. Of a small one less: its last 4 MiB are kept, or half
//! of it if that is less.

use heed::{Env, RoTxn, WithoutTls};

use super::LmdbStore;
use super::index::Raw;
use super::record;
use crate::message::NewMessage;

/// Map sizes are rounded up to this, a multiple of every system's page.
const GRAIN_BYTES: u64 = 64 << 10;

/// Bytes that are kept of a small map.
const KEPT_BYTES: u64 = 4 << 20;

/// Bytes that a message takes in the index, with pages that are half full.
const ROW_BYTES: u64 = 400;

/// Bytes of a record and its key from which on it has pages of its own, at least.
const INLINE_BYTES: u64 = 1 << 10;

/// Bytes that are used, and that inserts may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Use {
    pub bytes: u64,
    pub insert_bytes_max: u64,
}

/// Bytes of the map for a `mapsize`.
pub(super) fn map_bytes(mapsize: u64) -> u64 {
    mapsize.max(GRAIN_BYTES).div_ceil(GRAIN_BYTES).saturating_mul(GRAIN_BYTES)
}

/// Bytes that inserts may use of a map.
fn insert_bytes_max(mapsize: u64) -> u64 {
    let map = map_bytes(mapsize);
    map - (map / 10).max(KEPT_BYTES.min(map / 2))
}

impl Use {
    /// What the part may have, so that inserts go up to nine tenths of it.
    pub(super) fn bytes_max(self) -> u64 {
        self.insert_bytes_max.saturating_mul(10) / 9
    }

    /// Whether so many more bytes are too many.
    pub(super) fn forbids(self, more: u64) -> bool {
        self.bytes.saturating_add(more) > self.insert_bytes_max
    }
}

impl LmdbStore {
    pub(super) fn data_use(&self, txn: &RoTxn<'_>) -> heed::Result<Use> {
        let bytes = used(&self.data.env, txn, &self.data.databases())?;
        Ok(Use { bytes, insert_bytes_max: insert_bytes_max(self.map_bytes) })
    }

    pub(super) fn index_use(&self, txn: &RoTxn<'_>) -> heed::Result<Use> {
        let bytes = used(&self.index.env, txn, &self.index.databases())?;
        Ok(Use { bytes, insert_bytes_max: insert_bytes_max(self.map_bytes) })
    }
}

/// Bytes that a group will take in the index.
pub(super) fn index_bytes(group: &[NewMessage]) -> u64 {
    group.len() as u64 * ROW_BYTES
}

/// Bytes that a group will take in the data; `None` when a message is larger than LMDB allows.
pub(super) fn data_bytes(group: &[NewMessage]) -> Option<u64> {
    const PAGE: u64 = 4096;
    group.iter().try_fold(0, |sum: u64, new| {
        let bytes = record::size(new)? as u64 + 16;
        let taken = if bytes < INLINE_BYTES { bytes * 2 } else { bytes.div_ceil(PAGE) * PAGE };
        sum.checked_add(taken)
    })
}

/// Bytes of all pages that are in use, but for LMDB's list of free ones.
fn used(env: &Env<WithoutTls>, txn: &RoTxn<'_>, databases: &[Raw]) -> heed::Result<u64> {
    let names = env.unnamed_database_stat();
    // Two meta pages, and those with the databases' names.
    let mut pages = 2 + names.branch_pages + names.leaf_pages;
    for database in databases {
        let stat = database.stat(txn)?;
        pages += stat.branch_pages + stat.leaf_pages + stat.overflow_pages;
    }
    Ok(pages as u64 * u64::from(names.page_size))
}
