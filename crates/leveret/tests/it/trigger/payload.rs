//! What a pipeline is given for a message, in each profile, and messages that have no such form.

use amqp::content::PropertiesBuf;
use amqp::value::{Table, Value};
use serde_json::json;

use super::world::{World, at};
use crate::client::arguments::{every_type, table};
use crate::client::message::Message;
use crate::site::BrokerKind;

stories! {
    brokers: [
        the_seeds_json_is_exact,
        a_message_without_properties_has_nulls,
        headers_may_be_typed,
        tables_32_deep_are_shown_and_50_deep_are_dead_letters,
        bodies_above_the_limit_are_refused,
    ],
    home: [
        missing_properties_may_be_left_out,
        binary_messages_are_base64,
        text_has_a_character_set,
        invalid_text_is_base64,
        invalid_text_may_be_replaced,
        invalid_text_may_be_a_dead_letter,
        every_run_is_told_about_itself,
        raw_is_the_body_and_headers,
        typed_is_the_seeds_json_with_types,
        cloudevents_in_binary_mode,
        cloudevents_in_structured_mode,
        lambda_is_what_aws_sends,
        compressed_bodies_may_be_decompressed,
        traces_are_passed_on,
    ],
}

fn text(text: &str) -> Option<Vec<u8>> {
    Some(text.as_bytes().to_vec())
}

/// All 14 properties, and a header of every type.
fn all_properties() -> PropertiesBuf {
    PropertiesBuf {
        content_type: text("text/plain"),
        content_encoding: text("identity"),
        headers: Some(every_type()),
        delivery_mode: Some(2),
        priority: Some(200),
        correlation_id: text("correlation"),
        reply_to: text("nobody"),
        expiration: text("86400000"),
        message_id: text("id"),
        timestamp: Some(1_700_000_000),
        kind: text("kind"),
        user_id: text("guest"),
        app_id: text("app"),
        cluster_id: text("cluster"),
    }
}

/// A golden file with what differs from world to world.
fn golden(w: &World, file: &str) -> String {
    let long = every_type().get("S").unwrap().as_str().unwrap().to_owned();
    w.filled(file).trim_end().replace("{S}", &long)
}

fn the_seeds_json_is_exact(place: BrokerKind) {
    let w = at(place).start();
    w.channel.bind(&w.names.queue, "amq.topic", &w.names.queue);
    let body = "say \"grüß\" \t\u{1} & </go>\n";
    let message = Message { properties: all_properties(), ..w.message(body) };
    w.publish_all([Message { exchange: "amq.topic".into(), ..message }]);
    let request = w.sink.request();
    assert_eq!(request.text(), golden(&w, include_str!("payload/digibee.json")));
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hook"));
    assert!(request.the("content-type").starts_with("application/json"));
    w.expect_all_settled();
}

fn a_message_without_properties_has_nulls(place: BrokerKind) {
    let w = at(place).start();
    w.channel.publish("", &w.names.queue, "");
    let properties = json!({
        "appId": null, "classId": "60", "clusterId": null, "contentEncoding": null,
        "contentType": null, "correlationId": null, "deliveryMode": null, "expiration": null,
        "messageId": null, "priority": null, "replyTo": null, "type": null, "userId": null,
        "timestamp": null,
    });
    let expected = json!({
        "body": "", "properties": properties, "headers": {},
        "envelope": {"deliveryTag": 1, "exchange": "", "routingKey": w.names.queue},
    });
    assert_eq!(w.sink.request().json(), expected);
}

fn headers_may_be_typed(place: BrokerKind) {
    let w = at(place).trigger("headers = \"typed\"").start();
    w.publish_all([Message { properties: all_properties(), ..w.message("m") }]);
    let request = w.sink.request();
    let headers = golden(&w, include_str!("payload/typed-headers.json"));
    assert!(request.text().contains(&headers), "{}\n{headers}", request.text());
}

/// Tables in each other, so many, the table of headers counted.
fn nested(depth: usize) -> Table {
    (1..depth)
        .fold(table([("bottom", Value::Bool(true))]), |inner, _| table([("in", inner.into())]))
}

