//! Other people's servers, which `cargo xtask with-peers` starts and names in variables.

use std::net::SocketAddr;
use std::process::Command;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("needs {name}; run `cargo xtask with-peers -- cargo nextest run -p leveret …`")
    })
}

/// Where RabbitMQ speaks AMQP.
pub(crate) fn rabbitmq() -> SocketAddr {
    let address = variable("TEST_RABBITMQ");
    let host = address.trim_end_matches('/').rsplit('@').next().expect("a string has an end");
    host.parse().unwrap_or_else(|error| panic!("{address}: {error}"))
}

/// Which RabbitMQ it is: Debian 12's unless we are told.
pub(crate) fn rabbitmq_version() -> String {
    std::env::var("TEST_RABBITMQ_VERSION").unwrap_or_else(|_| "3.10.8".to_owned())
}

/// Whether it is of the 4.x series, which `cargo xtask with-peers --rabbitmq next` runs.
pub(crate) fn rabbitmq_is_4() -> bool {
    rabbitmq_version().starts_with("4.")
}

#[test]
fn peer_rabbitmq_is_of_the_version_that_we_are_told() {
    let said = rabbitmqctl(&["version"]);
    assert_eq!(rabbitmq_version(), said.trim());
    assert_eq!(rabbitmq_is_4(), said.starts_with("4."));
}

/// Runs `rabbitmqctl` for that node; what it said.
#[track_caller]
pub(crate) fn rabbitmqctl(arguments: &[&str]) -> String {
    let script = format!("exec {} \"$@\"", variable("TEST_RABBITMQ_CTL"));
    let output =
        Command::new("sh").args(["-c", &script, "rabbitmqctl"]).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let erred = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {}\n{said}{erred}", output.status);
    said
}

/// Runs another of RabbitMQ's tools for that node, whatever comes of it.
pub(crate) fn rabbitmq_tool(tool: &str, arguments: &[&str]) -> std::process::Output {
    let control = variable("TEST_RABBITMQ_CTL");
    let script = std::fs::read_to_string(control).unwrap();
    let script = script.replace("/rabbitmqctl' \"$@\"", &format!("/{tool}' \"$@\""));
    Command::new("sh").args(["-c", &script, tool]).args(arguments).output().unwrap()
}

/// The address of a collection, in the form that the delayer takes.
pub(crate) fn mongodb(collection: &str) -> String {
    let server = variable("TEST_MONGODB");
    let (server, options) = server.split_once('?').unwrap_or((&server, ""));
    format!("{}/leveret/{collection}?{options}", server.trim_end_matches('/'))
}
