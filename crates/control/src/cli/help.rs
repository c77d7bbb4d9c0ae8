//! Help: all commands of a tool, one command, and what was perhaps meant.

use super::command::Command;
use super::failure::{Failure, USAGE};
use super::{Tool, commands};

/// Headings in the order of the overview.
const SECTIONS: &[&str] = &[
    "Help",
    "Nodes",
    "Cluster",
    "Replication",
    "Users",
    "Access Control",
    "Monitoring, observability and health checks",
    "Parameters",
    "Policies",
    "Virtual hosts",
    "Configuration and Environment",
    "Definitions",
    "Feature flags",
    "Operations",
    "Queues",
    "Delayed messages",
    "Plugin Management",
];

fn bold(text: &str) -> String {
    format!("\x1b[1m{text}\x1b[0m")
}

/// Usage and every command of a tool.
pub(super) fn overview(tool: Tool) -> String {
    let name = tool.name();
    let mut text = format!(
        "\n{}\n\n{name} [--node <node>] [--timeout <timeout>] [--longnames] [--quiet] <command> \
         [<command options>]\n\nAvailable commands:\n",
        bold("Usage")
    );
    let of_tool = || commands::all().filter(|command| command.tools.has(tool));
    let width = of_tool().map(|command| command.name.len()).max().unwrap_or(0);
    for section in SECTIONS {
        let mut rows: Vec<_> = of_tool().filter(|command| command.section == *section).collect();
        if rows.is_empty() {
            continue;
        }
        rows.sort_by_key(|command| command.name);
        text.push_str(&format!("\n{}:\n\n", bold(section)));
        for command in rows {
            text.push_str(&format!("   {:width$}  {}\n", command.name, command.summary));
        }
    }
    text + &format!("\nUse '{name} help <command>' to learn more about a specific command\n")
}

/// The usage line of a command.
pub(super) fn usage(tool: Tool, command: &Command) -> String {
    let usage = match command.usage {
        "" => String::new(),
        usage => format!(" {usage}"),
    };
    format!(
        "{}\n\n{} [--node <node>] [--longnames] [--quiet] {}{usage}\n",
        bold("Usage"),
        tool.name(),
        command.name
    )
}

/// All about a command.
pub(super) fn of(tool: Tool, command: &Command) -> String {
    format!("\n{}\n{}\n\n{GENERAL}", usage(tool, command), command.summary)
}

const GENERAL: &str = "\
General Options

The following options are accepted by most or all commands.

short            | long          | description
-----------------|---------------|--------------------------------
-?               | --help        | displays command help
-n <node>        | --node <node> | accepted, as there is one node
-l               | --longnames   | accepted, as there is one node
                 | --erlang-cookie | accepted, as there is no Erlang
-t               | --timeout <n> | for commands that support it, operation timeout in seconds
-q               | --quiet       | suppress informational messages
-s               | --silent      | suppress informational messages
                                 | and table header row
-p               | --vhost       | for commands that are scoped to a virtual host,
                 |               | virtual host to use
                 | --formatter   | alternative result formatter to use
                                 | if supported: json, pretty_table, table, csv, erlang
                 | --data-dir    | data directory of the node, to find its control socket
";

/// The refusal of a command that is not there.
pub(super) fn unknown(tool: Tool, name: &str) -> Failure {
    let names = commands::all().filter(|command| command.tools.has(tool)).map(|one| one.name);
    let near = names
        .map(|command| (distance(name, command), command))
        .min()
        .filter(|(distance, _)| *distance <= name.len().max(3) / 3 + 1);
    let text = match near {
        Some((_, near)) => format!("\nCommand '{name}' not found. \nDid you mean '{near}'? \n\n"),
        None => format!("\nCommand '{name}' not found. \n{}", overview(tool)),
    };
    Failure { exit: USAGE, text }
}

/// How many letters have to change to get from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (at, other) in to.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}
