//! Methods against the specification's bytes and against another codec.

use super::*;
use std::collections::HashSet;

/// Methods with the bytes that RabbitMQ and its clients exchange for them.
fn samples() -> Vec<(Method<'static>, Vec<u8>)> {
    vec![
        (
            ConnectionTune { channel_max: 2047, frame_max: 131_072, heartbeat: 60 }.into(),
            b"\0\x0A\0\x1E\x07\xFF\0\x02\0\0\0\x3C".to_vec(),
        ),
        (
            ConnectionStartOk {
                client_properties: RawTable(b"\x01aV"),
                mechanism: "PLAIN",
                response: b"\0guest\0guest",
                locale: "en_US",
            }
            .into(),
            b"\0\x0A\0\x0B\0\0\0\x03\x01aV\x05PLAIN\0\0\0\x0C\0guest\0guest\x05en_US".to_vec(),
        ),
        (ConnectionOpen { virtual_host: "/" }.into(), b"\0\x0A\0\x28\x01/\0\0".to_vec()),
        (ConnectionOpenOk {}.into(), b"\0\x0A\0\x29\0".to_vec()),
        (ChannelOpen {}.into(), b"\0\x14\0\x0A\0".to_vec()),
        (ChannelOpenOk {}.into(), b"\0\x14\0\x0B\0\0\0\0".to_vec()),
        (
            ExchangeDeclare {
                exchange: "x",
                kind: "topic",
                durable: true,
                internal: true,
                ..Default::default()
            }
            .into(),
            b"\0\x28\0\x0A\0\0\x01x\x05topic\x0A\0\0\0\0".to_vec(),
        ),
        (ExchangeUnbindOk {}.into(), b"\0\x28\0\x33".to_vec()),
        (
            QueueDeclare { queue: "q", exclusive: true, no_wait: true, ..Default::default() }
                .into(),
            b"\0\x32\0\x0A\0\0\x01q\x14\0\0\0\0".to_vec(),
        ),
        (
            BasicPublish {
                exchange: "x",
                routing_key: "k".into(),
                mandatory: true,
                immediate: false,
            }
            .into(),
            b"\0\x3C\0\x28\0\0\x01x\x01k\x01".to_vec(),
        ),
        (
            BasicDeliver {
                consumer_tag: "c",
                delivery_tag: 258,
                redelivered: true,
                exchange: "",
                routing_key: "q".into(),
            }
            .into(),
            b"\0\x3C\0\x3C\x01c\0\0\0\0\0\0\x01\x02\x01\0\x01q".to_vec(),
        ),
        (
            BasicNack { delivery_tag: 1, multiple: false, requeue: true }.into(),
            b"\0\x3C\0\x78\0\0\0\0\0\0\0\x01\x02".to_vec(),
        ),
        (ConfirmSelect { no_wait: true }.into(), b"\0\x55\0\x0A\x01".to_vec()),
        (TxRollbackOk {}.into(), b"\0\x5A\0\x1F".to_vec()),
    ]
}

#[test]
fn methods_have_their_bytes() {
    for (method, bytes) in samples() {
        let mut out = Vec::new();
        method.encode(&mut out);
        assert_eq!(out, bytes, "{method:?}");
        assert_eq!(Method::decode(&bytes), Ok(method));
        assert_eq!(Method::ids_of(&bytes), Some(method.id()));
    }
}

#[test]
fn a_method_cut_anywhere_is_truncated_and_may_not_be_longer() {
    for (method, mut bytes) in samples() {
        for len in 0..bytes.len() {
            assert_eq!(Method::decode(&bytes[..len]), Err(DecodeError::Truncated), "{method:?}");
        }
        bytes.push(0);
        assert_eq!(Method::decode(&bytes), Err(DecodeError::Trailing), "{method:?}");
    }
}

#[test]
fn every_method_is_there_once() {
    assert_eq!(METHODS.len(), 66);
    let ids: HashSet<_> = METHODS.iter().map(|(class, method, _)| (class, method)).collect();
    let names: HashSet<_> = METHODS.iter().map(|(_, _, name)| name).collect();
    assert_eq!((ids.len(), names.len()), (METHODS.len(), METHODS.len()));
    assert!(METHODS.is_sorted());
    for &(class, method, name) in METHODS {
        let payload = [&[0, class as u8, 0, method as u8], [0; 40].as_slice()].concat();
        let decoded = (4..=44).find_map(|len| Method::decode(&payload[..len]).ok()).unwrap();
        assert_eq!((decoded.id(), decoded.name()), ((class, method), name));
    }
}

