//! Brokers that do not let the bridge do its work, and what it says then.

use amqp::method::{ExchangeDelete, ExchangeDeleteOk};

use super::world::{EVENTS, World};
use crate::broker::Broker;
use crate::client::arguments::exchange;
use crate::site::{BrokerKind, Site};

stories! {
    brokers: [an_exchange_of_another_type_is_told_and_tried_again],
    home: [
        a_broker_that_restarts_loses_nothing,
        a_node_runs_while_its_broker_is_away,
        an_exchange_that_is_there_needs_not_be_declared,
        outcomes_that_may_not_be_published_stop_nothing,
    ],
}

fn an_exchange_of_another_type_is_told_and_tried_again(kind: BrokerKind) {
    let mut world = World::at(kind);
    world.channel.declare_exchange(&exchange(&world.exchange, "fanout"));
    world.ours.launch();
    world.ours.expect_log(&["bridge", "406", "name another (bridge_exchange"]);
    world.expect_connected(false);
    let status = world.ours.api("GET", "/api/dmq/status", &serde_json::Value::Null);
    let why = status["bridge"]["down"].as_str().unwrap();
    assert!(why.contains("406"), "{why}");
    assert!(!why.contains("guest:guest"), "{why}");
    let delete = ExchangeDelete { exchange: &world.exchange, if_unused: false, no_wait: false };
    world.channel.ask(delete, ExchangeDeleteOk {});
    world.expect_connected(true);
    assert_eq!(world.event("late").ask().code(), 200);
}

fn a_broker_that_restarts_loses_nothing(kind: BrokerKind) {
    let mut world = World::at(kind).start();
    assert_eq!(world.event("before").ask().code(), 200);
    world.leveret().kill9();
    world.proxy.cut();
    let branch = {
        let during = world.event("during");
        during.send();
        during.branch
    };
    world.ours.expect_metric("bridge_waiting", 1.0);
    world.leveret().launch();
    world.proxy.lead_to(world.broker.amqp());
    assert_eq!(world.kamailio.reply(&branch).code(), 200);
    world.channel = crate::client::login::Login::default().open(world.broker.amqp()).channel();
    assert_eq!([world.published().text(), world.published().text()], ["before", "during"]);
    world.publish(&world.outbound(EVENTS, "out again"));
    world.got("out again");
}

fn a_node_runs_while_its_broker_is_away(kind: BrokerKind) {
    let mut world = World::at(kind).set("bridge_timeout_ms", 200);
    world.proxy.lead_to("127.0.0.1:1".parse().unwrap());
    world.ours.launch();
    world.ours.expect_active(&[&world.kamailio]);
    assert_eq!(world.event("nobody").ask().code(), 503);
    assert_eq!(world.ours.broadcast("chat", "hello").len(), 1);
    assert_eq!(world.ours.http("GET", "/healthz", "").0, 200);
    assert_eq!(world.ours.http("GET", "/readyz", "").0, 503);
}

/// A broker of ours whose user may do less.
fn strict(flags: &[&str]) -> Site {
    Site::Leveret(Box::new(Broker::with(flags)))
}

fn an_exchange_that_is_there_needs_not_be_declared(_: BrokerKind) {
    let broker = strict(&["--default-permissions-configure", "^(send|inbox)"]);
    let mut world = World::beside(broker).set("bridge_exchange", "\"amq.topic\"");
    world.exchange = "amq.topic".into();
    let world = world.start();
    assert_eq!(world.event("in").ask().code(), 200);
    assert_eq!(world.published().text(), "in");
    world.publish(&world.outbound(EVENTS, "out"));
    world.got("out");
}

fn outcomes_that_may_not_be_published_stop_nothing(_: BrokerKind) {
    // Nothing may be published to the default exchange.
    let broker = strict(&["--default-permissions-write", "^(bus|send|inbox)"]);
    let world = World::beside(broker).start();
    world.publish(&world.outbound(EVENTS, "asks for outcomes").reply_to(&world.inbox));
    world.got("asks for outcomes");
    world.ours.expect_log(&["bridge", "outcomes could not be published"]);
    world.expect_all_settled();
    assert_eq!(world.event("in").ask().code(), 200);
    assert_eq!(world.published().text(), "in");
    let sent = world.kamailio.all(|packet| packet.asks(EVENTS));
    assert_eq!(sent.len(), 1, "{sent:?}");
}
