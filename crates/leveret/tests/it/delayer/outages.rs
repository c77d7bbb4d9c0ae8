//! The broker goes and comes back, and so do the queue that is read and the connections.

use std::time::Duration;

use amqp::method::{ConnectionBlocked, ConnectionUnblocked};

use super::parcel::Parcel;
use super::world::{Place, StoreKind, at};
use crate::broker::Broker;
use crate::client::login::Login;
use crate::peers;
use crate::server::{eventually, now_ms};
use crate::site::BrokerKind;
use crate::tls::{self, Authority};

stories! {
    everywhere: [],
    stores: [a_broker_may_be_killed_while_messages_are_held],
    brokers: [
        a_missing_source_queue_is_waited_for,
        a_deleted_source_queue_is_waited_for,
        nothing_is_published_while_the_broker_is_blocked
    ],
    disks: [],
    home: [
        a_broker_may_be_killed_while_messages_are_published,
        a_broker_may_be_away_at_the_start,
        a_wrong_password_is_told_and_tried_again,
        the_next_address_of_a_list_is_tried,
        brokers_are_reached_by_tls,
        virtual_hosts_have_names,
        cut_connections_lose_nothing
    ],
}

const SOON: Duration = Duration::from_millis(300);

fn a_broker_may_be_killed_while_messages_are_held(place: Place) {
    let mut w = at(place).proxied().start();
    let due_ms = now_ms() + 2500;
    let messages = (0..50_u64).map(|n| w.message(n.to_string()).due_at(due_ms + n));
    let parcels = w.publish_all(messages);
    w.expect_held(50);
    w.delayer.expect_metric("amqpdelayer_unacked_messages", 0.0);
    w.leveret().kill9();
    w.proxy().cut();
    w.delayer.expect_health(503);
    w.expect_held(50);
    w.leveret().launch();
    w.reconnect();
    // A broker that is killed may forget acknowledgements, and deliver again.
    let duplicates = w.expect_at_least(&parcels);
    assert!(duplicates <= 50, "{duplicates} came twice");
    w.delayer.expect_health(200);
}

fn a_broker_may_be_killed_while_messages_are_published(place: Place) {
    const THROTTLE: u64 = 20;
    let mut w = at(place)
        .option("rabbitmq-throttle", THROTTLE)
        .option("storage-batchsize", 5)
        .proxied()
        .unconsumed()
        .start();
    let due_ms = now_ms() + 1500;
    let parcels = w.publish_all((0..500).map(|n| w.message(n.to_string()).due_at(due_ms)));
    w.expect_held(500);
    eventually("some are published", || w.delayer.metric("amqpdelayer_revived_total") >= 50.0);
    w.leveret().kill9();
    w.proxy().cut();
    w.delayer.expect_health(503);
    w.leveret().launch();
    w.reconnect();
    let duplicates = w.take_at_least(&parcels) as u64;
    assert!(duplicates <= THROTTLE, "{duplicates} came twice");
}

fn a_broker_may_be_away_at_the_start(place: Place) {
    let mut w = at(place).proxied().prepare();
    let parcel = w.publish(w.message("m").due_in(SOON));
    w.leveret().kill9();
    w.delayer.launch();
    w.delayer.expect_health(503);
    w.leveret().launch();
    w.reconnect();
    w.expect(&parcel);
}

fn a_wrong_password_is_told_and_tried_again(place: Place) {
    let mut w = at(place).prepare();
    let address = format!("amqp://guest:wrong-secret@{}/%2F", w.broker.amqp());
    w.delayer.set("rabbitmq-address", address);
    w.delayer.launch();
    w.delayer.expect_log(&["WARN", "guest"]);
    let health = w.delayer.expect_health(503);
    assert!(!w.delayer.stderr().contains("wrong-secret"), "the password is in the log");
    for page in [health, w.delayer.http("GET", "/", "").1, w.delayer.http("GET", "/metrics", "").1]
    {
        assert!(!page.contains("wrong-secret"), "{page}");
    }
    w.delayer.stop();
}

fn the_next_address_of_a_list_is_tried(place: Place) {
    let mut w = at(place).prepare();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let broker = w.broker.amqp();
    w.delayer.set("rabbitmq-address", format!("amqp://{nobody}/,amqp://guest:guest@{broker}/"));
    w.delayer.launch();
    let parcel = w.publish(w.message("m").due_in(SOON));
    w.expect(&parcel);
    w.delayer.expect_health(200);
}

fn brokers_are_reached_by_tls(place: Place) {
    let authority = Authority::new("authority");
    // Whose certificate the broker asks for, and takes for the login.
    let by_name = ["--ssl-cert-login-from", "common_name", "--default-user", "hare"];
    let broker = tls::broker(&authority, &[&tls::VERIFY[..], &by_name].concat());
    let port = broker.address("amqps").port();
    let mut w = at(place).beside(broker, Login::user("hare", "guest")).prepare();
    let own = authority.client("hare");
    for (name, pem) in [
        ("ca", &authority.pem),
        ("cert", &own.pem),
        ("key", &own.key.serialize_pem()),
        ("stranger", &Authority::new("authority").pem),
    ] {
        let file = w.delayer.storage().with_file_name(format!("{name}.pem"));
        std::fs::write(&file, pem).unwrap();
        if name != "stranger" {
            w.delayer.set(&format!("rabbitmq-{name}"), file.display());
        }
    }
    for login in ["amqps://hare:guest@localhost", "amqps://localhost"] {
        let external = if login.contains('@') { "" } else { "?auth_mechanism=external" };
        w.delayer.set("rabbitmq-address", format!("{login}:{port}/%2F{external}"));
        w.delayer.launch();
        let parcel = w.publish(w.message(login).due_in(SOON));
        w.expect(&parcel);
        w.delayer.stop();
    }
    let stranger = w.delayer.storage().with_file_name("stranger.pem");
    w.delayer.set("rabbitmq-ca", stranger.display());
    w.delayer.launch();
    w.delayer.expect_log(&["WARN", "certificate"]);
    let health = w.delayer.expect_health(503);
    assert!(health.contains("certificate"), "{health}");
}

