//! AWS's example, and what it leaves open.

use amqp::content::PropertiesBuf;
use amqp::value::{Table, Value};

use crate::config::Profile;
use crate::payload::tests::{body, config, message, table};

#[test]
fn the_example_of_aws_comes_out() {
    let data = r#"{"timeout":0,"data":"CZrmf0Gw8Ov4bqLQxD4E"}"#;
    let properties = PropertiesBuf {
        content_type: Some(b"text/plain".to_vec()),
        headers: table(&[
            ("header1", "value1".into()),
            ("header2", "value2".into()),
            ("numberInHeader", Value::I32(10)),
        ]),
        delivery_mode: Some(1),
        priority: Some(34),
        expiration: Some(b"60000".to_vec()),
        timestamp: Some(2021),
        user_id: Some(b"AIDACKCEVSQ6C2EXAMPLE".to_vec()),
        ..Default::default()
    };
    let mut config = config(Profile::Lambda);
    config.queue = "pizzaQueue".into();
    config.lambda_arn = "arn:aws:mq:us-west-2:112556298976:broker:pizzaBroker:b-9bcfa592".into();
    let expected = concat!(
        r#"{"eventSource":"aws:rmq","#,
        r#""eventSourceArn":"arn:aws:mq:us-west-2:112556298976:broker:pizzaBroker:b-9bcfa592","#,
        r#""rmqMessagesByQueue":{"pizzaQueue::/":[{"basicProperties":{"#,
        r#""contentType":"text/plain","contentEncoding":null,"#,
        r#""headers":{"header1":{"bytes":[118,97,108,117,101,49]},"#,
        r#""header2":{"bytes":[118,97,108,117,101,50]},"numberInHeader":10},"#,
        r#""deliveryMode":1,"priority":34,"correlationId":null,"replyTo":null,"#,
        r#""expiration":"60000","messageId":null,"timestamp":"Jan 1, 1970, 12:33:41 AM","#,
        r#""type":null,"userId":"AIDACKCEVSQ6C2EXAMPLE","appId":null,"clusterId":null,"#,
        // The example says 80, of other data.
        r#""bodySize":43},"redelivered":false,"#,
        r#""data":"eyJ0aW1lb3V0IjowLCJkYXRhIjoiQ1pybWYwR3c4T3Y0YnFMUXhENEUifQ=="}]}}"#,
    );
    assert_eq!(body(&config, &message(&properties, data)), expected);
}

#[test]
fn other_headers_are_as_java_has_them() {
    let headers = table(&[
        ("utf8", "é".into()),
        ("bin", Value::Bytes(vec![0, 255])),
        ("time", Value::Timestamp(0)),
        ("dec", Value::Decimal { scale: 1, value: 25 }),
        ("nan", Value::F64(f64::NAN)),
        ("list", Value::Array(vec![true.into(), Value::Void])),
        ("map", Table::new().into()),
        ("map", "second".into()),
    ]);
    let json = body(
        &config(Profile::Lambda),
        &message(&PropertiesBuf { headers, ..Default::default() }, ""),
    );
    let expected = concat!(
        r#""headers":{"utf8":{"bytes":[-61,-87]},"bin":[0,-1],"#,
        r#""time":"Jan 1, 1970, 12:00:00 AM","dec":"2.5","nan":null,"list":[true,null],"map":{}}"#,
    );
    assert!(json.contains(expected), "{json}");
}

#[test]
fn without_an_arn_the_broker_is_named() {
    let json = body(&config(Profile::Lambda), &message(&PropertiesBuf::default(), ""));
    let arn = r#""eventSourceArn":"arn:aws:mq:::broker:rabbit1:orders""#;
    assert!(json.contains(arn), "{json}");
    assert!(json.contains(r#""rmqMessagesByQueue":{"orders::/":["#), "{json}");
    assert!(json.contains(r#""headers":{},"#), "{json}");
}
