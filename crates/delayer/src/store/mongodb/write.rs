//! Changes. MongoDB has no transaction over all servers that a delayer may meet, so a change is
//! made in steps, in an order that loses nothing: insert, reschedule, remove.
//!
//! Seqs are chosen before the first try and kept for the next ones, so a try whose outcome was
//! unclear is not repeated but completed. When all tries fail, what they may have left is removed
//! before the next change, and what they may have removed is counted anew.

use std::collections::HashMap;
use std::ops::Range;

use mongodb::bson::{Bson, Document, doc};

use super::document::{INLINE_BYTES_MAX, documents, int, number, part_ids};
use super::link::{Fault, answer, insert, until_clear};
use super::open::{META, count};
use super::{MINUTE_MS, MongoStore, Sums, Writer};
use crate::message::{DUE_MAX, Key, Millis, NewMessage};
use crate::store::{Applied, Changes, StoreError};

/// Seqs that are set aside at once, so that none is used again after a restart.
const RESERVED: u64 = 100_000;

/// Milliseconds between two looks at whose the collection is.
const LOOK_MS: Millis = 5_000;

/// Documents that one command names.
const NAMED_MAX: usize = 1_000;

/// What is known of a message that is to be changed.
#[derive(Clone, Copy)]
struct Row {
    due_ms: Millis,
    bytes: u64,
    size: u64,
}

/// What is to be done to messages that are there.
#[derive(Default)]
struct Steps {
    remove: Vec<(Key, Row)>,
    reschedule: Vec<(Key, Millis)>,
    rescheduled: Vec<Option<Key>>,
}

impl MongoStore {
    /// [`Store::apply`](crate::store::Store::apply).
    pub(super) fn change(&self, changes: &Changes<'_>) -> Result<Applied, StoreError> {
        let mut writer = self.writer();
        let applied = self.link.wait(self.transact(&mut writer, changes));
        applied.map_err(|fault| self.link.told(fault))
    }

    async fn transact(&self, writer: &mut Writer, changes: &Changes<'_>) -> Result<Applied, Fault> {
        self.forget_unclear(writer).await?;
        if writer.uncounted {
            let sums = count(&self.link).await?;
            *self.sums() = sums;
            writer.uncounted = false;
        }
        let steps = self.steps(changes).await?;
        let first = self.reserve(writer, changes.insert.len() as u64).await?;
        let keys: Vec<Key> = (first..)
            .zip(changes.insert)
            .map(|(seq, new)| Key { due_ms: new.due_ms.min(DUE_MAX), seq })
            .collect();
        let done = async {
            self.insert(&keys, changes.insert).await?;
            self.reschedule(&steps.reschedule).await?;
            self.remove(&steps.remove).await
        };
        if let Err(fault) = done.await {
            writer.uncounted = !(steps.remove.is_empty() && steps.reschedule.is_empty());
            // Of a number that was not ours after all, nothing is ours.
            if !keys.is_empty() && !matches!(fault, Fault::Broken(_)) {
                writer.unclear.push(first..first + keys.len() as u64);
                // Now if it can be, so that a full server has its room back.
                let _ = self.forget_unclear(writer).await;
            }
            return Err(fault);
        }
        self.sums().change(&keys, changes.insert, &steps);
        Ok(Applied {
            inserted: keys,
            removed: steps.remove.len() as u64,
            rescheduled: steps.rescheduled,
        })
    }

    /// Removes what failed changes may have left.
    async fn forget_unclear(&self, writer: &mut Writer) -> Result<(), Fault> {
        while let Some(range) = writer.unclear.last().cloned() {
            let Range { start, end } = range;
            let (start, end) = (int(start), int(end));
            let part = |parent| doc! { "parent": parent, "offset": 0_i64 };
            for names in
                [doc! { "$gte": start, "$lt": end }, doc! { "$gte": part(start), "$lt": part(end) }]
            {
                let named = || doc! { "_id": &names };
                until_clear(async || answer(self.link.collection.delete_many(named())).await)
                    .await?;
            }
            writer.unclear.pop();
        }
        Ok(())
    }

