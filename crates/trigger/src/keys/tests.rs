//! Which keys messages have.

use super::*;
use amqp::content::PropertiesBuf;
use amqp::value::{Table, Value};

fn message(properties: PropertiesBuf) -> Message {
    let properties = properties.encode();
    Message {
        exchange: b"x".to_vec(),
        routing_key: b"k".to_vec(),
        properties,
        ..Message::default()
    }
}

fn with_headers(fields: &[(&str, Value)]) -> Message {
    let table = fields.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.clone()));
    message(PropertiesBuf { headers: Some(Table(table.collect())), ..Default::default() })
}

#[test]
fn properties_and_the_routing_key_are_keys() {
    let full = message(PropertiesBuf {
        message_id: Some(b"m\xFF".to_vec()),
        correlation_id: Some(b"c".to_vec()),
        ..Default::default()
    });
    assert_eq!(key(&full, &KeySource::MessageId).as_deref(), Some(b"m\xFF".as_slice()));
    assert_eq!(key(&full, &KeySource::CorrelationId).as_deref(), Some(b"c".as_slice()));
    assert_eq!(key(&full, &KeySource::RoutingKey).as_deref(), Some(b"k".as_slice()));
    let empty = message(PropertiesBuf { message_id: Some(Vec::new()), ..Default::default() });
    assert_eq!(key(&empty, &KeySource::MessageId), None);
    assert_eq!(key(&empty, &KeySource::CorrelationId), None);
    assert_eq!(key(&empty, &KeySource::Header("h".into())), None);
}

#[test]
fn the_routing_key_is_the_same_after_a_delay_queue() {
    let mut back = with_headers(&[
        ("x-trigger-exchange", "x".into()),
        ("x-trigger-routing-key", "first".into()),
    ]);
    assert_eq!(key(&back, &KeySource::RoutingKey).as_deref(), Some(b"k".as_slice()));
    back.exchange.clear();
    assert_eq!(key(&back, &KeySource::RoutingKey).as_deref(), Some(b"first".as_slice()));
}

#[test]
fn the_first_header_of_the_name_is_the_key() {
    #[track_caller]
    fn check(value: Value, expected: Option<&[u8]>) {
        let message = with_headers(&[("a", Value::Void), ("h", value), ("h", "second".into())]);
        assert_eq!(key(&message, &KeySource::Header("h".into())).as_deref(), expected);
    }
    check("text".into(), Some(b"text"));
    check(Value::LongStr(vec![0xFF, 0]), Some(&[0xFF, 0]));
    check(Value::Bytes(vec![1]), Some(&[1]));
    check(Value::I64(i64::MIN), Some(b"-9223372036854775808"));
    check(Value::U8(7), Some(b"7"));
    check(true.into(), Some(b"true"));
    check("".into(), None);
    check(Value::Void, None);
    check(Value::F64(1.0), None);
    check(Table::new().into(), None);
    let long = vec![b'k'; 256];
    check(Value::LongStr(long.clone()), Some(&Sha256::digest(&long)));
    check(Value::LongStr(long[1..].to_vec()), Some(&long[1..]));
}

#[test]
fn copies_are_known_by_everything_that_does_not_change() {
    let with_id = PropertiesBuf { message_id: Some(b"1".to_vec()), ..Default::default() };
    let mut first = message(with_id);
    first.body = "body".into();
    first.body_bytes = 4;
    let copy = Message { delivery_tag: 9, redelivered: true, ..first.clone() };
    assert!(join_key(&first).is_some());
    assert_eq!(join_key(&first), join_key(&copy));
    let others = [
        Message { body: "bodY".into(), ..first.clone() },
        Message { body_bytes: 5, ..first.clone() },
        Message { exchange: b"xk".to_vec(), routing_key: Vec::new(), ..first.clone() },
        Message { properties: b"\0\x80\x011".to_vec(), ..first.clone() },
    ];
    assert_eq!(join_key(&others[3]), join_key(&first));
    for other in &others[..3] {
        assert_ne!(join_key(other), join_key(&first));
    }
    assert_eq!(join_key(&message(PropertiesBuf::default())), None);
}
