//! The page for people: what is wrong first, the nodes, what happened to them, and figures. It
//! needs no script and works in a text browser.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use service::http::figures::{counted, grouped, name, size};
use service::http::html::Html;
use service::time::{readable, relative};

use super::health::{sentence, unready};
use super::json::unix;
use super::metrics::{ANSWER_CLASSES, COUNTERS};
use crate::desk::{Node, NodeStatus, Status};
use crate::message::Millis;

const HEADING: &str = "DMQ node";

/// `GET /`
pub(super) async fn index(State(node): State<Node>) -> Response {
    let status = match super::status(&node).await {
        Ok(status) => status,
        Err(silence) => {
            return Html::notice(StatusCode::SERVICE_UNAVAILABLE, HEADING, &silence.to_string());
        }
    };
    let well = unready(&status).is_empty();
    let state = if well { "works" } else { "not ready" };
    let title = format_args!("{}: {state}", status.uri);
    let mut html = Html::page(title, format_args!("{HEADING} {}", status.uri), Some("./"));
    html.raw(if well { "<p class=\"state\">" } else { "<p class=\"state wrong\">" });
    html.raw(if well { "It " } else { "It is " }).text(sentence(&status)).raw(".</p>\n");
    nodes(&mut html, &status);
    about(&mut html, &status);
    events(&mut html, &status);
    counters(&mut html, &status);
    html.raw(
        "<p>More: <a href=\"metrics\">metrics</a>, <a href=\"healthz\">healthz</a>, \
         <a href=\"readyz\">readyz</a>, <a href=\"api/dmq/status\">api/dmq/status</a>. This page \
         renews itself every 5 s.</p>\n",
    );
    html.answer(StatusCode::OK)
}

/// One line for each node of the list.
fn nodes(html: &mut Html, status: &Status) {
    html.raw(
        "<h2>Nodes</h2>\n<table>\n<tr><th>Node<th>Address<th>State<th>Software<th>Last seen\
         <th class=n>Answers in<th class=n>Missed pings<th class=n>Queued<th class=n>In flight\
         </tr>\n",
    );
    for node in &status.nodes {
        html.raw("<tr><td>").text(name(node.uri.to_string().as_bytes()));
        html.raw("</td><td>");
        match node.resolved_ip {
            Some(ip) => html.text(ip),
            None => html.raw("unknown"),
        };
        html.raw("</td><td>").text(state(node)).raw("</td><td>");
        html.text(name(node.agent.as_bytes())).raw("</td>");
        if !node.local {
            others_cells(html, node, status.now_ms);
        }
        html.raw("</tr>\n");
    }
    html.raw("</table>\n");
}

fn others_cells(html: &mut Html, node: &NodeStatus, now_ms: Millis) {
    html.raw("<td>");
    match node.last_seen_ms {
        Some(at_ms) => html.text(relative(unix(at_ms), unix(now_ms))),
        None => html.raw("never"),
    };
    html.raw("</td><td class=n>");
    if let Some(us) = node.round_trip_us {
        html.text(format_args!("{:.1} ms", us as f64 / 1e3));
    }
    html.raw("</td>");
    for number in [u64::from(node.fail_count), node.queued as u64, node.in_flight as u64] {
        html.raw("<td class=n>").text(grouped(number)).raw("</td>");
    }
}

/// The state for people.
fn state(node: &NodeStatus) -> String {
    match (node.local, node.configured) {
        (true, _) => "this node".into(),
        (false, true) => format!("{}, configured", node.state.word().replace('_', " ")),
        (false, false) => node.state.word().replace('_', " "),
    }
}

/// What the node is, and what else it has.
fn about(html: &mut Html, s: &Status) {
    html.raw("<h2>This node</h2>\n<table>\n");
    html.row("Notification addresses", names(&s.notified)).row("Peers", names(&s.peers));
    let (tables, cells, bytes) = s.tables;
    let (tables, cells) = (counted(tables as u64, "table"), counted(cells as u64, "cell"));
    html.row("Hash tables", format_args!("{tables}, {cells}, {}", size(bytes)));
    match &s.bridge {
        None => html.row("Bridge", "none"),
        Some(bridge) => {
            let broker = name(bridge.broker.as_bytes());
            let down = bridge.down.as_deref().map(|why| name(why.as_bytes()));
            let state = down.map_or("connected".into(), |why| format!("not connected: {why}"));
            html.row("Bridge", format_args!("{broker}, {state}"));
            let waiting = counted(bridge.waiting as u64, "message");
            html.row("To be published", waiting);
            html.row("On the way to nodes", counted(bridge.sending as u64, "message"))
        }
    };
    let (started, now) = (unix(s.started_ms), unix(s.now_ms));
    html.row("Started", format_args!("{}, {}", readable(started), relative(started, now)));
    html.row("Version", env!("CARGO_PKG_VERSION")).raw("</table>\n");
}

fn names(all: &[String]) -> String {
    let shown: Vec<String> = all.iter().map(|one| name(one.as_bytes())).collect();
    if shown.is_empty() { "none".into() } else { shown.join(", ") }
}

fn events(html: &mut Html, status: &Status) {
    html.raw("<h2>What happened to nodes</h2>\n");
    if status.events.is_empty() {
        html.raw("<p>Nothing.</p>\n");
        return;
    }
    html.raw("<table>\n");
    for event in &status.events {
        let at = unix(event.at_ms);
        html.raw("<tr><td>").text(readable(at)).raw(", ").text(relative(at, unix(status.now_ms)));
        html.raw("</td><td>").text(name(event.node.to_string().as_bytes()));
        html.raw("</td><td>").text(event.what).raw("</td></tr>\n");
    }
    html.raw("</table>\n");
}

fn counters(html: &mut Html, status: &Status) {
    html.raw("<h2>Since the start</h2>\n<table>\n");
    let mut row = |label: String, count: u64, help: &str| {
        html.raw("<tr><th scope=row>").text(label).raw("</th><td class=n>").text(grouped(count));
        html.raw("</td><td>").text(help).raw("</td></tr>\n");
    };
    for (label, _, help, value) in COUNTERS {
        row(label.replace('_', " "), value(&status.counters), help);
    }
    for (class, count) in ANSWER_CLASSES.iter().zip(status.counters.answers) {
        row(format!("answers {class}"), count, "Answers of other nodes.");
    }
    html.raw("</table>\n");
}
