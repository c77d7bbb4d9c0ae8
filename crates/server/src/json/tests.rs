//! Tables that go to JSON and back.

use amqp::value::{Table, Value};
use serde_json::json;

use super::{from_json, table_from_json, table_to_json, to_json};

fn table(fields: &[(&str, Value)]) -> Table {
    Table(fields.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.clone())).collect())
}

#[test]
fn every_type_has_its_json() {
    let rows = [
        (Value::Bool(true), json!(true)),
        (Value::I8(-1), json!(-1)),
        (Value::U8(255), json!(255)),
        (Value::I16(-2), json!(-2)),
        (Value::U16(65535), json!(65535)),
        (Value::I32(-3), json!(-3)),
        (Value::U32(u32::MAX), json!(u32::MAX)),
        (Value::I64(i64::MIN), json!(i64::MIN)),
        (Value::F32(0.5), json!(0.5)),
        (Value::F64(1.25), json!(1.25)),
        (Value::F64(f64::NAN), json!(null)),
        (Value::Decimal { scale: 2, value: 125 }, json!(1.25)),
        (Value::Timestamp(1_700_000_000), json!(1_700_000_000)),
        (Value::from("zażółć"), json!("zażółć")),
        (Value::LongStr(vec![0xff]), json!("Not UTF-8, base64 is: /w==")),
        (Value::Bytes(b"raw".to_vec()), json!("raw")),
        (Value::Void, json!(null)),
        (Value::Array(vec![Value::I32(1), Value::from("b")]), json!([1, "b"])),
        (Value::Table(table(&[("a", Value::Void)])), json!({"a": null})),
    ];
    for (value, expected) in rows {
        assert_eq!(to_json(&value), expected, "{value:?}");
    }
}

#[test]
fn json_comes_back_as_rabbitmq_takes_it() {
    let json = json!({
        "array": [1, "two", null],
        "big": 18_446_744_073_709_551_615u64,
        "float": 2.0,
        "off": false,
        "table": {"inner": -5},
        "text": "x"
    });
    let object = json.as_object().expect("it was written as one");
    let expected = table(&[
        ("array", Value::Array(vec![Value::I64(1), Value::from("two"), Value::Void])),
        ("big", Value::F64(18_446_744_073_709_551_615.0)),
        ("float", Value::F64(2.0)),
        ("off", Value::Bool(false)),
        ("table", Value::Table(table(&[("inner", Value::I64(-5))]))),
        ("text", Value::from("x")),
    ]);
    assert_eq!(table_from_json(object), expected);
    assert_eq!(from_json(&json), Value::Table(expected));
}

#[test]
fn of_two_fields_with_one_key_the_first_counts() {
    let twice = table(&[("k", Value::I64(1)), ("k", Value::I64(2))]);
    assert_eq!(table_to_json(&twice), json!({"k": 1}));
}
