//! One level at a time finds what decoding the whole finds.

use super::*;
use crate::value::{Table, Value};
use proptest::prelude::*;

/// The value built from levels, as [`Value`] has it.
fn built(field: RawField<'_>) -> Result<Value, DecodeError> {
    Ok(match (field.read()?, field.tag()) {
        (RawValue::Bool(value), _) => Value::Bool(value),
        (RawValue::Int(value), b'b') => Value::I8(value as i8),
        (RawValue::Int(value), b'B') => Value::U8(value as u8),
        (RawValue::Int(value), b's') => Value::I16(value as i16),
        (RawValue::Int(value), b'u') => Value::U16(value as u16),
        (RawValue::Int(value), b'I') => Value::I32(value as i32),
        (RawValue::Int(value), b'i') => Value::U32(value as u32),
        (RawValue::Int(value), _) => Value::I64(value),
        (RawValue::F32(value), _) => Value::F32(value),
        (RawValue::F64(value), _) => Value::F64(value),
        (RawValue::Decimal { scale, value }, _) => Value::Decimal { scale, value: value as u32 },
        (RawValue::LongStr(bytes), _) => Value::LongStr(bytes.to_vec()),
        (RawValue::Bytes(bytes), _) => Value::Bytes(bytes.to_vec()),
        (RawValue::Timestamp(seconds), _) => Value::Timestamp(seconds),
        (RawValue::Array(array), _) => {
            Value::Array(array.items().map(|item| built(item?)).collect::<Result<_, _>>()?)
        }
        (RawValue::Table(table), _) => Value::Table(built_table(table)?),
        (RawValue::Void, _) => Value::Void,
    })
}

fn built_table(table: RawTable<'_>) -> Result<Table, DecodeError> {
    let fields = table.fields().map(|field| {
        let field = field?;
        Ok((field.key.to_vec(), built(field)?))
    });
    Ok(Table(fields.collect::<Result<_, _>>()?))
}

#[test]
fn each_type_is_read_by_its_letter() {
    let nested = Table(vec![(b"k".to_vec(), Value::Void)]);
    let fields = [
        Value::Bool(true),
        Value::I8(-2),
        Value::U8(254),
        Value::I16(-2),
        Value::U16(65_534),
        Value::I32(-2),
        Value::U32(u32::MAX),
        Value::I64(i64::MIN),
        Value::F32(0.1),
        Value::F64(0.1),
        Value::Decimal { scale: 2, value: (-5_i32) as u32 },
        Value::LongStr(vec![0xFF]),
        Value::Array(vec![Value::Void, Value::from("a")]),
        Value::Timestamp(u64::MAX),
        Value::from(nested),
        Value::Void,
        Value::Bytes(vec![0]),
    ];
    let table = Table(fields.into_iter().map(|value| (b"k".to_vec(), value)).collect());
    let mut out = Vec::new();
    table.encode(&mut out);
    let raw = RawTable(&out[4..]);
    assert_eq!(built_table(raw), Ok(table));
    let letters: Vec<u8> = raw.fields().map(|field| field.unwrap().tag()).collect();
    assert_eq!(letters, b"tbBsuIilfdDSATFVx");
}

#[test]
fn a_field_that_is_no_tables_is_an_error() {
    assert_eq!(RawField { key: b"", value: b"" }.read(), Err(DecodeError::Truncated));
    assert_eq!(RawField { key: b"", value: b"l1" }.read(), Err(DecodeError::Truncated));
    assert_eq!(RawField { key: b"", value: b"U11" }.read(), Err(DecodeError::BadTag(b'U')));
    let items: Vec<_> = RawArray(b"VU").items().collect();
    assert_eq!(items.last(), Some(&Err(DecodeError::BadTag(b'U'))));
}

proptest! {
    #[test]
    fn random_bytes_give_what_decoding_gives(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(decoded) = Table::decode(&bytes) {
            let built = built_table(RawTable(&bytes));
            prop_assert_eq!(format!("{built:?}"), format!("{:?}", Ok::<_, DecodeError>(decoded)));
        } else {
            prop_assert!(built_table(RawTable(&bytes)).is_err());
        }
    }
}
