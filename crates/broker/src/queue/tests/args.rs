//! Arguments: what RabbitMQ 3.10.8 answered to the same declares.

use amqp::value::{Table, Value};

use super::rig::table;
use crate::queue::args::{ARGS, CONSUMER_ARGS, ConsumerArgs, Overflow, QueueArgs, inequivalent};

/// Declares with `words`; gives back `ok` or the reply text without the queue's name.
fn declare(words: &str) -> String {
    answer(&table(words))
}

fn answer(table: &Table) -> String {
    match QueueArgs::parse(table) {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.text("q", "/").replace(" queue 'q' in vhost '/'", " Q"),
    }
}

fn redeclare(old: &str, new: &str) -> String {
    match inequivalent(&table(old), &table(new)) {
        None => "ok".to_owned(),
        Some(difference) => difference
            .text("q", "/")
            .replace("inequivalent arg ", "")
            .replace(" queue 'q' in vhost '/'", " Q"),
    }
}

/// Arguments, and the answer to a declare with them.
const DECLARES: &[(&str, &str)] = &[
    ("x-message-ttl=0", "ok"),
    ("x-message-ttl=315360000000", "ok"),
    (
        "x-message-ttl=315360000001",
        "invalid arg 'x-message-ttl' for Q: {value_too_large,315360000001}",
    ),
    ("x-message-ttl=-1", "invalid arg 'x-message-ttl' for Q: {value_negative,-1}"),
    ("x-message-ttl=soon", "invalid arg 'x-message-ttl' for Q: \"expected integer, got longstr\""),
    ("x-message-ttl=true", "invalid arg 'x-message-ttl' for Q: \"expected integer, got bool\""),
    ("x-expires=0", "invalid arg 'x-expires' for Q: {value_zero,0}"),
    ("x-expires=-1", "invalid arg 'x-expires' for Q: {value_negative,-1}"),
    ("x-expires=315360000001", "invalid arg 'x-expires' for Q: {value_too_large,315360000001}"),
    ("x-max-length=-1", "invalid arg 'x-max-length' for Q: {value_negative,-1}"),
    ("x-max-length=a", "invalid arg 'x-max-length' for Q: \"expected integer, got longstr\""),
    ("x-max-length-bytes=-5", "invalid arg 'x-max-length-bytes' for Q: {value_negative,-5}"),
    ("x-max-priority=0", "ok"),
    ("x-max-priority=255", "ok"),
    ("x-max-priority=256", "invalid arg 'x-max-priority' for Q: {max_value_exceeded,256}"),
    ("x-max-priority=-1", "invalid arg 'x-max-priority' for Q: {value_negative,-1}"),
    ("x-overflow=reject-publish-dlx", "ok"),
    ("x-overflow=nope", "invalid arg 'x-overflow' for Q: invalid_overflow"),
    ("x-overflow=1", "invalid arg 'x-overflow' for Q: {unacceptable_type,long}"),
    ("x-dead-letter-exchange=no-such", "ok"),
    ("x-dead-letter-exchange=1", "invalid type 'long' for arg 'x-dead-letter-exchange' in Q"),
    ("x-dead-letter-exchange=true", "invalid type 'bool' for arg 'x-dead-letter-exchange' in Q"),
    (
        "x-dead-letter-routing-key=k",
        "invalid arg 'x-dead-letter-routing-key' for Q: routing_key_but_no_dlx_defined",
    ),
    ("x-dead-letter-exchange= x-dead-letter-routing-key=k", "ok"),
    (
        "x-dead-letter-exchange= x-dead-letter-routing-key=1",
        "invalid arg 'x-dead-letter-routing-key' for Q: {unacceptable_type,long}",
    ),
    ("x-queue-mode=lazy", "ok"),
    ("x-queue-mode=weird", "invalid arg 'x-queue-mode' for Q: \"unsupported queue mode 'weird'\""),
    ("x-queue-mode=1", "invalid arg 'x-queue-mode' for Q: {unacceptable_type,long}"),
    ("x-queue-version=2", "ok"),
    ("x-queue-version=3", "invalid arg 'x-queue-version' for Q: \"unsupported queue version '3'\""),
    ("x-queue-version=0", "invalid arg 'x-queue-version' for Q: \"unsupported queue version '0'\""),
    ("x-single-active-consumer=true", "ok"),
    (
        "x-single-active-consumer=yes",
        "invalid arg 'x-single-active-consumer' for Q: {unacceptable_type,longstr}",
    ),
    ("x-queue-type=classic", "ok"),
    ("x-queue-type=1", "invalid arg 'x-queue-type' for Q: {unacceptable_type,long}"),
    ("x-queue-type=weird", "invalid arg 'x-queue-type' for Q: \"unsupported queue type 'weird'\""),
    ("x-queue-master-locator=min-masters", "ok"),
    (
        "x-delivery-limit=a",
        "invalid arg 'x-delivery-limit' for Q of queue type rabbit_classic_queue",
    ),
    (
        "x-max-in-memory-length=1",
        "invalid arg 'x-max-in-memory-length' for Q of queue type rabbit_classic_queue",
    ),
    ("x-ha-policy=all x-consumer-timeout=1", "ok"),
];

