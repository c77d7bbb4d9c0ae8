//! One FIFO of messages: what is known about it in memory.
//!
//! A lane has a persistent and a transient part, because messages of one queue may be of both
//! sorts; they share the sequence. A part is a list of runs (messages whose log file is sealed:
//! a bit each) followed by a tail (messages of files still being written: 24 bytes each).
//! Sequence numbers ascend through runs and tail of a part.

use std::collections::VecDeque;

use crate::live::LiveSet;
use crate::{LaneId, Seq};

/// Which log a message is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Log {
    /// The WAL: written and synced with a group commit.
    P = 0,
    /// The transient log: memory, spilled without sync when memory is short.
    T = 1,
}

impl Log {
    pub(crate) const BOTH: [Log; 2] = [Log::P, Log::T];
}

/// Marks a settled tail entry.
const DEAD: u32 = u32::MAX;

/// A message in a file that is not sealed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TailEntry {
    pub(crate) seq: Seq,
    /// Offset of the record in its file.
    pub(crate) off: u32,
    /// Bytes of the record.
    pub(crate) len: u32,
    /// Body bytes.
    pub(crate) body: u32,
    /// Slot in the chunk table, or `DEAD`.
    pub(crate) chunk: u32,
}

impl TailEntry {
    pub(crate) fn is_live(&self) -> bool {
        self.chunk != DEAD
    }
}

/// Messages of one lane in one sealed file.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) first: Seq,
    pub(crate) last: Seq,
    /// Slot in the file table.
    pub(crate) file: u32,
    /// Ordinal of its first entry in the file's index.
    pub(crate) index_at: u32,
    /// Entries in the index, settled ones too.
    pub(crate) count: u32,
    pub(crate) live_count: u32,
    pub(crate) live_body: u64,
    pub(crate) live: LiveSet,
    /// Where the last read and the last settle found their entries: the next is likely behind.
    pub(crate) hints: [u32; 2],
}

/// One of the two parts of a lane.
#[derive(Default, Debug)]
pub(crate) struct Part {
    pub(crate) tail: VecDeque<TailEntry>,
    pub(crate) runs: Vec<Run>,
    /// Id of the last file that lists this lane.
    pub(crate) noted: u64,
}

/// A FIFO of messages.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) id: LaneId,
    pub(crate) durable: bool,
    pub(crate) next_seq: Seq,
    pub(crate) mark: Seq,
    pub(crate) live: u64,
    pub(crate) live_bytes: u64,
    /// Where this lane's last range stands among the pending acks.
    pub(crate) ack_slot: u32,
    pub(crate) parts: [Part; 2],
}

impl Part {
    /// Position of a message in the tail.
    pub(crate) fn position(&self, seq: Seq) -> Option<usize> {
        let first = self.tail.front()?.seq;
        let distance = seq.checked_sub(first)?;
        // Sequence numbers ascend strictly, so the entry is at `distance` or before it; and there
        // exactly unless messages of the other part lie between.
        let bound = distance.min(self.tail.len() as u64 - 1) as usize;
        if self.tail[bound].seq == seq {
            return Some(bound);
        }
        let i = self.lower_bound(seq, bound);
        self.tail.get(i).filter(|e| e.seq == seq).map(|_| i)
    }

