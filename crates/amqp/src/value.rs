//! Field tables and their values, with the type tags as RabbitMQ reads and writes them.
//!
//! RabbitMQ bends the specification: `s` is a 16-bit integer and not a short string, `U` does not
//! exist, and `L` is read as a signed integer and written as `l`.

pub mod raw;

use std::fmt;

use crate::error::DecodeError;
use crate::wire::{Reader, put_long_bytes, put_short_bytes};

/// Tables and arrays inside each other, the outermost table counted. A peer decides how deep its
/// tables are, and each level costs stack; what people send has three or four.
pub const MAX_DEPTH: usize = 64;

/// One value of a table or an array.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `t`: any octet but 0 is true.
    Bool(bool),
    /// `b`
    I8(i8),
    /// `B`
    U8(u8),
    /// `s`
    I16(i16),
    /// `u`
    U16(u16),
    /// `I`
    I32(i32),
    /// `i`
    U32(u32),
    /// `l`, and read from `L` too.
    I64(i64),
    /// `f`
    F32(f32),
    /// `d`
    F64(f64),
    /// `D`: `value` divided by ten to the power of `scale`.
    #[expect(missing_docs, reason = "explained at the variant")]
    Decimal { scale: u8, value: u32 },
    /// `S`: text as a rule, though nothing says so.
    LongStr(Vec<u8>),
    /// `A`
    Array(Vec<Value>),
    /// `T`: seconds since 1970.
    Timestamp(u64),
    /// `F`
    Table(Table),
    /// `V`
    Void,
    /// `x`
    Bytes(Vec<u8>),
}

