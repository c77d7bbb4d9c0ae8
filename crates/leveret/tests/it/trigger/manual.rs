//! Manual acknowledgement: a message is the broker's until its run is over.

use amqp::value::Value;

use super::endpoint::Answer;
use super::world::at;
use crate::client::arguments::queue;
use crate::server::eventually;
use crate::site::BrokerKind;

stories! {
    brokers: [
        a_message_is_unacknowledged_until_its_run_succeeds,
        as_many_runs_as_consumers_and_never_more,
        prefetch_may_be_more_than_the_consumers,
        a_4xx_is_a_dead_letter_of_the_broker,
        dead_letters_may_be_published_with_the_reason,
        a_dead_letter_is_confirmed_before_its_message_is_acknowledged,
        a_dead_letter_that_nobody_takes_stays_in_the_queue,
        dead_letters_may_be_discarded,
    ],
    home: [],
}

fn a_message_is_unacknowledged_until_its_run_succeeds(place: BrokerKind) {
    let w = at(place).start();
    w.sink.hold();
    w.publish(&["m"]);
    w.sink.expect(&["m"]);
    w.expect_unacked(1);
    assert_eq!(w.ready(), 0);
    w.trigger.expect_metric("unacked", 1);
    w.trigger.expect_metric("in_flight", 1);
    w.sink.let_through();
    w.expect_all_settled();
    w.trigger.expect_outcome("ok", 1);
    w.expect_no_dead();
}

fn as_many_runs_as_consumers_and_never_more(place: BrokerKind) {
    let bodies: Vec<String> = (0..30).map(|n| n.to_string()).collect();
    let w = at(place).trigger("consumers = 3").start();
    w.sink.hold();
    w.publish(&bodies);
    for done in 0..20 {
        for _ in 0..if done == 0 { 3 } else { 1 } {
            w.sink.request();
        }
        w.expect_ready(27 - done);
        assert_eq!(w.sink.in_flight(), 3);
        w.sink.release(1);
    }
    w.sink.let_through();
    w.expect_all_settled();
    assert_eq!(w.sink.in_flight_max(), 3);
    w.trigger.expect_outcome("ok", 30);
}

fn prefetch_may_be_more_than_the_consumers(place: BrokerKind) {
    let bodies: Vec<String> = (0..30).map(|n| n.to_string()).collect();
    let w = at(place).trigger("consumers = 3\nprefetch = 10").start();
    w.sink.hold();
    w.publish(&bodies);
    for _ in 0..3 {
        w.sink.request();
    }
    w.expect_ready(20);
    w.trigger.expect_metric("queued", 7);
    assert_eq!(w.sink.in_flight(), 3);
    w.sink.let_through();
    w.expect_all_settled();
    assert_eq!(w.sink.in_flight_max(), 3);
}

fn a_4xx_is_a_dead_letter_of_the_broker(place: BrokerKind) {
    let w = at(place).start();
    w.sink.answer_to("bad", [Answer::status(422)]);
    w.publish(&["good", "bad"]);
    let letter = w.expect_dead("bad");
    assert!(letter.headers().get("x-death").is_some(), "{:?}", letter.headers());
    w.expect_all_settled();
    w.expect_no_dead();
    assert_eq!(w.sink.runs_of("bad"), 1);
    w.trigger.expect_dead("rejected", 1);
    w.trigger.expect_outcome("ok", 1);
    w.trigger.expect_log(&["WARN", "bad", "rejected", "422"]);
}

fn dead_letters_may_be_published_with_the_reason(place: BrokerKind) {
    let w =
        at(place).trigger("dead_letter = { mode = \"publish\", routing_key = \"{dead}\" }").start();
    w.sink.answer_to("bad", [Answer::status(422).body("no such customer")]);
    let sent = w.message("bad").header("tenant", "hare");
    w.publish_all([sent.clone()]);
    let letter = w.expect_dead("bad");
    let headers = letter.headers();
    let text = |name: &str| headers.get(name).and_then(Value::as_str).unwrap_or_default();
    assert_eq!(text("x-trigger-reason"), "rejected");
    assert!(text("x-trigger-error").contains("422"), "{headers:?}");
    assert_eq!(headers.get("x-trigger-attempts").and_then(Value::as_i64), Some(1));
    assert_eq!(text("x-trigger-queue"), w.names.queue);
    assert_eq!(text("x-trigger-exchange"), "");
    assert_eq!(text("x-trigger-routing-key"), w.names.queue);
    assert!(headers.get("x-trigger-time").is_some(), "{headers:?}");
    assert!(headers.get("x-death").is_none(), "{headers:?}");
    // All else is as it was.
    assert_eq!(text("tenant"), "hare");
    assert_eq!(letter.properties.message_id, sent.properties.message_id);
    assert_eq!(letter.properties.delivery_mode, Some(2));
    w.expect_all_settled();
    w.trigger.expect_dead("rejected", 1);
}

fn a_dead_letter_is_confirmed_before_its_message_is_acknowledged(place: BrokerKind) {
    let w = at(place)
        .proxied()
        .trigger("dead_letter = { mode = \"publish\", routing_key = \"{dead}\" }")
        .start();
    w.sink.answer(Answer::status(422));
    w.proxy().withhold();
    w.publish(&["bad"]);
    w.expect_dead("bad");
    w.expect_unacked(1);
    w.trigger.expect_metric("unacked", 1);
    // Whether it arrived is not known when the connection breaks: it is published again.
    w.proxy().cut();
    w.expect_dead("bad");
    w.expect_unacked(1);
    w.proxy().let_through();
    w.expect_all_settled();
    assert_eq!(w.sink.runs_of("bad"), 1);
}

fn a_dead_letter_that_nobody_takes_stays_in_the_queue(place: BrokerKind) {
    let w = at(place)
        .trigger("dead_letter = { mode = \"publish\", routing_key = \"nobody-{id}\" }")
        .start();
    w.sink.answer(Answer::status(422));
    w.publish(&["bad"]);
    w.sink.expect(&["bad"]);
    eventually("the letter came back", || w.trigger.metric("unpublished_total") >= 1.0);
    let nobody = format!("nobody-{}", w.names.id);
    // It is not acknowledged before somebody has taken it.
    w.channel.declare(&queue(&nobody).durable());
    assert_eq!(w.take(&nobody).text(), "bad");
    w.expect_all_settled();
    w.expect_no_dead();
}

fn dead_letters_may_be_discarded(place: BrokerKind) {
    let w = at(place).trigger("dead_letter = { mode = \"discard\" }").start();
    w.sink.answer(Answer::status(422));
    w.publish(&["bad"]);
    w.trigger.expect_outcome("dropped", 1);
    w.expect_all_settled();
    w.expect_no_dead();
}
