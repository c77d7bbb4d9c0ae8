//! Questions about how the node is doing: `rabbitmq-diagnostics`.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde_json::{Value, json};

use super::super::arguments::Given;
use super::super::command::{ANY, COMMAND, Command, Kind, Tools};
use super::super::failure::{Failure, UNAVAILABLE};
use super::super::format::Format;
use super::super::session::Session;
use crate::request::Request;

const CHECK: Command = Command {
    section: "Monitoring, observability and health checks",
    tools: Tools::DIAGNOSTICS,
    ..COMMAND
};

/// How long a listener may take to accept: 5 s.
const CONNECT: Duration = Duration::from_secs(5);

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
            if !session.is_quiet() {
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
            if !session.is_quiet() {
                let node = session.node.clone();
                session.say(&format!("Node {node} reported no alarms, local or clusterwide"));
            }
            Ok(())
        },
        ..CHECK
    },
    Command {
        name: "listeners",
        summary: "Lists active connection listeners (bound interface, port, protocol) on the \
                  target node",
        banner: |_, session| {
            format!("Asking node {} to report its protocol listeners ...", session.node)
        },
        run: |session, _| {
            let listeners = listeners(&session.ask(&Request::Status)?, &session.node);
            let node = session.node.clone();
            let text: Vec<String> =
                listeners.iter().map(|one| format!("Interface: {}", listener(one))).collect();
            let value = json!({ "listeners": listeners, "node": node, "result": "ok" });
            session.value(&value, &text.join("\n"));
            Ok(())
        },
        ..CHECK
    },
    Command {
        name: "check_port_listener",
        usage: "<port>",
        summary: "Health check that exits with a non-zero code if target node does not have an \
                  active listener for given port",
        words: (1, 1),
        banner: |given, session| {
            let (node, port) = (&session.node, given.word(0));
            format!("Asking node {node} if there's an active listener on port {port} ...")
        },
        run: |session, given| check_listener(session, given.word(0), "port"),
        ..CHECK
    },
    Command {
        name: "check_protocol_listener",
        usage: "<protocol>",
        summary: "Health check that exits with a non-zero code if target node does not have an \
                  active listener for given protocol",
        words: (1, 1),
        banner: |given, session| {
            let (node, protocol) = (&session.node, given.word(0));
            format!("Asking node {node} if there's an active listener for protocol {protocol} ...")
        },
        run: |session, given| check_listener(session, given.word(0), "protocol"),
        ..CHECK
    },
    Command {
        name: "check_port_connectivity",
        usage: "[--address <address>]",
        summary: "Basic TCP connectivity health check for each listener's port on the target node",
        flags: &[("address", Kind::Text)],
        banner: |_, session| {
            format!("Testing TCP connections to all active listeners on node {} ...", session.node)
        },
        run: check_connectivity,
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
            if !session.is_quiet() {
                session.say(&format!("Node {} reported all vhosts as running", session.node));
            }
            Ok(())
        },
        ..CHECK
    },
    Command {
        name: "check_certificate_expiration",
        usage: "--within <number> [--unit <days | weeks | months | years>]",
        summary: "Checks the expiration date on the certificates for every listener configured to \
                  use TLS",
        flags: &[("within", Kind::Integer), ("unit", Kind::Text)],
        banner: |_, session| {
            format!("Checking certificate expiration on node {} ...", session.node)
        },
        run: check_certificates,
        ..CHECK
    },
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
        name: "certificates",
        section: "Configuration and Environment",
        summary: "Displays certificates (public keys) for every listener on target node that is \
                  configured to use TLS",
        banner: |_, session| format!("Certificates of node {} ...", session.node),
        run: |session, _| {
            let found = session.ask(&Request::Certificates)?;
            let lines: Vec<String> = found
                .as_array()
                .into_iter()
                .flatten()
                .map(|one| format!("{}: valid until {}", text(&one["file"]), text(&one["until"])))
                .collect();
            session.value(&found, &lines.join("\n"));
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

/// The listeners as RabbitMQ's tools show them.
pub(super) fn listeners(status: &Value, node: &str) -> Vec<Value> {
    let all = status["listeners"].as_array().into_iter().flatten();
    all.map(|one| {
        let protocol = match one["protocol"].as_str().unwrap_or_default() {
            "amqps" => "amqp/ssl",
            "metrics" => "http/prometheus",
            other => other,
        };
        let purpose = match protocol {
            "amqp" => "AMQP 0-9-1 and AMQP 1.0",
            "amqp/ssl" => "AMQP 0-9-1 and AMQP 1.0 over TLS",
            "http/prometheus" => "Prometheus exporter API over HTTP",
            _ => "",
        };
        let interface = one["interface"].as_str().unwrap_or_default();
        let interface = match interface.contains(':') {
            true => format!("[{interface}]"),
            false => interface.to_owned(),
        };
        json!({
            "interface": interface,
            "node": node,
            "port": one["port"],
            "protocol": protocol,
            "purpose": purpose,
        })
    })
    .collect()
}

/// `127.0.0.1, port: 5672, protocol: amqp, purpose: …`
pub(super) fn listener(one: &Value) -> String {
    format!(
        "{}, port: {}, protocol: {}, purpose: {}",
        text(&one["interface"]),
        text(&one["port"]),
        text(&one["protocol"]),
        text(&one["purpose"])
    )
}

fn check_listener(session: &mut Session, wanted: &str, key: &str) -> Result<(), Failure> {
    let node = session.node.clone();
    let found = listeners(&session.ask(&Request::Status)?, &node);
    let values: Vec<String> = found.iter().map(|one| text(&one[key])).collect();
    let is_there = values.iter().any(|value| value == wanted)
        || (key == "protocol" && values.iter().any(|value| value == alias(wanted)));
    let json = session.format == Some(Format::Json);
    if is_there {
        if json {
            session.value(&json!({ key: wanted, "result": "ok" }), "");
        } else if !session.is_quiet() {
            session.say(&format!("A listener for {key} {wanted} is running on node {node}."));
        }
        return Ok(());
    }
    if json {
        let keys = format!("{key}s");
        let value = json!({
            "listeners": found, "missing": wanted, keys: values, "result": "error",
        });
        return Err(Failure::plain(UNAVAILABLE, value));
    }
    let list = values.join(", ");
    let text = format!("No listener for {key} {wanted} is active on node {node}. Found listeners");
    Err(match key {
        "port" => {
            Failure::plain(UNAVAILABLE, format!("{text} that use the following ports: {list}"))
        }
        _ => Failure::new(UNAVAILABLE, format!("{text} for the following protocols: {list}")),
    })
}

/// Other names of protocols, as RabbitMQ takes them.
fn alias(protocol: &str) -> &str {
    match protocol {
        "amqps" => "amqp/ssl",
        "amqp091" | "amqp0.9.1" | "amqp0-9-1" => "amqp",
        "prometheus" => "http/prometheus",
        other => other,
    }
}

fn check_connectivity(session: &mut Session, given: &Given) -> Result<(), Failure> {
    let node = session.node.clone();
    let found = listeners(&session.ask(&Request::Status)?, &node);
    let mut failed = Vec::new();
    for one in &found {
        let interface = text(&one["interface"]);
        let host = given.options.get("address").unwrap_or(match interface.as_str() {
            "0.0.0.0" => "127.0.0.1",
            "[::]" => "[::1]",
            other => other,
        });
        let address = format!("{host}:{}", one["port"]);
        let addresses = address.to_socket_addrs().ok().into_iter().flatten();
        let is_up = addresses
            .into_iter()
            .any(|address| TcpStream::connect_timeout(&address, CONNECT).is_ok());
        if !is_up {
            failed.push(text(&one["port"]));
        }
    }
    let ports: Vec<String> = found.iter().map(|one| text(&one["port"])).collect();
    if failed.is_empty() {
        if !session.is_quiet() {
            let ports = ports.join(", ");
            session.say(&format!("Successfully connected to ports {ports} on node {node}."));
        }
        return Ok(());
    }
    let text = format!(
        "Connection to ports of the following listeners on node {node} failed: {}",
        failed.join(", ")
    );
    Err(Failure::new(UNAVAILABLE, text))
}

/// Seconds of the units that certificates are asked in.
const UNITS: &[(&str, i64)] =
    &[("days", 86_400), ("weeks", 604_800), ("months", 2_592_000), ("years", 31_536_000)];

fn check_certificates(session: &mut Session, given: &Given) -> Result<(), Failure> {
    let unit = given.options.get("unit").unwrap_or("weeks");
    let within = given.options.get("within").unwrap_or("4");
    let Some((_, seconds)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        let why = format!(
            "unit '{unit}' is not supported. Please use one of: days, weeks, months, years"
        );
        return Err(given.invalid(&why));
    };
    let span_s = within.parse::<i64>().unwrap_or(0).saturating_mul(*seconds);
    let expiring: Vec<String> = session
        .ask(&Request::Certificates)?
        .as_array()
        .into_iter()
        .flatten()
        .filter(|one| one["seconds_left"].as_i64().is_some_and(|left| left <= span_s))
        .map(|one| format!("{} is valid until {}", text(&one["file"]), text(&one["until"])))
        .collect();
    let named = match within {
        "1" => unit.trim_end_matches('s'),
        _ => unit,
    };
    if !expiring.is_empty() {
        let text =
            format!("Certificates that expire within {within} {named}:\n{}", expiring.join("\n"));
        return Err(Failure::new(UNAVAILABLE, text));
    }
    if !session.is_quiet() {
        session.say(&format!("No certificates are expiring within {within} {named}."));
    }
    Ok(())
}

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
