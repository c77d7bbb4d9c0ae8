//! Frames: whole, in pieces, damaged, and the ones written for every message.

use super::*;
use crate::content::ContentHeader;
use crate::method::{BasicAck, BasicDeliver, BasicGetOk, BasicNack, BasicReturn, ChannelOpen};

const HEARTBEAT: &[u8] = b"\x08\0\0\0\0\0\0\xCE";

/// All frames of `bytes`, which have to end with the last one.
fn frames(mut bytes: &[u8]) -> Vec<Frame<'_>> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (frame, used) = parse(bytes, 0).unwrap().expect("no complete frame");
        assert_eq!(needed(bytes), Some(used));
        frames.push(frame);
        bytes = &bytes[used..];
    }
    frames
}

#[test]
fn a_frame_is_taken_once_it_is_complete() {
    let frame = Frame { kind: FrameKind::Body, channel: 258, payload: b"abc" };
    let bytes = b"\x03\x01\x02\0\0\0\x03abc\xCEmore";
    for len in 0..11 {
        assert_eq!(parse(&bytes[..len], 4096), Ok(None), "{len}");
        assert_eq!(needed(&bytes[..len]), (len >= 7).then_some(11), "{len}");
    }
    for len in 11..bytes.len() {
        assert_eq!(parse(&bytes[..len], 4096), Ok(Some((frame, 11))), "{len}");
    }
    assert_eq!(frames(HEARTBEAT)[0].kind, FrameKind::Heartbeat);
}

#[test]
fn a_frame_may_exceed_frame_max_by_eight_bytes() {
    let check = |size: u32, frame_max: u32, max: Option<u32>| {
        let head = [&[3, 0, 1], size.to_be_bytes().as_slice()].concat();
        let expected = match max {
            Some(max) => Err(FrameError::TooLarge { kind: 3, size, max }),
            None => Ok(None),
        };
        assert_eq!(parse(&head, frame_max), expected, "{size} of {frame_max}");
    };
    check(4096, 4096, None);
    check(4097, 4096, Some(4088));
    check(u32::MAX, 131_072, Some(131_064));
    check(u32::MAX, u32::MAX, None);
    check(PAYLOAD_BYTES_MAX, 0, None);
    check(PAYLOAD_BYTES_MAX + 1, 0, Some(PAYLOAD_BYTES_MAX));
    check(5, 4, Some(0));
}

