//! Blocks of the disk that are set aside before messages are stored, so that no transaction finds
//! the disk full halfway: LMDB takes a write that was cut short for a failing disk, and removing
//! needs new pages as well.
//!
//! It may still happen, when large bodies find no adjoining pages. LMDB then says EIO, as it does for
//! a failed sync, which is never tried again: the process ends, and nothing of the group was
//! acknowledged.

use heed::{Env, WithoutTls};
use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::LmdbStore;
use super::room::{Use, data_bytes, index_bytes};
use super::write::Fault;
use crate::message::NewMessage;

/// Wanted behind the end of each file, for removing.
const KEPT_BYTES: u64 = 8 << 20;

/// What removing needs at least.
const KEPT_BYTES_MIN: u64 = 1 << 20;

/// Set aside at a time when there is room, beyond what is needed.
const STEP_BYTES: u64 = 24 << 20;

/// How far each file has blocks, whatever its length.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    data_end: u64,
    index_end: u64,
}

impl Blocks {
    /// Sees to it that a group with so many bytes in each file can be stored, and everything be
    /// removed afterwards.
    pub(super) fn keep(&mut self, store: &LmdbStore, group: &[NewMessage]) -> Result<(), Fault> {
        // A message that is too large is refused elsewhere.
        let (data_bytes, index_bytes) = (data_bytes(group).unwrap_or(0), index_bytes(group));
        let data = store.data_use(&*store.data.env.read_txn()?)?;
        let index = store.index_use(&*store.index.env.read_txn()?)?;
        keep(&mut self.data_end, &store.data.env, data, data_bytes)?;
        keep(&mut self.index_end, &store.index.env, index, index_bytes)
    }
}

fn keep(kept_end: &mut u64, env: &Env<WithoutTls>, used: Use, bytes: u64) -> Result<(), Fault> {
    let page = u64::from(env.unnamed_database_stat().page_size);
    let info = env.info();
    let end = (info.last_page_number as u64 + 1) * page;
    let map_bytes = info.map_size as u64;
    // Pages that were freed are good for it too, half of them: they may lie scattered.
    let inside = end.saturating_sub(used.bytes) / 2;
    let needed = (KEPT_BYTES + bytes + bytes / 4).saturating_sub(inside);
    let needed = needed.min(map_bytes.saturating_sub(end));
    if *kept_end >= end + needed || needed == 0 {
        return Ok(());
    }
    let file = env.try_clone_inner_file()?;
    for bytes in [needed + STEP_BYTES, needed] {
        let bytes = bytes.min(map_bytes - end);
        match rustix::fs::fallocate(&file, FallocateFlags::KEEP_SIZE, end, bytes) {
            // Some file systems cannot; then a full disk may end the process.
            Ok(()) | Err(Errno::OPNOTSUPP) => {
                *kept_end = end + bytes;
                return Ok(());
            }
            Err(Errno::NOSPC | Errno::DQUOT) => {}
            Err(error) => return Err(Fault::Failed(format!("cannot extend a file: {error}"))),
        }
    }
    // Then with every page that is free. If they lie too scattered the transaction is void.
    let free = end.saturating_sub(used.bytes) + kept_end.saturating_sub(end);
    if bytes + bytes / 4 + KEPT_BYTES_MIN <= free {
        return Ok(());
    }
    Err(Fault::Full("no room on the disk".into()))
}
