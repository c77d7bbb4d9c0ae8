//! Field tables against bytes that RabbitMQ reads and writes, and against another codec.

use super::*;

/// A value, its bytes and RabbitMQ's word for its type.
fn samples() -> Vec<(Value, Vec<u8>, &'static str)> {
    let nested = Table(vec![(b"k".to_vec(), Value::Void)]);
    vec![
        (Value::Bool(true), b"t\x01".to_vec(), "bool"),
        (Value::Bool(false), b"t\x00".to_vec(), "bool"),
        (Value::I8(-2), b"b\xFE".to_vec(), "byte"),
        (Value::U8(254), b"B\xFE".to_vec(), "unsignedbyte"),
        (Value::I16(-2), b"s\xFF\xFE".to_vec(), "short"),
        (Value::U16(65534), b"u\xFF\xFE".to_vec(), "unsignedshort"),
        (Value::I32(-2), b"I\xFF\xFF\xFF\xFE".to_vec(), "signedint"),
        (Value::U32(258), b"i\x00\x00\x01\x02".to_vec(), "unsignedint"),
        (Value::I64(-2), b"l\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE".to_vec(), "long"),
        (Value::F32(1.5), b"f\x3F\xC0\x00\x00".to_vec(), "float"),
        (Value::F64(1.5), b"d\x3F\xF8\x00\x00\x00\x00\x00\x00".to_vec(), "double"),
        (Value::Decimal { scale: 2, value: 314 }, b"D\x02\x00\x00\x01\x3A".to_vec(), "decimal"),
        (Value::from("hé"), b"S\x00\x00\x00\x03h\xC3\xA9".to_vec(), "longstr"),
        (
            Value::Array(vec![Value::Void, Value::from(true)]),
            b"A\x00\x00\x00\x03Vt\x01".to_vec(),
            "array",
        ),
        (Value::Timestamp(258), b"T\x00\x00\x00\x00\x00\x00\x01\x02".to_vec(), "timestamp"),
        (Value::from(nested), b"F\x00\x00\x00\x03\x01kV".to_vec(), "table"),
        (Value::Void, b"V".to_vec(), "void"),
        (Value::Bytes(vec![0, 255]), b"x\x00\x00\x00\x02\x00\xFF".to_vec(), "binary"),
    ]
}

/// The contents of a table with one field `k`.
fn field(value: &[u8]) -> Vec<u8> {
    [b"\x01k", value].concat()
}

#[test]
fn every_type_is_read_and_written() {
    for (value, bytes, name) in samples() {
        assert_eq!(value.type_name(), name);
        let table = Table(vec![(b"k".to_vec(), value.clone())]);
        let contents = field(&bytes);
        assert_eq!(Table::decode(&contents), Ok(table.clone()), "{name}");
        assert_eq!(RawTable(&contents).check(), Ok(()), "{name}");
        assert_eq!(RawTable(&contents).get("k"), Ok(Some(value)), "{name}");
        let mut out = b"before".to_vec();
        table.encode(&mut out);
        let expected = [b"before\0\0\0".as_slice(), &[contents.len() as u8], &contents].concat();
        assert_eq!(out, expected, "{name}");
    }
}

#[test]
fn what_is_read_is_not_always_what_is_written() {
    let signed = Table::decode(&field(b"L\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE")).unwrap();
    assert_eq!(signed.get("k"), Some(&Value::I64(-2)));
    let truth = Table::decode(&field(b"t\x07")).unwrap();
    assert_eq!(truth.get("k"), Some(&Value::Bool(true)));
    let mut out = Vec::new();
    signed.encode(&mut out);
    truth.encode(&mut out);
    assert_eq!(out, b"\0\0\0\x0B\x01kl\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE\0\0\0\x04\x01kt\x01");
}

#[test]
fn other_tags_are_refused() {
    let known = b"tbBsuIilLfdDSATFVx";
    for tag in (0..=u8::MAX).filter(|tag| !known.contains(tag)) {
        let mut contents = field(&[tag]);
        contents.extend_from_slice(&[0; 16]);
        assert_eq!(Table::decode(&contents), Err(DecodeError::BadTag(tag)));
        assert_eq!(RawTable(&contents).check(), Err(DecodeError::BadTag(tag)));
        assert_eq!(RawTable(&contents).get("other"), Err(DecodeError::BadTag(tag)));
    }
}

#[test]
fn a_table_cut_anywhere_is_truncated() {
    for (_, bytes, name) in samples() {
        let contents = field(&bytes);
        for len in 1..contents.len() {
            let cut = &contents[..len];
            assert_eq!(Table::decode(cut), Err(DecodeError::Truncated), "{name} to {len}");
            assert_eq!(RawTable(cut).check(), Err(DecodeError::Truncated), "{name} to {len}");
        }
    }
}

#[test]
fn an_inner_table_may_not_reach_past_its_own_end() {
    for contents in [field(b"F\0\0\0\x03\x01kt\x01"), field(b"A\0\0\0\x01t\x01")] {
        assert_eq!(Table::decode(&contents), Err(DecodeError::Truncated));
        assert_eq!(RawTable(&contents).check(), Err(DecodeError::Truncated));
    }
}

