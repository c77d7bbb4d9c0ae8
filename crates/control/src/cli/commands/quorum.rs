//! Quorum queues and their replicas, of which each has one here: `rabbitmq-queues`.

use serde_json::{Map, Value, json};

use super::super::arguments::Given;
use super::super::command::{COMMAND, Command, Flag, Kind, Tools};
use super::super::failure::{Failure, UNAVAILABLE};
use super::super::format::Format;
use super::super::session::Session;
use super::users::shown;
use crate::listing::Listing;
use crate::reply::Row;
use crate::request::List;

const CHECK: Command = Command {
    section: "Monitoring, observability and health checks",
    tools: Tools::QUEUES_AND_DIAGNOSTICS,
    ..COMMAND
};
const REPLICATION: Command = Command { section: "Replication", tools: Tools::QUEUES, ..COMMAND };

const MEMBERSHIP: &[Flag] = &[
    ("membership", Kind::Text),
    ("vhost-pattern", Kind::Text),
    ("queue-pattern", Kind::Text),
    ("errors-only", Kind::Switch),
];

pub(super) const TABLE: &[Command] = &[
    Command {
        name: "quorum_status",
        usage: "[--vhost <vhost>] <queue>",
        summary: "Displays quorum status of a quorum queue",
        words: (1, 1),
        banner: |given, session| {
            format!("Status of quorum queue {} on node {} ...", given.word(0), session.node)
        },
        run: quorum_status,
        ..CHECK
    },
    Command {
        name: "check_if_node_is_quorum_critical",
        summary: "Health check that exits with a non-zero code if there are queues with minimum \
                  online quorum (queues that would lose their quorum if the target node is shut \
                  down)",
        banner: |_, session| {
            let node = &session.node;
            format!("Checking if node {node} is critical for quorum of any quorum queues ...")
        },
        run: alone,
        ..CHECK
    },
    Command {
        name: "check_if_node_is_mirror_sync_critical",
        summary: "Health check that exits with a non-zero code if there are classic mirrored \
                  queues without online synchronised mirrors (queues that would potentially lose \
                  data if the target node is shut down)",
        banner: |_, session| {
            format!(
                "Checking if node {} is critical for data safety of any classic mirrored queues \
                 ...",
                session.node
            )
        },
        run: alone,
        ..CHECK
    },
    Command {
        name: "rebalance",
        section: "Cluster",
        tools: Tools::QUEUES,
        usage: "< all | classic | quorum | stream > [--vhost-pattern <pattern>] [--queue-pattern \
                <pattern>]",
        summary: "Re-balances leaders of replicated queues across up-and-running cluster nodes",
        words: (1, 1),
        flags: MEMBERSHIP,
        banner: |given, _| match given.word(0) {
            "all" => "Re-balancing leaders of all queues...".to_owned(),
            kind => format!("Re-balancing leaders of {kind} queues..."),
        },
        run: rebalance,
        ..CHECK
    },
    Command {
        name: "peek",
        tools: Tools::QUEUES,
        usage: "[--vhost <vhost>] <queue> <position>",
        summary: "Peeks at the given position of a quorum queue",
        words: (2, 2),
        banner: |given, session| {
            format!(
                "Peeking at quorum queue {} at position {} on node {} ...",
                given.word(0),
                given.word(1),
                session.node
            )
        },
        run: |_, _| {
            let text = "this node cannot show a message that waits without delivering it";
            Err(Failure::new(UNAVAILABLE, text))
        },
        ..CHECK
    },
    Command {
        name: "add_member",
        usage: "[--vhost <vhost>] <queue> <node> [--membership <promotable|voter>]",
        summary: "Adds a quorum queue member (replica) on the given node.",
        words: (2, 2),
        flags: MEMBERSHIP,
        banner: |given, _| {
            format!("Adding a replica for queue {} on node {}...", given.word(0), given.word(1))
        },
        run: one_node,
        ..REPLICATION
    },
    Command {
        name: "delete_member",
        usage: "[--vhost <vhost>] <queue> <node>",
        summary: "Removes a quorum queue member (replica) on the given node.",
        words: (2, 2),
        banner: |given, _| {
            format!("Removing a replica of queue {} on node {}...", given.word(0), given.word(1))
        },
        run: one_node,
        ..REPLICATION
    },
    Command {
        name: "grow",
        section: "Cluster",
        usage: "<node> < all | even > [--vhost-pattern <pattern>] [--queue-pattern <pattern>]",
        summary: "Grows quorum queue clusters by adding a member (replica) on the specified node \
                  for all matching queues",
        words: (2, 2),
        flags: MEMBERSHIP,
        banner: |given, _| {
            format!("Growing {} quorum queues on {}...", given.word(1), given.word(0))
        },
        run: one_node,
        ..REPLICATION
    },
    Command {
        name: "shrink",
        section: "Cluster",
        usage: "<node> [--errors-only]",
        summary: "Shrinks quorum queue clusters by removing any members (replicas) on the given \
                  node.",
        words: (1, 1),
        flags: MEMBERSHIP,
        banner: |given, _| format!("Shrinking quorum queues on {}...", given.word(0)),
        run: one_node,
        ..REPLICATION
    },
    Command {
        name: "stream_status",
        usage: "[--vhost <vhost>] <stream> [--tracking]",
        summary: "Displays the status of a stream",
        words: (1, 1),
        flags: &[("tracking", Kind::Switch)],
        banner: |given, session| {
            format!("Status of stream {} on node {} ...", given.word(0), session.node)
        },
        run: |_, _| Err(Failure::new(UNAVAILABLE, "there are no streams on this node")),
        ..CHECK
    },
];

