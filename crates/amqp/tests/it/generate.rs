//! Strategies for everything that is on the wire, written from the specification and not from the
//! crate: the payloads of methods come from a second table.

use amqp::content::PropertiesBuf;
use amqp::value::{Table, Value};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// The fields of every method in the specification's domains, `~` before a reserved one.
pub(crate) const LAYOUTS: &[(u16, u16, &str)] = &[
    (10, 10, "octet octet table longstr longstr"),
    (10, 11, "table shortstr longstr shortstr"),
    (10, 20, "longstr"),
    (10, 21, "longstr"),
    (10, 30, "short long short"),
    (10, 31, "short long short"),
    (10, 40, "shortstr ~shortstr ~bit"),
    (10, 41, "~shortstr"),
    (10, 50, "short shortstr short short"),
    (10, 51, ""),
    (10, 60, "shortstr"),
    (10, 61, ""),
    (10, 70, "longstr shortstr"),
    (10, 71, ""),
    (20, 10, "~shortstr"),
    (20, 11, "~longstr"),
    (20, 20, "bit"),
    (20, 21, "bit"),
    (20, 40, "short shortstr short short"),
    (20, 41, ""),
    (30, 10, "shortstr bit bit bit bit bit"),
    (30, 11, "short"),
    (40, 10, "~short shortstr shortstr bit bit bit bit bit table"),
    (40, 11, ""),
    (40, 20, "~short shortstr bit bit"),
    (40, 21, ""),
    (40, 30, "~short shortstr shortstr shortstr bit table"),
    (40, 31, ""),
    (40, 40, "~short shortstr shortstr shortstr bit table"),
    (40, 51, ""),
    (50, 10, "~short shortstr bit bit bit bit bit table"),
    (50, 11, "shortstr long long"),
    (50, 20, "~short shortstr shortstr shortstr bit table"),
    (50, 21, ""),
    (50, 30, "~short shortstr bit"),
    (50, 31, "long"),
    (50, 40, "~short shortstr bit bit bit"),
    (50, 41, "long"),
    (50, 50, "~short shortstr shortstr shortstr table"),
    (50, 51, ""),
    (60, 10, "long short bit"),
    (60, 11, ""),
    (60, 20, "~short shortstr shortstr bit bit bit bit table"),
    (60, 21, "shortstr"),
    (60, 30, "shortstr bit"),
    (60, 31, "shortstr"),
    (60, 40, "~short shortstr shortstr bit bit"),
    (60, 50, "short shortstr shortstr shortstr"),
    (60, 60, "shortstr longlong bit shortstr shortstr"),
    (60, 70, "~short shortstr bit"),
    (60, 71, "longlong bit shortstr shortstr long"),
    (60, 72, "~shortstr"),
    (60, 80, "longlong bit"),
    (60, 90, "longlong bit"),
    (60, 100, "bit"),
    (60, 110, "bit"),
    (60, 111, ""),
    (60, 120, "longlong bit bit"),
    (85, 10, "bit"),
    (85, 11, ""),
    (90, 10, ""),
    (90, 11, ""),
    (90, 20, ""),
    (90, 21, ""),
    (90, 30, ""),
    (90, 31, ""),
];

/// The payload of a method frame: any method, any arguments, reserved fields empty.
pub(crate) fn method_payload(table: BoxedStrategy<Table>) -> BoxedStrategy<Vec<u8>> {
    select(LAYOUTS).prop_flat_map(move |row| payload_of(&row, &table)).boxed()
}

/// The payload of one method.
pub(crate) fn payload_of(
    &(class, method, layout): &(u16, u16, &str),
    table: &BoxedStrategy<Table>,
) -> BoxedStrategy<Vec<u8>> {
    let ids = [class.to_be_bytes(), method.to_be_bytes()].concat();
    let fields: Vec<_> = layout.split_whitespace().map(|domain| field(domain, table)).collect();
    fields
        .prop_map(move |fields| {
            let mut payload = ids.clone();
            let mut bits = 0;
            for field in fields {
                match field {
                    Field::Bytes(bytes) => {
                        payload.extend(bytes);
                        bits = 0;
                    }
                    Field::Bit(bit) => {
                        if bits % 8 == 0 {
                            payload.push(0);
                        }
                        *payload.last_mut().unwrap() |= u8::from(bit) << (bits % 8);
                        bits += 1;
                    }
                }
            }
            payload
        })
        .boxed()
}

#[derive(Clone, Debug)]
enum Field {
    Bytes(Vec<u8>),
    Bit(bool),
}

fn field(domain: &str, table: &BoxedStrategy<Table>) -> BoxedStrategy<Field> {
    let bytes = match domain {
        "bit" => return any::<bool>().prop_map(Field::Bit).boxed(),
        "~bit" => return Just(Field::Bit(false)).boxed(),
        "~short" => Just(vec![0; 2]).boxed(),
        "~shortstr" => Just(vec![0; 1]).boxed(),
        "~longstr" => Just(vec![0; 4]).boxed(),
        "octet" => any::<u8>().prop_map(|value| vec![value]).boxed(),
        "short" => any::<u16>().prop_map(|value| value.to_be_bytes().to_vec()).boxed(),
        "long" => any::<u32>().prop_map(|value| value.to_be_bytes().to_vec()).boxed(),
        "longlong" => any::<u64>().prop_map(|value| value.to_be_bytes().to_vec()).boxed(),
        "shortstr" => {
            text().prop_map(|text| [&[text.len() as u8], text.as_bytes()].concat()).boxed()
        }
        "longstr" => vec(any::<u8>(), 0..40)
            .prop_map(|bytes| [&(bytes.len() as u32).to_be_bytes(), bytes.as_slice()].concat())
            .boxed(),
        "table" => table
            .clone()
            .prop_map(|table| {
                let mut bytes = Vec::new();
                table.encode(&mut bytes);
                bytes
            })
            .boxed(),
        other => panic!("no such domain: {other}"),
    };
    bytes.prop_map(Field::Bytes).boxed()
}

