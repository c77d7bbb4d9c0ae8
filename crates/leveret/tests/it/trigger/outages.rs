//! Brokers that go away while runs are under way, and queues that are not there.

use super::endpoint::Answer;
use super::world::{Plan, World, at};
use crate::client::message::Message;
use crate::peers;
use crate::server::eventually;
use crate::site::BrokerKind;

stories! {
    brokers: [
        a_cut_connection_does_not_end_a_run,
        a_run_that_ends_without_a_connection_is_not_repeated,
        failures_without_a_connection_count,
        a_late_end_settles_no_other_message,
        what_only_waited_is_not_refused_after_a_cut,
        messages_without_id_are_not_lost,
        a_missing_queue_is_waited_for,
        a_deleted_queue_is_waited_for,
        the_next_host_of_a_list_is_tried,
    ],
    home: [
        a_broker_may_be_killed_in_mid_run,
        a_broker_may_be_away_at_the_start,
        a_broker_that_was_killed_costs_no_more_than_a_prefetch,
        a_wrong_password_is_told_and_tried_again,
    ],
}

fn proxied(place: BrokerKind) -> Plan {
    at(place)
        .proxied()
        .trigger("allow_redelivery = true\nredelivery = { max_attempts = 10, backoff_ms = [20] }")
}

/// Cuts the connection, and waits until there is another one.
#[track_caller]
fn cut(w: &World) {
    let before = w.trigger.metric("reconnects_total");
    assert!(w.proxy().cut() >= 1);
    eventually("it is connected again", || w.trigger.metric("reconnects_total") > before);
    w.trigger.expect_ready(200);
}

fn a_cut_connection_does_not_end_a_run(place: BrokerKind) {
    let bodies: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let w = proxied(place).start();
    w.sink.hold();
    w.publish(&bodies);
    w.sink.expect_all(&bodies);
    for round in 1..=3 {
        cut(&w);
        w.trigger.expect_metric("received_total", 10 * (round + 1));
    }
    w.sink.let_through();
    w.expect_all_settled();
    // Each copy waited for the run of its original.
    w.sink.expect_no_more();
    w.trigger.expect_outcome("ok", 10);
    w.trigger.expect_outcome("joined", 30);
    assert!(w.trigger.metric_with("outcomes_total", &[("outcome", "orphaned")]) >= 10.0);
    w.expect_no_dead();
}

/// Cuts the connection, and lets no other be made.
#[track_caller]
fn shut(w: &World) {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    w.proxy().lead_to(nobody);
    assert!(w.proxy().cut() >= 1);
    w.trigger.expect_ready(503);
}

#[track_caller]
fn unshut(w: &World) {
    w.proxy().lead_to(w.broker.amqp());
    w.trigger.expect_ready(200);
}

fn a_run_that_ends_without_a_connection_is_not_repeated(place: BrokerKind) {
    let w = proxied(place).start();
    w.sink.hold();
    w.publish(&["a", "b"]);
    w.sink.expect_all(&["a", "b"]);
    shut(&w);
    w.sink.let_through();
    w.trigger.expect_metric("in_flight", 0);
    unshut(&w);
    w.expect_all_settled();
    w.sink.expect_no_more();
    w.trigger.expect_outcome("joined", 2);
    w.expect_no_dead();
}

fn failures_without_a_connection_count(place: BrokerKind) {
    let w = proxied(place).start();
    w.sink.answer_to("bad", [Answer::status(422)]);
    w.sink.hold();
    w.publish(&["bad"]);
    w.sink.expect(&["bad"]);
    shut(&w);
    w.sink.let_through();
    w.trigger.expect_metric("in_flight", 0);
    unshut(&w);
    w.expect_dead("bad");
    w.expect_all_settled();
    assert_eq!(w.sink.runs_of("bad"), 1);
}

fn a_late_end_settles_no_other_message(place: BrokerKind) {
    let mut w = proxied(place).trigger("consumers = 2").start();
    w.sink.hold_back("first");
    w.sink.hold_back("second");
    w.publish(&["first"]);
    w.sink.expect(&["first"]);
    shut(&w);
    // The copy of the first goes elsewhere, and the second gets its delivery tag.
    assert_eq!(w.take(&w.names.queue).text(), "first");
    w.publish(&["second"]);
    unshut(&w);
    w.sink.expect(&["second"]);
    w.sink.let_go("first");
    w.trigger.expect_metric("in_flight", 1);
    w.expect_unacked(1);
    w.trigger.kill9();
    assert_eq!(w.take(&w.names.queue).text(), "second");
}

fn what_only_waited_is_not_refused_after_a_cut(place: BrokerKind) {
    // Redelivery is not allowed, and all come back as redelivered; but two of them never ran.
    let w = at(place).proxied().trigger("consumers = 1\nprefetch = 3").start();
    w.sink.hold();
    w.publish(&["a", "b", "c"]);
    w.sink.expect(&["a"]);
    w.trigger.expect_metric("queued", 2);
    cut(&w);
    w.trigger.expect_metric("received_total", 6);
    w.sink.let_through();
    w.sink.expect_all(&["b", "c"]);
    w.expect_all_settled();
    w.expect_no_dead();
    w.sink.expect_no_more();
}

fn messages_without_id_are_not_lost(place: BrokerKind) {
    let w = proxied(place).start();
    let bodies: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    let nameless = bodies.iter().map(|body| {
        let mut message = w.message(body);
        message.properties.message_id = None;
        message
    });
    w.publish_all(nameless.collect::<Vec<Message>>());
    for count in [10.0, 25.0, 40.0] {
        eventually("some ran", || w.trigger.metric("started_total") >= count);
        cut(&w);
    }
    w.expect_all_settled();
    assert!(bodies.iter().all(|body| w.sink.runs_of(body) >= 1));
    w.expect_no_dead();
}

