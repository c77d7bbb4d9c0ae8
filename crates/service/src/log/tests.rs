//! Levels read as documented, RabbitMQ's names included.

use super::*;

#[test]
fn levels_are_names_or_directives() {
    for (text, read) in [
        ("debug", "debug"),
        ("warning", "warn"),
        ("critical", "error"),
        ("none", "off"),
        ("info,server=debug", "info,server=debug"),
        ("server::amqp=trace", "server::amqp=trace"),
    ] {
        assert_eq!(Level::parse(text).map(|l| l.to_string()), Ok(read.to_owned()));
    }
    for text in ["", "loud", "info,=,=", "info,server=loud"] {
        let refusal = Level::parse(text).unwrap_err();
        assert!(refusal.ends_with(&quoted(text)), "{refusal}");
    }
}
