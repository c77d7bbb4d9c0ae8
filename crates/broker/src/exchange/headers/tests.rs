//! Values against values; whole routes are in the integration tests.

use amqp::value::{Table, Value};

use super::{check_binding, equal};

#[test]
fn whole_numbers_of_any_type_are_equal_and_nothing_else_is() {
    let one = [
        Value::I8(1),
        Value::U8(1),
        Value::I16(1),
        Value::U16(1),
        Value::I32(1),
        Value::U32(1),
        Value::I64(1),
        Value::Timestamp(1),
    ];
    let others = [
        Value::Bool(true),
        Value::F64(1.0),
        Value::F32(1.0),
        Value::from("1"),
        Value::Bytes(b"1".to_vec()),
        Value::Decimal { scale: 0, value: 1 },
        Value::Void,
        Value::I64(2),
    ];
    for a in &one {
        assert!(one.iter().all(|b| equal(a, b)), "{a:?}");
        assert!(others.iter().all(|b| !equal(a, b)), "{a:?}");
    }
    assert!(equal(&Value::from("1"), &Value::Bytes(b"1".to_vec())));
    assert!(equal(&Value::F32(1.5), &Value::F64(1.5)) && equal(&Value::F64(1.5), &Value::F32(1.5)));
    assert!(others.iter().all(|value| equal(&Value::Void, value)), "void asks for presence only");
    assert!(others.iter().take(7).all(|value| equal(value, value)));
}

#[test]
fn an_x_match_must_be_one_of_four_words() {
    let with = |value: Value| {
        let mut table = Table::new();
        table.insert("x-match", value);
        check_binding(&table)
    };
    for word in ["all", "any", "all-with-x", "any-with-x"] {
        assert_eq!(with(word.into()), Ok(()));
    }
    assert_eq!(check_binding(&Table::new()), Ok(()));
    assert!(with("All".into()).is_err());
    assert!(with(Value::Bool(true)).is_err());
}
