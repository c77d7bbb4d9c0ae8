//! The page for people: the state in one sentence, the figures, what is due next. It needs no
//! script and works in a text browser.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use service::http::figures::{counted, grouped, name, size};
use service::http::html::Html;
use service::http::refusal::Refusal;
use service::time::{self, readable, relative};
use tokio::sync::Semaphore;

use super::health::{reasons, sentence};
use super::metrics::COUNTERS;
use super::query::{Query, key_text, parse_key};
use super::{api, ask_storage, status};
use crate::desk::{Desk, Order, Outcome, Status};
use crate::message::{DUE_MAX, Entry, Key, Millis};

/// Messages in the list of those that are due next.
const NEXT_MAX: usize = 20;

/// Hours in the histogram, after the rest of the present one.
const HOURS: u64 = 24;

/// Blocks of the longest bar.
const BAR: u64 = 40;

/// What a delayer is called that has no section of its own.
const ALONE: &str = "delayer";

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// `GET /`
pub(super) async fn index(State(desk): State<Desk>, RawQuery(query): RawQuery) -> Response {
    let status = match status(&desk).await {
        Ok(status) => status,
        Err(refusal) => return notice(&refusal),
    };
    let next = ask_storage(&desk, |to| Order::List(Key::MIN, DUE_MAX, NEXT_MAX, to)).await;
    let edges = edges(status.now_ms);
    let due = ask_storage(&desk, |to| Order::Histogram(edges.clone(), to)).await;

    let works = reasons(&status).is_empty();
    let state = if works { "works" } else { "does not work" };
    let title = format!("{}: {state}", name(status.name.as_bytes()));
    let mut html = Html::page(title, heading(&status.name), Some("./"));
    if let Some(done) = query.and_then(|query| done(&query)) {
        html.raw("<p role=status><strong>").text(done).raw("</strong></p>\n");
    }
    html.raw(if works { "<p class=\"state\">" } else { "<p class=\"state wrong\">" });
    html.text(sentence(&status)).raw("</p>\n");
    figures(&mut html, &status);
    html.raw("<h2>Due next</h2>\n");
    match &next {
        Ok(entries) => messages(&mut html, entries, status.now_ms),
        Err(refusal) => drop(html.raw("<p>Not known: ").text(&refusal.error).raw(".</p>\n")),
    }
    html.raw("<h2>Due in the next hours (UTC)</h2>\n");
    match &due {
        Ok(counts) => histogram(&mut html, &edges, counts, status.totals.held),
        Err(refusal) => drop(html.raw("<p>Not known: ").text(&refusal.error).raw(".</p>\n")),
    }
    counters(&mut html, &status);
    html.raw(
        "<p>More: <a href=\"metrics\">metrics</a>, <a href=\"healthz\">healthz</a>, \
         <a href=\"api/status\">api/status</a>, <a href=\"api/messages\">api/messages</a>, \
         <a href=\"api/histogram\">api/histogram</a>. This page renews itself every 5 s.</p>\n",
    );
    html.answer(StatusCode::OK)
}

/// The heading of a delayer. One that runs alone has no other name.
fn heading(of: &str) -> String {
    match of {
        ALONE => "Delayer".into(),
        of => format!("Delayer {}", name(of.as_bytes())),
    }
}

/// A page with one sentence.
fn notice(refusal: &Refusal) -> Response {
    Html::notice(refusal.status, heading(ALONE), &refusal.error)
}

