//! What the broker shows of itself: `/metrics` in RabbitMQ's names, and `/healthz`.
//!
//! The shard only copies its numbers; the page is written on the HTTP thread.

use std::cell::RefCell;
use std::rc::Rc;

use service::http::{Ask, Health, Reason};
use service::machine;
use service::metrics::{Bounds, Histogram, Kind, Text};
use tokio::sync::mpsc;

use crate::shard::Shard;

/// Labels of the counters that RabbitMQ keeps per protocol.
const PROTOCOL: [(&str, &str); 1] = [("protocol", "amqp091")];
/// Labels of the counters that RabbitMQ keeps per protocol and type of queue.
const PROTOCOL_AND_QUEUE: [(&str, &str); 2] =
    [("protocol", "amqp091"), ("queue_type", "rabbit_classic_queue")];

/// The broker's bounds of lateness, as seconds.
const LATENESS_BOUNDS: Bounds = &[
    (1, "0.001"),
    (2, "0.002"),
    (5, "0.005"),
    (10, "0.01"),
    (50, "0.05"),
    (100, "0.1"),
    (1000, "1"),
    (10_000, "10"),
];

/// The numbers of one moment.
pub(crate) struct Snapshot {
    broker: broker::stats::BrokerStats,
    delayed: broker::delayed::DelayedStats,
    delayed_messages: u64,
    counters: crate::amqp::connections::Counters,
    health: store::Health,
    sizes: Histogram,
    connections: usize,
    queues: usize,
    consumers: u64,
    ready: u64,
    unacked: u64,
    retrying: u64,
    kept_dead_letters: u64,
    memory_used: u64,
    memory_limit: u64,
    disk_free: u64,
    disk_free_limit: u64,
    memory_alarm: bool,
    disk_alarm: bool,
    uptime_s: f64,
    version: String,
    cluster_name: String,
}

/// How a row of the table is labelled.
#[derive(Clone, Copy)]
enum Labels {
    None,
    Protocol,
    ProtocolAndQueue,
}

/// One metric: name, kind, labels, help, and where its number is.
type Row = (&'static str, Kind, Labels, &'static str, Value);

/// Where a number is.
type Value = fn(&Snapshot) -> f64;

const fn gauge(name: &'static str, help: &'static str, value: Value) -> Row {
    (name, Kind::Gauge, Labels::None, help, value)
}

const fn counter(name: &'static str, help: &'static str, value: Value) -> Row {
    (name, Kind::Counter, Labels::None, help, value)
}

const fn global_gauge(name: &'static str, help: &'static str, value: Value) -> Row {
    (name, Kind::Gauge, Labels::Protocol, help, value)
}

const fn global_counter(name: &'static str, help: &'static str, value: Value) -> Row {
    (name, Kind::Counter, Labels::Protocol, help, value)
}

const fn queue_counter(name: &'static str, help: &'static str, value: Value) -> Row {
    (name, Kind::Counter, Labels::ProtocolAndQueue, help, value)
}

