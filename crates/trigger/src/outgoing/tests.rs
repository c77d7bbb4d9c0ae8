//! What a trigger publishes, and that nothing of a message changes but what has to.

use super::*;
use amqp::content::{Properties, PropertiesBuf};
use proptest::prelude::*;

fn headers(fields: &[(&str, Value)]) -> Option<Table> {
    Some(Table(fields.iter().map(|(k, v)| (k.as_bytes().to_vec(), v.clone())).collect()))
}

fn message(properties: &PropertiesBuf) -> Message {
    Message {
        exchange: b"x".to_vec(),
        routing_key: b"k".to_vec(),
        properties: properties.encode(),
        body: Bytes::from_static(b"body"),
        body_bytes: 4,
        ..Message::default()
    }
}

fn found(outgoing: &Outgoing) -> PropertiesBuf {
    PropertiesBuf::from(Properties(&outgoing.properties)).unwrap()
}

const DEATH: Death<'static> = Death {
    reason: Reason::Rejected,
    text: "422 Unprocessable",
    attempts: 3,
    queue: "q",
    trigger: "orders",
    at_ms: 1_700_000_000_999,
};

#[test]
fn a_delay_queue_has_the_name_of_its_pause() {
    assert_eq!(delay_queue("{queue}.retry.{ms}", "orders", 5000), "orders.retry.5000");
    assert_eq!(delay_queue("wait", "orders", 5000), "wait");
    assert_eq!(delay_queue("{queue}-{ms}", "a{ms}b", 7), "a{ms}b-7");
    let arguments = delay_queue_arguments("orders", 5000);
    let expected = headers(&[
        ("x-message-ttl", 5000.into()),
        ("x-dead-letter-exchange", "".into()),
        ("x-dead-letter-routing-key", "orders".into()),
    ]);
    assert_eq!(Some(arguments), expected);
}

#[test]
fn a_retry_keeps_the_message_and_counts() {
    let before = PropertiesBuf {
        headers: headers(&[
            ("a", Value::LongStr(vec![0xFF])),
            ("a", "again".into()),
            ("CC", Value::Array(vec!["copy".into()])),
            ("x-delivery-count", 1.into()),
            ("x-trigger-attempt", 1.into()),
        ]),
        expiration: Some(b"60000".to_vec()),
        user_id: Some(b"somebody".to_vec()),
        delivery_mode: Some(2),
        message_id: Some(b"\xFEid".to_vec()),
        ..Default::default()
    };
    let outgoing = retry(&message(&before), "q.retry.1000", 2, Some(b"me"));
    assert_eq!((&*outgoing.exchange, &*outgoing.routing_key), (&b""[..], &b"q.retry.1000"[..]));
    assert!(outgoing.mandatory && outgoing.body == "body");
    let after = PropertiesBuf {
        headers: headers(&[
            ("a", Value::LongStr(vec![0xFF])),
            ("a", "again".into()),
            ("x-original-cc", Value::Array(vec!["copy".into()])),
            ("x-trigger-attempt", 2.into()),
            ("x-trigger-exchange", "x".into()),
            ("x-trigger-routing-key", "k".into()),
            ("x-trigger-expiration", "60000".into()),
            ("x-trigger-user-id", "somebody".into()),
        ]),
        expiration: None,
        user_id: None,
        ..before
    };
    assert_eq!(found(&outgoing), after);
}

#[test]
fn our_own_login_stays() {
    let own = PropertiesBuf { user_id: Some(b"me".to_vec()), ..Default::default() };
    let outgoing = |login| found(&retry(&message(&own), "r", 1, login));
    assert_eq!(outgoing(Some(b"me".as_slice())).user_id, own.user_id);
    assert_eq!(outgoing(None).user_id, None);
}

