//! The index file: which messages there are, in the order of their keys, and what is counted.
//!
//! | database | key | value |
//! |---|---|---|
//! | `due` | key (16) | stored ms (8), bytes (8), hash of the message-id (8, if it has one) |
//! | `ids` | hash of the message-id (8), key (16) | - |
//! | `minutes` | minute that messages are due in (8) | how many (8) |
//! | `stored` | minute that messages were received in (8) | how many (8) |
//! | `garbage` | seq of a message that is removed here and not yet from the data (8) | - |
//! | `meta` | `counters` | next seq, held, held bytes (8 each) |
//! | `meta` | `id` | what the data file of the same store has too (8) |
//!
//! Numbers are big-endian, so that they sort.

use std::collections::BTreeMap;
use std::ops::Bound;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, RoTxn, RwTxn, WithoutTls};

use crate::message::{Key, Millis, NewMessage};

/// A database of bytes.
pub(super) type Raw = Database<'static, Bytes, Bytes>;

/// Milliseconds of a bucket.
const MINUTE_MS: Millis = 60_000;

const COUNTERS: &[u8] = b"counters";

/// The opened index.
#[derive(Debug)]
pub(super) struct Index {
    pub env: Env<WithoutTls>,
    pub due: Raw,
    pub ids: Raw,
    minutes: Raw,
    stored: Raw,
    pub garbage: Raw,
    pub meta: Raw,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counters {
    /// The seq of the next message.
    pub next_seq: u64,
    pub held: u64,
    pub held_bytes: u64,
}

/// What the index says of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub stored_ms: Millis,
    pub bytes: u64,
    pub id_hash: Option<u64>,
}

/// How many more messages, or fewer, each minute has after a transaction.
#[derive(Default)]
pub(super) struct Shifts {
    due: BTreeMap<u64, i64>,
    stored: BTreeMap<u64, i64>,
}

