//! The `amq-protocol` crate as the oracle: both codecs write the same bytes for the same method,
//! table and properties, and read the same values from them.
//!
//! Where they differ on purpose, because RabbitMQ is the model here:
//! - the oracle reads `U` as a 16-bit integer, which RabbitMQ does not know;
//! - it sorts the keys of a table, keeps the last of duplicates, and wants them to be UTF-8;
//! - it wants the strings of properties to be UTF-8;
//! - it drops `basic.qos`'s prefetch_size and `access.request-ok`'s ticket, writing 0 and 1.

use amq_protocol::protocol::{AMQPClass, basic, gen_class, parse_class};
use amq_protocol::types::generation::gen_field_table;
use amq_protocol::types::parsing::parse_field_table;
use amqp::content::{Properties, PropertiesBuf};
use amqp::error::DecodeError;
use amqp::method::{AccessRequestOk, BasicQos, Method};
use amqp::value::{RawTable, Table, Value};
use proptest::prelude::*;

use crate::{generate, oracle};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// What the oracle cannot carry is set to what it writes.
fn as_the_oracle_has_it(method: Method<'_>) -> Method<'_> {
    match method {
        Method::BasicQos(qos) => BasicQos { prefetch_size: 0, ..qos }.into(),
        Method::AccessRequestOk(_) => AccessRequestOk { ticket: 1 }.into(),
        other => other,
    }
}

fn check_method(payload: &[u8]) {
    let method = as_the_oracle_has_it(Method::decode(payload).unwrap());
    let mut ours = Vec::new();
    method.encode(&mut ours);

    let translated = oracle::class(&method);
    let theirs = written(gen_class(&translated));
    assert_eq!(ours, theirs, "{method:?}");

    let (rest, parsed): (&[u8], AMQPClass) = parse_class(ours.as_slice()).unwrap();
    assert!(rest.is_empty(), "{rest:?} left of {method:?}");
    assert_eq!(parsed, translated);
    assert_eq!(parsed.get_amqp_class_id(), method.id().0);
    assert_eq!(parsed.get_amqp_method_id(), method.id().1);
    assert_eq!(Method::decode(&theirs), Ok(method));
}

#[test]
fn methods_are_written_and_read_alike() {
    for row in generate::LAYOUTS {
        let strategy = generate::payload_of(row, &generate::sorted_table());
        proptest!(config(16), |(payload in strategy)| check_method(&payload));
    }
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn tables_are_written_and_read_alike(table in generate::sorted_table()) {
        let mut ours = Vec::new();
        table.encode(&mut ours);
        let translated = oracle::table(&table);
        let theirs = written(gen_field_table(&translated));
        prop_assert_eq!(&ours, &theirs);
        let (rest, parsed) = parse_field_table(ours.as_slice()).unwrap();
        prop_assert_eq!(rest, b"");
        prop_assert_eq!(parsed, translated);
        prop_assert_eq!(Table::decode(&theirs[4..]), Ok(table));
    }

    #[test]
    fn properties_are_written_and_read_alike(
        properties in generate::properties(
            generate::text().prop_map(String::into_bytes).boxed(),
            generate::sorted_table(),
        )
    ) {
        let ours = properties.encode();
        let translated = oracle::properties(&properties);
        let theirs = written(basic::gen_properties(&translated));
        prop_assert_eq!(&ours, &theirs);
        let (rest, parsed) = basic::parse_properties(ours.as_slice()).unwrap();
        prop_assert_eq!(rest, b"");
        prop_assert_eq!(parsed, translated);
        prop_assert_eq!(PropertiesBuf::from(Properties(&theirs)), Ok(properties));
    }
}

#[test]
fn the_known_differences_are_these() {
    let theirs = |contents: &[u8]| {
        let bytes = [&(contents.len() as u32).to_be_bytes(), contents].concat();
        parse_field_table(bytes.as_slice()).map(|(_, table)| table).ok()
    };
    let ours = |contents: &[u8]| Table::decode(contents);

    let short_int = b"\x01kU\x00\x01";
    assert_eq!(ours(short_int), Err(DecodeError::BadTag(b'U')));
    assert!(theirs(short_int).is_some());

    let unsigned = b"\x01kL\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF";
    let table = ours(unsigned).unwrap();
    assert_eq!(table.get("k"), Some(&Value::I64(-1)));
    assert_eq!(theirs(unsigned), Some(oracle::table(&table)), "here they agree");

    let duplicates = b"\x01kt\x01\x01kt\x00";
    assert_eq!(RawTable(duplicates).get("k"), Ok(Some(Value::Bool(true))));
    let last = Table::decode(&duplicates[4..]).unwrap();
    assert_eq!(theirs(duplicates), Some(oracle::table(&last)));

    let not_text = b"\x01\xFFV";
    assert!(ours(not_text).is_ok());
    assert_eq!(theirs(not_text), None);
    let content_type = b"\x80\0\x01\xFF";
    assert_eq!(Properties(content_type).check(), Ok(()));
    assert!(basic::parse_properties(content_type.as_slice()).is_err());
}

/// Bytes of the oracle's generators.
fn written(generate: impl amq_protocol::types::generation::SerializeFn<Vec<u8>>) -> Vec<u8> {
    let context = amq_protocol::frame::WriteContext::from(Vec::new());
    generate(context).unwrap().into_inner().0
}
