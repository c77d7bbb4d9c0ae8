//! What RabbitMQ has as plugins and Leveret has built in.

use super::super::arguments::Given;
use super::super::command::{ANY, COMMAND, Command, Flag, Kind, Tools};
use super::super::failure::{Failure, SOFTWARE, UNAVAILABLE};
use super::super::format::Format;
use super::super::session::Session;
use crate::request::Request;
use serde_json::json;

const PLUGINS: Command =
    Command { section: "Plugin Management", tools: Tools::PLUGINS, needs_app: false, ..COMMAND };

/// RabbitMQ's plugins, and whether what they do is built in.
const NAMES: &[(&str, bool)] = &[
    ("rabbitmq_amqp1_0", false),
    ("rabbitmq_auth_backend_cache", false),
    ("rabbitmq_auth_backend_http", false),
    ("rabbitmq_auth_backend_ldap", false),
    ("rabbitmq_auth_backend_oauth2", false),
    ("rabbitmq_auth_mechanism_ssl", true),
    ("rabbitmq_consistent_hash_exchange", true),
    ("rabbitmq_delayed_message_exchange", true),
    ("rabbitmq_event_exchange", true),
    ("rabbitmq_federation", false),
    ("rabbitmq_federation_management", false),
    ("rabbitmq_jms_topic_exchange", false),
    ("rabbitmq_management", false),
    ("rabbitmq_management_agent", false),
    ("rabbitmq_mqtt", false),
    ("rabbitmq_peer_discovery_aws", false),
    ("rabbitmq_peer_discovery_common", false),
    ("rabbitmq_peer_discovery_consul", false),
    ("rabbitmq_peer_discovery_etcd", false),
    ("rabbitmq_peer_discovery_k8s", false),
    ("rabbitmq_prometheus", true),
    ("rabbitmq_random_exchange", true),
    ("rabbitmq_recent_history_exchange", true),
    ("rabbitmq_sharding", false),
    ("rabbitmq_shovel", false),
    ("rabbitmq_shovel_management", false),
    ("rabbitmq_stomp", false),
    ("rabbitmq_stream", false),
    ("rabbitmq_stream_management", false),
    ("rabbitmq_top", false),
    ("rabbitmq_tracing", false),
    ("rabbitmq_trust_store", false),
    ("rabbitmq_web_dispatch", false),
    ("rabbitmq_web_mqtt", false),
    ("rabbitmq_web_mqtt_examples", false),
    ("rabbitmq_web_stomp", false),
    ("rabbitmq_web_stomp_examples", false),
];

const LIST_FLAGS: &[Flag] = &[
    ("verbose", Kind::Switch),
    ("minimal", Kind::Switch),
    ("enabled", Kind::Switch),
    ("implicitly-enabled", Kind::Switch),
    ("e", Kind::Switch),
];
const SET_FLAGS: &[Flag] =
    &[("online", Kind::Switch), ("offline", Kind::Switch), ("all", Kind::Switch)];

/// What enables plugins; the rest is built in or not there.
const ENABLE: Command = Command {
    words: (0, ANY),
    flags: SET_FLAGS,
    banner: |given, session| {
        format!("Enabling plugins on node {}:\n{}", session.node, given.words.join("\n"))
    },
    ..PLUGINS
};

pub(super) const TABLE: &[Command] = &[
    Command {
        name: "list",
        usage: "[pattern] [--verbose] [--minimal] [--enabled] [--implicitly-enabled]",
        summary: "Lists plugins and their state",
        words: (0, 1),
        flags: LIST_FLAGS,
        banner: |given, _| {
            let pattern = given.words.first().map_or(".*", String::as_str);
            format!("Listing plugins with pattern \"{pattern}\" ...")
        },
        run: list,
        ..PLUGINS
    },
    Command {
        name: "is_enabled",
        section: "Monitoring, observability and health checks",
        usage: "<plugin1> [ <plugin2>] [--offline] [--online]",
        summary: "Health check that exits with a non-zero code if provided plugins are not enabled \
                  on target node",
        words: (1, ANY),
        flags: SET_FLAGS,
        banner: |given, session| {
            let (plugins, verb) = (given.words.join(", "), number(given, "is", "are"));
            let noun = number(given, "plugin", "plugins");
            format!("Asking node {} if {noun} {plugins} {verb} enabled...", session.node)
        },
        run: is_enabled,
        ..PLUGINS
    },
    Command {
        name: "enable",
        usage: "<plugin> [<plugin2>] [--all] [--offline] [--online]",
        summary: "Enables one or more plugins",
        run: |session, given| enable(session, given, "enabled"),
        ..ENABLE
    },
    Command {
        name: "disable",
        usage: "<plugin>|--all [--offline] [--online]",
        summary: "Disables one or more plugins",
        words: (0, ANY),
        flags: SET_FLAGS,
        banner: |given, session| {
            format!("Disabling plugins on node {}:\n{}", session.node, given.words.join("\n"))
        },
        run: |session, given| {
            check_known(given)?;
            let built_in: Vec<&str> = named(given).filter(|name| is_built_in(name)).collect();
            for name in built_in {
                eprintln!("{name} is built in and stays enabled");
            }
            session.say("Plugin configuration unchanged.");
            Ok(())
        },
        ..PLUGINS
    },
    Command {
        name: "set",
        usage: "[<plugin1> [ <plugin2>]] [--offline] [--online]",
        summary: "Enables one or more plugins, disables the rest",
        run: |session, given| enable(session, given, "set"),
        ..ENABLE
    },
    Command {
        name: "directories",
        section: "Monitoring, observability and health checks",
        usage: "[--offline] [--online]",
        summary: "Displays plugin directory and enabled plugin file paths",
        flags: SET_FLAGS,
        banner: |_, session| format!("Listing plugin directories used by node {}", session.node),
        run: |session, _| {
            session.say("Plugin archives directory: (none: what is there is built in)");
            Ok(())
        },
        ..PLUGINS
    },
];

