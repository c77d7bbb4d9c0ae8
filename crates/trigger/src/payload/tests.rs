//! What all profiles have in common, with the vocabulary of the tests of each.

use super::*;
use crate::config::TriggerConfig;
use amqp::content::PropertiesBuf;
use amqp::value::{Table, Value};
use proptest::prelude::*;
use serde::de::IgnoredAny;

pub(super) const RUN: &str = "0193-run";

pub(super) fn config(profile: Profile) -> TriggerConfig {
    TriggerConfig { queue: "orders".into(), profile, ..TriggerConfig::default() }
}

pub(super) fn table(fields: &[(&str, Value)]) -> Option<Table> {
    Some(Table(fields.iter().map(|(k, v)| (k.as_bytes().to_vec(), v.clone())).collect()))
}

pub(super) fn message(properties: &PropertiesBuf, body: impl Into<Bytes>) -> Message {
    let body = body.into();
    Message {
        delivery_tag: 7,
        exchange: b"x".to_vec(),
        routing_key: b"a.b".to_vec(),
        properties: properties.encode(),
        body_bytes: body.len() as u64,
        body,
        ..Message::default()
    }
}

/// Every property but headers and content encoding.
pub(super) fn full() -> PropertiesBuf {
    PropertiesBuf {
        content_type: Some(b"text/plain".to_vec()),
        content_encoding: None,
        headers: None,
        delivery_mode: Some(2),
        priority: Some(9),
        correlation_id: Some(b"c".to_vec()),
        reply_to: Some(b"r".to_vec()),
        expiration: Some(b"60000".to_vec()),
        message_id: Some(b"m 1".to_vec()),
        timestamp: Some(1_700_000_000),
        kind: Some(b"t".to_vec()),
        user_id: Some(b"u".to_vec()),
        app_id: Some(b"a".to_vec()),
        cluster_id: Some(b"l".to_vec()),
    }
}

pub(super) fn render(config: &TriggerConfig, message: &Message) -> Result<Rendered, RenderError> {
    let format = Format::new(config, "rabbit1", "/");
    let run = Metadata { attempt: 2, execution_id: RUN.into(), deadline_ms: 99 };
    format.render(message, &run)
}

/// The body of the rendered message, as text.
#[track_caller]
pub(super) fn body(config: &TriggerConfig, message: &Message) -> String {
    String::from_utf8(render(config, message).unwrap().body.to_vec()).unwrap()
}

/// The headers of the rendered message as `name: value`.
#[track_caller]
pub(super) fn headers(config: &TriggerConfig, message: &Message) -> Vec<String> {
    let rendered = render(config, message).unwrap();
    let text = |(name, value): &(HeaderName, HeaderValue)| {
        format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
    };
    rendered.headers.iter().map(text).collect()
}

/// Tables inside each other, `depth` with the outermost.
pub(super) fn nested(depth: usize) -> PropertiesBuf {
    let mut headers = Table::new();
    for _ in 1..depth {
        let inner = std::mem::take(&mut headers);
        headers.insert("in", inner.into());
    }
    PropertiesBuf { headers: Some(headers), ..Default::default() }
}

const JSON: [Profile; 4] =
    [Profile::Digibee, Profile::Typed, Profile::CloudeventsStructured, Profile::Lambda];
const ALL: [Profile; 6] = [
    Profile::Digibee,
    Profile::Typed,
    Profile::CloudeventsStructured,
    Profile::Lambda,
    Profile::Raw,
    Profile::CloudeventsBinary,
];

#[test]
fn a_place_is_an_address_whatever_the_names() {
    assert_eq!(place("h:5672", "/", "q"), "amqp://h:5672/%2F/q");
    assert_eq!(place("h", "a/b c", "é?#"), "amqp://h/a%2Fb%20c/%C3%A9%3F%23");
}

#[test]
fn broken_properties_have_no_form() {
    let whole = PropertiesBuf { headers: table(&[("k", Value::Void)]), ..Default::default() };
    let mut unknown = message(&whole, "");
    *unknown.properties.last_mut().unwrap() = b'?';
    let mut cut = message(&full(), "");
    cut.properties.pop();
    for profile in ALL {
        for broken in [&unknown, &cut] {
            let error = render(&config(profile), broken).unwrap_err();
            assert_eq!(error.reason, Reason::BadHeaders, "{profile:?}: {error}");
        }
    }
    let error = render(&config(Profile::Digibee), &unknown).unwrap_err();
    assert_eq!(
        error.to_string(),
        "bad_headers: the headers are broken: unknown field value type 63"
    );
}

#[test]
fn headers_are_shown_to_a_depth_of_32() {
    for profile in [Profile::Digibee, Profile::Typed, Profile::Lambda] {
        assert!(render(&config(profile), &message(&nested(32), "")).is_ok());
        let error = render(&config(profile), &message(&nested(33), "")).unwrap_err();
        assert_eq!(error.reason, Reason::BadHeaders);
        assert!(error.text.ends_with("more than 32 deep"), "{error}");
    }
    assert!(render(&config(Profile::Raw), &message(&nested(50), "")).is_ok());
}

#[test]
fn a_trace_goes_on_in_every_profile() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = table(&[("traceparent", parent.into()), ("tracestate", "a=1".into())]);
    let traced = PropertiesBuf { headers, ..Default::default() };
    for profile in ALL {
        let rendered = headers_end(&config(profile), &message(&traced, "{}"), 2);
        assert_eq!(rendered, [format!("traceparent: {parent}"), "tracestate: a=1".into()]);
    }
}

