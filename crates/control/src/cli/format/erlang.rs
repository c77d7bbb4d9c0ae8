//! Rows as Erlang terms, one a line.

use serde_json::Value;

/// A list of property lists.
pub(super) fn list(columns: &[String], rows: &[Vec<Value>]) -> String {
    let property = |(name, value): (&String, &Value)| format!("{{{name},{}}}", term(value));
    let row = |values: &Vec<Value>| {
        let properties: Vec<String> = columns.iter().zip(values).map(property).collect();
        format!("[{}]", properties.join(","))
    };
    let rows: Vec<String> = rows.iter().map(row).collect();
    format!("[{}]\n", rows.join(",\n "))
}

fn term(value: &Value) -> String {
    match value {
        Value::Null => "undefined".to_owned(),
        Value::String(text) => format!("<<{}>>", Value::from(text.as_str())),
        Value::Array(items) => {
            let is_field = |item: &Value| item.as_array().is_some_and(|field| field.len() == 3);
            let items: Vec<String> = items
                .iter()
                .map(|item| match item.as_array().map(Vec::as_slice) {
                    Some([name, kind, value]) if is_field(item) => {
                        let kind = kind.as_str().unwrap_or_default();
                        format!("{{{},{kind},{}}}", term(name), term(value))
                    }
                    _ => term(item),
                })
                .collect();
            format!("[{}]", items.join(","))
        }
        other => other.to_string(),
    }
}
