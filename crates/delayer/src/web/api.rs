//! The API: list, look up, cancel, reschedule and release stored messages, and see what is due when.
//!
//! Answers are JSON; a refusal is `{"error": "…"}`. docs/delayer.md describes every path.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use service::http::json::answer;
use service::http::refusal::Refusal;
use service::time::{now, parse, parse_span, rfc3339};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::query::{Query, key_text, parse_key};
use super::{ask_storage, health, json as view};
use crate::desk::{Desk, Order, Outcome};
use crate::message::{DUE_MAX, Entry, Held, Key, Millis};

/// Messages of a page, and copies that one request changes.
const MESSAGES_MAX: usize = 1_000;

/// Messages of a page unless the request says otherwise.
const MESSAGES_DEFAULT: usize = 100;

/// Bars of a histogram.
const BARS_MAX: u64 = 10_000;

/// The storage counts by the minute.
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Whole messages in memory for answers at a time; a body may have hundreds of megabytes.
pub(super) const WHOLE_MAX: usize = 4;

/// How long a request waits until another one has given its message out.
const WHOLE_TIMEOUT: Duration = Duration::from_secs(10);

type Answer = Result<Response, Refusal>;

fn ok(body: impl Into<Value>) -> Answer {
    Ok(answer(StatusCode::OK, &body.into()))
}

fn parameters(query: Option<String>, known: &[&'static str]) -> Result<Query, Refusal> {
    Query::parse(&query.unwrap_or_default(), known).map_err(Refusal::bad)
}

fn key_of(path: &str) -> Result<Key, Refusal> {
    parse_key(path).map_err(Refusal::bad)
}

fn unknown(key: Key) -> Refusal {
    Refusal::not_found(format!("no message {}: published, cancelled or moved", key_text(key)))
}

/// `GET /api/status`
pub(super) async fn status(State(desk): State<Desk>) -> Answer {
    let status = super::status(&desk).await?;
    ok(view::status(&status, &health::sentence(&status)))
}

/// `GET /api/messages?after=KEY&until=TIME&limit=N` or `?message_id=ID&limit=N`
pub(super) async fn list(State(desk): State<Desk>, RawQuery(query): RawQuery) -> Answer {
    let query = parameters(query, &["after", "until", "limit", "message_id"])?;
    let limit = query.read("limit", limit).map_err(Refusal::bad)?.unwrap_or(MESSAGES_DEFAULT);
    let after = query.read("after", parse_key).map_err(Refusal::bad)?;
    let until = query.read("until", |text| parse(text, now())).map_err(Refusal::bad)?;
    // One more than is shown tells whether there is more.
    let (mut entries, pages) = match query.get("message_id") {
        Some(_) if after.is_some() || until.is_some() => {
            return Err(Refusal::bad("message_id goes with limit only, not with after or until"));
        }
        Some(id) => (find(&desk, id, limit + 1).await?, false),
        None => {
            let (after, until) = (after.unwrap_or(Key::MIN), until.unwrap_or(DUE_MAX));
            (ask_storage(&desk, |to| Order::List(after, until, limit + 1, to)).await?, true)
        }
    };
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| more && pages).map(|last| key_text(last.key));
    let messages: Vec<Value> = entries.iter().map(view::entry).collect();
    ok(json!({ "messages": messages, "more": more, "next": next }))
}

fn limit(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=MESSAGES_MAX).contains(number));
    number.ok_or_else(|| format!("expected a number from 1 to {MESSAGES_MAX}, got {text:?}"))
}

async fn find(desk: &Desk, id: &[u8], count_max: usize) -> Result<Vec<Entry>, Refusal> {
    if id.is_empty() {
        return Err(Refusal::bad("message_id: messages without one cannot be looked up"));
    }
    ask_storage(desk, |to| Order::Find(id.to_vec(), count_max, to)).await
}

