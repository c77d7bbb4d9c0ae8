//! What administrators say of queues, exchanges and users while clients are at work, and what these see of it.

use crate::broker::eventually;
use crate::client::Client;
use crate::client::arguments::{exchange, queue};
use crate::client::channel::{Channel, Event};
use crate::client::login::Login;
use crate::client::message::message;
use crate::site::{BrokerKind, Site};

stories! {
    brokers: [
        a_length_limit_by_policy_acts_at_once_and_goes_with_it,
        the_operator_has_the_last_word_on_numbers,
        dead_letters_go_where_the_policy_says,
        an_alternate_exchange_by_policy_takes_what_nobody_wants,
        the_highest_priority_counts,
        topic_permissions_restrict_keys,
        a_virtual_host_has_so_many_queues,
    ],
    home: [policies_are_kept],
}

fn channel(site: &Site) -> Channel {
    Login::default().open(site.amqp()).channel()
}

/// How many messages wait.
fn ready(channel: &Channel, queue: &str) -> u32 {
    channel.counts(queue).0
}

fn publish_confirmed(channel: &Channel, queue: &str, bodies: &[&str], first: u64) {
    for body in bodies {
        channel.publish("", queue, body);
    }
    channel.expect_confirms_from(first - 1, first - 1 + bodies.len() as u64);
}

