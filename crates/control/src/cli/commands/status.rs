//! What the node is and has, as a report: `status`, `cluster_status`, `environment`, `version`.

use serde_json::{Map, Value, json};

use super::super::command::{ANY, COMMAND, Command, Kind, Tools};
use super::super::failure::{Failure, USAGE};
use super::super::session::Session;
use super::super::{commands, help};
use super::facts::gigabytes;
use super::health::{alarms, text};
use super::listeners::{listener, listeners};
use crate::request::Request;

const LOOK: Command = Command {
    section: "Monitoring, observability and health checks",
    tools: Tools::LOOK,
    ..COMMAND
};
const FLAGS: Command = Command { section: "Feature flags", tools: Tools::LOOK, ..COMMAND };
const HELP: Command = Command { section: "Help", tools: Tools::ALL, needs_app: false, ..COMMAND };

/// Feature flags of RabbitMQ whose features are always on here.
const FEATURES: &[(&str, &str)] = &[
    ("classic_mirrored_queue_version", "Support setting version for classic mirrored queues"),
    (
        "implicit_default_bindings",
        "Default bindings are now implicit, instead of being stored in the database",
    ),
    ("maintenance_mode_status", "Maintenance mode status"),
    ("quorum_queue", "Support queues of type `quorum`"),
    ("user_limits", "Configure connection and channel limits for a user"),
    ("virtual_host_metadata", "Virtual host metadata (description, tags, etc)"),
];

pub(super) const TABLE: &[Command] = &[
    Command {
        name: "status",
        usage: "[--unit <unit>] [--timeout <timeout>]",
        summary: "Displays status of a node",
        flags: &[("unit", Kind::Text)],
        banner: |_, session| format!("Status of node {} ...", session.node),
        run: |session, _| {
            let found = session.ask(&Request::Status)?;
            let raised = alarms(session)?;
            let listeners = listeners(&found, &session.node);
            session.value(
                &status(&found, &raised, &listeners),
                &status_text(&found, &raised, &listeners),
            );
            Ok(())
        },
        ..LOOK
    },
    Command {
        name: "cluster_status",
        section: "Cluster",
        summary: "Displays all the nodes in the cluster grouped by node type, together with the \
                  currently running nodes",
        banner: |_, session| format!("Cluster status of node {} ...", session.node),
        run: |session, _| {
            let found = session.ask(&Request::Status)?;
            let raised = alarms(session)?;
            let node = session.node.clone();
            let listeners = listeners(&found, &node);
            let value = cluster(&found, &raised, &listeners, &node);
            session.value(&value, &cluster_text(&found, &raised, &listeners, &node));
            Ok(())
        },
        ..LOOK
    },
    Command {
        name: "environment",
        section: "Configuration and Environment",
        summary: "Displays the name and value of each variable in the application environment for \
                  each running application",
        banner: |_, session| format!("Application environment of node {} ...", session.node),
        run: |session, _| {
            let settings = session.ask(&Request::Settings)?;
            let lines: Vec<String> = settings
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, value)| format!("{name} = {}", text(value)))
                .collect();
            session.value(&settings, &lines.join("\n"));
            Ok(())
        },
        ..LOOK
    },
    Command {
        name: "report",
        summary: "Generate a server status report containing a concatenation of all server status \
                  information for support purposes",
        banner: |_, _| "Reporting server status ...".to_owned(),
        run: |session, _| report(session),
        ..LOOK
    },
    Command {
        name: "list_feature_flags",
        usage: "[--detailed] [<column> ...]",
        summary: "Lists feature flags",
        words: (0, ANY),
        flags: &[("detailed", Kind::Switch)],
        banner: |_, _| "Listing feature flags ...".to_owned(),
        run: |session, given| {
            const ALL: [&str; 5] = ["name", "state", "stability", "provided_by", "desc"];
            let wanted: Vec<&str> = given.words.iter().map(String::as_str).collect();
            if let Some(unknown) = wanted.iter().find(|name| !ALL.contains(name)) {
                return Err(given.invalid(&format!("Info key(s) {unknown} are not supported")));
            }
            let wanted = if wanted.is_empty() { vec!["name", "state"] } else { wanted };
            session.show_rows(&wanted, &features());
            Ok(())
        },
        ..FLAGS
    },
    Command {
        name: "enable_feature_flag",
        tools: Tools::CTL,
        usage: "[--opt-in] <all | feature_flag>",
        summary: "Enables a feature flag or all supported feature flags on the target node",
        words: (1, 1),
        flags: &[("experimental", Kind::Switch), ("opt-in", Kind::Switch)],
        banner: |given, _| match given.word(0) {
            "all" => "Enabling all feature flags ...".to_owned(),
            flag => format!("Enabling feature flag \"{flag}\" ..."),
        },
        run: |session, given| {
            let flag = given.word(0);
            match flag == "all" || FEATURES.iter().any(|(name, _)| *name == flag) {
                true => Ok(()),
                false => {
                    let node = &session.node;
                    let text = format!("This feature flag is not supported by node {node}");
                    Err(Failure::new(USAGE, text))
                }
            }
        },
        ..FLAGS
    },
    Command {
        name: "list_deprecated_features",
        usage: "[--used] [<column> ...]",
        summary: "Lists deprecated features",
        words: (0, ANY),
        flags: &[("used", Kind::Switch)],
        banner: |_, _| "Listing deprecated features ...".to_owned(),
        run: |session, _| {
            // Everything that RabbitMQ deprecates and that is here stays here.
            session.show_rows(&["name", "deprecation_phase"], &[]);
            Ok(())
        },
        ..FLAGS
    },
    Command {
        name: "version",
        summary: "Displays CLI tools version",
        run: |session, _| {
            session.say(env!("CARGO_PKG_VERSION"));
            Ok(())
        },
        ..HELP
    },
    Command {
        name: "help",
        usage: "(<command> | [--list-commands])",
        summary: "Displays usage information for a command",
        words: (0, 1),
        flags: &[("list-commands", Kind::Switch)],
        run: |session, given| {
            let tool = given.tool;
            if given.options.has("list-commands") {
                let names = commands::all().filter(|command| command.tools.has(tool));
                session.show(&names.map(|one| format!("{}\n", one.name)).collect::<String>());
                return Ok(());
            }
            match given.words.first().map(|name| commands::find(tool, name)) {
                None => session.show(&help::overview(tool)),
                Some(Some(command)) => session.show(&help::of(tool, command)),
                Some(None) => {
                    let text = format!("\nCommand '{}' not found.", given.word(0));
                    return Err(Failure::new(USAGE, text));
                }
            }
            Ok(())
        },
        ..HELP
    },
    Command {
        name: "autocomplete",
        usage: "[prefix]",
        summary: "Provides command name autocomplete variants",
        words: (0, ANY),
        run: |session, given| {
            let prefix = given.words.last().map_or("", String::as_str);
            let mut names: Vec<&str> = commands::all()
                .filter(|command| command.tools.has(given.tool) && command.name.starts_with(prefix))
                .map(|command| command.name)
                .collect();
            names.sort_unstable();
            session.show(&names.iter().map(|name| format!("{name}\n")).collect::<String>());
            Ok(())
        },
        ..HELP
    },
];

