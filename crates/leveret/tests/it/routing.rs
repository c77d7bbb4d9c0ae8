//! Which queues a message reaches, through real sockets.

use std::time::{Duration, Instant};

use amqp::content::Properties;
use amqp::frame::{write_content, write_method};
use amqp::method::{
    BasicGet, BasicPublish, ExchangeDelete, ExchangeDeleteOk, ExchangeUnbind, ExchangeUnbindOk,
    Method, QueueBind,
};
use amqp::value::{RawTable, Short, Table, Value};

use crate::broker::shared;
use crate::client::Client;
use crate::client::arguments::{exchange, queue, table};
use crate::client::channel::{Channel, Event};
use crate::client::message::{list, message};

fn channel() -> Channel {
    Client::connect(shared()).channel()
}

fn delete_exchange(channel: &Channel, exchange: &str) {
    channel.ask(ExchangeDelete { exchange, if_unused: false, no_wait: false }, ExchangeDeleteOk {});
}

/// A server-named exclusive queue.
fn temporary(channel: &Channel) -> String {
    channel.declare(&queue("").exclusive()).name
}

#[test]
fn direct_exchange_compares_keys() {
    let c = channel();
    let [a, b, both] = [(); 3].map(|()| temporary(&c));
    for (queue, key) in [(&a, "d-a"), (&b, "d-b"), (&both, "d-a"), (&both, "d-b"), (&both, "d-b")] {
        c.bind(queue, "amq.direct", key);
    }
    for key in ["d-a", "d-b", "d-c", "d-", "d-aa"] {
        c.publish("amq.direct", key, key);
    }
    assert_eq!(c.drain(&a), ["d-a"]);
    assert_eq!(c.drain(&b), ["d-b"]);
    assert_eq!(c.drain(&both), ["d-a", "d-b"]);
    c.unbind(&both, "amq.direct", "d-b");
    c.publish("amq.direct", "d-b", "after");
    assert_eq!(c.drain(&both), Vec::<String>::new());
    assert_eq!(c.drain(&b), ["after"]);
}

#[test]
fn fanout_exchange_ignores_keys() {
    let c = channel();
    c.declare_exchange(&exchange("r-fanout", "fanout").auto_delete());
    let [a, b] = [(); 2].map(|()| temporary(&c));
    c.bind(&a, "r-fanout", "");
    c.bind(&a, "r-fanout", "again");
    c.bind(&b, "r-fanout", "other");
    c.publish("r-fanout", "anything", "m");
    assert_eq!(c.drain(&a), ["m"]);
    assert_eq!(c.drain(&b), ["m"]);
}

#[test]
fn default_exchange_routes_by_queue_name() {
    let c = channel();
    let name = temporary(&c);
    let got = {
        c.publish("", &name, "m");
        c.take(&name).unwrap()
    };
    assert_eq!((got.exchange.as_str(), got.key.as_str()), ("", name.as_str()));
}

#[test]
fn topic_exchange_matches_words() {
    let rows: &[(&str, &[&str])] = &[
        ("a.b.c", &["a.b.c"]),
        ("a.*.c", &["a.b.c", "a.x.c", "a..c"]),
        ("*", &["a", "b"]),
        ("*.*", &["a.b", "a.", ".", ".a"]),
        ("#", &["", "a", "b", "a.b", "a.", ".", ".a", "a.b.c", "a.x.c", "a..c", "a.b.c.d", ".."]),
        ("#.#", &["", "a", "b", "a.b", "a.", ".", ".a", "a.b.c", "a.x.c", "a..c", "a.b.c.d", ".."]),
        ("a.#", &["a", "a.b", "a.", "a.b.c", "a.x.c", "a..c", "a.b.c.d"]),
        ("#.c", &["a.b.c", "a.x.c", "a..c"]),
        ("a.#.c", &["a.b.c", "a.x.c", "a..c"]),
        ("#.b.#", &["b", "a.b", "a.b.c", "a.b.c.d"]),
        ("*.#", &["a", "b", "a.b", "a.", ".", ".a", "a.b.c", "a.x.c", "a..c", "a.b.c.d", ".."]),
        ("", &[""]),
        ("a.b.c.d.e", &[]),
    ];
    let keys = ["", "a", "b", "a.b", "a.", ".", ".a", "a.b.c", "a.x.c", "a..c", "a.b.c.d", ".."];
    let c = channel();
    c.declare_exchange(&exchange("r-topic", "topic").auto_delete());
    let queues: Vec<String> = rows.iter().map(|_| temporary(&c)).collect();
    for (queue, (pattern, _)) in queues.iter().zip(rows) {
        c.bind(queue, "r-topic", pattern);
    }
    for key in keys {
        c.publish("r-topic", key, key);
    }
    for (queue, (pattern, matched)) in queues.iter().zip(rows) {
        assert_eq!(c.drain(queue), *matched, "pattern {pattern:?}");
    }
}

