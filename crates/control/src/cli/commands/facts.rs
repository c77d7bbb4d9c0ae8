//! What the node and its surroundings are: versions, memory, variables, names.

use std::net::ToSocketAddrs;

use serde_json::json;

use super::super::arguments::Given;
use super::super::command::{ANY, Command, Kind, Tools};
use super::super::failure::{Failure, UNAVAILABLE};
use super::super::session::Session;
use super::health::{CHECK, text};
use crate::request::Request;

pub(super) const TABLE: &[Command] = &[
    Command {
        name: "memory_breakdown",
        usage: "[--unit <unit>]",
        summary: "Provides a memory usage breakdown on the target node.",
        flags: &[("unit", Kind::Text)],
        banner: |_, session| format!("Reporting memory breakdown on node {}...", session.node),
        run: |session, _| {
            let used = session.ask(&Request::Status)?["memory_used"].as_u64().unwrap_or(0);
            let text = format!("resident: {} gb (100.0%)", gigabytes(used));
            session.value(&json!({ "resident": used, "total": { "rss": used } }), &text);
            Ok(())
        },
        ..CHECK
    },
    Command {
        name: "server_version",
        summary: "Displays server version on the target node",
        banner: |_, session| format!("Asking node {} for its RabbitMQ version...", session.node),
        run: |session, _| {
            let status = session.ask(&Request::Status)?;
            session.say(status["version"].as_str().unwrap_or_default());
            Ok(())
        },
        ..CHECK
    },
    Command {
        name: "erlang_version",
        usage: "[--details] [--offline]",
        summary: "Displays Erlang/OTP version on the target node",
        flags: &[("details", Kind::Switch), ("offline", Kind::Switch)],
        banner: |_, session| format!("Asking node {} for its Erlang/OTP version...", session.node),
        run: |session, _| {
            session.say("none: this node runs no Erlang");
            Ok(())
        },
        ..CHECK
    },
    Command {
        name: "discover_peers",
        section: "Cluster",
        summary: "Performs peer discovery and lists discovered nodes, if any",
        banner: |_, _| "Discovering peers nodes ...".to_owned(),
        run: |session, _| {
            session.say("No peers discovered");
            Ok(())
        },
        ..CHECK
    },
    Command {
        name: "resolve_hostname",
        section: "Configuration and Environment",
        usage: "<hostname> [--address-family <ipv4 | ipv6>] [--offline]",
        summary: "Resolves a hostname to a set of addresses.",
        words: (1, 1),
        needs_app: false,
        flags: &[("address-family", Kind::Text), ("offline", Kind::Switch)],
        banner: |given, session| {
            let family = given.options.get("address-family").unwrap_or("ipv4").replace("ip", "IP");
            format!(
                "Asking node {} to resolve hostname {} to {family} addresses...",
                session.node,
                given.word(0)
            )
        },
        run: resolve,
        ..CHECK
    },
    Command {
        name: "runtime_thread_stats",
        usage: "[--sample-interval <interval>]",
        summary: "Provides a breakdown of runtime thread activity stats on the target node",
        flags: &[("sample-interval", Kind::Integer)],
        run: |session, _| {
            session.say("not applicable: this node runs no Erlang schedulers");
            Ok(())
        },
        ..CHECK
    },
    Command {
        name: "log_location",
        section: "Configuration and Environment",
        flags: &[("all", Kind::Switch)],
        summary: "Shows log file location(s) on target node",
        banner: |_, session| format!("Log file location(s) on node {} ...", session.node),
        run: |session, _| {
            session.say("<stderr>");
            Ok(())
        },
        ..CHECK
    },
    Command {
        name: "os_env",
        section: "Configuration and Environment",
        summary: "Lists RabbitMQ-specific environment variables set on target node",
        banner: |_, session| {
            let node = &session.node;
            format!("Listing RabbitMQ-specific environment variables defined on node {node}...")
        },
        run: |session, _| {
            let found = session.ask(&Request::Environment)?;
            let lines: Vec<String> = found
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, value)| format!("{name}={}", text(value)))
                .collect();
            session.value(&found, &lines.join("\n"));
            Ok(())
        },
        ..CHECK
    },
    Command {
        name: "list_hashes",
        tools: Tools::LOOK,
        summary: "Lists hash functions supported by encoding commands",
        needs_app: false,
        words: (0, ANY),
        banner: |_, _| "Listing supported hash algorithms ...".to_owned(),
        run: |session, _| {
            session.say("[sha512,sha256,md5]");
            Ok(())
        },
        ..CHECK
    },
];

fn resolve(session: &mut Session, given: &Given) -> Result<(), Failure> {
    let want_v6 = given.options.get("address-family").is_some_and(|family| family.contains('6'));
    let found = (given.word(0), 0).to_socket_addrs();
    let mut addresses: Vec<String> = found
        .into_iter()
        .flatten()
        .filter(|address| address.is_ipv6() == want_v6)
        .map(|address| address.ip().to_string())
        .collect();
    addresses.dedup();
    if addresses.is_empty() {
        let text = format!("could not resolve hostname {}", given.word(0));
        return Err(Failure::new(UNAVAILABLE, text));
    }
    session.value(&json!(addresses), &addresses.join("\n"));
    Ok(())
}

/// Bytes as RabbitMQ writes them, with four digits.
pub(super) fn gigabytes(bytes: u64) -> String {
    let rounded = (bytes as f64 / 1e9 * 10_000.0).round() / 10_000.0;
    match rounded.fract() == 0.0 {
        true => format!("{rounded:.1}"),
        false => rounded.to_string(),
    }
}
