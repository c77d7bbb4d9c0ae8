//! How often messages came back to quorum queues, as records.
//!
//! A record names a lane and holds new counts of some of its messages. It follows each return and stands in each checkpoint
//! for all messages that are still there; counts of messages that are gone are skipped at recovery.

use std::collections::BTreeMap;

use store::{LaneId, Seq};

use super::Record;
use crate::queue::{Counts, Queue};
use crate::{Handle, Map};

/// Messages of one record: some 32 KiB.
const MESSAGES_MAX: usize = 4096;

/// A message's number, how often it came back as a failure, and how often at all.
pub(crate) type Counted = (u64, u32, u32);

/// What recovery has read so far, by lane.
#[derive(Default)]
pub(crate) struct LoggedCounts(Map<u64, BTreeMap<Seq, Counts>>);

impl LoggedCounts {
    /// A later record replaces what an earlier one said of a message.
    pub(super) fn add(&mut self, lane: u64, counted: Vec<Counted>) {
        let counted =
            counted.into_iter().map(|(seq, failed, acquired)| (seq, Counts { failed, acquired }));
        self.0.entry(lane).or_default().extend(counted);
    }

    /// What is known of a lane.
    pub(super) fn take(&mut self, lane: LaneId) -> Vec<(Seq, Counts)> {
        self.0.remove(&lane.0).unwrap_or_default().into_iter().collect()
    }
}

impl Record {
    /// The counts of messages that just came back, and did not die of it.
    pub(crate) fn returned(queue: &Queue, handles: impl Iterator<Item = Handle>) -> Vec<Record> {
        let mut by_level: BTreeMap<u8, Vec<(Seq, Counts)>> = BTreeMap::new();
        for handle in handles {
            let counts = queue.counts(handle);
            if counts != Counts::default() {
                by_level.entry(handle.lane).or_default().push((handle.seq, counts));
            }
        }
        let of_lanes = by_level
            .into_iter()
            .filter_map(|(level, counts)| Some((queue.lane_of(level)?, counts)));
        of_lanes.flat_map(|(lane, counts)| records(lane, &counts)).collect()
    }

    /// The counts of all messages of a queue.
    pub(crate) fn all_returned(queue: &Queue) -> impl Iterator<Item = Record> + '_ {
        queue.all_counts().flat_map(|(lane, counts)| records(lane, &counts))
    }
}

fn records(lane: LaneId, counts: &[(Seq, Counts)]) -> Vec<Record> {
    let plain = |(seq, counts): &(Seq, Counts)| (*seq, counts.failed, counts.acquired);
    let parts = counts.chunks(MESSAGES_MAX);
    parts
        .map(|part| Record::Returned { lane: lane.0, counts: part.iter().map(plain).collect() })
        .collect()
}
