//! Input that nobody should send: it is taken or refused as RabbitMQ does, and whoever behaves is served on.

use std::time::Instant;

use amqp::method::{ExchangeBind, ExchangeBindOk, ExchangeDelete};
use amqp::value::{RawTable, Table, Value};

use crate::broker::{Broker, DEADLINE, shared};
use crate::client::Client;
use crate::client::arguments::{consume, every_type, exchange, queue, table};
use crate::client::channel::{Channel, Event};
use crate::client::message::message;

fn delete_exchange(channel: &Channel, exchange: &str) {
    channel.rpc(ExchangeDelete { exchange, if_unused: false, no_wait: false });
}

/// A table in a table in a table.
fn nested(depth: usize) -> Table {
    (1..depth).fold(table([("leaf", 1.into())]), |inner, _| table([("in", inner.into())]))
}

/// A chain of exchanges, each bound to the next one; the last one's bindings are the test's.
fn chain(channel: &Channel, prefix: &str, length: usize) {
    for at in 0..length {
        channel.declare_exchange(&exchange(&format!("{prefix}{at}"), "fanout"));
        if at > 0 {
            channel.bind_exchange(&format!("{prefix}{at}"), &format!("{prefix}{}", at - 1), "");
        }
    }
}

#[test]
fn a_chain_of_a_thousand_exchanges_passes_messages_on() {
    let client = Client::connect(shared());
    let channel = client.channel();
    chain(&channel, "link-", 1000);
    channel.declare(&queue("end-of-chain").exclusive());
    channel.bind("end-of-chain", "link-999", "");
    let begun = Instant::now();
    for _ in 0..100 {
        channel.send_message(&message("link-0", "k", "m").mandatory());
    }
    channel.silent();
    assert!(begun.elapsed() < DEADLINE, "{:?}", begun.elapsed());
    assert_eq!(channel.drain("end-of-chain").len(), 100);
    for at in 0..1000 {
        delete_exchange(&channel, &format!("link-{at}"));
    }
}

#[test]
fn exchanges_bound_in_circles_deliver_once() {
    let client = Client::connect(shared());
    let channel = client.channel();
    chain(&channel, "circle-", 5);
    channel.bind_exchange("circle-0", "circle-4", "");
    channel.bind_exchange("circle-2", "circle-2", "");
    for at in 0..5 {
        let name = format!("on-circle-{at}");
        channel.declare(&queue(&name).exclusive());
        channel.bind(&name, &format!("circle-{at}"), "");
    }
    channel.publish("circle-3", "k", "m");
    for at in 0..5 {
        assert_eq!(channel.drain(&format!("on-circle-{at}")), ["m"]);
        delete_exchange(&channel, &format!("circle-{at}"));
    }
}

#[test]
fn alternate_exchanges_in_a_circle_give_the_message_back() {
    let client = Client::connect(shared());
    let channel = client.channel();
    let alternate = |name, of| exchange(name, "direct").arg("alternate-exchange", of);
    for (name, of) in [("alt-a", "alt-b"), ("alt-b", "alt-a"), ("alt-self", "alt-self")] {
        channel.declare_exchange(&alternate(name, of));
    }
    for name in ["alt-a", "alt-self"] {
        channel.send_message(&message(name, "k", "m").mandatory());
        assert!(matches!(channel.next(), Event::Returned(returned) if returned.code == 312));
    }
    for name in ["alt-a", "alt-b", "alt-self"] {
        delete_exchange(&channel, name);
    }
}

