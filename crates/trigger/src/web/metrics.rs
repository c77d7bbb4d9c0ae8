//! `/metrics`: every number of the triggers in Prometheus' format, in seconds, with the label
//! `trigger`.

use service::machine;
use service::metrics::{Histogram, Kind, Text};

use super::health::unready;
use super::{Reloaded, Seen};
use crate::desk::{Condition, Counters, Status};
use crate::reason::Reason;

/// One gauge of each trigger: name, help, and where its number is. Without a number it has no
/// sample.
type GaugeRow = (&'static str, &'static str, fn(&Status) -> Option<f64>);

/// Every gauge without further labels.
const GAUGES: &[GaugeRow] = &[
    ("leveret_trigger_start_time_seconds", "When the trigger started, Unix time.", |s| {
        Some(seconds(s.started_ms))
    }),
    ("leveret_trigger_in_flight", "Runs under way.", |s| Some(s.in_flight as f64)),
    ("leveret_trigger_queued", "Messages that wait for a run.", |s| Some(s.queued as f64)),
    ("leveret_trigger_holding", "Messages that wait for their next attempt.", |s| {
        Some(s.holding as f64)
    }),
    ("leveret_trigger_unacked", "Messages received and not yet settled.", |s| {
        Some(s.unacked as f64)
    }),
    ("leveret_trigger_prefetch", "Messages received and not settled, at most.", |s| {
        Some(s.prefetch.into())
    }),
    ("leveret_trigger_consumers", "Runs at the same time, at most.", |s| Some(s.consumers.into())),
    ("leveret_trigger_breaker_state", "0 closed, 1 half-open, 2 open.", |s| {
        Some(match s.condition {
            Condition::BreakerOpen(_) => 2.0,
            Condition::BreakerHalfOpen => 1.0,
            _ => 0.0,
        })
    }),
    (
        "leveret_trigger_last_success_timestamp_seconds",
        "When a run succeeded last, Unix time; absent before the first.",
        |s| s.last_success_ms.map(seconds),
    ),
];

/// One counter: what it is called on the page and in the API, its metric, what it counts, where it
/// is.
pub(super) type CounterRow = (&'static str, &'static str, &'static str, fn(&Counters) -> u64);

/// Every counter without further labels.
pub(super) const COUNTERS: &[CounterRow] = &[
    ("received", "leveret_trigger_received_total", "Messages received from the queue.", |c| {
        c.received
    }),
    ("started", "leveret_trigger_started_total", "Runs started.", |c| c.started),
    (
        "oversize",
        "leveret_trigger_oversize_total",
        "Messages larger than max_message_bytes.",
        |c| c.oversize,
    ),
    (
        "invalid_text",
        "leveret_trigger_invalid_text_total",
        "Messages whose text was not in its character set.",
        |c| c.invalid_text,
    ),
    ("replies", "leveret_trigger_replies_total", "Replies published and confirmed.", |c| c.replies),
    (
        "unpublished",
        "leveret_trigger_unpublished_total",
        "Messages published for a retry, a dead letter or a reply that no queue took, or that were \
         refused or lost.",
        |c| c.unpublished,
    ),
    (
        "reconnects",
        "leveret_trigger_reconnects_total",
        "Connections to the broker after the first.",
        |c| c.reconnects,
    ),
    (
        "recycled",
        "leveret_trigger_recycled_total",
        "Channels given up because messages were unaccounted for: an error in the program.",
        |c| c.recycled,
    ),
];

/// One outcome of a message or a run: its word, what it means, where its count is.
pub(super) type OutcomeRow = (&'static str, &'static str, fn(&Counters) -> u64);

/// Every outcome.
pub(super) const OUTCOMES: &[OutcomeRow] = &[
    ("ok", "Messages whose run succeeded.", |c| c.ok),
    ("retry", "Runs that failed and are tried again.", |c| c.retry),
    ("dead", "Messages that failed for good.", |c| c.dead.iter().sum()),
    ("expired", "Messages that waited too long for their run.", |c| c.expired),
    ("refused", "Messages refused before a run.", |c| c.refused.iter().sum()),
    ("dropped", "Messages acknowledged without success: dropped, discarded or duplicates.", |c| {
        c.dropped
    }),
    ("returned", "Messages given back to the queue without a run.", |c| c.returned),
    ("orphaned", "Runs whose channel was gone before their end.", |c| c.orphaned),
    ("joined", "Redelivered copies settled by the run of their original.", |c| c.joined),
    ("lost", "Messages acknowledged first, that then failed for good or were given up.", |c| {
        c.lost
    }),
];

/// One histogram of milliseconds.
type TimesRow = (&'static str, &'static str, fn(&Counters) -> &Histogram);

/// Every histogram.
const TIMES: &[TimesRow] = &[
    ("leveret_trigger_wait_seconds", "From receipt to the start of the run.", |c| &c.wait_ms),
    ("leveret_trigger_run_seconds", "From the start of a run to its end.", |c| &c.run_ms),
    ("leveret_trigger_ack_lag_seconds", "From the end of a run to its settling.", |c| {
        &c.ack_lag_ms
    }),
];

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1e3
}

