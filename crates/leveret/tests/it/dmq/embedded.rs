//! A node in the process of the broker, by a section of `leveret.toml`.

use serde_json::Value;

use super::address;
use super::node::{Node, uri};
use super::packet::{NOTIFICATION, Over};
use crate::broker::Broker;
use crate::client::Client;

#[test]
fn a_section_of_the_broker_s_file_is_a_node() {
    let other = Node::start();
    let ip = address::take();
    let own = uri(ip, Over::Udp);
    let dir = tempfile::tempdir().unwrap().keep();
    let file = format!(
        "[dmq]\nserver_address = {own:?}\nnotification_address = [{:?}]\nping_interval = 1\n\
         bridge_peers = [\"chat\"]\nlisten = \"127.0.0.1:0\"\n",
        other.uri()
    );
    std::fs::write(dir.join("leveret.toml"), file).unwrap();
    let mut broker = Broker::in_dir(dir, &["--config", "leveret.toml"]);
    // SIP, then HTTP.
    broker.wait_for_listener();
    broker.wait_for_listener();
    other.first("a join", |packet| packet.notifies("2"));
    let joined = format!("{own};status=active");
    other.first("a ping", |packet| packet.notifies("1") && packet.text().contains(&joined));

    // What arrives for a bridged peer is in the broker when it is answered.
    let channel = Client::connect(&broker).channel();
    let bound = || {
        use crate::client::arguments::queue;
        channel.declare(&queue("chats").exclusive());
        channel.bind("chats", "dmq", "chat.#");
    };
    // The exchange is declared when the bridge has connected.
    other.forget();
    let is_up = || {
        let (status, said) = broker.http_of("http", "/api/dmq/status");
        let said: Value = serde_json::from_str(&said).unwrap();
        status == 200 && said["bridge"]["connected"] == true
    };
    crate::server::eventually("the bridge is up", is_up);
    bound();
    assert_eq!(other.request(ip, "chat", "hello").ask().code(), 200);
    let delivery = channel.take("chats").expect("it is there");
    assert_eq!(delivery.text(), "hello");

    broker.ask_to_stop();
    let goodbye = format!("{own};status=disabled\r\n");
    other.first("a goodbye", |packet| packet.asks(NOTIFICATION) && packet.text() == goodbye);
    assert!(broker.ended().success());
}
