//! Field tables as JSON and back, as RabbitMQ maps them in definitions, listings and its API.
//!
//! JSON knows fewer types than AMQP: integers of any width become numbers and come back as 64 bits,
//! timestamps and decimals come back as numbers. It never refuses: what JSON cannot say is replaced.

#[cfg(test)]
mod tests;

use amqp::value::{Table, Value};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use broker::vhost::meta::Limits;
use serde_json::{Map, Number, Value as Json};

/// What stands before the base64 of text that is not UTF-8; the words are RabbitMQ's.
const NOT_UTF_8: &str = "Not UTF-8, base64 is: ";

/// The limits that are set, by name.
pub(crate) fn limits_to_json(limits: impl Limits) -> Map<String, Json> {
    let set = limits.named().filter_map(|(name, limit)| Some((name.to_owned(), limit?.into())));
    set.collect()
}

/// One value as RabbitMQ shows it.
pub(crate) fn to_json(value: &Value) -> Json {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::F32(value) => f64::from(*value).into(),
        Value::F64(value) => (*value).into(),
        Value::Decimal { scale, value } => decimal(*scale, *value),
        Value::LongStr(bytes) | Value::Bytes(bytes) => text(bytes).into(),
        Value::Array(items) => items.iter().map(to_json).collect(),
        Value::Timestamp(seconds) => (*seconds).into(),
        Value::Table(table) => table_to_json(table),
        Value::Void => Json::Null,
        Value::I8(_)
        | Value::U8(_)
        | Value::I16(_)
        | Value::U16(_)
        | Value::I32(_)
        | Value::U32(_)
        | Value::I64(_) => value.as_i64().into(),
    }
}

/// A table as an object; of several fields with one key the first counts, as in lookups.
pub(crate) fn table_to_json(table: &Table) -> Json {
    let mut object = Map::new();
    for (key, value) in table.iter() {
        object.entry(text(key)).or_insert_with(|| to_json(value));
    }
    Json::Object(object)
}

/// A JSON value as RabbitMQ takes it into a table.
pub(crate) fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Void,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::I64(whole),
            None => Value::F64(number.as_f64().unwrap_or(f64::MAX)),
        },
        Json::String(text) => Value::LongStr(text.as_bytes().to_vec()),
        Json::Array(items) => Value::Array(items.iter().map(from_json).collect()),
        Json::Object(object) => Value::Table(table_from_json(object)),
    }
}

/// An object as a table. A key of more than 255 bytes is cut where the table is written.
pub(crate) fn table_from_json(object: &Map<String, Json>) -> Table {
    Table(object.iter().map(|(key, value)| (key.as_bytes().to_vec(), from_json(value))).collect())
}

/// Text of the wire, whatever its bytes are.
pub(crate) fn text(bytes: &[u8]) -> String {
    match str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("{NOT_UTF_8}{}", BASE64.encode(bytes)),
    }
}

/// A decimal as the number it stands for, as near as JSON's readers come to it.
fn decimal(scale: u8, value: u32) -> Json {
    let number = f64::from(value) / 10f64.powi(scale.into());
    Number::from_f64(number).map_or(Json::Null, Json::Number)
}