/// A message that dies by itself does not come back to a queue where it did; one that somebody rejects does.
#[test]
fn dead_letter_circles_end_unless_somebody_rejects() {
    let client = Client::connect(shared());
    let channel = client.channel();
    let dies = |name: &str, to: &str| {
        let to_default = queue(name).exclusive().arg("x-dead-letter-exchange", "");
        to_default.arg("x-dead-letter-routing-key", to)
    };
    channel.declare(&dies("dead-self", "dead-self").arg("x-message-ttl", 0));
    channel.publish("", "dead-self", "m");
    channel.declare(&dies("dead-a", "dead-b").arg("x-message-ttl", 1));
    channel.declare(&dies("dead-b", "dead-a").arg("x-message-ttl", 1));
    channel.publish("", "dead-a", "m");
    channel.declare(&dies("dead-full", "dead-full").arg("x-max-length", 0));
    channel.publish("", "dead-full", "m");
    channel.declare(&dies("dead-reject", "dead-reject"));
    channel.publish("", "dead-reject", "m");
    for _ in 0..20 {
        let rejected = channel.get("dead-reject").expect("it comes back");
        channel.reject(rejected.tag, false);
    }
    crate::broker::eventually("the others are empty", || {
        ["dead-self", "dead-a", "dead-b", "dead-full"]
            .iter()
            .all(|name| channel.counts(name).0 == 0)
    });
    channel.silent();
}

#[test]
fn names_may_have_255_bytes() {
    let client = Client::connect(shared());
    let channel = client.channel();
    for letter in ["n", "\u{e9}", "'", "%", "\u{7f}", " "] {
        let name = letter.repeat(255 / letter.len());
        assert_eq!(channel.declare(&queue(&name).exclusive()).name, name);
        channel.declare_exchange(&exchange(&name, "direct").auto_delete());
        channel.bind(&name, &name, &name);
        channel.send_message(&message(&name, &name, "m").mandatory());
        let tag = channel.consume(&consume(&name).tag(&name).no_ack());
        let delivery = channel.delivery();
        assert_eq!((tag, delivery.consumer), (name.clone(), name.clone()));
        assert_eq!((delivery.exchange, delivery.key), (name.clone(), name.clone()));
        channel.cancel(&name);
        channel.delete(&name);
    }
    channel.silent();
}

#[test]
fn names_lose_line_breaks_wherever_they_stand() {
    let client = Client::connect(shared());
    let channel = client.channel();
    assert_eq!(channel.declare(&queue("\r\nbro\nken\r").exclusive()).name, "broken");
    channel.declare_exchange(&exchange("br\noken\n", "fanout").auto_delete());
    channel.bind("bro\rken", "\nbroken", "");
    channel.publish("broken", "", "m");
    assert_eq!(channel.drain("broken"), ["m"]);
    // Publishing and its key are taken as they are.
    channel.send_message(&message("", "bro\nken", "m").mandatory());
    assert!(matches!(channel.next(), Event::Returned(returned) if returned.key == "bro\nken"));
    channel.publish("bro\nken", "", "m");
    channel.expect_close(404, (60, 40), "NOT_FOUND - no exchange 'bro\nken' in vhost '/'");
    let other = client.channel();
    assert_eq!(other.declare(&queue("\n")).name.get(..8), Some("amq.gen-"));
}

#[test]
fn tables_50_deep_are_passed_on() {
    let client = Client::connect(shared());
    let channel = client.channel();
    let deep: Value = nested(50).into();
    channel.declare(
        &queue("deep")
            .exclusive()
            .arg("x-deep", deep.clone())
            .arg("x-max-length", 1)
            .arg("x-dead-letter-exchange", "")
            .arg("x-dead-letter-routing-key", "deep-grave"),
    );
    channel.declare(&queue("deep-grave").exclusive());
    channel.bind_with("deep", "amq.headers", "", &table([("deep", deep.clone())]));
    for body in ["one", "two"] {
        channel.send_message(&message("amq.headers", "", body).header("deep", deep.clone()));
    }
    let kept = channel.take("deep").expect("the second");
    let dead = channel.take("deep-grave").expect("the first");
    assert_eq!((kept.text().as_str(), dead.text().as_str()), ("two", "one"));
    assert_eq!(kept.headers().get("deep"), Some(&deep));
    assert_eq!(dead.headers().get("deep"), Some(&deep));
}