fn virtual_hosts_have_names(place: Place) {
    let broker = Broker::with(&["--default-vhost", "a/b c"]);
    let login = Login { vhost: "a/b c", ..Login::default() };
    let mut w = at(place).beside(broker, login).prepare();
    let address = format!("amqp://guest:guest@{}/a%2Fb%20c", w.broker.amqp());
    w.delayer.set("rabbitmq-address", address);
    w.delayer.launch();
    let parcel = w.publish(w.message("m").due_in(SOON));
    w.expect(&parcel);
}

fn cut_connections_lose_nothing(place: Place) {
    let w = at(place).proxied().start();
    let (mut parcels, mut cut): (Vec<Parcel>, usize) = (Vec::new(), 0);
    for round in 0..5 {
        let bodies = (0..100).map(|n| format!("{round}-{n}"));
        parcels.extend(w.publish_all(bodies.map(|body| w.message(body).due_in(SOON))));
        let received = f64::from(round * 100 + 30);
        eventually("some are read", || w.delayer.metric("amqpdelayer_received_total") >= received);
        let reconnects = w.delayer.metric("amqpdelayer_reconnects_total");
        cut += w.proxy().cut();
        eventually("it is connected again", || {
            w.delayer.metric("amqpdelayer_reconnects_total") > reconnects
        });
        w.delayer.expect_health(200);
    }
    assert!(cut >= 5, "only {cut} connections were cut");
    // Unacknowledged deliveries come again, and unconfirmed messages are published again.
    let duplicates = w.expect_at_least(&parcels);
    assert!(duplicates <= 5 * (1000 + 100), "{duplicates} came twice");
}

fn a_missing_source_queue_is_waited_for(place: Place) {
    let mut w = at(place).prepare();
    w.publisher.delete(&w.names.source);
    w.delayer.launch();
    w.delayer.expect_log(&["WARN", &w.names.source, "404"]);
    w.delayer.expect_health(503);
    w.redeclare_source();
    let parcel = w.publish(w.message("m").due_in(SOON));
    w.expect(&parcel);
    w.delayer.expect_health(200);
}

fn a_deleted_source_queue_is_waited_for(place: Place) {
    let w = at(place).start();
    let due_ms = now_ms() + 1500;
    let held = w.publish(w.message("held").due_at(due_ms));
    w.expect_held(1);
    w.delayer.expect_metric("amqpdelayer_unacked_messages", 0.0);
    w.publisher.delete(&w.names.source);
    w.delayer.expect_log(&["WARN", &w.names.source]);
    w.delayer.expect_health(503);
    // Reviving goes on without it.
    w.expect(&held);
    w.redeclare_source();
    let parcel = w.publish(w.message("m").due_in(SOON));
    w.expect(&parcel);
    w.delayer.expect_health(200);
}

fn nothing_is_published_while_the_broker_is_blocked(place: Place) {
    let w = at(place).proxied().start();
    w.delayer.expect_health(200);
    w.proxy().say(ConnectionBlocked { reason: "low on memory" });
    let health = w.delayer.expect_health(503);
    assert!(health.contains("low on memory"), "{health}");
    let due_ms = now_ms() + 300;
    let held = w.publish(w.message("held").due_at(due_ms));
    w.expect_held(1);
    eventually("it is due", || {
        w.delayer.metric("amqpdelayer_blocked") == 1.0 && now_ms() > due_ms + 300
    });
    w.expect_nothing();
    assert_eq!(w.proxy().published(), 0);
    w.proxy().say(ConnectionUnblocked {});
    w.expect(&held);
    w.delayer.expect_health(200);
}

mod peer_rabbitmq_connections {
    use super::*;

    #[test]
    fn connections_closed_by_an_administrator_come_back() {
        let mut w = at(Place(BrokerKind::RabbitMq, StoreKind::Log)).prepare();
        let user = format!("delayer-{}", w.names.id);
        peers::rabbitmqctl(&["add_user", &user, "secret"]);
        peers::rabbitmqctl(&["set_permissions", &user, ".*", ".*", ".*"]);
        let address = format!("amqp://{user}:secret@{}/%2F", w.broker.amqp());
        w.delayer.set("rabbitmq-address", address);
        w.delayer.launch();
        let due_ms = now_ms() + 12_000;
        let messages = (0..20_u64).map(|n| w.message(n.to_string()).due_at(due_ms + n));
        let parcels = w.publish_all(messages);
        w.expect_held(20);
        w.delayer.expect_metric("amqpdelayer_unacked_messages", 0.0);
        peers::rabbitmqctl(&["close_all_user_connections", &user, "maintenance"]);
        w.delayer.expect_log(&["WARN", "maintenance"]);
        eventually("it is connected again", || {
            w.delayer.metric("amqpdelayer_reconnects_total") >= 2.0
        });
        let prompt = w.publish(w.message("prompt"));
        w.expect(&prompt);
        eventually("they are due soon", || {
            w.delayer.metric("amqpdelayer_held_messages") >= 0.0 && now_ms() + 5000 > due_ms
        });
        w.expect_in_order(&parcels);
    }
}
