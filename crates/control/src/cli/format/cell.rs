//! One value as RabbitMQ writes it into a table.

use serde_json::Value;

/// A value in a cell: texts as they are, AMQP tables and lists in Erlang's brackets.
pub(in crate::cli) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().any(Value::is_array) => fields(items),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(cell).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

/// `[{"name",value},…]` for fields `[name, type, value]`, and `[{name, value}]` for pairs.
fn fields(items: &[Value]) -> String {
    let field = |item: &Value| match item.as_array().map(Vec::as_slice) {
        Some([name, _, value]) => format!("{{{name},{}}}", term(value)),
        Some([name, value]) => format!("{{{}, {}}}", cell(name), cell(value)),
        _ => term(item),
    };
    let items: Vec<String> = items.iter().map(field).collect();
    format!("[{}]", items.join(","))
}

/// A value inside of another.
fn term(value: &Value) -> String {
    match value {
        Value::String(text) => Value::from(text.as_str()).to_string(),
        Value::Array(items) if items.iter().any(Value::is_array) => fields(items),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(term).collect();
            format!("[{}]", items.join(","))
        }
        other => cell(other),
    }
}