#[test]
fn tables_too_deep_end_their_connection_and_nobody_else() {
    let witness = Client::connect(shared()).channel();
    for depth in [100, 10_000] {
        let client = Client::connect(shared());
        let channel = client.channel();
        // Built as bytes: no table of the client's could be that deep.
        let mut properties = Vec::new();
        for _ in 0..depth {
            let inner = std::mem::take(&mut properties);
            properties.extend_from_slice(b"\x01aF");
            properties.extend_from_slice(&(inner.len() as u32).to_be_bytes());
            properties.extend_from_slice(&inner);
        }
        let mut headers = vec![0x20, 0];
        headers.extend_from_slice(&(properties.len() as u32).to_be_bytes());
        headers.extend_from_slice(&properties);
        channel.send_message(&message("", "nowhere", "m").raw(headers));
        eprintln!("depth {depth}");
        client.expect_close(502, (60, 40), "SYNTAX_ERROR - field table nested too deeply");
    }
    witness.silent();
}

#[test]
fn arguments_that_mean_nothing_mean_nothing() {
    let client = Client::connect(shared());
    let channel = client.channel();
    let odd = every_type();
    let mut nonsense = queue("nonsense").exclusive();
    nonsense.arguments = odd.clone();
    channel.declare(&nonsense);
    let mut declared = exchange("nonsense", "headers").auto_delete();
    declared.arguments = odd.clone();
    channel.declare_exchange(&declared);
    channel.bind_with("nonsense", "nonsense", "", &odd);
    let encoded = crate::client::arguments::encoded(&odd);
    let bind = ExchangeBind {
        destination: "amq.fanout",
        source: "nonsense",
        routing_key: "",
        no_wait: false,
        arguments: RawTable(&encoded),
    };
    channel.ask(bind, ExchangeBindOk {});
    let mut sent = message("nonsense", "", "m").mandatory();
    sent.properties.headers = Some(odd.clone());
    channel.send_message(&sent);
    let mut consumer = consume("nonsense").no_ack();
    consumer.arguments = odd.clone();
    channel.consume(&consumer);
    assert_eq!(channel.delivery().headers(), odd);
    channel.silent();
}

/// RabbitMQ 4.3 allows a binding two words `#`; older ones, and this, any number. A thousand of the worst are matched in no
/// time.
#[test]
fn patterns_with_many_hashes_are_matched_quickly() {
    let client = Client::connect(shared());
    let channel = client.channel();
    channel.declare_exchange(&exchange("hashes", "topic").auto_delete());
    channel.declare(&queue("hashed").exclusive());
    for at in 0..100 {
        channel.bind("hashed", "hashes", &format!("{}x{at}", "#.a.".repeat(20)));
    }
    channel.bind("hashed", "hashes", "#.#.#.#.z.#");
    let begun = Instant::now();
    for _ in 0..20 {
        channel.publish("hashes", &format!("{}y", "a.".repeat(120)), "no");
    }
    channel.publish("hashes", "a.z.b", "yes");
    assert_eq!(channel.drain("hashed"), ["yes"]);
    assert!(begun.elapsed() < DEADLINE, "{:?}", begun.elapsed());
}

#[test]
fn a_message_may_have_128_mib_and_not_a_byte_more() {
    let broker = Broker::start();
    let client = Client::connect(&broker);
    let channel = client.channel();
    channel.declare(&queue("huge").exclusive());
    let size = 128 << 20;
    channel.publish("", "huge", vec![7; size]);
    let huge = channel.take("huge").expect("the message").body;
    assert!(huge.len() == size && huge.iter().all(|byte| *byte == 7));
    channel.publish("", "huge", vec![7; size + 1]);
    let text =
        "PRECONDITION_FAILED - message size 134217729 is larger than configured max size 134217728";
    channel.expect_close(406, (60, 40), text);
    let other = client.channel_at(channel.number);
    other.publish("", "huge", "small");
    assert_eq!(other.drain("huge"), ["small"]);
}
