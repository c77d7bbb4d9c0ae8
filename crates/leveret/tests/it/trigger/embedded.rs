//! Triggers inside the broker's process.

use super::endpoint::Endpoint;
use crate::broker::Broker;
use crate::client::Client;
use crate::client::arguments::queue;
use crate::client::channel::Channel;
use crate::server::eventually;

/// A broker with the trigger of this file, whose queue and endpoint are there.
fn begin(sink: &Endpoint, more: &str) -> (Broker, Channel) {
    let dir = tempfile::tempdir().unwrap().keep();
    std::fs::write(dir.join("leveret.toml"), file(sink, "/hook", more)).unwrap();
    let broker = Broker::in_dir(dir, &["--config", "leveret.toml"]);
    let channel = Client::connect(&broker).channel();
    channel.declare(&queue("orders").durable());
    (broker, channel)
}

fn file(sink: &Endpoint, path: &str, more: &str) -> String {
    format!(
        "[trigger]\nlisten = \"127.0.0.1:0\"\n\n[trigger.orders]\nqueue = \"orders\"\n{more}\n\
         [trigger.orders.http]\nurl = \"http://{}{path}\"\n",
        sink.address()
    )
}

#[test]
fn triggers_of_the_configuration_run_beside_the_broker() {
    let sink = Endpoint::start();
    let (mut broker, channel) = begin(&sink, "");
    channel.publish("", "orders", "a");
    sink.expect(&["a"]);
    eventually("it is acknowledged", || broker.metric("rabbitmq_queue_messages_unacked") == 0.0);
    broker.wait_for_listener();
    let (status, ready) = broker.http_of("http", "/readyz");
    assert_eq!(status, 200, "{ready}");
    // The whole process stops and starts; runs are finished before the broker ends.
    sink.hold();
    channel.publish("", "orders", "b");
    sink.expect(&["b"]);
    broker.ask_to_stop();
    sink.let_through();
    assert!(broker.ended().success());
    broker.launch();
    let channel = Client::connect(&broker).channel();
    channel.publish("", "orders", "c");
    sink.expect(&["c"]);
    sink.expect_no_more();
}

#[test]
fn triggers_of_the_configuration_are_reloaded_without_the_broker() {
    let sink = Endpoint::start();
    let (broker, channel) = begin(&sink, "");
    channel.publish("", "orders", "a");
    sink.expect(&["a"]);
    std::fs::write(broker.dir().join("leveret.toml"), file(&sink, "/changed", "")).unwrap();
    broker.hang_up();
    eventually("the new one runs", || {
        channel.publish("", "orders", "b");
        sink.request().path == "/changed"
    });
    // The connection outlives that.
    channel.silent();
    std::fs::write(broker.dir().join("leveret.toml"), file(&sink, "/x", "consumer = 3")).unwrap();
    broker.hang_up();
    eventually("it is told", || {
        channel.publish("", "orders", "c");
        assert_eq!(sink.request().path, "/changed");
        broker.stderr().contains("consumer")
    });
}
