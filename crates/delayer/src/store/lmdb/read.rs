//! Reading. A transaction of the index is begun before one of the data, so all messages it names
//! were written; those that it names and the data lacks were removed since, or are damaged.

use heed::RoTxn;

use super::LmdbStore;
use super::index::Row;
use super::record::Record;
use crate::message::{Entry, Held, Key, Millis};
use crate::store::{Batch, Totals};

impl LmdbStore {
    /// [`Store::load`](crate::store::Store::load).
    pub(super) fn due(
        &self,
        after: Key,
        until_ms: Millis,
        count_max: usize,
        bytes_max: usize,
    ) -> heed::Result<Batch> {
        let index = self.index.env.read_txn()?;
        let data = self.data.env.read_txn()?;
        let mut batch = Batch::default();
        let mut bytes = 0;
        for found in self.index.after(&index, after)? {
            let (key, _) = found?;
            let count = batch.held.len() + batch.damaged.len();
            let enough = count >= count_max || count > 0 && bytes >= bytes_max;
            if key.due_ms > until_ms || enough {
                batch.next = Some(key);
                break;
            }
            match self.data.record(&data, key.seq)?.and_then(|record| record.held(key)) {
                Ok(held) => {
                    bytes += held.message.bytes();
                    batch.held.push(held);
                }
                Err(what) => batch.damaged.push((key, self.damage(key, what))),
            }
        }
        batch.damaged = self.still_there(batch.damaged)?;
        Ok(batch)
    }

    /// [`Store::get`](crate::store::Store::get); the inner error says what is wrong with it.
    pub(super) fn one(&self, key: Key) -> heed::Result<Result<Option<Held>, String>> {
        let index = self.index.env.read_txn()?;
        let data = self.data.env.read_txn()?;
        if self.index.row(&index, key)?.is_none() {
            return Ok(Ok(None));
        }
        let what = match self.data.record(&data, key.seq)?.and_then(|record| record.held(key)) {
            Ok(held) => return Ok(Ok(Some(held))),
            Err(what) => what,
        };
        let damaged = self.still_there(vec![(key, self.damage(key, what))])?;
        Ok(damaged.into_iter().next().map_or(Ok(None), |(_, what)| Err(what)))
    }

    /// [`Store::list`](crate::store::Store::list). Of a damaged message only the key is known.
    pub(super) fn entries(
        &self,
        after: Key,
        until_ms: Millis,
        count_max: usize,
    ) -> heed::Result<Vec<Entry>> {
        let index = self.index.env.read_txn()?;
        let data = self.data.env.read_txn()?;
        let mut entries = Vec::new();
        for found in self.index.after(&index, after)?.take(count_max) {
            let (key, row) = found?;
            if key.due_ms > until_ms {
                break;
            }
            match self.data.record(&data, key.seq)? {
                Ok(record) => entries.push(entry(key, &record)),
                Err(_) if self.known(key)? => entries.push(unreadable(key, row)),
                Err(_) => {}
            }
        }
        Ok(entries)
    }

    /// [`Store::find`](crate::store::Store::find). A damaged message is not found.
    pub(super) fn with_id(&self, message_id: &[u8], count_max: usize) -> heed::Result<Vec<Entry>> {
        let index = self.index.env.read_txn()?;
        let data = self.data.env.read_txn()?;
        let mut entries = Vec::new();
        if message_id.is_empty() {
            return Ok(entries);
        }
        for key in self.index.with_id(&index, message_id)? {
            if entries.len() == count_max {
                break;
            }
            let key = key?;
            if let Ok(record) = self.data.record(&data, key.seq)?
                && record.message_id == message_id
            {
                entries.push(entry(key, &record));
            }
        }
        Ok(entries)
    }

    /// [`Store::totals`](crate::store::Store::totals).
    pub(super) fn sums(&self) -> heed::Result<Totals> {
        let index = self.index.env.read_txn()?;
        let data = self.data.env.read_txn()?;
        let counters = self.index.counters(&index)?;
        let first = self.index.after(&index, Key::MIN)?.next().transpose()?;
        let uses = [self.data_use(&data)?, self.index_use(&index)?];
        let fullest = uses.into_iter().max_by_key(|used| used.bytes);
        Ok(Totals {
            held: counters.held,
            held_bytes: counters.held_bytes,
            next_due_ms: first.map(|(key, _)| key.due_ms),
            oldest_ms: self.index.oldest_ms(&index)?,
            disk_bytes: self.disk_bytes()?,
            part_bytes_max: fullest.map(|used| used.bytes_max()),
            part_bytes: fullest.map(|used| used.bytes),
        })
    }

    fn disk_bytes(&self) -> std::io::Result<u64> {
        use std::os::unix::fs::MetadataExt;
        let bytes = |name| Ok(std::fs::metadata(self.dir.join(name))?.blocks() * 512);
        ["data", "index"].map(bytes).into_iter().sum()
    }

    fn known(&self, key: Key) -> heed::Result<bool> {
        let now: RoTxn<'_, _> = self.index.env.read_txn()?;
        Ok(self.index.row(&now, key)?.is_some())
    }

    fn still_there(&self, damaged: Vec<(Key, String)>) -> heed::Result<Vec<(Key, String)>> {
        let mut sure = Vec::new();
        for (key, what) in damaged {
            if self.known(key)? {
                sure.push((key, what));
            }
        }
        Ok(sure)
    }

    fn damage(&self, key: Key, what: &str) -> String {
        let path = self.dir.join("data");
        format!("message {}-{} in {}: {what}", key.due_ms, key.seq, path.display())
    }
}

fn entry(key: Key, record: &Record<'_>) -> Entry {
    Entry {
        key,
        stored_ms: record.stored_ms,
        message_id: record.message_id.to_vec(),
        exchange: record.exchange.to_vec(),
        routing_key: record.routing_key.to_vec(),
        body_bytes: record.body.len() as u64,
    }
}

fn unreadable(key: Key, row: Row) -> Entry {
    Entry {
        key,
        stored_ms: row.stored_ms,
        message_id: Vec::new(),
        exchange: Vec::new(),
        routing_key: Vec::new(),
        body_bytes: row.bytes,
    }
}
