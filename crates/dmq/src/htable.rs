//! Kamailio's replicated hash tables: what arrives for the peer `htable` is applied, and what is
//! set here is written as Kamailio writes it. No I/O and no clock.
//!
//! Facts that the code goes by, of Kamailio 5.6.3:
//!
//! - Only tables with an `autoexpire` expire at all; their cells live that long, unless a
//!   SET_EXPIRE says otherwise, and no node tells another that one has expired. See [`TableSpec`].
//! - A SET makes a cell live as long as a new one (unless `updateexpire=0`), so a SET_EXPIRE
//!   always follows it; 0 there is for ever.
//! - A sync has seconds since 1970 when a cell expires. 0, or the bare seconds of a SET_EXPIRE, is
//!   what stands in cells of tables that do not expire.
//! - Numbers have 32 bits: larger ones become -2147483648. Texts end at U+0000.

mod pattern;
mod spec;
mod store;
mod sync;
mod taking;
mod wire;

#[cfg(test)]
mod tests;

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;

use crate::config::ANY;
use crate::desk::{Cell, TableError, TableSet, Value};
use crate::message::Millis;
use store::{Held, Store, Table};

pub use spec::{Life, SpecError, TableSpec};
pub use sync::Sync;
pub use taking::{Refused, Taken};

/// The body that asks a node for all its cells.
pub const SYNC: &[u8] = br#"{"action":1}"#;

/// What is kept.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Tables, as [`TableSpec`] reads them; with `*`, those of any name.
    pub names: Vec<String>,
    /// The memory that all cells take, in bytes.
    pub bytes_max: u64,
    /// Tables, those included that are named.
    pub tables_max: usize,
    /// A body with this one cell, in bytes.
    pub cell_bytes_max: usize,
}

/// The tables.
#[derive(Debug)]
pub struct Tables {
    store: Store,
    /// How long cells of tables live that are not named, if they may be.
    any: Option<Life>,
    tables_max: usize,
    cell_bytes_max: usize,
    replaced: u64,
}

impl Tables {
    /// The tables of the configuration, empty.
    ///
    /// # Errors
    /// One of them cannot be.
    pub fn new(limits: &Limits) -> Result<Tables, SpecError> {
        let mut store = Store::new(limits.bytes_max);
        let mut any = None;
        for text in &limits.names {
            let spec: TableSpec = text.parse()?;
            if spec.name == ANY {
                any = Some(spec.life);
            } else {
                let name = Arc::from(spec.name.as_str());
                let life = spec.life;
                let table = Table { life, is_named: true, cells: Default::default() };
                store.tables.insert(name, table);
            }
        }
        let &Limits { tables_max, cell_bytes_max, .. } = limits;
        Ok(Tables { store, any, tables_max, cell_bytes_max, replaced: 0 })
    }

    /// How long cells of a table live, if we keep it or may.
    fn life(&self, table: &str) -> Option<Life> {
        match self.store.tables.get(table) {
            Some(table) => Some(table.life),
            None if table.is_empty() || table.len() > spec::NAME_BYTES_MAX => None,
            None => self.any,
        }
    }

    /// Puts a cell, unless it is older than what is held; the table is made if need be.
    fn put(
        &mut self,
        table: &str,
        key: &str,
        mut held: Held,
        now_ms: Millis,
    ) -> Result<(), Refused> {
        if let Some(old) = self.store.get(table, key, now_ms) {
            if held.modified_ms != 0 && held.modified_ms <= old.modified_ms {
                return Ok(());
            }
            held.modified_ms = held.modified_ms.max(old.modified_ms);
        }
        if self.written_bytes(table, key, &held.value) > self.cell_bytes_max {
            return Err(Refused::Full);
        }
        self.make_table(table)?;
        self.store.put(table, key, held).map_err(|store::Full| Refused::Full)
    }

    /// Makes a table if there is none; for want of room, empty ones that are not named go first.
    fn make_table(&mut self, table: &str) -> Result<(), Refused> {
        let tables = &mut self.store.tables;
        if tables.contains_key(table) {
            return Ok(());
        }
        if tables.len() >= self.tables_max {
            tables.retain(|_, table| table.is_named || !table.cells.is_empty());
        }
        match self.any {
            Some(life) if tables.len() < self.tables_max => {
                let cells = Default::default();
                tables.insert(Arc::from(table), Table { life, is_named: false, cells });
                Ok(())
            }
            _ => Err(Refused::NoTable(table.to_owned())),
        }
    }

    /// The size of the largest body with this one cell, or less when it is certainly small enough.
    fn written_bytes(&self, table: &str, key: &str, value: &Value) -> usize {
        // What stands around a cell at most, and the longest way to write a byte, \u0001.
        const AROUND: usize = 128;
        const ESCAPE: usize = 6;
        let text = if let Value::Text(text) = value { text.len() } else { 0 };
        let raw = table.len() + key.len() + text;
        if raw * ESCAPE + AROUND <= self.cell_bytes_max {
            return raw;
        }
        sync::one(table, key, value).len()
    }

