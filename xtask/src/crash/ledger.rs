//! What the broker promised, and the judgement of what it delivers.
//!
//! ```text
//! sent ── confirm ──> kept ── ack ──> acked
//!   │                  ^ │              │
//!   │ found after a crash  │ found ─────┘  (only redelivered)
//!   └─ not found ──> gone <┘ not found (an acked one, or a transient one)
//! ```
//! A message that is gone never comes back; one that is kept is found after every crash.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use super::message::{Key, parse};

/// Where a message is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Sent,
    Kept,
    Acked,
    Gone,
}

#[derive(Debug)]
struct Entry {
    queue: u16,
    persistent: bool,
    state: State,
    delivered: bool,
}

/// All messages of a story.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: HashMap<Key, Entry>,
    wrong: Vec<String>,
    /// How many may wait in the broker: sent or kept.
    pub waiting: usize,
    pub counts: Counts,
}

/// What a round did.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub sent: u64,
    pub confirmed: u64,
    pub delivered: u64,
    pub acked: u64,
}

/// A limit to what is noted, so that one fault does not fill the screen.
const WRONG_MAX: usize = 20;

impl Ledger {
    /// Just before a message is written to the socket.
    pub(crate) fn sent(&mut self, key: Key, queue: u16, persistent: bool) {
        self.counts.sent += 1;
        let entry = Entry { queue, persistent, state: State::Sent, delivered: false };
        self.entries.insert(key, entry);
        self.waiting += 1;
    }

    pub(crate) fn confirmed(&mut self, key: Key) {
        self.counts.confirmed += 1;
        match self.entries.get_mut(&key) {
            Some(entry) if entry.state == State::Sent => entry.state = State::Kept,
            // A consumer may ack before the publisher sees the confirm.
            Some(_) => {}
            None => self.note(format!("{key:?} is confirmed, but was never sent")),
        }
    }

    pub(crate) fn acked(&mut self, key: Key) {
        self.counts.acked += 1;
        if let Some(entry) = self.entries.get_mut(&key) {
            if matches!(entry.state, State::Sent | State::Kept) {
                self.waiting -= 1;
            }
            entry.state = State::Acked;
        }
    }

    /// Judges one delivery on its own; the key when it can be told.
    pub(crate) fn delivered(&mut self, queue: u16, redelivered: bool, body: &[u8]) -> Option<Key> {
        self.counts.delivered += 1;
        let (key, meant_for) = match parse(body) {
            Ok(parsed) => parsed,
            Err(what) => {
                self.note(format!("queue {queue} delivers {what}"));
                return None;
            }
        };
        let Some(entry) = self.entries.get_mut(&key) else {
            self.note(format!("queue {queue} delivers {key:?}, which was never sent"));
            return None;
        };
        let mut wrong = Vec::new();
        if meant_for != queue || entry.queue != queue {
            wrong.push(format!("queue {queue} delivers {key:?} of queue {}", entry.queue));
        }
        if entry.state == State::Gone {
            wrong.push(format!("queue {queue} delivers {key:?}, which was gone"));
        }
        if entry.delivered && !redelivered {
            let state = entry.state;
            wrong.push(format!("{key:?} ({state:?}) comes again without redelivered"));
        }
        entry.delivered = true;
        for line in wrong {
            self.note(line);
        }
        Some(key)
    }

    /// Judges everything that a queue held after a restart, in the order of delivery. With
    /// `lossy`, messages may be missing: a disk was damaged, and the broker said so.
    pub(crate) fn found(&mut self, queue: u16, keys: &[Key], lossy: bool) {
        let mut last: BTreeMap<u8, u32> = BTreeMap::new();
        let mut held: HashMap<Key, u32> = HashMap::new();
        for key in keys {
            *held.entry(*key).or_default() += 1;
            if let Some(before) = last.insert(key.producer, key.seq)
                && before >= key.seq
            {
                self.note(format!("queue {queue}: {key:?} comes after {before}"));
            }
        }
        let mut wrong = Vec::new();
        for (key, entry) in self.entries.iter_mut().filter(|(_, entry)| entry.queue == queue) {
            let times = held.get(key).copied().unwrap_or(0);
            if times > 1 {
                wrong.push(format!("queue {queue} holds {key:?} {times} times"));
            }
            if times == 0 && entry.state == State::Kept && entry.persistent && !lossy {
                wrong.push(format!(
                    "queue {queue}: {key:?} was confirmed, not acked, and is lost{}",
                    if entry.delivered { " (it had been delivered)" } else { "" }
                ));
            }
            entry.state = if times == 0 { State::Gone } else { State::Kept };
        }
        let waits = |entry: &&Entry| matches!(entry.state, State::Sent | State::Kept);
        self.waiting = self.entries.values().filter(waits).count();
        wrong.sort();
        for line in wrong {
            self.note(line);
        }
    }

    /// Notes what is wrong; only the first few.
    pub(crate) fn note(&mut self, line: String) {
        if self.wrong.len() < WRONG_MAX {
            self.wrong.push(line);
        }
    }

    /// What was wrong since the last call.
    pub(crate) fn take_wrong(&mut self) -> Vec<String> {
        std::mem::take(&mut self.wrong)
    }
}