/// Texts as RabbitMQ 3.10.8 sends them.
#[test]
fn refusals_have_rabbitmq_s_words() {
    let check = |bytes: &[u8], text: &str| {
        let error = AmqpError::from(parse(bytes, 131_072).unwrap_err());
        assert_eq!(error.reply_text(), format!("FRAME_ERROR - {text}"));
    };
    let large = b"\x01\0\x01\0\x02\0\x01";
    check(large, "type 1, all octets = <<>>: {frame_too_large,131073,131064}");
    let http = b"GET / HTTP/1.1\r\n";
    check(http, "type 71, all octets = <<>>: {frame_too_large,539959368,131064}");

    let check_end = |payload: &[u8], octets: &str| {
        let frame = [&[3, 0, 1, 0, 0, 0, payload.len() as u8], payload, b"!"].concat();
        check(&frame, &format!("type 3, {octets}: {{invalid_frame_end_marker,33}}"));
    };
    check_end(b"", "all octets = <<>>");
    check_end(b"\0\x3C\0\x0A", "all octets = <<0,60,0,10>>");
    check_end(b"a\"b\\", r#"all octets = <<"a\"b\\">>"#);
    check_end(b"a\nb", r#"all octets = <<"a\nb">>"#);
    check_end(b"a\t\x1B", r#"all octets = <<"a\t\e">>"#);
    check_end(b"a\x80", "all octets = <<97,128>>");
    check_end(b"abcdefghijklmnop", r#"all octets = <<"abcdefghijklmnop">>"#);
    check_end(b"abcdefghijklmnopqr", r#"first 16 octets = <<"abcdefghijklmnop">>"#);

    let check_unknown = |kind: u8, payload: &[u8], octets: &str| {
        let frame = [&[kind, 0, 1, 0, 0, 0, payload.len() as u8], payload, b"\xCE"].concat();
        check(&frame, &format!("type {kind}, {octets}: unknown_frame"));
    };
    check_unknown(5, b"abc", r#"all octets = <<"abc">>"#);
    check_unknown(0, b"", "all octets = <<>>");
    check_unknown(5, b"\x08\x0B\x0C\r", r#"all octets = <<"\b\v\f\r">>"#);
    check_unknown(5, b"a\x7F", "all octets = <<97,127>>");
    check_unknown(1, b"\0\x3C\0", "all octets = <<0,60,0>>");
    check_unknown(2, b"\0\x3C\0\0", "all octets = <<0,60,0,0>>");
    check_unknown(8, b"x", r#"all octets = <<"x">>"#);
}

#[test]
fn an_unexpected_frame_is_named() {
    let frame = Frame { kind: FrameKind::Heartbeat, channel: 1, payload: b"" };
    let text = "UNEXPECTED_FRAME - type 8, all octets = <<>>";
    assert_eq!(frame.unexpected().reply_text(), text);
}

#[test]
fn only_four_kinds_are_known() {
    for octet in 0..=u8::MAX {
        let whole = [octet, 0, 0, 0, 0, 0, 0, FRAME_END];
        let known = matches!(octet, 3 | 8);
        assert_eq!(parse(&whole, 4096).is_ok(), known, "{octet} without payload");
        let whole = [[octet, 0, 0, 0, 0, 0, 12].as_slice(), &[0; 12], &[FRAME_END]].concat();
        let known = matches!(octet, 1..=3);
        assert_eq!(parse(&whole, 4096).is_ok(), known, "{octet} with payload");
        assert_eq!(parse(&whole[..19], 4096), Ok(None), "{octet} incomplete");
    }
}

#[test]
fn written_frames_are_the_ones_that_the_method_table_writes() {
    let check = |write: fn(&mut Vec<u8>), method: Method<'_>| {
        let mut fast = b"x".to_vec();
        write(&mut fast);
        let mut general = b"x".to_vec();
        write_method(&mut general, 258, &method);
        assert_eq!(fast, general, "{method:?}");
        let frames = frames(&fast[1..]);
        assert_eq!((frames.len(), frames[0].kind), (1, FrameKind::Method));
        assert_eq!(frames[0].channel, 258);
        assert_eq!(Method::decode(frames[0].payload), Ok(method));
    };
    check(|out| write_method(out, 258, &ChannelOpen {}.into()), ChannelOpen {}.into());
    check(
        |out| write_ack(out, 258, 1 << 40, true),
        BasicAck { delivery_tag: 1 << 40, multiple: true }.into(),
    );
    check(
        |out| write_nack(out, 258, 7, false),
        BasicNack { delivery_tag: 7, multiple: false, requeue: false }.into(),
    );
    check(
        |out| write_deliver(out, 258, b"tag", 7, true, b"x", b"key"),
        BasicDeliver {
            consumer_tag: "tag",
            delivery_tag: 7,
            redelivered: true,
            exchange: "x",
            routing_key: "key".into(),
        }
        .into(),
    );
    check(
        |out| write_get_ok(out, 258, 7, false, b"x", b"key", 10_000_000),
        BasicGetOk {
            delivery_tag: 7,
            redelivered: false,
            exchange: "x",
            routing_key: "key".into(),
            message_count: 10_000_000,
        }
        .into(),
    );
    check(
        |out| write_return(out, 258, ReplyCode::NoRoute, "NO_ROUTE", b"x", b"key"),
        BasicReturn {
            reply_code: 312,
            reply_text: "NO_ROUTE",
            exchange: "x",
            routing_key: "key".into(),
        }
        .into(),
    );
}

#[test]
fn strings_over_255_bytes_are_cut() {
    let long = [b'q'; 300];
    let mut out = Vec::new();
    write_deliver(&mut out, 1, &long, 1, false, &long, &long);
    let frame = frames(&out)[0];
    let Ok(Method::BasicDeliver(deliver)) = Method::decode(frame.payload) else {
        panic!("{frame:?}");
    };
    assert_eq!(deliver.routing_key.0.len(), 255);
}

#[test]
fn a_body_is_split_by_frame_max() {
    let body: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let properties = Properties(b"\x10\0\x02");
    let check = |body: &[u8], frame_max: u32, pieces: &[usize]| {
        let mut out = Vec::new();
        write_content(&mut out, 7, properties, body, frame_max);
        let frames = frames(&out);
        let header = ContentHeader::decode(frames[0].payload).unwrap();
        assert_eq!((frames[0].kind, header.class_id), (FrameKind::Header, 60));
        assert_eq!((header.body_size, header.properties), (body.len() as u64, properties));
        assert!(frames.iter().all(|frame| frame.channel == 7));
        assert!(frames[1..].iter().all(|frame| frame.kind == FrameKind::Body));
        let lens: Vec<usize> = frames[1..].iter().map(|frame| frame.payload.len()).collect();
        assert_eq!(lens, pieces);
        let joined: Vec<u8> = frames[1..].iter().flat_map(|frame| frame.payload).copied().collect();
        assert_eq!(joined, body);
    };
    check(&[], 4096, &[]);
    check(&body[..1], 4096, &[1]);
    check(&body[..4088], 4096, &[4088]);
    check(&body[..4089], 4096, &[4088, 1]);
    check(&body, 4096, &[4088, 4088, 1824]);
    check(&body, 0, &[10_000]);
    check(&body[..3], 1, &[1, 1, 1]);
}

#[test]
fn content_takes_one_reservation() {
    for len in [0, 1, 4088, 10_000] {
        let mut out = Vec::new();
        write_content(&mut out, 1, Properties::EMPTY, &vec![1; len], 4096);
        assert_eq!(out.capacity(), out.len(), "{len}");
    }
}

#[test]
fn the_parts_of_content_can_be_written_alone() {
    let mut parts = Vec::new();
    write_header(&mut parts, 7, 3, Properties::EMPTY);
    write_body_head(&mut parts, 7, 3);
    parts.extend_from_slice(b"abc");
    parts.push(FRAME_END);
    let mut whole = Vec::new();
    write_content(&mut whole, 7, Properties::EMPTY, b"abc", 4096);
    assert_eq!(parts, whole);
}

#[test]
fn fixed_bytes_are_as_specified() {
    let mut out = Vec::new();
    write_heartbeat(&mut out);
    assert_eq!(out, HEARTBEAT);
    assert_eq!(PROTOCOL_HEADER, [65, 77, 81, 80, 0, 0, 9, 1]);
}