fn features() -> Vec<Map<String, Value>> {
    let row = |(name, desc): &(&str, &str)| {
        let cells = [
            ("name", *name),
            ("state", "enabled"),
            ("stability", "stable"),
            ("provided_by", "rabbit"),
            ("desc", *desc),
        ];
        cells.into_iter().map(|(key, value)| (key.to_owned(), json!(value))).collect()
    };
    FEATURES.iter().map(row).collect()
}

fn status(found: &Value, raised: &[String], listeners: &[Value]) -> Value {
    json!({
        "active_plugins": [],
        "alarms": raised,
        "config_files": [],
        "data_directory": found["data_directory"],
        "disk_free": found["disk_free"],
        "disk_free_limit": found["disk_free_limit"],
        "erlang_version": "",
        "is_under_maintenance": false,
        "leveret_version": found["leveret_version"],
        "listeners": listeners,
        "log_files": ["<stderr>"],
        "memory": { "strategy": "rss", "total": { "rss": found["memory_used"] } },
        "os": "Linux",
        "pid": found["pid"],
        "product_name": "Leveret",
        "product_version": found["leveret_version"],
        "rabbitmq_version": found["version"],
        "release_series_support_status": "supported",
        "totals": {
            "virtual_host_count": found["vhosts"],
            "connection_count": found["connections"],
            "queue_count": found["queues"],
        },
        "uptime": found["uptime_s"],
        "vm_memory_calculation_strategy": "rss",
        "vm_memory_high_watermark_limit": found["memory_limit"],
    })
}

