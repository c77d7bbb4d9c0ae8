//! SIGTERM: every client is told, what was unacked is kept, the process ends with 0.

use crate::broker::Broker;
use crate::client::Client;
use crate::client::arguments::{consume, queue};
use crate::client::message::message;
use crate::client::wire::Wire;

const FORCED: (u16, (u16, u16), &str) =
    (320, (0, 0), "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'");

#[test]
fn clients_are_told_and_the_process_ends_well() {
    let mut broker = Broker::start();
    let clients = [(); 5].map(|()| Client::connect(&broker));
    let opening = Client::raw(broker.amqp());
    opening.send_bytes(&amqp::frame::PROTOCOL_HEADER);
    opening.next();
    broker.ask_to_stop();
    for client in clients {
        client.expect_close(FORCED.0, FORCED.1, FORCED.2);
    }
    opening.expect_end();
    assert_eq!(broker.ended().code(), Some(0));
    assert!(broker.stderr().contains("stopped cleanly"));
}

#[test]
fn clients_that_do_not_answer_are_not_waited_for_long() {
    let mut broker = Broker::start();
    let _deaf = Client::connect(&broker);
    let _silent = Wire::tcp(broker.amqp());
    assert_eq!(broker.terminate().code(), Some(0));
}

#[test]
fn publishes_under_way_are_confirmed_or_not_there() {
    let mut broker = Broker::start();
    let client = Client::connect(&broker);
    let c = client.channel();
    c.declare(&queue("under-way").durable());
    c.confirms();
    let batch = vec![message("", "under-way", "m").persistent(); 200];
    c.send_messages(&batch);
    broker.ask_to_stop();
    let mut confirmed = 0;
    while let Some(received) = client.next_frame() {
        match received.method() {
            amqp::method::Method::BasicAck(ack) => confirmed = ack.delivery_tag,
            amqp::method::Method::ConnectionClose(_) => {
                client.send(amqp::method::ConnectionCloseOk {});
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(broker.ended().success());
    broker.launch();
    let there = Client::connect(&broker).channel().counts("under-way").0;
    assert!(u64::from(there) >= confirmed, "{there} are there, {confirmed} were confirmed");
}

#[test]
fn unacked_messages_are_redelivered_after_a_stop() {
    let mut broker = Broker::start();
    let c = Client::connect(&broker).channel();
    c.declare(&queue("held").durable());
    c.confirms();
    c.send_message(&message("", "held", "m").persistent());
    c.expect_confirms(1);
    c.consume(&consume("held"));
    c.expect_bodies(&["m"]);
    broker.restart();
    let c = Client::connect(&broker).channel();
    let got = c.take("held").unwrap();
    assert!(got.redelivered);
}

#[test]
fn what_one_client_held_goes_to_no_other_that_is_told_as_well() {
    let mut broker = Broker::start();
    let clients = [(); 2].map(|()| Client::connect(&broker));
    let channels = clients.each_ref().map(Client::channel);
    channels[0].declare(&queue("shared"));
    for c in &channels {
        c.consume(&consume("shared"));
    }
    for body in ["a", "b"] {
        channels[0].send_message(&message("", "shared", body));
    }
    // Each holds one: consumers take turns.
    channels[0].expect_bodies(&["a"]);
    channels[1].expect_bodies(&["b"]);
    broker.ask_to_stop();
    for client in &clients {
        let next = client.next_frame().expect("a close");
        let method = next.method();
        assert!(matches!(method, amqp::method::Method::ConnectionClose(_)), "{method:?}");
        client.send(amqp::method::ConnectionCloseOk {});
    }
    assert!(broker.ended().success());
}

#[test]
fn nobody_is_accepted_while_it_stops() {
    let mut broker = Broker::start();
    let address = broker.amqp();
    let deaf = Client::connect(&broker);
    broker.ask_to_stop();
    deaf.next();
    if let Ok(stream) = std::net::TcpStream::connect(address) {
        use std::io::Read;
        let mut stream = stream;
        stream.set_read_timeout(Some(crate::broker::DEADLINE)).unwrap();
        assert!(!matches!(stream.read(&mut [0; 8]), Ok(1..)));
    }
    deaf.send(amqp::method::ConnectionCloseOk {});
    assert!(broker.ended().success());
}