/// Text that fits in a short string: mostly short, sometimes the longest, not only ASCII.
pub(crate) fn text() -> BoxedStrategy<String> {
    prop_oneof![
        8 => "[a-z.*#]{0,12}",
        2 => "[a-zé兔\u{1F407}]{0,30}",
        1 => "[a-z]{255}",
    ]
    .boxed()
}

/// A key: text, or any bytes.
fn key() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        8 => text().prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..=255),
    ]
    .boxed()
}

/// Any table: nested, with duplicate keys, with keys that are not text.
pub(crate) fn table() -> BoxedStrategy<Table> {
    vec((key(), value(key())), 0..8).prop_map(Table).boxed()
}

/// A table that a codec with sorted keys of text reads and writes as it is.
pub(crate) fn sorted_table() -> BoxedStrategy<Table> {
    let key = text().prop_map(String::into_bytes).boxed();
    vec((key.clone(), value(key)), 0..8)
        .prop_map(|fields| {
            let mut table = Table(fields);
            sort(&mut table);
            table
        })
        .boxed()
}

/// Any value that equals itself, nested up to four levels.
fn value(key: BoxedStrategy<Vec<u8>>) -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i8>().prop_map(Value::I8),
        any::<u8>().prop_map(Value::U8),
        any::<i16>().prop_map(Value::I16),
        any::<u16>().prop_map(Value::U16),
        any::<i32>().prop_map(Value::I32),
        any::<u32>().prop_map(Value::U32),
        any::<i64>().prop_map(Value::I64),
        any::<f32>().prop_filter("NaN", |value| !value.is_nan()).prop_map(Value::F32),
        any::<f64>().prop_filter("NaN", |value| !value.is_nan()).prop_map(Value::F64),
        any::<(u8, u32)>().prop_map(|(scale, value)| Value::Decimal { scale, value }),
        vec(any::<u8>(), 0..40).prop_map(Value::LongStr),
        any::<u64>().prop_map(Value::Timestamp),
        Just(Value::Void),
        vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(4, 24, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::Array),
            vec((key.clone(), inner), 0..6).prop_map(|fields| Value::Table(Table(fields))),
        ]
    })
    .boxed()
}

fn sort(table: &mut Table) {
    table.0.sort_by(|(one, _), (other, _)| one.cmp(other));
    table.0.dedup_by(|(one, _), (other, _)| one == other);
    table.0.iter_mut().for_each(|(_, value)| sort_inside(value));
}

fn sort_inside(value: &mut Value) {
    match value {
        Value::Table(table) => sort(table),
        Value::Array(values) => values.iter_mut().for_each(sort_inside),
        _ => {}
    }
}

/// Any properties; `string` makes their short strings.
pub(crate) fn properties(
    string: BoxedStrategy<Vec<u8>>,
    table: BoxedStrategy<Table>,
) -> BoxedStrategy<PropertiesBuf> {
    let text = || prop::option::of(string.clone());
    let first = (text(), text(), prop::option::of(table), any::<(Option<u8>, Option<u8>)>());
    let second = (text(), text(), text(), text(), any::<Option<u64>>());
    let third = (text(), text(), text(), text());
    (first, second, third)
        .prop_map(|(first, second, third)| PropertiesBuf {
            content_type: first.0,
            content_encoding: first.1,
            headers: first.2,
            delivery_mode: first.3.0,
            priority: first.3.1,
            correlation_id: second.0,
            reply_to: second.1,
            expiration: second.2,
            message_id: second.3,
            timestamp: second.4,
            kind: third.0,
            user_id: third.1,
            app_id: third.2,
            cluster_id: third.3,
        })
        .boxed()
}

/// Any properties whose short strings are any bytes.
pub(crate) fn any_properties() -> BoxedStrategy<PropertiesBuf> {
    properties(key(), table())
}

/// A stream of up to eight frames with what belongs into them, ends and all.
pub(crate) fn stream() -> BoxedStrategy<Vec<u8>> {
    let method = method_payload(table()).prop_map(|payload| (1, payload));
    let header = content_header().prop_map(|payload| (2, payload));
    let body = vec(any::<u8>(), 0..40).prop_map(|payload| (3, payload));
    let heartbeat = Just((8, Vec::new()));
    let frame = prop_oneof![4 => method, 2 => header, 2 => body, 1 => heartbeat];
    vec((frame, any::<u16>()), 0..8)
        .prop_map(|frames| {
            let mut stream = Vec::new();
            for ((kind, payload), channel) in frames {
                stream.push(kind);
                stream.extend(channel.to_be_bytes());
                stream.extend((payload.len() as u32).to_be_bytes());
                stream.extend(payload);
                stream.push(0xCE);
            }
            stream
        })
        .boxed()
}

/// The payload of a header frame.
pub(crate) fn content_header() -> BoxedStrategy<Vec<u8>> {
    (any::<u64>(), any_properties())
        .prop_map(|(size, properties)| {
            [&[0, 60, 0, 0], size.to_be_bytes().as_slice(), &properties.encode()].concat()
        })
        .boxed()
}