#[test]
fn long_keys_stay_fast_among_ten_thousand_bindings() {
    // As NServiceBus and Celery bind their delays: words of a bit each, and the rest of the key.
    let c = channel();
    c.declare_exchange(&exchange("r-levels", "topic").auto_delete());
    let name = temporary(&c);
    let mut frames = Vec::new();
    let mut bind = |routing_key: &str| {
        let (queue, exchange, arguments) = (name.as_str(), "r-levels", RawTable(&[]));
        let bind = QueueBind { queue, exchange, routing_key, no_wait: true, arguments };
        write_method(&mut frames, c.number, &bind.into());
    };
    for number in 0..10_000_u32 {
        bind(&format!("{}#.{number}", "*.".repeat(number as usize % 28)));
    }
    bind(&format!("{}1.#", "*.".repeat(27)));
    c.connection.borrow_mut().wire.write(&frames);
    c.silent();
    c.confirms();
    let key = |last: &str, tail: u32| format!("{}{last}.x{tail}", "0.".repeat(27));
    let messages: Vec<_> = (0..1000)
        .flat_map(|tail| ["0", "1"].map(|last| message("r-levels", &key(last, tail), "m")))
        .collect();
    let since = Instant::now();
    c.send_messages(&messages);
    c.expect_confirms(2000);
    // Every key is new. A debug build on a busy machine takes a tenth of this.
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    assert_eq!(c.counts(&name).0, 1000);
}

#[test]
fn one_queue_gets_one_copy_however_many_bindings_match() {
    let c = channel();
    let name = temporary(&c);
    for pattern in ["one.copy", "one.*", "#.copy"] {
        c.bind(&name, "amq.topic", pattern);
    }
    c.publish("amq.topic", "one.copy", "m");
    assert_eq!(c.drain(&name), ["m"]);
}

#[test]
fn headers_exchange_compares_headers() {
    let all = || table([("a", 1.into()), ("b", "x".into())]);
    let with = |mut table: Table, mode: &str| {
        table.insert("x-match", mode.into());
        table
    };
    let bindings: Vec<(&str, Table)> = vec![
        ("default", all()),
        ("all", with(all(), "all")),
        ("any", with(all(), "any")),
        ("none", Table::new()),
        ("any of nothing", with(Table::new(), "any")),
        ("exists", table([("a", Value::Void)])),
        ("all-with-x", with(table([("x-a", 1.into())]), "all-with-x")),
        ("all without x", with(table([("x-a", 1.into())]), "all")),
    ];
    let messages: Vec<(&str, Table, &[&str])> = vec![
        ("both", all(), &["default", "all", "any", "none", "exists", "all without x"]),
        (
            "other width",
            table([("a", Value::I16(1)), ("b", "x".into())]),
            &["default", "all", "any", "none", "exists", "all without x"],
        ),
        ("one", table([("a", 1.into())]), &["any", "none", "exists", "all without x"]),
        ("text", table([("a", "1".into())]), &["none", "exists", "all without x"]),
        ("nothing", Table::new(), &["none", "all without x"]),
        ("x", table([("x-a", 1.into())]), &["none", "all-with-x", "all without x"]),
    ];
    let c = channel();
    c.declare_exchange(&exchange("r-headers", "headers").auto_delete());
    let queues: Vec<String> = bindings.iter().map(|_| temporary(&c)).collect();
    for (queue, (_, arguments)) in queues.iter().zip(&bindings) {
        c.bind_with(queue, "r-headers", "", arguments);
    }
    for (name, headers, _) in &messages {
        let mut message = message("r-headers", "ignored", name);
        message.properties.headers = Some(headers.clone());
        c.send_message(&message);
    }
    for (queue, (binding, _)) in queues.iter().zip(&bindings) {
        let expected: Vec<&str> = messages
            .iter()
            .filter(|(_, _, reached)| reached.contains(binding))
            .map(|(name, ..)| *name)
            .collect();
        assert_eq!(c.drain(queue), expected, "binding {binding:?}");
    }
}

