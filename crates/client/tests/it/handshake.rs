//! Opening a connection, and every way in which that fails.

use std::net::TcpListener;
use std::time::Duration;

use amqp::method::*;
use amqp::value::Value;
use client::address::{Address, Mechanism};
use client::connection::{Connection, Limits};
use client::error::Error;
use client::options::Options;

use crate::fake::*;

#[tokio::test]
async fn a_connection_says_who_it_is_and_learns_who_it_talks_to() {
    let fake = fake(|mut peer| {
        peer.header();
        peer.start(b"AMQPLAIN PLAIN EXTERNAL");
        let payload = peer.expect("connection.start-ok");
        let Ok(Method::ConnectionStartOk(ok)) = Method::decode(&payload) else { unreachable!() };
        assert_eq!((ok.mechanism, ok.response), ("PLAIN", b"\0hare\0s3cret\xc3\xa9".as_slice()));
        let properties = ok.client_properties.decode().unwrap();
        assert_eq!(properties.get("connection_name"), Some(&Value::from("a test")));
        assert_eq!(properties.get("product"), Some(&Value::from("Leveret")));
        let Some(Value::Table(capabilities)) = properties.get("capabilities") else { panic!() };
        for name in ["publisher_confirms", "connection.blocked", "authentication_failure_close"] {
            assert_eq!(capabilities.get(name), Some(&Value::Bool(true)), "{name}");
        }
        peer.send(0, Method::ConnectionTune(TUNE));
        let payload = peer.expect("connection.tune-ok");
        let Ok(Method::ConnectionTuneOk(ok)) = Method::decode(&payload) else { unreachable!() };
        assert_eq!((ok.channel_max, ok.frame_max, ok.heartbeat), (100, 8192, 7));
        let payload = peer.expect("connection.open");
        let open = Method::ConnectionOpen(ConnectionOpen { virtual_host: "mail/ü" });
        assert_eq!(Method::decode(&payload), Ok(open));
        peer.send(0, Method::ConnectionOpenOk(ConnectionOpenOk {}));
        peer.expect("connection.close");
        peer.send(0, Method::ConnectionCloseOk(ConnectionCloseOk {}));
        peer.expect_end();
    });
    let mut options = fake.options.clone();
    let port = options.addresses[0].port;
    options.addresses[0] = Address::parse(&format!(
        "amqp://hare:s3cret%C3%A9@127.0.0.1:{port}/mail%2F%C3%BC?heartbeat=7"
    ))
    .unwrap();
    let connection = Connection::open(&options, 0).await.unwrap();
    assert_eq!(connection.server().product, "Fake");
    assert_eq!(connection.server().version, "1.2");
    assert_eq!(connection.server().capabilities.get("basic.nack"), Some(&Value::Bool(true)));
    let limits = Limits { channel_max: 100, frame_max: 8192, heartbeat_s: 7 };
    assert_eq!(connection.limits(), limits);
    let shown = format!("{} {connection:?}", connection.address());
    assert!(shown.contains("amqp://hare@127.0.0.1") && !shown.contains("s3cret"));
    connection.close().await.unwrap();
    fake.finish();
}

/// Each side may leave a limit to the other.
#[tokio::test]
async fn limits_are_negotiated() {
    async fn check(theirs: (u16, u32, u16), ours: (u16, u32, Option<u16>), both: (u16, u32, u16)) {
        let fake = fake(move |mut peer| {
            let (channel_max, frame_max, heartbeat) = theirs;
            peer.handshake(ConnectionTune { channel_max, frame_max, heartbeat });
        });
        let mut options = fake.options.clone();
        options.frame_max = ours.1;
        options.addresses[0].channel_max = Some(ours.0);
        options.addresses[0].heartbeat_s = ours.2;
        let Limits { channel_max, frame_max, heartbeat_s } =
            Connection::open(&options, 0).await.unwrap().limits();
        assert_eq!((channel_max, frame_max, heartbeat_s), both);
        fake.finish();
    }
    check((2047, 131_072, 60), (2047, 131_072, None), (2047, 131_072, 60)).await;
    check((10, 8192, 60), (2047, 131_072, Some(5)), (10, 8192, 5)).await;
    check((2047, 131_072, 60), (3, 4096, Some(300)), (3, 4096, 60)).await;
    check((0, 0, 0), (2047, 131_072, Some(9)), (2047, 131_072, 9)).await;
    check((0, 0, 60), (0, 0, Some(0)), (65_535, 0, 0)).await;
    check((5, 10_000, 0), (0, 0, None), (5, 10_000, 0)).await;
}

#[tokio::test]
async fn a_handshake_may_come_in_single_bytes() {
    let fake = fake(|mut peer| {
        peer.header();
        let mut start = Vec::new();
        write_start(&mut start, b"PLAIN");
        for byte in start {
            peer.bytes(&[byte]);
        }
        peer.expect("connection.start-ok");
        for byte in method_frame(0, Method::ConnectionTune(TUNE)) {
            peer.bytes(&[byte]);
        }
        peer.expect("connection.tune-ok");
        peer.expect("connection.open");
        peer.send(0, Method::ConnectionOpenOk(ConnectionOpenOk {}));
    });
    fake.connection().await;
    fake.finish();
}