    /// The first of so many seqs that nobody ever used.
    async fn reserve(&self, writer: &mut Writer, count: u64) -> Result<u64, Fault> {
        if writer.next_seq + count > writer.reserved_end {
            // Done twice, it leaves out some numbers.
            let meta = until_clear(async || {
                let more = doc! { "$inc": { "reserved": int(count + RESERVED) } };
                answer(self.link.collection.find_one_and_update(doc! { "_id": META }, more)).await
            })
            .await?;
            let before = meta.and_then(|meta| number(&meta, "reserved"));
            let before =
                before.ok_or_else(|| Fault::Broken(format!("the document {META} is gone")))?;
            writer.next_seq = before + 1;
            writer.reserved_end = before + 1 + count + RESERVED;
        }
        let first = writer.next_seq;
        writer.next_seq += count;
        Ok(first)
    }

    /// [`Store::tidy`](crate::store::Store::tidy): looks now and then whether the collection is
    /// still ours.
    pub(super) fn look(&self, now_ms: Millis) -> Result<(), StoreError> {
        let mut writer = self.writer();
        if now_ms.abs_diff(writer.looked_ms) < LOOK_MS {
            return Ok(());
        }
        writer.looked_ms = now_ms;
        let meta = self.link.collection.find_one(doc! { "_id": META });
        let owned = match self.link.wait(answer(meta)) {
            Ok(meta) => meta.and_then(|meta| meta.get_str("owner").map(str::to_owned).ok()),
            // Those who have something to do will see it.
            Err(_) => return Ok(()),
        };
        match owned {
            Some(owner) if owner == writer.owner => Ok(()),
            other => Err(self.link.told(Fault::Broken(format!(
                "{} uses this collection too; give each delayer one of its own",
                other.as_deref().unwrap_or("somebody else")
            )))),
        }
    }

    async fn insert(&self, keys: &[Key], group: &[NewMessage]) -> Result<(), Fault> {
        let mut whole = Vec::with_capacity(group.len());
        for (key, new) in keys.iter().zip(group) {
            let (parts, document) = documents(*key, new);
            // One by one: together they may be more than a server takes at once.
            for part in parts.chunks(1) {
                insert(&self.link.collection, part).await?;
            }
            whole.push(document);
        }
        match whole.is_empty() {
            true => Ok(()),
            false => insert(&self.link.collection, &whole).await,
        }
    }

    /// Looks up what is to be removed and rescheduled, and leaves out what is not there.
    async fn steps(&self, changes: &Changes<'_>) -> Result<Steps, Fault> {
        let moved = changes.reschedule.iter().map(|(key, _)| key);
        let seqs: Vec<i64> = changes.remove.iter().chain(moved).map(|key| int(key.seq)).collect();
        let mut rows = self.rows(&seqs).await?;
        let mut steps = Steps::default();
        for key in changes.remove {
            if let Some(row) = rows.remove_if(*key) {
                steps.remove.push((*key, row));
            }
        }
        for (key, due_ms) in changes.reschedule {
            let due_ms = (*due_ms).min(DUE_MAX);
            let moved = rows.remove_if(*key).map(|row| {
                let moved = Key { due_ms, ..*key };
                rows.0.insert(key.seq, Row { due_ms, ..row });
                steps.reschedule.push((*key, due_ms));
                moved
            });
            steps.rescheduled.push(moved);
        }
        Ok(steps)
    }

    async fn rows(&self, seqs: &[i64]) -> Result<Rows, Fault> {
        let mut rows = HashMap::new();
        for named in seqs.chunks(NAMED_MAX) {
            let messages = doc! { "_id": { "$in": named } };
            let fields = doc! { "due": 1, "bytes": 1, "size": 1 };
            let mut cursor = answer(self.link.collection.find(messages).projection(fields)).await?;
            while answer(cursor.advance()).await? {
                let document = answer(async { cursor.deserialize_current() }).await?;
                let field = |name| number(&document, name);
                let (Some(seq), Some(due_ms)) = (field("_id"), field("due")) else { continue };
                let (bytes, size) = (field("bytes").unwrap_or(0), field("size").unwrap_or(0));
                rows.insert(seq, Row { due_ms, bytes, size });
            }
        }
        Ok(Rows(rows))
    }

