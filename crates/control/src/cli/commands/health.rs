//! Whether the node is well: `ping`, whether it runs, its alarms.

use serde_json::{Value, json};

use super::super::command::{ANY, COMMAND, Command, Kind, Tools};
use super::super::failure::{Failure, UNAVAILABLE};
use super::super::format::Format;
use super::super::session::Session;
use crate::request::Request;

pub(super) const CHECK: Command = Command {
    section: "Monitoring, observability and health checks",
    tools: Tools::DIAGNOSTICS,
    ..COMMAND
};

pub(super) const TABLE: &[Command] = &[
    Command {
        name: "ping",
        tools: Tools::LOOK,
        summary: "Checks that the node OS process is up, registered with EPMD and CLI tools can \
                  authenticate with it",
        needs_app: false,
        banner: |_, session| {
            let timeout_ms = session.timeout_s.map_or(0.0, |seconds| seconds * 1000.0);
            format!(
                "Will ping {}. This only checks if the OS process is running and registered with \
                 epmd. Timeout: {timeout_ms} ms.",
                session.node
            )
        },
        run: |session, _| {
            session.ask(&Request::Ping)?;
            session.say("Ping succeeded");
            Ok(())
        },
        ..CHECK
    },
    Command {
        name: "check_running",
        summary: "Health check that exits with a non-zero code if the RabbitMQ app on the target \
                  node is not running",
        needs_app: false,
        banner: |_, session| {
            format!("Checking if RabbitMQ is running on node {} ...", session.node)
        },
        run: |session, _| match is_running(session)? {
            true => {
                let text = format!("RabbitMQ on node {} is fully booted and running", session.node);
                session.message(&text);
                Ok(())
            }
            false => Err(Failure::new(UNAVAILABLE, not_running(session))),
        },
        ..CHECK
    },
    Command {
        name: "is_running",
        summary: "Checks if RabbitMQ is fully booted and running on the target node",
        needs_app: false,
        banner: |_, session| format!("Asking node {} for its status ...", session.node),
        run: |session, _| {
            let text = match is_running(session)? {
                true => format!("RabbitMQ on node {} is fully booted and running", session.node),
                false => not_running(session),
            };
            session.message(&text);
            Ok(())
        },
        ..CHECK
    },
    Command {
        name: "is_booting",
        summary: "Checks if RabbitMQ is still booting on the target node",
        needs_app: false,
        banner: |_, session| format!("Asking node {} for its boot status ...", session.node),
        run: |session, _| {
            session.ask(&Request::Ping)?;
            let text = format!(
                "RabbitMQ on node {} is fully booted (check with is_running), stopped or has not \
                 started booting yet",
                session.node
            );
            session.message(&text);
            Ok(())
        },
        ..CHECK
    },
    Command {
        name: "alarms",
        summary: "Lists resource alarms (local or cluster-wide) in effect on the target node",
        banner: |_, session| {
            format!("Asking node {} to report any known resource alarms ...", session.node)
        },
        run: |session, _| {
            let raised = alarms(session)?;
            if session.format == Some(Format::Json) {
                let node = session.node.clone();
                let value = json!({ "alarms": raised, "node": node, "result": "ok" });
                session.value(&value, "");
                return Ok(());
            }
            let text = match raised.is_empty() {
                true => {
                    format!("Node {} reported no alarms, local or clusterwide", session.node)
                }
                false => raised.join("\n"),
            };
            session.say(&text);
            Ok(())
        },
        ..CHECK
    },
    Command {
        name: "check_local_alarms",
        summary: "Health check that exits with a non-zero code if the target node reports any \
                  local alarms",
        banner: |_, session| {
            format!("Asking node {} to report any local resource alarms ...", session.node)
        },
        run: |session, _| {
            let raised = alarms(session)?;
            if !raised.is_empty() {
                return Err(Failure::new(UNAVAILABLE, raised.join("\n")));
            }
            if !session.is_silent() {
                session.say(&format!("Node {} reported no local alarms", session.node));
            }
            Ok(())
        },
        ..CHECK
    },
    Command {
        name: "check_alarms",
        summary: "Health check that exits with a non-zero code if the target node reports any \
                  alarms, local or cluster-wide.",
        banner: |_, session| {
            format!("Asking node {} to report any local resource alarms ...", session.node)
        },
        run: |session, _| {
            let raised = alarms(session)?;
            if !raised.is_empty() {
                return Err(Failure::plain(UNAVAILABLE, raised.join("\n")));
            }
            if !session.is_silent() {
                let node = session.node.clone();
                session.say(&format!("Node {node} reported no alarms, local or clusterwide"));
            }
            Ok(())
        },
        ..CHECK
    },
    Command {
        name: "check_virtual_hosts",
        summary: "Health check that checks if all vhosts are running in the target node",
        banner: |_, session| {
            format!("Checking if all vhosts are running on node {} ...", session.node)
        },
        run: |session, _| {
            session.ask(&Request::Status)?;
            if !session.is_silent() {
                session.say(&format!("Node {} reported all vhosts as running", session.node));
            }
            Ok(())
        },
        ..CHECK
    },
    Command {
        name: "list_unresponsive_queues",
        tools: Tools::LOOK,
        usage: "[--local] [--queue-timeout <milliseconds>] [<column> ...] [--no-table-headers]",
        summary: "Tests queues to respond within timeout. Lists those which did not respond",
        words: (0, ANY),
        flags: &[("local", Kind::Switch), ("queue-timeout", Kind::Integer)],
        banner: |given, _| format!("Listing unresponsive queues for vhost {} ...", given.vhost()),
        // A queue answers as soon as the node does.
        run: |session, _| session.ask(&Request::Ping).map(drop),
        ..CHECK
    },
];

fn is_running(session: &mut Session) -> Result<bool, Failure> {
    Ok(session.ask(&Request::Ping)?["running"] == true)
}

fn not_running(session: &Session) -> String {
    format!(
        "RabbitMQ on node {} is not running or has not fully booted yet (check with is_booting)",
        session.node
    )
}

pub(super) fn text(value: &Value) -> String {
    super::super::format::cell(value)
}

/// `Memory alarm on node …`, a line each.
pub(super) fn alarms(session: &mut Session) -> Result<Vec<String>, Failure> {
    let status = session.ask(&Request::Status)?;
    let node = &session.node;
    let raised = [("memory", "Memory alarm"), ("disk", "Free disk space alarm")]
        .into_iter()
        .filter(|(name, _)| status["alarms"][name] == true)
        .map(|(_, text)| format!("{text} on node {node}"));
    Ok(raised.collect())
}