/// Bytes that are being sent; while they are, they count among [`WHOLE_MAX`].
struct Whole {
    bytes: Vec<u8>,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Whole {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Loads a message with its body, and the permission to have it in memory.
pub(super) async fn load(
    desk: &Desk,
    whole: Arc<Semaphore>,
    key: Key,
) -> Result<(Held, OwnedSemaphorePermit), Refusal> {
    let permit = timeout(WHOLE_TIMEOUT, whole.acquire_owned()).await;
    let permit = permit.ok().and_then(Result::ok).ok_or_else(|| {
        Refusal::unavailable(format!("{WHOLE_MAX} messages are being read already; try again"))
    })?;
    let held = ask_storage(desk, |to| Order::Get(key, to)).await?;
    held.map(|held| (held, permit)).ok_or_else(|| unknown(key))
}

/// `GET /api/messages/KEY`, or with `?body=raw` its body alone.
pub(super) async fn message(
    State(desk): State<Desk>,
    State(whole): State<Arc<Semaphore>>,
    Path(key): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    let key = key_of(&key)?;
    let query = parameters(query, &["body"])?;
    let raw = match query.get("body") {
        None | Some(b"base64") => false,
        Some(b"raw") => true,
        Some(_) => return Err(Refusal::bad("body: expected raw or base64")),
    };
    let (held, permit) = load(&desk, whole, key).await?;
    // The sender chose the bytes: a browser saves them and never shows them as a page of ours.
    let (kind, disposition, bytes) = match raw {
        true => ("application/octet-stream", "attachment", held.message.body),
        false => ("application/json", "inline", format!("{}\n", view::held(&held)).into_bytes()),
    };
    let disposition = format!("{disposition}; filename=\"{}\"", key_text(key));
    let headers =
        [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    let body = Bytes::from_owner(Whole { bytes, _permit: permit });
    Ok((headers, Body::from(body)).into_response())
}

/// What a request does to a message.
#[derive(Clone, Copy)]
enum Change {
    Cancel,
    Release,
    Reschedule(Millis),
}

impl Change {
    /// What it is called when it is done.
    fn done(self) -> &'static str {
        match self {
            Change::Cancel => "cancelled",
            Change::Release => "released",
            Change::Reschedule(_) => "rescheduled",
        }
    }

    async fn make(self, desk: &Desk, key: Key) -> Result<Outcome, Refusal> {
        match self {
            Change::Cancel => ask_storage(desk, |to| Order::Cancel(key, to)).await,
            Change::Release => ask_storage(desk, |to| Order::Reschedule(key, now(), to)).await,
            Change::Reschedule(due_ms) => {
                ask_storage(desk, |to| Order::Reschedule(key, due_ms, to)).await
            }
        }
    }

    /// Changes the message of a path.
    async fn one(self, desk: &Desk, path: &str) -> Answer {
        let key = key_of(path)?;
        match self.make(desk, key).await? {
            Outcome::Done(to) => {
                let mut body = to.map(view::key).unwrap_or_default();
                body.insert(self.done().into(), json!(path));
                ok(body)
            }
            Outcome::Unknown => Err(unknown(key)),
            Outcome::InFlight => Err(Refusal::new(
                StatusCode::CONFLICT,
                format!("the message {path} is being published right now"),
            )),
        }
    }

    /// Changes every message with the `message_id` of the query, at most [`MESSAGES_MAX`].
    async fn all(self, desk: &Desk, query: Option<String>) -> Answer {
        let query = parameters(query, &["message_id"])?;
        let id = query.get("message_id").ok_or_else(|| {
            Refusal::bad("message_id is missing: /api/messages/KEY changes one message")
        })?;
        let mut entries = find(desk, id, MESSAGES_MAX + 1).await?;
        let more = entries.len() > MESSAGES_MAX;
        entries.truncate(MESSAGES_MAX);
        let (mut done, mut in_flight, mut failed) = (0, 0, None);
        for entry in &entries {
            match self.make(desk, entry.key).await {
                Ok(Outcome::Done(_)) => done += 1,
                Ok(Outcome::InFlight) => in_flight += 1,
                Ok(Outcome::Unknown) => {}
                Err(refusal) => {
                    failed = Some(refusal);
                    break;
                }
            }
        }
        let mut body = Map::new();
        body.insert(self.done().into(), json!(done));
        body.insert("in_flight".into(), json!(in_flight));
        body.insert("more".into(), json!(more));
        let mut refusal = match failed {
            Some(refusal) => refusal,
            None if done > 0 => return ok(body),
            None if in_flight > 0 => Refusal::new(
                StatusCode::CONFLICT,
                "every message with this message_id is being published right now",
            ),
            None => Refusal::not_found("no message with this message_id is stored"),
        };
        refusal.more = body;
        Err(refusal)
    }
}

/// `DELETE /api/messages/KEY`
pub(super) async fn cancel(State(desk): State<Desk>, Path(key): Path<String>) -> Answer {
    Change::Cancel.one(&desk, &key).await
}

/// `DELETE /api/messages?message_id=ID`
pub(super) async fn cancel_all(State(desk): State<Desk>, RawQuery(query): RawQuery) -> Answer {
    Change::Cancel.all(&desk, query).await
}

/// `POST /api/messages/KEY/release`
pub(super) async fn release(State(desk): State<Desk>, Path(key): Path<String>) -> Answer {
    Change::Release.one(&desk, &key).await
}

/// `POST /api/messages/release?message_id=ID`
pub(super) async fn release_all(State(desk): State<Desk>, RawQuery(query): RawQuery) -> Answer {
    Change::Release.all(&desk, query).await
}

/// `POST /api/messages/KEY/reschedule` with `{"due": TIME}`
pub(super) async fn reschedule(
    State(desk): State<Desk>,
    Path(key): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    Change::Reschedule(due(body)?).one(&desk, &key).await
}

/// `POST /api/messages/reschedule?message_id=ID` with `{"due": TIME}`
pub(super) async fn reschedule_all(
    State(desk): State<Desk>,
    RawQuery(query): RawQuery,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    Change::Reschedule(due(body)?).all(&desk, query).await
}

/// The time that a body asks for.
fn due(body: Result<Bytes, BytesRejection>) -> Result<Millis, Refusal> {
    const EXPECTED: &str = "expected a body such as {\"due\": \"2026-11-22T09:08:07Z\"}, \
                            {\"due\": 1795338487006} or {\"due\": \"+90s\"}";
    let body = body?;
    let body: Value =
        serde_json::from_slice(&body).map_err(|e| Refusal::bad(format!("{EXPECTED}; {e}")))?;
    let due = match body.as_object() {
        Some(fields) if fields.len() == 1 => fields.get("due"),
        _ => None,
    };
    let read = match due {
        Some(Value::String(text)) => parse(text, now()),
        Some(Value::Number(number)) if number.is_u64() => parse(&number.to_string(), now()),
        _ => return Err(Refusal::bad(EXPECTED)),
    };
    read.map_err(|reason| Refusal::bad(format!("due: {reason}")))
}

/// `GET /api/histogram?from=TIME&until=TIME&step=SPAN`
pub(super) async fn histogram(State(desk): State<Desk>, RawQuery(query): RawQuery) -> Answer {
    let query = parameters(query, &["from", "until", "step"])?;
    let now_ms = now();
    let time = |name| query.read(name, |text| parse(text, now_ms)).map_err(Refusal::bad);
    let from = time("from")?.unwrap_or(now_ms) / MINUTE_MS * MINUTE_MS;
    let until = time("until")?.unwrap_or_else(|| from.saturating_add(DAY_MS).min(DUE_MAX));
    let step = query.read("step", step).map_err(Refusal::bad)?.unwrap_or(HOUR_MS);
    if until <= from {
        let (from, until) = (rfc3339(from), rfc3339(until));
        return Err(Refusal::bad(format!("until ({until}) is not after from ({from})")));
    }
    let bars = (until - from).div_ceil(step);
    if bars > BARS_MAX {
        let error = format!("step: {bars} bars are more than {BARS_MAX}; take a longer step");
        return Err(Refusal::bad(error));
    }
    let edges = (0..bars).map(|bar| from + bar * step);
    let edges: Vec<Millis> = edges.chain([from.saturating_add(bars * step).min(DUE_MAX)]).collect();
    let counts = ask_storage(&desk, |to| Order::Histogram(edges.clone(), to)).await?;
    let bar = |(from, count): (&Millis, &u64)| json!({ "from": rfc3339(*from), "from_ms": from, "count": count });
    let bars: Vec<Value> = edges.iter().zip(&counts).map(bar).collect();
    let until = edges.last().copied();
    ok(json!({
        "from": rfc3339(from), "from_ms": from, "until": until.map(rfc3339), "until_ms": until,
        "step_ms": step, "bars": bars,
    }))
}

/// A span of whole minutes.
fn step(text: &str) -> Result<u64, String> {
    let step = parse_span(text)?;
    if step == 0 || !step.is_multiple_of(MINUTE_MS) {
        return Err(format!("expected whole minutes such as 15m or 1h, got {text:?}"));
    }
    Ok(step)
}
