//! Headers and properties: as RabbitMQ's clients write them, rewritten, damaged.

use super::*;
use crate::value::Value;

/// All 14 properties, in the order of the wire.
const FULL: &[u8] = b"\xFF\xFC\x01t\x02en\0\0\0\x03\x01hV\x02\x09\x02ci\x02rt\x0260\x02mi\
    \0\0\0\0\0\0\x01\x02\x02ty\x02us\x02ap\x02cl";

fn full_scan() -> PropertyScan<'static> {
    PropertyScan {
        content_type: Some(b"t"),
        content_encoding: Some(b"en"),
        headers: Some(RawTable(b"\x01hV")),
        delivery_mode: Some(2),
        priority: Some(9),
        correlation_id: Some(b"ci"),
        reply_to: Some(b"rt"),
        expiration: Some(b"60"),
        message_id: Some(b"mi"),
        timestamp: Some(258),
        kind: Some(b"ty"),
        user_id: Some(b"us"),
        app_id: Some(b"ap"),
        cluster_id: Some(b"cl"),
    }
}

#[test]
fn all_properties_are_read_and_written() {
    let full = Properties(FULL);
    assert_eq!(full.scan(), Ok(full_scan()));
    assert_eq!(full.check(), Ok(()));
    assert_eq!(full_scan().encode(), FULL);
    let owned = PropertiesBuf::from(full).unwrap();
    let mut headers = Table::new();
    headers.insert("h", Value::Void);
    assert_eq!(owned.headers, Some(headers));
    assert_eq!(owned.kind.as_deref(), Some(b"ty".as_slice()));
    assert_eq!(owned.encode(), FULL);
}

#[test]
fn each_property_has_its_accessor() {
    let full = Properties(FULL);
    let from_accessors = PropertyScan {
        content_type: full.content_type(),
        content_encoding: full.content_encoding(),
        headers: full.headers(),
        delivery_mode: full.delivery_mode(),
        priority: full.priority(),
        correlation_id: full.correlation_id(),
        reply_to: full.reply_to(),
        expiration: full.expiration(),
        message_id: full.message_id(),
        timestamp: full.timestamp(),
        kind: full.kind(),
        user_id: full.user_id(),
        app_id: full.app_id(),
        cluster_id: full.cluster_id(),
    };
    assert_eq!(from_accessors, full_scan());
}

#[test]
fn each_property_has_its_flag() {
    let full = PropertiesBuf::from(Properties(FULL)).unwrap();
    let with = |set: fn(&mut PropertiesBuf, PropertiesBuf)| {
        let mut one = PropertiesBuf::default();
        set(&mut one, full.clone());
        one
    };
    let cases: [(PropertiesBuf, &[u8]); 15] = [
        (PropertiesBuf::default(), b"\0\0"),
        (with(|one, full| one.content_type = full.content_type), b"\x80\0\x01t"),
        (with(|one, full| one.content_encoding = full.content_encoding), b"\x40\0\x02en"),
        (with(|one, full| one.headers = full.headers), b"\x20\0\0\0\0\x03\x01hV"),
        (with(|one, full| one.delivery_mode = full.delivery_mode), b"\x10\0\x02"),
        (with(|one, full| one.priority = full.priority), b"\x08\0\x09"),
        (with(|one, full| one.correlation_id = full.correlation_id), b"\x04\0\x02ci"),
        (with(|one, full| one.reply_to = full.reply_to), b"\x02\0\x02rt"),
        (with(|one, full| one.expiration = full.expiration), b"\x01\0\x0260"),
        (with(|one, full| one.message_id = full.message_id), b"\0\x80\x02mi"),
        (with(|one, full| one.timestamp = full.timestamp), b"\0\x40\0\0\0\0\0\0\x01\x02"),
        (with(|one, full| one.kind = full.kind), b"\0\x20\x02ty"),
        (with(|one, full| one.user_id = full.user_id), b"\0\x10\x02us"),
        (with(|one, full| one.app_id = full.app_id), b"\0\x08\x02ap"),
        (with(|one, full| one.cluster_id = full.cluster_id), b"\0\x04\x02cl"),
    ];
    for (properties, bytes) in cases {
        assert_eq!(properties.encode(), bytes, "{properties:?}");
        assert_eq!(PropertiesBuf::from(Properties(bytes)), Ok(properties));
    }
}

#[test]
fn a_list_cut_anywhere_is_truncated_and_may_not_be_longer() {
    for len in 0..FULL.len() {
        assert_eq!(Properties(&FULL[..len]).scan(), Err(DecodeError::Truncated), "to {len}");
        assert_eq!(Properties(&FULL[..len]).priority(), None);
    }
    let longer = [FULL, &[0]].concat();
    assert_eq!(Properties(&longer).scan(), Err(DecodeError::Trailing));
}

#[test]
fn only_the_flags_of_properties_count() {
    let check = |bytes: &[u8], expected: Result<(), DecodeError>| {
        assert_eq!(Properties(bytes).check(), expected, "{bytes:?}");
    };
    check(b"\0\0", Ok(()));
    check(b"\0\x02", Ok(()));
    check(b"\x10\x02\x02", Ok(()));
    check(b"\0\x01", Err(DecodeError::BadHeader));
    check(b"\0\x01\0\0", Err(DecodeError::BadHeader));
    check(b"\0\x01\x80\0\x01t", Err(DecodeError::BadHeader));
    check(b"\x10\x01\0\0\x02", Err(DecodeError::BadHeader));
}

#[test]
fn headers_are_looked_into_by_check_alone() {
    let bad = Properties(b"\x20\0\0\0\0\x03\x01hU");
    assert!(bad.scan().is_ok());
    assert_eq!(bad.check(), Err(DecodeError::BadTag(b'U')));
    assert_eq!(PropertiesBuf::from(bad), Err(DecodeError::BadTag(b'U')));
}

#[test]
fn strings_of_properties_need_not_be_utf8() {
    assert_eq!(Properties(b"\x80\0\x02\xC3\x28").content_type(), Some(b"\xC3\x28".as_slice()));
}

#[test]
fn no_properties_is_the_default() {
    assert_eq!(Properties::default().scan(), Ok(PropertyScan::default()));
    assert_eq!(PropertiesBuf::default().encode(), Properties::EMPTY.0);
}

#[test]
fn content_headers_are_read() {
    let payload = b"\0\x3C\0\0\0\0\0\0\0\0\x01\x02\x10\0\x02";
    let header = ContentHeader::decode(payload).unwrap();
    assert_eq!((header.class_id, header.body_size), (60, 258));
    assert_eq!(header.properties.delivery_mode(), Some(2));
    for len in 0..12 {
        assert_eq!(ContentHeader::decode(&payload[..len]), Err(DecodeError::Truncated));
    }
    let weighted = b"\0\x3C\0\x01\0\0\0\0\0\0\x01\x02\x10\0\x02";
    assert_eq!(ContentHeader::decode(weighted), Err(DecodeError::BadHeader));
}
