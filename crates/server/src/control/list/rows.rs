//! How what there is becomes values of columns.

use amqp::value::{Table, Value as Field};
use control::reply::Row;
use control::request::List;
use serde_json::{Value, json};

use crate::json::to_json;

/// A column: its name, and its value for one thing.
pub(super) type Column<T> = (&'static str, fn(&T) -> Value);

/// The wanted columns of one thing; one that the table does not have is empty.
pub(super) fn row<T>(table: &[Column<T>], wanted: &List, thing: &T) -> Row {
    let value = |name: &str| {
        let column = table.iter().find(|(column, _)| *column == name);
        column.map_or_else(|| json!(""), |(_, value)| value(thing))
    };
    wanted.columns.iter().map(|name| (name.clone(), value(name))).collect()
}

/// Whether something in a virtual host is wanted.
pub(super) fn in_vhost(wanted: &List, vhost: &str) -> bool {
    wanted.vhost.as_ref().is_none_or(|wanted| wanted == vhost)
}

/// Whether something of a user is wanted.
pub(super) fn of_user(wanted: &List, user: &str) -> bool {
    wanted.user.as_ref().is_none_or(|wanted| wanted == user)
}

/// A table as RabbitMQ lists it: each field with the name of its type.
pub(super) fn table(table: &Table) -> Value {
    let fields = table.iter().map(|(name, value)| {
        json!([String::from_utf8_lossy(name), value.type_name(), field(value)])
    });
    Value::Array(fields.collect())
}

fn field(value: &Field) -> Value {
    match value {
        Field::Table(inner) => table(inner),
        Field::Array(items) => {
            let item = |item: &Field| json!([item.type_name(), field(item)]);
            Value::Array(items.iter().map(item).collect())
        }
        other => to_json(other),
    }
}

/// A text, or empty.
pub(super) fn text(text: Option<&str>) -> Value {
    json!(text.unwrap_or_default())
}
