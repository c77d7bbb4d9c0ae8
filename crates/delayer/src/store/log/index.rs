//! The index: an LMDB environment that says which messages there are, when they are due and where
//! their records lie. What it does not name does not exist.

use std::collections::BTreeSet;
use std::path::Path;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, RoTxn, RwTxn, WithoutTls};

use super::resident::Resident;
use crate::message::{Key, Millis};
use crate::store::StoreError;

/// The index's file in the directory; LMDB adds `-lock` for its table of readers.
pub(super) const NAME: &str = "index.mdb";

/// Bytes of a page of LMDB.
pub(super) const PAGE: u64 = 4096;
const STATE: &[u8] = b"state";

pub(super) type Db = Database<'static, Bytes, Bytes>;
pub(super) type Reading<'i> = RoTxn<'i, WithoutTls>;

/// The environment and its databases.
pub(super) struct Index {
    pub(super) env: Env<WithoutTls>,
    /// [`Key`] -> [`Place`].
    pub(super) due: Db,
    /// [`id_key`] of messages that have a `message-id` -> due time.
    pub(super) ids: Db,
    /// `seq` -> due time, of messages that were rescheduled: their records tell another one.
    pub(super) moved: Db,
    /// Minute -> messages that are due in it.
    pub(super) due_minutes: Db,
    /// Minute -> messages that were received in it and are still stored.
    pub(super) stored_minutes: Db,
    /// Segment id -> [`super::segment::Segment`].
    pub(super) segments: Db,
    /// [`State`], under one name.
    pub(super) meta: Db,
    resident: Resident,
}

/// The numbers that belong to no message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) next_seq: u64,
    pub(super) next_segment: u32,
    pub(super) held: u64,
    pub(super) held_bytes: u64,
}

/// Where a message lies, and what is needed to forget it without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: u32,
    pub(super) offset: u32,
    /// Bytes of its record.
    pub(super) bytes: u32,
    /// The minute in which it was received.
    pub(super) minute: u32,
    /// Whether `moved` knows it.
    pub(super) moved: bool,
    pub(super) id: Option<Id>,
}

/// A `message-id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id {
    pub(super) hash: u32,
    pub(super) bytes: u16,
}

const MOVED: u32 = 1 << 31;

/// A [`Place`] as it is stored: 16 bytes, and 6 more with a `message-id`.
pub(super) struct PlaceBytes([u8; 22], usize);

impl PlaceBytes {
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.0[..self.1]
    }
}

