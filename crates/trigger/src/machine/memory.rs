//! What is remembered of messages for a while: a bounded map whose entries end by themselves.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use crate::message::Millis;

#[derive(Debug)]
pub(super) struct Memory<K, V> {
    entries: HashMap<K, (V, Millis)>,
    /// The keys in the order in which their entries end. A key that was noted again stands here
    /// more than once; only the last one ends it.
    ends: VecDeque<(Millis, K)>,
    ttl_ms: Millis,
    entries_max: usize,
}

impl<K: Clone + Eq + Hash, V> Memory<K, V> {
    pub(super) fn new(ttl_ms: Millis, entries_max: usize) -> Memory<K, V> {
        Memory { entries: HashMap::new(), ends: VecDeque::new(), ttl_ms, entries_max }
    }

    /// Remembers `value`; the oldest entry goes when there are too many.
    pub(super) fn note(&mut self, key: K, value: V, now: Millis) {
        let end = now + self.ttl_ms;
        self.forget(now);
        self.entries.insert(key.clone(), (value, end));
        self.ends.push_back((end, key));
        while self.ends.len() > self.entries_max {
            self.drop_first();
        }
    }

    /// What is remembered.
    pub(super) fn get(&mut self, key: &K, now: Millis) -> Option<&V> {
        self.forget(now);
        self.entries.get(key).map(|(value, _)| value)
    }

    /// What is remembered, and is forgotten by that.
    pub(super) fn take(&mut self, key: &K, now: Millis) -> Option<V> {
        self.forget(now);
        self.entries.remove(key).map(|(value, _)| value)
    }

    fn forget(&mut self, now: Millis) {
        while self.ends.front().is_some_and(|(end, _)| *end <= now) {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        let Some((end, key)) = self.ends.pop_front() else { return };
        if self.entries.get(&key).is_some_and(|(_, noted)| *noted == end) {
            self.entries.remove(&key);
        }
    }
}
