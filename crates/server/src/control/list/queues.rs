//! Rows of queues and of their consumers.

use broker::QueueId;
use broker::queue::args::QueueKind;
use broker::queue::{Consumer, Queue};
use control::reply::Row;
use control::request::List;
use serde_json::{Value, json};

use super::super::node::{channel_pid, connection_pid, node_name};
use super::rows::{in_vhost, row, table, text};
use crate::json::table_to_json;
use crate::shard::Shard;

pub(super) fn ids(shard: &Shard, wanted: &List) -> Vec<QueueId> {
    let meant = shard.broker.queues().filter(|queue| in_vhost(wanted, &queue.vhost));
    meant.map(|queue| queue.id).collect()
}

pub(super) fn rows(shard: &Shard, wanted: &List, ids: &[QueueId]) -> Vec<Row> {
    let queues = ids.iter().filter_map(|id| shard.broker.queue(*id));
    queues.map(|queue| row(QUEUE, wanted, &QueueRow { shard, queue })).collect()
}

pub(super) struct QueueRow<'a> {
    shard: &'a Shard,
    queue: &'a Queue,
}

impl QueueRow<'_> {
    fn is_quorum(&self) -> bool {
        self.queue.args.kind == QueueKind::Quorum
    }

    /// What only quorum queues have.
    fn quorum(&self, value: Value) -> Value {
        if self.is_quorum() { value } else { json!("") }
    }

    /// What only classic queues tell.
    fn classic(&self, value: Value) -> Value {
        if self.is_quorum() { json!("") } else { value }
    }

    fn messages(&self) -> u64 {
        self.queue.ready() + self.queue.unacked()
    }

    fn ready_bytes(&self) -> u64 {
        self.queue.ready_bytes(&self.shard.store)
    }

    /// Bytes of what is known of each message; bodies are in a cache that all queues share.
    fn memory(&self) -> usize {
        let lanes = self.queue.lanes().map(|(_, lane)| self.shard.store.lane_memory(lane));
        size_of::<Queue>() + lanes.sum::<usize>()
    }

    fn exclusive_consumer(&self) -> Option<&Consumer> {
        let first = self.queue.consumer_list().next();
        first.filter(|_| self.queue.has_exclusive_consumer())
    }
}

/// A column of whatever queue.
pub(super) type Column = (&'static str, for<'a> fn(&QueueRow<'a>) -> Value);

pub(super) const QUEUE: &[Column] = &[
    ("name", |q| json!(*q.queue.name)),
    ("vhost", |q| json!(*q.queue.vhost)),
    ("durable", |q| json!(q.queue.durable)),
    ("auto_delete", |q| json!(q.queue.auto_delete)),
    ("exclusive", |q| q.classic(json!(q.queue.exclusive.is_some()))),
    ("arguments", |q| table(&q.queue.arguments)),
    ("policy", |q| text(q.queue.policy.as_deref())),
    ("operator_policy", |q| text(q.queue.operator_policy.as_deref())),
    ("effective_policy_definition", |q| {
        json!(table_to_json(&q.shard.broker.effective_policy(q.queue)).to_string())
    }),
    ("messages", |q| json!(q.messages())),
    ("messages_ready", |q| json!(q.queue.ready())),
    ("messages_unacknowledged", |q| json!(q.queue.unacked())),
    ("message_bytes", |q| json!(q.ready_bytes() + q.queue.unacked_bytes())),
    ("message_bytes_ready", |q| q.classic(json!(q.ready_bytes()))),
    ("message_bytes_unacknowledged", |q| q.classic(json!(q.queue.unacked_bytes()))),
    ("consumers", |q| json!(q.queue.consumers())),
    ("memory", |q| json!(q.memory())),
    ("state", |_| json!("running")),
    ("type", |q| json!(q.queue.args.kind.name())),
    ("pid", |q| json!(queue_pid(q.queue.id))),
    ("owner_pid", |q| q.queue.exclusive.map_or(json!(""), |id| json!(connection_pid(id)))),
    ("exclusive_consumer_tag", |q| match q.exclusive_consumer() {
        Some(consumer) => json!(String::from_utf8_lossy(&consumer.spec.tag)),
        None => json!(""),
    }),
    ("exclusive_consumer_pid", |q| match q.exclusive_consumer() {
        Some(consumer) => json!(consumer_pid(q.shard, consumer)),
        None => json!(""),
    }),
    ("leader", |q| q.quorum(json!(node_name()))),
    ("members", |q| q.quorum(json!([node_name()]))),
    ("online", |q| q.quorum(json!([node_name()]))),
];

fn queue_pid(id: QueueId) -> String {
    format!("<{}.2.{}.{}>", node_name(), id.0, id.1)
}

/// The channel of a consumer, as listings of channels name it.
fn consumer_pid(shard: &Shard, consumer: &Consumer) -> String {
    let key = consumer.spec.key;
    let connection = shard.connections.table.get(key.conn as usize);
    let found = connection.filter(|connection| connection.generation == key.generation);
    found.map_or_else(String::new, |connection| channel_pid(connection.id, key.channel))
}

/// The consumers of queues.
pub(super) fn consumers(shard: &Shard, wanted: &List, ids: &[QueueId]) -> Vec<Row> {
    let queues = ids.iter().filter_map(|id| shard.broker.queue(*id));
    let rows = queues.flat_map(|queue| {
        let consumers = queue.consumer_list();
        consumers
            .map(move |consumer| row(CONSUMER, wanted, &ConsumerRow { shard, queue, consumer }))
    });
    rows.collect()
}

pub(super) struct ConsumerRow<'a> {
    shard: &'a Shard,
    queue: &'a Queue,
    consumer: &'a Consumer,
}

impl ConsumerRow<'_> {
    /// Whether it gets messages: with a single active consumer only that one does.
    fn is_active(&self) -> bool {
        let single = self.queue.args.single_active_consumer;
        !single || self.queue.active_consumer() == Some(self.consumer.spec.key)
    }
}

/// A column of whatever consumer.
pub(super) type ConsumerColumn = (&'static str, for<'a> fn(&ConsumerRow<'a>) -> Value);

pub(super) const CONSUMER: &[ConsumerColumn] = &[
    ("queue_name", |c| json!(*c.queue.name)),
    ("channel_pid", |c| json!(consumer_pid(c.shard, c.consumer))),
    ("consumer_tag", |c| json!(String::from_utf8_lossy(&c.consumer.spec.tag))),
    ("ack_required", |c| json!(!c.consumer.spec.no_ack)),
    ("prefetch_count", |c| json!(c.consumer.spec.prefetch)),
    ("active", |c| json!(c.is_active())),
    ("activity_status", |c| {
        let single = c.queue.args.single_active_consumer;
        json!(match (single, c.is_active()) {
            (false, _) => "up",
            (true, true) => "single_active",
            (true, false) => "waiting",
        })
    }),
    ("arguments", |c| table(&c.consumer.spec.arguments)),
];
