//! Kamailio's own peers, and what their modules do not survive: a body that is JSON, but not such as
//! a module writes it, ends the whole of Kamailio 5.6.3 (`{}`, `[]`, `null`, a number where it wants a
//! text). So a peer of this name is sent nothing else, whoever asks for it.

#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::config::HTABLE_PEER;

/// The peers of modules that read JSON (`dmq_peer_id`'s defaults in 5.6 to 6.1).
const MODULES: &[&str] = &[HTABLE_PEER, "dialog", "presence", "rtpengine", "usrloc"];

/// The fields that `htable` takes for texts.
const TEXTS: &[&str] = &["htname", "cname", "strval"];

/// Whether a message can be sent to a peer.
///
/// # Errors
/// What is wrong with the body.
pub(crate) fn check(peer: &str, body: &[u8]) -> Result<(), String> {
    if !MODULES.contains(&peer) {
        return Ok(());
    }
    let body: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    check_object(&body)?;
    if peer != HTABLE_PEER {
        return Ok(());
    }
    check_fields(&body)?;
    match body.get("cells") {
        Some(Value::Array(cells)) => cells.iter().try_for_each(|cell| {
            check_object(cell)?;
            check_fields(cell)
        }),
        Some(_) => Err("cells is no list".into()),
        None => Ok(()),
    }
}

/// An object that has something in it, and nothing that is null, however deep.
fn check_object(value: &Value) -> Result<(), String> {
    fn has_null(value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::Array(values) => values.iter().any(has_null),
            Value::Object(fields) => fields.values().any(has_null),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
    }
    match value {
        Value::Object(fields) if fields.is_empty() => Err("an object has no fields".into()),
        Value::Object(_) if has_null(value) => Err("a field is null".into()),
        Value::Object(_) => Ok(()),
        _ => Err("it is no object".into()),
    }
}

/// The fields of `htable` have the types that it takes them for.
fn check_fields(value: &Value) -> Result<(), String> {
    let Some(fields) = value.as_object() else { return Ok(()) };
    for (name, value) in fields.iter().filter(|(name, _)| *name != "cells") {
        let (is_right, wanted) = match TEXTS.contains(&name.as_str()) {
            true => (value.is_string(), "a text"),
            false => (value.is_number(), "a number"),
        };
        if !is_right {
            return Err(format!("{name} is not {wanted}"));
        }
    }
    Ok(())
}