/// The whole page.
pub(super) fn page(all: &[Seen], reload: Option<&Reloaded>) -> String {
    let mut text = Text::new();
    process(&mut text, reload);
    let answered: Vec<(&str, &Status)> = all
        .iter()
        .filter_map(|seen| Some((seen.name.as_str(), seen.status.as_deref().ok()?)))
        .collect();
    states(&mut text, all, &answered);
    for (name, help, value) in GAUGES {
        let mut family = text.family(name, Kind::Gauge, help);
        for (trigger, status) in &answered {
            if let Some(value) = value(status) {
                family.sample(&[("trigger", trigger)], value);
            }
        }
    }
    for (_, name, help, value) in COUNTERS {
        let mut family = text.family(name, Kind::Counter, help);
        for (trigger, status) in &answered {
            family.sample(&[("trigger", trigger)], value(&status.counters));
        }
    }
    outcomes(&mut text, &answered);
    for (name, help, times) in TIMES {
        let mut family = text.family(name, Kind::Histogram, help);
        for (trigger, status) in &answered {
            family.histogram_ms(&[("trigger", trigger)], times(&status.counters));
        }
    }
    text.finish()
}

fn process(text: &mut Text, reload: Option<&Reloaded>) {
    text.family("leveret_trigger_build_info", Kind::Gauge, "The version that runs; always 1.")
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    if let Ok(bytes) = machine::resident_memory(&machine::root()) {
        let help = "Resident memory of the process.";
        text.gauge("leveret_trigger_process_resident_memory_bytes", help, bytes);
    }
    let help = "0 while the configuration cannot be used and an older one runs.";
    let success = reload.is_none_or(|reload| reload.result.is_ok());
    text.gauge("leveret_trigger_config_reload_success", help, u8::from(success));
    if let Some(reload) = reload {
        let help = "When the configuration was read again last, Unix time.";
        let name = "leveret_trigger_config_last_reload_timestamp_seconds";
        text.gauge(name, help, seconds(reload.at_ms));
    }
}

/// What each trigger is, and what it is doing.
fn states(text: &mut Text, all: &[Seen], answered: &[(&str, &Status)]) {
    let mut family =
        text.family("leveret_trigger_info", Kind::Gauge, "What a trigger is; always 1.");
    for (trigger, status) in answered {
        family.sample(
            &[
                ("trigger", trigger),
                ("queue", &status.queue),
                ("broker", &status.broker),
                ("pipeline", status.pipeline),
                ("target", &status.target),
            ],
            1,
        );
    }
    let help = "1 for what a trigger is doing; running is the usual one.";
    let mut family = text.family("leveret_trigger_condition", Kind::Gauge, help);
    for seen in all {
        family.sample(&[("trigger", &seen.name), ("condition", seen.word())], 1);
    }
    let help = "1 while a trigger is connected and its queue is there.";
    let mut family = text.family("leveret_trigger_ready", Kind::Gauge, help);
    for seen in all {
        family.sample(&[("trigger", &seen.name)], u8::from(unready(seen).is_none()));
    }
}

fn outcomes(text: &mut Text, answered: &[(&str, &Status)]) {
    let help = "What became of messages and runs.";
    let mut family = text.family("leveret_trigger_outcomes_total", Kind::Counter, help);
    for (trigger, status) in answered {
        for (outcome, _, value) in OUTCOMES {
            family.sample(&[("trigger", trigger), ("outcome", outcome)], value(&status.counters));
        }
    }
    let mut reasons = |name, help, counts: fn(&Counters) -> &[u64; Reason::ALL.len()]| {
        let mut family = text.family(name, Kind::Counter, help);
        for (trigger, status) in answered {
            for (reason, count) in Reason::ALL.iter().zip(counts(&status.counters)) {
                family.sample(&[("trigger", trigger), ("reason", reason.word())], count);
            }
        }
    };
    reasons("leveret_trigger_dead_total", "Messages that failed for good.", |c| &c.dead);
    reasons("leveret_trigger_refused_total", "Messages refused before a run.", |c| &c.refused);
}
