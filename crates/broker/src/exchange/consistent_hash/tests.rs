//! Shares by weight, which keys move, and what is hashed.

use amqp::content::PropertiesBuf;
use amqp::value::{Table, Value};

use super::*;
use crate::QueueId;
use crate::binding::ExchangeId;

fn binding(queue: u32, weight: &str) -> Binding {
    Binding {
        source: ExchangeId(0),
        destination: Destination::Queue(QueueId(queue, 0)),
        key: weight.as_bytes().into(),
        arguments: Table::new(),
        durable: true,
    }
}

/// Binds queues, named by their numbers, with these weights; the binding of queue n has id n.
fn exchange(weights: &[(u32, &str)]) -> ConsistentHash {
    let mut exchange = ConsistentHash::new(&Table::new());
    for (queue, weight) in weights {
        exchange.bind(BindingId(*queue), &binding(*queue, weight), &format!("queue-{queue}"));
    }
    exchange
}

fn route(exchange: &ConsistentHash, key: &str) -> u32 {
    let (mut found, none) = (Vec::new(), PropertiesBuf::default().encode());
    let headers = Headers::of(amqp::content::Properties(&none));
    exchange.route(&[key.as_bytes()], &headers, &mut found);
    match found[..] {
        [Destination::Queue(QueueId(queue, _))] => queue,
        ref other => panic!("one queue, not {other:?}"),
    }
}

const KEYS: u32 = 50_000;

/// Where each of many keys goes.
fn routes(exchange: &ConsistentHash) -> Vec<u32> {
    (0..KEYS).map(|n| route(exchange, &format!("key-{n}"))).collect()
}

/// The part of the keys that goes to a queue.
fn share(routes: &[u32], queue: u32) -> f64 {
    routes.iter().filter(|to| **to == queue).count() as f64 / f64::from(KEYS)
}

#[test]
fn each_gets_its_share_by_weight() {
    for weights in [
        &[(1, "1"), (2, "1"), (3, "1")][..],
        &[(1, "1"), (2, "2"), (3, "5")],
        &[(1, "10"), (2, "10"), (3, "30"), (4, "50")],
        &[(1, "1"), (2, "99")],
        &[(1, "+3"), (2, "03")],
    ] {
        let routes = routes(&exchange(weights));
        let number = |weight: &str| f64::from(weight.parse::<i32>().unwrap());
        let all: f64 = weights.iter().map(|(_, weight)| number(weight)).sum();
        for (queue, weight) in weights {
            let (got, want) = (share(&routes, *queue), number(weight) / all);
            // Four standard deviations of drawing that many keys at random.
            let deviation = 4.0 * (want * (1.0 - want) / f64::from(KEYS)).sqrt();
            assert!((got - want).abs() < deviation, "{weights:?}: queue {queue} got {got}");
        }
    }
}

#[test]
fn a_new_queue_takes_its_share_and_nothing_else_moves() {
    let mut exchange = exchange(&[(1, "1"), (2, "2"), (3, "1")]);
    let before = routes(&exchange);
    exchange.bind(BindingId(4), &binding(4, "2"), "queue-4");
    let after = routes(&exchange);
    let moved = before.iter().zip(&after).filter(|(old, new)| old != new);
    assert!(moved.clone().all(|(_, new)| *new == 4), "only to the new one");
    let part = moved.count() as f64 / f64::from(KEYS);
    assert!((0.32..0.35).contains(&part), "a third, not {part}");
    exchange.unbind(BindingId(4), &binding(4, "2"));
    assert_eq!(routes(&exchange), before, "and back");
}

#[test]
fn the_order_of_binding_does_not_matter() {
    let a = exchange(&[(1, "1"), (2, "2"), (3, "2")]);
    let b = exchange(&[(3, "2"), (1, "1"), (2, "2")]);
    assert_eq!(routes(&a), routes(&b));
}

