//! Arguments: what RabbitMQ 3.10.8 answered to the same declares.

use amqp::value::{Table, Value};

use super::rig::table;
use crate::queue::args::{
    ARGS, CONSUMER_ARGS, ConsumerArgs, Overflow, QueueArgs, QueueKind, Retry, RetryOf, inequivalent,
};

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
    match inequivalent(&table(old), &table(new), false) {
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

/// The same for quorum queues.
const QUORUM_DECLARES: &[(&str, &str)] = &[
    ("", "ok"),
    ("x-expires=5000", "ok"),
    ("x-expires=0", "invalid arg 'x-expires' for Q: {value_zero,0}"),
    ("x-message-ttl=5", "ok"),
    ("x-dead-letter-exchange=d", "ok"),
    (
        "x-dead-letter-routing-key=d",
        "invalid arg 'x-dead-letter-routing-key' for Q: routing_key_but_no_dlx_defined",
    ),
    ("x-max-length=5 x-max-length-bytes=5", "ok"),
    ("x-max-priority=5", "FOREIGN"),
    ("x-overflow=drop-head", "ok"),
    ("x-overflow=reject-publish", "ok"),
    ("x-overflow=reject-publish-dlx", "ok"),
    ("x-queue-mode=lazy", "FOREIGN"),
    ("x-queue-mode=x", "FOREIGN"),
    ("x-queue-version=2", "FOREIGN"),
    ("x-single-active-consumer=true", "ok"),
    ("x-queue-master-locator=client-local", "FOREIGN"),
    ("x-queue-leader-locator=balanced", "ok"),
    (
        "x-queue-leader-locator=x",
        "invalid arg 'x-queue-leader-locator' for Q: invalid_queue_locator_arg",
    ),
    ("x-delivery-limit=2", "ok"),
    ("x-delivery-limit=-1", "ok"),
    ("x-delivery-limit=a", "ok"),
    ("x-quorum-initial-group-size=3", "ok"),
    (
        "x-quorum-initial-group-size=0",
        "invalid arg 'x-quorum-initial-group-size' for Q: {value_zero,0}",
    ),
    (
        "x-quorum-initial-group-size=-1",
        "invalid arg 'x-quorum-initial-group-size' for Q: {value_negative,-1}",
    ),
    (
        "x-quorum-initial-group-size=a",
        "invalid arg 'x-quorum-initial-group-size' for Q: \"expected integer, got longstr\"",
    ),
    ("x-max-age=1D", "FOREIGN"),
    ("x-stream-max-segment-size-bytes=5", "FOREIGN"),
    ("x-initial-cluster-size=1", "FOREIGN"),
    ("x-dead-letter-strategy=at-least-once", "ok"),
    (
        "x-dead-letter-strategy=a",
        "invalid arg 'x-dead-letter-strategy' for Q: invalid_dlx_strategy",
    ),
    (
        "x-dead-letter-strategy=1",
        "invalid arg 'x-dead-letter-strategy' for Q: {unacceptable_type,long}",
    ),
    ("x-max-in-memory-length=5 x-max-in-memory-bytes=5", "ok"),
    (
        "x-max-in-memory-length=-5",
        "invalid arg 'x-max-in-memory-length' for Q: {value_negative,-5}",
    ),
    ("x-consumer-timeout=5 x-unknown=5 x-delayed-retry-type=all", "ok"),
];

#[test]
fn declares_are_answered_as_rabbitmq_does() {
    for (words, want) in DECLARES {
        assert_eq!(declare(words), *want, "{words}");
    }
    for (words, want) in QUORUM_DECLARES {
        let name = words.split('=').next().unwrap_or_default();
        let foreign = format!("invalid arg '{name}' for Q of queue type rabbit_quorum_queue");
        let want = if *want == "FOREIGN" { &foreign } else { *want };
        assert_eq!(declare(&format!("x-queue-type=quorum {words}")), want, "{words}");
    }
}

#[test]
fn arguments_of_quorum_queues_mean_what_they_say() {
    let parse = |words: &str| QueueArgs::parse(&table(&format!("x-queue-type=quorum {words}")));
    let args =
        parse("x-delivery-limit=3 x-delayed-retry-type=failed x-delayed-retry-min=10").unwrap();
    assert_eq!((args.kind, args.max_priority, args.default_priority), (QueueKind::Quorum, 31, 4));
    assert_eq!(args.delivery_limit, Some(3));
    assert_eq!(args.retry, Retry { which: RetryOf::Failed, min: 10, max: None });
    assert_eq!(parse("x-delivery-limit=-1").unwrap().delivery_limit, None);
    assert_eq!(parse("x-overflow=reject-publish-dlx").unwrap().overflow, Overflow::DropHead);
    let strategies = [
        ("x-overflow=reject-publish x-dead-letter-exchange=d", true),
        ("x-overflow=reject-publish", false),
        ("x-dead-letter-exchange=d", false),
    ];
    for (words, keeps) in strategies {
        let args = parse(&format!("x-dead-letter-strategy=at-least-once {words}")).unwrap();
        assert_eq!(args.keeps_dead_letters(), keeps, "{words}");
    }
    let classic =
        QueueArgs::parse(&table("x-delayed-retry-type=all x-delayed-retry-min=1")).unwrap();
    assert_eq!(classic, QueueArgs::default());
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
        ("x-dead-letter-strategy=a x-max-age=1h", "x-dead-letter-strategy"),
        ("x-queue-type=quorum x-max-priority=5 x-queue-mode=lazy", "x-max-priority"),
        ("x-queue-type=quorum x-queue-mode=lazy x-max-priority=5", "x-queue-mode"),
        ("x-queue-type=quorum x-max-priority=5 x-expires=0", "x-expires"),
    ];
    for (words, name) in cases {
        assert!(declare(words).contains(&format!("arg '{name}'")), "{words}: {}", declare(words));
    }
}

