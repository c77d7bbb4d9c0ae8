//! What a daemon tells stdout while it starts, in plain text whatever the log format is:
//! people, test harnesses and Testcontainers wait for these lines.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Once;

/// The line that says that every listener answers.
pub const COMPLETE: &str = "Server startup complete";

/// Says that `protocol` (`amqp`, `amqps`, `metrics`) is served at `address`, its real port included.
/// For `amqps` also in RabbitMQ's words, which Testcontainers waits for.
pub fn listening(protocol: &str, address: SocketAddr) {
    print(format_args!("listening on {protocol} {address}"));
    if protocol == "amqps" {
        print(format_args!("started TLS (SSL) listener on {address}"));
    }
}

/// Says that every listener answers. Only the first call of a process has an effect: what runs
/// beside a broker starts after it.
pub fn complete() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| print(format_args!("{COMPLETE}")));
}

/// A closed stdout is no reason to stop, so errors are not looked at.
fn print(line: std::fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