    /// First position, at most `bound + 1`, whose entry is at or above `seq`.
    fn lower_bound(&self, seq: Seq, bound: usize) -> usize {
        let (mut low, mut high) = (0, bound + 1);
        while low < high {
            let middle = (low + high) / 2;
            if self.tail[middle].seq < seq {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The smallest waiting sequence number at or above `from`.
    pub(crate) fn next(&self, from: Seq) -> Option<Seq> {
        let first_run = self.runs.partition_point(|r| r.last < from);
        for run in &self.runs[first_run..] {
            if let Some(seq) = run.next(from) {
                return Some(seq);
            }
        }
        self.next_in_tail(from)
    }

    fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.tail.is_empty()
    }

    fn live_between(&self, first: Seq, last: Seq, found: &mut Vec<Seq>) {
        let from = self.runs.partition_point(|run| run.last < first);
        for run in self.runs[from..].iter().take_while(|run| run.first <= last) {
            run.live_between(first, last, found);
        }
        let start = self.tail.partition_point(|entry| entry.seq < first);
        let tail = self.tail.range(start..).take_while(|entry| entry.seq <= last);
        found.extend(tail.filter(|entry| entry.is_live()).map(|entry| entry.seq));
    }

    fn next_in_tail(&self, from: Seq) -> Option<Seq> {
        let first = self.tail.front()?.seq;
        let start = match from.checked_sub(first) {
            None | Some(0) => 0,
            Some(distance) => {
                let bound = distance.min(self.tail.len() as u64 - 1) as usize;
                if self.tail[bound].seq == from { bound } else { self.lower_bound(from, bound) }
            }
        };
        self.tail.range(start..).find(|e| e.is_live()).map(|e| e.seq)
    }

    /// Position of the run that could hold a message.
    pub(crate) fn run_position(&self, seq: Seq) -> Option<usize> {
        let i = self.runs.partition_point(|r| r.last < seq);
        self.runs.get(i).filter(|r| r.first <= seq).map(|_| i)
    }

    /// Marks a tail entry settled and gives its place back; `None` when it was already.
    pub(crate) fn kill(&mut self, position: usize) -> Option<TailEntry> {
        let entry = self.tail[position];
        if !entry.is_live() {
            return None;
        }
        self.tail[position].chunk = DEAD;
        if position == 0 {
            while self.tail.front().is_some_and(|e| !e.is_live()) {
                self.tail.pop_front();
            }
            // A burst's index is given back once it has drained.
            if self.tail.is_empty() && self.tail.capacity() > 1024 {
                self.tail = VecDeque::new();
            }
        }
        Some(entry)
    }

    /// Drops a run without waiting messages.
    pub(crate) fn drop_dead_run(&mut self, i: usize) {
        if self.runs[i].live_count == 0 {
            self.runs.remove(i);
        }
    }
}

impl Run {
    pub(crate) fn rel(&self, seq: Seq) -> u32 {
        (seq - self.first) as u32
    }

    pub(crate) fn contains(&self, seq: Seq) -> bool {
        seq >= self.first && seq <= self.last && self.live.contains(self.rel(seq))
    }

    pub(crate) fn next(&self, from: Seq) -> Option<Seq> {
        let rel = if from <= self.first { 0 } else { self.rel(from) };
        self.live.next(rel).map(|rel| self.first + u64::from(rel))
    }

    fn live_between(&self, first: Seq, last: Seq, found: &mut Vec<Seq>) {
        let low = self.rel(first.max(self.first));
        let high = self.rel(last.min(self.last));
        self.live.between(low, high).for_each(|rel| found.push(self.first + u64::from(rel)));
    }

    /// Whether entry `i` of the index is message `first + i`.
    pub(crate) fn is_dense(&self) -> bool {
        u64::from(self.count) == self.last - self.first + 1
    }
}

impl Lane {
    pub(crate) fn new(id: LaneId, durable: bool) -> Lane {
        Lane {
            id,
            durable,
            next_seq: 0,
            mark: 0,
            live: 0,
            live_bytes: 0,
            ack_slot: 0,
            parts: Default::default(),
        }
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        let part = |part: &Part| {
            let live: usize = part.runs.iter().map(|run| run.live.heap()).sum();
            part.tail.capacity() * size_of::<TailEntry>()
                + part.runs.capacity() * size_of::<Run>()
                + live
        };
        size_of::<Lane>() + self.parts.iter().map(part).sum::<usize>()
    }

    /// Adds what waits from `first` to `last`, ascending.
    pub(crate) fn live_between(&self, first: Seq, last: Seq, found: &mut Vec<Seq>) {
        let begin = found.len();
        for part in &self.parts {
            part.live_between(first, last, found);
        }
        if self.parts.iter().all(|part| !part.is_empty()) {
            found[begin..].sort_unstable();
        }
    }

    /// The smallest waiting sequence number at or above `from`, of both parts.
    pub(crate) fn next(&self, from: Seq) -> Option<Seq> {
        let p = self.parts[0].next(from);
        let t = self.parts[1].next(from);
        match (p, t) {
            (Some(p), Some(t)) => Some(p.min(t)),
            (p, t) => p.or(t),
        }
    }
}

/// All lanes, found by the slot inside their id: 24 bits of slot below 40 bits of generation, so
/// an id is never used twice and needs no map.
#[derive(Default)]
pub(crate) struct Lanes {
    slots: Vec<Option<Box<Lane>>>,
    free: Vec<u32>,
    pub(crate) next_generation: u64,
    /// Generations below were made safe against reuse after a crash.
    pub(crate) reserved: u64,
    pub(crate) len: usize,
}

const SLOT_BITS: u32 = 24;

impl Lanes {
    fn slot(id: LaneId) -> usize {
        (id.0 & ((1 << SLOT_BITS) - 1)) as usize
    }

    pub(crate) fn get(&self, id: LaneId) -> Option<&Lane> {
        self.slots.get(Lanes::slot(id))?.as_deref().filter(|l| l.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: LaneId) -> Option<&mut Lane> {
        self.slots.get_mut(Lanes::slot(id))?.as_deref_mut().filter(|l| l.id == id)
    }

    /// Makes a lane under a new id.
    pub(crate) fn create(&mut self, durable: bool) -> LaneId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() as u32 - 1
        });
        assert!(slot < 1 << SLOT_BITS, "a store has at most 16,777,216 lanes");
        let id = LaneId(self.next_generation << SLOT_BITS | u64::from(slot));
        self.next_generation += 1;
        self.slots[slot as usize] = Some(Box::new(Lane::new(id, durable)));
        self.len += 1;
        id
    }

    /// Puts a recovered lane in its place; [`rebuild`](Lanes::rebuild) follows.
    pub(crate) fn insert(&mut self, lane: Lane) {
        let slot = Lanes::slot(lane.id);
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, || None);
        }
        self.next_generation = self.next_generation.max((lane.id.0 >> SLOT_BITS) + 1);
        self.len += usize::from(self.slots[slot].is_none());
        self.slots[slot] = Some(Box::new(lane));
    }

    pub(crate) fn remove(&mut self, id: LaneId) -> Option<Box<Lane>> {
        self.get(id)?;
        let slot = Lanes::slot(id);
        self.free.push(slot as u32);
        self.len -= 1;
        self.slots[slot].take()
    }

    /// Recounts after recovery.
    pub(crate) fn rebuild(&mut self) {
        let slots = &self.slots;
        self.free = (0..slots.len() as u32).filter(|&s| slots[s as usize].is_none()).collect();
        self.len = slots.len() - self.free.len();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Lane> {
        self.slots.iter().filter_map(|l| l.as_deref())
    }
}

#[cfg(test)]
mod tests;
