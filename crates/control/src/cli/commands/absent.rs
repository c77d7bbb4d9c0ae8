//! Commands of RabbitMQ that have nothing to do here: accepted where that is as good, else refused.

use super::super::arguments::Given;
use super::super::command::{ANY, COMMAND, Command, Flag, Kind, Tools};
use super::super::failure::{Failure, UNAVAILABLE};
use super::super::session::Session;

const REFUSED: Command =
    Command { section: "Operations", words: (0, ANY), needs_app: false, run: refuse, ..COMMAND };
const DIAGNOSTICS: Command = Command {
    section: "Monitoring, observability and health checks",
    tools: Tools::DIAGNOSTICS,
    ..REFUSED
};
const IDLE: Command = Command { run: |_, _| Ok(()), ..REFUSED };
const ENCODING: &[Flag] =
    &[("cipher", Kind::Text), ("hash", Kind::Text), ("iterations", Kind::Integer)];

pub(super) const TABLE: &[Command] = &[
    Command {
        name: "encode",
        flags: ENCODING,
        section: "Configuration and Environment",
        summary: "Encrypts a sensitive configuration value (not here: settings take secrets from \
                  files)",
        ..REFUSED
    },
    Command {
        name: "decode",
        flags: ENCODING,
        section: "Configuration and Environment",
        summary: "Decrypts an encrypted configuration value (not here: settings take secrets from \
                  files)",
        ..REFUSED
    },
    Command { name: "eval_file", summary: "Evaluates a file with Erlang code", ..REFUSED },
    Command { name: "exec", summary: "Evaluates a snippet of Elixir code", ..REFUSED },
    Command {
        name: "rename_cluster_node",
        section: "Cluster",
        summary: "Renames cluster nodes in the local database",
        ..REFUSED
    },
    Command {
        name: "update_cluster_nodes",
        section: "Cluster",
        summary: "Instructs a cluster member node to sync the list of known cluster members from \
                  <seed_node>",
        ..REFUSED
    },
    Command {
        name: "change_cluster_node_type",
        section: "Cluster",
        summary: "Changes the type of the cluster node",
        ..REFUSED
    },
    Command {
        name: "sync_queue",
        section: "Replication",
        summary: "Instructs a mirrored queue with unsynchronised mirrors (follower replicas) to \
                  synchronise them",
        ..REFUSED
    },
    Command {
        name: "cancel_sync_queue",
        section: "Replication",
        summary: "Instructs a synchronising mirrored queue to stop synchronising itself",
        ..REFUSED
    },
    Command { name: "observer", summary: "Starts a CLI observer interface", ..DIAGNOSTICS },
    Command { name: "remote_shell", summary: "Starts an interactive Erlang shell", ..DIAGNOSTICS },
    Command {
        name: "log_tail",
        summary: "Prints the last N lines of the log on the node (not here: the log goes to \
                  stderr, and from there to the journal)",
        flags: &[("number", Kind::Integer)],
        ..DIAGNOSTICS
    },
    Command {
        name: "log_tail_stream",
        summary: "Streams logs from a running node for a period of time",
        flags: &[("duration", Kind::Integer)],
        ..DIAGNOSTICS
    },
    Command {
        name: "command_line_arguments",
        summary: "Displays target node's command-line arguments and flags as reported by the \
                  runtime",
        ..DIAGNOSTICS
    },
    Command {
        name: "force_boot",
        section: "Cluster",
        summary: "Forces node to start even if it cannot contact or rejoin any of its previously \
                  known peers",
        ..IDLE
    },
    Command {
        name: "force_gc",
        summary: "Makes all Erlang processes on the target node perform/schedule a full sweep \
                  garbage collection",
        ..IDLE
    },
    Command { name: "rotate_logs", section: "Nodes", summary: "Does nothing [deprecated]", ..IDLE },
    Command {
        name: "reclaim_quorum_memory",
        tools: Tools::QUEUES_AND_DIAGNOSTICS,
        summary: "Flushes quorum queue processes WAL, performs a full sweep GC on all of its local \
                  Erlang processes",
        ..IDLE
    },
];

fn refuse(_: &mut Session, given: &Given) -> Result<(), Failure> {
    let name = given.command.map_or("", |command| command.name);
    let text = format!("{name}: Leveret is one node without Erlang, and has nothing like this");
    Err(Failure::new(UNAVAILABLE, text))
}
