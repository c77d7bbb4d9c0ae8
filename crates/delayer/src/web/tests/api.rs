//! Reading by the API: the state, lists and pages of them, single messages, the histogram.

use amqp::value::{Table, Value as Field};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::*;
use crate::message::DUE_MAX;

#[test]
fn the_status_has_every_figure() {
    let world = World::with(2);
    world.engine().status.last_error = Some((NOW_MS, "no".into()));
    let status = world.get("/api/status").json();
    let state = "Works: reads the queue retries and holds 2 messages, the next is due in 1 s.";
    for (pointer, expected) in [
        ("/state", json!(state)),
        ("/name", json!("retries")),
        ("/connected", json!(true)),
        ("/broker", json!("amqp://hare@rabbit:5672/")),
        ("/blocked", json!(null)),
        ("/now", json!("2026-11-22T09:08:07.006Z")),
        ("/now_ms", json!(NOW_MS)),
        ("/held", json!(2)),
        ("/held_bytes", json!(5 << 20)),
        ("/next_due", json!("2026-11-22T09:08:08.006Z")),
        ("/next_due_ms", json!(NOW_MS + 1_000)),
        ("/storage/full", json!(null)),
        ("/storage/part_limit_bytes", json!(64_u64 << 30)),
        ("/rates/stored", json!(12.5)),
        ("/counters/received", json!(1_234_567)),
        ("/last_error/error", json!("no")),
        ("/last_error/at_ms", json!(NOW_MS)),
    ] {
        assert_eq!(status.pointer(pointer), Some(&expected), "{pointer}: {status}");
    }
    world.engine().held.clear();
    assert_eq!(world.get("/api/status").json()["next_due"], json!(null));
}

#[test]
fn a_list_has_what_tells_messages_apart() {
    let world = World::with(1);
    let expected = json!({
        "messages": [{
            "key": "1795338488006-1",
            "due": "2026-11-22T09:08:08.006Z",
            "due_ms": 1_795_338_488_006_u64,
            "stored": "2026-11-22T09:07:07.006Z",
            "stored_ms": 1_795_338_427_006_u64,
            "message_id": "mail",
            "exchange": "outbox",
            "routing_key": "mail",
            "body_bytes": 5,
        }],
        "more": false,
        "next": null,
    });
    assert_eq!(world.get("/api/messages").json(), expected);
    assert_eq!(world.get("/api/messages?message_id=mail").json(), expected);
    assert_eq!(world.get("/api/messages?message_id=m%61il&limit=1").json(), expected);
}

