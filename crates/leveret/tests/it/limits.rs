//! Limits of connections, channels and consumers, and who is told what when they are reached.

use crate::broker::{Broker, eventually};
use crate::client::Client;
use crate::client::arguments::{consume, queue};
use crate::client::login::Login;
use crate::site::{BrokerKind, Site};

stories! {
    brokers: [
        a_virtual_host_takes_so_many_connections,
        a_user_takes_so_many_connections_and_channels,
        connections_go_with_their_virtual_host_and_their_user,
    ],
    home: [],
}

/// A virtual host and a user of these names, who may do everything there.
fn with_user(site: &Site, vhost: &str, user: &str) {
    site.ctl(&["add_vhost", vhost]);
    site.ctl(&["add_user", user, "secret"]);
    site.ctl(&["set_permissions", "-p", vhost, user, ".*", ".*", ".*"]);
}

fn without_user(site: &Site, vhost: &str, user: &str) {
    site.ctl(&["delete_vhost", vhost]);
    site.ctl(&["delete_user", user]);
}

fn login(vhost: &'static str, user: &str) -> Login {
    Login { vhost, ..Login::user(user, "secret") }
}

/// `connection.open` is refused with this text.
#[track_caller]
fn expect_refused(login: &Login, site: &Site, text: &str) {
    let client = Client::raw(site.amqp());
    let proposed = login.authenticate(&client);
    login.tune_and_open(&client, &proposed);
    client.expect_close(530, (10, 40), &format!("NOT_ALLOWED - {text}"));
}

/// Whether `connection.open` is answered.
fn opens(login: &Login, site: &Site) -> bool {
    let client = Client::raw(site.amqp());
    let proposed = login.authenticate(&client);
    login.tune_and_open(&client, &proposed);
    matches!(client.next().method(), amqp::method::Method::ConnectionOpenOk(_))
}

fn a_virtual_host_takes_so_many_connections(kind: BrokerKind) {
    let site = Site::of(kind);
    with_user(&site, "few", "few");
    site.ctl(&["set_vhost_limits", "-p", "few", r#"{"max-connections": 2}"#]);
    let user = login("few", "few");
    let (first, second) = (user.open(site.amqp()), user.open(site.amqp()));
    let text = "access to vhost 'few' refused for user 'few': connection limit (2) is reached";
    expect_refused(&user, &site, text);
    // Neither a refused connection nor one that broke off counts.
    drop(first);
    eventually("there is room again", || opens(&user, &site));
    site.ctl(&["set_vhost_limits", "-p", "few", r#"{"max-connections": 0}"#]);
    let text = "access to vhost 'few' refused for user 'few': connection limit (0) is reached";
    expect_refused(&user, &site, text);
    second.channel().silent();
    site.ctl(&["set_vhost_limits", "-p", "few", r#"{"max-connections": -1}"#]);
    user.open(site.amqp());
    without_user(&site, "few", "few");
}

fn a_user_takes_so_many_connections_and_channels(kind: BrokerKind) {
    let site = Site::of(kind);
    with_user(&site, "modest", "modest");
    site.ctl(&["set_user_limits", "modest", r#"{"max-connections": 2, "max-channels": 3}"#]);
    let user = login("modest", "modest");
    let (first, second) = (user.open(site.amqp()), user.open(site.amqp()));
    let text = "connection refused for user 'modest': user connection limit (2) is reached";
    expect_refused(&user, &site, text);
    first.channel().close();
    let (_one, _two, three) = (first.channel(), second.channel(), second.channel());
    let limit = if kind == BrokerKind::RabbitMq && kind.is_4() { "3" } else { "(3)" };
    let text = format!(
        "NOT_ALLOWED - number of channels opened for user 'modest' has reached the maximum allowed \
         user limit of {limit}"
    );
    first.unopened(9).send(amqp::method::ChannelOpen {});
    first.expect_close(530, (0, 0), &text);
    three.silent();
    eventually("its channels are gone", || {
        let third = user.open(site.amqp());
        third.unopened(1).send(amqp::method::ChannelOpen {});
        third.next_frame().is_some_and(|frame| frame.channel == 1)
    });
    without_user(&site, "modest", "modest");
}

fn connections_go_with_their_virtual_host_and_their_user(kind: BrokerKind) {
    let site = Site::of(kind);
    with_user(&site, "doomed", "doomed");
    let client = login("doomed", "doomed").open(site.amqp());
    site.ctl(&["delete_vhost", "doomed"]);
    // RabbitMQ says either, whichever of two events its connection meets first; ours the first one.
    let texts =
        ["deleted", "down"].map(|fate| format!("CONNECTION_FORCED - vhost 'doomed' is {fate}"));
    let texts = texts.each_ref().map(String::as_str);
    let usual = if kind == BrokerKind::Leveret { &texts[..1] } else { &texts };
    client.expect_close_in(320, (0, 0), usual);
    site.ctl(&["set_permissions", "doomed", ".*", ".*", ".*"]);
    let client = login("/", "doomed").open(site.amqp());
    site.ctl(&["delete_user", "doomed"]);
    client.expect_close(320, (0, 0), "CONNECTION_FORCED - user 'doomed' is deleted");
}

#[test]
fn a_channel_takes_so_many_consumers() {
    let broker = Broker::with(&["--consumer-max-per-channel", "2"]);
    let client = Client::connect(&broker);
    let channel = client.channel();
    channel.declare(&queue("q"));
    let tag = channel.consume(&consume("q"));
    channel.consume(&consume("q"));
    channel.cancel(&tag);
    channel.consume(&consume("q"));
    channel.send_consume(&consume("q"));
    let text = "NOT_ALLOWED - reached maximum (2) of consumers per channel";
    client.expect_close(530, (60, 20), text);
}

#[test]
fn a_node_takes_so_many_channels() {
    let broker = Broker::with(&["--channel-max-per-node", "3"]);
    let (first, second) = (Client::connect(&broker), Client::connect(&broker));
    first.channel().close();
    let (_one, _two, three) = (first.channel(), second.channel(), second.channel());
    first.unopened(9).send(amqp::method::ChannelOpen {});
    first.expect_close(530, (0, 0), "NOT_ALLOWED - number of channels opened on node '");
    three.silent();
    second.channel().silent();
}