#[test]
fn exchanges_bound_to_exchanges_pass_messages_on_once() {
    let c = channel();
    for (name, kind) in [("e2e-in", "topic"), ("e2e-mid", "direct"), ("e2e-out", "fanout")] {
        c.declare_exchange(&exchange(name, kind));
    }
    let name = temporary(&c);
    c.bind_exchange("e2e-mid", "e2e-in", "a.#");
    c.bind_exchange("e2e-out", "e2e-mid", "a.b");
    c.bind_exchange("e2e-in", "e2e-out", ""); // a cycle
    c.bind(&name, "e2e-out", "");
    c.bind(&name, "e2e-mid", "a.b"); // a second way to the same queue
    for key in ["a.b", "a.c", "b"] {
        c.publish("e2e-in", key, key);
    }
    let got = c.take(&name).unwrap();
    assert_eq!((got.exchange.as_str(), got.key.as_str()), ("e2e-in", "a.b"));
    assert_eq!(c.take(&name), None);
    let unbind = ExchangeUnbind {
        destination: "e2e-mid",
        source: "e2e-in",
        routing_key: "a.#",
        no_wait: false,
        arguments: RawTable(&[]),
    };
    c.ask(unbind, ExchangeUnbindOk {});
    c.publish("e2e-in", "a.b", "lost");
    assert_eq!(c.take(&name), None);
    for name in ["e2e-in", "e2e-mid", "e2e-out"] {
        delete_exchange(&c, name);
    }
}

#[test]
fn internal_exchange_is_reached_by_bindings_only() {
    let c = channel();
    c.declare_exchange(&exchange("r-internal", "fanout").internal().auto_delete());
    let name = temporary(&c);
    c.bind(&name, "r-internal", "");
    c.bind_exchange("r-internal", "amq.direct", "to-internal");
    c.publish("amq.direct", "to-internal", "m");
    assert_eq!(c.drain(&name), ["m"]);
}

#[test]
fn what_an_exchange_cannot_route_goes_to_its_alternate() {
    let c = channel();
    c.declare_exchange(&exchange("ae-last", "fanout").internal());
    c.declare_exchange(&exchange("ae-next", "direct").arg("alternate-exchange", "ae-last"));
    c.declare_exchange(&exchange("ae-first", "direct").arg("alternate-exchange", "ae-next"));
    c.declare_exchange(&exchange("ae-none", "direct").arg("alternate-exchange", "ae-missing"));
    let [first, next, last] = [(); 3].map(|()| temporary(&c));
    c.bind(&first, "ae-first", "1");
    c.bind(&next, "ae-next", "2");
    c.bind(&last, "ae-last", "");
    for key in ["1", "2", "3"] {
        c.send_message(&message("ae-first", key, key).mandatory());
    }
    c.publish("ae-none", "1", "lost");
    // An alternate counts as routed: nothing comes back.
    c.silent();
    assert_eq!(c.drain(&first), ["1"]);
    assert_eq!(c.drain(&next), ["2"]);
    assert_eq!(c.drain(&last), ["3"]);
    for name in ["ae-first", "ae-next", "ae-last", "ae-none"] {
        delete_exchange(&c, name);
    }
}

