//! Digibee's JSON, byte for byte.

use amqp::content::PropertiesBuf;
use amqp::value::{Table, Value};

use crate::config::{HeaderStyle, Int64, OnInvalidText, Profile, TimestampUnit};
use crate::payload::tests::{body, config, full, headers, message, render, table};
use crate::reason::Reason;

#[test]
fn every_property_has_its_key() {
    let headers = table(&[("region", "eu".into()), ("n", Value::I64(5)), ("n", Value::Void)]);
    let message = message(&PropertiesBuf { headers, ..full() }, "he said \"hé\"\n");
    let expected = concat!(
        r#"{"body":"he said \"hé\"\n","#,
        r#""properties":{"appId":"a","classId":"60","clusterId":"l","contentEncoding":null,"#,
        r#""contentType":"text/plain","correlationId":"c","deliveryMode":2,"#,
        r#""expiration":"60000","messageId":"m 1","priority":9,"replyTo":"r","type":"t","#,
        r#""userId":"u","timestamp":1700000000},"#,
        r#""headers":{"region":"eu","n":5},"#,
        r#""envelope":{"deliveryTag":7,"exchange":"x","routingKey":"a.b"}}"#,
    );
    assert_eq!(body(&config(Profile::Digibee), &message), expected);
}

#[test]
fn what_is_missing_is_null() {
    let message = message(&PropertiesBuf::default(), "");
    let expected = concat!(
        r#"{"body":"","#,
        r#""properties":{"appId":null,"classId":"60","clusterId":null,"contentEncoding":null,"#,
        r#""contentType":null,"correlationId":null,"deliveryMode":null,"expiration":null,"#,
        r#""messageId":null,"priority":null,"replyTo":null,"type":null,"userId":null,"#,
        r#""timestamp":null},"#,
        r#""headers":{},"envelope":{"deliveryTag":7,"exchange":"x","routingKey":"a.b"}}"#,
    );
    assert_eq!(body(&config(Profile::Digibee), &message), expected);
    let mut omitting = config(Profile::Digibee);
    omitting.omit_missing = true;
    let expected = concat!(
        r#"{"body":"","properties":{"classId":"60"},"headers":{},"#,
        r#""envelope":{"deliveryTag":7,"exchange":"x","routingKey":"a.b"}}"#,
    );
    assert_eq!(body(&omitting, &message), expected);
}

#[test]
fn strings_that_are_no_text_are_base64() {
    let properties = PropertiesBuf { app_id: Some(vec![0xFF]), ..Default::default() };
    let mut message = message(&properties, "");
    message.routing_key = vec![0xFE];
    let json = body(&config(Profile::Digibee), &message);
    assert!(json.contains(r#""appId":{"$base64":"/w=="}"#), "{json}");
    assert!(json.contains(r#""routingKey":{"$base64":"/g=="}"#), "{json}");
}

#[test]
fn bodies_are_text_or_base64() {
    #[track_caller]
    fn check(binary: bool, on_invalid: OnInvalidText, sent: &[u8], shown: &str, encoded: bool) {
        let mut config = config(Profile::Digibee);
        config.binary_message = binary;
        config.on_invalid_text = on_invalid;
        let message = message(&PropertiesBuf::default(), sent.to_vec());
        let json = body(&config, &message);
        assert!(json.starts_with(&format!(r#"{{"body":"{shown}","#)), "{json}");
        let mut expected = vec!["content-type: application/json"];
        if encoded {
            expected.push("x-trigger-body-encoding: base64");
        }
        assert_eq!(headers(&config, &message), expected);
        assert_eq!(render(&config, &message).unwrap().invalid_text, !binary && sent == [0xFF]);
    }
    let base64 = OnInvalidText::Base64;
    check(false, base64, b"a\0\x1F\x7F", "a\\u0000\\u001f\x7F", false);
    check(false, base64, b"\xEF\xBB\xBF", "\u{FEFF}", false);
    check(false, base64, b"", "", false);
    check(false, base64, &[0xFF], "/w==", true);
    check(false, OnInvalidText::Replace, &[0xFF], "\u{FFFD}", false);
    check(true, base64, b"abc", "YWJj", true);
    check(true, OnInvalidText::DeadLetter, &[0xFF], "/w==", true);
    check(true, base64, b"", "", true);
    let mut strict = config(Profile::Digibee);
    strict.on_invalid_text = OnInvalidText::DeadLetter;
    let error = render(&strict, &message(&PropertiesBuf::default(), vec![0xFF])).unwrap_err();
    assert_eq!(error.reason, Reason::InvalidText);
}

#[test]
fn timestamps_are_in_seconds_or_milliseconds() {
    let mut config = config(Profile::Digibee);
    config.timestamp_unit = TimestampUnit::Milliseconds;
    let json = body(&config, &message(&full(), ""));
    assert!(json.contains(r#""timestamp":1700000000000}"#), "{json}");
    let late = PropertiesBuf { timestamp: Some(u64::MAX), ..Default::default() };
    let json = body(&config, &message(&late, ""));
    assert!(json.contains(r#""timestamp":18446744073709551615}"#), "{json}");
}

#[test]
fn headers_are_shown_as_configured() {
    let headers = table(&[("n", Value::I64(5))]);
    let message = message(&PropertiesBuf { headers, ..Default::default() }, "");
    let mut config = config(Profile::Digibee);
    config.int64 = Int64::String;
    assert!(body(&config, &message).contains(r#""headers":{"n":"5"}"#));
    config.headers = HeaderStyle::Typed;
    assert!(body(&config, &message).contains(r#""headers":{"F":[["n",{"l":"5"}]]}"#));
}

#[test]
fn typed_tells_the_rest() {
    let headers = table(&[("x-death", Value::Array(vec![Table::new().into()]))]);
    let properties = PropertiesBuf { headers, ..Default::default() };
    let mut message = message(&properties, "abc");
    message.redelivered = true;
    let mut config = config(Profile::Typed);
    config.omit_missing = true;
    let expected = concat!(
        r#"{"body":"abc","properties":{"classId":"60"},"#,
        r#""headers":{"F":[["x-death",{"A":[{"F":[]}]}]]},"#,
        r#""envelope":{"deliveryTag":7,"exchange":"x","routingKey":"a.b"},"#,
        r#""bodyEncoding":"text","#,
        r#""delivery":{"queue":"orders","redelivered":true,"exchange":"x","routingKey":"a.b","#,
        r#""bodyBytes":3},"#,
        r#""execution":{"id":"0193-run","attempt":2,"deadlineMs":99}}"#,
    );
    assert_eq!(body(&config, &message), expected);
    config.binary_message = true;
    assert!(body(&config, &message).contains(r#""bodyEncoding":"base64""#));
}
