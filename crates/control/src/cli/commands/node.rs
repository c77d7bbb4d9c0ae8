//! The node: starting, stopping, waiting, settings of the moment.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::arguments::Given;
use super::super::command::{COMMAND, Command, Flag, Kind, Tools};
use super::super::failure::{DATA, Failure, TEMPORARY, UNAVAILABLE, USAGE};
use super::super::session::Session;
use crate::request::{Amount, Request};

const NODES: Command = Command { section: "Nodes", needs_app: false, ..COMMAND };
const CLUSTER: Command = Command { section: "Cluster", ..COMMAND };
const SETTINGS: Command = Command { section: "Configuration and Environment", ..COMMAND };

/// How often a command that waits looks again.
const AGAIN: Duration = Duration::from_millis(50);
/// How long `await_startup` and `shutdown` wait unless they are told otherwise: 300 s, as RabbitMQ's.
const STARTUP_S: f64 = 300.0;
/// No wait is longer.
const YEAR_S: f64 = 31_536_000.0;

const JOIN_FLAGS: &[Flag] =
    &[("disc", Kind::Switch), ("ram", Kind::Switch), ("offline", Kind::Switch)];

pub(super) const TABLE: &[Command] = &[
    Command {
        name: "stop_app",
        summary: "Stops the RabbitMQ application, leaving the runtime (Erlang VM) running",
        banner: |_, session| format!("Stopping rabbit application on node {} ...", session.node),
        run: |session, _| session.ask(&Request::StopApp).map(drop),
        is_patient: true,
        ..NODES
    },
    Command {
        name: "start_app",
        summary: "Starts the RabbitMQ application but leaves the runtime (Erlang VM) running",
        banner: |_, session| format!("Starting node {} ...", session.node),
        run: |session, _| session.ask(&Request::StartApp).map(drop),
        is_patient: true,
        ..NODES
    },
    Command {
        name: "reset",
        summary: "Instructs a RabbitMQ node to leave the cluster and return to its virgin state",
        run: |session, given| reset(session, given, "Resetting"),
        ..NODES
    },
    Command {
        name: "force_reset",
        section: "Cluster",
        summary: "Forcefully returns a RabbitMQ node to its virgin state",
        run: |session, given| reset(session, given, "Forcefully resetting"),
        ..NODES
    },
    Command {
        name: "stop",
        usage: "[<pidfile>] [--idempotent]",
        summary: "Stops RabbitMQ and its runtime (Erlang VM). Requires a local node pid file path \
                  to monitor progress.",
        words: (0, 1),
        flags: &[("idempotent", Kind::Switch)],
        banner: |_, session| format!("Stopping and halting node {} ...", session.node),
        run: |session, given| match session.ask(&Request::Stop) {
            Err(_) if given.options.has("idempotent") => Ok(()),
            stopped => stopped.map(drop),
        },
        ..NODES
    },
    Command {
        name: "shutdown",
        usage: "[--no-wait]",
        summary: "Stops RabbitMQ and its runtime (Erlang VM). Monitors progress for local nodes. \
                  Does not require a PID file path.",
        flags: &[("no-wait", Kind::Switch), ("wait", Kind::Switch)],
        banner: |_, session| format!("Shutting down RabbitMQ node {} ...", session.node),
        run: shutdown,
        ..NODES
    },
    Command {
        name: "await_startup",
        summary: "Waits for the RabbitMQ application to start on the target node",
        run: |session, given| {
            let limit_s = given.options.get("timeout").and_then(|text| text.parse().ok());
            wait_until(session, limit_s.unwrap_or(STARTUP_S), |found| found["running"] == true)
        },
        ..NODES
    },
    Command {
        name: "wait",
        tools: Tools::LOOK,
        usage: "<pidfile> | --pid <pid>",
        summary: "Waits for RabbitMQ node startup by monitoring a local PID file. See also \
                  'rabbitmqctl await_online_nodes'",
        words: (0, 1),
        flags: &[("pid", Kind::Integer)],
        banner: |given, session| {
            let pid = given.options.get("pid").unwrap_or("");
            let node = &session.node;
            match pid {
                "" => format!("Waiting for pid file '{}' to appear", given.word(0)),
                pid => format!(
                    "Waiting for erlang distribution on node '{node}' while OS process '{pid}' is \
                     running"
                ),
            }
        },
        run: wait_for_process,
        ..NODES
    },
    Command {
        name: "await_online_nodes",
        usage: "<count>",
        summary: "Waits for <count> nodes to join the cluster",
        words: (1, 1),
        banner: |given, session| {
            format!(
                "Will wait for at least {} nodes to join the cluster of {}. Timeout: {} seconds.",
                given.word(0),
                session.node,
                given.options.get("timeout").unwrap_or("300")
            )
        },
        run: |_, given| match given.word(0).parse::<u32>() {
            Ok(0 | 1) => Ok(()),
            Ok(_) => {
                Err(Failure::new(TEMPORARY, "this node is alone: it has no cluster to wait for"))
            }
            Err(_) => Err(given.invalid("the count of nodes is not a number")),
        },
        ..CLUSTER
    },
    Command {
        name: "join_cluster",
        usage: "[--disc|--ram] <existing_cluster_member>",
        summary: "Instructs the node to become a member of the cluster that the specified node is in",
        words: (1, 1),
        flags: JOIN_FLAGS,
        needs_app: false,
        run: |_, _| Err(alone()),
        ..CLUSTER
    },
    Command {
        name: "forget_cluster_node",
        usage: "[--offline] <existing_cluster_member_node>",
        summary: "Removes a node from the cluster",
        words: (1, 1),
        flags: JOIN_FLAGS,
        banner: |given, _| format!("Removing node {} from the cluster", given.word(0)),
        run: |_, _| {
            let text = "{:not_a_cluster_node, 'The node selected is not in the cluster.'}";
            Err(Failure::new(UNAVAILABLE, text))
        },
        ..CLUSTER
    },
    Command {
        name: "set_cluster_name",
        usage: "<name>",
        section: "Configuration and Environment",
        summary: "Sets the cluster name",
        words: (1, 1),
        banner: |given, _| format!("Setting cluster name to {} ...", given.word(0)),
        run: |session, given| {
            session.ask(&Request::SetClusterName { name: given.word(0).to_owned() }).map(drop)
        },
        ..SETTINGS
    },
    Command {
        name: "set_log_level",
        usage: "[<category>] <log_level>",
        summary: "Sets log level in the running node",
        words: (1, 2),
        run: |session, given| {
            let level = given.words.last().cloned().unwrap_or_default();
            if !LEVELS.contains(&&*level) {
                let levels = LEVELS.join(", ");
                let text = format!("level {level} is not supported. Try one of {levels}");
                return Err(Failure::new(UNAVAILABLE, text));
            }
            session.banner(&format!("Setting log level to \"{level}\" ..."));
            session.ask(&Request::SetLogLevel { level }).map(drop)
        },
        ..SETTINGS
    },
    Command {
        name: "set_disk_free_limit",
        usage: "<disk_limit> | mem_relative <fraction>",
        summary: "Sets the disk_free_limit setting",
        words: (1, 2),
        banner: |given, session| match (given.word(0), given.word(1)) {
            ("mem_relative", part) => {
                let node = &session.node;
                format!("Setting disk free limit on {node} to {part} times the total RAM ...")
            }
            (size, _) => {
                format!("Setting disk free limit on {} to {size} bytes ...", session.node)
            }
        },
        run: |session, given| {
            let limit = match (given.word(0), given.word(1)) {
                ("mem_relative", part) => part.parse().ok().map(Amount::OfMemory),
                (size, "") => size_of(size).map(Amount::Bytes),
                _ => None,
            };
            let Some(limit) = limit else { return Err(given.invalid("not a size of disk space")) };
            session.ask(&Request::SetDiskFreeLimit { limit }).map(drop)
        },
        ..SETTINGS
    },
    Command {
        name: "set_vm_memory_high_watermark",
        usage: "<fraction> | absolute <value>",
        summary: "Sets the vm_memory_high_watermark setting",
        words: (1, 2),
        run: set_memory,
        ..SETTINGS
    },
];

