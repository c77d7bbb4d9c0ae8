//! Why a request was not answered as it wished: a status and `{"error": "…"}`.

use axum::extract::rejection::BytesRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::REQUEST_BYTES_MAX;

/// A request that was refused.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The HTTP status.
    pub(super) status: StatusCode,
    /// What was wrong with what, in lower case.
    pub(super) error: String,
    /// What happened nevertheless, as further fields.
    pub(super) more: Map<String, Value>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Refusal {
        Refusal { status, error: error.into(), more: Map::new() }
    }

    /// 400
    pub(super) fn bad(error: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, error)
    }

    /// 404
    pub(super) fn not_found(error: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, error)
    }

    /// 405
    pub(super) fn method() -> Refusal {
        let error = "the method is not allowed here; the header allow names those that are";
        Refusal::new(StatusCode::METHOD_NOT_ALLOWED, error)
    }

    /// 503
    pub(super) fn unavailable(error: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error)
    }
}

impl From<BytesRejection> for Refusal {
    fn from(rejection: BytesRejection) -> Refusal {
        let error = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                format!("the body has more than {REQUEST_BYTES_MAX} bytes")
            }
            _ => "the body cannot be read to its end".into(),
        };
        Refusal::new(rejection.status(), error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(mut self) -> Response {
        self.more.insert("error".into(), json!(self.error));
        answer(self.status, &Value::Object(self.more))
    }
}

/// JSON, with a line end for terminals.
pub(super) fn answer(status: StatusCode, body: &Value) -> Response {
    let body = format!("{body}\n");
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