#[test]
fn a_list_is_read_page_by_page() {
    let world = World::with(250);
    let (mut seen, mut pages, mut after) = (Vec::new(), 0, "0-0".to_owned());
    loop {
        let page = world.get(&format!("/api/messages?after={after}")).json();
        let messages = page["messages"].as_array().unwrap();
        seen.extend(messages.iter().map(|m| m["key"].as_str().unwrap().to_owned()));
        pages += 1;
        assert_eq!(page["more"], json!(!page["next"].is_null()));
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    assert_eq!((pages, seen), (3, world.keys()));
}

#[test]
fn a_full_last_page_has_no_next() {
    let world = World::with(200);
    let first = world.get("/api/messages?limit=100").json();
    let last = world.get(&format!("/api/messages?after={}", first["next"].as_str().unwrap()));
    assert_eq!(
        (last.json()["messages"].as_array().unwrap().len(), last.json()["next"].clone()),
        (100, json!(null))
    );
    let all = world.get("/api/messages?limit=1000").json();
    assert_eq!(all["messages"].as_array().unwrap().len(), 200);
}

#[test]
fn a_list_ends_at_a_time() {
    let world = World::with(5);
    let count = |until: &str| {
        let page = world.get(&format!("/api/messages?until={until}")).json();
        page["messages"].as_array().unwrap().len()
    };
    for (until, expected) in [
        ("2026-11-22T09:08:09.006Z", 2),
        ("2026-11-22T11:08:09.006%2B02:00", 2),
        ("2026-11-22T11:08:09.006+02:00", 2),
        ("1795338490006", 3),
        ("0", 0),
        ("+36500d", 5),
        ("%2B36500d", 5),
    ] {
        assert_eq!(count(until), expected, "{until}");
    }
}

#[test]
fn copies_are_found_by_message_id_and_counted_honestly() {
    let world = World::with(3);
    world.hold(NOW_MS, 9, "a b+c/é=&", b"");
    world.hold(NOW_MS, 10, "other", b"");
    let found = world.get("/api/messages?message_id=a%20b%2Bc/%C3%A9%3D%26").json();
    assert_eq!(found["messages"][0]["message_id"], json!("a b+c/é=&"));
    assert_eq!(found, world.get("/api/messages?message_id=a+b%2Bc/%c3%a9%3d%26").json());
    let two = world.get("/api/messages?message_id=mail&limit=2").json();
    assert_eq!((two["messages"].as_array().unwrap().len(), &two["more"]), (2, &json!(true)));
    let none = world.get("/api/messages?message_id=gone");
    assert_eq!((none.status, none.json()["messages"].clone()), (200, json!([])));
}

/// Every type of field, in an order that no map keeps, with a name twice.
fn fields() -> Table {
    Table(vec![
        (b"z".to_vec(), Field::I64(i64::MIN)),
        (b"bool".to_vec(), Field::Bool(true)),
        (b"i8".to_vec(), Field::I8(-1)),
        (b"u8".to_vec(), Field::U8(255)),
        (b"i16".to_vec(), Field::I16(-2)),
        (b"u16".to_vec(), Field::U16(65_535)),
        (b"i32".to_vec(), Field::I32(-3)),
        (b"u32".to_vec(), Field::U32(u32::MAX)),
        (b"f32".to_vec(), Field::F32(1.5)),
        (b"f64".to_vec(), Field::F64(-0.1)),
        (b"nan".to_vec(), Field::F64(f64::NAN)),
        (b"inf".to_vec(), Field::F32(f32::NEG_INFINITY)),
        (b"dec".to_vec(), Field::Decimal { scale: 2, value: 314 }),
        (b"z".to_vec(), Field::from("again")),
        (b"raw".to_vec(), Field::LongStr(vec![0xff, 0])),
        (b"\xfe".to_vec(), Field::Bytes(vec![1, 2])),
        (b"when".to_vec(), Field::Timestamp(u64::MAX)),
        (b"void".to_vec(), Field::Void),
        (b"list".to_vec(), Field::Array(vec![Field::U8(1), Field::Table(Table::new())])),
        (b"in".to_vec(), Field::Table(Table(vec![(b"k".to_vec(), Field::from("v"))]))),
    ])
}

fn message(properties: Vec<u8>, body: &[u8]) -> Message {
    Message { exchange: vec![], routing_key: b"\xffkey".to_vec(), properties, body: body.to_vec() }
}

#[test]
fn a_message_shows_every_property_with_its_wire_type() {
    let world = World::new();
    let properties = PropertiesBuf {
        content_type: Some(b"text/plain".to_vec()),
        headers: Some(fields()),
        delivery_mode: Some(2),
        timestamp: Some(1 << 63),
        kind: Some(b"\xff".to_vec()),
        ..PropertiesBuf::default()
    };
    let key = world.hold_message(DUE_MAX, u64::MAX, message(properties.encode(), b"\0\xff"));
    let shown = world.get(&format!("/api/messages/{key}")).json();
    assert_eq!(shown["due"], json!("+292278994-08-17T07:12:55.807Z"));
    assert_eq!(shown["routing_key"], json!({ "base64": "/2tleQ==" }));
    assert_eq!((&shown["body_bytes"], &shown["body_base64"]), (&json!(2), &json!("AP8=")));
    assert_eq!(shown["properties_base64"], json!(STANDARD.encode(properties.encode())));
    assert_eq!(
        shown["properties"],
        json!({
            "content_type": { "type": "shortstr", "value": "text/plain" },
            "delivery_mode": { "type": "octet", "value": 2 },
            "timestamp": { "type": "timestamp", "value": 1_u64 << 63 },
            "type": { "type": "shortstr", "value": { "base64": "/w==" } },
            "headers": { "type": "table", "value": [
                { "name": "z", "type": "long", "value": i64::MIN },
                { "name": "bool", "type": "bool", "value": true },
                { "name": "i8", "type": "byte", "value": -1 },
                { "name": "u8", "type": "unsignedbyte", "value": 255 },
                { "name": "i16", "type": "short", "value": -2 },
                { "name": "u16", "type": "unsignedshort", "value": 65_535 },
                { "name": "i32", "type": "signedint", "value": -3 },
                { "name": "u32", "type": "unsignedint", "value": u32::MAX },
                { "name": "f32", "type": "float", "value": 1.5 },
                { "name": "f64", "type": "double", "value": -0.1 },
                { "name": "nan", "type": "double",
                  "value": { "text": "NaN", "bits": "7ff8000000000000" } },
                { "name": "inf", "type": "float", "value": { "text": "-inf", "bits": "ff800000" } },
                { "name": "dec", "type": "decimal", "value": { "scale": 2, "value": 314 } },
                { "name": "z", "type": "longstr", "value": "again" },
                { "name": "raw", "type": "longstr", "value": { "base64": "/wA=" } },
                { "name": { "base64": "/g==" }, "type": "binary", "value": { "base64": "AQI=" } },
                { "name": "when", "type": "timestamp", "value": u64::MAX },
                { "name": "void", "type": "void", "value": null },
                { "name": "list", "type": "array", "value": [
                    { "type": "unsignedbyte", "value": 1 },
                    { "type": "table", "value": [] },
                ] },
                { "name": "in", "type": "table",
                  "value": [{ "name": "k", "type": "longstr", "value": "v" }] },
            ] },
        })
    );
}

#[test]
fn properties_that_cannot_be_read_are_shown_as_they_are() {
    let world = World::new();
    let key = world.hold_message(1, 1, message(vec![0x20, 0, 0, 0, 0, 3, 1, b'k', b'?'], b""));
    let shown = world.get(&format!("/api/messages/{key}")).json();
    assert_eq!(
        (&shown["properties"], &shown["properties_base64"]),
        (&json!(null), &json!("IAAAAAADAWs/"))
    );
    assert!(shown["properties_error"].as_str().unwrap().starts_with("headers: "), "{shown}");
}

#[test]
fn a_body_is_given_out_raw_and_never_shown_by_a_browser() {
    let world = World::new();
    let body: Vec<u8> = (0..20 << 20).map(|n: u32| n as u8).collect();
    let key = world.hold(1, 1, "large", &body);
    let reply = world.get(&format!("/api/messages/{key}?body=raw"));
    assert_eq!(reply.status, 200);
    assert!(reply.body == body, "{} bytes", reply.body.len());
    for header in [
        "content-type: application/octet-stream",
        "content-disposition: attachment; filename=\"1-1\"",
        "x-content-type-options: nosniff",
        "content-length: 20971520",
    ] {
        assert!(reply.head.contains(header), "{header}\n{}", reply.head);
    }
    let shown = world.get(&format!("/api/messages/{key}")).json();
    assert_eq!((&shown["body_bytes"], &shown["body_base64"]), (&json!(body.len()), &json!(null)));
}

#[test]
fn many_may_read_whole_messages_at_a_time() {
    let world = World::new();
    let key = world.hold(1, 1, "large", &vec![7; 1 << 20]);
    let at = world.web.addresses[0];
    let path = format!("/api/messages/{key}?body=raw");
    thread::scope(|scope| {
        let read = || send(at, "GET", &path, &[], "").body.len();
        let readers: Vec<_> = (0..16).map(|_| scope.spawn(read)).collect();
        for reader in readers {
            assert_eq!(reader.join().unwrap(), 1 << 20);
        }
    });
}

#[test]
fn the_histogram_counts_by_due_time() {
    let world = World::with(3);
    world.hold(NOW_MS + 3_600_000, 4, "", b"");
    let histogram = world
        .get("/api/histogram?from=2026-11-22T09:00:30Z&until=2026-11-22T11:30:00Z&step=1h")
        .json();
    assert_eq!(
        histogram,
        json!({
            "from": "2026-11-22T09:00:00.000Z", "from_ms": 1_795_338_000_000_u64,
            "until": "2026-11-22T12:00:00.000Z", "until_ms": 1_795_348_800_000_u64,
            "step_ms": 3_600_000,
            "bars": [
                { "from": "2026-11-22T09:00:00.000Z", "from_ms": 1_795_338_000_000_u64, "count": 3 },
                { "from": "2026-11-22T10:00:00.000Z", "from_ms": 1_795_341_600_000_u64, "count": 1 },
                { "from": "2026-11-22T11:00:00.000Z", "from_ms": 1_795_345_200_000_u64, "count": 0 },
            ],
        })
    );
    assert_eq!(world.get("/api/histogram").json()["bars"].as_array().unwrap().len(), 24);
    let most = world.get("/api/histogram?from=0&until=600000000&step=1m").json();
    assert_eq!(most["bars"].as_array().unwrap().len(), 10_000);
    let end = world.get("/api/histogram?from=9223372036854775000&until=9223372036854775807").json();
    assert_eq!(end["until_ms"], json!(DUE_MAX));
}