fn named(given: &Given) -> impl Iterator<Item = &str> {
    given.words.iter().flat_map(|word| word.split([',', ' '])).filter(|name| !name.is_empty())
}

fn is_built_in(name: &str) -> bool {
    NAMES.iter().any(|(known, built_in)| *known == name && *built_in)
}

fn number<'a>(given: &Given, one: &'a str, several: &'a str) -> &'a str {
    if given.words.len() == 1 { one } else { several }
}

fn list(session: &mut Session, given: &Given) -> Result<(), Failure> {
    let pattern = given.words.first().map_or("", String::as_str);
    let pattern = pattern.trim_start_matches('^').trim_end_matches('$').replace(".*", "");
    let only_enabled =
        ["enabled", "implicitly-enabled", "e"].iter().any(|flag| given.options.has(flag));
    let names: Vec<_> = NAMES
        .iter()
        .filter(|(name, built_in)| name.contains(&pattern) && (*built_in || !only_enabled))
        .collect();
    if session.format == Some(Format::Json) {
        let plugins: Vec<_> = names
            .iter()
            .map(|(name, built_in)| {
                let enabled = if *built_in { "enabled" } else { "not_enabled" };
                json!({ "name": name, "enabled": enabled, "running": built_in, "version": VERSION })
            })
            .collect();
        session.value(&json!({ "format": "normal", "plugins": plugins, "status": "running" }), "");
        return Ok(());
    }
    if given.options.has("minimal") {
        let text: String = names.iter().map(|(name, _)| format!("{name}\n")).collect();
        session.show(&text);
        return Ok(());
    }
    let running = session.ask(&Request::Ping).is_ok();
    let node = session.node.clone();
    session.banner(&match running {
        true => format!(
            " Configured: E = explicitly enabled; e = implicitly enabled\n | Status: * = running \
             on {node}\n |/"
        ),
        false => format!(
            " Configured: E = explicitly enabled; e = implicitly enabled\n | Status: [failed to \
             contact {node} - status not shown]\n |/"
        ),
    });
    let width = names.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, built_in): &&(&str, bool)| {
        let mark = match (built_in, running) {
            (true, true) => "E*",
            (true, false) => "E ",
            (false, _) => "  ",
        };
        format!("[{mark}] {name:width$} {VERSION}\n")
    };
    session.show(&names.iter().map(line).collect::<String>());
    Ok(())
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn is_enabled(session: &mut Session, given: &Given) -> Result<(), Failure> {
    let node = session.node.clone();
    let missing: Vec<&str> = named(given).filter(|name| !is_built_in(name)).collect();
    if missing.is_empty() {
        let (plugins, verb) = (given.words.join(", "), number(given, "is", "are"));
        let noun = number(given, "Plugin", "Plugins");
        session.say(&format!("{noun} {plugins} {verb} enabled on node {node}"));
        return Ok(());
    }
    let enabled: Vec<&str> =
        NAMES.iter().filter(|(_, built_in)| *built_in).map(|(name, _)| *name).collect();
    let (noun, verb) = match missing.len() {
        1 => ("Plugin", "is"),
        _ => ("Plugins", "are"),
    };
    let text = format!(
        "{noun} {} {verb} not enabled on node {node}. Enabled plugins and dependencies: {}",
        missing.join(", "),
        enabled.join(", ")
    );
    Err(Failure::new(UNAVAILABLE, text))
}

fn check_known(given: &Given) -> Result<(), Failure> {
    let unknown: Vec<String> = named(given)
        .filter(|name| !NAMES.iter().any(|(known, _)| known == name))
        .map(|name| format!(":{name}"))
        .collect();
    match unknown.is_empty() {
        true => Ok(()),
        false => {
            let text = format!("{{:plugins_not_found, [{}]}}", unknown.join(", "));
            Err(Failure::new(SOFTWARE, text))
        }
    }
}

fn check_built_in(given: &Given) -> Result<(), Failure> {
    let missing: Vec<&str> = named(given).filter(|name| !is_built_in(name)).collect();
    match missing.is_empty() {
        true => Ok(()),
        false => {
            let text = format!("Leveret has nothing that does what {} does", missing.join(", "));
            Err(Failure::new(UNAVAILABLE, text))
        }
    }
}

/// Changes nothing, as everything is enabled that there is; `what` names the list of plugins.
fn enable(session: &mut Session, given: &Given, what: &str) -> Result<(), Failure> {
    check_known(given)?;
    check_built_in(given)?;
    let (node, format) = (session.node.clone(), session.format);
    if format == Some(Format::Json) {
        let value = json!({ "mode": "online", "started": [], "stopped": [], what: [] });
        session.value(&value, "");
        return Ok(());
    }
    session.show(&format!(
        "Applying plugin configuration to {node}...\nPlugin configuration unchanged.\n"
    ));
    Ok(())
}
