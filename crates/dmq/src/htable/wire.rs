//! The JSON of Kamailio's htable module, both ways.
//!
//! What is written has Kamailio's fields in Kamailio's order and no others: 5.6.3 answers 400 to a
//! field that it does not know, and an object without fields ends it. What is read may have any
//! fields.

use serde::{Deserialize, Serialize};
use serde_json::Number;

use crate::desk::Value;

/// Send me all cells, or those of one table.
pub(super) const SYNC: i64 = 1;
/// A cell has this value.
pub(super) const SET: i64 = 2;
/// A cell lives that long.
pub(super) const SET_EXPIRE: i64 = 3;
/// A cell is gone.
pub(super) const DELETE: i64 = 4;
/// Cells are gone whose name or value matches.
pub(super) const REMOVE_MATCHING: i64 = 5;
/// Cells are gone whose name or value starts so.
pub(super) const REMOVE_STARTING: i64 = 6;

/// The bit of `type` for a text; without it the value is a number.
const TEXT: i64 = 2;

/// What arrives. Numbers may be written as fractions: Kamailio keeps JSON's as such, and newer ones
/// write large numbers so.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Body {
    action: Option<Number>,
    pub(super) htname: Option<String>,
    pub(super) cname: Option<String>,
    #[serde(rename = "type")]
    kind: Option<Number>,
    strval: Option<String>,
    intval: Option<Number>,
    mode: Option<Number>,
    /// Milliseconds since 1970, from Kamailio 6.2.
    last_modified: Option<Number>,
    /// When there is this, there is nothing else.
    pub(super) cells: Option<Vec<ReadCell>>,
}

/// A cell of a sync.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ReadCell {
    pub(super) htname: Option<String>,
    pub(super) cname: Option<String>,
    #[serde(rename = "type")]
    kind: Option<Number>,
    strval: Option<String>,
    intval: Option<Number>,
    expire: Option<Number>,
    last_modified: Option<Number>,
}

impl Body {
    /// What is to be done.
    pub(super) fn action(&self) -> Option<i64> {
        self.action.as_ref().map(whole)
    }

    /// The value of a SET.
    pub(super) fn value(&mut self) -> Option<Value> {
        value(self.kind.as_ref(), self.strval.take(), self.intval.as_ref())
    }

    /// The seconds of a SET_EXPIRE. Its `type` says nothing: Kamailio does not look at it.
    pub(super) fn seconds(&self) -> Option<i64> {
        self.intval.as_ref().map(whole)
    }

    /// The text or expression of the removals.
    pub(super) fn text(&mut self) -> Option<String> {
        self.strval.take()
    }

    /// Whether a removal looks at values, not at names.
    pub(super) fn of_values(&self) -> bool {
        self.mode.as_ref().is_some_and(|mode| whole(mode) != 0)
    }

    /// When the sender set the cell; 0 when it does not say.
    pub(super) fn modified_ms(&self) -> i64 {
        self.last_modified.as_ref().map_or(0, whole)
    }
}

impl ReadCell {
    /// Its value.
    pub(super) fn value(&mut self) -> Option<Value> {
        value(self.kind.as_ref(), self.strval.take(), self.intval.as_ref())
    }

    /// When it expires, in seconds since 1970, or something else: see [`super::Tables::take`].
    pub(super) fn expire(&self) -> i64 {
        self.expire.as_ref().map_or(0, whole)
    }

    /// When the sender set it; 0 when it does not say.
    pub(super) fn modified_ms(&self) -> i64 {
        self.last_modified.as_ref().map_or(0, whole)
    }
}

fn value(kind: Option<&Number>, text: Option<String>, number: Option<&Number>) -> Option<Value> {
    match kind.map(whole) {
        Some(kind) if kind & TEXT != 0 => text.map(Value::Text),
        Some(_) => number.map(|number| Value::Int(whole(number))),
        None => None,
    }
}

/// The number without its fraction, or the nearest that there is.
#[expect(clippy::cast_possible_truncation, reason = "saturates, which is what is wanted")]
fn whole(number: &Number) -> i64 {
    number.as_i64().unwrap_or_else(|| number.as_f64().unwrap_or_default() as i64)
}

/// What is sent: an action, or a cell of a sync.
#[derive(Debug, Serialize)]
struct Written<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<i64>,
    htname: &'a str,
    cname: &'a str,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strval: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    intval: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expire: Option<i64>,
}

impl<'a> Written<'a> {
    fn new(table: &'a str, key: &'a str, value: Option<&'a Value>) -> Written<'a> {
        let (kind, strval, intval) = match value {
            None => (None, None, None),
            Some(Value::Text(text)) => (Some(TEXT), Some(text.as_str()), None),
            Some(Value::Int(number)) => (Some(0), None, Some(*number)),
        };
        let (htname, cname) = (table, key);
        Written { action: None, htname, cname, kind, strval, intval, mode: None, expire: None }
    }

    fn write(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(out, self).expect("texts and numbers are always JSON");
    }

    fn body(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        self.write(&mut out);
        out
    }
}

/// A SET.
pub(super) fn set(table: &str, key: &str, value: &Value) -> Vec<u8> {
    let written = Written::new(table, key, Some(value));
    Written { action: Some(SET), mode: Some(1), ..written }.body()
}

/// The largest time that 5.6.3 can read; a larger one would be for ever.
const SECONDS_MAX: i64 = i32::MAX as i64;

/// A SET_EXPIRE: 0 is for ever.
pub(super) fn set_expire(table: &str, key: &str, seconds: u32) -> Vec<u8> {
    let seconds = Value::Int(i64::from(seconds).min(SECONDS_MAX));
    let written = Written::new(table, key, Some(&seconds));
    Written { action: Some(SET_EXPIRE), mode: Some(0), ..written }.body()
}

/// A DEL.
pub(super) fn delete(table: &str, key: &str) -> Vec<u8> {
    let written = Written::new(table, key, None);
    Written { action: Some(DELETE), mode: Some(0), ..written }.body()
}

/// Adds a cell of a sync to `out`. `expire_s` is seconds since 1970, 0 for ever. All fields are
/// written always: where one is missing, 5.6.3 takes what the cell before it had.
pub(super) fn cell(table: &str, key: &str, value: &Value, expire_s: i64, out: &mut Vec<u8>) {
    let written = Written::new(table, key, Some(value));
    Written { expire: Some(expire_s.min(SECONDS_MAX)), ..written }.write(out);
}
