//! Peers that are slow, silent, wrong or greedy: each gets its answer, and nobody else pays for it.

use std::time::{Duration, Instant};

use amqp::content::Properties;
use amqp::frame::FrameKind;
use amqp::frame::{
    self, FRAME_END, PROTOCOL_HEADER, write_body_head, write_header, write_heartbeat,
};
use amqp::method::{BasicPublish, ChannelFlow, ChannelOpen, QueueDelete};

use crate::broker::{Broker, eventually, shared};
use crate::client::Client;
use crate::client::arguments::{consume, queue};
use crate::client::channel::Event;
use crate::client::login::Login;
use crate::client::message::{Message, message};
use crate::client::wire::Wire;

fn raw_frame(kind: u8, channel: u16, payload: &[u8], end: u8) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&channel.to_be_bytes());
    bytes.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes.push(end);
    bytes
}

#[test]
fn what_is_no_frame_ends_the_connection_with_501() {
    let negotiated = 131_072;
    let wrong: [(&str, Vec<u8>); 5] = [
        ("unknown kind", raw_frame(66, 1, b"abc", FRAME_END)),
        ("bad end", raw_frame(1, 1, b"\0\x14\0\x0a\0", 0)),
        ("bad end of a heartbeat", raw_frame(8, 0, b"", 1)),
        ("too large", raw_frame(3, 1, &vec![0; negotiated + 1], FRAME_END)),
        ("text", b"GET / HTTP/1.1\r\nhost: a\r\n\r\n".to_vec()),
    ];
    for (what, bytes) in wrong {
        let client = Client::connect(shared());
        client.channel();
        client.send_bytes(&bytes);
        eprintln!("{what}");
        client.expect_close(501, (0, 0), "FRAME_ERROR - type ");
    }
}

#[test]
fn frame_may_exceed_frame_max_by_its_own_eight_bytes() {
    let client = Login::tuned(10, 4096, 0).open(shared().amqp());
    let channel = client.channel();
    channel.declare(&queue("fudge").exclusive());
    let mut bytes = Vec::new();
    let publish = BasicPublish {
        exchange: "",
        routing_key: "fudge".into(),
        mandatory: false,
        immediate: false,
    };
    frame::write_method(&mut bytes, 1, &publish.into());
    write_header(&mut bytes, 1, 4096, Properties::EMPTY);
    write_body_head(&mut bytes, 1, 4096);
    bytes.extend_from_slice(&[5; 4096]);
    bytes.push(FRAME_END);
    client.send_bytes(&bytes);
    assert_eq!(channel.take("fudge").unwrap().body, [5; 4096]);

    client.send_bytes(&raw_frame(3, 1, &[0; 4097], FRAME_END));
    let text = "FRAME_ERROR - type 3, all octets = <<>>: {frame_too_large,4097,4088}";
    client.expect_close(501, (0, 0), text);
}

#[test]
fn handshake_that_never_ends_is_cut() {
    let broker = Broker::with(&["--handshake-timeout", "300ms"]);
    let started: [&[u8]; 4] = [b"", b"AMQ", &PROTOCOL_HEADER, b"AMQP\x00\x00\x09\x01\x01\x00\x00"];
    let clients = started.map(|bytes| {
        let client = Client::raw(broker.amqp());
        client.send_bytes(bytes);
        client
    });
    let open = Client::connect(&broker);
    for client in clients {
        client.expect_end();
    }
    open.channel().silent();
}

#[test]
fn half_a_frame_delays_nobody_and_may_be_finished() {
    let slow = Client::connect(shared());
    let channel = slow.channel();
    channel.declare(&queue("half").exclusive());
    let mut bytes = Vec::new();
    channel.encode(&message("", "half", vec![9; 5000]), &mut bytes);
    let (first, second) = bytes.split_at(3000);
    slow.send_bytes(first);
    Client::connect(shared()).channel().silent();
    for byte in &second[..40] {
        slow.send_bytes(&[*byte]);
    }
    slow.send_bytes(&second[40..]);
    assert_eq!(channel.take("half").unwrap().body, vec![9; 5000]);
}

#[test]
fn broker_sends_heartbeats_and_lives_by_ours() {
    let client = Login::tuned(10, 131_072, 1).open(shared().amqp());
    let end = Instant::now() + Duration::from_secs(4);
    let mut beat = Vec::new();
    write_heartbeat(&mut beat);
    let mut heard = 0;
    while Instant::now() < end {
        let received = client.next_frame().expect("the connection stays open");
        assert_eq!((received.kind, received.channel), (FrameKind::Heartbeat, 0));
        heard += 1;
        client.send_bytes(&beat);
    }
    assert!((4..=12).contains(&heard), "{heard} heartbeats in 4 s");
    client.channel().silent();
}