#[test]
fn streams_are_refused_by_name() {
    let want = "invalid arg 'x-queue-type' for Q: \
                \"queue type 'stream' is not supported yet, use 'quorum' or 'classic'\"";
    assert_eq!(declare("x-queue-type=stream"), want);
    assert_eq!(declare("x-queue-type=stream x-max-age=1h"), want);
}

#[test]
fn kinds_are_named_as_in_x_queue_type() {
    for kind in QueueKind::ALL {
        assert_eq!(QueueKind::parse(kind.name()), Some(kind));
        let args = QueueArgs::parse(&table(&format!("x-queue-type={}", kind.name()))).unwrap();
        assert_eq!(args.kind, kind);
    }
    assert_eq!(QueueKind::parse("stream"), None);
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
            ..QueueArgs::default()
        }
    );
    assert_eq!(QueueArgs::parse(&Table::new()).unwrap(), QueueArgs::default());
}

/// Arguments of two declares of a queue, and the answer to the second one.
const REDECLARES: &[(&str, &str, &str)] = &[
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
        "x-queue-type=quorum",
        "",
        "'x-queue-type' for Q: received none but current is the value 'quorum' of type 'longstr'",
    ),
    (
        "x-queue-type=quorum",
        "x-queue-type=classic",
        "'x-queue-type' for Q: received 'classic' but current is 'quorum'",
    ),
    ("x-queue-type=quorum", "x-queue-type=quorum x-max-priority=5", "ok"),
    (
        "x-queue-type=quorum x-delivery-limit=5",
        "x-queue-type=quorum x-delivery-limit=6",
        "'x-delivery-limit' for Q: received '6' but current is '5'",
    ),
    (
        "x-queue-type=quorum x-dead-letter-strategy=at-least-once",
        "x-queue-type=quorum",
        "'x-dead-letter-strategy' for Q: received none but current is the value 'at-least-once' of type 'longstr'",
    ),
    (
        "x-queue-type=quorum x-quorum-initial-group-size=1",
        "x-queue-type=quorum x-quorum-initial-group-size=3",
        "'x-quorum-initial-group-size' for Q: received '3' but current is '1'",
    ),
    (
        "x-message-ttl=1 x-expires=6",
        "x-message-ttl=2 x-expires=7",
        "'x-expires' for Q: received '7' but current is '6'",
    ),
];

#[test]
fn redeclares_are_answered_as_rabbitmq_does() {
    for (old, new, want) in REDECLARES {
        assert_eq!(redeclare(old, new), *want, "{old} then {new}");
    }
}

#[test]
fn a_quorum_queue_may_be_redeclared_as_a_classic_one_when_that_is_allowed() {
    let (quorum, classic) = (table("x-queue-type=quorum"), table("x-queue-type=classic"));
    assert_eq!(inequivalent(&quorum, &classic, true), None);
    assert_eq!(inequivalent(&quorum, &Table::new(), true), None);
    assert!(inequivalent(&classic, &quorum, true).is_some());
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
        let difference = inequivalent(&with(Value::I64(5)), &with(value.clone()), false);
        assert_eq!(difference, None, "{value:?}");
    }
    assert!(inequivalent(&with(Value::I64(5)), &with(Value::F64(5.0)), false).is_some());
    assert!(inequivalent(&with(Value::I64(5)), &with(Value::from("5")), false).is_some());
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
        let got = match ConsumerArgs::parse(&table(words), QueueKind::Classic) {
            Ok(_) => "ok".to_owned(),
            Err(error) => error.text("q", "/").replace(" queue 'q' in vhost '/'", " Q"),
        };
        assert_eq!(got, want, "{words}");
    }
    assert_eq!(
        ConsumerArgs::parse(&table("x-priority=-5"), QueueKind::Quorum).unwrap().priority,
        -5
    );
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

#[test]
fn the_manual_has_every_row() {
    let page = include_str!("../../../../../docs/queues.md");
    let kind = |kinds: &[QueueKind]| match kinds {
        [] => "streams",
        [only] => only.name(),
        _ => "both",
    };
    let rows: Vec<String> = ARGS
        .iter()
        .map(|row| format!("| `{}` | {} | {} |", row.name, kind(row.kinds), row.doc))
        .collect();
    assert!(page.ends_with(&format!("\n{}\n", rows.join("\n"))), "{}", rows.join("\n"));
}
