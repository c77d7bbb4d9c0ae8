//! How events look, held against what RabbitMQ 3.10.8 wrote for the same arguments.

use amqp::value::{Table, Value};

use super::erlang::field;

#[test]
fn arguments_are_erlang_terms() {
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
        assert_eq!(field(b"k", &value), expected);
    }
}
