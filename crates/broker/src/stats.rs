//! What the broker counts, named after RabbitMQ's `rabbitmq_global_*` metrics. Plain numbers that only grow.

use crate::queue::{Queue, QueueStats, Reason};

/// Counters since the broker was made.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are those of RabbitMQ's metrics, which explain them")]
pub struct BrokerStats {
    pub messages_received: u64,
    pub messages_routed: u64,
    pub messages_unroutable_returned: u64,
    pub messages_unroutable_dropped: u64,
    pub messages_delivered: u64,
    pub messages_delivered_consume_auto_ack: u64,
    pub messages_delivered_consume_manual_ack: u64,
    pub messages_delivered_get_auto_ack: u64,
    pub messages_delivered_get_manual_ack: u64,
    pub messages_get_empty: u64,
    pub messages_redelivered: u64,
    pub messages_acknowledged: u64,
    pub messages_dead_lettered_expired: u64,
    pub messages_dead_lettered_rejected: u64,
    pub messages_dead_lettered_maxlen: u64,
    pub messages_dead_lettered_delivery_limit: u64,
    pub messages_dead_lettered_confirmed: u64,
    pub queues_declared: u64,
    pub queues_created: u64,
    pub queues_deleted: u64,
}

/// Sums over all queues at one moment.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Totals {
    /// Messages that wait.
    pub ready: u64,
    /// Messages delivered and not settled.
    pub unacked: u64,
    /// Messages that came back and wait for their retry.
    pub retrying: u64,
    /// Dead letters that are kept because they could not be delivered.
    pub kept_dead_letters: u64,
    /// Consumers.
    pub consumers: u64,
}

impl BrokerStats {
    /// Adds what a queue counted.
    pub fn add_queue(&mut self, queue: &QueueStats) {
        self.messages_delivered_consume_auto_ack += queue.delivered_no_ack;
        self.messages_delivered_consume_manual_ack += queue.delivered;
        self.messages_delivered_get_auto_ack += queue.got_no_ack;
        self.messages_delivered_get_manual_ack += queue.got;
        self.messages_delivered +=
            queue.delivered_no_ack + queue.delivered + queue.got_no_ack + queue.got;
        self.messages_get_empty += queue.got_empty;
        self.messages_redelivered += queue.redelivered;
        self.messages_acknowledged += queue.acked;
    }

    /// Counts a message that reached a dead letter exchange.
    pub(crate) fn dead_lettered(&mut self, reason: Reason) {
        match reason {
            Reason::Expired => self.messages_dead_lettered_expired += 1,
            Reason::Rejected => self.messages_dead_lettered_rejected += 1,
            Reason::Maxlen => self.messages_dead_lettered_maxlen += 1,
            Reason::DeliveryLimit => self.messages_dead_lettered_delivery_limit += 1,
        }
    }
}

impl Totals {
    /// Adds a queue.
    pub(crate) fn add(&mut self, queue: &Queue) {
        self.ready += queue.ready();
        self.unacked += queue.unacked();
        self.retrying += queue.delayed();
        self.kept_dead_letters += queue.kept_dead_letters();
        self.consumers += queue.consumers() as u64;
    }
}
