//! Reading: the index says which and where, then the records are read in the order of the disk.

use std::io;
use std::ops::Bound;

use super::LogStore;
use super::index::{Id, Index, Place, Reading, store_error};
use super::record::{self, HEAD, Head, front_parts};
use super::segment::read_full;
use crate::message::{Entry, Held, Key, Millis};
use crate::store::{Batch, StoreError};

/// Records that lie closer together than this are read with one call.
const GAP_MAX: u64 = 4 << 10;

/// Bytes read with one call; a larger record is read by itself.
const WINDOW_MAX: u64 = 256 << 10;

/// What is read to see a record's head: AMQP's three short strings and the fixed part fit.
const FRONT: usize = 1024;

/// How often a message is looked for that moved while it was read.
const TRIES: usize = 4;

/// A message that the index names.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) key: Key,
    pub(super) place: Place,
}

impl LogStore {
    pub(super) fn read_batch(
        &self,
        after: Key,
        until_ms: Millis,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Batch, StoreError> {
        let (found, next) = self.scan(after, until_ms, count_max, bytes_max)?;
        let mut batch = Batch { next, ..Batch::default() };
        for (found, read) in found.iter().zip(self.read_all(&found)) {
            match self.insist(*found, read, |found| self.read_record(found))? {
                Some(Ok(held)) => batch.held.push(held),
                Some(Err(what)) => batch.damaged.push((found.key, what)),
                None => {}
            }
        }
        Ok(batch)
    }

    pub(super) fn read_one(&self, key: Key) -> Result<Option<Held>, StoreError> {
        let Some(place) = self.locate(key)? else { return Ok(None) };
        let found = Found { key, place };
        let read = self.read_record(&found);
        match self.insist(found, read, |found| self.read_record(found))? {
            Some(Ok(held)) => Ok(Some(held)),
            // The store as a whole is well: other messages can be had.
            Some(Err(what)) => Err(StoreError::Away(what)),
            None => Ok(None),
        }
    }

    pub(super) fn read_entries(
        &self,
        after: Key,
        until_ms: Millis,
        count_max: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let (found, _) = self.scan(after, until_ms, count_max, usize::MAX)?;
        let mut entries = Vec::with_capacity(found.len());
        for found in found {
            entries.extend(self.entry(found)?);
        }
        Ok(entries)
    }

    pub(super) fn find_entries(
        &self,
        message_id: &[u8],
        count_max: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let Some(id) = Id::of(message_id) else { return Ok(Vec::new()) };
        let mut entries = Vec::new();
        let mut after = Key::MIN;
        while entries.len() < count_max {
            let some = self.scan_id(id, after, count_max - entries.len())?;
            let Some(last) = some.last() else { break };
            after = last.key;
            for found in some {
                // Another id may have the same hash.
                let entry = self.entry(found)?;
                entries.extend(entry.filter(|entry| entry.message_id == message_id));
            }
        }
        Ok(entries)
    }

    /// The keys of a range with their places, and the first key behind.
    fn scan(
        &self,
        after: Key,
        until_ms: Millis,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<(Vec<Found>, Option<Key>), StoreError> {
        let index = self.index()?;
        let scan = || {
            let txn = index.env.read_txn()?;
            let after = after.to_bytes();
            let range: (Bound<&[u8]>, Bound<&[u8]>) =
                (Bound::Excluded(&after[..]), Bound::Unbounded);
            let mut found = Vec::new();
            let mut bytes = 0;
            let mut next = None;
            for entry in index.due.range(&txn, &range)? {
                let (key, place) = entry?;
                let Some((key, place)) = Key::from_bytes(key).zip(Place::from_bytes(place)) else {
                    continue;
                };
                let enough = bytes >= bytes_max && !found.is_empty();
                if key.due_ms > until_ms || found.len() >= count_max || enough {
                    next = Some(key);
                    break;
                }
                bytes = bytes.saturating_add(place.message_bytes() as usize);
                found.push(Found { key, place });
            }
            Ok((found, next))
        };
        let scanned = scan().map_err(store_error)?;
        index.visited(scanned.0.len() as u64 / 16 + 1);
        Ok(scanned)
    }

    fn scan_id(&self, id: Id, after: Key, count_max: usize) -> Result<Vec<Found>, StoreError> {
        let index = self.index()?;
        let scan = || {
            let txn = index.env.read_txn()?;
            let keys = index.keys_of(&txn, id.hash, after, count_max)?;
            let found = keys.into_iter().map(|key| Ok((key, index.place(&txn, key)?)));
            let named = found.filter_map(|found: heed::Result<_>| match found {
                Ok((key, place)) => place.map(|place| Ok(Found { key, place })),
                Err(e) => Some(Err(e)),
            });
            named.collect::<heed::Result<Vec<Found>>>()
        };
        let found = scan().map_err(store_error)?;
        index.visited(256);
        Ok(found)
    }

    /// Where a message is now.
    fn locate(&self, key: Key) -> Result<Option<Place>, StoreError> {
        let index = self.index()?;
        let place = locate_in(&index, &|txn| index.place(txn, key))?;
        index.visited(1);
        Ok(place)
    }

    /// A message that could not be read may have been removed or moved in the meantime, and its
    /// segment with it. `None` when it was removed.
    fn insist<T>(
        &self,
        mut found: Found,
        mut read: Result<T, String>,
        again: impl Fn(&Found) -> Result<T, String>,
    ) -> Result<Option<Result<T, String>>, StoreError> {
        for _ in 0..TRIES {
            if read.is_ok() {
                break;
            }
            match self.locate(found.key)? {
                None => return Ok(None),
                Some(place) if place == found.place => break,
                Some(place) => found.place = place,
            }
            read = again(&found);
        }
        Ok(Some(read))
    }

    /// Reads records, neighbours together; the results are in the order of `found`.
    fn read_all(&self, found: &[Found]) -> Vec<Result<Held, String>> {
        let mut order: Vec<usize> = (0..found.len()).collect();
        order.sort_unstable_by_key(|&i| (found[i].place.segment, found[i].place.offset));
        let mut read: Vec<Option<Result<Held, String>>> = found.iter().map(|_| None).collect();
        let mut window = Vec::new();
        let mut rest = &order[..];
        while let Some(&first) = rest.first() {
            let start = u64::from(found[first].place.offset);
            let (count, end) = run(rest.iter().map(|&i| &found[i].place));
            let (some, others) = rest.split_at(count);
            rest = others;
            let length = (end - start) as usize;
            if count > 1 && window.len() < length {
                window.resize(length, 0);
            }
            let filled = count > 1
                && self
                    .files
                    .get(found[first].place.segment)
                    .and_then(|file| read_full(&*file, &mut window[..length], start))
                    .is_ok_and(|n| n == length);
            for &i in some {
                let at = (u64::from(found[i].place.offset) - start) as usize;
                let key = found[i].key;
                read[i] = Some(match filled.then(|| record::decode(&window[at..length])) {
                    Some(Ok((head, front, body))) if head.seq == key.seq => {
                        Ok(record::held(&head, front, body.to_vec(), key))
                    }
                    _ => self.read_record(&found[i]),
                });
            }
        }
        read.into_iter().flatten().collect()
    }

    /// Reads one record. The error names the file and what is wrong with it.
    fn read_record(&self, found: &Found) -> Result<Held, String> {
        let Place { segment, offset, bytes, .. } = found.place;
        let read = || -> io::Result<Result<Held, &'static str>> {
            let file = self.files.get(segment)?;
            let mut front = vec![0; (bytes as usize).min(WINDOW_MAX as usize)];
            let n = read_full(&*file, &mut front, u64::from(offset))?;
            let Some(head) = Head::parse(&front[..n]).filter(|head| head.bytes == bytes as usize)
            else {
                return Ok(Err("its head is not that of the message"));
            };
            if head.seq != found.key.seq {
                return Ok(Err("it is another message's"));
            }
            if head.bytes <= n {
                let decoded = record::decode(&front);
                return Ok(decoded.map(|(head, front, body)| {
                    record::held(&head, front, body.to_vec(), found.key)
                }));
            }
            // A large one: its body is read where it will stay.
            front.resize(head.body_at(), 0);
            let mut body = vec![0; head.body];
            let front_at = u64::from(offset);
            let n = read_full(&*file, &mut front, front_at)?
                + read_full(&*file, &mut body, front_at + head.body_at() as u64)?;
            if n < head.bytes {
                return Ok(Err("it is cut short"));
            }
            let checked = record::check(&head, &front, &body);
            Ok(checked.map(|()| record::held(&head, &front, body, found.key)))
        };
        let what = match read() {
            Ok(Ok(held)) => return Ok(held),
            Ok(Err(what)) => what.to_owned(),
            Err(e) => e.to_string(),
        };
        let path = self.files.path(segment);
        Err(format!("the record at offset {offset} of {}: {what}", path.display()))
    }

    /// What a list shows; `None` when the message has gone. Of a damaged one, only what the index
    /// knows.
    fn entry(&self, found: Found) -> Result<Option<Entry>, StoreError> {
        let read = self.read_front(&found);
        let read = self.insist(found, read, |found| self.read_front(found))?;
        Ok(read.map(|read| {
            read.unwrap_or_else(|_| Entry {
                key: found.key,
                stored_ms: u64::from(found.place.minute) * 60_000,
                message_id: Vec::new(),
                exchange: Vec::new(),
                routing_key: Vec::new(),
                body_bytes: found.place.message_bytes(),
            })
        }))
    }

    fn read_front(&self, found: &Found) -> Result<Entry, String> {
        let Place { segment, offset, bytes, .. } = found.place;
        let read = || -> io::Result<Option<Entry>> {
            let file = self.files.get(segment)?;
            let mut front = vec![0; (bytes as usize).min(FRONT)];
            let n = read_full(&*file, &mut front, u64::from(offset))?;
            let head = Head::parse(&front[..n]).filter(|head| head.seq == found.key.seq);
            let Some(head) = head.filter(|head| head.bytes == bytes as usize) else {
                return Ok(None);
            };
            let needed = HEAD + head.id + head.exchange + head.routing_key;
            if needed > n {
                front.resize(needed, 0);
                if read_full(&*file, &mut front, u64::from(offset))? < needed {
                    return Ok(None);
                }
            }
            let (id, exchange, routing_key, _) = front_parts(&head, &front);
            Ok(Some(Entry {
                key: found.key,
                stored_ms: head.stored_ms,
                message_id: id.to_vec(),
                exchange: exchange.to_vec(),
                routing_key: routing_key.to_vec(),
                body_bytes: head.body as u64,
            }))
        };
        match read() {
            Ok(Some(entry)) => Ok(entry),
            Ok(None) => Err("its head is not that of the message".into()),
            Err(e) => Err(e.to_string()),
        }
    }
}

/// How many of these places, which ascend, are read with one call, and where that ends.
fn run<'a>(places: impl Iterator<Item = &'a Place>) -> (usize, u64) {
    let mut count = 0;
    let mut from = None;
    let mut end = 0;
    for place in places {
        let offset = u64::from(place.offset);
        let to = offset + u64::from(place.bytes);
        let (segment, start) = *from.get_or_insert((place.segment, offset));
        let near = place.segment == segment && offset <= end + GAP_MAX && to - start <= WINDOW_MAX;
        if count > 0 && !near {
            break;
        }
        count += 1;
        end = to;
    }
    (count, end)
}

fn locate_in<T>(
    index: &Index,
    look: &dyn Fn(&Reading<'_>) -> heed::Result<T>,
) -> Result<T, StoreError> {
    index.env.read_txn().and_then(|txn| look(&txn)).map_err(store_error)
}
