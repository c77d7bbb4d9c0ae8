//! From the protocol header to `connection.open-ok`.

use amqp::frame::PROTOCOL_HEADER;
use amqp::method::{
    ChannelOpen, ConnectionClose, ConnectionCloseOk, ConnectionOpen, ConnectionOpenOk,
    ConnectionStart, ConnectionTune, ConnectionUpdateSecret, ConnectionUpdateSecretOk, Method,
};
use amqp::value::{Table, Value};

use crate::broker::{Broker, eventually, shared};
use crate::client::Client;
use crate::client::arguments::{consume, encoded, queue, table};
use crate::client::login::Login;
use crate::client::wire::Wire;

#[test]
fn both_spellings_of_0_9_1_are_understood() {
    for header in [b"AMQP\x00\x00\x09\x01", b"AMQP\x01\x01\x00\x09"] {
        let client = Client::raw(shared().amqp());
        client.send_bytes(header);
        assert!(matches!(client.next().method(), Method::ConnectionStart(_)));
    }
}

#[test]
fn another_protocol_is_told_the_right_one_and_cut() {
    let wrong: [&[u8]; 5] = [
        b"AMQP\x00\x00\x0a\x00",
        b"AMQP\x02\x00\x00\x09",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0\0\0\0\0\0\0\0",
    ];
    for bytes in wrong {
        let mut wire = Wire::tcp(shared().amqp());
        wire.write(bytes);
        assert_eq!(wire.rest(), PROTOCOL_HEADER, "after {bytes:?}");
    }
}

#[test]
fn header_may_come_byte_by_byte() {
    let client = Client::raw(shared().amqp());
    for byte in PROTOCOL_HEADER {
        client.send_bytes(&[byte]);
    }
    assert!(matches!(client.next().method(), Method::ConnectionStart(_)));
}

#[test]
fn start_says_what_clients_look_for() {
    let client = Client::raw(shared().amqp());
    client.send_bytes(&PROTOCOL_HEADER);
    let received = client.next();
    let Method::ConnectionStart(ConnectionStart {
        version_major: 0,
        version_minor: 9,
        server_properties,
        mechanisms,
        locales: b"en_US",
    }) = received.method()
    else {
        panic!("{:?}", received.method());
    };
    let mut mechanisms: Vec<_> = mechanisms.split(|byte| *byte == b' ').collect();
    mechanisms.sort_unstable();
    assert_eq!(mechanisms, [&b"AMQPLAIN"[..], b"PLAIN"]);
    let properties = server_properties.decode().unwrap();
    for name in ["product", "version", "platform", "copyright", "information", "cluster_name"] {
        let text = properties.get(name).and_then(Value::as_str);
        assert!(text.is_some_and(|text| !text.is_empty()), "{name}: {text:?}");
    }
    let Some(Value::Table(capabilities)) = properties.get("capabilities") else {
        panic!("{properties:?}");
    };
    for name in [
        "publisher_confirms",
        "exchange_exchange_bindings",
        "basic.nack",
        "consumer_cancel_notify",
        "connection.blocked",
        "consumer_priorities",
        "authentication_failure_close",
        "per_consumer_qos",
        "direct_reply_to",
    ] {
        assert_eq!(capabilities.get(name), Some(&Value::Bool(true)), "{name}");
    }
}

#[test]
fn product_and_version_are_settings() {
    let broker = Broker::with(&["--product", "Hare", "--product-version", "9.8.7"]);
    let client = Client::raw(broker.amqp());
    client.send_bytes(&PROTOCOL_HEADER);
    let received = client.next();
    let Method::ConnectionStart(start) = received.method() else { panic!("{received:?}") };
    let properties = start.server_properties.decode().unwrap();
    assert_eq!(properties.get("product").and_then(Value::as_str), Some("Hare"));
    assert_eq!(properties.get("version").and_then(Value::as_str), Some("9.8.7"));
}

fn amqplain(user: &str, password: &str) -> Login {
    let response = table([("LOGIN", user.into()), ("PASSWORD", password.into())]);
    Login { mechanism: "AMQPLAIN", response: encoded(&response), ..Login::default() }
}

#[test]
fn guest_logs_in_by_plain_and_by_amqplain() {
    for login in [Login::user("guest", "guest"), amqplain("guest", "guest")] {
        login.open(shared().amqp()).channel().silent();
    }
}

fn refused_logins() -> Vec<Login> {
    vec![
        Login::user("guest", "wrong"),
        Login::user("nobody", "guest"),
        Login::user("guest", ""),
        amqplain("guest", "wrong"),
        Login { response: b"guest".to_vec(), ..Login::default() },
        Login { response: Vec::new(), ..amqplain("guest", "guest") },
    ]
}

#[test]
fn refused_login_is_told_to_clients_that_can_take_it() {
    for login in refused_logins() {
        let client = Client::raw(shared().amqp());
        login.start(&client);
        let text = format!(
            "ACCESS_REFUSED - Login was refused using authentication mechanism {}. \
             For details see the broker logfile.",
            login.mechanism
        );
        client.expect_close(403, (0, 0), &text);
    }
}

#[test]
fn refused_login_without_the_capability_sees_the_socket_closed() {
    let login = Login { properties: Table::new(), ..Login::user("guest", "wrong") };
    let client = Client::raw(shared().amqp());
    login.start(&client);
    assert_eq!(client.next_frame(), None);
}

#[test]
fn unknown_mechanism_is_refused() {
    let client = Client::raw(shared().amqp());
    Login { mechanism: "CRAM-MD5", ..Login::default() }.start(&client);
    client.expect_close_code(403);
}