fn figures(html: &mut Html, s: &Status) {
    let at = |at_ms: Millis| format!("{}, {}", readable(at_ms), relative(at_ms, s.now_ms));
    html.raw("<h2>Figures</h2>\n<table>\n");
    html.row(
        "Held",
        format!("{}, {}", counted(s.totals.held, "message"), size(s.totals.held_bytes)),
    );
    html.row("Next due", s.totals.next_due_ms.map_or("nothing".into(), at));
    html.row("Oldest, stored", s.totals.oldest_ms.map_or("nothing".into(), at));
    let rates = &s.rates;
    html.row(
        "Per second, over 10 s",
        format!(
            "stored {:.1}, revived {:.1}, forwarded {:.1}",
            rates.stored, rates.revived, rates.forwarded
        ),
    );
    html.row("In flight", format!("{}, published and not confirmed", grouped(s.in_flight)));
    html.row("Unacknowledged", format!("{}, received and not stored", grouped(s.unacked)));
    html.row("Broker", s.connected.as_deref().unwrap_or("not connected"));
    let or = |text: &str, otherwise: &str| match text {
        "" => otherwise.to_owned(),
        text => name(text.as_bytes()),
    };
    let (queue, exchange) = (or(&s.queue, "no queue"), or(&s.exchange, "the default exchange"));
    html.row("From, to", format!("{queue}, {exchange}"));
    html.row("Mode", s.mode);
    html.row("Storage", name(s.storage.as_bytes()));
    let limit = match (s.totals.part_bytes, s.totals.part_bytes_max) {
        (Some(used), Some(max)) if max > 0 => format!(
            "; its fullest part uses {} of {} ({:.0} %)",
            size(used),
            size(max),
            used as f64 / max as f64 * 100.0
        ),
        _ => String::new(),
    };
    let full = if s.full.is_some() { ", full" } else { ", not full" };
    html.row("Storage size", format!("{}{limit}{full}", size(s.totals.disk_bytes)));
    let error = |(when, what): &(Millis, String)| format!("{}: {what}", at(*when));
    html.row("Last error", s.last_error.as_ref().map_or("none".into(), error));
    html.row("Started", at(s.started_ms));
    html.raw("</table>\n");
}

fn messages(html: &mut Html, entries: &[Entry], now_ms: Millis) {
    if entries.is_empty() {
        html.raw("<p>Nothing is held.</p>\n");
        return;
    }
    html.raw(
        "<table>\n<tr><th>Due<th>Message id<th>Exchange<th>Routing key<th class=n>Body<th></tr>\n",
    );
    for entry in entries {
        let key = key_text(entry.key);
        html.raw("<tr><td><a href=\"api/messages/").text(&key).raw("\">");
        html.text(readable(entry.key.due_ms)).raw("</a>, ");
        html.text(relative(entry.key.due_ms, now_ms));
        html.raw("</td><td>").text(name(&entry.message_id));
        html.raw("</td><td>").text(name(&entry.exchange));
        html.raw("</td><td>").text(name(&entry.routing_key));
        html.raw("</td><td class=n>").text(size(entry.body_bytes)).raw("</td><td>");
        html.raw("<form method=post action=\"messages/").text(&key);
        html.raw("/release\"><button>release</button></form>\n");
        html.raw("<form method=post action=\"messages/").text(&key);
        html.raw("/cancel\"><button>cancel…</button></form></td></tr>\n");
    }
    html.raw("</table>\n");
}

/// What is overdue, the rest of this hour, and [`HOURS`] full hours.
fn edges(now_ms: Millis) -> Vec<Millis> {
    let hour = now_ms / HOUR_MS * HOUR_MS;
    let hours = (1..=HOURS + 1).map(|ahead| hour + ahead * HOUR_MS);
    [0, now_ms / MINUTE_MS * MINUTE_MS].into_iter().chain(hours).collect()
}

fn histogram(html: &mut Html, edges: &[Millis], counts: &[u64], held: u64) {
    let seen = counts.iter().sum::<u64>();
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let clock = |at_ms: Millis| readable(at_ms)[11..16].to_owned();
    html.raw("<table>\n");
    let mut bar = |label: String, count: u64| {
        let blocks = (count * BAR).div_ceil(most).min(BAR) as usize;
        html.raw("<tr><th scope=row>").text(label).raw("</th><td class=n>").text(grouped(count));
        html.raw("</td><td class=bar>").text("█".repeat(blocks)).raw("</td></tr>\n");
    };
    for (span, count) in edges.windows(2).zip(counts) {
        match span[0] {
            0 if *count == 0 => {}
            0 => bar("overdue".into(), *count),
            from => bar(format!("{}–{}", clock(from), clock(span[1])), *count),
        }
    }
    bar("later".into(), held.saturating_sub(seen));
    html.raw("</table>\n");
}