fn headers_end(config: &TriggerConfig, message: &Message, count: usize) -> Vec<String> {
    let mut all = headers(config, message);
    all.split_off(all.len() - count)
}

#[test]
fn after_a_delay_queue_a_message_looks_as_before() {
    let first = message(&full(), "");
    let retried = crate::outgoing::retry(&first, "orders.retry.1000", 1, Some(b"u"));
    let back = Message {
        exchange: Vec::new(),
        routing_key: b"orders".to_vec(),
        properties: retried.properties,
        ..first.clone()
    };
    for profile in [Profile::Raw, Profile::CloudeventsBinary] {
        assert_eq!(headers(&config(profile), &back), headers(&config(profile), &first));
    }
    let json = body(&config(Profile::Digibee), &back);
    let first = body(&config(Profile::Digibee), &first);
    let part = |json: &str, from: &str, to: &str| {
        json.split_once(from).unwrap().1.split_once(to).unwrap().0.to_owned()
    };
    assert_eq!(part(&json, "properties", "headers"), part(&first, "properties", "headers"));
    assert_eq!(part(&json, "envelope", "}"), part(&first, "envelope", "}"));
}

#[test]
fn compressed_bodies_are_decompressed_where_that_is_wanted() {
    let plain = b"some text, some text, some text";
    let packed = zstd::encode_all(&plain[..], 0).unwrap();
    let zipped = PropertiesBuf { content_encoding: Some(b"zstd".to_vec()), ..Default::default() };
    let message = message(&zipped, packed);
    for profile in ALL {
        let mut config = config(profile);
        assert!(render(&config, &message).is_ok());
        config.decompress = true;
        let rendered = render(&config, &message).unwrap();
        let coding = rendered.headers.iter().find(|(name, _)| name == "content-encoding");
        assert_eq!(coding, None, "{profile:?}");
        config.max_message_bytes.0 = 5;
        assert_eq!(render(&config, &message).unwrap_err().reason, Reason::BadEncoding);
    }
    let mut raw = config(Profile::Raw);
    assert_eq!(render(&raw, &message).unwrap().body, message.body);
    assert!(headers(&raw, &message).contains(&"content-encoding: zstd".into()));
    raw.decompress = true;
    assert_eq!(&render(&raw, &message).unwrap().body[..], plain);
}

/// Values of every type, up to four levels deep.
pub(super) fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..8),
        ".{0,6}".prop_map(String::into_bytes),
    ];
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i8>().prop_map(Value::I8),
        any::<u8>().prop_map(Value::U8),
        any::<i16>().prop_map(Value::I16),
        any::<u16>().prop_map(Value::U16),
        any::<i32>().prop_map(Value::I32),
        any::<u32>().prop_map(Value::U32),
        any::<i64>().prop_map(Value::I64),
        any::<u32>().prop_map(|bits| Value::F32(f32::from_bits(bits))),
        any::<u64>().prop_map(|bits| Value::F64(f64::from_bits(bits))),
        (any::<u8>(), any::<u32>()).prop_map(|(scale, value)| Value::Decimal { scale, value }),
        text.prop_map(Value::LongStr),
        any::<u64>().prop_map(Value::Timestamp),
        Just(Value::Void),
        prop::collection::vec(any::<u8>(), 0..8).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let key = prop::collection::vec(any::<u8>(), 0..4);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((key, inner), 0..4).prop_map(|f| Value::Table(Table(f))),
        ]
    })
}

fn properties() -> impl Strategy<Value = Vec<u8>> {
    let text = || prop::option::of(prop::collection::vec(any::<u8>(), 0..20));
    let header = (prop::collection::vec(any::<u8>(), 0..6), value());
    let headers = prop::option::of(prop::collection::vec(header, 0..5));
    let strings = (text(), text(), text(), text(), text(), text());
    let known = (strings, headers, any::<Option<u64>>(), any::<Option<u8>>()).prop_map(
        |((content_type, correlation_id, expiration, message_id, kind, user_id), headers, t, p)| {
            let headers = headers.map(Table);
            let known = PropertiesBuf {
                content_type,
                headers,
                priority: p,
                correlation_id,
                expiration,
                message_id,
                timestamp: t,
                kind,
                user_id,
                ..Default::default()
            };
            known.encode()
        },
    );
    prop_oneof![4 => known, 1 => prop::collection::vec(any::<u8>(), 0..80)]
}

proptest! {
    #[test]
    fn whatever_comes_is_refused_or_well_formed(
        properties in properties(),
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            ".{0,20}".prop_map(String::into_bytes),
        ],
        route in prop::collection::vec(any::<u8>(), 0..10),
        binary in any::<bool>(),
        pass in "[a-z-]{1,4}",
    ) {
        let whole = message(&PropertiesBuf::default(), body);
        let strange =
            Message { properties, exchange: route.clone(), routing_key: route, ..whole };
        for profile in ALL {
            let mut config = config(profile);
            config.binary_message = binary;
            config.decompress = binary;
            config.http.pass_headers = vec![pass.clone()];
            let Ok(rendered) = render(&config, &strange) else { continue };
            prop_assert_eq!(&rendered.headers[0].0, "content-type");
            let own = rendered.headers[0].1.as_bytes().starts_with(b"application/");
            if JSON.contains(&profile) && own {
                prop_assert!(serde_json::from_slice::<IgnoredAny>(&rendered.body).is_ok());
                prop_assert!(str::from_utf8(&rendered.body).is_ok());
            }
            for (name, value) in &rendered.headers {
                let clean = value.as_bytes().iter().all(|b| *b == b'\t' || *b >= b' ');
                prop_assert!(clean, "{name}: {value:?}");
            }
        }
    }
}
