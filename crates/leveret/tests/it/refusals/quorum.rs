//! Refusals of quorum queues.

use super::{QUEUE_DECLARE, check, delete, get};
use crate::broker::shared;
use crate::client::arguments::{Queue, queue};

fn quorum(name: &str) -> Queue {
    queue(name).arg("x-queue-type", "quorum")
}

#[test]
fn quorum_queues_are_durable_shared_and_stay() {
    check(
        shared(),
        &[
            (
                406,
                QUEUE_DECLARE,
                "PRECONDITION_FAILED - invalid property 'auto-delete' for queue 'qq' in vhost '/'",
                |c| c.send_declare(&quorum("qq").exclusive().auto_delete()),
            ),
            (
                406,
                QUEUE_DECLARE,
                "PRECONDITION_FAILED - invalid property 'exclusive-owner' for queue 'qq' in vhost '/'",
                |c| c.send_declare(&quorum("qq").exclusive()),
            ),
            (
                406,
                QUEUE_DECLARE,
                "PRECONDITION_FAILED - invalid property 'non-durable' for queue 'qq' in vhost '/'",
                |c| c.send_declare(&quorum("qq")),
            ),
            (
                406,
                QUEUE_DECLARE,
                "PRECONDITION_FAILED - invalid arg 'x-max-priority' for queue 'qq' in vhost '/' of queue type \
                 rabbit_quorum_queue",
                |c| c.send_declare(&quorum("qq").exclusive().arg("x-max-priority", 5)),
            ),
            (
                406,
                QUEUE_DECLARE,
                "PRECONDITION_FAILED - Cannot declare a server-named queue for type rabbit_quorum_queue",
                |c| c.send_declare(&quorum("").durable()),
            ),
            (
                406,
                QUEUE_DECLARE,
                "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'qq' in vhost '/': received none but \
                 current is the value 'quorum' of type 'longstr'",
                |c| {
                    c.declare(&quorum("qq").durable());
                    c.send_declare(&queue("qq").durable());
                },
            ),
        ],
    );
}

#[test]
fn quorum_queues_are_not_deleted_under_a_condition() {
    check(
        shared(),
        &[
            (
                540,
                (50, 40),
                "NOT_IMPLEMENTED - cannot delete queue 'qd' in vhost '/'. queue.delete operations with if-unused flag \
                 set are not supported by quorum queues",
                |c| {
                    c.declare(&quorum("qd").durable());
                    delete(c, "qd", true, true);
                },
            ),
            (
                540,
                (50, 40),
                "NOT_IMPLEMENTED - cannot delete queue 'qd' in vhost '/'. queue.delete operations with if-empty flag \
                 set are not supported by quorum queues",
                |c| delete(c, "qd", false, true),
            ),
            (
                405,
                (60, 70),
                "RESOURCE_LOCKED - cannot obtain access to locked queue 'qs' in vhost '/'. basic.get operations are not \
                 supported by quorum queues with single active consumer",
                |c| {
                    c.declare(&quorum("qs").durable().arg("x-single-active-consumer", true));
                    get(c, "qs");
                },
            ),
        ],
    );
}