/// Messages of a key must find the queue that had those before, whatever version routes them.
#[test]
fn the_choice_never_changes() {
    let exchange = exchange(&[(1, "1"), (2, "1"), (3, "2"), (4, "3")]);
    let chosen: Vec<u32> = (0..16).map(|n| route(&exchange, &format!("key-{n}"))).collect();
    assert_eq!(chosen, CHOSEN);
}

const CHOSEN: [u32; 16] = [2, 4, 3, 4, 3, 3, 4, 1, 4, 2, 4, 3, 3, 4, 3, 4];

#[test]
fn the_oldest_binding_of_a_queue_counts() {
    let mut exchange = exchange(&[(1, "1"), (2, "1")]);
    let before = routes(&exchange);
    exchange.bind(BindingId(3), &binding(2, "7"), "queue-2");
    assert_eq!(routes(&exchange), before);
    exchange.unbind(BindingId(2), &binding(2, "1"));
    let part = share(&routes(&exchange), 2);
    assert!((0.86..0.89).contains(&part), "the second counts now: {part}");
    exchange.unbind(BindingId(3), &binding(2, "7"));
    assert_eq!(share(&routes(&exchange), 1), 1.0);
    exchange.unbind(BindingId(1), &binding(1, "1"));
    assert_eq!(exchange.choose(1), None);
    assert!(exchange.by_weight.is_empty() && exchange.bound.is_empty());
}

#[test]
fn weights_are_whole_numbers_above_zero() {
    for good in ["1", "+1", "007", "99999999999999999999999999"] {
        assert_eq!(check_key(good.as_bytes()), Ok(()), "{good}");
    }
    for bad in ["0", "-1", "-0", "+0", "-99999999999999999999999999"] {
        let text = "The binding key must be greater than 0";
        assert_eq!(check_key(bad.as_bytes()), Err(text.to_owned()), "{bad}");
    }
    for (bad, shown) in
        [("", "<<>>"), (" 1", "<<\" 1\">>"), ("1.5", "<<\"1.5\">>"), ("-", "<<\"-\">>")]
    {
        let text = format!("The binding key must be an integer: {shown}");
        assert_eq!(check_key(bad.as_bytes()), Err(text), "{bad}");
    }
}

#[test]
fn what_is_hashed_is_what_the_arguments_name() {
    let with = |id: &str, header: Value| {
        let mut headers = Table::new();
        headers.insert("h", header);
        PropertiesBuf {
            headers: Some(headers),
            message_id: Some(id.as_bytes().to_vec()),
            correlation_id: Some(id.bytes().rev().collect()),
            timestamp: Some(id.len() as u64),
            ..PropertiesBuf::default()
        }
        .encode()
    };
    let same = |argument: (&str, &str), a: &[u8], b: &[u8]| {
        let mut arguments = Table::new();
        arguments.insert(argument.0, argument.1.into());
        assert_eq!(check_arguments(&arguments), Ok(()));
        let mut exchange = ConsistentHash::new(&arguments);
        assert!(!exchange.routes_by_key());
        for queue in 0..10_000 {
            exchange.bind(BindingId(queue), &binding(queue, "1"), &queue.to_string());
        }
        let (mut left, mut right) = (Vec::new(), Vec::new());
        exchange.route(&[b"a"], &Headers::of(amqp::content::Properties(a)), &mut left);
        exchange.route(&[b"b"], &Headers::of(amqp::content::Properties(b)), &mut right);
        left == right
    };
    let (short, long) = (with("1", Value::I32(7)), with("10000", Value::I64(7)));
    let other = with("1", "7".into());
    let none = PropertiesBuf::default().encode();
    for header in [("hash-header", "h"), ("x-hash-on", "h")] {
        assert!(same(header, &short, &long), "the width of a number does not matter");
        assert!(!same(header, &short, &other));
        assert!(!same(header, &none, &other));
        assert!(same(header, &none, &none));
    }
    for property in ["message_id", "correlation_id", "timestamp"] {
        assert!(!same(("hash-property", property), &short, &long), "{property}");
        assert!(same(("hash-property", property), &short, &other), "{property}");
        assert!(!same(("hash-property", property), &short, &none), "{property}");
    }
}