fn tables_32_deep_are_shown_and_50_deep_are_dead_letters(place: BrokerKind) {
    let w = at(place).start();
    let message = |body: &str, depth| {
        let mut message = w.message(body);
        message.properties.headers = Some(nested(depth));
        message
    };
    w.publish_all([message("deep", 32), message("too deep", 50), message("flat", 1)]);
    w.sink.expect_all(&["deep", "flat"]);
    w.expect_dead("too deep");
    w.trigger.expect_dead("bad_headers", 1);
    w.expect_all_settled();
    w.sink.expect_no_more();
}

fn bodies_above_the_limit_are_refused(place: BrokerKind) {
    let w = at(place).trigger("max_message_bytes = \"1KiB\"").start();
    let (fits, large) = ("x".repeat(1024), "y".repeat(1025));
    let huge = "z".repeat(3 << 20);
    w.publish_all([&large, &huge, &fits].map(|body| w.message(body).id("id")));
    w.sink.expect(&[&fits]);
    w.expect_dead(&large);
    w.expect_dead(&huge);
    w.trigger.expect_metric("oversize_total", 2);
    w.trigger.expect_refused("too_large", 2);
    w.expect_all_settled();
    w.sink.expect_no_more();
}

fn missing_properties_may_be_left_out(place: BrokerKind) {
    let w = at(place).trigger("omit_missing = true\ntimestamp_unit = \"ms\"").start();
    w.publish_all([w.message("m").timestamp(1_700_000_000)]);
    let expected = json!({
        "body": "m",
        "properties": {
            "classId": "60", "deliveryMode": 2, "messageId": "m", "timestamp": 1_700_000_000_000_u64,
        },
        "headers": {},
        "envelope": {"deliveryTag": 1, "exchange": "", "routingKey": w.names.queue},
    });
    assert_eq!(w.sink.request().json(), expected);
}

fn binary_messages_are_base64(place: BrokerKind) {
    let w = at(place).trigger("binary_message = true").start();
    w.publish_all([Message { body: vec![0, 255, 1, 254], ..w.message("m") }, w.message("text")]);
    w.sink.expect_all(&["AP8B/g==", "dGV4dA=="]);
}

fn text_has_a_character_set(place: BrokerKind) {
    let w = at(place).start();
    let message = |charset: &str, body: &[u8]| {
        let mut message = w.message("m");
        message.properties.content_type = text(&format!("text/plain; charset={charset}"));
        Message { body: body.to_vec(), ..message }
    };
    w.publish_all([
        message("ISO-8859-1", b"gr\xfc\xdf"),
        message("\"utf-8\"", "grüß".as_bytes()),
        message("shift_jis", b"\x83\x65\x83\x58\x83\x67"),
    ]);
    w.sink.expect_all(&["grüß", "grüß", "テスト"]);
}

fn invalid(w: &World) -> Message {
    Message { body: b"no \xff text".to_vec(), ..w.message("m") }
}

fn invalid_text_is_base64(place: BrokerKind) {
    let w = at(place).start();
    w.publish_all([invalid(&w), w.message("fine")]);
    let requests = [w.sink.request(), w.sink.request()];
    let odd = requests.iter().find(|request| request.message() == "bm8g/yB0ZXh0").expect("base64");
    assert_eq!(odd.header("x-trigger-body-encoding"), Some("base64"));
    let fine = requests.iter().find(|request| request.message() == "fine").expect("text");
    assert_eq!(fine.header("x-trigger-body-encoding"), None);
    w.trigger.expect_metric("invalid_text_total", 1);
}

fn invalid_text_may_be_replaced(place: BrokerKind) {
    let w = at(place).trigger("on_invalid_text = \"replace\"").start();
    w.publish_all([invalid(&w)]);
    w.sink.expect(&["no \u{fffd} text"]);
}

fn invalid_text_may_be_a_dead_letter(place: BrokerKind) {
    let w = at(place).trigger("on_invalid_text = \"dead-letter\"").start();
    w.publish_all([invalid(&w), w.message("fine")]);
    assert_eq!(w.dead_letter().body, b"no \xff text");
    w.sink.expect(&["fine"]);
    w.trigger.expect_dead("invalid_text", 1);
    w.expect_all_settled();
}