const LEVELS: [&str; 6] = ["debug", "info", "warning", "error", "critical", "none"];

/// The refusal of what only a cluster can do.
pub(super) fn alone() -> Failure {
    Failure::new(UNAVAILABLE, "Leveret runs on one node: there is no cluster to join or to leave")
}

fn reset(session: &mut Session, given: &Given, doing: &str) -> Result<(), Failure> {
    let found = session.ask(&Request::Ping)?;
    if found["running"] == true {
        return Err(given.refused(
            USAGE,
            "Error: this command requires the 'rabbit' app to be stopped on the target node. Stop \
             it with 'rabbitmqctl stop_app'.",
        ));
    }
    let node = session.node.clone();
    session.banner(&format!("{doing} node {node} ..."));
    session.ask(&Request::Reset).map(drop)
}

fn shutdown(session: &mut Session, given: &Given) -> Result<(), Failure> {
    let stopped = session.ask(&Request::Stop)?;
    if given.options.has("no-wait") {
        return Ok(());
    }
    let pid = stopped["pid"].to_string();
    let node = session.node.clone();
    session.show(&format!("Waiting for pid {pid} to exit ...\n"));
    let limit_s = given.options.get("timeout").and_then(|text| text.parse().ok());
    let end = end_after(limit_s.unwrap_or(STARTUP_S));
    while is_alive(&pid) {
        if Instant::now() >= end {
            return Err(Failure::new(TEMPORARY, format!("process {pid} has not ended yet")));
        }
        thread::sleep(AGAIN);
    }
    session.show(&format!("RabbitMQ node {node} running at PID {pid} successfully shut down\n"));
    Ok(())
}