    async fn reschedule(&self, moves: &[(Key, Millis)]) -> Result<(), Fault> {
        for named in moves.chunks(NAMED_MAX) {
            let updates: Vec<Bson> = named
                .iter()
                .map(|(key, due_ms)| {
                    let to = doc! { "$set": { "due": int(*due_ms) } };
                    Bson::Document(doc! { "q": { "_id": int(key.seq) }, "u": to })
                })
                .collect();
            // The driver has no bulk update for servers before 8.0.
            let command = doc! {
                "update": self.link.collection.name(),
                "updates": updates,
                "writeConcern": { "w": "majority", "j": true },
            };
            until_clear(async || {
                let done = answer(self.database().run_command(command.clone())).await?;
                refusal(&done).map_or(Ok(()), Err)
            })
            .await?;
        }
        Ok(())
    }

    async fn remove(&self, messages: &[(Key, Row)]) -> Result<(), Fault> {
        for named in messages.chunks(NAMED_MAX) {
            let seqs: Vec<i64> = named.iter().map(|(key, _)| int(key.seq)).collect();
            let large = named.iter().filter(|(_, row)| row.bytes > INLINE_BYTES_MAX);
            let parts: Vec<Document> =
                large.flat_map(|(key, row)| part_ids(key.seq, row.size)).collect();
            let messages = || doc! { "_id": { "$in": &seqs } };
            until_clear(async || answer(self.link.collection.delete_many(messages())).await)
                .await?;
            if !parts.is_empty() {
                let parts = || doc! { "_id": { "$in": &parts } };
                until_clear(async || answer(self.link.collection.delete_many(parts())).await)
                    .await?;
            }
        }
        Ok(())
    }
}

/// Messages that are there, by their seq.
struct Rows(HashMap<u64, Row>);

impl Rows {
    fn remove_if(&mut self, key: Key) -> Option<Row> {
        let row = self.0.get(&key.seq).copied().filter(|row| row.due_ms == key.due_ms)?;
        self.0.remove(&key.seq);
        Some(row)
    }
}

impl Sums {
    /// Counts what a change did.
    fn change(&mut self, keys: &[Key], group: &[NewMessage], steps: &Steps) {
        for (key, new) in keys.iter().zip(group) {
            self.held += 1;
            self.held_bytes += new.message.bytes() as u64;
            self.shift(key.due_ms, 1);
        }
        for (key, due_ms) in &steps.reschedule {
            self.shift(key.due_ms, -1);
            self.shift(*due_ms, 1);
        }
        for (key, row) in &steps.remove {
            self.held = self.held.saturating_sub(1);
            self.held_bytes = self.held_bytes.saturating_sub(row.bytes);
            self.shift(key.due_ms, -1);
        }
    }

    fn shift(&mut self, due_ms: Millis, by: i64) {
        let minute = due_ms / MINUTE_MS;
        let count = self.minutes.entry(minute).or_default();
        *count = count.saturating_add_signed(by);
        if *count == 0 {
            self.minutes.remove(&minute);
        }
    }
}

/// What a raw command's answer says against it.
fn refusal(answer: &Document) -> Option<Fault> {
    let text = |error: &Document| error.get_str("errmsg").unwrap_or("no reason").to_owned();
    if let Ok(errors) = answer.get_array("writeErrors") {
        let first = errors.first().and_then(Bson::as_document);
        return Some(Fault::Away(first.map(text).unwrap_or_default()));
    }
    answer.get_document("writeConcernError").ok().map(|error| Fault::Unclear(text(error)))
}