fn a_length_limit_by_policy_acts_at_once_and_goes_with_it(kind: BrokerKind) {
    let site = Site::of(kind);
    let c = channel(&site);
    c.declare(&queue("p-length").exclusive());
    c.confirms();
    publish_confirmed(&c, "p-length", &["a", "b", "c"], 1);
    site.ctl(&["set_policy", "p-length", "^p-length$", r#"{"max-length":1}"#]);
    eventually("the oldest went", || ready(&c, "p-length") == 1);
    publish_confirmed(&c, "p-length", &["d"], 4);
    site.ctl(&["clear_policy", "p-length"]);
    let mut published = 4;
    eventually("there is no limit", || {
        published += 1;
        publish_confirmed(&c, "p-length", &["e"], published);
        ready(&c, "p-length") > 1
    });
    assert_eq!(c.drain("p-length").last().map(String::as_str), Some("e"));
}

fn the_operator_has_the_last_word_on_numbers(kind: BrokerKind) {
    let site = Site::of(kind);
    let c = channel(&site);
    site.ctl(&["set_policy", "p-op", "^p-op$", r#"{"max-length":5}"#]);
    site.ctl(&["set_operator_policy", "p-op", "^p-op$", r#"{"max-length":2}"#]);
    c.declare(&queue("p-op").exclusive().arg("x-max-length", 9));
    c.confirms();
    publish_confirmed(&c, "p-op", &["a", "b", "c", "d"], 1);
    assert_eq!(c.drain("p-op"), ["c", "d"]);
    site.ctl(&["clear_operator_policy", "p-op"]);
    site.ctl(&["clear_policy", "p-op"]);
}

fn dead_letters_go_where_the_policy_says(kind: BrokerKind) {
    let site = Site::of(kind);
    let c = channel(&site);
    c.declare(&queue("p-grave").exclusive());
    let definition =
        r#"{"message-ttl":20,"dead-letter-exchange":"","dead-letter-routing-key":"p-grave"}"#;
    site.ctl(&["set_policy", "--apply-to", "queues", "p-dead", "^p-dead$", definition]);
    c.declare(&queue("p-dead").exclusive());
    c.publish("", "p-dead", "m");
    eventually("it is dead", || ready(&c, "p-grave") == 1);
    site.ctl(&["clear_policy", "p-dead"]);
}

fn an_alternate_exchange_by_policy_takes_what_nobody_wants(kind: BrokerKind) {
    let site = Site::of(kind);
    let c = channel(&site);
    c.declare_exchange(&exchange("p-ae", "fanout").auto_delete());
    c.declare_exchange(&exchange("p-x", "direct").auto_delete());
    c.declare(&queue("p-found").exclusive());
    c.bind("p-found", "p-ae", "");
    c.bind("p-found", "p-x", "other");
    let definition = r#"{"alternate-exchange":"p-ae"}"#;
    site.ctl(&["set_policy", "--apply-to", "exchanges", "p-ae", "^p-x$", definition]);
    c.confirms();
    c.publish("p-x", "nobody", "m");
    c.expect_confirms(1);
    assert_eq!(c.drain("p-found"), ["m"]);
    site.ctl(&["clear_policy", "p-ae"]);
    c.send_message(&message("p-x", "nobody", "m").mandatory());
    assert!(matches!(c.next(), Event::Returned(_)));
}

fn the_highest_priority_counts(kind: BrokerKind) {
    let site = Site::of(kind);
    let c = channel(&site);
    let full = r#"{"max-length":0,"overflow":"reject-publish"}"#;
    site.ctl(&["set_policy", "--priority", "1", "p-low", "^p-prio", full]);
    site.ctl(&[
        "set_policy",
        "--priority",
        "2",
        "p-high",
        "^p-prio(?!-not)",
        r#"{"max-length":9}"#,
    ]);
    c.declare(&queue("p-prio").exclusive());
    c.declare(&queue("p-prio-not").exclusive());
    c.confirms();
    publish_confirmed(&c, "p-prio", &["m"], 1);
    c.publish("", "p-prio-not", "m");
    assert!(matches!(c.next(), Event::Nack { tag: 2, .. }));
    site.ctl(&["clear_policy", "p-low"]);
    site.ctl(&["clear_policy", "p-high"]);
}

fn topic_permissions_restrict_keys(kind: BrokerKind) {
    let site = Site::of(kind);
    site.ctl(&["add_user", "topical", "secret"]);
    site.ctl(&["set_permissions", "topical", ".*", ".*", ".*"]);
    site.ctl(&["set_topic_permissions", "topical", "amq.topic", r"^{username}\.", "^mine"]);
    let client = Login::user("topical", "secret").open(site.amqp());
    let refused = |access: &str, key: &str| {
        let access = if kind.is_4() { format!("{access} access") } else { "access".to_owned() };
        format!(
            "ACCESS_REFUSED - {access} to topic '{key}' in exchange 'amq.topic' in vhost '/' refused for user 'topical'"
        )
    };
    let c = client.channel();
    c.declare(&queue("p-topic").exclusive());
    c.bind("p-topic", "amq.topic", "mine");
    c.confirms();
    c.publish("amq.topic", "topical.x", "m");
    c.expect_confirms(1);
    c.publish("amq.direct", "any", "m");
    c.expect_confirms_from(1, 2);
    c.publish("amq.topic", "other", "m");
    c.expect_close(403, (60, 40), &refused("write", "other"));
    let c = client.channel();
    c.send(amqp::method::QueueBind {
        queue: "p-topic",
        exchange: "amq.topic",
        routing_key: "yours",
        no_wait: false,
        arguments: amqp::value::RawTable(&[]),
    });
    c.expect_close(403, (50, 20), &refused("read", "yours"));
    site.ctl(&["clear_topic_permissions", "topical"]);
    let c = client.channel();
    c.bind("p-topic", "amq.topic", "yours");
    site.ctl(&["delete_user", "topical"]);
}

fn a_virtual_host_has_so_many_queues(kind: BrokerKind) {
    let site = Site::of(kind);
    site.ctl(&["add_vhost", "small"]);
    site.ctl(&["set_permissions", "-p", "small", "guest", ".*", ".*", ".*"]);
    site.ctl(&["set_vhost_limits", "-p", "small", r#"{"max-queues":1}"#]);
    let client = Login { vhost: "small", ..Login::default() }.open(site.amqp());
    let c = client.channel();
    c.declare(&queue("one").exclusive());
    c.declare(&queue("one").exclusive());
    c.send_declare(&queue("two"));
    let text = "PRECONDITION_FAILED - cannot declare queue 'two': queue limit in vhost 'small' (1) is reached";
    c.expect_close(406, (50, 10), text);
    let c = client.channel();
    c.delete("one");
    c.declare(&queue("two").exclusive());
    client.close();
    site.ctl(&["delete_vhost", "small"]);
}

fn policies_are_kept(kind: BrokerKind) {
    let mut site = Site::of(kind);
    let broker = site.leveret();
    broker.ctl(&["set_policy", "kept", "^kept$", r#"{"max-length":2,"ha-mode":"all"}"#]);
    let c = Client::connect(broker).channel();
    c.declare(&queue("kept").durable());
    broker.crash();
    let listed = broker.ctl(&["-q", "list_policies", "--formatter", "json"]);
    assert!(listed.contains(r#""pattern":"^kept$""#), "{listed}");
    let c = Client::connect(broker).channel();
    c.confirms();
    publish_confirmed(&c, "kept", &["a", "b", "c"], 1);
    assert_eq!(c.drain("kept"), ["b", "c"]);
}
