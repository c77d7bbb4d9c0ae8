//! Events that messages become, and messages that are events.

use amqp::content::PropertiesBuf;
use amqp::value::Value;

use crate::config::{OnInvalidText, Profile};
use crate::message::Message;
use crate::payload::tests::{body, config, full, headers, message, render, table};
use crate::reason::Reason;

const BINARY: Profile = Profile::CloudeventsBinary;
const STRUCTURED: Profile = Profile::CloudeventsStructured;

fn typed(content_type: &str) -> PropertiesBuf {
    PropertiesBuf { content_type: Some(content_type.into()), ..Default::default() }
}

#[test]
fn attributes_are_headers_in_binary_mode() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let properties = PropertiesBuf { headers: table(&[("traceparent", parent.into())]), ..full() };
    let trace = format!("ce-traceparent: {parent}");
    let plain_trace = format!("traceparent: {parent}");
    let expected = [
        "content-type: text/plain",
        "ce-specversion: 1.0",
        "ce-id: m%201",
        "ce-source: amqp://rabbit1/%252F/orders",
        "ce-type: leveret.amqp.message",
        "ce-subject: a.b",
        "ce-time: 2023-11-14T22:13:20Z",
        "ce-amqpexchange: x",
        "ce-amqproutingkey: a.b",
        "ce-amqpcorrelationid: c",
        "ce-amqpredelivered: false",
        "ce-amqpattempt: 2",
        &trace,
        &plain_trace,
    ];
    assert_eq!(headers(&config(BINARY), &message(&properties, "abc")), expected);
    let sent = message(&full(), vec![0xFF]);
    assert_eq!(render(&config(BINARY), &sent).unwrap().body, sent.body);
}

#[test]
fn what_is_missing_is_left_out() {
    let bare = Message { exchange: Vec::new(), ..message(&PropertiesBuf::default(), "a") };
    let bare = Message { routing_key: Vec::new(), redelivered: true, ..bare };
    let expected = [
        "content-type: application/octet-stream",
        "ce-specversion: 1.0",
        "ce-id: 0193-run",
        "ce-source: amqp://rabbit1/%252F/orders",
        "ce-type: leveret.amqp.message",
        "ce-amqpredelivered: true",
        "ce-amqpattempt: 2",
    ];
    assert_eq!(headers(&config(BINARY), &bare), expected);
    let expected = concat!(
        r#"{"specversion":"1.0","id":"0193-run","source":"amqp://rabbit1/%2F/orders","#,
        r#""type":"leveret.amqp.message","amqpredelivered":true,"amqpattempt":2,"#,
        r#""datacontenttype":"text/plain","data":"a"}"#,
    );
    assert_eq!(body(&config(STRUCTURED), &bare), expected);
}

