//! What messages of the queue ask for, what is wrong with them, and how they are settled.

use amqp::value::{Table, Value};

use super::*;

/// A message published to the exchange with this key and these headers.
fn delivery(key: &str, headers: &[(&str, Value)]) -> Delivery {
    let mut table = Table::new();
    for (name, value) in headers {
        table.insert(name, value.clone());
    }
    let mut bytes = Vec::new();
    table.encode(&mut bytes);
    let scan = PropertyScan {
        headers: Some(RawTable(&bytes[4..])),
        content_type: Some(b"text/plain"),
        ..PropertyScan::default()
    };
    Delivery {
        channel: 1,
        consumer: "leveret".into(),
        tag: 1,
        redelivered: false,
        exchange: b"dmq".to_vec(),
        routing_key: key.as_bytes().to_vec(),
        properties: scan.encode(),
        body: b"hello".to_vec(),
        body_bytes: 5,
    }
}

fn asked_of(delivery: &Delivery) -> Result<Outgoing, String> {
    asked(delivery, 100).map_err(|bad| bad.to_string())
}

fn node() -> NodeUri {
    "sip:10.0.0.2:5060".parse().unwrap()
}

#[test]
fn a_key_of_one_word_is_the_peer_and_headers_say_more() {
    let all = Outgoing {
        peer: "events".into(),
        to: Recipient::All,
        content_type: "text/plain".into(),
        body: b"hello"[..].into(),
        lane: 0,
    };
    assert_eq!(asked_of(&delivery("events", &[])), Ok(all.clone()));
    let one = Outgoing { to: Recipient::One(node()), ..all.clone() };
    let to = (NODE_HEADER, Value::from("sip:10.0.0.2"));
    assert_eq!(asked_of(&delivery("events", &[to])), Ok(one));
    let dotted = Outgoing { peer: "a.b".into(), ..all.clone() };
    let peer = (PEER_HEADER, Value::from("a.b"));
    assert_eq!(asked_of(&delivery("x", std::slice::from_ref(&peer))), Ok(dotted.clone()));
    let direct = Delivery { exchange: Vec::new(), ..delivery("dmq", &[peer]) };
    assert_eq!(asked_of(&direct), Ok(dotted));
    let bare = Delivery { properties: vec![0, 0], ..delivery("events", &[]) };
    assert_eq!(asked_of(&bare), Ok(Outgoing { content_type: "".into(), ..all }));
}

#[test]
fn what_can_never_be_sent_is_told_why() {
    let bytes = |bytes: &[u8]| Value::LongStr(bytes.to_vec());
    let cases = [
        (delivery("a.b", &[]), "names no peer"),
        (delivery("", &[]), "names no peer"),
        (Delivery { exchange: Vec::new(), ..delivery("dmq", &[]) }, "names no peer"),
        (Delivery { routing_key: vec![0xff], ..delivery("", &[]) }, "names no peer"),
        (delivery("a", &[(SOURCE_HEADER, "10.0.0.1:5060".into())]), "came from the bus"),
        (delivery("a", &[(PEER_HEADER, bytes(b"\xff"))]), "dmq-peer is not text"),
        (delivery("a", &[(PEER_HEADER, Value::I32(7))]), "dmq-peer is not text"),
        (delivery("a", &[(NODE_HEADER, Value::Void)]), "dmq-node is not text"),
        (delivery("a", &[(NODE_HEADER, "".into())]), "does not start with sip:"),
        (delivery("a", &[(NODE_HEADER, "sip:h:0".into())]), "port is not a number"),
        (Delivery { body_bytes: 101, ..delivery("a", &[]) }, "101 bytes, and 100 are the most"),
        (Delivery { properties: vec![0x80, 0, 9], ..delivery("a", &[]) }, "cannot be read"),
        // A headers table whose only field has a type that there is not.
        (
            Delivery { properties: b"\x20\x00\0\0\0\x03\x01ay".to_vec(), ..delivery("a", &[]) },
            "cannot be read",
        ),
        (
            Delivery { properties: b"\x80\x00\x01\xff".to_vec(), ..delivery("a", &[]) },
            "content type is not text",
        ),
    ];
    for (delivery, expected) in cases {
        let text = asked_of(&delivery).unwrap_err();
        assert!(text.contains(expected), "{delivery:?}: {text}");
    }
}

fn outcomes(outcomes: &[Outcome]) -> Result<Vec<Delivered>, SendError> {
    let one = |outcome: &Outcome| Delivered { node: node(), outcome: outcome.clone(), took_us: 1 };
    Ok(outcomes.iter().map(one).collect())
}

fn answered(code: u16) -> Outcome {
    Outcome::Answered { code, reason: "so".into() }
}

#[test]
fn a_message_is_acknowledged_when_a_node_took_it() {
    use Outcome::{Dropped, Full, TimedOut};
    let cases = [
        (outcomes(&[answered(200)]), Verdict::Ack),
        (outcomes(&[answered(202)]), Verdict::Ack),
        (outcomes(&[TimedOut, answered(404), answered(200), Full]), Verdict::Ack),
        (outcomes(&[]), Verdict::Reject),
        (outcomes(&[answered(404)]), Verdict::Reject),
        (outcomes(&[TimedOut, Full, Outcome::Unreachable("x".into())]), Verdict::Reject),
        (outcomes(&[TimedOut, Dropped]), Verdict::Reject),
        (outcomes(&[Dropped, Dropped]), Verdict::Requeue),
        (Err(SendError::UnknownNode(node())), Verdict::Reject),
    ];
    for (outcome, expected) in cases {
        let (verdict, why) = verdict(&outcome);
        assert_eq!(verdict, expected, "{outcome:?}");
        assert_eq!(why.is_empty(), expected == Verdict::Ack, "{why}");
    }
}

#[test]
fn outcomes_go_where_the_message_wants_them() {
    let wanted =
        |scan: PropertyScan<'_>| Delivery { properties: scan.encode(), ..delivery("events", &[]) };
    assert_eq!(reply_to(&delivery("events", &[])), None);
    assert_eq!(reply_to(&wanted(PropertyScan { reply_to: Some(b""), ..<_>::default() })), None);
    let message = PropertyScan {
        reply_to: Some(b"answers"),
        message_id: Some(b"m1"),
        delivery_mode: Some(2),
        ..PropertyScan::default()
    };
    let to = reply_to(&wanted(message)).unwrap();
    let taken = outcomes(&[answered(200)]).unwrap();
    let answer = reply(to, Ok(&taken));
    assert_eq!((&*answer.exchange, &*answer.routing_key), (&b""[..], &b"answers"[..]));
    let body = r#"{"outcomes":[{"node":"sip:10.0.0.2:5060","outcome":"taken","code":200,"reason":"so","took_ms":0.001}],"taken":1}"#;
    assert_eq!(String::from_utf8(answer.body).unwrap(), body);
    let scan = Properties(&answer.properties).scan().unwrap();
    assert_eq!(scan.content_type, Some(&b"application/json"[..]));
    assert_eq!((scan.correlation_id, scan.delivery_mode), (Some(&b"m1"[..]), Some(2)));

    let message = PropertyScan { correlation_id: Some(b"c1"), ..message };
    let answer = reply(reply_to(&wanted(message)).unwrap(), Err("no \"such\" node"));
    assert_eq!(answer.body, br#"{"error":"no \"such\" node"}"#);
    let scan = Properties(&answer.properties).scan().unwrap();
    assert_eq!(scan.correlation_id, Some(&b"c1"[..]));
}