/// Every metric with a single sample. The names are RabbitMQ's where it has the thing.
const METRICS: &[Row] = &[
    gauge("rabbitmq_erlang_uptime_seconds", "Seconds since the node started.", |s| s.uptime_s),
    gauge("rabbitmq_process_resident_memory_bytes", "Memory used in bytes.", |s| {
        s.memory_used as f64
    }),
    gauge("rabbitmq_resident_memory_limit_bytes", "Memory high watermark in bytes.", |s| {
        s.memory_limit as f64
    }),
    gauge("rabbitmq_disk_space_available_bytes", "Disk space available in bytes.", |s| {
        s.disk_free as f64
    }),
    gauge(
        "rabbitmq_disk_space_available_limit_bytes",
        "Free disk space low watermark in bytes.",
        |s| s.disk_free_limit as f64,
    ),
    gauge(
        "rabbitmq_alarms_memory_used_watermark",
        "is 1 if VM memory watermark alarm is in effect",
        |s| s.memory_alarm.into(),
    ),
    gauge(
        "rabbitmq_alarms_free_disk_space_watermark",
        "is 1 if free disk space watermark alarm is in effect",
        |s| s.disk_alarm.into(),
    ),
    gauge(
        "rabbitmq_alarms_file_descriptor_limit",
        "is 1 if file descriptor limit alarm is in effect",
        |_| 0.0,
    ),
    gauge("rabbitmq_process_open_fds", "Open file descriptors.", |_| {
        machine::open_files(&machine::root()).unwrap_or(0) as f64
    }),
    gauge("rabbitmq_process_max_fds", "Open file descriptors limit.", |_| {
        machine::open_files_max() as f64
    }),
    gauge("rabbitmq_connections", "Connections currently open.", |s| s.connections as f64),
    gauge("rabbitmq_channels", "Channels currently open.", |s| s.counters.channels as f64),
    gauge("rabbitmq_queues", "Queues available.", |s| s.queues as f64),
    gauge("rabbitmq_consumers", "Consumers currently connected.", |s| s.consumers as f64),
    counter("rabbitmq_connections_opened_total", "Total number of connections opened.", |s| {
        s.counters.connections_opened as f64
    }),
    counter(
        "rabbitmq_connections_closed_total",
        "Total number of connections closed or terminated.",
        |s| s.counters.connections_closed as f64,
    ),
    counter("rabbitmq_channels_opened_total", "Total number of channels opened.", |s| {
        s.counters.channels_opened as f64
    }),
    counter("rabbitmq_channels_closed_total", "Total number of channels closed.", |s| {
        s.counters.channels_closed as f64
    }),
    counter("rabbitmq_queues_declared_total", "Total number of queues declared.", |s| {
        s.broker.queues_declared as f64
    }),
    counter("rabbitmq_queues_created_total", "Total number of queues created.", |s| {
        s.broker.queues_created as f64
    }),
    counter("rabbitmq_queues_deleted_total", "Total number of queues deleted.", |s| {
        s.broker.queues_deleted as f64
    }),
    gauge("rabbitmq_queue_messages_ready", "Messages ready to be delivered to consumers.", |s| {
        s.ready as f64
    }),
    gauge(
        "rabbitmq_queue_messages_unacked",
        "Messages delivered to consumers but not yet acknowledged.",
        |s| s.unacked as f64,
    ),
    gauge("rabbitmq_queue_messages", "Sum of ready and unacknowledged messages.", |s| {
        (s.ready + s.unacked) as f64
    }),
    global_gauge("rabbitmq_global_publishers", "Publishers currently connected.", |s| {
        s.counters.publishers as f64
    }),
    global_gauge("rabbitmq_global_consumers", "Consumers currently connected.", |s| {
        s.consumers as f64
    }),
    global_counter(
        "rabbitmq_global_messages_received_total",
        "Total number of messages received from publishers.",
        |s| s.broker.messages_received as f64,
    ),
    global_counter(
        "rabbitmq_global_messages_received_confirm_total",
        "Total number of messages received from publishers expecting confirmations.",
        |s| s.counters.received_confirm as f64,
    ),
    global_counter(
        "rabbitmq_global_messages_confirmed_total",
        "Total number of messages confirmed to publishers.",
        |s| s.counters.confirmed as f64,
    ),
    global_counter(
        "rabbitmq_global_messages_routed_total",
        "Total number of messages routed to queues.",
        |s| s.broker.messages_routed as f64,
    ),
    global_counter(
        "rabbitmq_global_messages_unroutable_returned_total",
        "Total number of messages not routable and returned to publishers.",
        |s| s.broker.messages_unroutable_returned as f64,
    ),
    global_counter(
        "rabbitmq_global_messages_unroutable_dropped_total",
        "Total number of messages not routable and dropped.",
        |s| s.broker.messages_unroutable_dropped as f64,
    ),
    counter(
        "rabbitmq_channel_messages_unroutable_returned_total",
        "Total number of messages published as mandatory and returned as unroutable.",
        |s| s.broker.messages_unroutable_returned as f64,
    ),
    counter(
        "rabbitmq_channel_messages_unroutable_dropped_total",
        "Total number of messages published as non-mandatory and dropped as unroutable.",
        |s| s.broker.messages_unroutable_dropped as f64,
    ),
    queue_counter(
        "rabbitmq_global_messages_delivered_total",
        "Total number of messages delivered to consumers.",
        |s| s.broker.messages_delivered as f64,
    ),
    queue_counter(
        "rabbitmq_global_messages_delivered_consume_auto_ack_total",
        "Messages delivered to consumers with automatic acknowledgement.",
        |s| s.broker.messages_delivered_consume_auto_ack as f64,
    ),
    queue_counter(
        "rabbitmq_global_messages_delivered_consume_manual_ack_total",
        "Messages delivered to consumers with manual acknowledgement.",
        |s| s.broker.messages_delivered_consume_manual_ack as f64,
    ),
    queue_counter(
        "rabbitmq_global_messages_delivered_get_auto_ack_total",
        "Messages fetched by basic.get with automatic acknowledgement.",
        |s| s.broker.messages_delivered_get_auto_ack as f64,
    ),
    queue_counter(
        "rabbitmq_global_messages_delivered_get_manual_ack_total",
        "Messages fetched by basic.get with manual acknowledgement.",
        |s| s.broker.messages_delivered_get_manual_ack as f64,
    ),
    queue_counter(
        "rabbitmq_global_messages_get_empty_total",
        "Times basic.get found no message.",
        |s| s.broker.messages_get_empty as f64,
    ),
    queue_counter(
        "rabbitmq_global_messages_redelivered_total",
        "Total number of messages redelivered to consumers.",
        |s| s.broker.messages_redelivered as f64,
    ),
    queue_counter(
        "rabbitmq_global_messages_acknowledged_total",
        "Total number of messages acknowledged by consumers.",
        |s| s.broker.messages_acknowledged as f64,
    ),
    counter(
        "rabbitmq_global_messages_dead_lettered_expired_total",
        "Total number of messages dead-lettered due to message TTL exceeded.",
        |s| s.broker.messages_dead_lettered_expired as f64,
    ),
    counter(
        "rabbitmq_global_messages_dead_lettered_rejected_total",
        "Total number of messages dead-lettered due to basic.reject or basic.nack.",
        |s| s.broker.messages_dead_lettered_rejected as f64,
    ),
    counter(
        "rabbitmq_global_messages_dead_lettered_maxlen_total",
        "Total number of messages dead-lettered due to overflow drop-head or reject-publish-dlx.",
        |s| s.broker.messages_dead_lettered_maxlen as f64,
    ),
    counter(
        "rabbitmq_global_messages_dead_lettered_delivery_limit_total",
        "Total number of messages dead-lettered due to delivery-limit exceeded.",
        |s| s.broker.messages_dead_lettered_delivery_limit as f64,
    ),
    counter(
        "rabbitmq_global_messages_dead_lettered_confirmed_total",
        "Total number of messages dead-lettered and confirmed by target queues.",
        |s| s.broker.messages_dead_lettered_confirmed as f64,
    ),
    counter("rabbitmq_auth_attempts_total", "Total number of authentication attempts.", |s| {
        s.counters.auth_attempts as f64
    }),
    counter(
        "rabbitmq_auth_attempts_failed_total",
        "Total number of failed authentication attempts.",
        |s| s.counters.auth_failed as f64,
    ),
    counter("leveret_socket_read_bytes_total", "Bytes read from AMQP sockets.", |s| {
        s.counters.bytes_read as f64
    }),
    counter("leveret_socket_written_bytes_total", "Bytes written to AMQP sockets.", |s| {
        s.counters.bytes_written as f64
    }),
    counter("leveret_log_syncs_total", "Group commits synced to disk.", |s| s.health.fsyncs as f64),
    gauge("leveret_log_backlog_bytes", "Bytes of the log that are not synced yet.", |s| {
        s.health.backlog_bytes as f64
    }),
    gauge("leveret_store_disk_bytes", "Bytes that the store takes on disk.", |s| {
        s.health.disk_bytes as f64
    }),
    gauge("leveret_store_cache_bytes", "Bytes of messages kept in memory.", |s| {
        s.health.cache_bytes as f64
    }),
    gauge("leveret_store_segments", "Sealed files with waiting messages.", |s| {
        s.health.segments as f64
    }),
    gauge(
        "leveret_queue_messages_retrying",
        "Messages that came back to quorum queues and wait for their retry.",
        |s| s.retrying as f64,
    ),
    gauge(
        "leveret_queue_dead_letters_kept",
        "Dead letters that wait until they can be delivered (at-least-once).",
        |s| s.kept_dead_letters as f64,
    ),
    gauge("leveret_delayed_messages", "Messages that wait in delayed exchanges.", |s| {
        s.delayed_messages as f64
    }),
    counter("leveret_delayed_released_total", "Delayed messages that went on.", |s| {
        s.delayed.released as f64
    }),
    counter(
        "leveret_delayed_unroutable_total",
        "Delayed messages that went on and reached no queue.",
        |s| s.delayed.unroutable as f64,
    ),
    counter(
        "leveret_delayed_refused_total",
        "Tries to send delayed messages on that a full queue refused.",
        |s| s.delayed.refused as f64,
    ),
    counter("leveret_delayed_cancelled_total", "Delayed messages that were cancelled.", |s| {
        s.delayed.cancelled as f64
    }),
    counter(
        "leveret_delayed_corrupt_total",
        "Delayed messages found damaged; they are not delivered.",
        |s| s.delayed.corrupt as f64,
    ),
    counter(
        "leveret_store_corrupt_total",
        "Stored messages found damaged; they are not delivered.",
        |s| s.health.corrupt as f64,
    ),
];

