//! The pages for people: what is wrong first, the figures of all triggers, the last runs and
//! failures of each. They need no script and work in a text browser.

use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use service::http::figures::{grouped, name};
use service::http::html::Html;
use service::http::refusal::Refusal;
use service::time::{readable, relative};

use super::health::sentence;
use super::metrics::{COUNTERS, OUTCOMES};
use super::{Change, Reloaded, Seen, Shared, all};
use crate::desk::{Condition, Recent, Status};
use crate::message::Millis;
use crate::reason::Reason;

const HEADING: &str = "Triggers";

/// Triggers whose runs are shown on the first page; those of more are on pages of their own.
const SECTIONS_MAX: usize = 50;

/// Runs and failures of a trigger on the first page, of each.
const RUNS_MAX: usize = 5;

/// Names in the sentence about triggers that do not run.
const NAMED_MAX: usize = 5;

/// `GET /`
pub(super) async fn index(State(registry): Shared, RawQuery(query): RawQuery) -> Response {
    let shown = registry.shown();
    let all = all(&shown).await;
    let others: Vec<&Seen> = all.iter().filter(|seen| !runs(seen)).collect();
    let title = format!("Triggers: {} of {} run", all.len() - others.len(), all.len());
    let mut html = Html::page(title, HEADING, Some("./"));
    if let Some(done) = query.and_then(|query| done(&query)) {
        html.raw("<p role=status><strong>").text(done).raw("</strong></p>\n");
    }
    html.raw(if others.is_empty() { "<p class=\"state\">" } else { "<p class=\"state wrong\">" });
    html.text(summary(all.len(), &others)).raw("</p>\n");
    if let Some(reload) = &shown.reload {
        reloaded(&mut html, reload);
    }
    table(&mut html, &all);
    for seen in all.iter().take(SECTIONS_MAX) {
        html.raw("<h2><a href=\"triggers/").text(&seen.name).raw("\">").text(&seen.name);
        html.raw("</a></h2>\n");
        section(&mut html, seen, "triggers/", RUNS_MAX);
    }
    html.raw(
        "<p>More: <a href=\"metrics\">metrics</a>, <a href=\"healthz\">healthz</a>, \
         <a href=\"readyz\">readyz</a>, <a href=\"api/triggers\">api/triggers</a>. This page \
         renews itself every 5 s.</p>\n",
    );
    html.answer(StatusCode::OK)
}

fn runs(seen: &Seen) -> bool {
    matches!(&seen.status, Ok(status) if status.condition == Condition::Running)
}

/// The state of all triggers in one sentence.
fn summary(count: usize, others: &[&Seen]) -> String {
    let named =
        others.iter().take(NAMED_MAX).map(|seen| format!("{} ({})", seen.name, words(seen)));
    let named = named.collect::<Vec<_>>().join(", ");
    match (count, others.len()) {
        (0, _) => "There is no trigger: the configuration has no [trigger.NAME] section.".into(),
        (1, 0) => "Works: the trigger runs.".into(),
        (_, 0) => format!("Works: all {} triggers run.", grouped(count as u64)),
        (_, wrong) if wrong > NAMED_MAX => {
            format!("{wrong} of {count} do not run: {named} and {} more.", wrong - NAMED_MAX)
        }
        (_, wrong) => format!("{wrong} of {count} do not run: {named}."),
    }
}

/// The condition for people.
fn words(seen: &Seen) -> String {
    seen.word().replace('_', " ")
}

fn reloaded(html: &mut Html, reload: &Reloaded) {
    match &reload.result {
        Ok(()) => html.raw("<p>The configuration was read again at ").text(readable(reload.at_ms)),
        Err(error) => html
            .raw("<p class=\"state wrong\">The configuration cannot be used, and the old one goes on, since ")
            .text(readable(reload.at_ms))
            .raw(": ")
            .text(error),
    }
    .raw(".</p>\n");
}