fn every_run_is_told_about_itself(place: BrokerKind) {
    let w = at(place).trigger("maximum_timeout_ms = 7000").start();
    let before = crate::server::now_ms();
    w.publish(&["a", "b"]);
    let requests = [w.sink.request(), w.sink.request()];
    for request in &requests {
        assert_eq!(request.the("x-trigger-name"), "t");
        assert_eq!(request.the("x-trigger-queue"), w.names.queue);
        assert_eq!(request.attempt(), 1);
        assert_eq!(request.the("x-trigger-redelivered"), "false");
        let deadline: u64 = request.the("x-trigger-deadline-ms").parse().unwrap();
        assert!((before + 7000..before + 17_000).contains(&deadline), "{deadline}");
        assert!(request.the("user-agent").starts_with("leveret/"));
        assert_eq!(request.the("x-trigger-execution-id").len(), 36);
    }
    let [a, b] = [0, 1].map(|n| requests[n].the("x-trigger-execution-id"));
    assert_ne!(a, b);
}

fn raw_is_the_body_and_headers(place: BrokerKind) {
    let w = at(place).trigger("profile = \"raw\"").start();
    w.publish_all([Message {
        properties: all_properties(),
        body: vec![0, 255, 1, 254],
        ..w.message("")
    }]);
    let request = w.sink.request();
    assert_eq!(request.body, [0, 255, 1, 254]);
    for (name, value) in [
        ("content-type", "text/plain"),
        ("x-amqp-exchange", ""),
        ("x-amqp-routing-key", &*w.names.queue),
        ("x-amqp-message-id", "id"),
        ("x-amqp-correlation-id", "correlation"),
        ("x-amqp-reply-to", "nobody"),
        ("x-amqp-type", "kind"),
        ("x-amqp-app-id", "app"),
        ("x-amqp-user-id", "guest"),
        ("x-amqp-timestamp", "1700000000"),
        ("x-amqp-priority", "200"),
        ("x-amqp-expiration", "86400000"),
    ] {
        assert_eq!(request.the(name), value, "{name}");
    }
}

fn typed_is_the_seeds_json_with_types(place: BrokerKind) {
    let w = at(place).trigger("profile = \"typed\"").start();
    w.publish_all([Message { properties: all_properties(), ..w.message("m") }]);
    let request = w.sink.request();
    let headers = golden(&w, include_str!("payload/typed-headers.json"));
    assert!(request.text().contains(&headers), "{}\n{headers}", request.text());
    let json = request.json();
    assert_eq!((&json["body"], &json["properties"]["messageId"]), (&json!("m"), &json!("id")));
    assert_eq!(json["envelope"]["routingKey"], json!(w.names.queue));
}

fn cloudevents_in_binary_mode(place: BrokerKind) {
    let w = at(place)
        .trigger("profile = \"cloudevents-binary\"\ncloudevents_type = \"org.example.order\"")
        .start();
    w.publish_all([Message { properties: all_properties(), ..w.message("{\"a\":1}") }]);
    let request = w.sink.request();
    assert_eq!(request.text(), "{\"a\":1}");
    assert_eq!(request.the("content-type"), "text/plain");
    for (name, value) in [
        ("ce-specversion", "1.0"),
        ("ce-id", "id"),
        ("ce-type", "org.example.order"),
        ("ce-subject", &*w.names.queue),
        ("ce-time", "2023-11-14T22:13:20Z"),
        ("ce-amqproutingkey", &*w.names.queue),
        ("ce-amqpcorrelationid", "correlation"),
        ("ce-amqpredelivered", "false"),
        ("ce-amqpattempt", "1"),
    ] {
        assert_eq!(request.the(name), value, "{name}");
    }
    // A percent sign of the URI is itself encoded in a header; there is no login in it.
    let source = request.the("ce-source").replace("%25", "%");
    assert_eq!(source, format!("amqp://127.0.0.1/%2F/{}", w.names.queue));
}

