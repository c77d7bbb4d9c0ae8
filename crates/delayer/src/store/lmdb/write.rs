//! Changes, in an order that a crash may interrupt anywhere.
//!
//! The two files cannot commit together. So:
//!
//! 1. New messages are committed to the data, then to the index. What a crash leaves in the data
//!    above the index's last seq is cut off at the next start: at most one group.
//! 2. A removed message leaves the index and becomes `garbage` there, in one transaction. The data
//!    forgets it with the next group, or in [`Store::tidy`](crate::store::Store::tidy), and only
//!    then the garbage does. A start does nothing about garbage, however much there is.
//!
//! A group is two syncs of each file at most: its own, and none for what it removes.

use std::io;
use std::time::{Duration, Instant};

use heed::MdbError;

use super::index::{Index, Shifts, number};
use super::room::{data_bytes, index_bytes};
use super::{LmdbStore, Writer};
use crate::message::{DUE_MAX, Key};
use crate::store::{Applied, Changes, StoreError};

/// Records that are deleted beside a group for each message in it, and a few more.
const GARBAGE_PER_INSERT: usize = 2;

/// Records that one transaction deletes when nothing else is written.
const GARBAGE_SLICE: usize = 256;

/// Garbage from which on it is not left to the next group.
const GARBAGE_KEPT: u64 = 4096;

/// The time that [`LmdbStore::collect`] may take.
const SLICE: Duration = Duration::from_millis(10);

/// Why a transaction was given up.
#[derive(Debug)]
pub(super) enum Fault {
    /// There is no room, nothing was changed.
    Full(String),
    /// Anything else, a failed sync among it.
    Failed(String),
}

impl From<heed::Error> for Fault {
    fn from(error: heed::Error) -> Fault {
        match &error {
            heed::Error::Mdb(MdbError::MapFull) => Fault::Full("storage-mapsize is reached".into()),
            heed::Error::Io(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                ) =>
            {
                Fault::Full(format!("the disk: {error}"))
            }
            _ => Fault::Failed(error.to_string()),
        }
    }
}

impl LmdbStore {
    /// [`Store::apply`](crate::store::Store::apply).
    pub(super) fn change(&self, changes: &Changes<'_>) -> Result<Applied, StoreError> {
        let mut writer = self.writer();
        writer.usable(self)?;
        writer.applied = true;
        let mut outcome = self.transact_with_room(&mut writer, changes);
        if let Err(Fault::Full(_)) = outcome {
            // Garbage may be what fills it, and what was removed last is free one commit later.
            outcome = self.reclaim().and_then(|()| self.transact_with_room(&mut writer, changes));
        }
        let applied = outcome.map_err(|fault| writer.fail(self, fault))?;
        if applied.removed > 0 && self.is_short() {
            // What was asked for is done: a lack of room now is none of the caller's trouble.
            match self.collect_all() {
                Ok(()) | Err(Fault::Full(_)) => {}
                Err(fault) => return Err(writer.fail(self, fault)),
            }
        }
        Ok(applied)
    }

    /// [`Store::tidy`](crate::store::Store::tidy). Garbage is worth a transaction of its own when
    /// there is much of it, or nothing was written since the last call.
    pub(super) fn collect(&self) -> Result<bool, StoreError> {
        let mut writer = self.writer();
        writer.usable(self)?;
        let busy = std::mem::take(&mut writer.applied);
        let from = Instant::now();
        let garbage =
            || -> Result<u64, Fault> { Ok(self.index.garbage.len(&*self.index.env.read_txn()?)?) };
        let mut left = garbage().map_err(|fault| writer.fail(self, fault))?;
        if left == 0 || busy && left < GARBAGE_KEPT {
            return Ok(false);
        }
        while left > 0 {
            match self.collect_slice() {
                Ok(count) => left = left.saturating_sub(count as u64),
                Err(Fault::Full(_)) => return Ok(false),
                Err(fault) => return Err(writer.fail(self, fault)),
            }
            if from.elapsed() > SLICE {
                break;
            }
        }
        Ok(left > 0)
    }

    fn transact_with_room(
        &self,
        writer: &mut Writer,
        changes: &Changes<'_>,
    ) -> Result<Applied, Fault> {
        if !changes.insert.is_empty() {
            writer.blocks.keep(self, changes.insert)?;
        }
        self.transact(changes)
    }