impl Value {
    /// The text of a long string that is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::LongStr(bytes) => str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The bytes of a long string or of binary data.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::LongStr(bytes) | Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The value of an integer of any width.
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            Value::I8(value) => Some(value.into()),
            Value::U8(value) => Some(value.into()),
            Value::I16(value) => Some(value.into()),
            Value::U16(value) => Some(value.into()),
            Value::I32(value) => Some(value.into()),
            Value::U32(value) => Some(value.into()),
            Value::I64(value) => Some(value),
            _ => None,
        }
    }

    /// RabbitMQ's word for the type, as its error texts have it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Bool(_) => "bool",
            Value::I8(_) => "byte",
            Value::U8(_) => "unsignedbyte",
            Value::I16(_) => "short",
            Value::U16(_) => "unsignedshort",
            Value::I32(_) => "signedint",
            Value::U32(_) => "unsignedint",
            Value::I64(_) => "long",
            Value::F32(_) => "float",
            Value::F64(_) => "double",
            Value::Decimal { .. } => "decimal",
            Value::LongStr(_) => "longstr",
            Value::Array(_) => "array",
            Value::Timestamp(_) => "timestamp",
            Value::Table(_) => "table",
            Value::Void => "void",
            Value::Bytes(_) => "binary",
        }
    }

    fn decode(reader: &mut Reader<'_>, depth: usize) -> Result<Value, DecodeError> {
        Ok(match reader.u8()? {
            b't' => Value::Bool(reader.u8()? != 0),
            b'b' => Value::I8(i8::from_be_bytes(reader.array()?)),
            b'B' => Value::U8(reader.u8()?),
            b's' => Value::I16(i16::from_be_bytes(reader.array()?)),
            b'u' => Value::U16(reader.u16()?),
            b'I' => Value::I32(i32::from_be_bytes(reader.array()?)),
            b'i' => Value::U32(reader.u32()?),
            b'l' | b'L' => Value::I64(i64::from_be_bytes(reader.array()?)),
            b'f' => Value::F32(f32::from_be_bytes(reader.array()?)),
            b'd' => Value::F64(f64::from_be_bytes(reader.array()?)),
            b'D' => Value::Decimal { scale: reader.u8()?, value: reader.u32()? },
            b'S' => Value::LongStr(reader.long_bytes()?.to_vec()),
            b'A' => {
                let depth = deeper(depth)?;
                let mut items = Reader::new(reader.long_bytes()?);
                let mut array = Vec::new();
                while !items.is_empty() {
                    array.push(Value::decode(&mut items, depth)?);
                }
                Value::Array(array)
            }
            b'T' => Value::Timestamp(reader.u64()?),
            b'F' => Value::Table(Table::decode_at(reader.long_bytes()?, deeper(depth)?)?),
            b'V' => Value::Void,
            b'x' => Value::Bytes(reader.long_bytes()?.to_vec()),
            tag => return Err(DecodeError::BadTag(tag)),
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Value::Bool(value) => out.extend_from_slice(&[b't', u8::from(*value)]),
            Value::I8(value) => put(out, b'b', value.to_be_bytes()),
            Value::U8(value) => put(out, b'B', value.to_be_bytes()),
            Value::I16(value) => put(out, b's', value.to_be_bytes()),
            Value::U16(value) => put(out, b'u', value.to_be_bytes()),
            Value::I32(value) => put(out, b'I', value.to_be_bytes()),
            Value::U32(value) => put(out, b'i', value.to_be_bytes()),
            Value::I64(value) => put(out, b'l', value.to_be_bytes()),
            Value::F32(value) => put(out, b'f', value.to_be_bytes()),
            Value::F64(value) => put(out, b'd', value.to_be_bytes()),
            Value::Decimal { scale, value } => {
                put(out, b'D', [*scale]);
                out.extend_from_slice(&value.to_be_bytes());
            }
            Value::LongStr(bytes) => {
                out.push(b'S');
                put_long_bytes(out, bytes);
            }
            Value::Array(items) => {
                out.push(b'A');
                put_measured(out, |out| items.iter().for_each(|item| item.encode(out)));
            }
            Value::Timestamp(seconds) => put(out, b'T', seconds.to_be_bytes()),
            Value::Table(table) => {
                out.push(b'F');
                table.encode(out);
            }
            Value::Void => out.push(b'V'),
            Value::Bytes(bytes) => {
                out.push(b'x');
                put_long_bytes(out, bytes);
            }
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::LongStr(text.as_bytes().to_vec())
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::I64(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<Table> for Value {
    fn from(table: Table) -> Value {
        Value::Table(table)
    }
}

/// A decoded table: its fields in the order of the wire, duplicate keys kept. A key is up to 255
/// bytes, and need not be UTF-8.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table(pub Vec<(Vec<u8>, Value)>);

impl Table {
    /// A table without fields.
    pub fn new() -> Table {
        Table::default()
    }

    /// The value of the first field with this key, as RabbitMQ looks keys up.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.iter().find(|(name, _)| *name == key.as_bytes()).map(|(_, value)| value)
    }

    /// Sets a field: in the place of the first one with this key, all others of which go, or else
    /// at the end.
    pub fn insert(&mut self, key: &str, value: Value) {
        let Some(first) = self.0.iter().position(|(name, _)| name == key.as_bytes()) else {
            self.0.push((key.as_bytes().to_vec(), value));
            return;
        };
        self.0[first].1 = value;
        let mut index = 0;
        self.0.retain(|(name, _)| {
            index += 1;
            index <= first + 1 || name != key.as_bytes()
        });
    }

    /// Removes every field with this key, and returns the value of the first.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let mut removed = None;
        for (_, value) in self.0.extract_if(.., |(name, _)| name == key.as_bytes()) {
            removed.get_or_insert(value);
        }
        removed
    }

    /// How many fields there are, duplicates counted.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keys and values in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Value)> {
        self.0.iter().map(|(name, value)| (name.as_slice(), value))
    }

    /// Reads what follows a table's 32-bit length.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`], [`DecodeError::BadTag`] or [`DecodeError::TooDeep`].
    pub fn decode(bytes: &[u8]) -> Result<Table, DecodeError> {
        Table::decode_at(bytes, 1)
    }

    /// Appends the table with its 32-bit length. Keys are cut to 255 bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_measured(out, |out| {
            for (key, value) in &self.0 {
                put_short_bytes(out, key);
                value.encode(out);
            }
        });
    }

    fn decode_at(bytes: &[u8], depth: usize) -> Result<Table, DecodeError> {
        let mut reader = Reader::new(bytes);
        let mut fields = Vec::new();
        while !reader.is_empty() {
            let key = reader.short_bytes()?.to_vec();
            fields.push((key, Value::decode(&mut reader, depth)?));
        }
        Ok(Table(fields))
    }
}

/// A short string that may be any bytes, as the routing key of a message: RabbitMQ checks the strings
/// of methods for UTF-8, but not of those that a body follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Short<'a>(pub &'a [u8]);

impl<'a> From<&'a str> for Short<'a> {
    fn from(text: &'a str) -> Short<'a> {
        Short(text.as_bytes())
    }
}

/// Octets that are not UTF-8 are shown as U+FFFD.
impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.0))
    }
}

/// A table as it came: what follows the 32-bit length, not decoded.
///
/// The tables of a decoded [`Method`](crate::method::Method) are checked; a message's headers are
/// only when [`Properties::check`](crate::content::Properties::check) was called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawTable<'a>(pub &'a [u8]);