impl Place {
    pub(super) fn to_bytes(self) -> PlaceBytes {
        let mut out = [0; 22];
        let minute = self.minute & !MOVED | if self.moved { MOVED } else { 0 };
        let numbers = [self.segment, self.offset, self.bytes, minute];
        for (to, number) in out.chunks_exact_mut(4).zip(numbers) {
            to.copy_from_slice(&number.to_le_bytes());
        }
        let Some(id) = self.id else { return PlaceBytes(out, 16) };
        out[16..20].copy_from_slice(&id.hash.to_le_bytes());
        out[20..].copy_from_slice(&id.bytes.to_le_bytes());
        PlaceBytes(out, 22)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Place> {
        let (fixed, rest) = bytes.split_first_chunk::<16>()?;
        let number = |i: usize| {
            u32::from_le_bytes([fixed[4 * i], fixed[4 * i + 1], fixed[4 * i + 2], fixed[4 * i + 3]])
        };
        let id = match rest.split_first_chunk::<4>() {
            Some((hash, bytes)) => Some(Id {
                hash: u32::from_le_bytes(*hash),
                bytes: u16::from_le_bytes(bytes.try_into().ok()?),
            }),
            None if rest.is_empty() => None,
            None => return None,
        };
        Some(Place {
            segment: number(0),
            offset: number(1),
            bytes: number(2),
            minute: number(3) & !MOVED,
            moved: number(3) & MOVED != 0,
            id,
        })
    }

    /// Bytes of the message, as [`crate::message::Message::bytes`] counts them.
    pub(super) fn message_bytes(&self) -> u64 {
        let id = self.id.map_or(0, |id| u64::from(id.bytes));
        u64::from(self.bytes).saturating_sub(super::record::HEAD as u64 + id)
    }
}

impl Id {
    /// `None` for a message without one.
    pub(super) fn of(message_id: &[u8]) -> Option<Id> {
        let bytes = u16::try_from(message_id.len()).ok().filter(|&n| n > 0)?;
        Some(Id { hash: hash(message_id), bytes })
    }
}

/// FNV-1a, folded. It is on disk, so it never changes; a collision costs reading a record.
fn hash(bytes: &[u8]) -> u32 {
    let fnv = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (fnv ^ (fnv >> 32)) as u32
}

/// Messages that arrived together have their ids together. Sorted by hash alone, each would go to
/// a page of its own, and a page is what is written; now a search looks into each epoch that has
/// messages, two thousand for ten million.
const EPOCH_BITS: u32 = 12;

/// The key in `ids`: epoch, hash, number in the epoch.
pub(super) fn id_key(seq: u64, hash: u32) -> [u8; 14] {
    let mut out = [0; 14];
    out[..8].copy_from_slice(&(seq >> EPOCH_BITS).to_be_bytes());
    out[8..12].copy_from_slice(&hash.to_be_bytes());
    out[12..].copy_from_slice(&((seq & ((1 << EPOCH_BITS) - 1)) as u16).to_be_bytes());
    out
}

/// The epoch, hash and `seq` of a key in `ids`.
fn id_parts(bytes: &[u8]) -> Option<(u64, u32, u64)> {
    let bytes = <[u8; 14]>::try_from(bytes).ok()?;
    let (epoch, rest) = bytes.split_first_chunk::<8>()?;
    let (hash, low) = rest.split_first_chunk::<4>()?;
    let epoch = u64::from_be_bytes(*epoch);
    let low = u16::from_be_bytes(low.try_into().ok()?);
    Some((epoch, u32::from_be_bytes(*hash), epoch << EPOCH_BITS | u64::from(low)))
}

impl State {
    fn to_bytes(self) -> [u8; 32] {
        let mut out = [0; 32];
        let numbers = [self.next_seq, u64::from(self.next_segment), self.held, self.held_bytes];
        for (to, number) in out.chunks_exact_mut(8).zip(numbers) {
            to.copy_from_slice(&number.to_le_bytes());
        }
        out
    }