    /// Both transactions of some changes.
    fn transact(&self, changes: &Changes<'_>) -> Result<Applied, Fault> {
        let mut index = self.index.env.write_txn()?;
        let mut counters = self.index.counters(&index)?;
        let first = counters.next_seq;
        let mut data = None;
        if !changes.insert.is_empty() {
            self.check_room(&index, changes)?;
            let mut txn = self.data.env.write_txn()?;
            let most = GARBAGE_SLICE + changes.insert.len() * GARBAGE_PER_INSERT;
            let garbage = self.some_garbage(&index, most)?;
            self.data.remove(&mut txn, &garbage)?;
            self.data.insert(&mut txn, first, changes.insert)?;
            for seq in garbage {
                self.index.garbage.delete(&mut index, &seq.to_be_bytes())?;
            }
            data = Some(txn);
        }
        let mut applied = Applied::default();
        let mut shifts = Shifts::default();
        // In the order of keys, which touches each page once.
        let mut inserts: Vec<(Key, usize)> = (first..)
            .zip(changes.insert.iter().enumerate())
            .map(|(seq, (at, new))| (Key { due_ms: new.due_ms.min(DUE_MAX), seq }, at))
            .collect();
        applied.inserted = inserts.iter().map(|(key, _)| *key).collect();
        inserts.sort_unstable();
        for (key, at) in inserts {
            let new = &changes.insert[at];
            self.index.insert(&mut index, key, new, &mut shifts)?;
            counters.held_bytes += new.message.bytes() as u64;
        }
        for key in changes.remove {
            if let Some(row) = self.index.remove(&mut index, *key, &mut shifts)? {
                counters.held_bytes = counters.held_bytes.saturating_sub(row.bytes);
                applied.removed += 1;
            }
        }
        for (key, due_ms) in changes.reschedule {
            let due_ms = (*due_ms).min(DUE_MAX);
            let moved = self.index.reschedule(&mut index, *key, due_ms, &mut shifts)?;
            applied.rescheduled.push(moved);
        }
        counters.next_seq += changes.insert.len() as u64;
        counters.held = (counters.held + changes.insert.len() as u64) - applied.removed;
        if counters.next_seq != first || applied.removed > 0 {
            self.index.set_counters(&mut index, counters)?;
        }
        self.index.shift(&mut index, &shifts)?;
        let inserted = data.is_some();
        data.map_or(Ok(()), heed::RwTxn::commit)?;
        if let Err(error) = index.commit() {
            // The data has a group that the index knows nothing of. When it cannot be taken back
            // now, the next group is written over it, or the next start cuts it off.
            let _ = inserted && self.data.cut(first).unwrap_or(false);
            return Err(error.into());
        }
        Ok(applied)
    }

    fn check_room(&self, index: &heed::RoTxn<'_>, changes: &Changes<'_>) -> Result<(), Fault> {
        let Some(bytes) = data_bytes(changes.insert) else {
            return Err(Fault::Full("a message is larger than LMDB can hold".into()));
        };
        let data = self.data_use(&*self.data.env.read_txn()?)?;
        let uses =
            [("data", data, bytes), ("index", self.index_use(index)?, index_bytes(changes.insert))];
        for (name, used, more) in uses {
            if used.forbids(more) {
                return Err(Fault::Full(format!(
                    "the file {} uses {} bytes of storage-mapsize {}, and new messages need {more}; \
                     what is over nine tenths is kept for removing",
                    self.dir.join(name).display(),
                    used.bytes,
                    self.map_bytes
                )));
            }
        }
        Ok(())
    }

    /// Whether so much is used that removed messages should make room at once.
    fn is_short(&self) -> bool {
        let used = self.data.env.read_txn().and_then(|txn| self.data_use(&txn));
        used.is_ok_and(|used| used.bytes > used.insert_bytes_max / 4 * 3)
    }

    fn some_garbage(&self, txn: &heed::RoTxn<'_>, most: usize) -> heed::Result<Vec<u64>> {
        let seqs = self.index.garbage.iter(txn)?.take(most);
        seqs.map(|found| Ok(number(found?.0))).collect()
    }

    /// Deletes some garbage; how much.
    fn collect_slice(&self) -> Result<usize, Fault> {
        let Index { env, garbage, .. } = &self.index;
        let seqs = self.some_garbage(&*env.read_txn()?, GARBAGE_SLICE)?;
        let mut data = self.data.env.write_txn()?;
        self.data.remove(&mut data, &seqs)?;
        data.commit()?;
        let mut txn = env.write_txn()?;
        for seq in &seqs {
            garbage.delete(&mut txn, &seq.to_be_bytes())?;
        }
        txn.commit()?;
        Ok(seqs.len())
    }

    fn collect_all(&self) -> Result<(), Fault> {
        while self.collect_slice()? > 0 {}
        Ok(())
    }

    /// Deletes all garbage, and makes what was freed last free to use: LMDB takes pages only from
    /// transactions before the last one.
    fn reclaim(&self) -> Result<(), Fault> {
        self.collect_all()?;
        for (env, meta) in [(&self.data.env, self.data.meta), (&self.index.env, self.index.meta)] {
            let mut txn = env.write_txn()?;
            meta.put(&mut txn, b"turn", &[])?;
            txn.commit()?;
        }
        Ok(())
    }
}

impl Writer {
    fn usable(&self, store: &LmdbStore) -> Result<(), StoreError> {
        self.failed.as_ref().map_or(Ok(()), |reason| Err(store.broken(reason)))
    }

    /// The error for a fault; one that is no lack of room stays.
    fn fail(&mut self, store: &LmdbStore, fault: Fault) -> StoreError {
        match fault {
            Fault::Full(reason) => StoreError::Full(reason),
            Fault::Failed(reason) => {
                let error = store.broken(&reason);
                self.failed = Some(reason);
                error
            }
        }
    }
}