#[test]
fn four_methods_have_content() {
    let with_content = METHODS.iter().filter(|(class, method, _)| {
        let payload = [&[0, *class as u8, 0, *method as u8], [0; 40].as_slice()].concat();
        (4..=44).find_map(|len| Method::decode(&payload[..len]).ok()).unwrap().has_content()
    });
    let names: Vec<&str> = with_content.map(|(_, _, name)| *name).collect();
    assert_eq!(names, ["basic.publish", "basic.return", "basic.deliver", "basic.get-ok"]);
}

#[test]
fn bad_methods_are_told_apart() {
    let check = |bytes: &[u8], error| assert_eq!(Method::decode(bytes), Err(error), "{bytes:?}");
    check(b"", DecodeError::Truncated);
    check(b"\0\x3C\0", DecodeError::Truncated);
    check(b"\0\x3C\0\x01", DecodeError::UnknownMethod(60, 1));
    check(b"\xFF\xFF\xFF\xFF", DecodeError::UnknownMethod(65535, 65535));
    check(b"\0\x0A\0\x28\x02\xC3\x28\0\0", DecodeError::Utf8);
    check(b"\0\x32\0\x14\0\0\x01q\x01x\x02\xC3\x28\0\0\0\0\0", DecodeError::Utf8);
    check(b"\0\x32\0\x0A\0\0\x01q\0\0\0\0\x03\x01kU", DecodeError::BadTag(b'U'));
    check(b"\0\x32\0\x0A\0\0\x01q\0\0\0\0\x02\x01k", DecodeError::Truncated);
    check(b"\0\x32\0\x0A\0\0\x01q\0\xFF\xFF\xFF\xFF", DecodeError::Truncated);
    assert_eq!(Method::ids_of(b"\0\x3C\0"), None);
    assert_eq!(Method::ids_of(b"\0\x3C\0\x01garbage"), Some((60, 1)));
}

/// Texts and ids as RabbitMQ 3.10.8 sends them, except that it is silent about the last two.
#[test]
fn refusals_have_rabbitmq_s_words() {
    let check = |payload: &[u8], text: &str, ids: (u16, u16)| {
        let error = Method::decode(payload).expect_err("refused");
        let refusal = Method::refusal(payload, error);
        assert_eq!(refusal.reply_text(), text);
        assert_eq!((refusal.class_id, refusal.method_id), ids);
    };
    let declare = (50, 10);
    check(b"\0\x32\0\x0A\0\0\x05ab", "FRAME_ERROR - cannot decode <<0,0,5,97,98>>", declare);
    check(
        b"\0\x32\0\x0A\0\0\x05probe\x18\0\0\0\0\0",
        "FRAME_ERROR - cannot decode <<0,0,5,112,114,111,98,101,24,0,0,0,0,0>>",
        declare,
    );
    let long = [b"\0\x32\0\x0A\0\0\xFF".as_slice(), &[b'a'; 200]].concat();
    let cut = format!("FRAME_ERROR - cannot decode <<0,0,255{},9...", ",97".repeat(71));
    assert_eq!(cut.len(), 255);
    check(&long, &cut, declare);
    check(b"\0\x0A\0\x28\x02\xC3\x28\0\0", "FRAME_ERROR - Malformed UTF-8 in shortstr", (0, 0));
    check(
        b"\0\x32\0\x0A\0\0\x01q\0\0\0\0\x03\x01kU",
        "SYNTAX_ERROR - unknown field value type 85",
        declare,
    );
    check(b"\0\x63\0\x01", "NOT_IMPLEMENTED - unknown method 99.1", (99, 1));
}

#[test]
fn reserved_fields_and_unused_bits_are_ignored() {
    let plain = Method::from(QueuePurge { queue: "q", no_wait: true });
    assert_eq!(Method::decode(b"\0\x32\0\x1E\0\x65\x01q\x01"), Ok(plain));
    assert_eq!(Method::decode(b"\0\x32\0\x1E\0\0\x01q\xFF"), Ok(plain));
    let open = Method::from(ConnectionOpen { virtual_host: "/" });
    assert_eq!(Method::decode(b"\0\x0A\0\x28\x01/\x04caps\x01"), Ok(open));
}

#[test]
fn short_strings_over_255_bytes_are_cut() {
    let long = "q".repeat(300);
    let mut out = Vec::new();
    Method::from(BasicConsumeOk { consumer_tag: &long }).encode(&mut out);
    let expected = BasicConsumeOk { consumer_tag: &long[..255] };
    assert_eq!(Method::decode(&out), Ok(expected.into()));
}
