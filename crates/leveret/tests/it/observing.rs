//! What the broker shows of itself over HTTP.

use amqp::method::BasicGet;

use crate::broker::{Broker, eventually, shared};
use crate::client::Client;
use crate::client::arguments::{consume, queue};
use crate::client::login::Login;
use crate::client::message::message;

/// What RabbitMQ's overview dashboard queries (management.md 3.2).
const NAMES: &[&str] = &[
    "rabbitmq_identity_info",
    "rabbitmq_build_info",
    "rabbitmq_erlang_uptime_seconds",
    "rabbitmq_process_resident_memory_bytes",
    "rabbitmq_resident_memory_limit_bytes",
    "rabbitmq_disk_space_available_bytes",
    "rabbitmq_disk_space_available_limit_bytes",
    "rabbitmq_process_open_fds",
    "rabbitmq_process_max_fds",
    "rabbitmq_connections",
    "rabbitmq_channels",
    "rabbitmq_queues",
    "rabbitmq_connections_opened_total",
    "rabbitmq_connections_closed_total",
    "rabbitmq_channels_opened_total",
    "rabbitmq_channels_closed_total",
    "rabbitmq_queues_declared_total",
    "rabbitmq_queues_created_total",
    "rabbitmq_queues_deleted_total",
    "rabbitmq_queue_messages_ready",
    "rabbitmq_queue_messages_unacked",
    "rabbitmq_global_publishers",
    "rabbitmq_global_consumers",
    "rabbitmq_global_messages_received_total",
    "rabbitmq_global_messages_received_confirm_total",
    "rabbitmq_global_messages_confirmed_total",
    "rabbitmq_global_messages_routed_total",
    "rabbitmq_global_messages_unroutable_returned_total",
    "rabbitmq_global_messages_unroutable_dropped_total",
    "rabbitmq_global_messages_delivered_total",
    "rabbitmq_global_messages_delivered_consume_auto_ack_total",
    "rabbitmq_global_messages_delivered_consume_manual_ack_total",
    "rabbitmq_global_messages_delivered_get_auto_ack_total",
    "rabbitmq_global_messages_delivered_get_manual_ack_total",
    "rabbitmq_global_messages_get_empty_total",
    "rabbitmq_global_messages_redelivered_total",
    "rabbitmq_global_messages_acknowledged_total",
    "rabbitmq_message_size_bytes_bucket",
    "rabbitmq_message_size_bytes_sum",
    "rabbitmq_message_size_bytes_count",
];

#[test]
fn metrics_have_the_names_that_dashboards_query() {
    let (status, body) = shared().http("/metrics");
    assert_eq!(status, 200);
    for name in NAMES {
        assert!(
            body.lines().any(|line| {
                line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']))
            }),
            "{name} is missing"
        );
    }
    for line in body.lines().filter(|line| !line.starts_with('#')) {
        let value = line.rsplit(' ').next().unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
}

/// How the metrics with these names (without `rabbitmq_`) have to have changed by an action.
#[track_caller]
fn check(broker: &Broker, changes: &[(&str, f64)], action: impl FnOnce()) {
    let name = |short: &str| format!("rabbitmq_{short}");
    let before: Vec<f64> = changes.iter().map(|(short, _)| broker.metric(&name(short))).collect();
    action();
    for ((short, change), before) in changes.iter().zip(before) {
        let mut last = 0.0;
        eventually(&format!("{short} changes by {change}, not {last}"), || {
            last = broker.metric(&name(short)) - before;
            last == *change
        });
    }
}

#[test]
fn counters_and_gauges_follow_what_happens() {
    let broker = Broker::start();
    let client = Client::connect(&broker);
    let c = client.channel();
    check(
        &broker,
        &[("queues", 1.0), ("queues_declared_total", 1.0), ("queues_created_total", 1.0)],
        || drop(c.declare(&queue("o"))),
    );
    check(&broker, &[("channels", 1.0), ("channels_opened_total", 1.0)], || {
        client.channel().silent();
    });
    check(&broker, &[("connections", 0.0), ("connections_closed_total", 1.0)], || {
        Client::connect(&broker).close();
    });
    check(
        &broker,
        &[
            ("global_messages_received_total", 4.0),
            ("global_messages_received_confirm_total", 4.0),
            ("global_messages_confirmed_total", 4.0),
            ("global_messages_routed_total", 2.0),
            ("global_messages_unroutable_returned_total", 1.0),
            ("global_messages_unroutable_dropped_total", 1.0),
            ("global_publishers", 1.0),
            ("queue_messages_ready", 2.0),
            ("message_size_bytes_count", 4.0),
            ("message_size_bytes_sum", 14.0),
        ],
        || {
            c.confirms();
            c.publish("", "o", "four");
            c.publish("", "o", "five5");
            c.send_message(&message("", "nowhere", "re").mandatory());
            c.publish("", "nowhere", "uns");
            c.next();
            while !matches!(c.next(), crate::client::channel::Event::Ack { tag: 4, .. }) {}
        },
    );
}

#[test]
fn deliveries_and_acknowledgements_are_counted() {
    let broker = Broker::start();
    let c = Client::connect(&broker).channel();
    c.declare(&queue("o"));
    c.publish("", "o", "four");
    c.publish("", "o", "five5");
    c.silent();
    check(
        &broker,
        &[
            ("global_consumers", 1.0),
            ("global_messages_delivered_consume_manual_ack_total", 2.0),
            ("queue_messages_ready", -2.0),
            ("queue_messages_unacked", 2.0),
        ],
        || {
            c.consume(&consume("o").tag("t"));
            c.expect_bodies(&["four", "five5"]);
        },
    );
    check(
        &broker,
        &[("global_messages_acknowledged_total", 1.0), ("queue_messages_unacked", -1.0)],
        || {
            c.ack(1);
            c.silent();
        },
    );
    check(
        &broker,
        &[
            ("global_consumers", -1.0),
            ("global_messages_redelivered_total", 1.0),
            ("global_messages_delivered_get_auto_ack_total", 1.0),
            ("global_messages_get_empty_total", 1.0),
            ("queue_messages_unacked", -1.0),
        ],
        || {
            c.cancel("t");
            c.reject(2, true);
            assert_eq!(c.take("o").unwrap().text(), "five5");
            c.rpc(BasicGet { queue: "o", no_ack: true });
        },
    );
    check(&broker, &[("queues", -1.0), ("queues_deleted_total", 1.0)], || {
        c.delete("o");
    });
}

#[test]
fn failed_logins_are_counted() {
    let broker = Broker::start();
    check(&broker, &[("auth_attempts_total", 2.0), ("auth_attempts_failed_total", 1.0)], || {
        let client = Client::raw(broker.amqp());
        Login::user("guest", "wrong").start(&client);
        client.expect_close_code(403);
        Client::connect(&broker);
    });
}

#[test]
fn memory_that_is_shown_is_plausible() {
    let bytes = shared().metric("rabbitmq_process_resident_memory_bytes");
    assert!((1e6..1e9).contains(&bytes), "{bytes}");
    assert!(shared().metric("rabbitmq_resident_memory_limit_bytes") > 1e8);
    assert!(shared().metric("rabbitmq_disk_space_available_bytes") > 1e6);
}

#[test]
fn health_is_well_and_other_paths_are_not_found() {
    assert_eq!(shared().http("/healthz").0, 200);
    assert_eq!(shared().http("/nothing").0, 404);
}