fn heading(title: &str) -> String {
    format!("\x1b[1m{title}\x1b[0m\n\n")
}

/// The lines, or `(none)`.
fn block(title: &str, lines: &[String]) -> String {
    let lines = if lines.is_empty() { "(none)".to_owned() } else { lines.join("\n") };
    format!("{}{lines}\n\n", heading(title))
}

fn status_text(found: &Value, raised: &[String], listeners: &[Value]) -> String {
    let bytes = |key: &str| gigabytes(found[key].as_u64().unwrap_or(0));
    let line = |name: &str, key: &str| format!("{name}: {}", text(&found[key]));
    let interfaces: Vec<String> =
        listeners.iter().map(|one| format!("Interface: {}", listener(one))).collect();
    let blocks = [
        block(
            "Runtime",
            &[
                line("OS PID", "pid"),
                "OS: Linux".to_owned(),
                line("Uptime (seconds)", "uptime_s"),
                "Is under maintenance?: false".to_owned(),
                line("RabbitMQ version", "version"),
                line("Leveret version", "leveret_version"),
                line("Node name", "node"),
            ],
        ),
        block("Data directory", &[line("Node data directory", "data_directory")]),
        block("Log file(s)", &[" * <stderr>".to_owned()]),
        block("Alarms", raised),
        block(
            "Memory",
            &[
                format!("Total memory used: {} gb", bytes("memory_used")),
                "Calculation strategy: rss".to_owned(),
                format!("Memory high watermark: {} gb", bytes("memory_limit")),
            ],
        ),
        block(
            "Free Disk Space",
            &[
                format!("Low free disk space watermark: {} gb", bytes("disk_free_limit")),
                format!("Free disk space: {} gb", bytes("disk_free")),
            ],
        ),
        block(
            "Totals",
            &[
                line("Connection count", "connections"),
                line("Queue count", "queues"),
                line("Virtual host count", "vhosts"),
            ],
        ),
        block("Listeners", &interfaces),
    ];
    blocks.concat()
}

fn cluster(found: &Value, raised: &[String], listeners: &[Value], node: &str) -> Value {
    json!({
        "alarms": raised,
        "cluster_name": found["cluster_name"],
        "disk_nodes": [node],
        "feature_flags": features(),
        "listeners": { node: listeners },
        "maintenance_status": { node: "not under maintenance" },
        "partitions": {},
        "ram_nodes": [],
        "running_nodes": [node],
        "versions": { node: {
            "erlang_version": "",
            "rabbitmq_name": found["product"],
            "rabbitmq_version": found["version"],
        } },
    })
}

fn cluster_text(found: &Value, raised: &[String], listeners: &[Value], node: &str) -> String {
    let own = [node.to_owned()];
    let listeners: Vec<String> =
        listeners.iter().map(|one| format!("Node: {node}, interface: {}", listener(one))).collect();
    let flags: Vec<String> =
        FEATURES.iter().map(|(name, _)| format!("Flag: {name}, state: enabled")).collect();
    let version = format!("{node}: {} {}", text(&found["product"]), text(&found["version"]));
    let blocks = [
        block("Basics", &[format!("Cluster name: {}", text(&found["cluster_name"]))]),
        block("Disk Nodes", &own),
        block("Running Nodes", &own),
        block("Versions", &[version]),
        block("Maintenance status", &[format!("Node: {node}, status: not under maintenance")]),
        block("Alarms", raised),
        block("Network Partitions", &[]),
        block("Listeners", &listeners),
        block("Feature flags", &flags),
    ];
    blocks.concat()
}

/// Everything that can be told, one command after the other.
fn report(session: &mut Session) -> Result<(), Failure> {
    const PARTS: [&[&str]; 12] = [
        &["status"],
        &["cluster_status"],
        &["environment"],
        &["list_connections"],
        &["list_channels"],
        &["list_vhosts"],
        &["list_queues"],
        &["list_exchanges"],
        &["list_bindings"],
        &["list_permissions"],
        &["list_policies"],
        &["list_global_parameters"],
    ];
    for part in PARTS {
        let words: Vec<String> = part.iter().map(|word| (*word).to_owned()).collect();
        let given = super::super::arguments::read(super::super::Tool::Ctl, &words)?;
        if let Some(command) = given.command {
            let banner = (command.banner)(&given, session);
            session.banner(&banner);
            (command.run)(session, &given)?;
            session.show("\n");
        }
    }
    Ok(())
}