/// Why it is not ready.
#[track_caller]
fn expect_no_queue(w: &World) {
    w.trigger.expect_condition("t", "no_queue");
    let said = w.trigger.expect_ready(503);
    assert!(said.contains("the trigger t:") && said.contains(&w.names.queue), "{said}");
    w.trigger.expect_log(&["WARN", &w.names.queue]);
    let healthy = w.trigger.http("GET", "/healthz");
    assert_eq!(healthy.0, 200, "{}", healthy.1);
}

fn a_missing_queue_is_waited_for(place: BrokerKind) {
    let mut w = at(place).undeclared().prepare();
    w.trigger.launch();
    expect_no_queue(&w);
    w.declare();
    w.trigger.expect_ready(200);
    w.publish(&["m"]);
    w.sink.expect(&["m"]);
    w.expect_all_settled();
}

fn a_deleted_queue_is_waited_for(place: BrokerKind) {
    let w = at(place).start();
    w.sink.hold();
    w.publish(&["under way"]);
    w.sink.expect(&["under way"]);
    w.channel.delete(&w.names.queue);
    expect_no_queue(&w);
    w.sink.let_through();
    w.trigger.expect_metric("in_flight", 0);
    w.declare();
    w.publish(&["m"]);
    w.sink.expect(&["m"]);
    w.expect_all_settled();
    w.trigger.expect_ready(200);
}

fn the_next_host_of_a_list_is_tried(place: BrokerKind) {
    let mut w = at(place).prepare();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    w.change("hosts = [", &format!("hosts = [\"{nobody}\", "));
    w.trigger.launch();
    w.publish(&["m"]);
    w.sink.expect(&["m"]);
    w.expect_all_settled();
}

fn a_broker_may_be_killed_in_mid_run(place: BrokerKind) {
    let bodies: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let mut w = proxied(place).start();
    w.sink.hold();
    w.publish(&bodies);
    w.sink.expect_all(&bodies);
    w.broker.leveret().kill9();
    w.proxy().cut();
    w.trigger.expect_ready(503);
    w.trigger.expect_condition("t", "disconnected");
    w.sink.release(5);
    w.trigger.expect_metric("in_flight", 5);
    w.broker.leveret().launch();
    w.reconnect();
    w.trigger.expect_ready(200);
    w.trigger.expect_metric("received_total", 20);
    w.sink.let_through();
    w.expect_all_settled();
    w.sink.expect_no_more();
    w.trigger.expect_outcome("joined", 10);
}

fn a_broker_may_be_away_at_the_start(place: BrokerKind) {
    // A broker that was killed does not know what it had delivered, and says that of everything.
    let mut w = at(place).proxied().trigger("allow_redelivery = true").prepare();
    w.publish(&["m"]);
    w.broker.leveret().kill9();
    w.trigger.launch();
    let said = w.trigger.expect_ready(503);
    assert!(said.contains("the trigger t:"), "{said}");
    w.broker.leveret().launch();
    w.reconnect();
    w.sink.expect(&["m"]);
    w.expect_all_settled();
}

/// The broker flags every message after a crash as redelivered; without redelivery allowed, all of
/// them would be refused.
fn a_broker_that_was_killed_costs_no_more_than_a_prefetch(place: BrokerKind) {
    let bodies: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    let mut w = at(place).proxied().trigger("consumers = 2").prepare();
    w.publish(&bodies);
    w.broker.leveret().kill9();
    w.trigger.launch();
    w.broker.leveret().launch();
    w.reconnect();
    w.expect_all_settled();
    w.trigger.expect_outcome("refused", 2);
    w.trigger.expect_outcome("ok", 48);
    w.trigger.expect_log(&["WARN", "flagged as redelivered"]);
    w.sink.expect_all(&bodies[2..]);
}

fn a_wrong_password_is_told_and_tried_again(place: BrokerKind) {
    let mut w = at(place)
        .top("allow_inline_secrets = true")
        .main("username = \"guest\"\npassword = \"wrong-secret\"")
        .prepare();
    w.trigger.launch();
    w.trigger.expect_log(&["WARN", "guest"]);
    let said = w.trigger.expect_ready(503);
    let pages = ["/", "/metrics", "/api/triggers"].map(|path| w.trigger.http("GET", path).1);
    for text in pages.iter().chain([&said, &w.trigger.stderr()]) {
        assert!(!text.contains("wrong-secret"), "{text}");
    }
    w.trigger.stop();
}

mod peer_rabbitmq_connections {
    use super::*;

    #[test]
    fn connections_closed_by_an_administrator_come_back() {
        let mut w = at(BrokerKind::RabbitMq)
            .top("allow_inline_secrets = true")
            .main("username = \"user-{id}\"\npassword = \"secret\"")
            .trigger("allow_redelivery = true")
            .prepare();
        let user = w.filled("user-{id}");
        peers::rabbitmqctl(&["add_user", &user, "secret"]);
        peers::rabbitmqctl(&["set_permissions", &user, ".*", ".*", ".*"]);
        w.trigger.launch();
        w.sink.hold();
        w.publish(&["a", "b"]);
        w.sink.expect_all(&["a", "b"]);
        peers::rabbitmqctl(&["close_all_user_connections", &user, "maintenance"]);
        w.trigger.expect_log(&["WARN", "maintenance"]);
        w.trigger.expect_metric("received_total", 4);
        w.sink.let_through();
        w.expect_all_settled();
        w.sink.expect_no_more();
        w.trigger.expect_outcome("ok", 2);
        w.trigger.expect_outcome("joined", 2);
    }
}
