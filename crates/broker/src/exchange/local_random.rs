//! The `x-local-random` exchange (RabbitMQ 4.0): as [`super::random`], among the queues of the node that has the message.
//! On one node those are all; what differs is what can be bound: classic queues, with the empty key.

use crate::binding::Binding;
use crate::queue::args::QueueKind;

/// Why there can be no such binding, in RabbitMQ's text. `queue` is the kind of the queue that it leads to; none for an
/// exchange, which RabbitMQ looks for among the queues.
pub fn check_binding(binding: &Binding, queue: Option<QueueKind>) -> Result<(), String> {
    if !binding.key.is_empty() {
        let key = String::from_utf8_lossy(&binding.key);
        return Err(format!("Non empty binding '{key}' key not permitted"));
    }
    match queue {
        Some(QueueKind::Classic) => Ok(()),
        Some(QueueKind::Quorum) => {
            Err("Queue type rabbit_quorum_queue not valid for this exchange type".to_owned())
        }
        None => Err("Destination not found".to_owned()),
    }
}
