//! A random life of a store beside a map that does the same.

use std::collections::BTreeMap;

use super::*;
use crate::message::{DUE_MAX, Held};

/// SplitMix64.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// A number below `n`.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// What a store should hold.
#[derive(Clone, Default)]
pub(super) struct Model {
    pub(super) held: BTreeMap<Key, NewMessage>,
    pub(super) next_seq: u64,
}

/// A change with its own data.
#[derive(Clone, Default, Debug)]
pub(super) struct Step {
    pub(super) insert: Vec<NewMessage>,
    pub(super) remove: Vec<Key>,
    pub(super) reschedule: Vec<(Key, Millis)>,
}

impl Step {
    pub(super) fn changes(&self) -> Changes<'_> {
        Changes { insert: &self.insert, remove: &self.remove, reschedule: &self.reschedule }
    }
}

impl Model {
    pub(super) fn new() -> Model {
        Model { next_seq: 1, ..Model::default() }
    }

    /// A change that mostly means messages that are there.
    pub(super) fn step(&self, dice: &mut Dice, body_max: u64) -> Step {
        let mut step = Step::default();
        for _ in 0..dice.below(12) {
            let delay = match dice.below(10) {
                0 => 0,
                1 => DUE_MAX,
                _ => {
                    let bits = dice.below(29);
                    dice.below(1 << bits)
                }
            };
            let mut new = message(0, dice.below(body_max) as usize);
            new.due_ms = (NOW + delay).min(DUE_MAX);
            new.stored_ms = NOW + dice.below(10 * MINUTE);
            if dice.below(2) == 0 {
                new.message_id = format!("id-{}", dice.below(5)).into_bytes();
            }
            step.insert.push(new);
        }
        for _ in 0..dice.below(10) {
            let known = self.held.keys().nth(dice.below(self.held.len() as u64 + 1) as usize);
            let key = known.copied().unwrap_or(Key { due_ms: NOW, seq: dice.below(1000) });
            let same = |other: &(Key, Millis)| other.0.seq == key.seq;
            if step.remove.iter().any(|k| k.seq == key.seq) || step.reschedule.iter().any(same) {
                continue;
            }
            match dice.below(4) {
                0 => step.reschedule.push((key, NOW + dice.below(1 << 28))),
                _ => step.remove.push(key),
            }
        }
        step
    }

    pub(super) fn apply(&mut self, step: &Step) -> Applied {
        let mut applied = Applied::default();
        for key in &step.remove {
            applied.removed += u64::from(self.held.remove(key).is_some());
        }
        for &(key, due_ms) in &step.reschedule {
            let moved = self.held.remove(&key).map(|new| {
                let key = Key { due_ms, seq: key.seq };
                self.held.insert(key, new);
                key
            });
            applied.rescheduled.push(moved);
        }
        for new in &step.insert {
            let key = Key { due_ms: new.due_ms, seq: self.next_seq };
            self.next_seq += 1;
            self.held.insert(key, new.clone());
            applied.inserted.push(key);
        }
        applied
    }

    /// Compares everything that a store can be asked.
    pub(super) fn check(&self, store: &LogStore) {
        let expected: Vec<Held> = self
            .held
            .iter()
            .map(|(&key, new)| Held { key, stored_ms: new.stored_ms, message: new.message.clone() })
            .collect();
        let batch = store.load(Key::MIN, u64::MAX, usize::MAX, usize::MAX).unwrap();
        assert_eq!(batch.damaged, []);
        assert!(batch.held == expected, "{} held, {} expected", batch.held.len(), expected.len());
        let totals = store.totals().unwrap();
        assert_eq!(totals.held, expected.len() as u64);
        let bytes: usize = expected.iter().map(|held| held.message.bytes()).sum();
        assert_eq!(totals.held_bytes, bytes as u64);
        assert_eq!(totals.next_due_ms, expected.first().map(|held| held.key.due_ms));
        let oldest = expected.iter().map(|held| held.stored_ms / MINUTE * MINUTE).min();
        assert_eq!(totals.oldest_ms, oldest);
        let edges = [0, NOW, NOW + MINUTE, NOW + 100 * MINUTE, DUE_MAX];
        let counts = edges.windows(2).map(|edge| {
            let (from, to) = (edge[0] / MINUTE, edge[1] / MINUTE);
            let minutes = self.held.keys().map(|key| key.due_ms / MINUTE);
            minutes.filter(|minute| (from..to).contains(minute)).count() as u64
        });
        assert_eq!(store.histogram(&edges).unwrap(), counts.collect::<Vec<u64>>());
        self.check_lists(store);
    }

    fn check_lists(&self, store: &LogStore) {
        for id in [&b"id-0"[..], b"id-3", b"", b"unknown"] {
            let expected = self.held.iter().filter(|(_, new)| new.message_id == id);
            let keys: Vec<Key> = expected.filter(|_| !id.is_empty()).map(|(key, _)| *key).collect();
            let found = store.find(id, 1000).unwrap();
            assert_eq!(found.iter().map(|entry| entry.key).collect::<Vec<_>>(), keys);
        }
        let list = store.list(Key::MIN, NOW + 50 * MINUTE, 20).unwrap();
        let expected = self.held.range(..=Key { due_ms: NOW + 50 * MINUTE, seq: u64::MAX });
        for (entry, (key, new)) in list.iter().zip(expected.clone()) {
            assert_eq!((entry.key, entry.stored_ms), (*key, new.stored_ms));
            assert_eq!(entry.message_id, new.message_id);
            assert_eq!(entry.routing_key, new.message.routing_key);
            assert_eq!(entry.body_bytes, new.message.body.len() as u64);
        }
        assert_eq!(list.len(), expected.count().min(20));
    }
}

#[test]
fn random_life_is_that_of_a_map() {
    for seed in 0..3 {
        println!("seed {seed}");
        let mut dice = Dice(seed);
        let dir = tempfile::tempdir().unwrap();
        let options = Options { segment_bytes: 100_000, ..options(dir.path()) };
        let mut store = LogStore::open(&options).unwrap();
        let mut model = Model::new();
        for _ in 0..60 {
            let step = model.step(&mut dice, 20_000);
            assert_eq!(store.apply(&step.changes()).unwrap(), model.apply(&step));
            let now_ms = NOW + dice.below(1 << 32);
            while dice.below(2) == 0 && store.tidy(now_ms).unwrap() {}
            if dice.below(10) == 0 {
                drop(store);
                store = LogStore::open(&options).unwrap();
            }
            model.check(&store);
        }
        let keys: Vec<Key> = model.held.keys().copied().collect();
        assert_eq!(remove(&store, &keys).removed, keys.len() as u64);
        let names = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name());
        let left = names.filter(|name| name.to_string_lossy().ends_with(".segment")).count();
        assert!(left <= super::super::lifetime::CLASSES, "{left} segments of nothing");
    }
}
