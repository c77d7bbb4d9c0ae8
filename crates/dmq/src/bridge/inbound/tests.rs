//! Messages of the bus and what is published for them.

use amqp::content::Properties;

use super::*;

fn received() -> Received {
    Received {
        peer: "events".into(),
        from: Some("sip:10.0.0.1:5060".parse().unwrap()),
        source: "10.0.0.1:5060".parse().unwrap(),
        call_id: "6e48ce02705e2ec2-22102@10.0.0.1".into(),
        content_type: "text/plain".into(),
        body: b"a\0\xff".to_vec(),
        at_ms: 1_700_000_000_999,
    }
}

fn key(message: &Received) -> String {
    String::from_utf8(publication("dmq", message).routing_key).unwrap()
}

#[test]
fn everything_that_is_known_of_a_message_goes_with_it() {
    let published = publication("dmq", &received());
    assert_eq!(published.exchange, b"dmq");
    assert_eq!(published.routing_key, b"events.10.0.0.1:5060");
    assert_eq!(published.body, b"a\0\xff");
    let scan = Properties(&published.properties).scan().unwrap();
    assert_eq!(scan.content_type, Some(&b"text/plain"[..]));
    assert_eq!(scan.delivery_mode, Some(2));
    assert_eq!(scan.message_id, Some(&b"6e48ce02705e2ec2-22102@10.0.0.1"[..]));
    assert_eq!(scan.timestamp, Some(1_700_000_000));
    let headers = scan.headers.unwrap().decode().unwrap();
    let expected = [
        ("dmq-peer", "events"),
        ("dmq-node", "sip:10.0.0.1:5060"),
        ("dmq-source", "10.0.0.1:5060"),
        ("dmq-call-id", "6e48ce02705e2ec2-22102@10.0.0.1"),
    ];
    assert_eq!(headers.len(), expected.len());
    for (name, value) in expected {
        assert_eq!(headers.get(name), Some(&Value::from(value)), "{name}");
    }
}

#[test]
fn what_is_not_known_is_left_out() {
    let message = Received {
        from: None,
        content_type: String::new(),
        source: "[2001:db8::1]:5070".parse().unwrap(),
        ..received()
    };
    let published = publication("dmq", &message);
    assert_eq!(published.routing_key, b"events.[2001:db8::1]:5070");
    let scan = Properties(&published.properties).scan().unwrap();
    assert_eq!(scan.content_type, None);
    let headers = scan.headers.unwrap().decode().unwrap();
    assert_eq!(headers.get(NODE_HEADER), None);
    assert_eq!(headers.get(SOURCE_HEADER), Some(&Value::from("[2001:db8::1]:5070")));
}

#[test]
fn a_key_has_more_than_one_word_and_fits() {
    let node = |host: &str| Some(format!("sip:{host}:5060;transport=tcp").parse().unwrap());
    assert_eq!(key(&Received { from: node("sbc"), ..received() }), "events.sbc:5060");
    let long = "h".repeat(250);
    assert_eq!(key(&Received { from: node(&long), ..received() }), "events.10.0.0.1:5060");
    let peer = "p".repeat(70_000);
    let message = Received { peer: peer.as_str().into(), from: node(&long), ..received() };
    assert_eq!(key(&message), format!("{}.10.0.0.1:5060", &peer[..64]));
    assert!(publication("dmq", &message).properties.len() < 1024);
}

#[test]
fn what_is_too_long_for_a_property_is_left_out_or_cut() {
    let message = Received {
        call_id: "\u{e9}".repeat(200),
        content_type: "t".repeat(256),
        at_ms: -1000,
        ..received()
    };
    let published = publication("dmq", &message);
    let scan = Properties(&published.properties).scan().unwrap();
    assert_eq!((scan.message_id, scan.content_type, scan.timestamp), (None, None, None));
    let headers = scan.headers.unwrap().decode().unwrap();
    assert_eq!(headers.get(CALL_ID_HEADER), Some(&Value::from(&*"\u{e9}".repeat(127))));
}
