//! Counting without reading messages, and how full the store is.

use std::sync::atomic::Ordering;

use super::LogStore;
use super::change::minute_of;
use super::index::{Index, number_of, store_error};
use crate::message::{Key, Millis};
use crate::store::{StoreError, Totals};

/// Removing needs free pages too: a transaction writes changed pages to new places. Inserting
/// stops while this much of the map is free: a tenth, which for a small map is brought up to what
/// the pages of a large group need, or half the map.
fn reserve_bytes(map_bytes: u64) -> u64 {
    const GROUP: u64 = 64 << 20;
    (map_bytes / 10).max(GROUP.min(map_bytes / 2))
}

/// Bytes of the index up to which messages are inserted.
fn insert_max(index: &Index) -> u64 {
    let map = index.map_bytes();
    map - reserve_bytes(map)
}

/// Room that is kept for removing.
#[derive(Default)]
pub(super) struct Reserve {
    /// Blocks of the index's file are reserved up to here.
    blocks: u64,
}

impl Reserve {
    /// Blocks kept behind the end of the index's file, so that removing works on a full disk.
    const BLOCKS_MIN: u64 = 8 << 20;
    /// Reserved at a time.
    const BLOCKS_STEP: u64 = 32 << 20;

    /// Whether messages may be inserted.
    pub(super) fn check(&mut self, index: &Index) -> Result<(), StoreError> {
        let used = {
            let txn = index.env.read_txn().map_err(store_error)?;
            index.used_bytes(&txn).map_err(store_error)?
        };
        let max = insert_max(index);
        if used >= max {
            return Err(StoreError::Full(format!(
                "the index uses {used} of the {max} bytes that storage-mapsize allows it"
            )));
        }
        self.keep_blocks(index)
    }

    fn keep_blocks(&mut self, index: &Index) -> Result<(), StoreError> {
        use rustix::fs::FallocateFlags;
        use rustix::io::Errno;

        let end = index.file_bytes();
        if self.blocks >= end + Reserve::BLOCKS_MIN {
            return Ok(());
        }
        let file = index.env.try_clone_inner_file().map_err(store_error)?;
        let to = end + Reserve::BLOCKS_STEP;
        match rustix::fs::fallocate(&file, FallocateFlags::KEEP_SIZE, end, Reserve::BLOCKS_STEP) {
            // Some file systems cannot; then a full disk may stop removals.
            Ok(()) | Err(Errno::OPNOTSUPP) => self.blocks = to,
            Err(Errno::NOSPC | Errno::DQUOT) => {
                return Err(StoreError::Full("no room on the disk for the index".into()));
            }
            Err(e) => return Err(StoreError::Broken(format!("cannot extend the index: {e}"))),
        }
        Ok(())
    }
}

impl LogStore {
    pub(super) fn count_totals(&self) -> Result<Totals, StoreError> {
        let log_bytes = self.log_bytes.load(Ordering::Relaxed);
        let index = self.index()?;
        let txn = index.env.read_txn().map_err(store_error)?;
        let count = || {
            let state = index.state(&txn)?.unwrap_or_default();
            let first = index.due.first(&txn)?.and_then(|(key, _)| Key::from_bytes(key));
            let oldest = index.stored_minutes.first(&txn)?;
            let oldest =
                oldest.and_then(|(minute, _)| Some(u64::from_be_bytes(minute.try_into().ok()?)));
            Ok(Totals {
                held: state.held,
                held_bytes: state.held_bytes,
                next_due_ms: first.map(|key| key.due_ms),
                oldest_ms: oldest.map(|minute| minute * 60_000),
                disk_bytes: log_bytes + index.file_bytes(),
                part_bytes_max: Some(insert_max(&index)),
                part_bytes: Some(index.used_bytes(&txn)?),
            })
        };
        count().map_err(store_error)
    }

    pub(super) fn count_between(&self, edges_ms: &[Millis]) -> Result<Vec<u64>, StoreError> {
        let index = self.index()?;
        let txn = index.env.read_txn().map_err(store_error)?;
        let count = || {
            edges_ms
                .array_windows()
                .map(|&[from, to]| {
                    let from = minute_of(from).to_be_bytes();
                    let to = minute_of(to).to_be_bytes();
                    if from >= to {
                        return Ok(0);
                    }
                    let range: (std::ops::Bound<&[u8]>, std::ops::Bound<&[u8]>) =
                        (std::ops::Bound::Included(&from[..]), std::ops::Bound::Excluded(&to[..]));
                    let counts = index.due_minutes.range(&txn, &range)?;
                    counts.map(|count| Ok(number_of(count?.1).unwrap_or(0))).sum()
                })
                .collect::<heed::Result<Vec<u64>>>()
        };
        count().map_err(store_error)
    }
}
