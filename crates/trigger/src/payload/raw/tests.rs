//! The metadata in headers.

use amqp::content::PropertiesBuf;

use crate::config::Profile;
use crate::payload::tests::{config, full, headers, message, render, table};

#[test]
fn every_property_has_its_header() {
    let properties = PropertiesBuf {
        content_encoding: Some(b"gzip".to_vec()),
        headers: table(&[("region", "eu".into())]),
        ..full()
    };
    let expected = [
        "content-type: text/plain",
        "content-encoding: gzip",
        "x-amqp-exchange: x",
        "x-amqp-routing-key: a.b",
        "x-amqp-message-id: m%201",
        "x-amqp-correlation-id: c",
        "x-amqp-reply-to: r",
        "x-amqp-type: t",
        "x-amqp-app-id: a",
        "x-amqp-user-id: u",
        "x-amqp-cluster-id: l",
        "x-amqp-expiration: 60000",
        "x-amqp-content-encoding: gzip",
        "x-amqp-delivery-mode: 2",
        "x-amqp-priority: 9",
        "x-amqp-timestamp: 1700000000",
    ];
    assert_eq!(headers(&config(Profile::Raw), &message(&properties, "")), expected);
}

#[test]
fn the_body_is_the_very_same() {
    let message = message(&PropertiesBuf::default(), vec![0xFF, 0]);
    let rendered = render(&config(Profile::Raw), &message).unwrap();
    assert_eq!(rendered.body.as_ptr(), message.body.as_ptr());
    let expected =
        ["content-type: application/octet-stream", "x-amqp-exchange: x", "x-amqp-routing-key: a.b"];
    assert_eq!(headers(&config(Profile::Raw), &message), expected);
}

#[test]
fn strange_values_are_encoded_or_left_out() {
    let properties = PropertiesBuf {
        content_type: Some(b"text/plain\r\nhost: evil".to_vec()),
        content_encoding: Some(b"utf-8".to_vec()),
        message_id: Some(b"100% \"\xFF\r\n\xC3\xA9".to_vec()),
        ..Default::default()
    };
    let mut message = message(&properties, "");
    message.exchange.clear();
    let expected = [
        "content-type: application/octet-stream",
        "x-amqp-exchange: ",
        "x-amqp-routing-key: a.b",
        "x-amqp-message-id: 100%25%20%22%FF%0D%0A%C3%A9",
        "x-amqp-content-encoding: utf-8",
    ];
    assert_eq!(headers(&config(Profile::Raw), &message), expected);
}
