//! The elementary fields of methods, tables and properties: a reader that cannot run past the end
//! of its bytes, and the writer that is its inverse.

use crate::error::{DecodeError, SHORTSTR_BYTES_MAX};
use crate::value::{RawTable, Short};

/// The field types of the 0-9-1 specification, section 4.2.1: octet `u8`, short `u16`, long
/// `u32`, long long `u64`, bit `bool`, short string `&str` or `Short`, long string `&[u8]`, table `RawTable`.
pub(crate) trait Field<'a>: Copy + Default {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError>;
    fn write(self, writer: &mut Writer<'_>);
}

/// What is left to read, and the octet of bits that is being read.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    bits: u8,
    /// The next bit of `bits`; 0 when the next bit starts an octet of its own.
    mask: u8,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes, bits: 0, mask: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Says that nothing may be left.
    pub(crate) fn finish(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Trailing) }
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        self.mask = 0;
        Ok(*head)
    }

    #[inline]
    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        self.mask = 0;
        Ok(head)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    #[inline]
    pub(crate) fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }

    /// A short string whatever its bytes are: a table's key, a property.
    #[inline]
    pub(crate) fn short_bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.u8()?;
        self.bytes(usize::from(len))
    }

    /// What a long string, a table and an array have in common: bytes behind a 32-bit length.
    #[inline]
    pub(crate) fn long_bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.u32()?;
        self.bytes(usize::try_from(len).map_err(|_| DecodeError::Truncated)?)
    }

    #[inline]
    fn bit(&mut self) -> Result<bool, DecodeError> {
        if self.mask == 0 {
            self.bits = self.u8()?;
            self.mask = 1;
        }
        let bit = self.bits & self.mask != 0;
        self.mask <<= 1;
        Ok(bit)
    }
}

/// Appends fields; bits that follow each other share octets, the first one in the lowest bit.
pub(crate) struct Writer<'o> {
    out: &'o mut Vec<u8>,
    /// The next bit of the last octet; 0 when the next bit starts an octet of its own.
    mask: u8,
}

impl<'o> Writer<'o> {
    pub(crate) fn new(out: &'o mut Vec<u8>) -> Writer<'o> {
        Writer { out, mask: 0 }
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
        self.mask = 0;
    }

    #[inline]
    fn bit(&mut self, bit: bool) {
        if self.mask == 0 {
            self.out.push(0);
            self.mask = 1;
        }
        if let (true, Some(octet)) = (bit, self.out.last_mut()) {
            *octet |= self.mask;
        }
        self.mask <<= 1;
    }
}

/// Appends `bytes` as a short string, cut to the 255 bytes that one can have.
#[inline]
pub(crate) fn put_short_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = bytes.get(..SHORTSTR_BYTES_MAX).unwrap_or(bytes);
    out.push(bytes.len() as u8);
    out.extend_from_slice(bytes);
}

/// Appends `bytes` behind their 32-bit length.
#[inline]
pub(crate) fn put_long_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

impl<'a> Field<'a> for u8 {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<u8, DecodeError> {
        reader.u8()
    }

    fn write(self, writer: &mut Writer<'_>) {
        writer.put(&[self]);
    }
}

impl<'a> Field<'a> for u16 {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<u16, DecodeError> {
        reader.u16()
    }

    fn write(self, writer: &mut Writer<'_>) {
        writer.put(&self.to_be_bytes());
    }
}

impl<'a> Field<'a> for u32 {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<u32, DecodeError> {
        reader.u32()
    }

    fn write(self, writer: &mut Writer<'_>) {
        writer.put(&self.to_be_bytes());
    }
}

impl<'a> Field<'a> for u64 {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<u64, DecodeError> {
        reader.u64()
    }

    fn write(self, writer: &mut Writer<'_>) {
        writer.put(&self.to_be_bytes());
    }
}

impl<'a> Field<'a> for bool {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<bool, DecodeError> {
        reader.bit()
    }

    fn write(self, writer: &mut Writer<'_>) {
        writer.bit(self);
    }
}

impl<'a> Field<'a> for &'a str {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
        str::from_utf8(reader.short_bytes()?).map_err(|_| DecodeError::Utf8)
    }

    fn write(self, writer: &mut Writer<'_>) {
        writer.put(&[]);
        let cut = self.floor_char_boundary(SHORTSTR_BYTES_MAX);
        put_short_bytes(writer.out, &self.as_bytes()[..cut]);
    }
}

impl<'a> Field<'a> for Short<'a> {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Short<'a>, DecodeError> {
        reader.short_bytes().map(Short)
    }

    fn write(self, writer: &mut Writer<'_>) {
        writer.put(&[]);
        put_short_bytes(writer.out, &self.0[..self.0.len().min(SHORTSTR_BYTES_MAX)]);
    }
}

impl<'a> Field<'a> for &'a [u8] {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
        reader.long_bytes()
    }

    fn write(self, writer: &mut Writer<'_>) {
        writer.put(&[]);
        put_long_bytes(writer.out, self);
    }
}

impl<'a> Field<'a> for RawTable<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<RawTable<'a>, DecodeError> {
        let table = RawTable(reader.long_bytes()?);
        table.check()?;
        Ok(table)
    }

    fn write(self, writer: &mut Writer<'_>) {
        self.0.write(writer);
    }
}

#[cfg(test)]
mod tests;
