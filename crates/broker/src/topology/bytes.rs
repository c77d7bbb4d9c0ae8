//! Bytes in a topology record: MessagePack's binary type instead of an array of numbers.

use std::fmt;

use amqp::DecodeError;
use amqp::value::Table;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes as one value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Bytes {
    /// The fields of a table as on the wire, without its length.
    pub(crate) fn from_table(table: &Table) -> Bytes {
        if table.is_empty() {
            return Bytes(Vec::new());
        }
        let mut bytes = Vec::new();
        table.encode(&mut bytes);
        bytes.drain(..4);
        Bytes(bytes)
    }

    /// The table that [`Bytes::from_table`] was given.
    pub(crate) fn table(&self) -> Result<Table, DecodeError> {
        Table::decode(&self.0)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        deserializer.deserialize_byte_buf(Form)
    }
}

struct Form;

impl<'de> Visitor<'de> for Form {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes(bytes.to_vec()))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
        Ok(Bytes(bytes))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Bytes, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = seq.next_element()? {
            bytes.push(byte);
        }
        Ok(Bytes(bytes))
    }
}
