//! Consumers: turns, priorities, exclusiveness, single active ones, and how they end.

use amqp::method::{BasicConsume, QueueDelete};
use amqp::value::{RawTable, Value};

use crate::broker::shared;
use crate::client::Client;
use crate::client::arguments::{consume, queue};
use crate::client::channel::{Channel, Event};
use crate::client::login::Login;

fn channel() -> Channel {
    Client::connect(shared()).channel()
}

#[test]
fn consumers_take_turns() {
    let c = channel();
    c.declare(&queue("c-turns").exclusive());
    for tag in ["a", "b", "c"] {
        c.consume(&consume("c-turns").tag(tag).no_ack());
    }
    for _ in 0..6 {
        c.publish("", "c-turns", "m");
    }
    let takers: Vec<String> = (0..6).map(|_| c.delivery().consumer).collect();
    let mut first = takers[..3].to_vec();
    first.sort();
    assert_eq!(first, ["a", "b", "c"]);
    assert_eq!(takers[..3], takers[3..]);
}

#[test]
fn higher_priority_is_served_first_while_it_has_room() {
    let c = channel();
    c.declare(&queue("c-priority").exclusive());
    c.prefetch(2);
    c.consume(&consume("c-priority").tag("low").arg("x-priority", -1));
    c.consume(&consume("c-priority").tag("high").arg("x-priority", 10));
    c.consume(&consume("c-priority").tag("normal"));
    for _ in 0..7 {
        c.publish("", "c-priority", "m");
    }
    let takers: Vec<String> = (0..6).map(|_| c.delivery().consumer).collect();
    assert_eq!(takers, ["high", "high", "normal", "normal", "low", "low"]);
    c.silent();
    c.ack(1);
    assert_eq!(c.delivery().consumer, "high");
}

#[test]
fn consume_ok_comes_before_the_first_delivery() {
    let c = channel();
    c.declare(&queue("c-ok").exclusive());
    c.publish("", "c-ok", "m");
    c.send_consume(&consume("c-ok"));
    assert!(matches!(c.next(), Event::Answer(_)));
    c.expect_bodies(&["m"]);
}

#[test]
fn tags_of_the_broker_are_unique() {
    let c = channel();
    c.declare(&queue("c-tags").exclusive());
    let (one, two) = (c.consume(&consume("c-tags")), c.consume(&consume("c-tags")));
    assert!(one.starts_with("amq.ctag-") && two.starts_with("amq.ctag-"), "{one} {two}");
    assert_ne!(one, two);
    c.publish("", "c-tags", "m");
    assert!([one, two].contains(&c.delivery().consumer));
}

#[test]
fn no_delivery_follows_cancel_ok() {
    let c = channel();
    c.declare(&queue("c-cancel").exclusive());
    let tag = c.consume(&consume("c-cancel").no_ack());
    for index in 0..100 {
        c.publish("", "c-cancel", format!("{index}"));
    }
    c.cancel(&tag);
    let mut before = 0;
    while before < 100 - c.counts("c-cancel").0 {
        c.delivery();
        before += 1;
    }
    c.silent();
    c.publish("", "c-cancel", "later");
    c.silent();
}

#[test]
fn exclusive_consumer_gives_way_when_it_ends() {
    let c = channel();
    c.declare(&queue("c-exclusive").exclusive());
    let tag = c.consume(&consume("c-exclusive").exclusive());
    c.cancel(&tag);
    c.consume(&consume("c-exclusive"));
}

#[test]
fn single_active_consumer_is_followed_by_the_next() {
    let client = Client::connect(shared());
    let (one, two, three) = (client.channel(), client.channel(), client.channel());
    one.declare(&queue("c-sac").exclusive().arg("x-single-active-consumer", true));
    for channel in [&one, &two, &three] {
        channel.prefetch(2);
        channel.consume(&consume("c-sac"));
    }
    for body in ["a", "b", "c", "d"] {
        one.publish("", "c-sac", body);
    }
    one.expect_bodies(&["a", "b"]);
    two.silent();
    one.ack(1);
    one.expect_bodies(&["c"]);
    one.close();
    // What the first did not acknowledge goes to the second, in order.
    let got = two.expect_bodies(&["b", "c"]);
    assert!(got.iter().all(|delivery| delivery.redelivered));
    two.ack_through(0);
    two.expect_bodies(&["d"]);
    three.silent();
    two.ack(3);
    two.close();
    three.publish("", "c-sac", "e");
    three.expect_bodies(&["e"]);
}

