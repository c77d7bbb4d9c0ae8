//! Consumer timeouts: who does not settle a delivery in time loses it, and nobody else does.

use amqp::value::Value;

use crate::broker::{Broker, shared};
use crate::client::Client;
use crate::client::arguments::{consume, queue};
use crate::client::channel::{Channel, Event};
use crate::client::login::Login;

/// Of the tests here, in milliseconds: a few looks of the broker.
const SHORT_MS: i32 = 300;
const SHORT: &str = "300ms";

/// The next thing is the end of this consumer.
#[track_caller]
fn expect_cancelled(channel: &Channel, tag: &str) {
    assert_eq!(channel.next(), Event::Cancelled(tag.to_owned()));
}

/// The next thing is the end of the channel, in RabbitMQ's words.
#[track_caller]
fn expect_timed_out(channel: &Channel) {
    let number = channel.number;
    let text = format!(
        "PRECONDITION_FAILED - delivery acknowledgement on channel {number} timed out. Timeout value \
         used: {SHORT_MS} ms. This timeout value can be configured, see consumers doc guide to learn more"
    );
    channel.expect_close(406, (0, 0), &text);
}

#[test]
fn a_late_consumer_is_cancelled_and_its_deliveries_go_to_others() {
    let channel = Client::connect(shared()).channel();
    channel.declare(&queue("late").exclusive());
    let late = consume("late").tag("late").arg("x-consumer-timeout", Value::I32(SHORT_MS));
    channel.consume(&late);
    channel.publish("", "late", "a");
    channel.publish("", "late", "b");
    let had = channel.expect_bodies(&["a", "b"]);
    channel.consume(&consume("late").tag("other"));
    expect_cancelled(&channel, "late");
    let again = channel.expect_bodies(&["a", "b"]);
    assert!(again.iter().all(|delivery| delivery.redelivered && delivery.consumer == "other"));
    // What was taken back may still be acknowledged: it means nothing, and does no harm.
    channel.ack(had[0].tag);
    channel.nack(had[1].tag, false, true);
    channel.silent();
    again.iter().for_each(|delivery| channel.ack(delivery.tag));
    channel.silent();
    assert_eq!(channel.counts("late"), (0, 1));
    channel.ack(99);
    channel.expect_close(406, (60, 80), "PRECONDITION_FAILED - unknown delivery tag 99");
}

#[test]
fn a_client_that_cannot_be_told_loses_its_channel() {
    let client = Login::incapable().open(shared().amqp());
    let (channel, sibling) = (client.channel(), client.channel());
    channel.declare(&queue("untold").exclusive());
    let late = consume("untold").arg("x-consumer-timeout", Value::I32(SHORT_MS));
    channel.consume(&late);
    channel.publish("", "untold", "m");
    channel.expect_bodies(&["m"]);
    expect_timed_out(&channel);
    sibling.silent();
    assert!(sibling.get("untold").is_some_and(|delivery| delivery.redelivered));
}

#[test]
fn the_setting_counts_for_all_who_say_nothing() {
    let broker = Broker::with(&["--consumer-timeout", SHORT]);
    let channel = Client::connect(&broker).channel();
    channel.declare(&queue("q").arg("x-consumer-timeout", Value::I32(0)));
    channel.declare(&queue("r"));
    // The queue says never, and so does the consumer of the other one.
    channel.consume(&consume("q").tag("patient"));
    channel.consume(&consume("r").tag("forgiven").arg("x-consumer-timeout", Value::I32(0)));
    channel.publish("", "q", "a");
    channel.publish("", "r", "b");
    channel.expect_bodies(&["a", "b"]);
    let other = Client::connect(&broker).channel();
    other.declare(&queue("s"));
    other.consume(&consume("s").tag("late"));
    other.publish("", "s", "c");
    other.expect_bodies(&["c"]);
    expect_cancelled(&other, "late");
    channel.silent();
    // What came by basic.get has no consumer that could be cancelled.
    let getter = Client::connect(&broker).channel();
    assert_eq!(getter.get("s").unwrap().text(), "c");
    expect_timed_out(&getter);
}

#[test]
fn the_setting_may_close_channels_as_older_brokers_do() {
    let broker = Broker::with(&["--consumer-timeout", SHORT, "--consumer-timeout-action", "close"]);
    let channel = Client::connect(&broker).channel();
    channel.declare(&queue("q"));
    channel.consume(&consume("q"));
    channel.publish("", "q", "a");
    channel.expect_bodies(&["a"]);
    expect_timed_out(&channel);
}

#[test]
fn who_settles_in_time_is_left_alone() {
    let client = Client::connect(shared());
    let (late, prompt) = (client.channel(), client.channel());
    late.declare(&queue("stuck").exclusive().arg("x-consumer-timeout", Value::I32(SHORT_MS)));
    late.declare(&queue("moving").exclusive().arg("x-consumer-timeout", Value::I32(SHORT_MS)));
    prompt.consume(&consume("moving"));
    late.consume(&consume("stuck").tag("late"));
    late.publish("", "stuck", "m");
    late.expect_bodies(&["m"]);
    // Messages come and go on the one channel for as long as it takes the other to be late.
    loop {
        late.publish("", "moving", "n");
        let delivery = prompt.delivery();
        prompt.ack(delivery.tag);
        match late.arrived().as_slice() {
            [] => {}
            [Event::Cancelled(tag)] if tag == "late" => break,
            other => panic!("{other:?}"),
        }
    }
    prompt.silent();
    assert_eq!(prompt.counts("moving"), (0, 1));
    assert_eq!(prompt.counts("stuck"), (1, 0));
}

#[test]
fn a_policy_sets_the_timeout_of_queues_that_are_there() {
    let broker = Broker::start();
    let channel = Client::connect(&broker).channel();
    channel.declare(&queue("governed"));
    channel.consume(&consume("governed").tag("late"));
    channel.publish("", "governed", "m");
    channel.expect_bodies(&["m"]);
    let definition = format!("{{\"consumer-timeout\":{SHORT_MS}}}");
    broker.ctl(&["set_policy", "p", "^governed", &definition, "--apply-to", "queues"]);
    expect_cancelled(&channel, "late");
    assert_eq!(channel.counts("governed"), (1, 0));
}
