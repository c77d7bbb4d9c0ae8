//! What counts as an earlier run.

use super::*;
use amqp::content::PropertiesBuf;
use amqp::value::{Table, Value};
use proptest::prelude::*;

fn table(fields: &[(&str, Value)]) -> Table {
    Table(fields.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.clone())).collect())
}

fn death(queue: &str, reason: &str, count: i64) -> Value {
    Value::from(table(&[
        ("count", count.into()),
        ("reason", reason.into()),
        ("queue", queue.into()),
        ("time", Value::Timestamp(7)),
        ("routing-keys", Value::Array(vec!["k".into()])),
    ]))
}

fn message(redelivered: bool, fields: &[(&str, Value)]) -> Message {
    let headers = Some(table(fields));
    let properties = PropertiesBuf { headers, ..Default::default() }.encode();
    Message { redelivered, properties, ..Message::default() }
}

#[track_caller]
fn check(redelivered: bool, fields: &[(&str, Value)], attempts: u32, counted: bool) {
    let prior = Prior::of(&message(redelivered, fields), "q");
    assert_eq!((prior.attempts, prior.counted), (attempts, counted));
}

#[test]
fn the_bare_flag_is_one_run_at_most() {
    check(false, &[], 0, false);
    check(true, &[], 1, false);
    let bare = Message { redelivered: true, properties: vec![0, 0], ..Message::default() };
    assert_eq!(Prior::of(&bare, "q"), Prior { attempts: 1, counted: false, acquired: false });
}

#[test]
fn the_largest_number_in_the_headers_counts() {
    check(true, &[("x-trigger-attempt", 3.into())], 3, true);
    check(true, &[("x-delivery-count", 2.into())], 2, true);
    check(true, &[("x-delivery-count", 2.into()), ("x-trigger-attempt", 3.into())], 3, true);
    check(false, &[("x-delivery-count", 4.into()), ("x-trigger-attempt", 3.into())], 4, true);
    check(true, &[("x-delivery-count", Value::U8(200))], 200, true);
    check(true, &[("x-delivery-count", Value::I8(-3))], 0, true);
    check(true, &[("x-trigger-attempt", i64::MAX.into())], u32::MAX, true);
    check(true, &[("x-trigger-attempt", "3".into())], 1, false);
    check(true, &[("x-trigger-attempt", 2.into()), ("x-trigger-attempt", 9.into())], 2, true);
}

#[test]
fn deaths_in_this_queue_after_a_run_are_added_up() {
    let deaths = |deaths: &[Value]| [("x-death", Value::Array(deaths.to_vec()))];
    check(true, &deaths(&[death("q", "rejected", 2), death("q", "expired", 1)]), 3, true);
    check(true, &deaths(&[death("q", "delivery_limit", 1)]), 1, true);
    check(true, &deaths(&[death("q.retry.1000", "expired", 4)]), 1, false);
    check(false, &deaths(&[death("q.retry.1000", "expired", 4)]), 0, false);
    check(false, &deaths(&[death("q", "maxlen", 4)]), 0, false);
    let huge = death("q", "rejected", i64::MAX);
    check(true, &deaths(&[huge.clone(), huge]), u32::MAX, true);
    check(false, &deaths(&[Value::Void, "x".into(), Table::new().into()]), 0, false);
    check(false, &[("x-death", "text".into())], 0, false);
}

#[test]
fn a_message_that_was_acquired_and_never_failed_has_not_run() {
    let acquired = message(true, &[("x-acquired-count", 3.into())]);
    let expected = Prior { attempts: 0, counted: false, acquired: true };
    assert_eq!(Prior::of(&acquired, "q"), expected);
    check(true, &[("x-acquired-count", 3.into()), ("x-delivery-count", 1.into())], 1, true);
    check(true, &[("x-acquired-count", "3".into())], 1, false);
}

#[test]
fn headers_that_cannot_be_read_count_as_none() {
    let mut broken = message(true, &[("x-trigger-attempt", 3.into()), ("k", Value::Void)]);
    let last = broken.properties.len() - 1;
    broken.properties[last] = b'?';
    assert_eq!(Prior::of(&broken, "q").attempts, 1);
    broken.properties.truncate(5);
    assert_eq!(Prior::of(&broken, "q").attempts, 1);
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(properties in prop::collection::vec(any::<u8>(), 0..80)) {
        let message = Message { redelivered: true, properties, ..Message::default() };
        prop_assert!(Prior::of(&message, "q").attempts <= 1);
    }
}
