//! `/metrics`: every number of the node in Prometheus' format, in seconds. Other nodes stand in the
//! label `node`; there are at most `nodes_max` of them.

use service::machine;
use service::metrics::{Kind, Text};

use super::health::{others, unready};
use super::json::unix;
use crate::desk::{Counters, NodeState, NodeStatus, Status};
use crate::message::Millis;

/// One counter: what it is called on the page and in the API, its metric, what it counts, where it
/// is.
pub(super) type CounterRow = (&'static str, &'static str, &'static str, fn(&Counters) -> u64);

/// Every counter without labels.
pub(super) const COUNTERS: &[CounterRow] = &[
    (
        "requests",
        "leveret_dmq_requests_total",
        "Requests that arrived, retransmissions not counted.",
        |c| c.requests,
    ),
    (
        "retransmitted_to_us",
        "leveret_dmq_requests_repeated_total",
        "Requests that arrived again.",
        |c| c.retransmitted_to_us,
    ),
    ("delivered", "leveret_dmq_delivered_total", "Messages that arrived for peers.", |c| {
        c.delivered
    }),
    ("missed", "leveret_dmq_missed_total", "Copies that a slow listener missed.", |c| c.missed),
    (
        "sent",
        "leveret_dmq_sent_total",
        "Requests that this node sent, retransmissions not counted.",
        |c| c.sent,
    ),
    (
        "retransmitted",
        "leveret_dmq_retransmitted_total",
        "Requests that this node sent again.",
        |c| c.retransmitted,
    ),
    ("timeouts", "leveret_dmq_timeouts_total", "Requests without an answer in time.", |c| {
        c.timeouts
    }),
    (
        "full",
        "leveret_dmq_queue_full_total",
        "Messages not queued because too much waited for their node.",
        |c| c.full,
    ),
    ("unsent", "leveret_dmq_unsent_total", "Packets that could not be sent.", |c| c.unsent),
    ("malformed", "leveret_dmq_malformed_total", "Packets that are not SIP, or not whole.", |c| {
        c.malformed
    }),
    (
        "forbidden",
        "leveret_dmq_forbidden_total",
        "Requests from addresses that are not allowed.",
        |c| c.forbidden,
    ),
    (
        "unknown_peer",
        "leveret_dmq_unknown_peer_total",
        "Requests for peers that nobody knows.",
        |c| c.unknown_peer,
    ),
    (
        "refused",
        "leveret_dmq_refused_total",
        "Requests that were answered 400, 413, 500 or 503.",
        |c| c.refused,
    ),
    (
        "bad_lines",
        "leveret_dmq_bad_lines_total",
        "Lines of node lists that could not be used.",
        |c| c.bad_lines,
    ),
    ("connections", "leveret_dmq_connections_total", "Connections opened, both ways.", |c| {
        c.connections
    }),
    (
        "bridged_in",
        "leveret_dmq_bridge_published_total",
        "Messages published and confirmed by the broker.",
        |c| c.bridged_in,
    ),
    (
        "bridged_out",
        "leveret_dmq_bridge_sent_total",
        "Messages of the bridge's queue that were sent to nodes.",
        |c| c.bridged_out,
    ),
    (
        "unbridged",
        "leveret_dmq_bridge_failed_total",
        "Messages that could not be published.",
        |c| c.unbridged,
    ),
];

/// What the answers of other nodes are counted by.
pub(super) const ANSWER_CLASSES: [&str; 4] = ["2xx", "4xx", "5xx", "other"];

/// One gauge: name, help, and where its number is. Without a number it has no sample.
type GaugeRow<T> = (&'static str, &'static str, fn(&T) -> Option<f64>);

/// Every gauge of this node.
const GAUGES: &[GaugeRow<Status>] = &[
    ("leveret_dmq_start_time_seconds", "When the node started, Unix time.", |s| {
        Some(seconds(s.started_ms))
    }),
    (
        "leveret_dmq_ready",
        "1 while another node answers, if one is configured, and the bridge is connected.",
        |s| Some(u8::from(unready(s).is_empty()).into()),
    ),
    ("leveret_dmq_peers", "Peers that are known.", |s| Some(s.peers.len() as f64)),
    ("leveret_dmq_queued", "Messages that wait for nodes.", |s| {
        Some(others(s).map(|node| node.queued as f64).sum())
    }),
    ("leveret_dmq_in_flight", "Requests under way to nodes.", |s| {
        Some(others(s).map(|node| node.in_flight as f64).sum())
    }),
    ("leveret_dmq_htable_tables", "Hash tables.", |s| Some(s.tables.0 as f64)),
    ("leveret_dmq_htable_cells", "Cells of all hash tables.", |s| Some(s.tables.1 as f64)),
    ("leveret_dmq_htable_bytes", "Bytes of all hash tables.", |s| Some(s.tables.2 as f64)),
    ("leveret_dmq_bridge_up", "1 while the bridge is connected to its broker.", |s| {
        s.bridge.as_ref().map(|bridge| u8::from(bridge.down.is_none()).into())
    }),
    ("leveret_dmq_bridge_waiting", "Messages to be published or confirmed.", |s| {
        s.bridge.as_ref().map(|bridge| bridge.waiting as f64)
    }),
    ("leveret_dmq_bridge_sending", "Messages of the bridge's queue on their way to nodes.", |s| {
        s.bridge.as_ref().map(|bridge| bridge.sending as f64)
    }),
];

/// Every gauge of another node.
const NODE_GAUGES: &[GaugeRow<NodeStatus>] = &[
    ("leveret_dmq_node_active", "1 while a node answers.", |n| {
        Some(u8::from(n.state == NodeState::Active).into())
    }),
    ("leveret_dmq_node_queued", "Messages that wait for a node.", |n| Some(n.queued as f64)),
    ("leveret_dmq_node_in_flight", "Requests under way to a node.", |n| Some(n.in_flight as f64)),
    ("leveret_dmq_node_fail_count", "Pings without an answer since the last one with.", |n| {
        Some(n.fail_count.into())
    }),
    ("leveret_dmq_node_round_trip_seconds", "How long a node's last answer took.", |n| {
        n.round_trip_us.map(|us| us as f64 / 1e6)
    }),
    (
        "leveret_dmq_node_last_seen_timestamp_seconds",
        "When a node answered or sent something last, Unix time; absent before the first.",
        |n| n.last_seen_ms.map(seconds),
    ),
];

fn seconds(at_ms: Millis) -> f64 {
    unix(at_ms) as f64 / 1e3
}

/// The whole page.
pub(super) fn page(status: &Status) -> String {
    let mut text = Text::new();
    text.family("leveret_dmq_info", Kind::Gauge, "The node and the version that runs; always 1.")
        .sample(&[("uri", &status.uri.to_string()), ("version", env!("CARGO_PKG_VERSION"))], 1);
    if let Ok(bytes) = machine::resident_memory(&machine::root()) {
        let help = "Resident memory of the process.";
        text.gauge("leveret_dmq_process_resident_memory_bytes", help, bytes);
    }
    for (name, help, value) in GAUGES {
        if let Some(value) = value(status) {
            text.gauge(name, help, value);
        }
    }
    for (_, name, help, value) in COUNTERS {
        text.counter(name, help, value(&status.counters));
    }
    let help = "Answers of other nodes by class of their code.";
    let mut family = text.family("leveret_dmq_answers_total", Kind::Counter, help);
    for (class, count) in ANSWER_CLASSES.iter().zip(status.counters.answers) {
        family.sample(&[("class", class)], count);
    }
    nodes(&mut text, status);
    text.finish()
}

fn nodes(text: &mut Text, status: &Status) {
    let help = "Other nodes of the list by state.";
    let mut family = text.family("leveret_dmq_nodes", Kind::Gauge, help);
    for state in NodeState::ALL {
        let count = others(status).filter(|node| node.state == state).count();
        family.sample(&[("state", state.word())], count);
    }
    let named: Vec<(String, &NodeStatus)> =
        others(status).map(|node| (node.uri.to_string(), node)).collect();
    for (name, help, value) in NODE_GAUGES {
        let mut family = text.family(name, Kind::Gauge, help);
        for (uri, node) in &named {
            if let Some(value) = value(node) {
                family.sample(&[("node", uri)], value);
            }
        }
    }
}