#[test]
fn declares_are_answered_as_rabbitmq_does() {
    for (words, want) in DECLARES {
        assert_eq!(declare(words), *want, "{words}");
    }
}

#[test]
fn the_first_offender_is_the_one_rabbitmq_names() {
    let cases = [
        ("x-queue-type=weird x-dead-letter-exchange=1", "x-dead-letter-exchange"),
        ("x-queue-type=weird x-message-ttl=-1", "x-queue-type"),
        ("x-message-ttl=-1 x-expires=0", "x-expires"),
        ("x-message-ttl=-1 x-max-length=-1", "x-message-ttl"),
        ("x-message-ttl=-1 x-dead-letter-routing-key=k", "x-message-ttl"),
        ("x-max-length=-1 x-dead-letter-routing-key=k", "x-dead-letter-routing-key"),
        ("x-overflow=no x-max-length=-1", "x-max-length"),
        ("x-overflow=no x-max-priority=-1", "x-max-priority"),
        ("x-max-priority=-1 x-max-length-bytes=-1", "x-max-length-bytes"),
        ("x-queue-mode=no x-overflow=no", "x-overflow"),
        ("x-queue-mode=no x-queue-version=5", "x-queue-mode"),
        ("x-queue-version=5 x-single-active-consumer=1", "x-queue-version"),
        ("x-expires=0 x-delivery-limit=1", "x-expires"),
        ("x-delivery-limit=1 x-max-age=1h", "x-delivery-limit"),
        ("x-max-age=1h x-dead-letter-strategy=a", "x-max-age"),
    ];
    for (words, name) in cases {
        assert!(declare(words).contains(&format!("arg '{name}'")), "{words}: {}", declare(words));
    }
}

#[test]
fn other_queue_types_are_refused_by_name() {
    for name in ["quorum", "stream"] {
        let want = format!(
            "invalid arg 'x-queue-type' for Q: \"queue type '{name}' is not supported, use 'classic'\""
        );
        assert_eq!(declare(&format!("x-queue-type={name}")), want);
    }
}

#[test]
fn odd_types_are_named_as_rabbitmq_names_them() {
    let cases = [
        (Value::F64(1.5), "double"),
        (Value::Void, "void"),
        (Value::Timestamp(1), "timestamp"),
        (Value::Decimal { scale: 0, value: 5 }, "decimal"),
        (Value::Array(Vec::new()), "array"),
        (Value::Table(Table::new()), "table"),
    ];
    for (value, name) in cases {
        let mut table = Table::new();
        table.insert("x-message-ttl", value);
        let want = format!("invalid arg 'x-message-ttl' for Q: \"expected integer, got {name}\"");
        assert_eq!(answer(&table), want);
    }
}

#[test]
fn arguments_mean_what_they_say() {
    let words = "x-message-ttl=5 x-expires=6 x-max-length=7 x-max-length-bytes=8 x-max-priority=9 \
                 x-overflow=reject-publish x-dead-letter-exchange=e x-dead-letter-routing-key=k \
                 x-single-active-consumer=true";
    let args = QueueArgs::parse(&table(words)).unwrap();
    assert_eq!(
        args,
        QueueArgs {
            message_ttl: Some(5),
            expires: Some(6),
            dead_letter_exchange: Some((*b"e").into()),
            dead_letter_routing_key: Some((*b"k").into()),
            max_length: Some(7),
            max_length_bytes: Some(8),
            overflow: Overflow::RejectPublish,
            max_priority: 9,
            single_active_consumer: true,
        }
    );
    assert_eq!(QueueArgs::parse(&Table::new()).unwrap(), QueueArgs::default());
}

