//! Due times from every source, and what a shutdown's headers bring back.

use super::*;
use amqp::content::PropertiesBuf;
use amqp::value::Table;

const NOW: Millis = 1_700_000_000_000;

fn rules() -> Rules {
    Rules {
        due_sources: vec![DueSource::Timestamp, DueSource::XDelay, DueSource::XDeliverAt],
        timestamp_unit: TimestampUnit::Seconds,
        min_delay_ms: 0,
        max_delay_ms: 0,
    }
}

fn message(timestamp: Option<u64>, headers: &[(&str, Value)]) -> Message {
    let fields = headers.iter().map(|(k, v)| (k.as_bytes().to_vec(), v.clone())).collect();
    let headers = (!headers.is_empty()).then_some(Table(fields));
    let properties = PropertiesBuf { timestamp, headers, ..Default::default() }.encode();
    Message {
        exchange: b"x".to_vec(),
        routing_key: b"k".to_vec(),
        properties,
        body: b"body".to_vec(),
    }
}

#[track_caller]
fn due(rules: &Rules, message: Message) -> Option<Millis> {
    let before = message.clone();
    let received = rules.receive(message, NOW, &mut Counters::default());
    assert_eq!(received.message, before);
    received.due_ms
}

#[test]
fn timestamps_are_seconds() {
    let seconds = NOW / 1000;
    for (stamp, expected) in [
        (0, None),
        (seconds - 5, None),
        (seconds, None),
        (seconds + 1, Some(NOW + 1000)),
        (99_999_999_999, Some(99_999_999_999_000)),
        (NOW, Some(NOW * 1000)),
        (1 << 63, Some(DUE_MAX)),
        (u64::MAX, Some(DUE_MAX)),
    ] {
        assert_eq!(due(&rules(), message(Some(stamp), &[])), expected, "{stamp}");
    }
    assert_eq!(due(&rules(), message(None, &[])), None);
}

#[test]
fn timestamps_in_milliseconds_are_counted_or_read() {
    let mut counters = Counters::default();
    let mut rules = rules();
    rules.receive(message(Some(NOW + 7), &[]), NOW, &mut counters);
    assert_eq!(counters.timestamps_implausible, 1);
    for unit in [TimestampUnit::Milliseconds, TimestampUnit::Auto] {
        rules.timestamp_unit = unit;
        let received = rules.receive(message(Some(NOW + 7), &[]), NOW, &mut counters);
        assert_eq!((received.due_ms, counters.timestamps_implausible), (Some(NOW + 7), 1));
    }
    assert_eq!(due(&rules, message(Some(NOW / 1000 + 9), &[])), Some(NOW + 9000));
}

#[test]
fn headers_count_only_where_they_are_named() {
    let delay = |value| message(None, &[("x-delay", value)]);
    let at = |value| message(None, &[("x-deliver-at", value)]);
    for (message, expected) in [
        (delay(Value::I32(1500)), Some(NOW + 1500)),
        (delay(Value::I64(i64::MAX)), Some(DUE_MAX)),
        (delay(Value::I64(-1500)), None),
        (delay(Value::from("250")), Some(NOW + 250)),
        (delay(Value::F64(250.0)), Some(NOW + 250)),
        (delay(Value::from("soon")), None),
        (delay(Value::Void), None),
        (at(Value::Timestamp(NOW / 1000 + 2)), Some(NOW + 2000)),
        (at(Value::I64(NOW as i64 + 2)), Some(NOW + 2)),
        (at(Value::from("1700000000003")), Some(NOW + 3)),
        (at(Value::I64(-1)), None),
    ] {
        assert_eq!(due(&rules(), message.clone()), expected, "{message:?}");
        let only = Rules { due_sources: vec![DueSource::Timestamp], ..rules() };
        assert_eq!(due(&only, message), None);
    }
}

#[test]
fn the_first_source_counts() {
    let both = || message(Some(NOW / 1000 + 60), &[("x-delay", Value::I32(5))]);
    assert_eq!(due(&rules(), both()), Some(NOW + 60_000));
    let reversed = Rules { due_sources: vec![DueSource::XDelay, DueSource::Timestamp], ..rules() };
    assert_eq!(due(&reversed, both()), Some(NOW + 5));
}

#[test]
fn delays_have_limits() {
    let limited = Rules { min_delay_ms: 10_000, max_delay_ms: 60_000, ..rules() };
    let mut counters = Counters::default();
    let mut due = |seconds| {
        limited.receive(message(Some(NOW / 1000 + seconds), &[]), NOW, &mut counters).due_ms
    };
    assert_eq!(due(9), None);
    assert_eq!(due(10), Some(NOW + 10_000));
    assert_eq!(due(60), Some(NOW + 60_000));
    assert_eq!(due(61), Some(NOW + 60_000));
    assert_eq!((counters.below_min_delay, counters.clamped), (1, 1));
}

#[test]
fn what_a_shutdown_returned_is_as_it_was() {
    let original = message(Some(5), &[("a", Value::Void), ("b", Value::from("c"))]);
    let returned = message(
        Some(5),
        &[
            ("a", Value::Void),
            (EXCHANGE_HEADER, Value::from("first")),
            (ROUTING_KEY_HEADER, Value::from("")),
            (DUE_HEADER, Value::I64(NOW as i64 + 77)),
            ("b", Value::from("c")),
        ],
    );
    let received = rules().receive(returned, NOW, &mut Counters::default());
    let expected =
        Message { exchange: b"first".to_vec(), routing_key: b"".to_vec(), ..original.clone() };
    assert_eq!((received.message, received.due_ms), (expected, Some(NOW + 77)));
    // A message with only a part of them was not returned by a delayer.
    let partly = message(None, &[(EXCHANGE_HEADER, Value::from("first"))]);
    assert_eq!(due(&rules(), partly), None);
}

#[test]
fn what_cannot_be_read_goes_on_unchanged() {
    for properties in [&b""[..], b"\xFF", b"\x20\0\0\0\0\x09", b"\x20\0\0\0\0\x03\x01k?", b"\0\x01"]
    {
        let message = Message { properties: properties.to_vec(), ..Message::default() };
        assert_eq!(due(&rules(), message), None, "{properties:?}");
    }
}