#[test]
fn silent_client_is_dropped_after_two_heartbeats() {
    let client = Login::tuned(10, 131_072, 1).open(shared().amqp());
    let since = Instant::now();
    client.expect_end();
    let passed = since.elapsed();
    assert!((2.0..5.0).contains(&passed.as_secs_f64()), "{passed:?}");
}

#[test]
fn any_traffic_counts_as_a_heartbeat() {
    let client = Login::tuned(10, 131_072, 1).open(shared().amqp());
    let channel = client.channel();
    let end = Instant::now() + Duration::from_secs(4);
    while Instant::now() < end {
        client.next_frame().expect("the connection stays open");
        channel.send(ChannelFlow { active: true });
    }
}

#[test]
fn heartbeat_on_a_channel_is_refused() {
    let client = Client::connect(shared());
    client.channel();
    client.send_bytes(&raw_frame(8, 1, b"", FRAME_END));
    client.expect_close(505, (0, 0), "UNEXPECTED_FRAME - ");
}

#[test]
fn methods_on_a_channel_that_is_not_open_end_the_connection() {
    let client = Client::connect(shared());
    client.unopened(5).send(QueueDelete {
        queue: "a",
        if_unused: false,
        if_empty: false,
        no_wait: false,
    });
    client.expect_close(504, (50, 40), "CHANNEL_ERROR - expected 'channel.open'");

    let client = Client::connect(shared());
    let channel = client.channel();
    channel.close();
    channel.send(ChannelFlow { active: true });
    client.expect_close(504, (20, 20), "CHANNEL_ERROR - expected 'channel.open'");

    let client = Client::connect(shared());
    client.channel().send(ChannelOpen {});
    client.expect_close(504, (20, 10), "CHANNEL_ERROR - second 'channel.open' seen");
}

/// Frames of a publish of four bytes, in any wrong order.
fn pieces(order: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in order.chars() {
        match piece {
            'p' => {
                let publish = BasicPublish {
                    exchange: "",
                    routing_key: "nowhere".into(),
                    mandatory: false,
                    immediate: false,
                };
                frame::write_method(&mut bytes, 1, &publish.into());
            }
            'h' => write_header(&mut bytes, 1, 4, Properties::EMPTY),
            'c' => {
                let mut header = Vec::new();
                write_header(&mut header, 1, 4, Properties::EMPTY);
                header[8] = 50; // the class of the content
                bytes.extend_from_slice(&header);
            }
            'b' => bytes.extend_from_slice(&raw_frame(3, 1, b"body", FRAME_END)),
            'l' => bytes.extend_from_slice(&raw_frame(3, 1, b"longer", FRAME_END)),
            'f' => frame::write_method(&mut bytes, 1, &ChannelFlow { active: true }.into()),
            other => panic!("no piece {other}"),
        }
    }
    bytes
}

#[test]
fn content_out_of_order_ends_the_connection_with_505() {
    for order in ["h", "b", "pb", "pp", "pf", "phh", "php", "phf", "phl", "pc", "phbb"] {
        let client = Client::connect(shared());
        client.channel();
        client.send_bytes(&pieces(order));
        eprintln!("{order}");
        client.expect_close_code(505);
    }
}

#[test]
fn content_may_be_interleaved_between_channels() {
    let client = Client::connect(shared());
    let (one, two) = (client.channel(), client.channel());
    one.declare(&queue("interleaved").exclusive());
    let (mut first, mut second) = (Vec::new(), Vec::new());
    one.encode(&message("", "interleaved", "one"), &mut first);
    two.encode(&message("", "interleaved", "two"), &mut second);
    let (first_head, first_body) = first.split_at(first.len() - 11);
    let (second_head, second_body) = second.split_at(second.len() - 11);
    client.send_bytes(&[first_head, second_head, second_body, first_body].concat());
    // The second is whole before the first is; a round trip on both makes sure that they are in.
    one.silent();
    two.silent();
    assert_eq!(one.drain("interleaved"), ["two", "one"]);
}

#[test]
fn one_channel_more_than_2047_ends_the_connection() {
    let client = Client::connect(shared());
    let mut bytes = Vec::new();
    for number in 1..=2047 {
        frame::write_method(&mut bytes, number, &ChannelOpen {}.into());
    }
    client.send_bytes(&bytes);
    let mut opened: Vec<u16> =
        (1..=2047).map(|_| client.next_frame().expect("a channel").channel).collect();
    opened.sort_unstable();
    assert!(opened.into_iter().eq(1..=2047));
    client.unopened(2047).silent();
    client.unopened(2048).send(ChannelOpen {});
    let text =
        "NOT_ALLOWED - number of channels opened (2047) has reached the negotiated channel_max";
    client.expect_close(530, (0, 0), text);
}

