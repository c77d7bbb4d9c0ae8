//! Whether a node works, in sentences: what is wrong, and what to do.

use service::http::Reason;
use service::http::figures::counted;

use super::Silence;
use crate::desk::{NodeState, NodeStatus, Status};

/// The event loop does not answer.
pub(super) fn silent(silence: Silence) -> Reason {
    Reason { name: silence.word(), detail: silence.to_string() }
}

/// Why messages do not get through. A node that waits to be found by others is where it should be.
pub(super) fn unready(status: &Status) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if status.draining {
        reasons.push(Reason { name: "leaving", detail: "the node leaves the bus".into() });
    }
    if !status.notified.is_empty() && active(status) == 0 {
        let detail = format!(
            "no other node answers; they are asked again and again: check that {} \
             (notification_address) can be resolved and reached, allows this node's address, and \
             reaches it as {} (server_address)",
            status.notified.join(", "),
            status.uri
        );
        reasons.push(Reason { name: "alone", detail });
    }
    if let Some(bridge) = &status.bridge
        && let Some(why) = &bridge.down
    {
        let detail = format!(
            "the bridge is not connected to {}: {why}; it is tried again and again: check that the \
             broker runs, and bridge_broker",
            bridge.broker
        );
        reasons.push(Reason { name: "bridge_down", detail });
    }
    reasons
}

/// All nodes but ourselves.
pub(super) fn others(status: &Status) -> impl Iterator<Item = &NodeStatus> {
    status.nodes.iter().filter(|node| !node.local)
}

/// How many other nodes answer.
fn active(status: &Status) -> usize {
    others(status).filter(|node| node.state == NodeState::Active).count()
}

/// What is wrong, or that nothing is.
pub(super) fn sentence(status: &Status) -> String {
    let wrong: Vec<String> = unready(status).into_iter().map(|reason| reason.detail).collect();
    if !wrong.is_empty() {
        return format!("not ready: {}", wrong.join("; "));
    }
    match others(status).count() {
        0 => "works, and no other node is known yet".into(),
        all => format!("works: {} of {} active", active(status), counted(all as u64, "other node")),
    }
}