/// One line for each trigger.
fn table(html: &mut Html, all: &[Seen]) {
    html.raw(
        "<table>\n<tr><th>Trigger<th>State<th>Queue<th>To<th class=n>In flight<th class=n>Queued\
         <th class=n>Holding<th class=n>Ok<th class=n>Retry<th class=n>Dead<th class=n>Lost\
         <th>Last success<th>Last error</tr>\n",
    );
    for seen in all {
        html.raw("<tr><td><a href=\"triggers/").text(&seen.name).raw("\">").text(&seen.name);
        html.raw("</a></td><td>").text(words(seen)).raw("</td>");
        if let Ok(s) = &seen.status {
            for text in [&s.queue, &s.target] {
                html.raw("<td>").text(name(text.as_bytes())).raw("</td>");
            }
            let c = &s.counters;
            let numbers =
                [s.in_flight, s.queued, s.holding, c.ok, c.retry, c.dead.iter().sum(), c.lost];
            for number in numbers {
                html.raw("<td class=n>").text(grouped(number)).raw("</td>");
            }
            html.raw("<td>").text(last_success(s)).raw("</td><td>").text(last_error(s));
            html.raw("</td>");
        }
        html.raw("</tr>\n");
    }
    html.raw("</table>\n");
}

fn last_success(status: &Status) -> String {
    status.last_success_ms.map_or("none".into(), |at_ms| relative(at_ms, status.now_ms))
}

fn last_error(status: &Status) -> String {
    let error = |(at_ms, error): &(Millis, String)| {
        format!("{}: {}", relative(*at_ms, status.now_ms), name(error.as_bytes()))
    };
    status.last_error.as_ref().map_or("none".into(), error)
}

/// What a trigger is doing, its buttons, its last failures and runs. `path` leads from the page to
/// the triggers.
fn section(html: &mut Html, seen: &Seen, path: &'static str, runs_max: usize) {
    html.raw(if runs(seen) { "<p class=\"state\">" } else { "<p class=\"state wrong\">" });
    html.text(&seen.name).raw(": ").text(sentence(seen)).raw(".</p>\n");
    let Ok(status) = &seen.status else { return };
    let mut button = |change: &'static str| {
        html.raw("<form method=post action=\"").raw(path).text(&seen.name).raw("/").raw(change);
        html.raw("\"><button>").raw(change).raw("</button></form>\n");
    };
    match status.condition {
        Condition::Paused(_) => button("resume"),
        // A breaker that is open closes when the trigger is resumed.
        Condition::BreakerOpen(_) | Condition::RetryAfter(_) => {
            button("resume");
            button("pause");
        }
        _ => button("pause"),
    }
    list(html, "Last failures", &status.failures, status.now_ms, runs_max);
    list(html, "Last runs", &status.runs, status.now_ms, runs_max);
}

fn list(html: &mut Html, title: &'static str, runs: &[Recent], now_ms: Millis, max: usize) {
    html.raw("<h3>").raw(title).raw("</h3>\n");
    if runs.is_empty() {
        html.raw("<p>None.</p>\n");
        return;
    }
    html.raw(
        "<table>\n<tr><th>Ended<th>Message id<th>Routing key<th class=n>Attempt<th class=n>Took\
         <th>Outcome<th>Result</tr>\n",
    );
    for run in runs.iter().take(max) {
        html.raw("<tr><td>").text(readable(run.at_ms)).raw(", ").text(relative(run.at_ms, now_ms));
        html.raw("</td><td>").text(name(run.message_id.as_bytes()));
        html.raw("</td><td>").text(name(run.routing_key.as_bytes()));
        html.raw("</td><td class=n>").text(run.attempt);
        html.raw("</td><td class=n>").text(grouped(run.took_ms)).raw(" ms");
        html.raw("</td><td>").text(run.outcome);
        html.raw("</td><td>").text(name(run.summary.as_bytes())).raw("</td></tr>\n");
    }
    html.raw("</table>\n");
}

