//! What RabbitMQ 3.10.8 wrote of the same arguments, in events, in policies and in replies.

use amqp::value::{Table, Value};

use super::{Field, Shown, Term};

#[test]
fn fields_have_their_types() {
    let mut table = Table::new();
    table.insert("a", Value::from("x"));
    let rows: [(Value, &str); 9] = [
        (Value::I32(5), "{<<\"k\">>,signedint,5}"),
        (Value::from("foo"), "{<<\"k\">>,longstr,<<\"foo\">>}"),
        (Value::from("a\"b"), "{<<\"k\">>,longstr,<<\"a\\\"b\">>}"),
        (Value::from("\n"), "{<<\"k\">>,longstr,<<10>>}"),
        (Value::Bool(true), "{<<\"k\">>,bool,true}"),
        (Value::Void, "{<<\"k\">>,void,undefined}"),
        (Value::F64(1.5), "{<<\"k\">>,double,1.5}"),
        (Value::Table(table), "{<<\"k\">>,table,[{<<\"a\">>,longstr,<<\"x\">>}]}"),
        (
            Value::Array(vec![Value::I32(1), Value::Bool(false)]),
            "{<<\"k\">>,array,[{signedint,1},{bool,false}]}",
        ),
    ];
    for (value, expected) in rows {
        assert_eq!(Field(b"k", &value).to_string(), expected);
    }
}

#[test]
fn the_same_value_in_each_form() {
    let mut table = Table::new();
    table.insert("a", Value::from("x"));
    let numbers = Value::Array(vec![Value::I64(72), Value::I64(105)]);
    let rows: [(Value, [&str; 3]); 6] = [
        (Value::from("text"), ["<<\"text\">>", "<<\"text\">>", "text"]),
        (Value::Void, ["undefined", "null", "undefined"]),
        (Value::F32(0.5), ["0.5"; 3]),
        (Value::Timestamp(7), ["7"; 3]),
        (numbers, ["[{long,72},{long,105}]", "\"Hi\"", "[{long,72},{long,105}]"]),
        (
            Value::Table(table),
            [
                "[{<<\"a\">>,longstr,<<\"x\">>}]",
                "#{<<\"a\">> => <<\"x\">>}",
                "[{<<\"a\">>,longstr,<<\"x\">>}]",
            ],
        ),
    ];
    for (value, expected) in rows {
        let ways = [Shown::Field, Shown::Json, Shown::Plain];
        assert_eq!(ways.map(|shown| Term(&value, shown).to_string()), expected);
    }
}
