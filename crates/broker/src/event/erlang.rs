//! Values of field tables as Erlang terms, which is how the event exchange writes what clients gave as arguments.

use std::fmt::Write as _;

use amqp::value::{Table, Value};

/// `5`, `<<"text">>`, `[{signedint,1}]`.
pub(crate) fn value(value: &Value) -> String {
    let mut term = String::new();
    add_value(&mut term, value);
    term
}

/// `<<"text">>`.
pub(crate) fn binary(bytes: &[u8]) -> String {
    let mut term = String::new();
    add_binary(&mut term, bytes);
    term
}

/// `{<<"x-max-length">>,signedint,5}`.
pub(super) fn field(name: &[u8], value: &Value) -> String {
    let mut term = String::new();
    add_field(&mut term, name, value);
    term
}

fn add_field(term: &mut String, name: &[u8], value: &Value) {
    term.push('{');
    add_binary(term, name);
    let _ = write!(term, ",{},", value.type_name());
    add_value(term, value);
    term.push('}');
}

fn add_value(term: &mut String, value: &Value) {
    match value {
        Value::Bool(value) => drop(write!(term, "{value}")),
        Value::LongStr(bytes) | Value::Bytes(bytes) => add_binary(term, bytes),
        Value::Timestamp(seconds) => drop(write!(term, "{seconds}")),
        Value::F32(value) => drop(write!(term, "{:?}", f64::from(*value))),
        Value::F64(value) => drop(write!(term, "{value:?}")),
        Value::Decimal { scale, value } => drop(write!(term, "{{{scale},{value}}}")),
        Value::Void => term.push_str("undefined"),
        Value::Table(table) => add_table(term, table),
        Value::Array(values) => add_list(term, values, |term, value| {
            let _ = write!(term, "{{{},", value.type_name());
            add_value(term, value);
            term.push('}');
        }),
        number => drop(write!(term, "{}", number.as_i64().unwrap_or_default())),
    }
}

fn add_table(term: &mut String, table: &Table) {
    add_list(term, &table.0, |term, (name, value)| add_field(term, name, value));
}

fn add_list<T>(term: &mut String, items: &[T], mut add: impl FnMut(&mut String, &T)) {
    term.push('[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            term.push(',');
        }
        add(term, item);
    }
    term.push(']');
}

/// `<<"text">>`, or `<<>>`, when it can be printed, else its bytes.
fn add_binary(term: &mut String, bytes: &[u8]) {
    match str::from_utf8(bytes) {
        Ok("") => term.push_str("<<>>"),
        Ok(text) if !text.contains(char::is_control) => {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"");
            let mark = if text.is_ascii() { "" } else { "/utf8" };
            let _ = write!(term, "<<\"{text}\"{mark}>>");
        }
        _ => {
            let bytes: Vec<String> = bytes.iter().map(u8::to_string).collect();
            let _ = write!(term, "<<{}>>", bytes.join(","));
        }
    }
}