/// Answers the HTTP thread.
pub(crate) async fn answer(shard: Rc<RefCell<Shard>>, mut asks: mpsc::Receiver<Ask>) {
    let started = std::time::Instant::now();
    while let Some(ask) = asks.recv().await {
        match ask {
            Ask::Metrics(reply) => {
                let snapshot = shard.borrow().snapshot(started.elapsed().as_secs_f64());
                let _ = reply.send(Box::new(move |text| write(&snapshot, text)));
            }
            Ask::Health(reply) => {
                let _ = reply.send(shard.borrow().health());
            }
        }
    }
}

impl Shard {
    fn snapshot(&self, uptime_s: f64) -> Snapshot {
        let totals = self.broker.totals();
        Snapshot {
            broker: self.broker.stats(),
            delayed: self.broker.delayed_stats(),
            delayed_messages: self.broker.delayed_count(),
            counters: self.connections.counters,
            health: self.store.health(),
            sizes: self.sizes.clone(),
            connections: self.connections.table.len(),
            queues: self.broker.queue_count(),
            consumers: totals.consumers,
            ready: totals.ready,
            unacked: totals.unacked,
            retrying: totals.retrying,
            kept_dead_letters: totals.kept_dead_letters,
            memory_used: self.alarms.memory_used,
            memory_limit: self.alarms.memory_limit,
            disk_free: self.alarms.disk_free,
            disk_free_limit: self.alarms.disk_free_limit,
            memory_alarm: self.alarms.memory,
            disk_alarm: self.alarms.disk,
            uptime_s,
            version: self.settings.version.clone(),
            cluster_name: self.settings.cluster_name.clone(),
        }
    }

