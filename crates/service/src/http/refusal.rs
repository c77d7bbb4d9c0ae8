//! Why a request was not answered as it wished: a status and `{"error": "…"}`.

use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use super::guard::REQUEST_BYTES_MAX;
use super::json;

/// A request that was refused.
#[derive(Debug)]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// What was wrong with what, in lower case.
    pub error: String,
    /// What happened nevertheless, as further fields.
    pub more: Map<String, Value>,
}

impl Refusal {
    /// Any status.
    pub fn new(status: StatusCode, error: impl Into<String>) -> Refusal {
        Refusal { status, error: error.into(), more: Map::new() }
    }

    /// 400
    pub fn bad(error: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, error)
    }

    /// 404
    pub fn not_found(error: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, error)
    }

    /// 405
    pub fn method() -> Refusal {
        let error = "the method is not allowed here; the header allow names those that are";
        Refusal::new(StatusCode::METHOD_NOT_ALLOWED, error)
    }

    /// 503
    pub fn unavailable(error: impl Into<String>) -> Refusal {
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
        self.more.insert("error".into(), Value::String(self.error));
        json::answer(self.status, &Value::Object(self.more))
    }
}
