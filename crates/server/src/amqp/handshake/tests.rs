//! SASL responses and protocol headers, well and badly formed.

use amqp::value::{Table, Value};

use super::{amqplain, is_accepted, plain};

#[test]
fn plain_takes_user_and_password_and_ignores_the_identity() {
    let good: [(&[u8], &str, &[u8]); 2] = [
        (b"\0guest\0guest", "guest", b"guest"),
        (b"identity\0guest\0pass\0word", "guest", b"pass\0word"),
    ];
    for (response, user, password) in good {
        assert_eq!(plain(response), Some((user.to_owned(), password.to_vec())), "{response:?}");
    }
    for response in [&b"\0guest"[..], b"guest", b"\0\xff\0x"] {
        assert_eq!(plain(response), None, "{response:?}");
    }
}

#[test]
fn amqplain_is_a_table_without_its_length() {
    let mut table = Table::new();
    table.insert("LOGIN", Value::from("guest"));
    table.insert("PASSWORD", Value::from("secret"));
    let mut bytes = Vec::new();
    table.encode(&mut bytes);
    assert_eq!(amqplain(&bytes[4..]), Some(("guest".to_owned(), b"secret".to_vec())));
    assert_eq!(amqplain(&bytes), None);
    assert_eq!(amqplain(b""), None);
}

#[test]
fn only_the_versions_that_rabbitmq_takes_are_accepted() {
    assert!(is_accepted(b"AMQP\x00\x00\x09\x01"));
    assert!(is_accepted(b"AMQP\x01\x01\x00\x09"));
    assert!(!is_accepted(b"AMQP\x00\x01\x00\x00"));
    assert!(!is_accepted(b"AMQP\x03\x01\x00\x00"));
}
