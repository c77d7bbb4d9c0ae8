//! Waiting lines by key: of the messages with one key, one has its turn and the others wait for it.

use std::collections::{HashMap, VecDeque};

use super::SlotId;

/// A key as it is kept.
pub(crate) type Key = Box<[u8]>;

#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Who waits behind the one whose turn it is.
    lines: HashMap<Key, VecDeque<SlotId>>,
}

impl Lines {
    /// Whether `slot` has its turn at once; else it waits.
    pub(super) fn enter(&mut self, key: &Key, slot: SlotId) -> bool {
        match self.lines.get_mut(key) {
            Some(waiting) => {
                waiting.push_back(slot);
                false
            }
            None => {
                self.lines.insert(key.clone(), VecDeque::new());
                true
            }
        }
    }

    /// The one whose turn it was is done: whose turn is it now?
    pub(super) fn done(&mut self, key: &Key) -> Option<SlotId> {
        let next = self.lines.get_mut(key)?.pop_front();
        if next.is_none() {
            self.lines.remove(key);
        }
        next
    }

    /// Somebody no longer waits.
    pub(super) fn leave(&mut self, key: &Key, slot: SlotId) {
        if let Some(waiting) = self.lines.get_mut(key) {
            waiting.retain(|other| *other != slot);
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}