#[test]
fn nesting_ends_at_the_limit() {
    let nest = |levels: usize, tag: u8, key: &[u8]| {
        let mut contents = b"\x01kV".to_vec();
        let mut tag_outside = Vec::new();
        for level in 1..levels {
            let inner = if level == 1 && tag == b'A' { b"V".to_vec() } else { contents };
            tag_outside.clear();
            tag_outside.extend_from_slice(if level + 1 == levels { b"\x01k" } else { key });
            tag_outside.push(tag);
            put_long_bytes(&mut tag_outside, &inner);
            contents = tag_outside.clone();
        }
        contents
    };
    for (tag, key) in [(b'F', b"\x01k".as_slice()), (b'A', b"")] {
        let deepest = nest(MAX_DEPTH, tag, key);
        assert!(Table::decode(&deepest).is_ok());
        assert_eq!(RawTable(&deepest).check(), Ok(()));
        for levels in [MAX_DEPTH + 1, 10_000] {
            let deeper = nest(levels, tag, key);
            assert_eq!(Table::decode(&deeper), Err(DecodeError::TooDeep));
            assert_eq!(RawTable(&deeper).check(), Err(DecodeError::TooDeep));
            assert_eq!(RawTable(&deeper).get("k"), Err(DecodeError::TooDeep));
            assert_eq!(RawTable(&deeper).get("other"), Ok(None));
        }
    }
}

#[test]
fn the_first_of_duplicate_keys_counts() {
    let contents = b"\x01at\x01\x01bV\x01at\x00\x01\xFFV";
    let mut table = Table::decode(contents).unwrap();
    assert_eq!(table.len(), 4);
    assert_eq!(table.get("a"), Some(&Value::Bool(true)));
    assert_eq!(RawTable(contents).get("a"), Ok(Some(Value::Bool(true))));
    assert_eq!(RawTable(contents).get("c"), Ok(None));
    let keys: Vec<&[u8]> = table.iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [b"a", b"b", b"a", b"\xFF"]);

    table.insert("a", Value::from(7));
    table.insert("c", Value::Void);
    let keys: Vec<&[u8]> = table.iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [b"a", b"b", b"\xFF", b"c"]);
    assert_eq!(table.get("a"), Some(&Value::I64(7)));

    let mut table = Table::decode(contents).unwrap();
    assert_eq!(table.remove("a"), Some(Value::Bool(true)));
    assert_eq!(table.remove("a"), None);
    assert_eq!(table.len(), 2);
}

#[test]
fn a_lookup_reads_no_further_than_its_field() {
    let contents = b"\x01at\x01\x01bU";
    assert_eq!(RawTable(contents).get("a"), Ok(Some(Value::Bool(true))));
    assert_eq!(RawTable(contents).get("b"), Err(DecodeError::BadTag(b'U')));
}

#[test]
fn integers_of_every_width_are_integers() {
    for (value, expected) in [
        (Value::I8(-8), Some(-8)),
        (Value::U8(8), Some(8)),
        (Value::I16(-16), Some(-16)),
        (Value::U16(16), Some(16)),
        (Value::I32(-32), Some(-32)),
        (Value::U32(u32::MAX), Some(4_294_967_295)),
        (Value::I64(i64::MIN), Some(i64::MIN)),
        (Value::Timestamp(1), None),
        (Value::F64(1.0), None),
        (Value::Bool(true), None),
        (Value::from("1"), None),
    ] {
        assert_eq!(value.as_i64(), expected, "{value:?}");
    }
}

#[test]
fn strings_are_long_strings() {
    assert_eq!(Value::from("q").as_str(), Some("q"));
    assert_eq!(Value::LongStr(vec![0xFF]).as_str(), None);
    assert_eq!(Value::LongStr(vec![0xFF]).as_bytes(), Some([0xFF].as_slice()));
    assert_eq!(Value::Bytes(vec![b'q']).as_str(), None);
    assert_eq!(Value::Bytes(vec![b'q']).as_bytes(), Some(b"q".as_slice()));
    assert_eq!(Value::Void.as_bytes(), None);
}

#[test]
fn keys_are_cut_to_255_bytes() {
    let mut table = Table::new();
    table.insert(&"k".repeat(300), Value::Void);
    let mut out = Vec::new();
    table.encode(&mut out);
    assert_eq!(out.len(), 4 + 1 + 255 + 1);
    assert_eq!(Table::decode(&out[4..]).unwrap().len(), 1);
}

#[test]
fn raw_fields_keep_every_byte() {
    let table: Vec<u8> =
        samples().iter().enumerate().flat_map(|(i, s)| [&[1, i as u8], &*s.1].concat()).collect();
    let fields: Vec<_> = RawTable(&table).fields().collect::<Result<_, _>>().unwrap();
    let mut again = Vec::new();
    for (i, (field, (value, bytes, _))) in fields.iter().zip(samples()).enumerate() {
        assert_eq!((field.key, field.value), (&[i as u8][..], &bytes[..]));
        assert_eq!(field.decode(), Ok(value));
        field.write(field.key, &mut again);
    }
    assert_eq!(again, table);
    // `L` is not rewritten either.
    let long = RawTable(b"\x01kL\0\0\0\0\0\0\0\x01");
    assert_eq!(long.fields().next().unwrap().unwrap().value, b"L\0\0\0\0\0\0\0\x01");
}

#[test]
fn raw_fields_end_with_the_first_error() {
    let table = RawTable(b"\x01aV\x01b?\x01cV");
    let fields: Vec<_> = table.fields().collect();
    assert_eq!(fields[0], Ok(RawField { key: b"a", value: b"V" }));
    assert_eq!(fields[1..], [Err(DecodeError::BadTag(b'?'))]);
}
