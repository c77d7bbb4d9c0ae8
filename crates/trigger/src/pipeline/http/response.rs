//! What a response says of the message: by its status, unless its header `X-Trigger-Action` or its
//! JSON says otherwise.

use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use serde::Deserialize;
use serde_json::Value;

use crate::pipeline::http::retry_after;
use crate::pipeline::{Outcome, Pause, Verdict};
use crate::reason::Reason;

const ACTION: &str = "x-trigger-action";

/// Characters of an endpoint's own words that are shown.
const WORDS_MAX: usize = 200;

/// Reads a body of up to `limit` bytes to its end, and gives it back when it is to be kept. A longer
/// one is given up, which closes the connection: nothing of the rest is received.
pub(crate) async fn read(
    mut body: Incoming,
    limit: u64,
    keep: bool,
) -> Result<Option<Bytes>, hyper::Error> {
    if body.size_hint().lower() > limit {
        return Ok(None);
    }
    let mut kept = BytesMut::new();
    let mut received = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        received += data.len() as u64;
        if received > limit {
            return Ok(None);
        }
        if keep {
            kept.extend_from_slice(&data);
        }
    }
    Ok(keep.then(|| kept.freeze()))
}

/// Whether a body may hold a verdict.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(kind)) = headers.get(CONTENT_TYPE).map(|kind| kind.to_str()) else { return false };
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}

/// What becomes of message and trigger; `json` is the body where it may hold a verdict.
pub(crate) fn judge(
    status: StatusCode,
    headers: &HeaderMap,
    json: Option<&[u8]>,
    now: SystemTime,
) -> Outcome {
    let mut summary = status.as_str().to_owned();
    let mut verdict = None;
    if let Some(action) = headers.get(ACTION) {
        let action = action.to_str().unwrap_or_default().trim();
        verdict = by_action(action, status);
        summary = match &verdict {
            Some(_) => format!("{summary}, {action}"),
            None => format!("{summary}, unknown X-Trigger-Action {:?}", cut(action)),
        };
    }
    if verdict.is_none() && status.is_success() {
        verdict = json.and_then(|json| by_json(json, status));
        match &verdict {
            None | Some(Verdict::Done) => {}
            Some(Verdict::Retry(_, text) | Verdict::Dead(_, text)) => summary.clone_from(text),
            Some(Verdict::Drop | Verdict::Requeue) => summary.push_str(", DROP"),
        }
    }
    let verdict = verdict.unwrap_or_else(|| by_status(status, headers));
    Outcome { verdict, pause: pause(status, headers, now), reply: None, summary }
}

fn by_action(action: &str, status: StatusCode) -> Option<Verdict> {
    let text = || format!("{}, X-Trigger-Action: {action}", words(status));
    match action.to_ascii_lowercase().as_str() {
        "ack" => Some(Verdict::Done),
        "retry" => Some(Verdict::Retry(Reason::Failed, text())),
        "dead-letter" => Some(Verdict::Dead(Reason::Rejected, text())),
        "requeue" => Some(Verdict::Requeue),
        _ => None,
    }
}

/// Dapr's `status`, or Digibee's `error` and `code`. Words that are neither mean nothing: many
/// endpoints have a `status` of their own.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    status: Value,
    #[serde(default)]
    error: Value,
    #[serde(default)]
    code: Value,
}

fn by_json(json: &[u8], status: StatusCode) -> Option<Verdict> {
    let answer: Answer = serde_json::from_slice(json).ok()?;
    match answer.status.as_str() {
        Some("SUCCESS") => return Some(Verdict::Done),
        Some("RETRY") => {
            return Some(Verdict::Retry(Reason::Failed, format!("{status}, status RETRY")));
        }
        Some("DROP") => return Some(Verdict::Drop),
        _ => {}
    }
    let code = answer.code.as_u64().filter(|code| *code >= 400 && !answer.error.is_null())?;
    let text = match &answer.error {
        Value::String(error) => format!("{}, code {code}: {}", words(status), cut(error)),
        _ => format!("{}, code {code}", words(status)),
    };
    let code = u16::try_from(code).ok().and_then(|code| StatusCode::from_u16(code).ok());
    match code.is_none_or(is_passing) {
        true => Some(Verdict::Retry(Reason::Failed, text)),
        false => Some(Verdict::Dead(Reason::Rejected, text)),
    }
}

fn by_status(status: StatusCode, headers: &HeaderMap) -> Verdict {
    if status.is_success() {
        return Verdict::Done;
    }
    if is_passing(status) {
        return Verdict::Retry(Reason::Failed, words(status));
    }
    if !status.is_redirection() {
        return Verdict::Dead(Reason::Rejected, words(status));
    }
    let place = headers.get(LOCATION).and_then(|place| place.to_str().ok());
    // Queries and fragments may hold secrets.
    let place = place.and_then(|place| place.split(['?', '#']).next());
    let place = place.map_or_else(String::new, |place| format!(" to {}", cut(place)));
    let text = format!("{}{place}: redirects are not followed", words(status));
    Verdict::Dead(Reason::Rejected, text)
}

/// Whether a failure may pass.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 410 | 425 | 429 | 500..)
}

fn pause(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Option<Pause> {
    match status {
        StatusCode::GONE => Some(Pause::UntilResumed),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
            retry_after::pause(value, now).map(Pause::For)
        }
        _ => None,
    }
}

/// `503 Service Unavailable`; the number alone when nobody knows it.
pub(crate) fn words(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_str()),
        None => status.as_str().to_owned(),
    }
}

/// The beginning of an endpoint's own words, on one line.
pub(crate) fn cut(text: &str) -> String {
    text.chars().take(WORDS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