#[test]
fn data_is_json_only_when_it_is() {
    #[track_caller]
    fn check(content_type: &str, data: &[u8], expected: &str) {
        let message = message(&typed(content_type), data.to_vec());
        let json = body(&config(STRUCTURED), &message);
        let kind = format!(r#""datacontenttype":"{content_type}","#);
        let (_, found) = json.split_once(&kind).unwrap_or_else(|| panic!("{json}"));
        assert_eq!(found, format!("{expected}}}"));
        assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
    }
    check("application/json", br#" {"a": 1.50} "#, r#""data": {"a": 1.50} "#);
    check("Application/vnd.x+JSON; charset=utf-8", b"null", r#""data":null"#);
    check("text/json", b"\"x\"", r#""data":"x""#);
    check("application/json; charset=utf-16", b"\x00[\x001\x00]", r#""data":[1]"#);
    check("application/json", b"{}}", r#""data":"{}}""#);
    check("application/json", b"", r#""data":"""#);
    check("application/json", b"[\"\xFF\"]", r#""data_base64":"WyL/Il0=""#);
    check("text/plain", b"[1]", r#""data":"[1]""#);
    check("text/plain; charset=latin1", b"\xE9", r#""data":"é""#);
    check("image/png", b"\xFF", r#""data_base64":"/w==""#);
}

#[test]
fn bytes_have_a_form_and_so_nothing_is_amiss() {
    let bytes = message(&PropertiesBuf::default(), vec![0xFF]);
    let mut config = config(STRUCTURED);
    let rendered = render(&config, &bytes).unwrap();
    assert!(!rendered.invalid_text);
    let kind = "content-type: application/cloudevents+json; charset=utf-8";
    assert_eq!(headers(&config, &bytes), [kind]);
    let octets = r#""datacontenttype":"application/octet-stream","data_base64":"/w=="}"#;
    assert!(body(&config, &bytes).ends_with(octets));
    config.on_invalid_text = OnInvalidText::Replace;
    assert!(render(&config, &bytes).unwrap().invalid_text);
    config.on_invalid_text = OnInvalidText::DeadLetter;
    assert_eq!(render(&config, &bytes).unwrap_err().reason, Reason::InvalidText);
    config.binary_message = true;
    assert!(body(&config, &bytes).ends_with(octets));
}

#[test]
fn strings_that_no_attribute_can_be_are_encoded() {
    let properties = PropertiesBuf {
        message_id: Some(b"a\nb".to_vec()),
        correlation_id: Some(b"\xFF%".to_vec()),
        ..Default::default()
    };
    let message = message(&properties, "");
    let json = body(&config(STRUCTURED), &message);
    assert!(json.contains(r#""id":"a%0Ab""#), "{json}");
    assert!(json.contains(r#""amqpcorrelationid":"%FF%25""#), "{json}");
    let headers = headers(&config(BINARY), &message);
    assert!(headers.contains(&"ce-id: a%250Ab".into()), "{headers:?}");
}

#[test]
fn an_event_in_binary_mode_keeps_its_attributes() {
    let given = table(&[
        ("cloudEvents:specversion", "1.0".into()),
        ("cloudEvents:id", "own".into()),
        ("cloudEvents:id", "second".into()),
        ("cloudEvents_type", "com.example".into()),
        ("ce-source", "/here".into()),
        ("cloudEvents:time", Value::Timestamp(0)),
        ("cloudEvents:count", Value::I64(3)),
        ("cloudEvents:big", Value::I64(i64::MAX)),
        ("cloudEvents:subject", "".into()),
        ("cloudEvents:datacontenttype", "x".into()),
        ("cloudEvents:Bad-Name", "x".into()),
    ]);
    let message = message(&PropertiesBuf { headers: given, ..typed("text/plain") }, "a");
    let expected = concat!(
        r#"{"specversion":"1.0","id":"own","source":"/here","type":"com.example","#,
        r#""subject":"a.b","time":"1970-01-01T00:00:00Z","amqpexchange":"x","#,
        r#""amqproutingkey":"a.b","amqpredelivered":false,"amqpattempt":2,"#,
        r#""count":3,"big":"9223372036854775807","datacontenttype":"text/plain","data":"a"}"#,
    );
    assert_eq!(sorted(&body(&config(STRUCTURED), &message)), sorted(expected));
    let headers = headers(&config(BINARY), &message);
    for header in ["ce-id: own", "ce-type: com.example", "ce-source: /here", "ce-count: 3"] {
        assert!(headers.contains(&header.into()), "{headers:?}");
    }
}

/// The members in the order of their names.
fn sorted(json: &str) -> serde_json::Map<String, serde_json::Value> {
    serde_json::from_str(json).unwrap()
}

#[test]
fn headers_without_a_version_are_no_event() {
    let headers = table(&[("ce-id", "own".into())]);
    let message = message(&PropertiesBuf { headers, ..full() }, "a");
    assert!(body(&config(STRUCTURED), &message).contains(r#""id":"m 1""#));
}

#[test]
fn an_event_in_structured_mode_is_passed_on() {
    for profile in [BINARY, STRUCTURED] {
        for kind in ["application/cloudevents+json", "Application/CloudEvents-batch+json"] {
            let message = message(&typed(kind), r#"{"specversion":"1.0"}"#);
            assert_eq!(headers(&config(profile), &message), [format!("content-type: {kind}")]);
            assert_eq!(render(&config(profile), &message).unwrap().body, message.body);
        }
    }
}
