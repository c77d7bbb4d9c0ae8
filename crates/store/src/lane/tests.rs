//! Tails and runs find what a sorted map finds.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn tail_entry(seq: Seq) -> TailEntry {
    TailEntry { seq, off: 0, len: 1, body: 1, chunk: 0 }
}

fn run(seqs: &[Seq]) -> Run {
    let first = seqs[0];
    let rels: Vec<u32> = seqs.iter().map(|s| (s - first) as u32).collect();
    Run {
        first,
        last: seqs[seqs.len() - 1],
        file: 0,
        index_at: 0,
        count: seqs.len() as u32,
        live_count: seqs.len() as u32,
        live_body: 0,
        live: LiveSet::from_sorted(rels.into_iter()),
        hints: [0; 2],
    }
}

proptest! {
    /// Runs and tail hold ascending numbers with gaps, as when two parts share a lane.
    #[test]
    fn finds_what_a_map_finds(
        gaps in prop::collection::vec(1u64..4, 1..60),
        split in 0usize..40,
        kills in prop::collection::vec(0u64..130, 0..60),
    ) {
        let seqs: Vec<Seq> =
            gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
        let split = split.min(seqs.len());
        let mut part = Part::default();
        part.runs.extend(seqs[..split].chunks(7).map(run));
        part.tail.extend(seqs[split..].iter().copied().map(tail_entry));
        let mut model: BTreeMap<Seq, bool> = seqs.iter().map(|&s| (s, true)).collect();
        for seq in kills {
            let expected = model.remove(&seq).is_some();
            let found = if let Some(i) = part.position(seq) {
                part.kill(i).is_some()
            } else if let Some(i) = part.run_position(seq) {
                let run = &mut part.runs[i];
                let rel = run.rel(seq);
                let removed = run.live.remove(rel);
                run.live_count -= u32::from(removed);
                part.drop_dead_run(i);
                removed
            } else {
                false
            };
            prop_assert_eq!(found, expected, "settling {}", seq);
            for from in 0..140 {
                let expected = model.range(from..).next().map(|(s, _)| *s);
                prop_assert_eq!(part.next(from), expected, "next of {}", from);
            }
        }
    }
}

#[test]
fn ids_are_never_used_twice() {
    let mut lanes = Lanes::default();
    let first = lanes.create(true);
    assert!(lanes.remove(first).is_some());
    let second = lanes.create(true);
    assert_ne!(first, second);
    assert!(lanes.get(first).is_none());
    assert!(lanes.get(second).is_some());
    assert_eq!(lanes.len, 1);
}

#[test]
fn empty_lane_costs_less_than_300_bytes() {
    assert!(size_of::<Lane>() + size_of::<Option<Box<Lane>>>() < 300);
    assert_eq!(size_of::<TailEntry>(), 24);
}
