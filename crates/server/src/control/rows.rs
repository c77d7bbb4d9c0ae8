//! How what there is becomes values of columns.

use amqp::value::{Table, Value as Field};
use control::reply::Row;
use serde_json::{Value, json};

/// A column: its name, and its value for one thing.
pub(super) type Column<T> = (&'static str, fn(&T) -> Value);

/// The wanted columns of one thing; one that the table does not have is empty.
pub(super) fn row<T>(table: &[Column<T>], wanted: &[String], thing: &T) -> Row {
    let value = |name: &str| {
        let column = table.iter().find(|(column, _)| *column == name);
        column.map_or_else(|| json!(""), |(_, value)| value(thing))
    };
    wanted.iter().map(|name| (name.clone(), value(name))).collect()
}

/// A table as RabbitMQ lists it: each field with the name of its type.
pub(super) fn table(table: &Table) -> Value {
    let fields = table.0.iter().map(|(name, value)| {
        json!([String::from_utf8_lossy(name.as_ref()), type_name(value), field(value)])
    });
    Value::Array(fields.collect())
}

fn type_name(value: &Field) -> &'static str {
    value.type_name()
}

fn field(value: &Field) -> Value {
    match value {
        Field::Table(inner) => table(inner),
        other => crate::json::to_json(other),
    }
}