/// One field of a [`RawTable`], not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawField<'a> {
    /// Its name; need not be UTF-8.
    pub key: &'a [u8],
    /// The tag of its type, and its value.
    pub value: &'a [u8],
}

impl RawField<'_> {
    /// Appends it to the contents of a table, under `key`, which is cut to 255 bytes.
    pub fn write(&self, key: &[u8], table: &mut Vec<u8>) {
        put_short_bytes(table, key);
        table.extend_from_slice(self.value);
    }

    /// Builds its value.
    ///
    /// # Errors
    /// As [`Table::decode`].
    pub fn decode(&self) -> Result<Value, DecodeError> {
        Value::decode(&mut Reader::new(self.value), 1)
    }
}

impl<'a> RawTable<'a> {
    /// The fields in the order of the wire, none of them decoded: what is changed in one of them
    /// leaves the others as they came.
    ///
    /// # Errors
    /// Any [`DecodeError`] that the field's outermost value has; it is the last item then.
    pub fn fields(&self) -> impl Iterator<Item = Result<RawField<'a>, DecodeError>> + use<'a> {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || {
            if reader.is_empty() {
                return None;
            }
            let field = raw_field(&mut reader);
            if field.is_err() {
                reader = Reader::new(&[]);
            }
            Some(field)
        })
    }
}

fn raw_field<'a>(reader: &mut Reader<'a>) -> Result<RawField<'a>, DecodeError> {
    let key = reader.short_bytes()?;
    let from = reader.rest();
    skip(reader)?;
    let value = &from[..from.len() - reader.rest().len()];
    Ok(RawField { key, value })
}

impl RawTable<'_> {
    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of the first field with this key, found without building the others.
    ///
    /// # Errors
    /// What [`Table::decode`] would find up to that field; the insides of the tables and arrays
    /// that are passed over are not looked at.
    pub fn get(&self, key: &str) -> Result<Option<Value>, DecodeError> {
        let mut reader = Reader::new(self.0);
        while !reader.is_empty() {
            if reader.short_bytes()? == key.as_bytes() {
                return Value::decode(&mut reader, 1).map(Some);
            }
            skip(&mut reader)?;
        }
        Ok(None)
    }

    /// Builds the whole table.
    ///
    /// # Errors
    /// As [`Table::decode`].
    pub fn decode(&self) -> Result<Table, DecodeError> {
        Table::decode(self.0)
    }

    /// Whether [`RawTable::decode`] would succeed; allocates nothing.
    ///
    /// # Errors
    /// As [`Table::decode`].
    pub fn check(&self) -> Result<(), DecodeError> {
        check_fields(self.0, 1)
    }
}

fn check_fields(bytes: &[u8], depth: usize) -> Result<(), DecodeError> {
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        reader.short_bytes()?;
        check_value(&mut reader, depth)?;
    }
    Ok(())
}

fn check_value(reader: &mut Reader<'_>, depth: usize) -> Result<(), DecodeError> {
    match skip(reader)? {
        Skipped::Leaf => Ok(()),
        Skipped::Table(fields) => check_fields(fields, deeper(depth)?),
        Skipped::Array(items) => {
            let depth = deeper(depth)?;
            let mut items = Reader::new(items);
            while !items.is_empty() {
                check_value(&mut items, depth)?;
            }
            Ok(())
        }
    }
}

/// A value that was passed over, with the bytes of one that has values of its own.
enum Skipped<'a> {
    Leaf,
    Table(&'a [u8]),
    Array(&'a [u8]),
}

fn skip<'a>(reader: &mut Reader<'a>) -> Result<Skipped<'a>, DecodeError> {
    let bytes = match reader.u8()? {
        b'V' => 0,
        b't' | b'b' | b'B' => 1,
        b's' | b'u' => 2,
        b'I' | b'i' | b'f' => 4,
        b'D' => 5,
        b'l' | b'L' | b'd' | b'T' => 8,
        b'S' | b'x' => return reader.long_bytes().map(|_| Skipped::Leaf),
        b'F' => return reader.long_bytes().map(Skipped::Table),
        b'A' => return reader.long_bytes().map(Skipped::Array),
        tag => return Err(DecodeError::BadTag(tag)),
    };
    reader.bytes(bytes).map(|_| Skipped::Leaf)
}

fn deeper(depth: usize) -> Result<usize, DecodeError> {
    if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(DecodeError::TooDeep) }
}

fn put<const N: usize>(out: &mut Vec<u8>, tag: u8, value: [u8; N]) {
    out.push(tag);
    out.extend_from_slice(&value);
}

/// Appends what `write` writes behind its 32-bit length.
fn put_measured(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let len = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
}

#[cfg(test)]
mod tests;
