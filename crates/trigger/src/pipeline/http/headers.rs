//! The headers of a request: those that are the same for every run are made once. What comes with a
//! message never replaces what the trigger itself says.

use http::header::{AUTHORIZATION, Entry, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::config::HttpConfig;
use crate::payload::header_value;
use crate::pipeline::Run;
use crate::pipeline::http::SetupError;

static NAME: HeaderName = HeaderName::from_static("x-trigger-name");
static QUEUE: HeaderName = HeaderName::from_static("x-trigger-queue");
static ATTEMPT: HeaderName = HeaderName::from_static("x-trigger-attempt");
static REDELIVERED: HeaderName = HeaderName::from_static("x-trigger-redelivered");
static EXECUTION_ID: HeaderName = HeaderName::from_static("x-trigger-execution-id");
static DEADLINE_MS: HeaderName = HeaderName::from_static("x-trigger-deadline-ms");

/// Headers for which the index that every run copies has room.
const ROOM: usize = 24;

/// The headers that all requests of a trigger have.
#[derive(Clone, Debug)]
pub(crate) struct Common(HeaderMap);

impl Common {
    pub(crate) fn new(
        config: &HttpConfig,
        url: &Uri,
        name: &str,
        queue: &str,
    ) -> Result<Common, SetupError> {
        let mut headers = HeaderMap::with_capacity(ROOM);
        for (name, value) in config.static_headers.iter() {
            let wrong = || SetupError::Header(name.clone());
            let parsed = HeaderName::try_from(name).map_err(|_| wrong())?;
            let is_own = parsed == HOST || parsed == AUTHORIZATION;
            if is_reserved(&parsed) && !is_own {
                return Err(SetupError::ReservedHeader(name.clone()));
            }
            headers.append(parsed, HeaderValue::try_from(value).map_err(|_| wrong())?);
        }
        let version = HeaderValue::from_static(concat!("leveret/", env!("CARGO_PKG_VERSION")));
        headers.entry(USER_AGENT).or_insert(version);
        headers.entry(HOST).or_insert(host(url)?);
        headers.insert(&NAME, header_value(name.as_bytes()));
        headers.insert(&QUEUE, header_value(queue.as_bytes()));
        // Room in every copy for what is set with each run.
        for name in [&ATTEMPT, &REDELIVERED, &EXECUTION_ID, &DEADLINE_MS] {
            headers.insert(name, HeaderValue::from_static(""));
        }
        Ok(Common(headers))
    }

    /// `Authorization`, as it is in every request.
    pub(crate) fn authorize(&mut self, value: HeaderValue) {
        self.0.insert(AUTHORIZATION, value);
    }

    /// The headers of a run, but for its signature.
    pub(crate) fn of(&self, run: &Run) -> HeaderMap {
        let mut headers = self.0.clone();
        for (name, value) in &run.rendered.headers {
            if is_reserved(name) {
                continue;
            }
            if let Entry::Vacant(vacant) = headers.entry(name) {
                vacant.insert(value.clone());
            }
        }
        let redelivered = if run.message.redelivered { "true" } else { "false" };
        headers.insert(&ATTEMPT, run.metadata.attempt.into());
        headers.insert(&REDELIVERED, HeaderValue::from_static(redelivered));
        if let Ok(id) = HeaderValue::from_str(&run.metadata.execution_id) {
            headers.insert(&EXECUTION_ID, id);
        }
        headers.insert(&DEADLINE_MS, run.metadata.deadline_ms.into());
        headers
    }
}

/// Headers that belong to the connection, say who asks, or are signed: never a message's.
pub(crate) fn is_reserved(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(
        name,
        "authorization"
            | "connection"
            | "content-length"
            | "cookie"
            | "expect"
            | "host"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    ) || name.starts_with("webhook-")
}

/// The host of a URL, with its port unless that is the scheme's own (RFC 9110, 7.2).
pub(crate) fn host(url: &Uri) -> Result<HeaderValue, SetupError> {
    let host = url.host().unwrap_or_default();
    let own = if url.scheme_str() == Some("https") { 443 } else { 80 };
    let host = match url.port_u16() {
        Some(port) if port != own => format!("{host}:{port}"),
        _ => host.to_owned(),
    };
    HeaderValue::try_from(host).map_err(|_| SetupError::Url("its host is no name"))
}

#[cfg(test)]
mod tests;
