//! Reading.

use mongodb::bson::{Bson, Document, doc};

use super::document::{
    INLINE_BYTES_MAX, LISTED, binary, entry, held, int, key, number, part_ids, take,
};
use super::link::{Fault, answer};
use super::{MINUTE_MS, MongoStore};
use crate::message::{DUE_MAX, Entry, Held, Key, Millis};
use crate::store::{Batch, Totals};

impl MongoStore {
    /// [`Store::load`](crate::store::Store::load).
    pub(super) async fn due(
        &self,
        after: Key,
        until_ms: Millis,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Batch, Fault> {
        let mut batch = Batch::default();
        let mut bytes = 0;
        let mut last = after;
        if count_max > 0 && after.due_ms <= until_ms {
            let find = self.link.collection.find(following(after, until_ms));
            let find = find.sort(order()).limit(int(count_max as u64));
            let mut cursor = answer(find).await?;
            while answer(cursor.advance()).await? {
                let mut document = answer(async { cursor.deserialize_current() }).await?;
                let Some(key) = key(&document) else { continue };
                last = key;
                match self.whole(&mut document).await? {
                    Ok(held) => {
                        bytes += held.message.bytes();
                        batch.held.push(held);
                    }
                    Err(what) if self.known(key).await? => {
                        batch.damaged.push((key, self.damage(key, what)));
                    }
                    Err(_) => {}
                }
                if bytes >= bytes_max {
                    break;
                }
            }
        }
        batch.next = self.first(last).await?;
        Ok(batch)
    }

    /// [`Store::get`](crate::store::Store::get).
    pub(super) async fn one(&self, key: Key) -> Result<Option<Held>, Fault> {
        let Some(mut document) = answer(self.link.collection.find_one(named(key))).await? else {
            return Ok(None);
        };
        match self.whole(&mut document).await? {
            Ok(held) => Ok(Some(held)),
            Err(what) if self.known(key).await? => Err(Fault::Away(self.damage(key, what))),
            Err(_) => Ok(None),
        }
    }

    /// [`Store::list`](crate::store::Store::list).
    pub(super) async fn entries(
        &self,
        after: Key,
        until_ms: Millis,
        count_max: usize,
    ) -> Result<Vec<Entry>, Fault> {
        if count_max == 0 || after.due_ms > until_ms {
            return Ok(Vec::new());
        }
        self.listed(following(after, until_ms), count_max).await
    }

    /// [`Store::find`](crate::store::Store::find).
    pub(super) async fn with_id(
        &self,
        message_id: &[u8],
        count_max: usize,
    ) -> Result<Vec<Entry>, Fault> {
        if count_max == 0 || message_id.is_empty() {
            return Ok(Vec::new());
        }
        self.listed(doc! { "mid": binary(message_id) }, count_max).await
    }

    /// [`Store::totals`](crate::store::Store::totals).
    pub(super) async fn all(&self) -> Result<Totals, Fault> {
        let next = self.first(Key::MIN).await?;
        let oldest = self.link.collection.find_one(doc! { "stored": { "$gte": 0_i64 } });
        let oldest = oldest.sort(doc! { "stored": 1 }).projection(doc! { "_id": 0, "stored": 1 });
        let oldest = answer(oldest).await?.and_then(|document| number(&document, "stored"));
        let database = self.database();
        let stats = database.run_command(doc! { "collStats": self.link.collection.name() });
        // An account may be allowed to use a collection and not to ask how large it is.
        let stats = answer(stats).await.unwrap_or_default();
        let bytes = |name| number(&stats, name).unwrap_or(0);
        let sums = self.sums();
        Ok(Totals {
            held: sums.held,
            held_bytes: sums.held_bytes,
            next_due_ms: next.map(|key| key.due_ms),
            oldest_ms: oldest.map(|stored| stored / MINUTE_MS * MINUTE_MS),
            disk_bytes: bytes("storageSize") + bytes("totalIndexSize"),
            part_bytes_max: None,
            part_bytes: None,
        })
    }

    /// [`Store::histogram`](crate::store::Store::histogram).
    pub(super) fn counts(&self, edges_ms: &[Millis]) -> Vec<u64> {
        let sums = self.sums();
        let span = |edges: &[Millis]| {
            let minutes = edges[0] / MINUTE_MS..(edges[1] / MINUTE_MS).max(edges[0] / MINUTE_MS);
            sums.minutes.range(minutes).map(|(_, count)| count).sum()
        };
        edges_ms.windows(2).map(span).collect()
    }

    /// The first key after one.
    async fn first(&self, after: Key) -> Result<Option<Key>, Fault> {
        let find = self.link.collection.find_one(following(after, DUE_MAX));
        let found = answer(find.sort(order()).projection(doc! { "due": 1, "_id": 1 })).await?;
        Ok(found.as_ref().and_then(key))
    }

    async fn listed(&self, filter: Document, count_max: usize) -> Result<Vec<Entry>, Fault> {
        let fields: Document =
            LISTED.iter().map(|name| ((*name).to_owned(), Bson::Int32(1))).collect();
        let find = self.link.collection.find(filter).projection(fields);
        let mut cursor = answer(find.sort(order()).limit(int(count_max as u64))).await?;
        let mut entries = Vec::new();
        while answer(cursor.advance()).await? {
            let mut document = answer(async { cursor.deserialize_current() }).await?;
            entries.extend(entry(&mut document));
        }
        Ok(entries)
    }

    /// The message of a document, with the parts of its body; the inner error says what is wrong.
    async fn whole(&self, document: &mut Document) -> Result<Result<Held, &'static str>, Fault> {
        let mut held = match held(document) {
            Ok(held) => held,
            Err(what) => return Ok(Err(what)),
        };
        if number(document, "bytes").unwrap_or(0) <= INLINE_BYTES_MAX {
            return Ok(Ok(held));
        }
        let size = number(document, "size").unwrap_or(0);
        for id in part_ids(held.key.seq, size) {
            let part = answer(self.link.collection.find_one(doc! { "_id": id })).await?;
            match part.and_then(|mut part| take(&mut part, "body")) {
                Some(part) => held.message.body.extend(part),
                None => return Ok(Err("a part of its body is missing")),
            }
        }
        if held.message.body.len() as u64 != size {
            return Ok(Err("a part of its body has another size"));
        }
        Ok(Ok(held))
    }

    async fn known(&self, key: Key) -> Result<bool, Fault> {
        let find = self.link.collection.find_one(named(key)).projection(doc! { "_id": 1 });
        Ok(answer(find).await?.is_some())
    }

    fn damage(&self, key: Key, what: &str) -> String {
        format!("message {}-{} in {}: {what}", key.due_ms, key.seq, self.link.address)
    }
}

fn named(key: Key) -> Document {
    doc! { "_id": int(key.seq), "due": int(key.due_ms) }
}

fn order() -> Document {
    doc! { "due": 1, "_id": 1 }
}

/// Messages after a key that are due by a time, which is not before the key's.
fn following(after: Key, until_ms: Millis) -> Document {
    let (due, seq, until) = (int(after.due_ms), int(after.seq), int(until_ms));
    doc! { "$or": [
        { "due": due, "_id": { "$gt": seq } },
        { "due": { "$gt": due, "$lte": until } },
    ] }
}