/// `GET /triggers/NAME`
pub(super) async fn trigger(State(registry): Shared, Path(of): Path<String>) -> Response {
    let desk = match registry.desk(&of) {
        Ok(desk) => desk,
        Err(refusal) => return notice(&refusal),
    };
    let seen = Seen::of(of, &desk).await;
    let title = format!("{}: {}", seen.name, words(&seen));
    let mut html = Html::page(title, format_args!("Trigger {}", seen.name), Some(""));
    section(&mut html, &seen, "", usize::MAX);
    if let Ok(status) = &seen.status {
        figures(&mut html, status);
        counters(&mut html, status);
    }
    html.raw("<p><a href=\"../\">All triggers</a>, <a href=\"../api/triggers/").text(&seen.name);
    html.raw("\">as JSON</a>. This page renews itself every 5 s.</p>\n");
    html.answer(StatusCode::OK)
}

fn figures(html: &mut Html, s: &Status) {
    let at = |at_ms: Millis| format!("{}, {}", readable(at_ms), relative(at_ms, s.now_ms));
    html.raw("<h2>Figures</h2>\n<table>\n");
    html.row("Broker", &s.broker).row("Queue", name(s.queue.as_bytes()));
    html.row("Pipeline", format_args!("{}, {}", s.pipeline, name(s.target.as_bytes())));
    html.row("In flight", format_args!("{} of {}", grouped(s.in_flight), s.consumers));
    html.row("Queued", format_args!("{}, waiting for a run", grouped(s.queued)));
    html.row("Holding", format_args!("{}, waiting for the next attempt", grouped(s.holding)));
    html.row("Unacknowledged", format_args!("{} of {}", grouped(s.unacked), s.prefetch));
    html.row("Last success", s.last_success_ms.map_or("none".into(), at));
    let error = |(at_ms, error): &(Millis, String)| format!("{}: {error}", at(*at_ms));
    html.row("Last error", s.last_error.as_ref().map_or("none".into(), error));
    html.row("Started", at(s.started_ms)).raw("</table>\n");
}

fn counters(html: &mut Html, status: &Status) {
    let counters = &status.counters;
    html.raw("<h2>Since the start</h2>\n<table>\n");
    let mut row = |label: String, count: u64, help: &str| {
        html.raw("<tr><th scope=row>").text(label).raw("</th><td class=n>").text(grouped(count));
        html.raw("</td><td>").text(help).raw("</td></tr>\n");
    };
    for (label, _, help, value) in COUNTERS {
        row(label.replace('_', " "), value(counters), help);
    }
    for (outcome, help, value) in OUTCOMES {
        row((*outcome).into(), value(counters), help);
    }
    for (outcome, counts) in [("dead", &counters.dead), ("refused", &counters.refused)] {
        for (reason, count) in Reason::ALL.iter().zip(counts).filter(|(_, count)| **count > 0) {
            row(format!("{outcome}: {}", reason.word().replace('_', " ")), *count, "");
        }
    }
    html.raw("</table>\n");
}

/// A page with one sentence.
fn notice(refusal: &Refusal) -> Response {
    Html::notice(refusal.status, HEADING, &refusal.error)
}

/// What the redirect after a form says about it.
fn done(query: &str) -> Option<String> {
    let changes = [Change::Pause, Change::Resume].map(Change::done);
    let word = query.strip_prefix("did=")?;
    changes.contains(&word).then(|| format!("The trigger is {word}."))
}

/// `POST /triggers/NAME/pause`
pub(super) async fn pause(State(registry): Shared, Path(of): Path<String>) -> Response {
    after(Change::Pause, Change::Pause.make(&registry, &of).await)
}

/// `POST /triggers/NAME/resume`
pub(super) async fn resume(State(registry): Shared, Path(of): Path<String>) -> Response {
    after(Change::Resume, Change::Resume.make(&registry, &of).await)
}

/// Back to the first page, which says what was done. The address is relative, for proxies that
/// serve the triggers below a path of theirs.
fn after(change: Change, made: Result<(), Refusal>) -> Response {
    if let Err(refusal) = made {
        return notice(&refusal);
    }
    let place = format!("../../?did={}", change.done());
    (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response()
}
