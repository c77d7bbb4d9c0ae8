//! Values of a [`RawTable`] one level at a time: nothing is copied, and the type's letter stays.

#[cfg(test)]
mod tests;

use crate::error::DecodeError;
use crate::value::{RawField, RawTable, skip};
use crate::wire::Reader;

/// A value whose insides, if it is a table or an array, are not looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RawValue<'a> {
    /// `t`: any octet but 0 is true.
    Bool(bool),
    /// `b B s u I i l L`: all integers; `L` is signed, as RabbitMQ reads it.
    Int(i64),
    /// `f`
    F32(f32),
    /// `d`
    F64(f64),
    /// `D`: `value` divided by ten to the power of `scale`; signed, as RabbitMQ's clients have it.
    #[expect(missing_docs, reason = "explained at the variant")]
    Decimal { scale: u8, value: i32 },
    /// `S`: text as a rule, though nothing says so.
    LongStr(&'a [u8]),
    /// `x`
    Bytes(&'a [u8]),
    /// `T`: seconds since 1970.
    Timestamp(u64),
    /// `A`
    Array(RawArray<'a>),
    /// `F`
    Table(RawTable<'a>),
    /// `V`
    Void,
}

/// An array as it came: what follows the 32-bit length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawArray<'a>(pub &'a [u8]);

impl<'a> RawField<'a> {
    /// The letter of its type.
    pub fn tag(&self) -> u8 {
        self.value.first().copied().unwrap_or_default()
    }

    /// Its value, without the insides of a table or an array.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] or [`DecodeError::BadTag`], when it is not one of a table's own.
    pub fn read(&self) -> Result<RawValue<'a>, DecodeError> {
        let mut reader = Reader::new(self.value);
        Ok(match reader.u8()? {
            b't' => RawValue::Bool(reader.u8()? != 0),
            b'b' => RawValue::Int(i8::from_be_bytes(reader.array()?).into()),
            b'B' => RawValue::Int(reader.u8()?.into()),
            b's' => RawValue::Int(i16::from_be_bytes(reader.array()?).into()),
            b'u' => RawValue::Int(reader.u16()?.into()),
            b'I' => RawValue::Int(i32::from_be_bytes(reader.array()?).into()),
            b'i' => RawValue::Int(reader.u32()?.into()),
            b'l' | b'L' => RawValue::Int(i64::from_be_bytes(reader.array()?)),
            b'f' => RawValue::F32(f32::from_be_bytes(reader.array()?)),
            b'd' => RawValue::F64(f64::from_be_bytes(reader.array()?)),
            b'D' => RawValue::Decimal {
                scale: reader.u8()?,
                value: i32::from_be_bytes(reader.array()?),
            },
            b'S' => RawValue::LongStr(reader.long_bytes()?),
            b'x' => RawValue::Bytes(reader.long_bytes()?),
            b'T' => RawValue::Timestamp(reader.u64()?),
            b'A' => RawValue::Array(RawArray(reader.long_bytes()?)),
            b'F' => RawValue::Table(RawTable(reader.long_bytes()?)),
            b'V' => RawValue::Void,
            tag => return Err(DecodeError::BadTag(tag)),
        })
    }
}

impl<'a> RawArray<'a> {
    /// The items in their order, as fields whose key is empty.
    ///
    /// # Errors
    /// Any [`DecodeError`] that the item's outermost value has; it is the last item then.
    pub fn items(&self) -> impl Iterator<Item = Result<RawField<'a>, DecodeError>> + use<'a> {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || {
            if reader.is_empty() {
                return None;
            }
            let from = reader.rest();
            if let Err(error) = skip(&mut reader) {
                reader = Reader::new(&[]);
                return Some(Err(error));
            }
            let value = &from[..from.len() - reader.rest().len()];
            Some(Ok(RawField { key: &[], value }))
        })
    }
}
