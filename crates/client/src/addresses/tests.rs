//! Where brokers are is read from text and from files, and shown without passwords.

use super::*;
use crate::address::Password;

#[test]
fn a_broker_of_this_machine_is_reached_on_loopback() {
    let reached = |listeners: &[&str]| {
        let mut addresses = Addresses(vec![Address::local(0, "hare", "s3cret", "v/w")]);
        let listeners: Vec<_> = listeners.iter().map(|at| at.parse().unwrap()).collect();
        addresses.move_to(&listeners);
        addresses.0[0].to_string()
    };
    assert_eq!(reached(&["127.0.0.1:1", "[::1]:1"]), "amqp://hare@127.0.0.1:1/v%2Fw");
    assert_eq!(reached(&["192.0.2.1:1", "0.0.0.0:2"]), "amqp://hare@127.0.0.1:2/v%2Fw");
    assert_eq!(reached(&["[::]:3"]), "amqp://hare@[::1]:3/v%2Fw");
    assert_eq!(reached(&["192.0.2.1:4"]), "amqp://hare@192.0.2.1:4/v%2Fw");
}

#[test]
fn addresses_come_from_a_file_and_show_no_password() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("url");
    std::fs::write(&file, "amqp://u:s3cret@a/,amqps://v:hunter2@b/\n").unwrap();
    let mut addresses = Addresses::default();
    let file = file.to_str().unwrap();
    assert_eq!(addresses.refer(Elsewhere::File, file), Some(Ok(())));
    let shown = "\"amqp://u:***@a:5672/,amqps://v:***@b:5671/\"";
    assert_eq!(addresses.toml().as_deref(), Some(shown));
    assert_eq!(addresses.0[1].password, Password("hunter2".into()));
    assert_eq!(addresses.refer(Elsewhere::Environment, "X"), None);
    let absent = addresses.refer(Elsewhere::File, "/absent").unwrap().unwrap_err();
    assert_eq!(
        absent,
        "cannot read the addresses in /absent: No such file or directory (os error 2)"
    );
    std::fs::write(file, "http://u:hunter2@h").unwrap();
    let refused = addresses.refer(Elsewhere::File, file).unwrap().unwrap_err();
    assert!(!refused.contains("hunter2"), "{refused}");
}