/// Whether there is such a process, and not only its entry, which its parent has not taken yet.
fn is_alive(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
    status.is_ok_and(|status| !status.contains("\nState:\tZ"))
}

fn end_after(limit_s: f64) -> Instant {
    let now = Instant::now();
    // Longer than anybody waits, and no number that a clock cannot hold.
    let limit = Duration::try_from_secs_f64(limit_s.clamp(0.0, YEAR_S)).unwrap_or_default();
    now.checked_add(limit).unwrap_or(now)
}

/// Asks until the node answers what is wanted, or the time is over.
fn wait_until(
    session: &mut Session,
    limit_s: f64,
    is_wanted: impl Fn(&Value) -> bool,
) -> Result<(), Failure> {
    let end = end_after(limit_s);
    loop {
        let found = session.ask(&Request::Ping);
        if found.as_ref().is_ok_and(&is_wanted) {
            return Ok(());
        }
        if Instant::now() >= end {
            return match found {
                Ok(_) => Err(Failure::new(UNAVAILABLE, "rabbit_is_not_running")),
                Err(failure) => Err(failure),
            };
        }
        session.disconnect();
        thread::sleep(AGAIN);
    }
}

fn wait_for_process(session: &mut Session, given: &Given) -> Result<(), Failure> {
    let limit_s = given.options.get("timeout").and_then(|text| text.parse().ok()).unwrap_or(10.0);
    let end = end_after(limit_s);
    let pid = match (given.options.get("pid"), given.words.first()) {
        (Some(pid), _) => pid.to_owned(),
        (None, Some(file)) => loop {
            match std::fs::read_to_string(file) {
                Ok(text) => break text.trim().to_owned(),
                Err(_) if Instant::now() < end => thread::sleep(AGAIN),
                Err(_) => return Err(Failure::new(UNAVAILABLE, "pid_file_not_found")),
            }
        },
        (None, None) => return Err(given.invalid("No pid or pidfile provided")),
    };
    if !is_alive(&pid) {
        return Err(Failure::new(UNAVAILABLE, "process_not_running"));
    }
    wait_until(session, limit_s, |found| found["running"] == true)
}

fn set_memory(session: &mut Session, given: &Given) -> Result<(), Failure> {
    let bad = |why: &str| {
        Err(given.refused(DATA, &format!("Error (argument validation): Bad argument: {why}")))
    };
    let limit = match (given.word(0), given.word(1)) {
        ("absolute", size) => size_of(size).map(Amount::Bytes),
        (part, "") => part.parse().ok().map(Amount::OfMemory),
        _ => None,
    };
    match limit {
        None => return bad("The threshold should be a number"),
        Some(Amount::OfMemory(part)) if !(0.0..=1.0).contains(&part) => {
            return bad("The threshold should be a fraction between 0.0 and 1.0");
        }
        Some(Amount::OfMemory(_)) => {
            let node = session.node.clone();
            session.banner(&format!("Setting memory threshold on {node} to {} ...", given.word(0)));
        }
        Some(Amount::Bytes(_)) => {
            let (node, size) = (session.node.clone(), given.word(1));
            session.banner(&format!("Setting memory threshold on {node} to {size} bytes ..."));
        }
    }
    let Some(limit) = limit else { return Ok(()) };
    session.ask(&Request::SetMemoryLimit { limit }).map(drop)
}

/// `1GB`, `512MiB`, `1000`: bytes, in RabbitMQ's units.
fn size_of(text: &str) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let factor = UNITS.iter().find(|(names, _)| names.contains(&unit)).map(|(_, factor)| factor)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

const UNITS: &[(&[&str], u64)] = &[
    (&["", "B"], 1),
    (&["k", "K", "kiB", "KiB", "KIB", "kib"], 1 << 10),
    (&["M", "MiB", "MIB", "mib", "m"], 1 << 20),
    (&["G", "GiB", "GIB", "gib", "g"], 1 << 30),
    (&["kB", "KB", "kb"], 1000),
    (&["MB", "mb"], 1_000_000),
    (&["GB", "gb"], 1_000_000_000),
    (&["TB", "tb"], 1_000_000_000_000),
];
