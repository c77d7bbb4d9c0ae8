//! Answers for programs.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::time::{Millis, rfc3339};

/// JSON, with a line end for terminals.
pub fn answer(status: StatusCode, body: &Value) -> Response {
    let body = format!("{body}\n");
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Sets `NAME` to a time as text and `NAME_ms` to Unix milliseconds, or both to null.
pub fn set_time(object: &mut Map<String, Value>, name: &str, at_ms: Option<Millis>) {
    object.insert(name.into(), json!(at_ms.map(rfc3339)));
    object.insert(format!("{name}_ms"), json!(at_ms));
}
