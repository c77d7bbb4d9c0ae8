//! A message's headers as JSON, from the wire as it is: plain values for people, or typed ones from
//! which the table can be built again.
//!
//! Plain: integers with all digits; floats in the shortest form of their width, and `"NaN"`,
//! `"Infinity"`, `"-Infinity"`; decimals as strings with their scale; binary data as
//! `{"$base64":"…"}`; times in seconds. Of several fields with the same name the first one counts.
//! A name that is not UTF-8 is `$base64:` and its base64.
//!
//! Typed: each value is an object with the letter of its type, `{"S":"text"}`, or `S64` for a
//! string that is not UTF-8. A table is `{"F":[["name",VALUE],…]}`, with the order and the
//! duplicates of the wire; integers of 64 bits, floats and their like are strings.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;

use amqp::error::DecodeError;
use amqp::value::raw::{RawArray, RawValue};
use amqp::value::{RawField, RawTable};
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Error, SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use crate::config::{HeaderStyle, Int64};
use crate::payload::text::{Base64, Marked, Text};

/// Tables and arrays inside each other, the headers counted: as deep as RabbitMQ's Java client
/// reads them.
pub(super) const DEPTH_MAX: usize = 32;

/// How headers are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain(Int64),
    Typed,
}

impl Style {
    pub(super) fn new(style: HeaderStyle, int64: Int64) -> Style {
        match style {
            HeaderStyle::Plain => Style::Plain(int64),
            HeaderStyle::Typed => Style::Typed,
        }
    }
}

/// Headers in a style.
pub(super) struct Headers<'a>(pub(super) RawTable<'a>, pub(super) Style);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.1 {
            Style::Plain(int64) => {
                PlainTable { table: self.0, int64, depth: 1 }.serialize(serializer)
            }
            Style::Typed => TypedTable { table: self.0, depth: 1 }.serialize(serializer),
        }
    }
}

/// The depth inside a table or an array at `depth`.
pub(super) fn deeper<E: Error>(depth: usize) -> Result<usize, E> {
    if depth < DEPTH_MAX {
        return Ok(depth + 1);
    }
    Err(E::custom(format!("tables and arrays are more than {DEPTH_MAX} deep")))
}

struct PlainTable<'a> {
    table: RawTable<'a>,
    int64: Int64,
    depth: usize,
}

impl Serialize for PlainTable<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for field in first_fields(self.table) {
            let field = field.map_err(Error::custom)?;
            let value = PlainValue { field, int64: self.int64, depth: self.depth };
            map.serialize_entry(&Name(field.key), &value)?;
        }
        map.end()
    }
}

/// The fields of a table without those whose name was there before.
pub(super) fn first_fields<'a>(
    table: RawTable<'a>,
) -> impl Iterator<Item = Result<RawField<'a>, DecodeError>> {
    let mut seen = HashSet::new();
    table.fields().filter(move |field| field.as_ref().map_or(true, |field| seen.insert(field.key)))
}

/// A field's name as a JSON key.
pub(super) struct Name<'a>(pub(super) &'a [u8]);

impl Serialize for Name<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match str::from_utf8(self.0) {
            Ok(name) => serializer.serialize_str(name),
            Err(_) => {
                let base64 = Base64Display::new(self.0, &STANDARD);
                serializer.collect_str(&format_args!("$base64:{base64}"))
            }
        }
    }
}

struct PlainValue<'a> {
    field: RawField<'a>,
    int64: Int64,
    depth: usize,
}

impl Serialize for PlainValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.field.read().map_err(Error::custom)? {
            RawValue::Bool(value) => serializer.serialize_bool(value),
            RawValue::Int(value)
                if self.int64 == Int64::String && matches!(self.field.tag(), b'l' | b'L') =>
            {
                serializer.collect_str(&value)
            }
            RawValue::Int(value) => serializer.serialize_i64(value),
            RawValue::F32(value) if value.is_finite() => serializer.serialize_f32(value),
            RawValue::F64(value) if value.is_finite() => serializer.serialize_f64(value),
            RawValue::F32(value) => serializer.serialize_str(not_finite(value.into())),
            RawValue::F64(value) => serializer.serialize_str(not_finite(value)),
            RawValue::Decimal { scale, value } => serializer.collect_str(&Decimal(scale, value)),
            RawValue::LongStr(bytes) => Text(bytes).serialize(serializer),
            RawValue::Bytes(bytes) => Marked(bytes).serialize(serializer),
            RawValue::Timestamp(seconds) => serializer.serialize_u64(seconds),
            RawValue::Array(array) => {
                let depth = deeper(self.depth)?;
                let mut seq = serializer.serialize_seq(None)?;
                for item in array.items() {
                    let field = item.map_err(Error::custom)?;
                    seq.serialize_element(&PlainValue { field, int64: self.int64, depth })?;
                }
                seq.end()
            }
            RawValue::Table(table) => {
                let depth = deeper(self.depth)?;
                PlainTable { table, int64: self.int64, depth }.serialize(serializer)
            }
            RawValue::Void => serializer.serialize_unit(),
        }
    }
}