#[test]
fn cc_and_bcc_are_more_keys_and_bcc_stays_secret() {
    let c = channel();
    let [to, cc, bcc] = [(); 3].map(|()| temporary(&c));
    let message = message("", &to, "m")
        .header("CC", list(&[&cc, &to]))
        .header("BCC", list(&[&bcc]))
        .header("kept", 7);
    c.send_message(&message);
    for name in [&to, &cc, &bcc] {
        let got = c.take(name).unwrap_or_else(|| panic!("nothing in {name}"));
        assert_eq!(got.key, to);
        assert_eq!(got.headers().get("CC"), Some(&list(&[&cc, &to])));
        assert_eq!(got.headers().get("BCC"), None);
        assert_eq!(got.headers().get("kept").and_then(Value::as_i64), Some(7));
        assert_eq!(c.take(name), None, "one copy only");
    }
}

#[test]
fn elements_of_cc_that_are_not_texts_are_ignored() {
    let c = channel();
    let name = temporary(&c);
    let cc = Value::Array(vec![Value::I64(1), name.as_str().into(), Value::Void]);
    c.send_message(&message("", "nowhere", "m").header("CC", cc));
    assert_eq!(c.drain(&name), ["m"]);
}

#[test]
fn return_comes_before_the_ack_of_the_same_message() {
    let c = channel();
    c.confirms();
    c.send_message(&message("amq.direct", "no-such-key", "back").mandatory().header("h", 1));
    let Event::Returned(returned) = c.next() else { panic!("not a return") };
    assert_eq!((returned.code, returned.text.as_str()), (312, "NO_ROUTE"));
    assert_eq!((returned.exchange.as_str(), returned.key.as_str()), ("amq.direct", "no-such-key"));
    assert_eq!(returned.body, b"back");
    assert_eq!(returned.properties.headers, Some(table([("h", 1.into())])));
    assert_eq!(c.next(), Event::Ack { tag: 1, multiple: false });
    // Without mandatory it is dropped, and acked all the same.
    c.publish("amq.direct", "no-such-key", "gone");
    assert_eq!(c.next(), Event::Ack { tag: 2, multiple: false });
}