fn counters(html: &mut Html, status: &Status) {
    html.raw("<h2>Since the start</h2>\n<table>\n");
    for (label, _, help, value) in COUNTERS {
        html.raw("<tr><th scope=row>").text(label.replace('_', " ")).raw("</th><td class=n>");
        html.text(grouped(value(&status.counters))).raw("</td><td>").text(help);
        html.raw("</td></tr>\n");
    }
    html.raw("</table>\n");
}

/// What the redirect after a form says about it.
const DONE: &[(&str, &str)] = &[
    ("cancelled", "The message is cancelled."),
    ("released", "The message is released: it is published now."),
    ("unknown", "There is no such message any more; nothing was changed."),
    ("in-flight", "The message is being published right now; nothing was changed."),
];

fn done(query: &str) -> Option<&'static str> {
    let word = query.strip_prefix("did=")?;
    DONE.iter().find(|(name, _)| *name == word).map(|(_, sentence)| *sentence)
}

/// `POST /messages/KEY/release`
pub(super) async fn release(State(desk): State<Desk>, Path(key): Path<String>) -> Response {
    let Ok(key) = parse_key(&key) else { return after("unknown") };
    change(ask_storage(&desk, |to| Order::Reschedule(key, time::now(), to)).await, "released")
}

/// `POST /messages/KEY/cancel`: asks first, because the message is gone then, and because the list
/// may have moved under the pointer.
pub(super) async fn cancel(
    State(desk): State<Desk>,
    State(whole): State<Arc<Semaphore>>,
    Path(key): Path<String>,
    form: Result<Bytes, BytesRejection>,
) -> Response {
    let Ok(key) = parse_key(&key) else { return after("unknown") };
    let form = match form.map_err(Refusal::from) {
        Ok(form) => form,
        Err(refusal) => return notice(&refusal),
    };
    let sure = str::from_utf8(&form).ok().and_then(|form| Query::parse(form, &["sure"]).ok());
    if sure.is_some_and(|form| form.get("sure") == Some(b"yes")) {
        return change(ask_storage(&desk, |to| Order::Cancel(key, to)).await, "cancelled");
    }
    let (held, _permit) = match api::load(&desk, whole, key).await {
        Ok(loaded) => loaded,
        Err(Refusal { status: StatusCode::NOT_FOUND, .. }) => return after("unknown"),
        Err(refusal) => return notice(&refusal),
    };
    let properties = amqp::content::Properties(&held.message.properties);
    let mut html = Html::page("delayer: cancel?", heading(ALONE), None);
    html.raw(
        "<p class=\"state wrong\">Cancel this message? It is deleted and never published.</p>\n",
    );
    html.raw("<table>\n").row("Key", key_text(key)).row("Due", readable(key.due_ms));
    html.row("Stored", readable(held.stored_ms));
    html.row("Message id", name(properties.message_id().unwrap_or_default()));
    html.row("Exchange", name(&held.message.exchange));
    html.row("Routing key", name(&held.message.routing_key));
    html.row("Body", size(held.message.body.len() as u64)).raw("</table>\n");
    html.raw("<form method=post><input type=hidden name=sure value=yes>");
    html.raw("<button>cancel it</button></form> <a href=\"../../\">keep it</a>\n");
    html.answer(StatusCode::OK)
}

fn change(outcome: Result<Outcome, Refusal>, done: &'static str) -> Response {
    match outcome {
        Ok(Outcome::Done(_)) => after(done),
        Ok(Outcome::Unknown) => after("unknown"),
        Ok(Outcome::InFlight) => after("in-flight"),
        Err(refusal) => notice(&refusal),
    }
}

/// Back to the page, which says what was done. The address is relative, for proxies that serve the
/// delayer below a path of theirs.
fn after(did: &'static str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, format!("../../?did={did}"))]).into_response()
}
