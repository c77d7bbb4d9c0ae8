//! Acknowledgements, requeues, prefetch and confirms: who has a message, and when the broker says so.

use amqp::method::{BasicQos, BasicQosOk, BasicRecover, BasicRecoverOk};

use crate::broker::shared;
use crate::client::Client;
use crate::client::arguments::{consume, queue};
use crate::client::channel::{Channel, Event};
use crate::client::message::{Delivery, Message, message};

/// A channel with an exclusive queue of this name that holds these messages.
fn filled(name: &str, bodies: &[&str]) -> Channel {
    let channel = Client::connect(shared()).channel();
    channel.declare(&queue(name).exclusive());
    fill(&channel, name, bodies);
    channel
}

fn fill(channel: &Channel, name: &str, bodies: &[&str]) {
    for body in bodies {
        channel.publish("", name, body);
    }
}

fn marks(deliveries: &[Delivery]) -> Vec<bool> {
    deliveries.iter().map(|delivery| delivery.redelivered).collect()
}

#[test]
fn acked_messages_are_gone_and_unacked_ones_come_back() {
    let client = Client::connect(shared());
    let (one, two) = (client.channel(), client.channel());
    one.declare(&queue("s-acked").exclusive());
    fill(&one, "s-acked", &["a", "b", "c"]);
    one.consume(&consume("s-acked"));
    let got = one.expect_bodies(&["a", "b", "c"]);
    assert_eq!(got.iter().map(|delivery| delivery.tag).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(marks(&got), [false; 3]);
    one.ack(2);
    one.close();
    two.consume(&consume("s-acked"));
    assert_eq!(marks(&two.expect_bodies(&["a", "c"])), [true; 2]);
}

#[test]
fn multiple_acks_everything_up_to_its_tag_and_zero_everything() {
    let c = filled("s-multiple", &["a", "b", "c", "d"]);
    c.consume(&consume("s-multiple"));
    c.expect_bodies(&["a", "b", "c", "d"]);
    c.ack(1);
    c.ack_through(3);
    c.nack(0, true, true);
    assert_eq!(marks(&c.expect_bodies(&["d"])), [true]);
    c.ack_through(0);
    c.silent();
    assert_eq!(c.counts("s-multiple"), (0, 1));
}

#[test]
fn requeued_messages_return_to_their_places() {
    let c = filled("s-places", &["a", "b", "c", "d", "e"]);
    let tags: Vec<u64> = (0..4).map(|_| c.get("s-places").unwrap().tag).collect();
    c.reject(tags[2], true);
    c.reject(tags[0], true);
    c.nack(tags[1], false, true);
    let got: Vec<Delivery> = std::iter::from_fn(|| c.take("s-places")).collect();
    let bodies: Vec<String> = got.iter().map(Delivery::text).collect();
    assert_eq!(bodies, ["a", "b", "c", "e"]);
    assert_eq!(marks(&got), [true, true, true, false]);
    c.nack(tags[3], false, true);
    assert_eq!(c.drain("s-places"), ["d"]);
}

#[test]
fn each_queue_gets_its_messages_back_in_one_go() {
    let c = filled("s-one", &["1", "2"]);
    c.declare(&queue("s-two").exclusive());
    c.prefetch(3);
    let tags = ["s-one", "s-two"].map(|name| c.consume(&consume(name)));
    c.expect_bodies(&["1", "2"]);
    c.publish("", "s-two", "x");
    c.expect_bodies(&["x"]);
    // The first one of its queue now has the highest tag, behind one of another queue.
    c.reject(1, true);
    c.expect_bodies(&["1"]);
    c.nack(0, true, true);
    let got: Vec<_> = (0..3).map(|_| c.delivery()).collect();
    let of_one = got.iter().filter(|delivery| delivery.consumer == tags[0]);
    assert_eq!(of_one.map(Delivery::text).collect::<Vec<_>>(), ["1", "2"]);
}

#[test]
fn rejected_messages_without_requeue_are_gone() {
    let c = filled("s-rejected", &["a", "b", "c", "d"]);
    c.consume(&consume("s-rejected"));
    c.expect_bodies(&["a", "b", "c", "d"]);
    c.reject(1, false);
    c.nack(3, true, false);
    c.nack(4, false, true);
    c.expect_bodies(&["d"]);
    c.silent();
}

#[test]
fn recover_brings_everything_unacked_back() {
    let c = filled("s-recover", &["a", "b", "c"]);
    c.consume(&consume("s-recover"));
    c.expect_bodies(&["a", "b", "c"]);
    c.ack(2);
    c.send(BasicRecover { requeue: true });
    let mut bodies = Vec::new();
    let mut recovered = false;
    while bodies.len() < 2 || !recovered {
        match c.next() {
            Event::Delivery(delivery) => {
                assert!(delivery.redelivered);
                bodies.push(delivery.text());
            }
            Event::Answer(answer) => {
                assert_eq!(answer.method(), BasicRecoverOk {}.into());
                recovered = true;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(bodies, ["a", "c"]);
}

#[test]
fn get_says_how_many_are_left_and_does_not_use_prefetch() {
    let c = filled("s-get", &["a", "b", "c"]);
    c.prefetch(1);
    for left in [2, 1, 0] {
        assert_eq!(c.get("s-get").unwrap().left, Some(left));
    }
    assert_eq!(c.get("s-get"), None);
    fill(&c, "s-get", &["d"]);
    c.consume(&consume("s-get"));
    c.expect_bodies(&["d"]);
}

#[test]
fn prefetch_counts_per_consumer() {
    let c = filled("s-prefetch", &["a", "b", "c", "d", "e", "f"]);
    c.prefetch(2);
    c.consume(&consume("s-prefetch").tag("one"));
    c.expect_bodies(&["a", "b"]);
    c.prefetch(1);
    c.consume(&consume("s-prefetch").tag("two"));
    let got = c.expect_bodies(&["c"]);
    assert_eq!(got[0].consumer, "two");
    c.silent();
    c.ack(1);
    assert_eq!(c.expect_bodies(&["d"])[0].consumer, "one");
    c.silent();
    c.ack(3);
    assert_eq!(c.expect_bodies(&["e"])[0].consumer, "two");
    c.ack_through(0);
    c.expect_bodies(&["f"]);
}

#[test]
fn prefetch_counts_per_channel_when_global() {
    let client = Client::connect(shared());
    let (c, other) = (client.channel(), client.channel());
    c.declare(&queue("s-global").exclusive());
    fill(&c, "s-global", &["a", "b", "c", "d", "e"]);
    c.prefetch(2);
    c.ask(BasicQos { prefetch_size: 0, prefetch_count: 3, global: true }, BasicQosOk {});
    c.consume(&consume("s-global").tag("one"));
    c.consume(&consume("s-global").tag("two"));
    c.expect_bodies(&["a", "b", "c"]);
    c.silent();
    c.ack(1);
    c.expect_bodies(&["d"]);
    c.silent();
    // The limit is the channel's alone.
    other.consume(&consume("s-global"));
    other.expect_bodies(&["e"]);
    // More room by a new limit counts at once.
    fill(&c, "s-global", &["f"]);
    other.expect_bodies(&["f"]);
    c.ask(BasicQos { prefetch_size: 0, prefetch_count: 0, global: true }, BasicQosOk {});
    c.ack_through(0);
    c.silent();
}

#[test]
fn raised_global_prefetch_lets_waiting_messages_through() {
    let c = filled("s-raised", &["a", "b", "c"]);
    c.ask(BasicQos { prefetch_size: 0, prefetch_count: 1, global: true }, BasicQosOk {});
    c.consume(&consume("s-raised"));
    c.expect_bodies(&["a"]);
    c.silent();
    c.ask(BasicQos { prefetch_size: 0, prefetch_count: 2, global: true }, BasicQosOk {});
    c.expect_bodies(&["b"]);
    c.silent();
    c.ask(BasicQos { prefetch_size: 0, prefetch_count: 0, global: true }, BasicQosOk {});
    c.expect_bodies(&["c"]);
}

#[test]
fn prefetch_of_consumers_takes_that_of_the_channel_back() {
    let c = filled("s-back", &["a", "b", "c"]);
    c.ask(BasicQos { prefetch_size: 0, prefetch_count: 1, global: true }, BasicQosOk {});
    c.prefetch(2);
    c.consume(&consume("s-back"));
    c.expect_bodies(&["a", "b"]);
    c.silent();
}

#[test]
fn consumers_without_acknowledgements_know_no_prefetch() {
    let c = filled("s-auto", &["a", "b", "c"]);
    c.prefetch(1);
    c.consume(&consume("s-auto").no_ack());
    c.expect_bodies(&["a", "b", "c"]);
    assert_eq!(c.counts("s-auto"), (0, 1));
}

#[test]
fn requeued_message_of_a_full_consumer_comes_again() {
    let c = filled("s-again", &["a", "b"]);
    c.prefetch(1);
    c.consume(&consume("s-again"));
    for round in 0..5 {
        let got = c.expect_bodies(&["a"]);
        assert_eq!(got[0].redelivered, round > 0);
        c.reject(got[0].tag, true);
    }
    let last = c.expect_bodies(&["a"]);
    c.ack(last[0].tag);
    assert_eq!(marks(&c.expect_bodies(&["b"])), [false]);
}

#[test]
fn confirms_come_in_order_and_count_from_select() {
    let c = filled("s-confirms", &["before"]);
    c.confirms();
    let messages: Vec<Message> = (1..=500)
        .map(|index: u32| {
            let message = message("", "s-confirms", format!("{index}"));
            if index.is_multiple_of(2) { message.persistent() } else { message }
        })
        .collect();
    c.send_messages(&messages);
    c.expect_confirms(500);
    c.silent();
    assert_eq!(c.counts("s-confirms").0, 501);
}

#[test]
fn nacked_publishes_split_the_acks() {
    let c = Client::connect(shared()).channel();
    c.declare(
        &queue("s-full").exclusive().arg("x-max-length", 1).arg("x-overflow", "reject-publish"),
    );
    c.declare(&queue("s-free").exclusive());
    c.confirms();
    let to = ["s-free", "s-full", "s-full", "s-free", "s-full", "s-free", "s-free"];
    c.send_messages(&to.map(|name| message("", name, "m")));
    let (mut acked, mut nacked, mut open) = (Vec::new(), Vec::new(), Vec::from_iter(1..=7));
    while !open.is_empty() {
        let (tag, multiple, list) = match c.next() {
            Event::Ack { tag, multiple } => (tag, multiple, &mut acked),
            Event::Nack { tag, multiple } => (tag, multiple, &mut nacked),
            other => panic!("{other:?}"),
        };
        list.extend(open.extract_if(.., |one| *one == tag || (multiple && *one < tag)));
    }
    acked.sort_unstable();
    assert_eq!((acked, nacked), (vec![1, 2, 4, 6, 7], vec![3, 5]));
    assert_eq!((c.counts("s-full").0, c.counts("s-free").0), (1, 4));
}

#[test]
fn confirm_of_a_message_to_a_queue_that_is_deleted_is_an_ack() {
    let c = Client::connect(shared()).channel();
    c.declare(&queue("s-deleted"));
    c.confirms();
    c.publish("", "s-deleted", "m");
    c.delete("s-deleted");
    c.publish("", "s-deleted", "m");
    c.expect_confirms(2);
}

#[test]
fn unacked_deliveries_outlive_their_consumer() {
    let c = filled("s-cancelled", &["a", "b"]);
    let tag = c.consume(&consume("s-cancelled"));
    c.expect_bodies(&["a", "b"]);
    c.cancel(&tag);
    assert_eq!(c.counts("s-cancelled"), (0, 0));
    c.ack(1);
    c.reject(2, true);
    assert_eq!(c.drain("s-cancelled"), ["b"]);
}

#[test]
fn purge_leaves_unacked_messages_alone() {
    let c = filled("s-purge", &["a", "b", "c"]);
    let held = c.get("s-purge").unwrap();
    assert_eq!(c.purge("s-purge"), 2);
    c.reject(held.tag, true);
    assert_eq!(c.delete("s-purge"), 1);
}

#[test]
fn thousands_of_unacked_messages_come_back_in_order() {
    const MESSAGES: usize = 10_000;
    let client = Client::connect(shared());
    let (c, reader) = (client.channel(), client.channel());
    c.declare(&queue("s-thousands").exclusive());
    let all: Vec<Message> =
        (0..MESSAGES).map(|number| message("", "s-thousands", number.to_string())).collect();
    c.send_messages(&all);
    reader.consume(&consume("s-thousands"));
    let mut kept = Vec::new();
    for number in 0..MESSAGES {
        let got = reader.delivery();
        assert_eq!(got.text(), number.to_string());
        match number % 7 {
            0 | 3 => reader.ack(got.tag),
            5 => reader.nack(got.tag, false, false),
            _ => kept.push(number.to_string()),
        }
    }
    reader.close();
    assert_eq!(c.counts("s-thousands").0 as usize, kept.len());
    c.consume(&consume("s-thousands").no_ack());
    for text in kept {
        let got = c.delivery();
        assert_eq!((got.text(), got.redelivered), (text, true));
    }
}

#[test]
fn acks_after_the_queue_is_gone_are_fine() {
    let c = filled("s-gone", &["a", "b"]);
    c.get("s-gone").unwrap();
    c.get("s-gone").unwrap();
    c.delete("s-gone");
    c.ack(1);
    c.reject(2, true);
    c.silent();
}

#[test]
fn large_and_empty_bodies_arrive_whole() {
    let c = filled("s-sizes", &[]);
    c.confirms();
    let sizes = [0, 1, 131_063, 131_064, 131_065, 1 << 20, 5_000_000];
    for (index, size) in sizes.into_iter().enumerate() {
        let body: Vec<u8> = (0..size).map(|at| (at * 31 + index) as u8).collect();
        c.send_message(&message("", "s-sizes", &body).persistent());
        c.expect_confirms_from(index as u64, index as u64 + 1);
        let got = c.get("s-sizes").unwrap();
        assert!(got.body == body, "{size} bytes");
        c.reject(got.tag, true);
        assert!(c.take("s-sizes").unwrap().body == body, "{size} bytes, again");
    }
}
