//! The page is what Prometheus and the dashboards parse, byte for byte.

use super::*;

fn check(write: impl FnOnce(&mut Text), expected: &[&str]) {
    let mut text = Text::new();
    write(&mut text);
    assert_eq!(text.finish().lines().collect::<Vec<_>>(), expected);
}

#[test]
fn families_have_type_help_and_samples() {
    check(
        |t| {
            t.gauge("rabbitmq_queues", "Queues", 3);
            t.family("a_total", Kind::Counter, "two\nlines \\ here")
                .sample(&[("protocol", "amqp091"), ("queue_type", "classic")], 7)
                .sample(&[], 0.5);
        },
        &[
            "# TYPE rabbitmq_queues gauge",
            "# HELP rabbitmq_queues Queues",
            "rabbitmq_queues 3",
            "# TYPE a_total counter",
            "# HELP a_total two\\nlines \\\\ here",
            "a_total{protocol=\"amqp091\",queue_type=\"classic\"} 7",
            "a_total 0.5",
        ],
    );
}

#[test]
fn label_values_are_escaped() {
    check(
        |t| {
            t.family("q", Kind::Untyped, "h").sample(&[("queue", "a\"b\\c\nd é")], 1);
        },
        &["# TYPE q untyped", "# HELP q h", "q{queue=\"a\\\"b\\\\c\\nd é\"} 1"],
    );
}

#[test]
fn message_size_buckets_are_cumulative_with_literal_bounds() {
    let mut histogram = Histogram::new(MESSAGE_SIZE_BOUNDS);
    for size in [0, 100, 101, 50_000_000, 200_000_000] {
        histogram.observe(size);
    }
    check(
        |t| {
            t.family("s", Kind::Histogram, "h").histogram(&[("protocol", "amqp091")], &histogram);
        },
        &[
            "# TYPE s histogram",
            "# HELP s h",
            "s_bucket{protocol=\"amqp091\",le=\"100.0\"} 2",
            "s_bucket{protocol=\"amqp091\",le=\"1000.0\"} 3",
            "s_bucket{protocol=\"amqp091\",le=\"10000.0\"} 3",
            "s_bucket{protocol=\"amqp091\",le=\"100000.0\"} 3",
            "s_bucket{protocol=\"amqp091\",le=\"1e+06\"} 3",
            "s_bucket{protocol=\"amqp091\",le=\"1e+07\"} 3",
            "s_bucket{protocol=\"amqp091\",le=\"5e+07\"} 4",
            "s_bucket{protocol=\"amqp091\",le=\"1e+08\"} 4",
            "s_bucket{protocol=\"amqp091\",le=\"+Inf\"} 5",
            "s_sum{protocol=\"amqp091\"} 250000201",
            "s_count{protocol=\"amqp091\"} 5",
        ],
    );
}

#[test]
fn a_histogram_of_milliseconds_is_shown_in_seconds() {
    let mut histogram = Histogram::new(&[(10, "0.01"), (1_000, "1")]);
    for late_ms in [3, 250] {
        histogram.observe(late_ms);
    }
    check(
        |t| {
            t.family("late_seconds", Kind::Histogram, "h").histogram_ms(&[], &histogram);
        },
        &[
            "# TYPE late_seconds histogram",
            "# HELP late_seconds h",
            "late_seconds_bucket{le=\"0.01\"} 1",
            "late_seconds_bucket{le=\"1\"} 2",
            "late_seconds_bucket{le=\"+Inf\"} 2",
            "late_seconds_sum 0.253",
            "late_seconds_count 2",
        ],
    );
}
