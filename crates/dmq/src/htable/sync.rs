//! A full sync, cut into bodies while they are sent.

use super::store::Place;
use super::{Tables, wire};
use crate::desk::Value;
use crate::message::Millis;

/// How a body of a sync starts and ends. Kamailio reads it as one only when `cells` is the first
/// field.
const START: &[u8] = br#"{"cells":["#;
const END: &[u8] = b"]}";

/// Where a sync is: it walks through the tables as they are when each body is made, so it needs no
/// copy of them. A cell that is set meanwhile goes out in any case, by its own SET or by the sync.
#[derive(Debug)]
pub struct Sync {
    table: Option<String>,
    body_bytes: usize,
    last: Option<Place>,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Fresh,
    Walking,
    Done,
}

impl Sync {
    /// Of all cells, or those of one table, in bodies of at most so many bytes. A cell that does
    /// not fit goes in a body of its own, which is never larger than `cell_bytes_max`.
    pub fn new(table: Option<String>, body_bytes: usize) -> Sync {
        Sync { table, body_bytes, last: None, state: State::Fresh }
    }

    /// The next body; `None` after the last. There is at least one, `{"cells":[]}`.
    pub fn body(&mut self, tables: &Tables, now_ms: Millis) -> Option<Vec<u8>> {
        if self.state == State::Done {
            return None;
        }
        let mut out = START.to_vec();
        let mut last = None;
        let mut is_whole = true;
        for (table, key, held) in tables.store.after(self.last.as_ref(), self.table.as_deref()) {
            if !held.lives(now_ms) {
                continue;
            }
            let before = out.len();
            if last.is_some() {
                out.push(b',');
            }
            // Rounded up: a time that has come means the table's own to Kamailio, not an end.
            let deadline_s = held.deadline.map_or(0, |at_ms| (at_ms - 1).div_euclid(1000) + 1);
            wire::cell(table, key, &held.value, deadline_s, &mut out);
            if last.is_some() && out.len() + END.len() > self.body_bytes {
                out.truncate(before);
                is_whole = false;
                break;
            }
            last = Some((table.clone(), key.clone()));
        }
        let is_empty = last.is_none();
        let was_fresh = std::mem::replace(&mut self.state, State::Walking) == State::Fresh;
        if is_whole {
            self.state = State::Done;
        }
        if is_empty && !was_fresh {
            return None;
        }
        self.last = last.or(self.last.take());
        out.extend_from_slice(END);
        Some(out)
    }
}

/// A body with one cell, as large as it can get.
pub(super) fn one(table: &str, key: &str, value: &Value) -> Vec<u8> {
    let mut out = START.to_vec();
    wire::cell(table, key, value, Millis::MAX, &mut out);
    out.extend_from_slice(END);
    out
}