/// JSON has no number for it.
fn not_finite(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

/// A decimal with all digits of its scale: `123.00`.
pub(super) struct Decimal(pub(super) u8, pub(super) i32);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Decimal(scale, value) = *self;
        let scale = usize::from(scale);
        // At least one digit stands before the point.
        let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
        let (whole, part) = digits.split_at(digits.len() - scale);
        let (sign, point) = (if value < 0 { "-" } else { "" }, if scale > 0 { "." } else { "" });
        write!(f, "{sign}{whole}{point}{part}")
    }
}

/// `{"F":[["name",VALUE],…]}`
struct TypedTable<'a> {
    table: RawTable<'a>,
    depth: usize,
}

impl Serialize for TypedTable<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("F", &TypedFields { table: self.table, depth: self.depth })?;
        map.end()
    }
}

struct TypedFields<'a> {
    table: RawTable<'a>,
    depth: usize,
}

impl Serialize for TypedFields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(None)?;
        for field in self.table.fields() {
            let field = field.map_err(Error::custom)?;
            let value = TypedValue { field, depth: self.depth };
            seq.serialize_element(&(Text(field.key), value))?;
        }
        seq.end()
    }
}

struct TypedItems<'a> {
    array: RawArray<'a>,
    depth: usize,
}

impl Serialize for TypedItems<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(None)?;
        for item in self.array.items() {
            let field = item.map_err(Error::custom)?;
            seq.serialize_element(&TypedValue { field, depth: self.depth })?;
        }
        seq.end()
    }
}

struct TypedValue<'a> {
    field: RawField<'a>,
    depth: usize,
}

impl Serialize for TypedValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tag = [self.field.tag()];
        let letter = str::from_utf8(&tag).map_err(Error::custom)?;
        let mut map = serializer.serialize_map(Some(1))?;
        match self.field.read().map_err(Error::custom)? {
            RawValue::Bool(value) => map.serialize_entry(letter, &value)?,
            RawValue::Int(value) if matches!(tag[0], b'l' | b'L') => {
                map.serialize_entry(letter, &Shortest(value))?;
            }
            RawValue::Int(value) => map.serialize_entry(letter, &value)?,
            RawValue::F32(value) if value.is_finite() => {
                map.serialize_entry(letter, &Shortest(value))?;
            }
            RawValue::F64(value) if value.is_finite() => {
                map.serialize_entry(letter, &Shortest(value))?;
            }
            RawValue::F32(value) => map.serialize_entry(letter, not_finite(value.into()))?,
            RawValue::F64(value) => map.serialize_entry(letter, not_finite(value))?,
            RawValue::Decimal { scale, value } => map.serialize_entry(letter, &(scale, value))?,
            RawValue::LongStr(bytes) => match str::from_utf8(bytes) {
                Ok(text) => map.serialize_entry(letter, text)?,
                Err(_) => map.serialize_entry("S64", &Base64(bytes))?,
            },
            RawValue::Bytes(bytes) => map.serialize_entry(letter, &Base64(bytes))?,
            RawValue::Timestamp(seconds) => map.serialize_entry(letter, &seconds)?,
            RawValue::Array(array) => {
                let depth = deeper(self.depth)?;
                map.serialize_entry(letter, &TypedItems { array, depth })?;
            }
            RawValue::Table(table) => {
                let depth = deeper(self.depth)?;
                map.serialize_entry(letter, &TypedFields { table, depth })?;
            }
            RawValue::Void => map.serialize_entry(letter, &())?,
        }
        map.end()
    }
}

/// A number as a string, as `Debug` writes it: all digits of an integer, and of a float the fewest
/// from which it can be read again.
struct Shortest<T>(T);

impl<T: fmt::Debug> Serialize for Shortest<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:?}", self.0))
    }
}