#[test]
fn returns_and_acks_keep_the_order_of_publishing() {
    let c = channel();
    let name = temporary(&c);
    c.confirms();
    let messages: Vec<_> = (0..100)
        .map(|index: u32| {
            let key = if index.is_multiple_of(3) { "no-such-queue" } else { &name };
            message("", key, format!("{index}")).mandatory()
        })
        .collect();
    c.send_messages(&messages);
    let (mut acked, mut returned) = (0, Vec::new());
    while acked < 100 {
        match c.next() {
            Event::Returned(back) => {
                let index: u64 = String::from_utf8(back.body).unwrap().parse().unwrap();
                assert!(index >= acked, "returned {index} after its ack");
                returned.push(index);
            }
            Event::Ack { tag, .. } => acked = tag,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(returned, (0..100).step_by(3).collect::<Vec<_>>());
    assert_eq!(c.counts(&name).0, 66);
}

#[test]
fn exchange_goes_with_its_last_binding_if_asked_so() {
    let c = channel();
    c.declare_exchange(&exchange("r-auto", "direct").auto_delete());
    let name = temporary(&c);
    c.bind(&name, "r-auto", "1");
    c.bind(&name, "r-auto", "2");
    c.unbind(&name, "r-auto", "1");
    c.declare_exchange(&exchange("r-auto", "").passive());
    c.unbind(&name, "r-auto", "2");
    c.send_declare_exchange(&exchange("r-auto", "").passive());
    c.expect_close(404, (40, 10), "NOT_FOUND - no exchange 'r-auto' in vhost '/'");
}

#[test]
fn bindings_go_with_their_queue() {
    let c = channel();
    c.confirms();
    c.declare(&queue("short-lived"));
    c.bind("short-lived", "amq.direct", "to-short-lived");
    c.delete("short-lived");
    c.declare(&queue("short-lived").exclusive());
    c.send_message(&message("amq.direct", "to-short-lived", "m").mandatory());
    assert!(matches!(c.next(), Event::Returned(_)));
    c.expect_confirms(1);
    // Routes are not remembered longer than they hold.
    c.bind("short-lived", "amq.direct", "to-short-lived");
    c.send_message(&message("amq.direct", "to-short-lived", "m").mandatory());
    assert_eq!(c.next(), Event::Ack { tag: 2, multiple: false });
}

#[test]
fn deleted_exchange_is_not_found_and_takes_its_bindings_along() {
    let client = Client::connect(shared());
    let (c, other) = (client.channel(), client.channel());
    let name = temporary(&c);
    for end in ["r-source", "r-middle"] {
        c.declare_exchange(&exchange("r-source", "fanout"));
        c.declare_exchange(&exchange("r-middle", "fanout"));
        c.bind_exchange("r-middle", "r-source", "");
        c.bind(&name, "r-middle", "");
        c.publish("r-source", "", "routed");
        assert_eq!(c.drain(&name), ["routed"]);
        delete_exchange(&c, end);
        let publisher = client.channel();
        publisher.publish(end, "", "lost");
        let text = format!("NOT_FOUND - no exchange '{end}' in vhost '/'");
        publisher.expect_close(404, (60, 40), &text);
        c.declare_exchange(&exchange(end, "fanout"));
        other.send_message(&message("r-source", "", "lost").mandatory());
        assert!(matches!(other.next(), Event::Returned(_)), "after {end} was deleted");
        delete_exchange(&c, "r-source");
        delete_exchange(&c, "r-middle");
    }
}

#[test]
fn names_lose_line_breaks() {
    let c = channel();
    let declared = c.declare(&queue("line\r\nbreak").exclusive());
    assert_eq!(declared.name, "linebreak");
    c.declare(&queue("linebreak").passive());
    c.declare_exchange(&exchange("line\nbreak", "fanout").auto_delete());
    c.declare_exchange(&exchange("linebreak", "").passive());
    delete_exchange(&c, "linebreak");
}

#[test]
fn empty_queue_and_key_mean_the_last_declared_queue() {
    let c = channel();
    let name = temporary(&c);
    c.bind("", "amq.direct", "");
    c.publish("amq.direct", &name, "m");
    assert_eq!(c.drain(""), ["m"]);
}

#[test]
fn properties_arrive_as_they_were_sent() {
    let c = channel();
    let name = temporary(&c);
    let mut sent = message("", &name, "m");
    let bytes = |text: &str| Some(text.as_bytes().to_vec());
    sent.properties = amqp::content::PropertiesBuf {
        content_type: bytes("text/plain"),
        content_encoding: bytes("utf-8"),
        headers: Some(table([
            ("text", "x".into()),
            ("nested", table([("deep", list(&["1", "2"]))]).into()),
            ("void", Value::Void),
            ("float", Value::F64(1.5)),
            ("time", Value::Timestamp(1_700_000_000)),
            ("bytes", Value::Bytes(vec![0, 255])),
        ])),
        delivery_mode: Some(1),
        priority: Some(3),
        correlation_id: bytes("c"),
        reply_to: bytes("r"),
        expiration: bytes("60000"),
        message_id: bytes("m"),
        timestamp: Some(1_700_000_000),
        kind: bytes("k"),
        user_id: bytes("guest"),
        app_id: bytes("a"),
        cluster_id: bytes("cl"),
    };
    c.send_message(&sent);
    assert_eq!(c.take(&name).unwrap().properties, sent.properties);
}

#[test]
fn a_routing_key_need_not_be_text() {
    let client = Client::connect(shared());
    let c = client.channel();
    let all = temporary(&c);
    c.bind(&all, "amq.topic", "#.\u{fffd}.#");
    c.bind(&all, "amq.topic", "a.*");
    let publish = |exchange, key| {
        let publish =
            BasicPublish { exchange, routing_key: key, mandatory: true, immediate: false };
        c.send(publish);
        let mut content = Vec::new();
        write_content(&mut content, c.number, Properties::EMPTY, b"", 131_072);
        client.send_bytes(&content);
    };
    let key = Short(b"a.\xff\xfe");
    publish("amq.topic", key);
    match c.rpc(BasicGet { queue: &all, no_ack: true }).method() {
        Method::BasicGetOk(got) => assert_eq!(got.routing_key, key),
        other => panic!("{other:?}"),
    }
    c.content();
    publish("", key);
    match c.connection.borrow_mut().next(c.number).method() {
        Method::BasicReturn(returned) => assert_eq!(returned.routing_key, key),
        other => panic!("{other:?}"),
    }
}