impl Index {
    pub(super) fn new(env: Env<WithoutTls>) -> heed::Result<Index> {
        let txn = env.write_txn()?;
        let names = ["due", "ids", "minutes", "stored", "garbage", "meta"];
        let made = env.create_databases_and_commit(txn, |opener, txn| -> heed::Result<_> {
            let mut databases = Vec::new();
            for name in names {
                databases.push(opener.create_database::<Bytes, Bytes>(txn, Some(name))?);
            }
            let databases = <[Database<'_, Bytes, Bytes>; 6]>::try_from(databases);
            Ok(CommitOrAbort::<_, ()>::Commit(databases.ok()))
        })?;
        let [due, ids, minutes, stored, garbage, meta] =
            made.unwrap_commit().expect("as many databases as names");
        Ok(Index { env, due, ids, minutes, stored, garbage, meta })
    }

    /// All databases, for counting pages.
    pub(super) fn databases(&self) -> [Raw; 6] {
        [self.due, self.ids, self.minutes, self.stored, self.garbage, self.meta]
    }

    pub(super) fn counters(&self, txn: &RoTxn<'_>) -> heed::Result<Counters> {
        let bytes = self.meta.get(txn, COUNTERS)?.unwrap_or_default();
        let mut numbers = bytes.chunks_exact(8).map(number);
        Ok(Counters {
            next_seq: numbers.next().unwrap_or(1),
            held: numbers.next().unwrap_or(0),
            held_bytes: numbers.next().unwrap_or(0),
        })
    }

    pub(super) fn set_counters(&self, txn: &mut RwTxn<'_>, now: Counters) -> heed::Result<()> {
        let bytes = [now.next_seq, now.held, now.held_bytes].map(u64::to_be_bytes);
        self.meta.put(txn, COUNTERS, bytes.as_flattened())
    }

    pub(super) fn row(&self, txn: &RoTxn<'_>, key: Key) -> heed::Result<Option<Row>> {
        Ok(self.due.get(txn, &key.to_bytes())?.map(Row::parse))
    }

    pub(super) fn insert(
        &self,
        txn: &mut RwTxn<'_>,
        key: Key,
        new: &NewMessage,
        shifts: &mut Shifts,
    ) -> heed::Result<()> {
        let id_hash = (!new.message_id.is_empty()).then(|| id_hash(&new.message_id));
        let row = Row { stored_ms: new.stored_ms, bytes: new.message.bytes() as u64, id_hash };
        *shifts.stored.entry(row.stored_ms / MINUTE_MS).or_default() += 1;
        self.put(txn, key, row, shifts)
    }

    /// Forgets a key and makes its record garbage; `None` when it is unknown.
    pub(super) fn remove(
        &self,
        txn: &mut RwTxn<'_>,
        key: Key,
        shifts: &mut Shifts,
    ) -> heed::Result<Option<Row>> {
        let Some(row) = self.take(txn, key, shifts)? else { return Ok(None) };
        *shifts.stored.entry(row.stored_ms / MINUTE_MS).or_default() -= 1;
        self.garbage.put(txn, &key.seq.to_be_bytes(), &[])?;
        Ok(Some(row))
    }

    /// Gives a message another due time; `None` when its key is unknown.
    pub(super) fn reschedule(
        &self,
        txn: &mut RwTxn<'_>,
        key: Key,
        due_ms: Millis,
        shifts: &mut Shifts,
    ) -> heed::Result<Option<Key>> {
        let Some(row) = self.take(txn, key, shifts)? else { return Ok(None) };
        let moved = Key { due_ms, seq: key.seq };
        self.put(txn, moved, row, shifts)?;
        Ok(Some(moved))
    }

    fn put(
        &self,
        txn: &mut RwTxn<'_>,
        key: Key,
        row: Row,
        shifts: &mut Shifts,
    ) -> heed::Result<()> {
        let bytes = [row.stored_ms, row.bytes, row.id_hash.unwrap_or(0)].map(u64::to_be_bytes);
        let bytes = bytes.as_flattened();
        let bytes = if row.id_hash.is_some() { bytes } else { &bytes[..16] };
        self.due.put(txn, &key.to_bytes(), bytes)?;
        if let Some(hash) = row.id_hash {
            self.ids.put(txn, &id_key(hash, key), &[])?;
        }
        *shifts.due.entry(key.due_ms / MINUTE_MS).or_default() += 1;
        Ok(())
    }

    fn take(
        &self,
        txn: &mut RwTxn<'_>,
        key: Key,
        shifts: &mut Shifts,
    ) -> heed::Result<Option<Row>> {
        let Some(row) = self.row(txn, key)? else { return Ok(None) };
        self.due.delete(txn, &key.to_bytes())?;
        if let Some(hash) = row.id_hash {
            self.ids.delete(txn, &id_key(hash, key))?;
        }
        *shifts.due.entry(key.due_ms / MINUTE_MS).or_default() -= 1;
        Ok(Some(row))
    }

    /// Writes what the changes of a transaction do to the minutes.
    pub(super) fn shift(&self, txn: &mut RwTxn<'_>, shifts: &Shifts) -> heed::Result<()> {
        for (database, changes) in [(self.minutes, &shifts.due), (self.stored, &shifts.stored)] {
            for (minute, change) in changes {
                let minute = minute.to_be_bytes();
                let had = database.get(txn, &minute)?.map_or(0, number);
                match had.saturating_add_signed(*change) {
                    0 => drop(database.delete(txn, &minute)?),
                    has => database.put(txn, &minute, &has.to_be_bytes())?,
                }
            }
        }
        Ok(())
    }

    /// The keys after one.
    pub(super) fn after<'t>(
        &self,
        txn: &'t RoTxn<'_>,
        after: Key,
    ) -> heed::Result<impl Iterator<Item = heed::Result<(Key, Row)>> + 't> {
        let after = after.to_bytes();
        let range = (Bound::Excluded(&after[..]), Bound::Unbounded);
        let rows = self.due.range(txn, &range)?;
        Ok(rows.map(|found| {
            let (key, row) = found?;
            Ok((stored_key(key)?, Row::parse(row)))
        }))
    }

    /// The keys of messages whose message-id may be this one.
    pub(super) fn with_id<'t>(
        &self,
        txn: &'t RoTxn<'_>,
        message_id: &[u8],
    ) -> heed::Result<impl Iterator<Item = heed::Result<Key>> + 't> {
        let found = self.ids.prefix_iter(txn, &id_hash(message_id).to_be_bytes())?;
        Ok(found.map(|found| stored_key(&found?.0[8..])))
    }

    /// The minute, as its first millisecond, that the oldest message was received in.
    pub(super) fn oldest_ms(&self, txn: &RoTxn<'_>) -> heed::Result<Option<Millis>> {
        Ok(self.stored.first(txn)?.map(|(minute, _)| number(minute) * MINUTE_MS))
    }

    /// How many are due between neighbours of `edges_ms`, each brought down to its minute.
    pub(super) fn histogram(&self, txn: &RoTxn<'_>, edges_ms: &[Millis]) -> heed::Result<Vec<u64>> {
        let edges: Vec<u64> = edges_ms.iter().map(|edge| edge / MINUTE_MS).collect();
        let mut counts = vec![0; edges.len().saturating_sub(1)];
        let (Some(first), Some(last)) = (edges.first(), edges.last()) else { return Ok(counts) };
        let (first, last) = (first.to_be_bytes(), last.to_be_bytes());
        if first >= last {
            return Ok(counts);
        }
        let range = (Bound::Included(&first[..]), Bound::Excluded(&last[..]));
        for found in self.minutes.range(txn, &range)? {
            let (minute, count) = found?;
            let span = edges.partition_point(|edge| *edge <= number(minute));
            counts[span - 1] += number(count);
        }
        Ok(counts)
    }
}

impl Row {
    fn parse(bytes: &[u8]) -> Row {
        let mut numbers = bytes.chunks_exact(8).map(number);
        Row {
            stored_ms: numbers.next().unwrap_or(0),
            bytes: numbers.next().unwrap_or(0),
            id_hash: numbers.next(),
        }
    }
}

fn id_key(hash: u64, key: Key) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&hash.to_be_bytes());
    bytes[8..].copy_from_slice(&key.to_bytes());
    bytes
}

/// A key as this file writes it.
fn stored_key(bytes: &[u8]) -> heed::Result<Key> {
    Key::from_bytes(bytes).ok_or(heed::Error::Mdb(heed::MdbError::Corrupted))
}

/// A number as this file writes it; of other bytes the first eight, short ones as if zeros led.
pub(super) fn number(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// FNV-1a, which is on disk and must stay the same.
fn id_hash(message_id: &[u8]) -> u64 {
    message_id.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}