    fn from_bytes(bytes: &[u8]) -> Option<State> {
        let bytes = <[u8; 32]>::try_from(bytes).ok()?;
        let number = |i: usize| number_of(&bytes[8 * i..8 * i + 8]);
        Some(State {
            next_seq: number(0)?,
            next_segment: u32::try_from(number(1)?).ok()?,
            held: number(2)?,
            held_bytes: number(3)?,
        })
    }
}

/// A little-endian number of 8 bytes.
pub(super) fn number_of(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

impl Index {
    /// Opens or creates the environment. `map_bytes` is rounded up to whole pages.
    pub(super) fn open(dir: &Path, map_bytes: u64) -> heed::Result<Index> {
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size((map_bytes.div_ceil(PAGE) * PAGE) as usize).max_dbs(7);
        // SAFETY: the flags neither give up syncs nor locks; nobody else writes to the file,
        // because the directory's lock is held.
        let env = unsafe {
            options.flags(EnvFlags::NO_SUB_DIR | EnvFlags::NO_READ_AHEAD);
            options.open(dir.join(NAME))?
        };
        let txn = env.write_txn()?;
        let dbs = env.create_databases_and_commit(txn, |dbo, txn| {
            let mut db = |name| dbo.create_database::<Bytes, Bytes>(txn, Some(name));
            let dbs = [
                db("due")?,
                db("ids")?,
                db("moved")?,
                db("due_minutes")?,
                db("stored_minutes")?,
                db("segments")?,
                db("meta")?,
            ];
            Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(dbs))
        })?;
        let [due, ids, moved, due_minutes, stored_minutes, segments, meta] = dbs.unwrap_commit();
        let resident = Resident::of(&env.try_clone_inner_file()?);
        Ok(Index { env, due, ids, moved, due_minutes, stored_minutes, segments, meta, resident })
    }

    pub(super) fn state(&self, txn: &RoTxn<'_>) -> heed::Result<Option<State>> {
        Ok(self.meta.get(txn, STATE)?.and_then(State::from_bytes))
    }

    pub(super) fn put_state(&self, txn: &mut RwTxn<'_>, state: State) -> heed::Result<()> {
        self.meta.put(txn, STATE, &state.to_bytes())
    }

    pub(super) fn place(&self, txn: &RoTxn<'_>, key: Key) -> heed::Result<Option<Place>> {
        Ok(self.due.get(txn, &key.to_bytes())?.and_then(Place::from_bytes))
    }

    /// The first keys behind `after` of messages whose `message-id` has this hash.
    pub(super) fn keys_of(
        &self,
        txn: &RoTxn<'_>,
        hash: u32,
        after: Key,
        count_max: usize,
    ) -> heed::Result<BTreeSet<Key>> {
        let mut keys = BTreeSet::new();
        let mut from = id_key(0, hash);
        // A step finds an entry with the hash, or one that says where to look next.
        while let Some((key, due)) = self.ids.get_greater_than_or_equal_to(txn, &from)? {
            let Some((epoch, found, seq)) = id_parts(key) else { break };
            if found == hash {
                let key = due.try_into().ok().map(u64::from_be_bytes);
                let key = key.map(|due_ms| Key { due_ms, seq }).filter(|key| *key > after);
                keys.extend(key);
                if keys.len() > count_max {
                    keys.pop_last();
                }
                from = id_key(seq + 1, hash);
            } else {
                let epoch = if found < hash { epoch } else { epoch + 1 };
                from = id_key(epoch << EPOCH_BITS, hash);
            }
        }
        Ok(keys)
    }

    /// Where the message of a record is now, if it is the one that the index means.
    pub(super) fn live_at(
        &self,
        txn: &RoTxn<'_>,
        seq: u64,
        due_ms: Millis,
        segment: u32,
        offset: u64,
    ) -> heed::Result<Option<(Key, Place)>> {
        let moved = self.moved.get(txn, &seq.to_be_bytes())?;
        let moved = moved.and_then(|due| Some(u64::from_be_bytes(due.try_into().ok()?)));
        let key = Key { due_ms: moved.unwrap_or(due_ms), seq };
        let place = self.place(txn, key)?;
        let same = |place: &Place| place.segment == segment && u64::from(place.offset) == offset;
        Ok(place.filter(same).map(|place| (key, place)))
    }

    /// Bytes of the pages that hold something. The list of free pages, small as it is, counts as
    /// free.
    pub(super) fn used_bytes(&self, txn: &RoTxn<'_>) -> heed::Result<u64> {
        let dbs = [
            self.due,
            self.ids,
            self.moved,
            self.due_minutes,
            self.stored_minutes,
            self.segments,
            self.meta,
        ];
        let mut pages = 3;
        for db in dbs {
            let stat = db.stat(txn)?;
            pages += stat.branch_pages + stat.leaf_pages + stat.overflow_pages;
        }
        Ok(pages as u64 * PAGE)
    }

    /// Bytes of the file up to its last page, free ones included.
    /// Says that so many keys were searched; see [`super::resident`].
    pub(super) fn visited(&self, visits: u64) {
        self.resident.visited(visits, || self.file_bytes());
    }

    /// Gives the mapped pages back.
    pub(super) fn give_back(&self) {
        self.resident.give_back(self.file_bytes());
    }

    pub(super) fn file_bytes(&self) -> u64 {
        (self.env.info().last_page_number as u64 + 1) * PAGE
    }

    pub(super) fn map_bytes(&self) -> u64 {
        self.env.info().map_size as u64
    }
}

/// What an error of LMDB means for the store.
pub(super) fn store_error(error: heed::Error) -> StoreError {
    match error {
        heed::Error::Mdb(heed::MdbError::MapFull) => {
            StoreError::Full("the index has reached its map size; raise storage-mapsize".into())
        }
        heed::Error::Io(e) if is_full(&e) => StoreError::Full(format!("the index: {e}")),
        other => StoreError::Broken(format!("the index: {other}; check the disk, then restart")),
    }
}

/// Whether an error means that the disk, or the user's share of it, is full.
pub(super) fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}
