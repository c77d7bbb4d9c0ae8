//! OAuth2 client credentials (RFC 6749, 4.4): a token for all runs of a trigger, asked for when it
//! is needed and kept until shortly before it ends. One run asks at a time; the others wait for its
//! token, or share its failure.

use std::time::Duration;

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::config::HttpConfig;
use crate::pipeline::http::failure::Failure;
use crate::pipeline::http::response::{self, read};
use crate::pipeline::http::{SetupError, Wire, auth, headers, parse_url, request};
use crate::reason::Reason;

/// How long a token endpoint may take.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// More than any token takes.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// How long a token is used whose end is not told, and at least how often others are renewed; an
/// endpoint that refuses one earlier says so (401).
const LIFETIME: Duration = Duration::from_secs(3600);

/// How long before its end a token is renewed, at most; clocks and networks differ.
const SKEW_MAX: Duration = Duration::from_secs(30);

/// The tokens of a trigger.
#[derive(Debug)]
pub(crate) struct Tokens {
    url: Uri,
    headers: HeaderMap,
    form: Bytes,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// `Authorization`, and until when it is used.
    token: Option<(HeaderValue, Instant)>,
    /// The last failure, for those who were waiting for the same answer.
    failure: Option<(Instant, Failure)>,
}

impl Tokens {
    /// The client shows itself by HTTP's basic scheme, which every server has to know (RFC 6749,
    /// 2.3.1).
    pub(crate) fn new(config: &HttpConfig, client_secret: &str) -> Result<Tokens, SetupError> {
        let url = parse_url(&config.auth_oauth2_token_url)?;
        let encoded =
            |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let client = auth::basic(&encoded(&config.auth_oauth2_client_id), &encoded(client_secret));
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !config.auth_oauth2_scope.is_empty() {
            form.append_pair("scope", &config.auth_oauth2_scope);
        }
        let mut headers = HeaderMap::new();
        headers.insert(HOST, headers::host(&url)?);
        headers.insert(AUTHORIZATION, client);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form_type);
        Ok(Tokens { url, headers, form: form.finish().into(), state: Mutex::default() })
    }

    /// The value of `Authorization`: the token that is known, unless it is at its end or the
    /// `refused` one, else a new one.
    pub(crate) async fn get(
        &self,
        wire: &Wire,
        refused: Option<&HeaderValue>,
    ) -> Result<HeaderValue, Failure> {
        let asked = Instant::now();
        let mut state = self.state.lock().await;
        match (&state.token, &state.failure) {
            (Some((token, until)), _) if *until > Instant::now() && Some(token) != refused => {
                return Ok(token.clone());
            }
            (_, Some((at, failure))) if *at >= asked => return Err(failure.clone()),
            _ => {}
        }
        match self.ask(wire).await {
            Ok((token, lifetime)) => {
                let lifetime = lifetime.min(LIFETIME);
                let until = Instant::now() + (lifetime - (lifetime / 10).min(SKEW_MAX));
                state.token = Some((token.clone(), until));
                Ok(token)
            }
            Err(failure) => {
                let host = self.url.host().unwrap_or_default();
                let text = format!("token endpoint {host}: {}", failure.text);
                let failure = Failure { text, ..failure };
                state.failure = Some((Instant::now(), failure.clone()));
                Err(failure)
            }
        }
    }

    async fn ask(&self, wire: &Wire) -> Result<(HeaderValue, Duration), Failure> {
        let request = request(&Method::POST, &self.url, self.headers.clone(), self.form.clone());
        let answer = async {
            let (head, body) = wire.request(request).await?.into_parts();
            Ok::<_, Failure>((head.status, read(body, ANSWER_BYTES_MAX, true).await?))
        };
        let (status, body) = tokio::time::timeout(ANSWER_TIME, answer)
            .await
            .unwrap_or_else(|_| Err(Failure::transport(format!("no answer in {ANSWER_TIME:?}"))))?;
        understand(status, body.as_deref().unwrap_or_default())
            .map_err(|text| Failure { reason: Reason::Failed, text })
    }
}

/// What a token endpoint answers (RFC 6749, 5.1 and 5.2).
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    access_token: String,
    /// Seconds; a number by the standard, a string by some servers.
    #[serde(default)]
    expires_in: Value,
    #[serde(default)]
    error: Value,
}

fn understand(status: StatusCode, body: &[u8]) -> Result<(HeaderValue, Duration), String> {
    let answer: Option<Answer> = serde_json::from_slice(body).ok();
    if !status.is_success() {
        let error = answer.as_ref().and_then(|answer| answer.error.as_str());
        let error = error.map_or_else(String::new, |error| format!(": {}", response::cut(error)));
        return Err(format!("{}{error}", response::words(status)));
    }
    let answer = answer.filter(|answer| !answer.access_token.is_empty());
    let answer = answer.ok_or("its answer holds no access_token")?;
    let token = auth::bearer(&answer.access_token).ok_or("its token is no header's value")?;
    let seconds = match &answer.expires_in {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    Ok((token, seconds.map_or(LIFETIME, Duration::from_secs)))
}

#[cfg(test)]
mod tests;
