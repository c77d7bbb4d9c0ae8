//! What ends a message or a queue: time, length, and where the dead go.

use amqp::method::{ExchangeDelete, ExchangeDeleteOk};
use amqp::value::{Table, Value};

use crate::broker::{eventually, shared};
use crate::client::Client;
use crate::client::arguments::{Queue, consume, exchange, queue};
use crate::client::channel::{Channel, Event};
use crate::client::message::{Delivery, list, message};

fn channel() -> Channel {
    Client::connect(shared()).channel()
}

/// A queue whose dead go to `grave`, which is declared and consumed as well.
fn dying(channel: &Channel, name: &str, grave: &str, change: impl Fn(Queue) -> Queue) {
    channel.declare(&queue(grave).exclusive());
    channel.declare(&change(
        queue(name)
            .exclusive()
            .arg("x-dead-letter-exchange", "")
            .arg("x-dead-letter-routing-key", grave),
    ));
}

/// The tables of `x-death`.
fn deaths(delivery: &Delivery) -> Vec<Table> {
    match delivery.headers().get("x-death") {
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| match item {
                Value::Table(table) => table.clone(),
                other => panic!("{other:?}"),
            })
            .collect(),
        other => panic!("no x-death: {other:?}"),
    }
}

fn text<'a>(table: &'a Table, key: &str) -> &'a str {
    table.get(key).and_then(Value::as_str).unwrap_or_else(|| panic!("no {key}: {table:?}"))
}

#[test]
fn message_ttl_of_the_queue_expires_messages_in_order() {
    let c = channel();
    dying(&c, "l-ttl", "l-ttl-grave", |queue| queue.arg("x-message-ttl", 50));
    c.consume(&consume("l-ttl-grave").no_ack());
    for body in ["a", "b", "c"] {
        c.publish("", "l-ttl", body);
    }
    for delivery in c.expect_bodies(&["a", "b", "c"]) {
        let death = &deaths(&delivery)[0];
        assert_eq!((text(death, "reason"), text(death, "queue")), ("expired", "l-ttl"));
        assert!(!delivery.redelivered);
    }
    assert_eq!(c.counts("l-ttl"), (0, 0));
}

#[test]
fn expiration_of_the_message_counts_and_the_shorter_one_wins() {
    let c = channel();
    dying(&c, "l-expiration", "l-expiration-grave", |queue| queue.arg("x-message-ttl", 60_000));
    c.consume(&consume("l-expiration-grave").no_ack());
    c.send_message(&message("", "l-expiration", "short").expiration("30"));
    let got = &c.expect_bodies(&["short"])[0];
    assert_eq!(got.properties.expiration, None, "or it would expire again");
    assert_eq!(text(&deaths(got)[0], "original-expiration"), "30");
}

#[test]
fn ttl_of_zero_expires_what_nobody_takes_at_once() {
    let c = channel();
    c.declare(&queue("l-zero").exclusive().arg("x-message-ttl", 0));
    c.confirms();
    c.publish("", "l-zero", "lost");
    c.expect_confirms(1);
    eventually("it is gone", || c.counts("l-zero") == (0, 0));
    c.consume(&consume("l-zero").no_ack());
    c.publish("", "l-zero", "taken");
    // Which of the two comes first is open.
    let both = [c.next(), c.next()];
    assert!(both.iter().any(|event| matches!(event, Event::Delivery(got) if got.body == b"taken")));
    assert!(both.contains(&Event::Ack { tag: 2, multiple: false }));
}

#[test]
fn only_the_head_of_a_queue_expires() {
    let c = channel();
    dying(&c, "l-head", "l-head-grave", |queue| queue);
    c.consume(&consume("l-head-grave").no_ack());
    c.send_message(&message("", "l-head", "long").expiration("60000"));
    c.send_message(&message("", "l-head", "short").expiration("1"));
    let held = c.get("l-head").unwrap();
    assert_eq!(held.text(), "long");
    c.expect_bodies(&["short"]);
    c.ack(held.tag);
}