#[test]
fn the_second_retry_still_knows_where_the_message_came_from() {
    let before = PropertiesBuf { expiration: Some(b"9".to_vec()), ..Default::default() };
    let first = retry(&message(&before), "q.retry.1", 1, None);
    let back = Message {
        exchange: Vec::new(),
        routing_key: b"q".to_vec(),
        properties: first.properties,
        ..message(&before)
    };
    let second = found(&retry(&back, "q.retry.1", 2, None));
    let expected = headers(&[
        ("x-trigger-attempt", 2.into()),
        ("x-trigger-exchange", "x".into()),
        ("x-trigger-routing-key", "k".into()),
        ("x-trigger-expiration", "9".into()),
    ]);
    assert_eq!(second.headers, expected);
    let dead = dead_letter(&back, ("dlx", ""), &DEATH, None).unwrap();
    assert_eq!(dead.routing_key, b"k");
    let elsewhere = Message { exchange: b"y".to_vec(), ..back };
    let third = found(&retry(&elsewhere, "q.retry.1", 1, None)).headers.unwrap();
    assert_eq!(third.get("x-trigger-exchange"), Some(&"y".into()));
    assert_eq!(third.get("x-trigger-expiration"), None);
}

#[test]
fn a_dead_letter_says_why_and_can_run_again() {
    let before = PropertiesBuf {
        headers: headers(&[
            ("x-trigger-attempt", 3.into()),
            ("x-trigger-reason", "old".into()),
            ("x-trigger-reason", "older".into()),
            ("x-acquired-count", 3.into()),
        ]),
        ..Default::default()
    };
    let outgoing = dead_letter(&message(&before), ("dlx", "dead"), &DEATH, None).unwrap();
    assert_eq!((&*outgoing.exchange, &*outgoing.routing_key), (&b"dlx"[..], &b"dead"[..]));
    let expected = headers(&[
        ("x-trigger-reason", "rejected".into()),
        ("x-trigger-error", "422 Unprocessable".into()),
        ("x-trigger-attempts", 3.into()),
        ("x-trigger-queue", "q".into()),
        ("x-trigger-name", "orders".into()),
        ("x-trigger-time", Value::Timestamp(1_700_000_000)),
        ("x-trigger-exchange", "x".into()),
        ("x-trigger-routing-key", "k".into()),
    ]);
    assert_eq!(found(&outgoing).headers, expected);
    let own_key = dead_letter(&message(&before), ("dlx", ""), &DEATH, None).unwrap();
    assert_eq!(own_key.routing_key, b"k");
}

/// A broker takes it for a cycle when a message that expired in a queue expires in another one on
/// its way back there, and drops it. So messages that had once been in a waiting queue of somebody
/// else were lost after their first failed run.
#[test]
fn a_broker_sees_no_cycle_behind_a_delay_queue() {
    let death = |queue: &str| {
        let fields = [("queue", queue.into()), ("reason", "expired".into())];
        Value::Array(vec![headers(&fields).unwrap().into()])
    };
    let fields = [("x-death", death("q")), ("x-first-death-queue", "q".into())];
    let before = PropertiesBuf { headers: headers(&fields), ..Default::default() };
    let mut back = message(&before);
    let mut after = found(&retry(&back, "q.retry.1", 1, None));
    let mut table = after.headers.take().unwrap();
    assert_eq!(table.get("x-death"), None);
    assert_eq!(table.get("x-trigger-death"), Some(&death("q")));
    assert_eq!(table.get("x-first-death-queue"), Some(&"q".into()));
    table.insert("x-death", death("q.retry.1"));
    back.properties = PropertiesBuf { headers: Some(table), ..after }.encode();
    let table = found(&retry(&back, "q.retry.1", 2, None)).headers.unwrap();
    assert_eq!((table.get("x-death"), table.get("x-trigger-death")), (None, Some(&death("q"))));
    let dead = dead_letter(&back, ("dlx", ""), &DEATH, None).unwrap();
    assert_eq!(found(&dead).headers.unwrap().get("x-death"), Some(&death("q.retry.1")));
}

#[test]
fn the_text_of_a_death_is_cut_between_letters() {
    let long = "é".repeat(ERROR_BYTES_MAX);
    let death = Death { text: &format!("a{long}"), ..DEATH };
    let outgoing = dead_letter(&message(&PropertiesBuf::default()), ("", "d"), &death, None);
    let headers = found(&outgoing.unwrap()).headers.unwrap();
    let text = headers.get("x-trigger-error").unwrap().as_str().unwrap();
    assert_eq!(text.len(), ERROR_BYTES_MAX - 1);
}

