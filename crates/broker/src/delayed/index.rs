//! The due times of a durable room on disk: a lane of its own with one record for each *block* of 4096 messages.
//!
//! A block's record is written with the block's last message and settled with the last one of its messages that waits, so
//! the lane is a 500th of messages of 4 KiB and never grows beyond what waits. Byte layout: docs/internals/delayed.md.
//!
//! Coming back reads the records. Only messages without one (those of the open block, and of a block whose record is
//! damaged or was lost with the end of the log) are read themselves: each stored message has its time in its head.

use std::collections::BTreeMap;

use store::{LaneId, Seq, Slice, Store};

use crate::{Message, Millis};

use super::room::Key;

/// Messages of a block; few in tests, so that they have many blocks.
pub(super) const BLOCK: u64 = if cfg!(test) { 16 } else { 4096 };

/// See the module.
pub(super) struct Index {
    lane: LaneId,
    /// Blocks with a record, by number: message `seq` belongs to block `seq / BLOCK`.
    blocks: BTreeMap<u64, Block>,
    /// The block that is being filled.
    open: u64,
    /// Its times so far, 0 for a number that was not used.
    times: Vec<Millis>,
    /// How many of its messages wait.
    open_waiting: u32,
}

struct Block {
    /// The record's number in the lane.
    record: Seq,
    /// How many of its messages wait.
    waiting: u32,
}

impl Index {
    pub(super) fn new(lane: LaneId) -> Index {
        Index { lane, blocks: BTreeMap::new(), open: 0, times: Vec::new(), open_waiting: 0 }
    }

    pub(super) fn lane(&self) -> LaneId {
        self.lane
    }

    /// A message was appended; numbers ascend.
    pub(super) fn add(&mut self, store: &mut Store, due: Millis, seq: Seq) {
        let block = seq / BLOCK;
        if block != self.open {
            self.close(store);
            self.open = block;
        }
        self.times.resize((seq % BLOCK) as usize, 0);
        self.times.push(due);
        self.open_waiting += 1;
        if self.times.len() as u64 == BLOCK {
            self.close(store);
            self.open = block + 1;
        }
    }

    /// A message is settled, and its block's record with the last one.
    pub(super) fn remove(&mut self, store: &mut Store, seq: Seq) {
        let number = seq / BLOCK;
        if number == self.open {
            self.open_waiting = self.open_waiting.saturating_sub(1);
            return;
        }
        let Some(block) = self.blocks.get_mut(&number) else { return };
        block.waiting = block.waiting.saturating_sub(1);
        if block.waiting == 0 {
            store.settle(self.lane, block.record);
            self.blocks.remove(&number);
        }
    }

    /// Writes the record of the open block, unless nothing of it waits.
    fn close(&mut self, store: &mut Store) {
        let times = std::mem::take(&mut self.times);
        let waiting = std::mem::take(&mut self.open_waiting);
        if waiting > 0 {
            self.write(store, self.open, &times, waiting);
        }
        self.times = times;
        self.times.clear();
    }

    fn write(&mut self, store: &mut Store, number: u64, times: &[Millis], waiting: u32) {
        let mut bytes = Vec::with_capacity(8 + times.len() * 8);
        bytes.extend_from_slice(&number.to_le_bytes());
        times.iter().for_each(|time| bytes.extend_from_slice(&time.to_le_bytes()));
        let mut record = [0];
        store.append(&[self.lane], true, 0, &[&bytes], &mut record);
        self.blocks.insert(number, Block { record: record[0], waiting });
    }

    /// Reads the records again: the index, and what waits in `messages`.
    pub(super) fn recover(lane: LaneId, messages: LaneId, store: &mut Store) -> (Index, Vec<Key>) {
        let mut index = Index::new(lane);
        let mut keys = Vec::with_capacity(store.stats(messages).live as usize);
        index.open = store.stats(messages).next_seq / BLOCK;
        let mut from = 0;
        while let Some(record) = store.next(lane, from) {
            from = record + 1;
            let read = store.read_alone(lane, record).ok();
            let known =
                read.as_ref().and_then(|bytes| parse(bytes)).is_some_and(|(number, times)| {
                    number < index.open
                        && index.restore(store, messages, (number, record), times, &mut keys)
                });
            if !known {
                // Damaged, or nothing of it waits: what does wait is found below.
                store.settle(lane, record);
            }
        }
        index.fill_gaps(store, messages, &mut keys);
        (index, keys)
    }

    /// Takes over a block; whether any of its messages waits.
    fn restore(
        &mut self,
        store: &Store,
        messages: LaneId,
        (number, record): (u64, Seq),
        times: &[[u8; 8]],
        keys: &mut Vec<Key>,
    ) -> bool {
        if self.blocks.contains_key(&number) {
            return false;
        }
        let first = number * BLOCK;
        let mut live = Vec::new();
        store.live_between(messages, first, first + BLOCK - 1, &mut live);
        let time =
            |seq: Seq| times.get((seq - first) as usize).map(|time| Millis::from_le_bytes(*time));
        let known = live.iter().all(|seq| time(*seq).is_some_and(|time| time > 0));
        if live.is_empty() || !known {
            return false;
        }
        keys.extend(live.iter().filter_map(|seq| time(*seq).map(|time| Key::new(time, *seq))));
        self.blocks.insert(number, Block { record, waiting: live.len() as u32 });
        true
    }

    /// Reads the messages that no record tells of, and writes the records that are missing.
    fn fill_gaps(&mut self, store: &mut Store, messages: LaneId, keys: &mut Vec<Key>) {
        let next_seq = store.stats(messages).next_seq;
        let mut from = 0;
        while let Some(seq) = store.next(messages, from) {
            let number = seq / BLOCK;
            from = (number + 1) * BLOCK;
            if self.blocks.contains_key(&number) {
                continue;
            }
            let mut live = Vec::new();
            store.live_between(messages, seq, from - 1, &mut live);
            let length = next_seq.min(from) - number * BLOCK;
            let mut times = vec![0; length as usize];
            let mut waiting = 0;
            for seq in live {
                // One that cannot be read stays in the store and is not delivered.
                let Some(due) =
                    store.read(messages, seq).ok().and_then(|bytes: Slice| Message::due(&bytes))
                else {
                    continue;
                };
                times[(seq % BLOCK) as usize] = due;
                keys.push(Key::new(due, seq));
                waiting += 1;
            }
            if number == self.open {
                (self.times, self.open_waiting) = (times, waiting);
            } else if waiting > 0 {
                self.write(store, number, &times, waiting);
            }
        }
    }
}

/// The number of the block and its times.
fn parse(bytes: &[u8]) -> Option<(u64, &[[u8; 8]])> {
    let (number, times) = bytes.split_first_chunk::<8>()?;
    let (times, rest) = times.as_chunks::<8>();
    rest.is_empty().then_some((u64::from_le_bytes(*number), times))
}
