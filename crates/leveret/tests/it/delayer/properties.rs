//! Every property comes back with its type on the wire, byte for byte; the few that would do harm
//! are moved aside and nothing else changes.

use std::time::Duration;

use amqp::content::{Properties, PropertiesBuf};
use amqp::frame;
use amqp::method::{BasicPublish, Method};
use amqp::value::{Short, Table};

use super::parcel::Parcel;
use super::world::{Place, World, at};
use crate::client::arguments::every_type;
use crate::client::login::Login;
use crate::client::message::{Message, list};
use crate::peers;
use crate::server::now_ms;

stories! {
    everywhere: [every_property_comes_back],
    stores: [bytes_that_no_library_would_write_come_back],
    brokers: [
        headers_keep_types_order_and_duplicates,
        headers_nested_50_deep_come_back,
        expiration_is_kept_and_starts_anew,
        copies_are_not_routed_twice,
        a_routing_key_need_not_be_text
    ],
    disks: [],
    home: [the_own_user_id_is_kept],
}

const DELAY: Duration = Duration::from_millis(400);

fn every_property_comes_back(place: Place) {
    let w = at(place).start();
    let text = |text: &str| Some(text.as_bytes().to_vec());
    let properties = PropertiesBuf {
        content_type: text("message/rfc822"),
        content_encoding: text("gzip"),
        headers: Some(every_type()),
        delivery_mode: Some(2),
        priority: Some(200),
        correlation_id: text("correlation"),
        reply_to: text("nobody"),
        expiration: text("86400000"),
        message_id: text("id"),
        timestamp: Some(now_ms() + 400),
        kind: text("kind"),
        user_id: text("guest"),
        app_id: text("app"),
        cluster_id: text("cluster"),
    };
    let parcel = w.publish(Message { properties, ..w.message("all of them") });
    w.expect(&parcel);
    let none = PropertiesBuf { timestamp: Some(now_ms() + 400), ..PropertiesBuf::default() };
    let parcel =
        w.publish(Message { properties: none, ..w.message("no other than the timestamp") });
    w.expect(&parcel);
    let empty = PropertiesBuf {
        content_type: text(""),
        headers: Some(Table::new()),
        message_id: text(""),
        timestamp: Some(now_ms() + 400),
        ..PropertiesBuf::default()
    };
    let parcel = w.publish(Message { properties: empty, ..w.message("empty ones") });
    w.expect(&parcel);
}

/// Properties with these headers, this message-id, a timestamp and nothing else.
fn raw(headers: &[u8], message_id: &[u8], due_ms: u64) -> Vec<u8> {
    const HEADERS: u16 = 1 << 13;
    const DELIVERY_MODE: u16 = 1 << 12;
    const MESSAGE_ID: u16 = 1 << 7;
    const TIMESTAMP: u16 = 1 << 6;
    let mut bytes = (HEADERS | DELIVERY_MODE | MESSAGE_ID | TIMESTAMP).to_be_bytes().to_vec();
    bytes.extend_from_slice(&(headers.len() as u32).to_be_bytes());
    bytes.extend_from_slice(headers);
    bytes.push(2);
    bytes.push(message_id.len() as u8);
    bytes.extend_from_slice(message_id);
    bytes.extend_from_slice(&due_ms.to_be_bytes());
    bytes
}

/// A header: key, tag, value.
fn field(key: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
    [&[key.len() as u8], key, &[tag], value].concat()
}