    /// Why the broker is not well, if it is not.
    fn health(&self) -> Health {
        let mut reasons = Vec::new();
        let alarms = &self.alarms;
        if alarms.memory {
            let (used, limit) = (alarms.memory_used, alarms.memory_limit);
            let detail = format!("{used} bytes used, limit {limit}: publishers are blocked");
            reasons.push(Reason { name: "memory_alarm", detail });
        }
        if alarms.disk {
            let (free, limit) = (alarms.disk_free, alarms.disk_free_limit);
            let detail = format!("{free} bytes free, limit {limit}: publishers are blocked");
            reasons.push(Reason { name: "disk_alarm", detail });
        }
        let corrupt = self.store.health().corrupt;
        if corrupt > 0 {
            let detail =
                format!("{corrupt} stored messages are damaged; see the log for file and offset");
            reasons.push(Reason { name: "corrupt_messages", detail });
        }
        Health { reasons }
    }
}

fn write(snapshot: &Snapshot, text: &mut Text) {
    let node = format!("leveret@{}", snapshot.cluster_name);
    text.family("rabbitmq_identity_info", Kind::Untyped, "Node and cluster identity.").sample(
        &[
            ("rabbitmq_node", &node),
            ("rabbitmq_cluster", &snapshot.cluster_name),
            ("rabbitmq_cluster_permanent_id", &snapshot.cluster_name),
            ("rabbitmq_endpoint", "aggregated"),
        ],
        1,
    );
    text.family("rabbitmq_build_info", Kind::Untyped, "Versions.").sample(
        &[
            ("rabbitmq_version", &snapshot.version),
            ("erlang_version", "none"),
            ("product_name", "Leveret"),
            ("product_version", env!("CARGO_PKG_VERSION")),
        ],
        1,
    );
    for (name, kind, labels, help, value) in METRICS {
        let labels: &[(&str, &str)] = match labels {
            Labels::None => &[],
            Labels::Protocol => &PROTOCOL,
            Labels::ProtocolAndQueue => &PROTOCOL_AND_QUEUE,
        };
        text.family(name, *kind, help).sample(labels, value(snapshot));
    }
    let stats = &snapshot.delayed;
    let late = Histogram::counted(LATENESS_BOUNDS, &stats.late, stats.late_sum_ms);
    text.family(
        "leveret_delayed_lateness_seconds",
        Kind::Histogram,
        "How late delayed messages went on.",
    )
    .histogram_ms(&[], &late);
    text.family("rabbitmq_message_size_bytes", Kind::Histogram, "Size of messages received.")
        .histogram(&PROTOCOL, &snapshot.sizes);
}