#[test]
fn connections_above_the_limit_are_refused_and_many_closed_at_once() {
    let broker = Broker::with(&["--max-connections", "3"]);
    let open = [(); 3].map(|()| Client::connect(&broker));
    let login = Login::default();
    let refused = Client::raw(broker.amqp());
    let proposed = login.authenticate(&refused);
    login.tune_and_open(&refused, &proposed);
    let text = "NOT_ALLOWED - connection refused: node connection limit (3) is reached";
    refused.expect_close(530, (10, 40), text);
    eventually("the refused one is gone", || broker.metric("rabbitmq_connections") == 3.0);
    // Each of 64 says hello; the next one has no chance to.
    let mut undecided: Vec<Wire> = (0..64).map(|_| Wire::tcp(broker.amqp())).collect();
    for wire in &mut undecided {
        wire.write(&PROTOCOL_HEADER);
        assert!(wire.read().is_some(), "connection.start");
    }
    let mut closed = Wire::tcp(broker.amqp());
    closed.write(&PROTOCOL_HEADER);
    assert_eq!(closed.rest(), b"");
    drop(undecided);
    let [first, ..] = open;
    first.close();
    eventually("there is room again", || broker.metric("rabbitmq_connections") == 2.0);
    Client::connect(&broker).channel().silent();
}

#[test]
fn hundreds_of_idle_connections_are_served() {
    let clients: Vec<Client> = (0..300).map(|_| Client::connect(shared())).collect();
    let channels: Vec<_> = clients.iter().map(Client::channel).collect();
    for channel in &channels {
        channel.send(ChannelFlow { active: true });
    }
    for channel in &channels {
        assert!(matches!(channel.next(), Event::Answer(_)));
    }
}

#[test]
fn slow_reader_with_a_backlog_costs_others_nothing() {
    const MESSAGES: usize = 600;
    const BYTES: usize = 64 << 10;
    let broker = Broker::start();
    let publisher = Client::connect(&broker).channel();
    publisher.declare(&queue("slow"));
    publisher.declare(&queue("quick"));
    let slow = Client::connect(&broker).channel();
    slow.consume(&consume("slow").no_ack());
    publisher.confirms();
    let body = |index: usize| [(index % 251) as u8; BYTES];
    let messages: Vec<Message> =
        (0..MESSAGES).map(|index| message("", "slow", body(index))).collect();
    for batch in messages.chunks(20) {
        publisher.send_messages(batch);
    }
    publisher.expect_confirms(MESSAGES as u64);
    // 38 MB wait for somebody who does not read. Everybody else is as fast as ever.
    let since = Instant::now();
    let other = Client::connect(&broker).channel();
    other.consume(&consume("quick").no_ack());
    for round in 0..200 {
        other.publish("", "quick", format!("{round}"));
        other.expect_bodies(&[&format!("{round}")]);
    }
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    for index in 0..MESSAGES {
        assert_eq!(slow.delivery().body, body(index), "message {index}");
    }
}

#[test]
fn peer_that_vanishes_leaves_nothing() {
    let client = Client::connect(shared());
    let watcher = Client::connect(shared()).channel();
    let channel = client.channel();
    channel.declare(&queue("vanished").exclusive());
    watcher.declare(&queue("survived").auto_delete());
    channel.publish("", "survived", "kept");
    assert_eq!(channel.get("survived").unwrap().text(), "kept");
    drop((channel, client));
    eventually("the message is back", || watcher.counts("survived").0 == 1);
    let got = watcher.take("survived").unwrap();
    assert!(got.redelivered);
    watcher.declare(&queue("vanished").exclusive());
}

#[test]
fn tables_that_are_not_tables_end_the_connection() {
    use amqp::method::QueueDeclare;
    use amqp::value::RawTable;
    let wrong: [(u16, &[u8]); 3] =
        [(501, b"\x05ab"), (502, b"\x01a?\x00"), (501, b"\x01aS\x00\x00\x00\xffx")];
    for (code, arguments) in wrong {
        let client = Client::connect(shared());
        client.channel().send(QueueDeclare {
            queue: "wrong",
            passive: false,
            durable: false,
            exclusive: true,
            auto_delete: false,
            no_wait: false,
            arguments: RawTable(arguments),
        });
        client.expect_close_code(code);
    }
}

#[test]
fn message_with_unreadable_headers_is_not_passed_on() {
    let client = Client::connect(shared());
    let channel = client.channel();
    channel.declare(&queue("poison").exclusive());
    let mut bytes = Vec::new();
    channel.encode(&message("", "poison", "m").header("h", "x"), &mut bytes);
    let tag = bytes.windows(2).position(|two| two == b"hS").unwrap() + 1;
    bytes[tag] = b'?';
    client.send_bytes(&bytes);
    client.expect_close_code(502);
}

#[test]
fn unknown_method_ends_the_connection() {
    let client = Client::connect(shared());
    client.channel();
    client.send_bytes(&raw_frame(1, 1, &[0, 60, 0, 222], FRAME_END));
    client.expect_close_code(540);
}
