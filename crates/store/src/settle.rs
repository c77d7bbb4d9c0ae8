//! Messages leave their lanes; ranges of what left wait to be logged.

use std::time::Instant;

use crate::lane::{Lane, Log};
use crate::record::Kind;
use crate::{LaneId, LaneStats, Seq, Store};

/// A settled range, both ends included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AckRange {
    pub(crate) lane: LaneId,
    pub(crate) first: Seq,
    pub(crate) last: Seq,
}

/// What was settled since the last ack record.
#[derive(Default)]
pub(crate) struct PendingAcks {
    ranges: Vec<AckRange>,
    /// When the oldest began to wait for company.
    pub(crate) since: Option<Instant>,
}

impl PendingAcks {
    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Notes one message; neighbours of one lane share a range.
    pub(crate) fn note(&mut self, lane: &mut Lane, seq: Seq) {
        if let Some(range) = self.ranges.get_mut(lane.ack_slot as usize)
            && range.lane == lane.id
        {
            if seq == range.last + 1 {
                range.last = seq;
                return;
            }
            if seq + 1 == range.first {
                range.first = seq;
                return;
            }
        }
        self.push(lane, seq, seq);
    }

    pub(crate) fn push(&mut self, lane: &mut Lane, first: Seq, last: Seq) {
        lane.ack_slot = self.ranges.len() as u32;
        self.ranges.push(AckRange { lane: lane.id, first, last });
    }

    pub(crate) fn take(&mut self) -> Vec<AckRange> {
        self.since = None;
        std::mem::take(&mut self.ranges)
    }

    /// Returns the memory of `take`.
    pub(crate) fn give_back(&mut self, mut ranges: Vec<AckRange>) {
        if self.ranges.is_empty() && ranges.capacity() <= 65_536 {
            ranges.clear();
            self.ranges = ranges;
        }
    }
}

impl Store {
    /// A message is done with: acked, dropped or expired. Settling it again changes nothing. That
    /// it is settled reaches the disk with a later batch, never before the message itself.
    pub fn settle(&mut self, lane: LaneId, seq: Seq) {
        self.settle_one(lane, seq, true);
    }

    /// `note`: an ack record is due; false while replaying one. Whether it was waiting.
    pub(crate) fn settle_one(&mut self, lane: LaneId, seq: Seq, note: bool) -> bool {
        let Some(lane) = self.lanes.get_mut(lane) else { return false };
        for log in Log::BOTH {
            let part = &mut lane.parts[log as usize];
            if let Some(position) = part.position(seq) {
                let Some(entry) = part.kill(position) else { return false };
                lane.live -= 1;
                lane.live_bytes -= u64::from(entry.body);
                if note && log == Log::P {
                    self.acks.note(lane, seq);
                }
                if self.chunks.settle(entry.chunk, entry.len) {
                    self.release_if_dead(entry.chunk);
                }
                return true;
            }
            if let Some(i) = part.run_position(seq)
                && part.runs[i].contains(seq)
            {
                if note && log == Log::P {
                    self.acks.note(lane, seq);
                }
                let id = lane.id;
                self.settle_in_run(id, log, i, seq);
                return true;
            }
        }
        false
    }

    /// Settles everything that waits at or after `from`; how many messages that was.
    pub fn settle_from(&mut self, lane: LaneId, from: Seq) -> u64 {
        let Some(l) = self.lanes.get_mut(lane) else { return 0 };
        let Some(last) = l.next_seq.checked_sub(1).filter(|&last| last >= from) else { return 0 };
        if l.durable && l.live > 0 {
            self.acks.push(l, from, last);
        }
        self.settle_range(lane, from, last)
    }

    /// Settles what waits from `first` to `last`, without a record of it.
    pub(crate) fn settle_range(&mut self, lane: LaneId, first: Seq, last: Seq) -> u64 {
        let mut settled = self.settle_whole_runs(lane, first, last);
        let mut from = first;
        while let Some(seq) = self.next(lane, from).filter(|&seq| seq <= last) {
            settled += u64::from(self.settle_one(lane, seq, false));
            from = seq + 1;
        }
        settled
    }

    /// Messages below `seq` were delivered once. Kept by a clean close only.
    pub fn set_mark(&mut self, lane: LaneId, seq: Seq) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.mark = seq;
        }
    }

    /// The next waiting message at or after `from`.
    pub fn next(&self, lane: LaneId, from: Seq) -> Option<Seq> {
        self.lanes.get(lane)?.next(from)
    }

    /// Adds the waiting messages from `first` to `last`, in ascending order, to `found`. For a walk
    /// over many: it costs no search for each.
    pub fn live_between(&self, lane: LaneId, first: Seq, last: Seq, found: &mut Vec<Seq>) {
        if let Some(lane) = self.lanes.get(lane) {
            lane.live_between(first, last, found);
        }
    }

    /// Counts of a lane; zeros when there is no such lane.
    pub fn stats(&self, lane: LaneId) -> LaneStats {
        self.lanes.get(lane).map_or_else(LaneStats::default, |l| LaneStats {
            live: l.live,
            live_bytes: l.live_bytes,
            next_seq: l.next_seq,
        })
    }

    /// Forgets a lane and its messages.
    pub fn delete_lane(&mut self, lane: LaneId) {
        let Some(removed) = self.forget_lane(lane) else { return };
        if removed {
            self.log_record(Kind::LaneDelete, &lane.0.to_le_bytes());
        }
    }

    /// Drops a lane from memory; whether it was durable, `None` when there was none.
    pub(crate) fn forget_lane(&mut self, lane: LaneId) -> Option<bool> {
        let lane = self.lanes.remove(lane)?;
        for part in &lane.parts {
            for entry in part.tail.iter().filter(|e| e.is_live()) {
                if self.chunks.settle(entry.chunk, entry.len) {
                    self.release_if_dead(entry.chunk);
                }
            }
            for run in &part.runs {
                self.drop_run_contents(run);
            }
        }
        Some(lane.durable)
    }
}