    /// Sets a cell here; returns the bodies to be broadcast, in this order.
    ///
    /// # Errors
    /// The cell cannot be here, or not in Kamailio; nothing has changed.
    pub fn set(&mut self, set: &TableSet, now_ms: Millis) -> Result<Vec<Vec<u8>>, TableError> {
        let TableSet { table, key, value, expire_s } = set;
        if let Some(name) = [table, key].into_iter().find(|name| !spec::is_name(name)) {
            return Err(TableError::BadName(name.clone()));
        }
        if !fits_kamailio(value) {
            return Err(TableError::BadValue);
        }
        let life = self.life(table).ok_or_else(|| TableError::NoTable(table.clone()))?;
        let bytes = self.written_bytes(table, key, value);
        if bytes > self.cell_bytes_max {
            return Err(TableError::TooLarge { bytes });
        }
        let deadline = match expire_s {
            Some(seconds) => after(i64::from(*seconds), now_ms),
            None => {
                let held = self.store.get(table, key, now_ms);
                life.deadline(held.map(|held| held.deadline), now_ms)
            }
        };
        let held = Held { value: value.clone(), deadline, modified_ms: 0 };
        self.put(table, key, held, now_ms).map_err(|refused| match refused {
            Refused::NoTable(table) => TableError::NoTable(table),
            _ => TableError::Full { bytes_max: self.store.bytes_max },
        })?;
        let mut bodies = vec![wire::set(table, key, value)];
        bodies.extend(expire_s.map(|seconds| wire::set_expire(table, key, seconds)));
        Ok(bodies)
    }

    /// Deletes a cell here; returns the body to be broadcast, `None` when there is no such cell.
    ///
    /// # Errors
    /// We do not keep such a table.
    pub fn delete(&mut self, table: &str, key: &str) -> Result<Option<Vec<u8>>, TableError> {
        if self.life(table).is_none() {
            return Err(TableError::NoTable(table.to_owned()));
        }
        Ok(self.store.remove(table, key).then(|| wire::delete(table, key)))
    }

    /// A cell.
    pub fn get(&self, table: &str, key: &str, now_ms: Millis) -> Option<Cell> {
        self.store.get(table, key, now_ms).map(|held| cell(key, held, now_ms))
    }

    /// All cells of a table by key; `None` when there is no such table.
    pub fn dump(&self, table: &str, now_ms: Millis) -> Option<Vec<Cell>> {
        let cells = self.store.tables.get(table)?.cells.iter();
        let living = cells.filter(|(_, held)| held.lives(now_ms));
        Some(living.map(|(key, held)| cell(key, held, now_ms)).collect())
    }

    /// The tables by name, and how many cells each has.
    pub fn names(&self) -> Vec<(String, usize)> {
        let tables = self.store.tables.iter();
        tables.map(|(name, table)| (name.to_string(), table.cells.len())).collect()
    }

    /// How many tables and cells there are, and the memory that the cells take, in bytes.
    pub fn size(&self) -> (usize, usize, u64) {
        (self.store.tables.len(), self.store.cells, self.store.bytes)
    }

    /// Bodies that were not UTF-8, since the start.
    pub fn replaced(&self) -> u64 {
        self.replaced
    }

    /// Removes cells whose time has come. When very many have, some are left for the next call:
    /// [`Tables::next_expiry`] then says a time that has been.
    pub fn expire(&mut self, now_ms: Millis) {
        self.store.expire(now_ms);
    }

    /// When the next cell expires.
    pub fn next_expiry(&self) -> Option<Millis> {
        self.store.next_deadline()
    }
}

/// The lane of a cell: what is sent about one cell stays in order.
pub fn lane(table: &str, key: &str) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "half a hash is a hash")]
    let lane = FixedState::default().hash_one((table, key)) as u32;
    lane
}

fn cell(key: &str, held: &Held, now_ms: Millis) -> Cell {
    let left = |deadline: Millis| u64::try_from(deadline.saturating_sub(now_ms)).unwrap_or(0);
    let expires_in_ms = held.deadline.map(left);
    Cell { key: key.to_owned(), value: held.value.clone(), expires_in_ms }
}

/// Whether Kamailio would hold this value, not another.
fn fits_kamailio(value: &Value) -> bool {
    match value {
        Value::Int(number) => i32::try_from(*number).is_ok(),
        Value::Text(text) => !text.contains('\0'),
    }
}

/// The time in so many seconds; none for 0 and less, which are for ever.
fn after(seconds: i64, now_ms: Millis) -> Option<Millis> {
    (seconds > 0).then(|| now_ms.saturating_add(seconds.saturating_mul(1000)))
}