fn one_node(_: &mut Session, _: &Given) -> Result<(), Failure> {
    let text = "node_not_running: Leveret runs on one node, and each quorum queue has its one member there";
    Err(Failure::new(UNAVAILABLE, text))
}

fn alone(session: &mut Session, _: &Given) -> Result<(), Failure> {
    let text = format!(
        "Node {} seems to be the only one in a single node cluster, the check does not apply",
        session.node
    );
    session.say(&text);
    Ok(())
}

fn queues(session: &mut Session, vhost: Option<&str>) -> Result<Vec<Row>, Failure> {
    session.rows(List {
        listing: Listing::Queues,
        vhost: vhost.map(str::to_owned),
        columns: shown(&["name", "type"]),
        ..List::default()
    })
}

fn quorum_status(session: &mut Session, given: &Given) -> Result<(), Failure> {
    let rows = queues(session, Some(given.vhost()))?;
    let found = rows.iter().find(|row| row.get("name").is_some_and(|name| name == given.word(0)));
    match found.and_then(|row| row.get("type")).and_then(Value::as_str) {
        None => return Err(Failure::new(UNAVAILABLE, "not_found")),
        Some("quorum") => {}
        Some(kind) => {
            let text = format!("Cannot get quorum status of a {kind} queue");
            return Err(Failure::new(UNAVAILABLE, text));
        }
    }
    let cells = [
        ("Node Name", json!(session.node)),
        ("Raft State", json!("leader")),
        ("Log Index", json!("")),
        ("Commit Index", json!("")),
        ("Snapshot Index", json!("")),
        ("Term", json!("")),
        ("Machine Version", json!("")),
    ];
    one_row(session, cells);
    Ok(())
}

fn rebalance(session: &mut Session, given: &Given) -> Result<(), Failure> {
    if !["all", "classic", "quorum", "stream"].contains(&given.word(0)) {
        let kind = given.word(0);
        return Err(given.invalid(&format!(
            "type {kind} is not supported. Try one of all, classic, quorum, stream."
        )));
    }
    let rows = queues(session, None)?;
    let quorum = rows.iter().filter(|row| row.get("type").is_some_and(|kind| kind == "quorum"));
    let cells = [
        ("Node name", json!(session.node)),
        ("Number of quorum queues", json!(quorum.count())),
        ("Number of replicated classic queues", json!(0)),
    ];
    one_row(session, cells);
    Ok(())
}

/// A table with one row, which is drawn as one unless something else is wanted.
fn one_row<const N: usize>(session: &mut Session, cells: [(&str, Value); N]) {
    let columns = cells.each_ref().map(|(name, _)| *name);
    let row: Map<String, Value> =
        cells.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    session.format.get_or_insert(Format::Pretty);
    session.show_rows(&columns, &[row]);
}
