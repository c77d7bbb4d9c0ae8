//! Which messages run when: one after the other, not too many, not twice; and answers to who asked.

use std::collections::HashMap;
use std::time::Duration;

use super::endpoint::Answer;
use super::world::at;
use crate::client::arguments::{consume, queue};
use crate::client::login::Login;
use crate::random::Random;
use crate::site::BrokerKind;

stories! {
    brokers: [
        messages_of_one_key_run_in_order,
        answers_go_to_reply_to,
        answers_go_to_a_waiting_client,
    ],
    home: [
        runs_are_not_more_than_the_rate,
        a_message_that_succeeded_does_not_run_again,
        answers_of_commands_go_to_reply_to,
    ],
}

fn messages_of_one_key_run_in_order(place: BrokerKind) {
    let mut random = Random::new();
    let w = at(place)
        .trigger("consumers = 8\nprefetch = 60\nordering_key = \"headers.customer\"")
        .trigger("allow_redelivery = true\nbreaker = { failures = 0 }")
        .trigger("redelivery = { backoff_ms = [15], max_attempts = 10 }")
        .start();
    let mut bodies = Vec::new();
    let messages: Vec<_> = (0..60)
        .map(|n| {
            let customer = n % 3;
            let body = format!("{customer}-{n:02}");
            // Some fail first, and those behind them wait.
            if random.below(4) == 0 {
                w.sink.answer_to(&body, [503, 200].map(Answer::status));
            }
            bodies.push(body.clone());
            w.message(&body).header("customer", format!("customer {customer}").as_str())
        })
        .collect();
    w.publish_all(messages);
    w.expect_all_settled();
    w.trigger.expect_outcome("ok", 60);
    let mut last: HashMap<String, String> = HashMap::new();
    for body in w.sink.messages() {
        let key = body[..1].to_owned();
        let before = last.insert(key, body.clone()).unwrap_or_default();
        assert!(before <= body, "{body} after {before}");
    }
    assert!(w.sink.in_flight_max() <= 3, "{} at once of three keys", w.sink.in_flight_max());
}

fn runs_are_not_more_than_the_rate(place: BrokerKind) {
    let bodies: Vec<String> = (0..11).map(|n| n.to_string()).collect();
    let w = at(place).trigger("rate_limit = { per_s = 20, burst = 1 }").start();
    w.publish(&bodies);
    let times: Vec<_> = bodies.iter().map(|_| w.sink.request().at).collect();
    let took = times[10] - times[0];
    assert!(took >= Duration::from_millis(450), "ten more within {took:?}");
    w.expect_all_settled();
}

fn a_message_that_succeeded_does_not_run_again(place: BrokerKind) {
    let w = at(place)
        .trigger("idempotency = { key = \"message_id\", ttl_s = 60 }")
        .trigger("allow_redelivery = true\nredelivery = { backoff_ms = [10] }")
        .start();
    w.sink.answer_to("fails first", [Answer::status(422), Answer::status(200)]);
    for (body, id) in [("a", "1"), ("a again", "1"), ("b", "2")] {
        w.publish_all([w.message(body).id(id)]);
        w.expect_all_settled();
    }
    assert_eq!(w.sink.messages(), ["a", "b"]);
    w.trigger.expect_outcome("dropped", 1);
    // A failure is no success.
    w.publish(&["fails first"]);
    w.expect_dead("fails first");
    w.publish(&["fails first"]);
    w.expect_all_settled();
    assert_eq!(w.sink.runs_of("fails first"), 2);
    w.expect_no_dead();
}

fn answers_go_to_reply_to(place: BrokerKind) {
    let w = at(place).trigger("reply = { enabled = true }").start();
    let replies = format!("replies-{}", w.names.id);
    w.channel.declare(&queue(&replies).durable());
    w.sink.answer(Answer::status(200).json("{\"total\":3}"));
    let mut request = w.message("m").reply_to(&replies);
    request.properties.correlation_id = Some(b"4711".to_vec());
    w.publish_all([request, w.message("nobody asks")]);
    let reply = w.take(&replies);
    assert_eq!(reply.text(), "{\"total\":3}");
    assert_eq!(reply.properties.correlation_id.as_deref(), Some(&b"4711"[..]));
    assert_eq!(reply.properties.content_type.as_deref(), Some(&b"application/json"[..]));
    w.expect_all_settled();
    w.trigger.expect_metric("replies_total", 1);
    // Nobody is there to take the answer: the work is done all the same.
    w.publish_all([w.message("gone").reply_to("nobody")]);
    w.expect_all_settled();
    w.trigger.expect_outcome("ok", 3);
    w.expect_no_dead();
}

fn answers_go_to_a_waiting_client(place: BrokerKind) {
    let w = at(place).trigger("reply = { enabled = true }").start();
    w.sink.answer(Answer::status(200).body("pong"));
    let client = Login::default().open(w.broker.amqp());
    let channel = client.channel();
    channel.consume(&consume("amq.rabbitmq.reply-to").no_ack());
    channel.send_message(&w.message("ping").reply_to("amq.rabbitmq.reply-to"));
    assert_eq!(channel.delivery().text(), "pong");
    w.expect_all_settled();
}

fn answers_of_commands_go_to_reply_to(place: BrokerKind) {
    let w = at(place)
        .trigger("reply = { enabled = true }")
        .command("argv = [\"cat\"]\nstdin = \"body\"")
        .start();
    let replies = format!("replies-{}", w.names.id);
    w.channel.declare(&queue(&replies).durable());
    w.publish_all([w.message("hello").reply_to(&replies)]);
    assert_eq!(w.take(&replies).text(), "hello");
    w.expect_all_settled();
}
