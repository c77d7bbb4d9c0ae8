//! The data file: the messages by their seq, big-endian.
//!
//! Beside them, in `meta`: `id`, which the index of the same store has too, and `group`, the first
//! seq of the last group that was written. An index that has not yet heard of that seq and ends
//! below it is older than this file.

use std::ops::Bound;

use heed::types::Bytes;
use heed::{CommitOrAbort, Env, RoTxn, RwTxn, WithoutTls};

use super::index::{Raw, number};
use super::record::{self, Record};
use crate::message::NewMessage;

const GROUP: &[u8] = b"group";

/// The opened data.
#[derive(Debug)]
pub(super) struct Data {
    pub env: Env<WithoutTls>,
    messages: Raw,
    pub meta: Raw,
}

impl Data {
    pub(super) fn new(env: Env<WithoutTls>) -> heed::Result<Data> {
        let txn = env.write_txn()?;
        let made = env.create_databases_and_commit(txn, |opener, txn| -> heed::Result<_> {
            let messages = opener.create_database::<Bytes, Bytes>(txn, Some("messages"))?;
            let meta = opener.create_database::<Bytes, Bytes>(txn, Some("meta"))?;
            Ok(CommitOrAbort::<_, ()>::Commit((messages, meta)))
        })?;
        let (messages, meta) = made.unwrap_commit();
        Ok(Data { env, messages, meta })
    }

    /// All databases, for counting pages.
    pub(super) fn databases(&self) -> [Raw; 2] {
        [self.messages, self.meta]
    }

    /// Writes a group that begins with `first`.
    pub(super) fn insert(
        &self,
        txn: &mut RwTxn<'_>,
        first: u64,
        group: &[NewMessage],
    ) -> heed::Result<()> {
        self.meta.put(txn, GROUP, &first.to_be_bytes())?;
        for (seq, new) in (first..).zip(group) {
            let size = record::size(new).ok_or(heed::Error::Mdb(heed::MdbError::MapFull))?;
            let place = seq.to_be_bytes();
            self.messages
                .put_reserved(txn, &place, size, |space| record::write(space, seq, new))?;
        }
        Ok(())
    }

    pub(super) fn remove(&self, txn: &mut RwTxn<'_>, seqs: &[u64]) -> heed::Result<()> {
        for seq in seqs {
            self.messages.delete(txn, &seq.to_be_bytes())?;
        }
        Ok(())
    }

    /// Removes what an index that ends before `next_seq` does not know; `false`, and nothing is
    /// removed, when that index is older than the last group but one.
    pub(super) fn cut(&self, next_seq: u64) -> heed::Result<bool> {
        let mut txn = self.env.write_txn()?;
        let group = self.meta.get(&txn, GROUP)?.map_or(0, number);
        if next_seq < group {
            return Ok(false);
        }
        let from = next_seq.to_be_bytes();
        let range = (Bound::Included(&from[..]), Bound::Unbounded);
        if self.messages.delete_range(&mut txn, &range)? > 0 {
            txn.commit()?;
        }
        Ok(true)
    }

    /// The record of a message; the error says what is wrong with it.
    pub(super) fn record<'t>(
        &self,
        txn: &'t RoTxn<'_>,
        seq: u64,
    ) -> heed::Result<Result<Record<'t>, &'static str>> {
        let found = self.messages.get(txn, &seq.to_be_bytes())?;
        Ok(found.ok_or("its record is missing").and_then(|bytes| Record::parse(bytes, seq)))
    }
}