fn cloudevents_in_structured_mode(place: BrokerKind) {
    let w = at(place).trigger("profile = \"cloudevents-structured\"").start();
    let message = |kind: &str, body: &[u8]| {
        let mut message = w.message("id");
        message.properties.content_type = text(kind);
        Message { body: body.to_vec(), ..message }
    };
    w.publish_all([message("application/json", b"{\"a\":[1]}")]);
    let request = w.sink.request();
    assert!(request.the("content-type").starts_with("application/cloudevents+json"));
    let event = request.json();
    assert_eq!((&event["specversion"], &event["id"]), (&json!("1.0"), &json!("id")));
    assert_eq!(event["data"], json!({"a": [1]}));
    assert_eq!(event["datacontenttype"], json!("application/json"));
    w.publish_all([message("text/plain", b"{\"a\":[1]}")]);
    assert_eq!(w.sink.request().json()["data"], json!("{\"a\":[1]}"));
    w.publish_all([message("application/octet-stream", &[0, 255, 1, 254])]);
    assert_eq!(w.sink.request().json()["data_base64"], json!("AP8B/g=="));
}

fn lambda_is_what_aws_sends(place: BrokerKind) {
    let w = at(place).trigger("profile = \"lambda\"\nlambda_arn = \"arn:aws:mq:here\"").start();
    let headers = table([("header1", "value1".into()), ("numberInHeader", Value::I32(10))]);
    let properties = PropertiesBuf {
        content_type: text("text/plain"),
        headers: Some(headers),
        delivery_mode: Some(1),
        priority: Some(34),
        expiration: text("60000"),
        timestamp: Some(2021),
        user_id: text("guest"),
        ..PropertiesBuf::default()
    };
    w.publish_all([Message { properties, ..w.message("text") }]);
    let expected = json!({
        "eventSource": "aws:rmq",
        "eventSourceArn": "arn:aws:mq:here",
        "rmqMessagesByQueue": { format!("{}::/", w.names.queue): [{
            "basicProperties": {
                "contentType": "text/plain",
                "contentEncoding": null,
                "headers": {
                    "header1": {"bytes": [118, 97, 108, 117, 101, 49]},
                    "numberInHeader": 10,
                },
                "deliveryMode": 1,
                "priority": 34,
                "correlationId": null,
                "replyTo": null,
                "expiration": "60000",
                "messageId": null,
                "timestamp": "Jan 1, 1970, 12:33:41 AM",
                "type": null,
                "userId": "guest",
                "appId": null,
                "clusterId": null,
                "bodySize": 4,
            },
            "redelivered": false,
            "data": "dGV4dA==",
        }]},
    });
    assert_eq!(w.sink.request().json(), expected);
}

/// `hello` as `gzip -n` writes it.
const HELLO_GZIP: [u8; 25] = [
    0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 0x03, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0, 0x86, 0xa6,
    0x10, 0x36, 0x05, 0, 0, 0,
];

fn compressed_bodies_may_be_decompressed(place: BrokerKind) {
    let w = at(place).trigger("decompress = true").start();
    let gzip = |body: &[u8]| {
        let mut message = w.message("m");
        message.properties.content_encoding = text("gzip");
        Message { body: body.to_vec(), ..message }
    };
    w.publish_all([gzip(&HELLO_GZIP), gzip(b"not gzip")]);
    w.sink.expect(&["hello"]);
    w.expect_dead("not gzip");
    w.trigger.expect_dead("bad_encoding", 1);
}

fn traces_are_passed_on(place: BrokerKind) {
    let w = at(place).start();
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    w.publish_all([
        w.message("a").header("traceparent", parent).header("tracestate", "a=1"),
        w.message("b").header("traceparent", Value::Bytes(parent.as_bytes().to_vec())),
        w.message("c").header("traceparent", "00-broken\r\nx-evil: 1"),
    ]);
    let mut requests = [w.sink.request(), w.sink.request(), w.sink.request()];
    requests.sort_by_key(super::endpoint::Request::message);
    assert_eq!(requests[0].header("traceparent"), Some(parent));
    assert_eq!(requests[0].header("tracestate"), Some("a=1"));
    assert_eq!(requests[1].header("traceparent"), Some(parent));
    assert_eq!(requests[2].header("traceparent"), None);
    assert_eq!(requests[2].header("x-evil"), None);
}