#[test]
fn unused_queue_expires_and_use_renews_it() {
    let c = channel();
    c.declare(&queue("l-expires").arg("x-expires", 300));
    c.declare(&queue("l-used").arg("x-expires", 300));
    c.consume(&consume("l-used"));
    // Watching must not count as use: publishing does not.
    c.confirms();
    let mut sent = 0;
    eventually("the unused queue is gone", || {
        c.send_message(&message("", "l-expires", "m").mandatory());
        sent += 1;
        match c.next() {
            Event::Returned(_) => {
                c.next();
                true
            }
            Event::Ack { .. } => false,
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(c.counts("l-used"), (0, 1));
    c.delete("l-used");
}

#[test]
fn drop_head_keeps_the_newest() {
    let c = channel();
    dying(&c, "l-drop", "l-drop-grave", |queue| queue.arg("x-max-length", 2));
    c.consume(&consume("l-drop-grave").no_ack());
    for body in ["a", "b", "c", "d"] {
        c.publish("", "l-drop", body);
    }
    for dead in c.expect_bodies(&["a", "b"]) {
        assert_eq!(text(&deaths(&dead)[0], "reason"), "maxlen");
    }
    assert_eq!(c.drain("l-drop"), ["c", "d"]);
}

#[test]
fn length_in_bytes_counts_bodies() {
    let c = channel();
    c.declare(&queue("l-bytes").exclusive().arg("x-max-length-bytes", 10));
    for body in ["aaaa", "bbbb", "cccc"] {
        c.publish("", "l-bytes", body);
    }
    assert_eq!(c.drain("l-bytes"), ["bbbb", "cccc"]);
    c.publish("", "l-bytes", "more than ten bytes");
    assert_eq!(c.drain("l-bytes"), Vec::<String>::new());
}

#[test]
fn unacked_messages_do_not_count_for_the_length() {
    let c = channel();
    c.declare(&queue("l-unacked").exclusive().arg("x-max-length", 1));
    c.publish("", "l-unacked", "held");
    let held = c.get("l-unacked").unwrap();
    c.publish("", "l-unacked", "ready");
    assert_eq!(c.counts("l-unacked").0, 1);
    c.ack(held.tag);
    assert_eq!(c.drain("l-unacked"), ["ready"]);
}

#[test]
fn reject_publish_refuses_the_newest() {
    let c = channel();
    let limited = queue("l-reject").exclusive().arg("x-max-length", 2);
    c.declare(&limited.arg("x-overflow", "reject-publish"));
    c.confirms();
    let mut answers = Vec::new();
    for body in ["a", "b", "c"] {
        c.publish("", "l-reject", body);
        answers.push(matches!(c.next(), Event::Ack { .. }));
    }
    assert_eq!(answers, [true, true, false]);
    assert_eq!(c.drain("l-reject"), ["a", "b"]);
    c.publish("", "l-reject", "d");
    assert_eq!(c.next(), Event::Ack { tag: 4, multiple: false });
}

#[test]
fn reject_publish_dlx_sends_the_refused_to_the_dead() {
    let client = Client::connect(shared());
    let (c, grave) = (client.channel(), client.channel());
    dying(&c, "l-rejected", "l-rejected-grave", |queue| {
        queue.arg("x-max-length", 1).arg("x-overflow", "reject-publish-dlx")
    });
    grave.consume(&consume("l-rejected-grave").no_ack());
    c.confirms();
    c.publish("", "l-rejected", "a");
    assert_eq!(c.next(), Event::Ack { tag: 1, multiple: false });
    c.publish("", "l-rejected", "b");
    assert!(matches!(c.next(), Event::Nack { tag: 2, .. }));
    let dead = &grave.expect_bodies(&["b"])[0];
    assert_eq!(text(&deaths(dead)[0], "reason"), "maxlen");
}

#[test]
fn x_death_tells_the_whole_story() {
    let c = channel();
    c.declare_exchange(&exchange("l-dlx", "topic"));
    c.declare(&queue("l-story").exclusive().arg("x-dead-letter-exchange", "l-dlx"));
    c.declare(&queue("l-story-grave").exclusive().arg("x-dead-letter-exchange", "amq.direct"));
    c.bind("l-story", "amq.direct", "story.key");
    c.bind("l-story", "amq.direct", "l-cc");
    c.bind("l-story-grave", "l-dlx", "story.key");
    let sent = message("amq.direct", "story.key", "m").header("CC", list(&["l-cc"]));
    c.consume(&consume("l-story"));
    c.consume(&consume("l-story-grave"));
    c.send_message(&sent.header("BCC", list(&["l-bcc"])).header("mine", 1));
    c.reject(c.delivery().tag, false);

    let first = c.delivery();
    assert_eq!((first.exchange.as_str(), first.key.as_str()), ("l-dlx", "story.key"));
    let headers = first.headers();
    assert_eq!(headers.get("mine").and_then(Value::as_i64), Some(1));
    for (key, value) in [
        ("x-first-death-reason", "rejected"),
        ("x-first-death-queue", "l-story"),
        ("x-first-death-exchange", "amq.direct"),
        ("x-last-death-reason", "rejected"),
        ("x-last-death-queue", "l-story"),
        ("x-last-death-exchange", "amq.direct"),
    ] {
        assert_eq!(text(&headers, key), value, "{key}");
    }
    let [death] = &deaths(&first)[..] else { panic!("{headers:?}") };
    assert_eq!(death.get("count"), Some(&Value::I64(1)));
    assert_eq!(text(death, "reason"), "rejected");
    assert_eq!(text(death, "queue"), "l-story");
    assert_eq!(text(death, "exchange"), "amq.direct");
    assert_eq!(death.get("routing-keys"), Some(&list(&["story.key", "l-cc"])));
    let Some(Value::Timestamp(seconds)) = death.get("time") else { panic!("{death:?}") };
    assert!(*seconds > 1_600_000_000, "seconds, not milliseconds: {seconds}");
    assert!(*seconds < 10_000_000_000, "seconds, not milliseconds: {seconds}");

    // Back to the first queue and dead again: the newest death comes first, each place counts its own.
    c.reject(first.tag, false);
    let again = c.delivery();
    let places: Vec<(String, i64)> = deaths(&again)
        .iter()
        .map(|death| {
            (text(death, "queue").to_owned(), death.get("count").unwrap().as_i64().unwrap())
        })
        .collect();
    assert_eq!(places, [("l-story-grave".into(), 1), ("l-story".into(), 1)]);
    c.reject(again.tag, false);
    let third = c.delivery();
    let story = &deaths(&third)[0];
    assert_eq!((text(story, "queue"), story.get("count")), ("l-story", Some(&Value::I64(2))));
    assert_eq!(text(&third.headers(), "x-first-death-queue"), "l-story");
    assert_eq!(text(&third.headers(), "x-last-death-queue"), "l-story");
    c.ask(
        ExchangeDelete { exchange: "l-dlx", if_unused: false, no_wait: false },
        ExchangeDeleteOk {},
    );
}

#[test]
fn dead_letters_that_go_round_by_themselves_are_dropped() {
    let c = channel();
    c.declare(
        &queue("l-cycle")
            .exclusive()
            .arg("x-message-ttl", 5)
            .arg("x-dead-letter-exchange", "")
            .arg("x-dead-letter-routing-key", "l-cycle"),
    );
    c.publish("", "l-cycle", "m");
    eventually("the message is dropped", || c.counts("l-cycle") == (0, 0));
}

#[test]
fn dead_letters_without_a_way_vanish() {
    let c = channel();
    c.declare(&queue("l-nowhere").exclusive().arg("x-dead-letter-exchange", "l-missing"));
    c.publish("", "l-nowhere", "m");
    let got = c.get("l-nowhere").unwrap();
    c.reject(got.tag, false);
    c.silent();
    assert_eq!(c.counts("l-nowhere"), (0, 0));
}

#[test]
fn delay_by_ttl_and_dead_lettering_keeps_the_order() {
    let c = channel();
    dying(&c, "l-delay", "l-delayed", |queue| queue.arg("x-message-ttl", 20).durable());
    c.consume(&consume("l-delayed").no_ack());
    let messages: Vec<_> =
        (0..200).map(|index| message("", "l-delay", format!("{index}")).persistent()).collect();
    c.send_messages(&messages);
    for index in 0..200 {
        assert_eq!(c.delivery().text(), format!("{index}"));
    }
}

#[test]
fn priorities_go_first_and_keep_their_order() {
    let c = channel();
    c.declare(&queue("l-priority").exclusive().arg("x-max-priority", 5));
    for (body, priority) in [("a0", 0), ("b3", 3), ("c9", 9), ("d3", 3), ("e5", 5), ("f1", 1)] {
        c.send_message(&message("", "l-priority", body).priority(priority));
    }
    c.publish("", "l-priority", "g");
    let first = c.get("l-priority").unwrap();
    assert_eq!(first.text(), "c9");
    c.reject(first.tag, true);
    assert_eq!(c.drain("l-priority"), ["c9", "e5", "b3", "d3", "f1", "a0", "g"]);
}

#[test]
fn expired_messages_are_not_delivered() {
    let c = channel();
    c.declare(&queue("l-late").exclusive());
    c.send_message(&message("", "l-late", "late").expiration("1"));
    c.publish("", "l-late", "in time");
    eventually("the first one is gone", || c.counts("l-late").0 == 1);
    assert_eq!(c.drain("l-late"), ["in time"]);
}
