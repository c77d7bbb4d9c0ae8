//! Definitions as they are in files.

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

/// Reads definitions: with a byte order mark or none, and empty for no definitions.
///
/// # Errors
/// What is wrong with the JSON, and where.
pub fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    if bytes.trim_ascii().is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    serde_json::from_slice(bytes)
}