fn text(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

/// Publishes a message with these bytes as its properties and waits for it.
#[track_caller]
fn goes_through(w: &World, body: &str, headers: &[u8], message_id: &[u8]) {
    let due_ms = now_ms() + 400;
    let raw = raw(headers, message_id, due_ms);
    let parcel = w.publish(w.message(body).raw(raw)).due_at(due_ms);
    w.expect(&parcel);
}

fn headers_keep_types_order_and_duplicates(place: Place) {
    let w = at(place).start();
    let headers = [
        field(b"z", b'I', &7_i32.to_be_bytes()),
        field(b"a", b'L', &(-7_i64).to_be_bytes()),
        field(b"z", b'S', &text(b"again")),
        field(b"a", b'l', &7_i64.to_be_bytes()),
        field(b"z", b'V', &[]),
        field(b"", b't', &[1]),
        field(b"number", b's', &(-3_i16).to_be_bytes()),
        field(b"blob", b'x', &text(&[0, 1, 2, 255])),
        field(b"yes", b't', &[77]),
    ];
    goes_through(&w, "types, order, duplicates", &headers.concat(), b"id");
}

fn bytes_that_no_library_would_write_come_back(place: Place) {
    let w = at(place).start();
    let not_utf8 = [0xff, 0xfe, 0x00, 0xc3, 0x28];
    let headers = [
        field(b"text", b'S', &text(&not_utf8)),
        field(b"list", b'A', &text(&[&[b'S'][..], &text(&not_utf8), b"t\x01"].concat())),
    ];
    goes_through(&w, "values that are not UTF-8", &headers.concat(), b"id");
    goes_through(&w, "an id that is not UTF-8", &[], &not_utf8);
    goes_through(&w, "a long id", &[], &[b'i'; 255]);
}

fn headers_nested_50_deep_come_back(place: Place) {
    let w = at(place).start();
    let mut nested = field(b"core", b'S', &text(b"here"));
    for _ in 0..50 {
        nested = field(b"n", b'F', &text(&nested));
    }
    goes_through(&w, "nested", &nested, b"id");
}

fn expiration_is_kept_and_starts_anew(place: Place) {
    // It would have expired in the delayer if the time there counted.
    let w = at(place).start();
    let parcel = w.publish(w.message("m").expiration("300").due_in(Duration::from_secs(1)));
    w.expect_held(1);
    w.expect(&parcel);
}

fn copies_are_not_routed_twice(place: Place) {
    let w = at(place).start();
    let other = w.sink_for("other", "other");
    let changed = |w: &World, cc: &str| w.message("copied").header(cc, list(&["other"]));
    let sent = w.publish(changed(&w, "CC").due_in(DELAY));
    let expected = changed(&w, "x-original-cc").due_at(sent.due_ms);
    w.expect(&Parcel::of(&expected, &w.names.output));
    let prompt = w.publish(changed(&w, "CC"));
    let expected = changed(&w, "x-original-cc");
    w.expect(&Parcel::of(&expected, &prompt.exchange));
    w.delayer.expect_idle();
    other.silent();
    w.delayer.expect_metric("amqpdelayer_cc_moved_total", 2.0);
}

fn the_own_user_id_is_kept(place: Place) {
    let w = at(place).start();
    let parcel = w.publish(w.message("m").user_id("guest").due_in(DELAY));
    w.expect(&parcel);
    assert_eq!(w.delayer.metric("amqpdelayer_user_ids_moved_total"), 0.0);
}

fn a_routing_key_need_not_be_text(place: Place) {
    let w = at(place).start();
    let other = w.sink_for("bytes", "#");
    let key = Short(&[0xff, 0xfe, b'.', 0xc3, 0x28]);
    let client = Login::default().open(w.broker.amqp());
    let channel = client.channel();
    let due_ms = now_ms() + 400;
    channel.send(BasicPublish { exchange: &w.names.entry, routing_key: key, ..Default::default() });
    let mut content = Vec::new();
    let properties = raw(&[], b"id", due_ms);
    frame::write_content(&mut content, channel.number, Properties(&properties), b"bytes", 131_072);
    client.send_bytes(&content);
    channel.silent();
    w.expect_held(1);
    let delivered = other.connection.borrow_mut().next(other.number);
    assert!(now_ms() >= due_ms);
    match delivered.method() {
        Method::BasicDeliver(deliver) => assert_eq!(deliver.routing_key, key),
        other => panic!("{other:?}"),
    }
    w.delayer.expect_idle();
}

mod peer_rabbitmq_users {
    use super::*;
    use crate::delayer::world::StoreKind;
    use crate::site::BrokerKind;

    #[test]
    fn a_user_id_of_another_login_becomes_a_header() {
        let plan = at(Place(BrokerKind::RabbitMq, StoreKind::Log));
        let mut w = plan.prepare();
        let user = format!("delayer-{}", w.names.id);
        peers::rabbitmqctl(&["add_user", &user, "secret"]);
        peers::rabbitmqctl(&["set_permissions", &user, ".*", ".*", ".*"]);
        let address = format!("amqp://{user}:secret@{}/%2F", w.broker.amqp());
        w.delayer.set("rabbitmq-address", address);
        w.delayer.launch();
        let sent = w.publish(w.message("theirs").user_id("guest").due_in(DELAY));
        let moved = w.message("theirs").header("x-original-user-id", "guest");
        w.expect(&Parcel::of(&moved.due_at(sent.due_ms), &w.names.output));
        // One with headers keeps them and gets one more.
        let with = |m: Message| m.header("kept", 1).header("also", "this");
        let sent = w.publish(with(w.message("with headers")).user_id("guest").due_in(DELAY));
        let moved = with(w.message("with headers")).header("x-original-user-id", "guest");
        w.expect(&Parcel::of(&moved.due_at(sent.due_ms), &w.names.output));
        w.delayer.expect_metric("amqpdelayer_user_ids_moved_total", 2.0);
        // The delayer's own user is no secret from the broker.
        let own = Login::user(&user, "secret").open(w.broker.amqp()).channel();
        own.confirms();
        let message = w.message("its own").user_id(&user).due_in(DELAY);
        own.send_message(&message);
        own.expect_confirms(1);
        w.expect(&Parcel::of(&message, &w.names.output));
    }
}
