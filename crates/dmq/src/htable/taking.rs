//! What a body that arrived does to the tables.

use std::borrow::Cow;

use super::pattern::Pattern;
use super::store::Held;
use super::{Tables, after, wire};
use crate::desk::Value;
use crate::message::Millis;

/// A time before this (2001) in a sync is none: see the facts of [`super`].
const EPOCH_S_MIN: i64 = 1_000_000_000;

/// What became of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// The tables are as it says.
    Applied,
    /// Its sender wants all cells, or those of one table: see [`super::Sync`].
    SyncWanted(Option<String>),
}

/// Why a body was not applied.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It says nothing that a table could do.
    #[error("not a message of Kamailio's htable: {0}")]
    Bad(String),
    /// We do not keep the table, or have as many as may be.
    #[error("no table {0:?}, and none more may be made (htable)")]
    NoTable(String),
    /// There is no room for the cell, or for some of a sync.
    #[error("the tables are full, or a cell is larger than a message may be (htable_bytes_max)")]
    Full,
}

impl Refused {
    /// The code of the answer; Kamailio's.
    pub fn code(&self) -> u16 {
        match self {
            Refused::Bad(_) => 400,
            Refused::NoTable(_) | Refused::Full => 500,
        }
    }
}

impl Tables {
    /// Applies what arrived. Bytes that are not UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// See [`Refused`]; of a sync, all cells that fit have been taken.
    pub fn take(&mut self, body: &[u8], now_ms: Millis) -> Result<Taken, Refused> {
        let text = String::from_utf8_lossy(body);
        self.replaced += u64::from(matches!(text, Cow::Owned(_)));
        let mut body: wire::Body =
            serde_json::from_str(&text).map_err(|error| Refused::Bad(error.to_string()))?;
        if let Some(cells) = body.cells {
            return self.take_cells(cells, now_ms);
        }
        let action = body.action().ok_or_else(|| missing("action"))?;
        if action == wire::SYNC {
            return Ok(Taken::SyncWanted(body.htname.filter(|name| !name.is_empty())));
        }
        let table = body.htname.take().ok_or_else(|| missing("htname"))?;
        let life = self.life(&table).ok_or_else(|| Refused::NoTable(table.clone()))?;
        match action {
            wire::SET => {
                let value = body.value().ok_or_else(|| missing("value"))?;
                let held = self.store.get(&table, key(&body)?, now_ms);
                let deadline = life.deadline(held.map(|held| held.deadline), now_ms);
                let held = Held { value, deadline, modified_ms: body.modified_ms() };
                self.put(&table, key(&body)?, held, now_ms)?;
            }
            wire::SET_EXPIRE => {
                let seconds = body.seconds().ok_or_else(|| missing("intval"))?;
                let key = key(&body)?;
                if self.store.get(&table, key, now_ms).is_some() {
                    self.store.set_deadline(&table, key, after(seconds, now_ms));
                }
            }
            wire::DELETE => {
                self.store.remove(&table, key(&body)?);
            }
            wire::REMOVE_MATCHING | wire::REMOVE_STARTING => self.remove(&table, action, body)?,
            other => return Err(Refused::Bad(format!("no action has the number {other}"))),
        }
        Ok(Taken::Applied)
    }

    /// Removes cells by their names or their texts.
    fn remove(&mut self, table: &str, action: i64, mut body: wire::Body) -> Result<(), Refused> {
        let text = body.text().filter(|text| !text.is_empty()).ok_or_else(|| missing("strval"))?;
        let pattern = match action {
            wire::REMOVE_STARTING => Pattern::Start(text),
            _ => Pattern::expression(&text).map_err(Refused::Bad)?,
        };
        let of_values = body.of_values();
        self.store.remove_all(table, |key, value| match value {
            _ if !of_values => pattern.matches(key),
            Value::Text(text) => pattern.matches(text),
            Value::Int(_) => false,
        });
        Ok(())
    }

    /// Takes the cells of a sync; those of tables that we do not keep are passed over, as are those
    /// that say nothing or have expired.
    fn take_cells(&mut self, cells: Vec<wire::ReadCell>, now_ms: Millis) -> Result<Taken, Refused> {
        let mut is_full = false;
        for mut cell in cells {
            let (Some(table), Some(key)) = (cell.htname.take(), cell.cname.take()) else {
                continue;
            };
            let Some(value) = cell.value() else { continue };
            let Some(life) = self.life(&table) else { continue };
            let held = self.store.get(&table, &key, now_ms).map(|held| held.deadline);
            let deadline = match cell.expire() {
                // What is known is better than what a new cell would get.
                expire_s if expire_s < EPOCH_S_MIN => {
                    held.unwrap_or_else(|| life.deadline(None, now_ms))
                }
                expire_s => Some(expire_s.saturating_mul(1000)),
            };
            let held = Held { value, deadline, modified_ms: cell.modified_ms() };
            if held.lives(now_ms) {
                is_full |= self.put(&table, &key, held, now_ms).is_err();
            }
        }
        if is_full { Err(Refused::Full) } else { Ok(Taken::Applied) }
    }
}

fn key(body: &wire::Body) -> Result<&str, Refused> {
    body.cname.as_deref().ok_or_else(|| missing("cname"))
}

fn missing(what: &str) -> Refused {
    Refused::Bad(format!("it has no {what} that can be used"))
}
