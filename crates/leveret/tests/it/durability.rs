//! What survives the end of the process, sudden or not, and what does not.

use amqp::method::{ExchangeDelete, ExchangeDeleteOk};

use crate::broker::Broker;
use crate::client::Client;
use crate::client::arguments::{consume, exchange, queue, table};
use crate::client::channel::{Channel, Event};
use crate::client::message::{Delivery, Message, message};

/// How a process ends, and is there again.
type End = fn(&mut Broker);

/// The two ends that a broker must survive.
const ENDS: [(&str, End); 2] = [("kill -9", Broker::crash), ("SIGTERM", Broker::restart)];

fn channel(broker: &Broker) -> Channel {
    Client::connect(broker).channel()
}

/// Publishes persistent messages and waits until all are confirmed.
fn publish_confirmed(channel: &Channel, name: &str, bodies: impl IntoIterator<Item = String>) {
    channel.confirms();
    let messages: Vec<Message> =
        bodies.into_iter().map(|body| message("", name, body).persistent()).collect();
    channel.send_messages(&messages);
    channel.expect_confirms(messages.len() as u64);
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[test]
fn confirmed_messages_survive_in_order_and_whole() {
    for (name, end) in ENDS {
        eprintln!("{name}");
        let mut broker = Broker::start();
        let c = channel(&broker);
        c.declare(&queue("kept").durable());
        c.confirms();
        let mut sent: Vec<Message> = (0..300)
            .map(|number: u32| {
                let message =
                    message("", "kept", vec![number as u8; (number as usize * 37) % 3000]);
                message.persistent().header("number", i64::from(number)).priority(1)
            })
            .collect();
        sent.push(message("", "kept", vec![7; 3_000_000]).persistent());
        c.send_messages(&sent);
        c.expect_confirms(301);
        end(&mut broker);
        let c = channel(&broker);
        assert_eq!(c.counts("kept").0, 301);
        for expected in &sent {
            let got = c.take("kept").unwrap();
            assert!(got.body == expected.body);
            assert_eq!(got.properties, expected.properties);
            assert_eq!((got.exchange.as_str(), got.key.as_str()), ("", "kept"));
        }
        assert_eq!(c.take("kept"), None);
    }
}

#[test]
fn topology_survives() {
    for (name, end) in ENDS {
        eprintln!("{name}");
        let mut broker = Broker::start();
        let c = channel(&broker);
        c.declare_exchange(&exchange("topic", "topic").durable().arg("alternate-exchange", "rest"));
        c.declare_exchange(&exchange("rest", "fanout").durable().internal());
        c.declare_exchange(&exchange("heads", "headers").durable());
        c.declare_exchange(&exchange("gone", "direct").durable());
        c.declare_exchange(&exchange("passing", "direct"));
        c.declare(&queue("a").durable().arg("x-max-length", 1000));
        c.declare(&queue("b").durable().auto_delete());
        c.declare(&queue("gone").durable());
        c.declare(&queue("passing"));
        c.bind("a", "topic", "a.#");
        c.bind("a", "topic", "unbound");
        c.bind("b", "rest", "");
        c.bind_exchange("topic", "amq.direct", "in");
        c.bind_with("b", "heads", "", &table([("h", 1.into())]));
        c.unbind("a", "topic", "unbound");
        c.delete("gone");
        c.ask(
            ExchangeDelete { exchange: "gone", if_unused: false, no_wait: false },
            ExchangeDeleteOk {},
        );
        end(&mut broker);
        let client = Client::connect(&broker);
        let c = client.channel();
        for (name, kind) in [("queue", "gone"), ("queue", "passing")] {
            let check = client.channel();
            check.send_declare(&queue(kind).passive());
            check.expect_close(404, (50, 10), &format!("NOT_FOUND - no {name} '{kind}'"));
        }
        for name in ["gone", "passing"] {
            let check = client.channel();
            check.send_declare_exchange(&exchange(name, "").passive());
            check.expect_close(404, (40, 10), &format!("NOT_FOUND - no exchange '{name}'"));
        }
        // Equivalent, arguments included.
        c.declare(&queue("a").durable().arg("x-max-length", 1000));
        c.declare(&queue("b").durable().auto_delete());
        c.declare_exchange(&exchange("topic", "topic").durable().arg("alternate-exchange", "rest"));
        c.declare_exchange(&exchange("rest", "fanout").durable().internal());
        c.publish("topic", "a.b", "by topic");
        c.publish("topic", "unbound", "by alternate");
        c.publish("amq.direct", "in", "by both");
        c.send_message(&message("heads", "", "by headers").header("h", 1));
        assert_eq!(c.drain("a"), ["by topic"]);
        assert_eq!(c.drain("b"), ["by alternate", "by both", "by headers"]);
    }
}

#[test]
fn transient_messages_and_queues_do_not_survive() {
    for (name, end) in ENDS {
        eprintln!("{name}");
        let mut broker = Broker::start();
        let c = channel(&broker);
        c.declare(&queue("durable").durable());
        c.declare(&queue("transient"));
        c.confirms();
        let messages = [
            message("", "durable", "transient 1"),
            message("", "durable", "persistent").persistent(),
            message("", "durable", "transient 2"),
            message("", "transient", "persistent").persistent(),
        ];
        c.send_messages(&messages);
        c.expect_confirms(4);
        end(&mut broker);
        let c = channel(&broker);
        assert_eq!(c.drain("durable"), ["persistent"]);
        assert_eq!(c.declare(&queue("transient").exclusive()).ready, 0);
    }
}

#[test]
fn acked_messages_stay_gone_after_a_clean_stop() {
    let mut broker = Broker::start();
    let c = channel(&broker);
    c.declare(&queue("work").durable());
    publish_confirmed(&c, "work", numbers(0..10));
    let tags: Vec<u64> = (0..6).map(|_| c.get("work").unwrap().tag).collect();
    c.ack_through(tags[2]);
    c.reject(tags[4], false);
    c.silent();
    broker.restart();
    let c = channel(&broker);
    let got: Vec<Delivery> = std::iter::from_fn(|| c.take("work")).collect();
    let bodies: Vec<String> = got.iter().map(Delivery::text).collect();
    assert_eq!(bodies, ["3", "5", "6", "7", "8", "9"]);
    let marks: Vec<bool> = got.iter().map(|delivery| delivery.redelivered).collect();
    assert_eq!(marks, [true, true, false, false, false, false]);
}

#[test]
fn unacked_messages_come_back_marked_after_a_crash() {
    let mut broker = Broker::start();
    let c = channel(&broker);
    c.declare(&queue("work").durable());
    publish_confirmed(&c, "work", numbers(0..10));
    c.consume(&consume("work"));
    for _ in 0..10 {
        c.delivery();
    }
    c.ack_through(4);
    // A later confirm means that the acks before it are in the log as well.
    c.send_message(&message("", "work", "last").persistent());
    loop {
        if let Event::Ack { tag: 11, .. } = c.next() {
            break;
        }
    }
    broker.crash();
    let c = channel(&broker);
    let got: Vec<Delivery> = std::iter::from_fn(|| c.take("work")).collect();
    let bodies: Vec<String> = got.iter().map(Delivery::text).collect();
    assert_eq!(bodies, ["4", "5", "6", "7", "8", "9", "last"]);
    assert!(got.iter().take(6).all(|delivery| delivery.redelivered));
}

#[test]
fn several_crashes_in_a_row_lose_nothing() {
    let mut broker = Broker::start();
    let mut expected = Vec::new();
    for round in 0..5 {
        let c = channel(&broker);
        c.declare(&queue("rounds").durable());
        publish_confirmed(&c, "rounds", numbers(round * 100..round * 100 + 100));
        expected.extend(numbers(round * 100..round * 100 + 100));
        let taken = c.get("rounds").unwrap();
        assert_eq!(taken.text(), expected.remove(0));
        c.ack(taken.tag);
        c.silent();
        // The ack reaches the log with the next confirm at the latest.
        c.send_message(&message("", "rounds", "fence").persistent());
        c.expect_confirms_from(100, 101);
        expected.push("fence".into());
        broker.crash();
    }
    assert_eq!(channel(&broker).drain("rounds"), expected);
}

#[test]
fn committed_transactions_survive_and_others_do_not() {
    use amqp::method::{TxCommit, TxCommitOk, TxSelect, TxSelectOk};
    let mut broker = Broker::start();
    let c = channel(&broker);
    c.declare(&queue("tx").durable());
    c.ask(TxSelect {}, TxSelectOk {});
    c.send_message(&message("", "tx", "committed").persistent());
    c.ask(TxCommit {}, TxCommitOk {});
    c.send_message(&message("", "tx", "not committed").persistent());
    c.silent();
    broker.crash();
    assert_eq!(channel(&broker).drain("tx"), ["committed"]);
}

#[test]
fn purged_and_deleted_things_stay_so() {
    for (name, end) in ENDS {
        eprintln!("{name}");
        let mut broker = Broker::start();
        let c = channel(&broker);
        c.declare(&queue("purged").durable());
        c.declare(&queue("deleted").durable());
        publish_confirmed(&c, "purged", numbers(0..50));
        c.send_message(&message("", "deleted", "m").persistent());
        c.expect_confirms_from(50, 51);
        assert_eq!(c.purge("purged"), 50);
        assert_eq!(c.delete("deleted"), 1);
        c.declare(&queue("deleted").durable());
        c.send_message(&message("", "deleted", "new").persistent());
        c.expect_confirms_from(51, 52);
        end(&mut broker);
        let c = channel(&broker);
        assert_eq!(c.drain("purged"), Vec::<String>::new());
        assert_eq!(c.drain("deleted"), ["new"]);
    }
}

#[test]
fn dead_letters_and_limits_work_after_a_restart() {
    for (name, end) in ENDS {
        eprintln!("{name}");
        let mut broker = Broker::start();
        let c = channel(&broker);
        c.declare(&queue("grave").durable());
        let dying = queue("dying").durable().arg("x-dead-letter-exchange", "");
        let dying = dying.arg("x-dead-letter-routing-key", "grave").arg("x-max-length", 3);
        c.declare(&dying.arg("x-message-ttl", 400));
        publish_confirmed(&c, "dying", numbers(0..5));
        end(&mut broker);
        let c = channel(&broker);
        c.consume(&consume("grave").no_ack());
        for number in 0..5 {
            let dead = c.delivery();
            assert_eq!(dead.text(), number.to_string());
            assert!(dead.headers().get("x-death").is_some());
        }
    }
}

#[test]
fn priorities_survive() {
    let mut broker = Broker::start();
    let c = channel(&broker);
    c.declare(&queue("levels").durable().arg("x-max-priority", 3));
    c.confirms();
    for (index, priority) in [0, 3, 1, 3, 2].into_iter().enumerate() {
        c.send_message(&message("", "levels", format!("{index}")).persistent().priority(priority));
    }
    c.expect_confirms(5);
    broker.crash();
    assert_eq!(channel(&broker).drain("levels"), ["1", "3", "4", "2", "0"]);
}

#[test]
fn fanout_of_one_message_survives_in_every_queue() {
    let mut broker = Broker::start();
    let c = channel(&broker);
    let names = ["f1", "f2", "f3"];
    for name in names {
        c.declare(&queue(name).durable());
        c.bind(name, "amq.fanout", "");
    }
    c.confirms();
    c.send_message(&message("amq.fanout", "k", "m").persistent());
    c.send_message(&message("amq.fanout", "k", "n").persistent());
    c.expect_confirms(2);
    let taken = c.get("f2").unwrap();
    c.ack(taken.tag);
    c.silent();
    broker.restart();
    let c = channel(&broker);
    assert_eq!(names.map(|name| c.drain(name).concat()), ["mn", "n", "mn"]);
}

#[test]
fn log_files_turn_over_and_what_waits_in_them_survives() {
    // 200 MB through the log while ten messages wait from the beginning.
    let mut broker = Broker::start();
    let c = channel(&broker);
    c.declare(&queue("early").durable());
    c.declare(&queue("stream").durable());
    publish_confirmed(&c, "early", numbers(0..10));
    let consumer = Client::connect(&broker).channel();
    consumer.prefetch(100);
    consumer.consume(&consume("stream"));
    let body = vec![1; 500_000];
    for round in 0..40 {
        let batch = vec![message("", "stream", &body).persistent(); 10];
        c.send_messages(&batch);
        c.expect_confirms_from(10 + round * 10, 20 + round * 10);
        for _ in 0..10 {
            let got = consumer.delivery();
            assert_eq!(got.body.len(), body.len());
            consumer.ack(got.tag);
        }
    }
    consumer.silent();
    broker.crash();
    let c = channel(&broker);
    assert_eq!(c.drain("early"), numbers(0..10));
}
