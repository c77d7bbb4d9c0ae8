//! Where messages go, and that nothing of them changes but what has to.

use super::*;
use amqp::content::PropertiesBuf;
use proptest::prelude::*;

fn routes() -> Routes {
    Routes {
        queue: b"in".to_vec(),
        exchange: b"out".to_vec(),
        routing_key: Vec::new(),
        use_reply_to: UseReplyTo::False,
        user: Some(b"me".to_vec()),
        negate_delay: false,
    }
}

fn message(properties: &PropertiesBuf) -> Message {
    Message {
        exchange: b"x".to_vec(),
        routing_key: b"k".to_vec(),
        properties: properties.encode(),
        body: Vec::new(),
    }
}

fn headers(fields: &[(&str, Value)]) -> Option<Table> {
    Some(Table(fields.iter().map(|(k, v)| (k.as_bytes().to_vec(), v.clone())).collect()))
}

#[track_caller]
fn goes(routes: &Routes, properties: &PropertiesBuf, to: (&str, &str)) {
    let message = message(properties);
    let mut counters = Counters::default();
    let outgoing = routes.forward(&message, &mut counters);
    let found = (&*outgoing.exchange, &*outgoing.routing_key);
    assert_eq!(found, (to.0.as_bytes(), to.1.as_bytes()));
}

#[track_caller]
fn becomes(routes: &Routes, before: PropertiesBuf, after: PropertiesBuf) -> Counters {
    let message = message(&before);
    let mut counters = Counters::default();
    let outgoing = routes.forward(&message, &mut counters);
    let found = PropertiesBuf::from(Properties(&outgoing.properties)).unwrap();
    assert_eq!(found, after);
    counters
}

#[test]
fn the_target_is_configured_or_the_messages_own() {
    let plain = PropertiesBuf::default();
    let reply = |to: &str| PropertiesBuf { reply_to: Some(to.into()), ..Default::default() };
    goes(&routes(), &plain, ("out", "k"));
    goes(&routes(), &reply("r"), ("out", "k"));
    let keyed = Routes { routing_key: b"fixed".to_vec(), ..routes() };
    goes(&keyed, &plain, ("out", "fixed"));
    let replying = Routes { use_reply_to: UseReplyTo::True, ..routes() };
    goes(&replying, &reply("r:x"), ("r:x", "k"));
    goes(&replying, &plain, ("out", "k"));
    goes(&Routes { use_reply_to: UseReplyTo::True, ..keyed.clone() }, &reply("r"), ("r", "fixed"));
    let split = Routes { use_reply_to: UseReplyTo::Split, ..keyed };
    goes(&split, &reply("r:x:y"), ("r", "x:y"));
    goes(&split, &reply(":q"), ("", "q"));
    goes(&split, &reply("r"), ("r", "fixed"));
}

#[test]
fn a_message_to_its_own_queue_is_a_loop() {
    let mut routes = Routes { exchange: Vec::new(), routing_key: b"in".to_vec(), ..routes() };
    let message = Message::default();
    let mut counters = Counters::default();
    assert!(routes.loops(&routes.forward(&message, &mut counters)));
    routes.exchange = b"out".to_vec();
    assert!(!routes.loops(&routes.forward(&message, &mut counters)));
}

#[test]
fn what_the_broker_would_refuse_or_route_twice_is_moved_aside() {
    let own = PropertiesBuf { user_id: Some(b"me".to_vec()), ..Default::default() };
    assert_eq!(becomes(&routes(), own.clone(), own).user_ids_moved, 0);
    let before = PropertiesBuf {
        user_id: Some(b"other".to_vec()),
        priority: Some(3),
        headers: headers(&[("a", Value::Void), ("CC", Value::Array(vec![])), ("z", Value::Void)]),
        ..Default::default()
    };
    let after = PropertiesBuf {
        user_id: None,
        headers: headers(&[
            ("a", Value::Void),
            ("x-original-cc", Value::Array(vec![])),
            ("z", Value::Void),
            ("x-original-user-id", Value::from("other")),
        ]),
        ..before.clone()
    };
    let counters = becomes(&routes(), before, after);
    assert_eq!((counters.user_ids_moved, counters.cc_moved), (1, 1));
    let nameless = PropertiesBuf { user_id: Some(b"me".to_vec()), ..Default::default() };
    let moved = PropertiesBuf {
        headers: headers(&[("x-original-user-id", Value::from("me"))]),
        ..Default::default()
    };
    becomes(&Routes { user: None, ..routes() }, nameless, moved);
}

#[test]
fn a_delay_that_counted_is_negated() {
    let routes = Routes { negate_delay: true, ..routes() };
    let delay =
        |value| PropertiesBuf { headers: headers(&[("x-delay", value)]), ..Default::default() };
    for (before, after) in [
        (Value::I32(500), Value::I32(-500)),
        (Value::I8(5), Value::I8(-5)),
        (Value::U32(500), Value::I64(-500)),
        (Value::I64(i64::MAX), Value::I64(-i64::MAX)),
        (Value::from("500"), Value::from("-500")),
        (Value::I32(-500), Value::I32(-500)),
        (Value::from("soon"), Value::from("soon")),
    ] {
        becomes(&routes, delay(before.clone()), delay(after));
        becomes(&self::routes(), delay(before.clone()), delay(before));
    }
}

#[test]
fn giving_back_keeps_where_it_came_from() {
    let message = message(&PropertiesBuf::default());
    let routes = Routes { negate_delay: true, ..routes() };
    let mut counters = Counters::default();
    let outgoing = routes.give_back(&message, 1234, &mut counters);
    assert_eq!((&*outgoing.exchange, &*outgoing.routing_key), (&b""[..], &b"in"[..]));
    let back = Message { properties: outgoing.properties.to_vec(), ..Message::default() };
    let rules = crate::source::Rules {
        due_sources: Vec::new(),
        timestamp_unit: crate::config::TimestampUnit::Seconds,
        min_delay_ms: 0,
        max_delay_ms: 0,
    };
    let received = rules.receive(back, 1000, &mut counters);
    assert_eq!((received.message, received.due_ms), (message, Some(1234)));
}

proptest! {
    /// Whatever the properties are: nothing panics, and what need not change does not.
    #[test]
    fn any_bytes_go_through(properties in proptest::collection::vec(any::<u8>(), 0..80)) {
        let message = Message { properties, ..Message::default() };
        let mut counters = Counters::default();
        let routes = Routes { negate_delay: true, use_reply_to: UseReplyTo::Split, ..routes() };
        let outgoing = routes.forward(&message, &mut counters);
        if counters.user_ids_moved + counters.cc_moved == 0 && !message.properties.contains(&b'x') {
            prop_assert_eq!(&*outgoing.properties, &*message.properties);
        }
    }
}
