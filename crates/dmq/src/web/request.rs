//! What stands behind the `?` of an address, and bodies.

use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use service::http::refusal::Refusal;

use crate::address::{NodeUri, UriError};

/// Bytes of a request's body: a message of 64 KiB fits, however it is written in JSON.
pub(super) const BODY_BYTES_MAX: usize = 1 << 20;

/// The parameters of a request; names are those that its path knows.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `name=value&…`. Unknown and repeated names are refused: a mistyped `per` must not mean
    /// all peers.
    pub(super) fn parse(text: Option<String>, known: &[&str]) -> Result<Query, Refusal> {
        let mut query = Query(Vec::new());
        for (name, value) in form_urlencoded::parse(text.unwrap_or_default().as_bytes()) {
            if !known.contains(&&*name) {
                let known = if known.is_empty() { "none".into() } else { known.join(", ") };
                let error = format!("unknown parameter {name:?}; known here: {known}");
                return Err(Refusal::bad(error));
            }
            if query.get(&name).is_some() {
                return Err(Refusal::bad(format!("the parameter {name} is there twice")));
            }
            query.0.push((name.into_owned(), value.into_owned()));
        }
        Ok(query)
    }

    /// The text of a parameter that is there.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A parameter as what it means, such as an address; `expected` says what that is.
    pub(super) fn read<T: FromStr>(
        &self,
        name: &str,
        expected: &str,
    ) -> Result<Option<T>, Refusal> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value
            .parse()
            .map(Some)
            .map_err(|_| Refusal::bad(format!("{name}: expected {expected}, got {value:?}")))
    }

    /// The same, where it must be there.
    pub(super) fn needed<T: FromStr>(&self, name: &str, expected: &str) -> Result<T, Refusal> {
        self.read(name, expected)?.ok_or_else(|| {
            Refusal::bad(format!("the parameter {name} is missing: it is {expected}"))
        })
    }

    /// A parameter that says yes or no; no when it is not there.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.get(name) {
            Some("1" | "true") => Ok(true),
            None | Some("0" | "false") => Ok(false),
            Some(value) => Err(Refusal::bad(format!("{name}: expected 1 or 0, got {value:?}"))),
        }
    }
}

/// A request's body.
pub(super) type Body = Result<Bytes, BytesRejection>;

/// The bytes of a body.
pub(super) fn bytes(body: Body) -> Result<Bytes, Refusal> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let error = format!("the request's body has more than {BODY_BYTES_MAX} bytes");
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, error)
        }
        _ => rejection.into(),
    })
}

/// A body that is JSON; `example` shows how it should look.
pub(super) fn json<T: DeserializeOwned>(body: Body, example: &str) -> Result<T, Refusal> {
    let body = bytes(body)?;
    serde_json::from_slice(&body)
        .map_err(|e| Refusal::bad(format!("expected a body such as {example}: {e}")))
}

/// A text as a node's URI; `name` says where it stood.
pub(super) fn node(name: &str, text: &str) -> Result<NodeUri, Refusal> {
    text.parse().map_err(|reason: UriError| {
        let expected = "expected a node such as sip:10.0.0.1:5060";
        Refusal::bad(format!("{name}: {expected}, but of {text:?}: {reason}"))
    })
}