#[tokio::test]
async fn a_wrong_password_is_said_to_be_one() {
    let fake = fake(|mut peer| {
        peer.header();
        peer.start(b"PLAIN");
        peer.expect("connection.start-ok");
        peer.bytes(&connection_close(403, "ACCESS_REFUSED - Login was refused"));
        peer.expect("connection.close-ok");
        peer.expect_end();
    });
    let error = fake.refusal().await;
    let text = error.to_string();
    assert!(matches!(&error, Error::Refused { user, .. } if user == "guest"), "{error:?}");
    assert!(text.contains("refuses user \"guest\": ACCESS_REFUSED - Login was refused"), "{text}");
    assert!(text.contains("password") && error.is_permanent());
    fake.finish();
}

#[tokio::test]
async fn a_server_that_hangs_up_at_the_login_has_refused_it() {
    let fake = fake(|mut peer| {
        peer.header();
        peer.start(b"PLAIN");
        peer.expect("connection.start-ok");
    });
    assert!(matches!(fake.refusal().await, Error::Refused { .. }));
    fake.finish();
}

#[tokio::test]
async fn a_mechanism_has_to_be_offered() {
    let script = |mut peer: Peer| {
        peer.header();
        peer.start(b"PLAINER EXTERNAL");
    };
    let plain = fake(script);
    let text = plain.refusal().await.to_string();
    assert!(text.contains("it offers PLAINER EXTERNAL to log in, and not PLAIN"), "{text}");
    plain.finish();

    let external = fake(|mut peer| {
        peer.header();
        peer.start(b"PLAIN EXTERNAL");
        let payload = peer.expect("connection.start-ok");
        let Ok(Method::ConnectionStartOk(ok)) = Method::decode(&payload) else { unreachable!() };
        assert_eq!((ok.mechanism, ok.response), ("EXTERNAL", b"".as_slice()));
    });
    let mut options = external.options.clone();
    options.addresses[0].mechanism = Mechanism::External;
    assert!(Connection::open(&options, 0).await.is_err());
    external.finish();
}

#[tokio::test]
async fn a_virtual_host_that_is_not_there_is_told() {
    let fake = fake(|mut peer| {
        peer.header();
        peer.start(b"PLAIN");
        peer.expect("connection.start-ok");
        peer.send(0, Method::ConnectionTune(TUNE));
        peer.expect("connection.tune-ok");
        peer.expect("connection.open");
        peer.bytes(&connection_close(530, "NOT_ALLOWED - vhost / not found"));
        peer.expect("connection.close-ok");
    });
    let error = fake.refusal().await;
    let text = error.to_string();
    assert!(matches!(error, Error::Closed { code: 530, .. }), "{error:?}");
    assert!(text.contains("vhost / not found; check the virtual host"), "{text}");
    assert!(error.is_permanent());
    fake.finish();
}

#[tokio::test]
async fn servers_of_another_kind_are_recognised() {
    async fn check(answer: &'static [u8], expected: &str) {
        let fake = fake(move |mut peer| {
            peer.header();
            peer.bytes(answer);
            peer.expect_end();
        });
        let error = fake.refusal().await;
        assert!(matches!(error, Error::Protocol(_)), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
        fake.finish();
    }
    check(b"AMQP\x00\x01\x00\x00", "it speaks AMQP 1-0-0, and not 0-9-1").await;
    check(b"\x15\x03\x01\x00\x02\x02\x28", "write amqps://").await;
    check(b"HTTP/1.1 400 Bad Request\r\n\r\n", "it speaks HTTP").await;
    check(&[7; 20], "frame_too_large").await;
    check(&[1, 0, 0, 0, 0, 0, 4, 0, 10, 0, 30, 0xCE], "at login").await;
    check(&[1, 0, 0, 0, 0, 0, 5, 0, 10, 0, 41, 0, 0xCE], "instead of connection.start").await;
    check(&[3, 0, 1, 0, 0, 0, 0, 0xCE], "a Body frame on channel 1 at login").await;
}

#[tokio::test]
async fn an_end_without_a_word_is_told() {
    let fake = fake(|mut peer| peer.header());
    assert!(matches!(fake.refusal().await, Error::Eof));
    fake.finish();
}

#[tokio::test]
async fn a_silent_server_is_not_waited_for() {
    let fake = fake(|mut peer| {
        peer.header();
        peer.expect_end();
    });
    let mut options = fake.options.clone();
    options.addresses[0].connection_timeout = Some(Duration::from_millis(50));
    let error = Connection::open(&options, 0).await.unwrap_err();
    let Error::Timeout { step: "login", ms: 50, .. } = error else { panic!("{error:?}") };
    assert!(!error.is_permanent());
    fake.finish();
}

#[tokio::test]
async fn nobody_there_is_told_with_the_address() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = format!("amqp://u:s3cret@localhost:{port}");
    let options = Options { addresses: Address::parse_list(&text).unwrap(), ..Options::default() };
    let error = Connection::open(&options, 0).await.unwrap_err();
    let told = error.to_string();
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    assert!(told.contains(&format!("cannot connect to amqp://u@localhost:{port}/")), "{told}");
    assert!(told.contains("refused") && !told.contains("s3cret"), "{told}");
    let options =
        Options { addresses: Address::parse_list("amqp://no.invalid").unwrap(), ..options };
    assert!(matches!(Connection::open(&options, 0).await, Err(Error::Connect { .. })));
}
