//! Kamailio's own peers, and what their modules do not survive: a body that is JSON, but not such as
//! a module writes it, ends the whole of Kamailio (`{}`, `[]`, `null`, a number where it wants a text):
//! 5.6.3 in `htable`, `dialog` and `usrloc`, 6.1.5 still in the latter two. So a peer of this name is
//! sent nothing else, whoever asks for it.

#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::config::HTABLE_PEER;

/// Who is told of calls.
const DIALOG_PEER: &str = "dialog";

/// The peers of modules that read JSON (`dmq_peer_id`'s defaults in 5.6 to 6.1).
const MODULES: &[&str] = &[HTABLE_PEER, DIALOG_PEER, "presence", "rtpengine", "usrloc"];

/// The fields that `htable` takes for texts; what else it has are numbers, and cells.
const HTABLE_TEXTS: &[&str] = &["htname", "cname", "strval"];

/// The fields that the others take for texts, wherever they stand.
const TEXTS: &[&str] = &[
    // dialog
    "callid",
    "from_uri",
    "to_uri",
    "req_uri",
    "tag1",
    "tag2",
    "cseq1",
    "cseq2",
    "route_set1",
    "route_set2",
    "contact1",
    "contact2",
    "profiles",
    // usrloc
    "aor",
    "ruid",
    "c",
    "received",
    "sock",
    "sockname",
    "path",
    "user_agent",
    "instance",
    // presence
    "domain",
    "user",
    "etag",
    "sender",
    "event",
    "event_id",
    "cur_etag",
    "sphere",
    "body",
    "pres_uri",
    "contact",
    "local_contact",
    "watcher_domain",
    "watcher_user",
    "from_domain",
    "from_user",
    "to_domain",
    "to_user",
    "from_tag",
    "to_tag",
    "reason",
    "socket_info",
    "record_route",
    // rtpengine
    "rtpengine_url",
    "viabranch",
];

/// The field of `dialog` whose own fields are all texts.
const VARIABLES: &str = "vars";

/// The `action` by which `dialog` tells of a call, whose `callid` it then needs.
const DIALOG_UPDATE: u64 = 1;

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
    check_texts(&body, if peer == HTABLE_PEER { HTABLE_TEXTS } else { TEXTS })?;
    if peer == DIALOG_PEER && body["action"] == DIALOG_UPDATE && body["callid"].is_null() {
        return Err("there is no callid".into());
    }
    if peer != HTABLE_PEER {
        return Ok(());
    }
    check_numbers(&body)?;
    match body.get("cells") {
        Some(Value::Array(cells)) => cells.iter().try_for_each(|cell| {
            check_object(cell)?;
            check_numbers(cell)
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

/// Texts are texts, however deep they stand.
fn check_texts(value: &Value, texts: &[&str]) -> Result<(), String> {
    match value {
        Value::Array(values) => values.iter().try_for_each(|value| check_texts(value, texts)),
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| match value {
            Value::String(_) => Ok(()),
            _ if texts.contains(&name.as_str()) => Err(format!("{name} is not a text")),
            Value::Object(variables) if name == VARIABLES => {
                let all = variables.values().all(Value::is_string);
                if all { Ok(()) } else { Err(format!("a field of {name} is not a text")) }
            }
            _ => check_texts(value, texts),
        }),
        _ => Ok(()),
    }
}

/// What else `htable` has are numbers.
fn check_numbers(value: &Value) -> Result<(), String> {
    let Some(fields) = value.as_object() else { return Ok(()) };
    let is_text = |name: &str| name == "cells" || HTABLE_TEXTS.contains(&name);
    match fields.iter().find(|(name, value)| !is_text(name) && !value.is_number()) {
        Some((name, _)) => Err(format!("{name} is not a number")),
        None => Ok(()),
    }
}
