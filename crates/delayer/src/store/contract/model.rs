//! Random stories, told to a store and to a map.
//!
//! A failing story prints its seed; `LEVERET_CONTRACT_SEED` tells it again.

use std::collections::BTreeMap;

use super::{Place, apply, entry, held};
use crate::message::{DUE_MAX, Entry, Held, Key, Message, Millis, NewMessage};
use crate::store::Store;

const SEED: &str = "LEVERET_CONTRACT_SEED";

/// Milliseconds of a minute.
const MINUTE: Millis = 60_000;

/// Small numbers in a row that a seed fixes (splitmix64).
pub(crate) struct Random(u64);

impl Random {
    /// By the variable, else by the time; says which.
    pub(crate) fn seeded() -> Random {
        let given = std::env::var(SEED).ok().map(|seed| seed.parse().unwrap());
        let now = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        let seed = given.unwrap_or_else(now);
        println!("{SEED}={seed}");
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// Below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| self.next() as u8).collect()
    }

    /// Often the same, sometimes extreme.
    fn due_ms(&mut self) -> Millis {
        match self.below(20) {
            0 => 0,
            1 => DUE_MAX,
            2 => self.below(DUE_MAX),
            _ => self.below(40) * MINUTE / 2 + self.below(2),
        }
    }

    fn new_message(&mut self) -> NewMessage {
        let body_max = if self.below(30) == 0 { 40_000 } else { 600 };
        NewMessage {
            due_ms: self.due_ms(),
            stored_ms: self.below(30) * MINUTE / 2,
            message_id: if self.below(3) == 0 {
                Vec::new()
            } else {
                format!("id-{}", self.below(30)).into_bytes()
            },
            message: Message {
                exchange: self.bytes(10),
                routing_key: self.bytes(10),
                properties: self.bytes(60),
                body: self.bytes(body_max),
            },
        }
    }
}

/// What a store should hold.
#[derive(Default)]
struct Model {
    messages: BTreeMap<Key, NewMessage>,
    last_seq: u64,
}

pub(crate) fn any_story_ends_as_in_the_model(place: &Place) {
    let mut random = Random::seeded();
    let mut model = Model::default();
    let mut store = place.open();
    for _ in 0..if place.slow { 40 } else { 250 } {
        match random.below(20) {
            0 => {
                drop(store);
                store = place.open();
                model.check_all(&*store);
            }
            1 | 2 => drop(store.tidy(random.below(50) * MINUTE).unwrap()),
            3..=5 => model.check(&*store, &mut random),
            _ => model.change(&*store, &mut random),
        }
        model.check_totals(&*store);
    }
    model.check_all(&*store);
}

impl Model {
    /// Most often that of a message; never one that is only about to be given to a message.
    fn some_key(&self, random: &mut Random) -> Key {
        let unknown = Key { due_ms: random.due_ms(), seq: random.below(self.last_seq + 1) };
        let at = self.messages.len() as u64 * 5 / 4 + 1;
        self.messages.keys().nth(random.below(at) as usize).copied().unwrap_or(unknown)
    }

    fn change(&mut self, store: &dyn Store, random: &mut Random) {
        let count = |random: &mut Random, most| random.below(most) * random.below(2);
        let insert: Vec<_> = (0..count(random, 25)).map(|_| random.new_message()).collect();
        let remove: Vec<_> = (0..count(random, 20)).map(|_| self.some_key(random)).collect();
        // A message that is moved is not named twice: which comes first is not said.
        let removed: Vec<_> = remove.iter().map(|key| key.seq).collect();
        let reschedule: BTreeMap<u64, (Key, Millis)> = (0..count(random, 8))
            .map(|_| (self.some_key(random), random.due_ms()))
            .filter(|(key, _)| !removed.contains(&key.seq))
            .map(|(key, due_ms)| (key.seq, (key, due_ms)))
            .collect();
        let reschedule: Vec<_> = reschedule.into_values().collect();
        let applied = apply(store, &insert, &remove, &reschedule);
        let mut removed = 0;
        for key in &remove {
            removed += u64::from(self.messages.remove(key).is_some());
        }
        assert_eq!(applied.removed, removed);
        for ((key, due_ms), moved) in reschedule.iter().zip(&applied.rescheduled) {
            let now = Key { due_ms: *due_ms, seq: key.seq };
            let message = self.messages.remove(key);
            assert_eq!(*moved, message.is_some().then_some(now));
            message.and_then(|message| self.messages.insert(now, message));
        }
        for (key, new) in applied.inserted.iter().zip(insert) {
            assert!(key.seq > self.last_seq, "{key:?} after {}", self.last_seq);
            self.last_seq = key.seq;
            self.messages.insert(*key, new);
        }
    }

    fn check_totals(&self, store: &dyn Store) {
        let totals = store.totals().unwrap();
        assert_eq!(totals.held, self.messages.len() as u64);
        let bytes: usize = self.messages.values().map(|new| new.message.bytes()).sum();
        assert_eq!(totals.held_bytes, bytes as u64);
        assert_eq!(totals.next_due_ms, self.messages.keys().next().map(|key| key.due_ms));
        let oldest = self.messages.values().map(|new| new.stored_ms / MINUTE * MINUTE).min();
        assert_eq!(totals.oldest_ms, oldest);
    }

    fn check_all(&self, store: &dyn Store) {
        let expected: Vec<Held> = self.messages.iter().map(|(key, new)| held(*key, new)).collect();
        assert_eq!(super::all(store), expected);
    }

    fn check(&self, store: &dyn Store, random: &mut Random) {
        let (after, until) = (self.some_key(random), random.due_ms());
        let (count_max, bytes_max) = (1 + random.below(30) as usize, random.below(20_000) as usize);
        let rest: Vec<_> = self.messages.range(after..).filter(|(key, _)| **key != after).collect();
        let mut expected = Vec::new();
        let mut bytes = 0;
        for (key, new) in &rest {
            let enough = expected.len() == count_max || !expected.is_empty() && bytes >= bytes_max;
            if key.due_ms > until || enough {
                break;
            }
            bytes += new.message.bytes();
            expected.push(held(**key, new));
        }
        let batch = store.load(after, until, count_max, bytes_max).unwrap();
        assert_eq!((&batch.held, &batch.damaged), (&expected, &vec![]));
        assert_eq!(batch.next, rest.get(expected.len()).map(|(key, _)| **key));

        let due = rest.iter().take_while(|(key, _)| key.due_ms <= until);
        let expected: Vec<_> = due.take(count_max).map(|(key, new)| entry(**key, new)).collect();
        assert_eq!(store.list(after, until, count_max).unwrap(), expected);

        let id = format!("id-{}", random.below(35)).into_bytes();
        let named = self.messages.iter().filter(|(_, new)| new.message_id == id);
        let expected: Vec<Entry> = named.take(count_max).map(|(k, new)| entry(*k, new)).collect();
        assert_eq!(store.find(&id, count_max).unwrap(), expected);

        let expected = self.messages.get(&after).map(|new| held(after, new));
        assert_eq!(store.get(after).unwrap(), expected);

        let mut edges: Vec<_> = (0..random.below(6)).map(|_| random.below(22) * MINUTE).collect();
        edges.sort_unstable();
        let between = |span: &[Millis]| {
            let due = self.messages.keys().filter(|key| (span[0]..span[1]).contains(&key.due_ms));
            due.count() as u64
        };
        let expected: Vec<_> = edges.windows(2).map(between).collect();
        assert_eq!(store.histogram(&edges).unwrap(), expected, "{edges:?}");
    }
}
