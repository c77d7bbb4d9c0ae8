//! Tables as JSON, and typed JSON as tables again.

use super::*;
use crate::payload::tests::value;
use amqp::value::{Table, Value};
use proptest::prelude::*;

fn raw(table: &Table) -> Vec<u8> {
    let mut out = Vec::new();
    table.encode(&mut out);
    out.split_off(4)
}

fn json(table: &[u8], style: Style) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Headers(RawTable(table), style))
}

const PLAIN: Style = Style::Plain(Int64::Number);

#[track_caller]
fn check(value: Value, plain: &str, typed: &str) {
    let table = raw(&Table(vec![(b"k".to_vec(), value)]));
    assert_eq!(json(&table, PLAIN).unwrap(), format!("{{\"k\":{plain}}}"));
    assert_eq!(json(&table, Style::Typed).unwrap(), format!("{{\"F\":[[\"k\",{typed}]]}}"));
}

#[test]
fn integers_have_all_digits() {
    check(Value::Bool(true), "true", r#"{"t":true}"#);
    check(Value::I8(-128), "-128", r#"{"b":-128}"#);
    check(Value::U8(255), "255", r#"{"B":255}"#);
    check(Value::I16(-32768), "-32768", r#"{"s":-32768}"#);
    check(Value::U16(65535), "65535", r#"{"u":65535}"#);
    check(Value::I32(i32::MIN), "-2147483648", r#"{"I":-2147483648}"#);
    check(Value::U32(u32::MAX), "4294967295", r#"{"i":4294967295}"#);
    check(Value::I64(i64::MAX), "9223372036854775807", r#"{"l":"9223372036854775807"}"#);
    check(Value::Timestamp(1_700_000_000), "1700000000", r#"{"T":1700000000}"#);
    check(Value::Timestamp(u64::MAX), "18446744073709551615", r#"{"T":18446744073709551615}"#);
}

#[test]
fn floats_are_as_short_as_their_width_allows() {
    check(Value::F32(0.1), "0.1", r#"{"f":"0.1"}"#);
    check(Value::F64(0.1), "0.1", r#"{"d":"0.1"}"#);
    check(Value::F64(f64::from(0.1_f32)), "0.10000000149011612", r#"{"d":"0.10000000149011612"}"#);
    check(Value::F64(-0.0), "-0.0", r#"{"d":"-0.0"}"#);
    check(Value::F64(f64::NAN), r#""NaN""#, r#"{"d":"NaN"}"#);
    check(Value::F32(f32::INFINITY), r#""Infinity""#, r#"{"f":"Infinity"}"#);
    check(Value::F32(f32::NEG_INFINITY), r#""-Infinity""#, r#"{"f":"-Infinity"}"#);
    check(Value::F32(f32::NAN), r#""NaN""#, r#"{"f":"NaN"}"#);
}

#[test]
fn decimals_keep_their_scale() {
    let decimal = |scale, value: i32| Value::Decimal { scale, value: value as u32 };
    check(decimal(2, 12300), r#""123.00""#, r#"{"D":[2,12300]}"#);
    check(decimal(0, -5), r#""-5""#, r#"{"D":[0,-5]}"#);
    check(decimal(3, -5), r#""-0.005""#, r#"{"D":[3,-5]}"#);
    check(decimal(1, i32::MIN), r#""-214748364.8""#, r#"{"D":[1,-2147483648]}"#);
    check(decimal(2, 0), r#""0.00""#, r#"{"D":[2,0]}"#);
    assert_eq!(Decimal(255, 1).to_string().len(), 257);
}

#[test]
fn bytes_that_are_no_text_are_base64() {
    check("hé\n\0".into(), r#""hé\n\u0000""#, r#"{"S":"hé\n\u0000"}"#);
    check(Value::LongStr(vec![0xFF]), r#"{"$base64":"/w=="}"#, r#"{"S64":"/w=="}"#);
    check(Value::Bytes(b"ab".to_vec()), r#"{"$base64":"YWI="}"#, r#"{"x":"YWI="}"#);
}

#[test]
fn tables_and_arrays_are_objects_and_arrays() {
    let fields = vec![(b"a".to_vec(), Value::Void), (b"a".to_vec(), Value::U8(1))];
    check(Value::Void, "null", r#"{"V":null}"#);
    check(
        Value::Array(vec!["x".into(), Value::Array(vec![])]),
        r#"["x",[]]"#,
        r#"{"A":[{"S":"x"},{"A":[]}]}"#,
    );
    check(
        Value::Table(Table(fields)),
        r#"{"a":null}"#,
        r#"{"F":[["a",{"V":null}],["a",{"B":1}]]}"#,
    );
    assert_eq!(json(b"", PLAIN).unwrap(), "{}");
    assert_eq!(json(b"", Style::Typed).unwrap(), r#"{"F":[]}"#);
}

#[test]
fn names_that_are_no_text_are_base64() {
    let table = raw(&Table(vec![(vec![0xFF], Value::Void), (b"\"".to_vec(), Value::Void)]));
    assert_eq!(json(&table, PLAIN).unwrap(), r#"{"$base64:/w==":null,"\"":null}"#);
    let typed = r#"{"F":[[{"$base64":"/w=="},{"V":null}],["\"",{"V":null}]]}"#;
    assert_eq!(json(&table, Style::Typed).unwrap(), typed);
}

#[test]
fn only_64_bits_are_strings_for_javascript() {
    let table = raw(&Table(vec![
        (b"l".to_vec(), Value::I64(1)),
        (b"i".to_vec(), Value::U32(1)),
        (b"A".to_vec(), Value::Array(vec![Value::I64(2)])),
    ]));
    let style = Style::Plain(Int64::String);
    assert_eq!(json(&table, style).unwrap(), r#"{"l":"1","i":1,"A":["2"]}"#);
}

#[test]
fn the_letter_of_the_wire_stays() {
    let signed = b"\x01kL\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE";
    assert_eq!(json(signed, PLAIN).unwrap(), r#"{"k":-2}"#);
    assert_eq!(json(signed, Style::Typed).unwrap(), r#"{"F":[["k",{"L":"-2"}]]}"#);
}

#[test]
fn what_is_not_known_is_refused() {
    for broken in [&b"\x01kU\0\0"[..], b"\x01kA\0\0\0\x01?", b"\x01kF\0\0\0\x02\x01k", b"\x05k"] {
        assert!(json(broken, PLAIN).is_err());
        assert!(json(broken, Style::Typed).is_err());
    }
}

/// A typed value read back.
fn read(json: &serde_json::Value) -> Value {
    use base64::Engine;
    let (letter, value) = json.as_object().unwrap().iter().next().unwrap();
    let text = || value.as_str().unwrap();
    let int = || value.as_i64().unwrap();
    let float = |text: &str| text.replace("Infinity", "inf");
    match letter.as_str() {
        "t" => Value::Bool(value.as_bool().unwrap()),
        "b" => Value::I8(int() as i8),
        "B" => Value::U8(int() as u8),
        "s" => Value::I16(int() as i16),
        "u" => Value::U16(int() as u16),
        "I" => Value::I32(int() as i32),
        "i" => Value::U32(int() as u32),
        "l" => Value::I64(text().parse().unwrap()),
        "f" => Value::F32(float(text()).parse().unwrap()),
        "d" => Value::F64(float(text()).parse().unwrap()),
        "D" => Value::Decimal {
            scale: value[0].as_u64().unwrap() as u8,
            value: value[1].as_i64().unwrap() as u32,
        },
        "S" => text().into(),
        "S64" => Value::LongStr(STANDARD.decode(text()).unwrap()),
        "x" => Value::Bytes(STANDARD.decode(text()).unwrap()),
        "T" => Value::Timestamp(value.as_u64().unwrap()),
        "A" => Value::Array(value.as_array().unwrap().iter().map(read).collect()),
        "F" => {
            let field = |pair: &serde_json::Value| {
                let key = match pair[0].as_str() {
                    Some(key) => key.as_bytes().to_vec(),
                    None => STANDARD.decode(pair[0]["$base64"].as_str().unwrap()).unwrap(),
                };
                (key, read(&pair[1]))
            };
            Value::Table(Table(value.as_array().unwrap().iter().map(field).collect()))
        }
        "V" => Value::Void,
        other => panic!("{other}"),
    }
}

proptest! {
    #[test]
    fn typed_headers_are_the_table(
        fields in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..4), value()), 0..5),
    ) {
        let table = Table(fields);
        let typed = json(&raw(&table), Style::Typed).unwrap();
        let read = read(&serde_json::from_str(&typed).unwrap());
        // As text, since NaN is not itself.
        prop_assert_eq!(format!("{read:?}"), format!("{:?}", Value::Table(table)));
    }

    #[test]
    fn no_table_makes_json_that_is_none(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        for style in [PLAIN, Style::Typed] {
            if let Ok(json) = json(&bytes, style) {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
            }
        }
    }

    #[test]
    fn tables_of_known_types_are_shown(
        fields in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..2), value()), 0..5),
    ) {
        let shown = json(&raw(&Table(fields)), PLAIN).unwrap();
        prop_assert!(serde_json::from_str::<serde_json::Value>(&shown).is_ok());
    }
}
