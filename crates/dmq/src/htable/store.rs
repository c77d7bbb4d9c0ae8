//! The cells, how much they take, and when they expire.
//!
//! 1. `bytes` and `cells` are the sums over all tables, and `bytes` is never above the limit.
//! 2. `deadlines` has every cell that expires, at its time, and no others.
//! 3. A cell whose time has come counts as not there, even before it is removed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use super::spec::Life;
use crate::desk::Value;
use crate::message::Millis;

/// What a cell takes beside its key and its text: its places in two trees, measured generously.
const CELL_BYTES: u64 = 256;

/// Cells that are removed at once when they expire, so that other work is done in between.
const EXPIRED_MAX: usize = 10_000;

/// What a cell holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) value: Value,
    /// `None` is for ever.
    pub(super) deadline: Option<Millis>,
    /// When its sender set it, where it said so, or 0.
    pub(super) modified_ms: i64,
}

impl Held {
    pub(super) fn lives(&self, now_ms: Millis) -> bool {
        self.deadline.is_none_or(|deadline| deadline > now_ms)
    }
}

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) life: Life,
    /// Whether it is in the configuration, and therefore always there.
    pub(super) is_named: bool,
    pub(super) cells: BTreeMap<Arc<str>, Held>,
}

/// Does not fit.
#[derive(Debug)]
pub(super) struct Full;

/// A cell's table and key.
pub(super) type Place = (Arc<str>, Arc<str>);

/// All tables.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) tables: BTreeMap<Arc<str>, Table>,
    deadlines: BTreeSet<(Millis, Arc<str>, Arc<str>)>,
    pub(super) bytes_max: u64,
    pub(super) bytes: u64,
    pub(super) cells: usize,
}

impl Store {
    pub(super) fn new(bytes_max: u64) -> Store {
        let (tables, deadlines) = (BTreeMap::new(), BTreeSet::new());
        Store { tables, deadlines, bytes_max, bytes: 0, cells: 0 }
    }

    /// The cell, if it is there and its time has not come.
    pub(super) fn get(&self, table: &str, key: &str, now_ms: Millis) -> Option<&Held> {
        self.tables.get(table)?.cells.get(key).filter(|held| held.lives(now_ms))
    }

    /// Puts a cell into a table that exists, in place of what it holds.
    ///
    /// # Errors
    /// There is no room; nothing has changed.
    pub(super) fn put(&mut self, table: &str, key: &str, held: Held) -> Result<(), Full> {
        let Some((name, table)) = key_value_mut(&mut self.tables, table) else { return Err(Full) };
        let old = table.cells.get_key_value(key);
        let old_bytes = old.map_or(0, |(key, held)| cost(key, held));
        let bytes = self.bytes - old_bytes + cost(key, &held);
        if bytes > self.bytes_max {
            return Err(Full);
        }
        self.bytes = bytes;
        let key = match old {
            Some((key, old)) => {
                if let Some(deadline) = old.deadline {
                    self.deadlines.remove(&(deadline, name.clone(), key.clone()));
                }
                key.clone()
            }
            None => {
                self.cells += 1;
                Arc::from(key)
            }
        };
        if let Some(deadline) = held.deadline {
            self.deadlines.insert((deadline, name.clone(), key.clone()));
        }
        table.cells.insert(key, held);
        Ok(())
    }

    /// Lets a cell live until then, if it is there.
    pub(super) fn set_deadline(&mut self, table: &str, key: &str, deadline: Option<Millis>) {
        let Some((name, table)) = key_value_mut(&mut self.tables, table) else { return };
        let Some((key, held)) = key_value_mut(&mut table.cells, key) else { return };
        if let Some(old) = held.deadline {
            self.deadlines.remove(&(old, name.clone(), key.clone()));
        }
        if let Some(new) = deadline {
            self.deadlines.insert((new, name.clone(), key.clone()));
        }
        held.deadline = deadline;
    }

    /// Removes a cell; whether it was there.
    pub(super) fn remove(&mut self, table: &str, key: &str) -> bool {
        let Some((name, table)) = key_value_mut(&mut self.tables, table) else { return false };
        let Some((key, held)) = table.cells.remove_entry(key) else { return false };
        self.cells -= 1;
        self.bytes -= cost(&key, &held);
        if let Some(deadline) = held.deadline {
            self.deadlines.remove(&(deadline, name.clone(), key));
        }
        true
    }

    /// Removes the cells of a table that are meant.
    pub(super) fn remove_all(&mut self, table: &str, is_meant: impl Fn(&str, &Value) -> bool) {
        let Some(found) = self.tables.get(table) else { return };
        let meant = found.cells.iter().filter(|(key, held)| is_meant(key, &held.value));
        let keys: Vec<Arc<str>> = meant.map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.remove(table, &key);
        }
    }

    /// Removes cells whose time has come, but only so many at once.
    pub(super) fn expire(&mut self, now_ms: Millis) {
        for _ in 0..EXPIRED_MAX {
            let due = self.deadlines.first().filter(|(deadline, ..)| *deadline <= now_ms);
            let Some((_, table, key)) = due.cloned() else { return };
            self.remove(&table, &key);
        }
    }

    /// When the next cell expires.
    pub(super) fn next_deadline(&self) -> Option<Millis> {
        self.deadlines.first().map(|(deadline, ..)| *deadline)
    }

    /// All cells after a place in order of table and key, those included whose time has come; only
    /// of one table, when that is named.
    pub(super) fn after<'a>(
        &'a self,
        place: Option<&'a Place>,
        only: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Arc<str>, &'a Arc<str>, &'a Held)> {
        let first = place.map_or("", |(table, _)| &**table);
        let tables = self.tables.range::<str, _>((Bound::Included(first), Bound::Unbounded));
        let tables = tables.filter(move |(name, _)| only.is_none_or(|only| only == &***name));
        tables.flat_map(move |(name, table)| {
            let start = match place {
                Some((table, key)) if table == name => Bound::Excluded(&**key),
                _ => Bound::Unbounded,
            };
            let cells = table.cells.range::<str, _>((start, Bound::Unbounded));
            cells.map(move |(key, held)| (name, key, held))
        })
    }
}

/// The memory that a cell takes.
fn cost(key: &str, held: &Held) -> u64 {
    let text = match &held.value {
        Value::Int(_) => 0,
        Value::Text(text) => text.capacity(),
    };
    CELL_BYTES + key.len() as u64 + text as u64
}

/// An entry with its key as it is kept, which is cheaper to clone than a new one.
fn key_value_mut<'a, V>(
    map: &'a mut BTreeMap<Arc<str>, V>,
    key: &str,
) -> Option<(Arc<str>, &'a mut V)> {
    let range = (Bound::Included(key), Bound::Included(key));
    map.range_mut::<str, _>(range).next().map(|(key, value)| (key.clone(), value))
}
