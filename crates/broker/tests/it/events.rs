//! What the event exchange tells: names and headers in RabbitMQ's order.

use crate::rig::Rig;

/// A broker whose events go to the queue `e`, which has been emptied.
fn watched() -> Rig {
    let mut rig = Rig::new();
    rig.check(
        "queue e => e 0 0
         bind e amq.rabbitmq.event #",
    );
    told(&mut rig);
    rig
}

/// The events since the last time: names and headers without the time.
fn told(rig: &mut Rig) -> Vec<String> {
    let (broker, mut cx) = rig.parts();
    broker.publish_events(&mut cx);
    let mut told = Vec::new();
    loop {
        let event = rig.run("get e no-ack");
        let Some((_, event)) = event.split_once("amq.rabbitmq.event/") else { return told };
        let (event, time) = event.rsplit_once(" timestamp_in_ms=").expect("a time");
        assert!(time.ends_with('}'), "{time}");
        told.push(format!("{event}}}"));
    }
}

/// Each command, and the events that it causes.
#[track_caller]
fn check(rig: &mut Rig, rows: &[(&str, &[&str])]) {
    for (command, events) in rows {
        rig.check(command);
        assert_eq!(told(rig), *events, "after {command}");
    }
}

#[test]
fn declaring_and_deleting_is_told() {
    check(
        &mut watched(),
        &[
            (
                "exchange x topic durable alternate-exchange=foo",
                &["exchange.created {user_who_performed_action=guest policy= \
                   arguments=[{<<\"alternate-exchange\">>,longstr,<<\"foo\">>}] internal=Bool(false) \
                   auto_delete=Bool(false) durable=Bool(true) type=topic name=x vhost=/}"],
            ),
            ("exchange x topic durable alternate-exchange=foo", &[]),
            (
                "queue q durable x-max-length=i32:5 => q 0 0",
                &["queue.created {user_who_performed_action=guest exclusive=Bool(false) owner_pid= \
                   arguments=[{<<\"x-max-length\">>,signedint,5}] auto_delete=Bool(false) \
                   durable=Bool(true) name=q vhost=/}"],
            ),
            ("queue q durable x-max-length=i32:5 => q 0 0", &[]),
            (
                "as 9 queue own exclusive auto-delete => own 0 0",
                &["queue.created {user_who_performed_action=guest exclusive=Bool(true) \
                   owner_pid=<leveret@localhost.1.9.0> arguments=[] auto_delete=Bool(true) \
                   durable=Bool(false) name=own vhost=/}"],
            ),
            (
                "close 9",
                &["queue.deleted {user_who_performed_action=rmq-internal name=own vhost=/}"],
            ),
            (
                "delete-queue q => 0",
                &["queue.deleted {user_who_performed_action=guest name=q vhost=/}"],
            ),
            ("delete-queue q => 0", &[]),
            (
                "delete-exchange x",
                &["exchange.deleted {user_who_performed_action=guest name=x vhost=/}"],
            ),
            ("delete-exchange x", &[]),
        ],
    );
}

#[test]
fn bindings_are_told_with_all_that_goes_with_them() {
    let mut rig = watched();
    rig.check(
        "queue q => q 0 0
         exchange x fanout auto-delete",
    );
    told(&mut rig);
    let binding = |what: &str, by: &str, key: &str, (kind, to): (&str, &str), from: &str| {
        format!(
            "binding.{what} {{user_who_performed_action={by} vhost=/ arguments=[] routing_key={key} \
             destination_kind={kind} destination_name={to} source_kind=exchange source_name={from}}}"
        )
    };
    let made = binding("created", "guest", "a.b", ("queue", "q"), "x");
    let (chained, gone) = (
        binding("created", "guest", "k", ("exchange", "x"), "amq.direct"),
        binding("deleted", "guest", "a.b", ("queue", "q"), "x"),
    );
    let unchained = binding("deleted", "guest", "k", ("exchange", "x"), "amq.direct");
    let x_gone = "exchange.deleted {user_who_performed_action=guest name=x vhost=/}";
    check(
        &mut rig,
        &[
            ("bind q x a.b", &[&made]),
            ("bind q x a.b", &[]),
            ("xbind x amq.direct k", &[&chained]),
            ("unbind q x never", &[]),
            ("unbind q x a.b", &[&gone, &unchained, x_gone]),
            ("bind q amq.topic k", &[&binding("created", "guest", "k", ("queue", "q"), "amq.topic")]),
            (
                "delete-queue q => 0",
                &[
                    &binding("deleted", "rmq-internal", "k", ("queue", "q"), "amq.topic"),
                    "queue.deleted {user_who_performed_action=guest name=q vhost=/}",
                ],
            ),
        ],
    );
}

#[test]
fn consumers_are_told() {
    let mut rig = watched();
    rig.check("queue q auto-delete => q 0 0");
    told(&mut rig);
    let made = |tag: &str, flags: &str| {
        format!(
            "consumer.created {{user_who_performed_action=guest arguments=[] prefetch_count=0 queue=q \
             vhost=/ channel=<leveret@localhost.1.1.1> {flags} consumer_tag={tag}}}"
        )
    };
    let gone = |tag: &str| {
        format!(
            "consumer.deleted {{user_who_performed_action=guest queue=q vhost=/ \
             channel=<leveret@localhost.1.1.1> consumer_tag={tag}}}"
        )
    };
    check(
        &mut rig,
        &[
            ("consume q a", &[&made("a", "ack_required=Bool(true) exclusive=Bool(false)")]),
            ("cancel q b", &[]),
            ("consume q c no-ack", &[&made("c", "ack_required=Bool(false) exclusive=Bool(false)")]),
            ("cancel q a", &[&gone("a")]),
            (
                "cancel q c",
                &[
                    &gone("c"),
                    "queue.deleted {user_who_performed_action=rmq-internal name=q vhost=/}",
                ],
            ),
        ],
    );
}

#[test]
fn a_queue_that_goes_takes_its_consumers_along() {
    let mut rig = watched();
    rig.check(
        "queue q => q 0 0
         consume q a",
    );
    told(&mut rig);
    check(
        &mut rig,
        &[(
            "delete-queue q => cancelled a",
            &[
                "consumer.deleted {user_who_performed_action=guest queue=q vhost=/ \
                 channel=<leveret@localhost.1.1.1> consumer_tag=a}",
                "queue.deleted {user_who_performed_action=guest name=q vhost=/}",
            ],
        )],
    );
}

#[test]
fn nothing_is_built_when_no_one_listens() {
    let mut rig = Rig::new();
    rig.check("queue q => q 0 0");
    assert!(!rig.broker.wants_events() && !rig.broker.has_events());
    rig.check("exchange x fanout");
    assert!(!rig.broker.has_events());
}

#[test]
fn the_event_exchange_is_in_one_virtual_host_and_nobody_publishes_to_it() {
    let mut rig = Rig::new();
    rig.check(
        "exchange amq.rabbitmq.event topic durable internal
         publish amq.rabbitmq.event k m => ACCESS_REFUSED - cannot publish to internal exchange 'amq.rabbitmq.event' in vhost '/'
         delete-exchange amq.rabbitmq.event => ACCESS_REFUSED - deletion of system exchange 'amq.rabbitmq.event' in vhost '/' not allowed",
    );
    let (broker, cx) = rig.parts();
    broker.add_vhost(cx.store, "other").expect("a new virtual host");
    let there = |name: &str| broker.vhost_named(name).expect("there").exchange("amq.rabbitmq.event");
    assert!(there("other").is_none() && there("/").is_some());
}