#[test]
fn single_active_consumer_with_higher_priority_does_not_break_the_order() {
    let client = Client::connect(shared());
    let (one, two) = (client.channel(), client.channel());
    one.declare(&queue("c-sac-get").exclusive().arg("x-single-active-consumer", true));
    one.consume(&consume("c-sac-get").no_ack());
    two.consume(&consume("c-sac-get").no_ack());
    for index in 0..10 {
        two.publish("", "c-sac-get", format!("{index}"));
        one.expect_bodies(&[&format!("{index}")]);
    }
    two.silent();
}

#[test]
fn deleted_queue_cancels_its_consumers_with_those_who_can_take_it() {
    let able = channel();
    let unable = Login::incapable().open(shared().amqp()).channel();
    able.declare(&queue("c-notify"));
    able.consume(&consume("c-notify").tag("told"));
    unable.consume(&consume("c-notify").tag("untold"));
    channel().delete("c-notify");
    assert_eq!(able.next(), Event::Cancelled("told".into()));
    able.silent();
    unable.silent();
    // The tag is free again.
    able.declare(&queue("c-notify-2").exclusive());
    able.consume(&consume("c-notify-2").tag("told"));
}

#[test]
fn consumer_counts_are_those_of_the_moment() {
    let c = channel();
    c.declare(&queue("c-count").exclusive());
    let tag = c.consume(&consume("c-count"));
    c.consume(&consume("c-count"));
    assert_eq!(c.counts("c-count"), (0, 2));
    c.cancel(&tag);
    assert_eq!(c.counts("c-count"), (0, 1));
    let in_use = QueueDelete { queue: "c-count", if_unused: true, if_empty: false, no_wait: false };
    c.send(in_use);
    c.expect_close(406, (50, 40), "PRECONDITION_FAILED - queue 'c-count' in vhost '/' in use");
}

#[test]
fn auto_delete_queue_goes_with_its_last_consumer() {
    let gone = (404, (50, 10), "NOT_FOUND - no queue 'c-auto' in vhost '/'");
    let watcher = Client::connect(shared());
    let client = Client::connect(shared());
    let one = client.channel();
    for end in 0..3 {
        one.declare(&queue("c-auto").auto_delete());
        // Not before it had one.
        let check = watcher.channel();
        assert_eq!(check.counts("c-auto"), (0, 0));
        let two = client.channel();
        let first = one.consume(&consume("c-auto"));
        let second = two.consume(&consume("c-auto"));
        one.cancel(&first);
        assert_eq!(check.counts("c-auto"), (0, 1));
        match end {
            0 => two.cancel(&second),
            1 => two.close(),
            _ => {
                two.cancel(&second);
                let other = Client::connect(shared());
                let third = other.channel();
                third.declare(&queue("c-auto").auto_delete());
                third.consume(&consume("c-auto"));
                other.close();
            }
        }
        check.send_declare(&queue("c-auto").passive());
        check.expect_close(gone.0, gone.1, gone.2);
    }
}

#[test]
fn consume_without_wait_delivers_all_the_same() {
    let c = channel();
    c.declare(&queue("c-nowait").exclusive());
    c.send(BasicConsume {
        queue: "c-nowait",
        consumer_tag: "quiet",
        no_local: true,
        no_ack: true,
        exclusive: false,
        no_wait: true,
        arguments: RawTable(&[]),
    });
    c.publish("", "c-nowait", "m");
    assert_eq!(c.expect_bodies(&["m"])[0].consumer, "quiet");
}

#[test]
fn cancel_frees_the_messages_for_others() {
    let c = channel();
    c.declare(&queue("c-free").exclusive());
    c.prefetch(1);
    let first = c.consume(&consume("c-free").tag("first").arg("x-priority", Value::I32(5)));
    c.publish("", "c-free", "a");
    c.publish("", "c-free", "b");
    c.expect_bodies(&["a"]);
    c.cancel(&first);
    c.consume(&consume("c-free").tag("second"));
    assert_eq!(c.expect_bodies(&["b"])[0].consumer, "second");
    c.reject(1, true);
    c.silent();
    c.ack(2);
    assert_eq!(c.expect_bodies(&["a"])[0].consumer, "second");
}
