//! What is written is read as it was, whatever it was; what is not valid is refused.

use amqp::content::{ContentHeader, Properties, PropertiesBuf};
use amqp::error::DecodeError;
use amqp::frame;
use amqp::method::{METHODS, Method};
use amqp::value::{RawTable, Table};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::fuzz::check_all;
use crate::generate;

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn the_second_table_lists_the_same_methods() {
    let ids = METHODS.iter().map(|&(class, method, _)| (class, method));
    assert!(ids.eq(generate::LAYOUTS.iter().map(|&(class, method, _)| (class, method))));
}

/// Checks that the payload of a method is read, and written as it was.
fn check_method(payload: &[u8]) {
    let method = Method::decode(payload).unwrap();
    let mut out = Vec::new();
    method.encode(&mut out);
    assert_eq!(out, payload, "{method:?}");
    assert_eq!(Method::ids_of(payload), Some(method.id()));

    let mut framed = Vec::new();
    frame::write_method(&mut framed, 7, &method);
    let (frame, used) = frame::parse(&framed, 0).unwrap().unwrap();
    assert_eq!((frame.channel, frame.payload, used), (7, payload, framed.len()));
    for len in 0..payload.len() {
        assert!(Method::decode(&payload[..len]).is_err(), "to {len}: {method:?}");
    }
}

/// Every method a few times, so that none is left out by chance.
#[test]
fn every_method_survives_a_round_trip() {
    for row in generate::LAYOUTS {
        let strategy = generate::payload_of(row, &generate::table());
        proptest!(ProptestConfig { cases: 16, ..config() }, |(payload in strategy)| {
            check_method(&payload);
        });
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn tables_survive_a_round_trip(table in generate::table()) {
        let mut bytes = Vec::new();
        table.encode(&mut bytes);
        let contents = &bytes[4..];
        prop_assert_eq!(u32::from_be_bytes(*bytes.first_chunk().unwrap()) as usize, contents.len());
        prop_assert_eq!(Table::decode(contents), Ok(table.clone()));
        prop_assert_eq!(RawTable(contents).check(), Ok(()));
        for (key, _) in table.iter() {
            let Ok(key) = str::from_utf8(key) else { continue };
            let value = table.get(key).cloned();
            prop_assert_eq!(RawTable(contents).get(key), Ok(value));
        }
    }

    #[test]
    fn properties_survive_a_round_trip(properties in generate::any_properties()) {
        let bytes = properties.encode();
        prop_assert_eq!(Properties(&bytes).check(), Ok(()));
        let again = PropertiesBuf::from(Properties(&bytes));
        prop_assert_eq!(again, Ok(properties));
        for len in 0..bytes.len() {
            prop_assert_eq!(Properties(&bytes[..len]).scan(), Err(DecodeError::Truncated));
        }
    }

    #[test]
    fn content_survives_a_round_trip(
        properties in generate::any_properties(),
        body in vec(any::<u8>(), 0..9000),
        frame_max in prop_oneof![Just(0), 9..5000u32],
    ) {
        let properties = properties.encode();
        let mut out = Vec::new();
        frame::write_content(&mut out, 7, Properties(&properties), &body, frame_max);
        let (first, mut at) = frame::parse(&out, 0).unwrap().unwrap();
        let header = ContentHeader::decode(first.payload).unwrap();
        prop_assert_eq!(header.body_size, body.len() as u64);
        prop_assert_eq!(header.properties, Properties(&properties));
        let mut read = Vec::new();
        while at < out.len() {
            let (frame, used) = frame::parse(&out[at..], frame_max).unwrap().unwrap();
            prop_assert!(frame_max == 0 || used <= frame_max as usize);
            read.extend_from_slice(frame.payload);
            at += used;
        }
        prop_assert_eq!(read, body);
    }

    #[test]
    fn arbitrary_bytes_are_harmless(bytes in vec(any::<u8>(), 0..200)) {
        check_all(&bytes);
    }

    #[test]
    fn arbitrary_arguments_are_harmless(
        ids in proptest::sample::select(METHODS),
        arguments in vec(any::<u8>(), 0..60),
    ) {
        check_all(&[&[0, ids.0 as u8, 0, ids.1 as u8], arguments.as_slice()].concat());
    }

    #[test]
    fn mutated_input_is_harmless(
        stream in generate::stream(),
        changes in vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = stream;
        prop_assume!(!bytes.is_empty());
        for (at, octet) in changes {
            let at = at.index(bytes.len());
            bytes[at] = octet;
        }
        check_all(&bytes);
    }
}
