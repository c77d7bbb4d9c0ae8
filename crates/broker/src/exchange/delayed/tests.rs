//! Every sort of `x-delay`, one row each.

use amqp::value::{RawTable, Table, Value};

use super::{DELAY_MAX, Delay, X_DELAY, delay, inner, spend};
use crate::exchange::Kind;

fn headers(value: Value) -> Table {
    let mut table = Table::new();
    table.insert("before", Value::Void);
    table.insert(X_DELAY, value);
    table
}

fn text(text: &str) -> Value {
    text.into()
}

#[test]
fn what_x_delay_may_be() {
    let ten_years = DELAY_MAX as i64;
    let rows: &[(Value, Delay)] = &[
        (Value::I8(100), Delay::Wait(100)),
        (Value::U8(200), Delay::Wait(200)),
        (Value::I16(1000), Delay::Wait(1000)),
        (Value::U16(60_000), Delay::Wait(60_000)),
        (Value::I32(5000), Delay::Wait(5000)),
        (Value::U32(u32::MAX), Delay::Wait(4_294_967_295)),
        (Value::I64(4_294_967_296), Delay::Wait(4_294_967_296)),
        (Value::I64(ten_years), Delay::Wait(DELAY_MAX)),
        (Value::I64(ten_years + 1), Delay::TooLong),
        (Value::I64(i64::MAX), Delay::TooLong),
        (Value::I32(0), Delay::None),
        (Value::I32(-5000), Delay::None),
        (Value::I64(i64::MIN), Delay::None),
        (text("1500"), Delay::Wait(1500)),
        (text("+1500"), Delay::Wait(1500)),
        (text("-1500"), Delay::None),
        (Value::Bytes(b"7".to_vec()), Delay::Wait(7)),
        (text("99999999999999999999999999"), Delay::TooLong),
        (text("-99999999999999999999999999"), Delay::None),
        (text(""), Delay::NoNumber),
        (text("-"), Delay::NoNumber),
        (text("1.5"), Delay::NoNumber),
        (text(" 5"), Delay::NoNumber),
        (text("soon"), Delay::NoNumber),
        (Value::LongStr(vec![0xff]), Delay::NoNumber),
        (Value::F64(1999.9), Delay::Wait(1999)),
        (Value::F32(2.5), Delay::Wait(2)),
        (Value::F64(0.9), Delay::None),
        (Value::F64(-3.0), Delay::None),
        (Value::F64(f64::NAN), Delay::None),
        (Value::F64(f64::INFINITY), Delay::TooLong),
        (Value::Decimal { scale: 0, value: 5000 }, Delay::None),
        (Value::Timestamp(5000), Delay::None),
        (Value::Bool(true), Delay::None),
        (Value::Void, Delay::None),
        (Value::Array(vec![Value::I32(5)]), Delay::None),
        (Value::Table(Table::new()), Delay::None),
    ];
    for (value, want) in rows {
        let mut encoded = Vec::new();
        headers(value.clone()).encode(&mut encoded);
        assert_eq!(delay(Some(RawTable(&encoded[4..]))), *want, "{value:?}");
    }
    assert_eq!(delay(None), Delay::None);
    assert_eq!(delay(Some(RawTable(&[]))), Delay::None);
    assert_eq!(delay(Some(RawTable(&[7, b'x']))), Delay::None, "headers cut short");
}

#[test]
fn a_delivered_message_shows_its_delay_below_zero() {
    let rows = [
        (Value::U8(200), Value::I32(-200)),
        (Value::I32(5000), Value::I32(-5000)),
        (text("5000"), Value::I32(-5000)),
        (Value::F64(5000.7), Value::I32(-5000)),
        (Value::I64(4_294_967_296), Value::I64(-4_294_967_296)),
        (Value::I64(i64::MAX), Value::I64(-(DELAY_MAX as i64))),
        (Value::I32(-5000), Value::I32(-5000)),
        (Value::Void, Value::Void),
    ];
    for (before, after) in rows {
        let mut table = headers(before);
        spend(&mut table);
        assert_eq!(table, headers(after));
    }
}

#[test]
fn the_type_below_must_be_another_one_that_exists() {
    let arguments = |value: Value| {
        let mut table = Table::new();
        table.insert("x-delayed-type", value);
        table
    };
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Delayed) {
        assert_eq!(inner(&arguments(kind.name().into())), Ok(kind));
    }
    let missing = "Invalid argument, 'x-delayed-type' must be an existing exchange type";
    let rows = [
        (Table::new(), missing),
        (arguments(Value::I32(1)), missing),
        (arguments("nonsense".into()), "unknown exchange type 'nonsense'"),
        (
            arguments("x-delayed-message".into()),
            "Invalid argument, 'x-delayed-message' can't be used for 'x-delayed-type'",
        ),
    ];
    for (table, text) in rows {
        assert_eq!(inner(&table), Err(text.to_owned()));
    }
}