#[test]
fn redeclares_are_answered_as_rabbitmq_does() {
    let cases = [
        ("x-message-ttl=1", "x-message-ttl=1", "ok"),
        (
            "x-message-ttl=1",
            "x-message-ttl=2",
            "'x-message-ttl' for Q: received '2' but current is '1'",
        ),
        (
            "x-message-ttl=1",
            "x-message-ttl=a",
            "'x-message-ttl' for Q: received 'a' but current is '1'",
        ),
        (
            "x-message-ttl=1",
            "",
            "'x-message-ttl' for Q: received none but current is the value '1' of type 'long'",
        ),
        (
            "",
            "x-message-ttl=-1",
            "'x-message-ttl' for Q: received the value '-1' of type 'long' but current is none",
        ),
        ("", "x-queue-type=classic", "ok"),
        ("x-queue-type=classic", "", "ok"),
        (
            "",
            "x-queue-type=quorum",
            "'x-queue-type' for Q: received the value 'quorum' of type 'longstr' but current is none",
        ),
        (
            "x-queue-type=classic",
            "x-queue-type=quorum",
            "'x-queue-type' for Q: received 'quorum' but current is 'classic'",
        ),
        (
            "x-overflow=drop-head",
            "",
            "'x-overflow' for Q: received none but current is the value 'drop-head' of type 'longstr'",
        ),
        (
            "x-single-active-consumer=true",
            "",
            "'x-single-active-consumer' for Q: received none but current is the value 'true' of type 'bool'",
        ),
        (
            "x-queue-master-locator=min-masters",
            "",
            "'x-queue-master-locator' for Q: received none but current is the value 'min-masters' of type 'longstr'",
        ),
        ("x-unknown=1", "x-other=2", "ok"),
        (
            "x-message-ttl=1 x-expires=6",
            "x-message-ttl=2 x-expires=7",
            "'x-expires' for Q: received '7' but current is '6'",
        ),
    ];
    for (old, new, want) in cases {
        assert_eq!(redeclare(old, new), want, "{old} then {new}");
    }
}

#[test]
fn redeclare_with_another_width_of_integer_is_equal() {
    let with = |value| {
        let mut table = Table::new();
        table.insert("x-message-ttl", value);
        table
    };
    for value in
        [Value::I8(5), Value::U8(5), Value::I16(5), Value::U16(5), Value::I32(5), Value::U32(5)]
    {
        assert_eq!(inequivalent(&with(Value::I64(5)), &with(value.clone())), None, "{value:?}");
    }
    assert!(inequivalent(&with(Value::I64(5)), &with(Value::F64(5.0))).is_some());
    assert!(inequivalent(&with(Value::I64(5)), &with(Value::from("5"))).is_some());
}

#[test]
fn consumers_are_answered_as_rabbitmq_does() {
    let cases = [
        ("x-priority=-5", "ok"),
        ("x-priority=1099511627776", "ok"),
        ("x-priority=a", "invalid arg 'x-priority' for Q: \"expected integer, got longstr\""),
        ("x-priority=true", "invalid arg 'x-priority' for Q: \"expected integer, got bool\""),
        (
            "x-cancel-on-ha-failover=1",
            "invalid arg 'x-cancel-on-ha-failover' for Q: {unacceptable_type,long}",
        ),
        (
            "x-stream-offset=first",
            "invalid arg 'x-stream-offset' for Q of queue type rabbit_classic_queue",
        ),
        ("x-consumer-timeout=a", "ok"),
    ];
    for (words, want) in cases {
        let got = match ConsumerArgs::parse(&table(words)) {
            Ok(_) => "ok".to_owned(),
            Err(error) => error.text("q", "/").replace(" queue 'q' in vhost '/'", " Q"),
        };
        assert_eq!(got, want, "{words}");
    }
    assert_eq!(ConsumerArgs::parse(&table("x-priority=-5")).unwrap().priority, -5);
}

#[test]
fn every_row_has_a_name_of_its_own_and_a_sentence() {
    let names: Vec<_> = ARGS.iter().map(|row| (row.name, row.doc)).collect();
    let consumer: Vec<_> = CONSUMER_ARGS.iter().map(|row| (row.name, row.doc)).collect();
    for rows in [names, consumer] {
        for (at, (name, doc)) in rows.iter().enumerate() {
            assert!(name.starts_with("x-") && doc.ends_with('.'), "{name}: {doc}");
            assert!(rows[..at].iter().all(|(other, _)| other != name), "{name} twice");
        }
    }
}
