//! Listeners: where the node listens, whether it can be reached there, and until when their
//! certificates are valid.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde_json::{Value, json};

use super::super::arguments::Given;
use super::super::command::{COMMAND, Command, Kind, Tools};
use super::super::failure::{Failure, UNAVAILABLE};
use super::super::format::Format;
use super::super::session::Session;
use super::health::text;
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
                .map(|one| match one["error"].as_str() {
                    Some(error) => format!("{}: {error}", text(&one["file"])),
                    None => format!("{}: valid until {}", text(&one["file"]), text(&one["until"])),
                })
                .collect();
            session.value(&found, &lines.join("\n"));
            Ok(())
        },
        ..CHECK
    },
];

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
        } else if !session.is_silent() {
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
        if !session.is_silent() {
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
    let found = session.ask(&Request::Certificates)?;
    let certificates = || found.as_array().into_iter().flatten();
    let unread: Vec<&str> = certificates().filter_map(|one| one["error"].as_str()).collect();
    if !unread.is_empty() {
        let text = format!("Certificates that cannot be checked:\n{}", unread.join("\n"));
        return Err(Failure::new(UNAVAILABLE, text));
    }
    let expiring: Vec<String> = certificates()
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
    if !session.is_silent() {
        session.say(&format!("No certificates are expiring within {within} {named}."));
    }
    Ok(())
}