#[test]
fn unknown_vhost_is_refused() {
    for vhost in ["missing", "", "//"] {
        let login = Login { vhost, ..Login::default() };
        let client = Client::raw(shared().amqp());
        let tune = login.authenticate(&client);
        login.tune_and_open(&client, &tune);
        client.expect_close(530, (10, 40), &format!("NOT_ALLOWED - vhost {vhost} not found"));
    }
}

#[test]
fn first_user_password_and_vhost_are_settings() {
    let flags = ["--default-user", "hare", "--default-pass", "fast", "--default-vhost", "field"];
    let broker = Broker::with(&flags);
    let login = Login { vhost: "field", ..Login::user("hare", "fast") };
    login.open(broker.amqp()).channel().silent();
    let client = Client::raw(broker.amqp());
    Login::default().start(&client);
    client.expect_close(403, (0, 0), "ACCESS_REFUSED - Login was refused");
}

#[test]
fn tune_proposes_the_documented_limits() {
    let tune = Login::default().authenticate(&Client::raw(shared().amqp()));
    assert_eq!(tune, ConnectionTune { channel_max: 2047, frame_max: 131_072, heartbeat: 60 });
}

#[test]
fn limits_are_settings() {
    let broker = Broker::with(&["--channel-max", "7", "--frame-max", "8192", "--heartbeat", "580"]);
    let tune = Login::default().authenticate(&Client::raw(broker.amqp()));
    assert_eq!(tune, ConnectionTune { channel_max: 7, frame_max: 8192, heartbeat: 580 });
}

#[test]
fn limits_beyond_the_proposed_ones_cost_the_socket() {
    let wrong = [(2047, 0), (2047, 131_073), (2047, 4095), (2048, 131_072), (0, 131_072)];
    for (channel_max, frame_max) in wrong {
        let login = Login::tuned(channel_max, frame_max, 0);
        let client = Client::raw(shared().amqp());
        let tune = login.authenticate(&client);
        login.tune_and_open(&client, &tune);
        assert_eq!(client.next_frame(), None, "{channel_max} {frame_max}");
    }
}

#[test]
fn bodies_are_cut_to_the_negotiated_frame_max() {
    let channel = Login::tuned(10, 4096, 0).open(shared().amqp()).channel();
    channel.declare(&queue("cut").exclusive());
    for length in [0, 1, 4087, 4088, 4089, 8176, 100_000] {
        channel.publish("", "cut", vec![7; length]);
        assert_eq!(channel.take("cut").unwrap().body, vec![7; length], "{length}");
    }
    channel.consume(&consume("cut").no_ack());
    for length in [4088, 4089, 100_000] {
        channel.publish("", "cut", vec![7; length]);
        assert_eq!(channel.delivery().body, vec![7; length], "{length}");
    }
}

#[test]
fn negotiated_channel_max_counts() {
    let client = Login::tuned(1, 131_072, 0).open(shared().amqp());
    let channel = client.channel_at(900);
    channel.close();
    client.channel_at(901);
    client.unopened(902).send(ChannelOpen {});
    let text =
        "NOT_ALLOWED - number of channels opened (1) has reached the negotiated channel_max (1)";
    client.expect_close(530, (0, 0), text);
}

#[test]
fn new_secret_is_accepted() {
    let client = Client::connect(shared());
    client.send(ConnectionUpdateSecret { new_secret: b"newer", reason: "renewal" });
    client.expect(ConnectionUpdateSecretOk {});
    client.channel().silent();
}

#[test]
fn name_of_the_connection_is_logged() {
    let mut login = Login::default();
    login.properties.insert("connection_name", "fast hare".into());
    let _client = login.open(shared().amqp());
    eventually("the log names the connection", || {
        shared().http("/healthz");
        shared().stderr().contains("fast hare")
    });
}

#[test]
fn client_may_close_instead_of_opening() {
    let client = Client::raw(shared().amqp());
    Login::default().authenticate(&client);
    client.send(ConnectionClose { reply_code: 200, reply_text: "", class_id: 0, method_id: 0 });
    client.expect(ConnectionCloseOk {});
}

#[test]
fn methods_out_of_turn_end_the_handshake() {
    let client = Client::raw(shared().amqp());
    client.send_bytes(&PROTOCOL_HEADER);
    client.next();
    client.send(ConnectionOpen { virtual_host: "/" });
    client.expect_close_code(504);

    let client = Client::raw(shared().amqp());
    Login::default().authenticate(&client);
    client.unopened(1).send(ChannelOpen {});
    client.expect_close_code(505);
}

#[test]
fn whole_handshake_may_come_in_one_write() {
    use amqp::frame::write_method;
    use amqp::method::{ConnectionStartOk, ConnectionTuneOk};
    use amqp::value::RawTable;

    let mut bytes = PROTOCOL_HEADER.to_vec();
    let start_ok = ConnectionStartOk {
        client_properties: RawTable(&[]),
        mechanism: "PLAIN",
        response: b"\0guest\0guest",
        locale: "en_US",
    };
    let tune_ok = ConnectionTuneOk { channel_max: 10, frame_max: 131_072, heartbeat: 0 };
    write_method(&mut bytes, 0, &start_ok.into());
    write_method(&mut bytes, 0, &tune_ok.into());
    write_method(&mut bytes, 0, &ConnectionOpen { virtual_host: "/" }.into());
    let client = Client::raw(shared().amqp());
    client.send_bytes(&bytes);
    assert!(matches!(client.next().method(), Method::ConnectionStart(_)));
    assert!(matches!(client.next().method(), Method::ConnectionTune(_)));
    client.expect(ConnectionOpenOk {});
}
