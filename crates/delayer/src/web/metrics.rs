//! `/metrics`: every number of the delayer in Prometheus' format, in seconds and bytes.

use service::machine;
use service::metrics::{Kind, Text};

use super::health::late_ms;
use crate::desk::Status;

/// One metric: name, kind, help, and where its number is. Without a number it has no sample.
type Row = (&'static str, Kind, &'static str, fn(&Status) -> Option<f64>);

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1e3
}

/// Every metric with at most one sample and no label.
const METRICS: &[Row] = &[
    ("amqpdelayer_start_time_seconds", Kind::Gauge, "When the process started, Unix time.", |s| {
        Some(seconds(s.started_ms))
    }),
    (
        "amqpdelayer_process_resident_memory_bytes",
        Kind::Gauge,
        "Resident memory of the process.",
        |_| machine::resident_memory(&machine::root()).ok().map(|bytes| bytes as f64),
    ),
    ("amqpdelayer_connected", Kind::Gauge, "1 while connected to the broker.", |s| {
        Some(s.connected.is_some().into())
    }),
    ("amqpdelayer_blocked", Kind::Gauge, "1 while the broker takes no messages.", |s| {
        Some(s.blocked.is_some().into())
    }),
    ("amqpdelayer_held_messages", Kind::Gauge, "Stored messages.", |s| Some(s.totals.held as f64)),
    ("amqpdelayer_held_bytes", Kind::Gauge, "Bytes of the stored messages.", |s| {
        Some(s.totals.held_bytes as f64)
    }),
    (
        "amqpdelayer_next_due_timestamp_seconds",
        Kind::Gauge,
        "When the first message is due, Unix time; absent without messages.",
        |s| s.totals.next_due_ms.map(seconds),
    ),
    (
        "amqpdelayer_overdue_seconds",
        Kind::Gauge,
        "How long the first message has been due and not published; 0 when none is.",
        |s| Some(seconds(late_ms(s))),
    ),
    (
        "amqpdelayer_oldest_timestamp_seconds",
        Kind::Gauge,
        "When the message that has waited longest was stored, Unix time to the minute; absent \
         without messages.",
        |s| s.totals.oldest_ms.map(seconds),
    ),
    ("amqpdelayer_storage_full", Kind::Gauge, "1 while nothing can be stored.", |s| {
        Some(s.full.is_some().into())
    }),
    ("amqpdelayer_storage_bytes", Kind::Gauge, "Bytes that the storage takes on disk.", |s| {
        Some(s.totals.disk_bytes as f64)
    }),
    (
        "amqpdelayer_storage_part_bytes",
        Kind::Gauge,
        "Bytes used of the fullest part that has a limit.",
        |s| s.totals.part_bytes.map(|bytes| bytes as f64),
    ),
    (
        "amqpdelayer_storage_part_limit_bytes",
        Kind::Gauge,
        "Bytes that the fullest part may have (storage-mapsize).",
        |s| s.totals.part_bytes_max.map(|bytes| bytes as f64),
    ),
    (
        "amqpdelayer_unacked_messages",
        Kind::Gauge,
        "Messages received and not yet acknowledged.",
        |s| Some(s.unacked as f64),
    ),
    (
        "amqpdelayer_in_flight_messages",
        Kind::Gauge,
        "Messages published and not yet confirmed or removed.",
        |s| Some(s.in_flight as f64),
    ),
];

/// One counter: what it is called on the page and, between `amqpdelayer_` and `_total`, in
/// Prometheus; what it counts; where it is.
pub(super) type CounterRow =
    (&'static str, &'static str, &'static str, fn(&crate::desk::Counters) -> u64);

/// Every counter.
pub(super) const COUNTERS: &[CounterRow] = &[
    ("received", "amqpdelayer_received_total", "Messages received from the queue.", |c| c.received),
    ("stored", "amqpdelayer_stored_total", "Messages written to the storage.", |c| c.stored),
    ("groups", "amqpdelayer_groups_total", "Write transactions that stored messages.", |c| {
        c.groups
    }),
    (
        "revived",
        "amqpdelayer_revived_total",
        "Messages published after their delay, and confirmed.",
        |c| c.revived,
    ),
    (
        "forwarded",
        "amqpdelayer_forwarded_total",
        "Messages published without a delay, and confirmed.",
        |c| c.forwarded,
    ),
    (
        "returned",
        "amqpdelayer_returned_total",
        "Messages that the broker returned because no queue took them.",
        |c| c.returned,
    ),
    (
        "unconfirmed",
        "amqpdelayer_unconfirmed_total",
        "Messages refused by the broker, or lost with a channel or connection.",
        |c| c.unconfirmed,
    ),
    ("retried", "amqpdelayer_retried_total", "Messages put off to be tried again.", |c| c.retried),
    (
        "timestamps_implausible",
        "amqpdelayer_timestamps_implausible_total",
        "Timestamps too large to be seconds: the sender may mean milliseconds (timestamp-unit).",
        |c| c.timestamps_implausible,
    ),
    ("clamped", "amqpdelayer_clamped_total", "Due times brought down to max-delay.", |c| c.clamped),
    (
        "below_min_delay",
        "amqpdelayer_below_min_delay_total",
        "Messages due sooner than min-delay, and not stored.",
        |c| c.below_min_delay,
    ),
    (
        "user_ids_moved",
        "amqpdelayer_user_ids_moved_total",
        "user-id properties of another login, moved to x-original-user-id.",
        |c| c.user_ids_moved,
    ),
    (
        "cc_moved",
        "amqpdelayer_cc_moved_total",
        "CC and BCC headers moved to x-original-cc and x-original-bcc.",
        |c| c.cc_moved,
    ),
    (
        "loops",
        "amqpdelayer_loops_total",
        "Messages that would have come back to the delayer's own queue at once.",
        |c| c.loops,
    ),
    ("cancelled", "amqpdelayer_cancelled_total", "Messages cancelled by people.", |c| c.cancelled),
    (
        "rescheduled",
        "amqpdelayer_rescheduled_total",
        "Messages rescheduled or released by people.",
        |c| c.rescheduled,
    ),
    (
        "damaged",
        "amqpdelayer_damaged_total",
        "Stored messages found damaged; they stay where they are.",
        |c| c.damaged,
    ),
    (
        "reconnects",
        "amqpdelayer_reconnects_total",
        "Connections to the broker after the first.",
        |c| c.reconnects,
    ),
];

/// The whole page.
pub(super) fn page(status: &Status) -> String {
    let mut text = Text::new();
    text.family("amqpdelayer_build_info", Kind::Gauge, "The version that runs; always 1.")
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    text.family("amqpdelayer_info", Kind::Gauge, "What this delayer is; always 1.").sample(
        &[
            ("name", status.name.as_str()),
            ("mode", status.mode),
            ("queue", status.queue.as_str()),
            ("exchange", status.exchange.as_str()),
            ("storage", status.storage.as_str()),
        ],
        1,
    );
    for (name, kind, help, value) in METRICS {
        let mut family = text.family(name, *kind, help);
        if let Some(value) = value(status) {
            family.sample(&[], value);
        }
    }
    for (_, name, help, value) in COUNTERS {
        text.counter(name, help, value(&status.counters));
    }
    let lateness = &status.counters.lateness_ms;
    text.family("amqpdelayer_lateness_seconds", Kind::Histogram, "From due to published.")
        .histogram_ms(&[], lateness);
    text.finish()
}