#[test]
fn a_body_that_was_not_kept_is_not_published() {
    let mut huge = message(&PropertiesBuf::default());
    huge.body = Bytes::new();
    assert_eq!(dead_letter(&huge, ("", "d"), &DEATH, None), None);
}

#[test]
fn headers_that_nobody_could_read_are_carried_as_bytes() {
    let good = PropertiesBuf { headers: headers(&[("k", Value::Void)]), ..Default::default() };
    let mut broken = message(&good);
    *broken.properties.last_mut().unwrap() = b'?';
    let headers = found(&retry(&broken, "r", 1, None)).headers.unwrap();
    assert_eq!(headers.get("k"), None);
    let carried = headers.get("x-trigger-broken-headers").and_then(Value::as_bytes);
    assert_eq!(carried, Some(b"\x01k?".as_slice()));
}

#[test]
fn an_answer_goes_to_who_asks() {
    let asked = PropertiesBuf {
        reply_to: Some(b"amq.rabbitmq.reply-to.x\xFF".to_vec()),
        correlation_id: Some(b"c".to_vec()),
        message_id: Some(b"m".to_vec()),
        delivery_mode: Some(2),
        expiration: Some(b"1".to_vec()),
        ..Default::default()
    };
    let answer = Reply { content_type: "application/json".into(), body: Bytes::from_static(b"{}") };
    let outgoing = reply(&message(&asked), &answer, "orders").unwrap();
    assert_eq!(
        (&*outgoing.exchange, &*outgoing.routing_key, &*outgoing.body),
        (&b""[..], &b"amq.rabbitmq.reply-to.x\xFF"[..], &b"{}"[..])
    );
    let expected = PropertiesBuf {
        content_type: Some(b"application/json".to_vec()),
        headers: headers(&[("x-trigger-name", "orders".into())]),
        delivery_mode: Some(2),
        correlation_id: Some(b"c".to_vec()),
        ..Default::default()
    };
    assert_eq!(found(&outgoing), expected);
    let by_id = PropertiesBuf { correlation_id: None, ..asked.clone() };
    let long = Reply { content_type: "x".repeat(256), ..answer.clone() };
    let properties = found(&reply(&message(&by_id), &long, "orders").unwrap());
    assert_eq!(properties.correlation_id.as_deref(), Some(b"m".as_slice()));
    assert_eq!(properties.content_type, None);
    for nobody in [None, Some(Vec::new())] {
        let silent = PropertiesBuf { reply_to: nobody, ..asked.clone() };
        assert_eq!(reply(&message(&silent), &answer, "orders"), None);
    }
}

proptest! {
    #[test]
    fn what_is_published_can_be_read_whatever_came(
        properties in prop::collection::vec(any::<u8>(), 0..80),
        login in prop::option::of(prop::collection::vec(any::<u8>(), 0..3)),
    ) {
        let message = Message { properties, ..message(&PropertiesBuf::default()) };
        let again = retry(&message, "r", 1, login.as_deref());
        prop_assert_eq!(Properties(&again.properties).check(), Ok(()));
        let dead = dead_letter(&message, ("", "d"), &DEATH, login.as_deref()).unwrap();
        prop_assert_eq!(Properties(&dead.properties).check(), Ok(()));
        if let Some(answer) = reply(&message, &Reply::default(), "t") {
            prop_assert_eq!(Properties(&answer.properties).check(), Ok(()));
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::I64),
        prop::collection::vec(any::<u8>(), 0..6).prop_map(Value::LongStr),
        Just(Value::Void),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop::collection::vec((prop::collection::vec(any::<u8>(), 0..3), inner), 0..3)
            .prop_map(|fields| Value::Table(Table(fields)))
    })
}

proptest! {
    #[test]
    fn other_headers_stay_as_they_are(
        fields in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..3), value()), 0..6),
    ) {
        prop_assume!(fields.iter().all(|(key, _)| key != b"CC"));
        let before = PropertiesBuf { headers: Some(Table(fields)), ..Default::default() };
        let message = message(&before);
        let after = retry(&message, "r", 1, None).properties;
        let fields = |properties| Properties(properties).headers().unwrap().0.to_vec();
        prop_assert!(fields(&after).starts_with(&fields(&message.properties)));
    }
}
