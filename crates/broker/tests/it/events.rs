//! What the event exchange tells: names and headers in RabbitMQ's order.

use amqp::value::{Table, Value};
use broker::policy::PolicySpec;
use broker::vhost::meta::{UserLimits, VhostLimits, VhostMeta};
use broker::{AdminError, Broker};
use store::{Pos, Store};

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
                &[
                    "queue.created {user_who_performed_action=guest type=rabbit_classic_queue exclusive=Bool(false) owner_pid= \
                   arguments=[{<<\"x-max-length\">>,signedint,5}] auto_delete=Bool(false) \
                   durable=Bool(true) name=q vhost=/}",
                ],
            ),
            ("queue q durable x-max-length=i32:5 => q 0 0", &[]),
            (
                "queue qq durable x-queue-type=quorum => qq 0 0",
                &["queue.created {user_who_performed_action=guest type=rabbit_quorum_queue \
                   exclusive=Bool(false) arguments=[{<<\"x-queue-type\">>,longstr,<<\"quorum\">>}] \
                   auto_delete=Bool(false) durable=Bool(true) name=qq vhost=/}"],
            ),
            (
                "delete-queue qq => 0",
                &["queue.deleted {user_who_performed_action=guest name=qq vhost=/ \
                     type=rabbit_quorum_queue}"],
            ),
            (
                "as 9 queue own exclusive auto-delete => own 0 0",
                &[
                    "queue.created {user_who_performed_action=guest type=rabbit_classic_queue exclusive=Bool(true) \
                   owner_pid=<leveret@localhost.1.9.0> arguments=[] auto_delete=Bool(true) \
                   durable=Bool(false) name=own vhost=/}",
                ],
            ),
            (
                "close 9",
                &[
                    "queue.deleted {user_who_performed_action=rmq-internal name=own vhost=/ type=rabbit_classic_queue}",
                ],
            ),
            (
                "delete-queue q => 0",
                &[
                    "queue.deleted {user_who_performed_action=guest name=q vhost=/ type=rabbit_classic_queue}",
                ],
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
            (
                "bind q amq.topic k",
                &[&binding("created", "guest", "k", ("queue", "q"), "amq.topic")],
            ),
            (
                "delete-queue q => 0",
                &[
                    &binding("deleted", "rmq-internal", "k", ("queue", "q"), "amq.topic"),
                    "queue.deleted {user_who_performed_action=guest name=q vhost=/ type=rabbit_classic_queue}",
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
                    "queue.deleted {user_who_performed_action=rmq-internal name=q vhost=/ type=rabbit_classic_queue}",
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
                "queue.deleted {user_who_performed_action=guest name=q vhost=/ type=rabbit_classic_queue}",
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
    let there =
        |name: &str| broker.vhost_named(name).expect("there").exchange("amq.rabbitmq.event");
    assert!(there("other").is_none() && there("/").is_some());
}

/// What an administrator does, and the events that it causes.
type Row = (fn(&mut Rig), &'static [&'static str]);

const ADMINISTERED: &[Row] = &[
    (
        |rig| order(rig, |broker, store| broker.add_user(store, "u", b"p", vec![])),
        &["user.created {user_who_performed_action=rmq-cli name=u}"],
    ),
    (
        |rig| {
            let tags = vec!["monitoring".to_owned(), "policymaker".to_owned()];
            order(rig, |broker, store| broker.set_user_tags(store, "u", tags));
        },
        &["user.tags.set {user_who_performed_action=rmq-cli tags=[monitoring policymaker] name=u}"],
    ),
    (
        |rig| order(rig, |broker, store| broker.change_password(store, "u", b"q")),
        &["user.password.changed {user_who_performed_action=rmq-cli name=u}"],
    ),
    (
        |rig| order(rig, |broker, store| broker.clear_password(store, "u")),
        &["user.password.cleared {user_who_performed_action=rmq-cli name=u}"],
    ),
    (
        |rig| {
            order(rig, |broker, store| broker.set_permissions(store, "u", "/", ["a", "b", "c"]));
        },
        &[
            "permission.created {user_who_performed_action=rmq-cli read=c write=b configure=a vhost=/ user=u}",
        ],
    ),
    (
        |rig| {
            let patterns = ["^a", "^b"];
            order(rig, |broker, store| {
                broker.set_topic_permissions(store, "u", "/", "amq.topic", patterns)
            });
        },
        &["topic.permission.created {user_who_performed_action=rmq-cli read=^b write=^a \
           exchange=amq.topic vhost=/ user=u}"],
    ),
    (
        |rig| {
            order(rig, |broker, store| broker.clear_topic_permissions(store, "u", "/", None));
        },
        &["topic.permission.deleted {user_who_performed_action=rmq-cli vhost=/ user=u}"],
    ),
    (
        |rig| order(rig, |broker, store| broker.clear_permissions(store, "u", "/")),
        &["permission.deleted {user_who_performed_action=rmq-cli vhost=/ user=u}"],
    ),
    (
        |rig| {
            let limits = UserLimits { max_connections: Some(5), max_channels: None };
            order(rig, |broker, store| broker.set_user_limits(store, "u", limits));
        },
        &[
            "user.limits.set {max-connections=5 username=u user_who_performed_action=rmq-cli name=limits}",
        ],
    ),
    (
        |rig| {
            let limits = UserLimits::default();
            order(rig, |broker, store| broker.set_user_limits(store, "u", limits));
        },
        &["user.limits.cleared {username=u user_who_performed_action=rmq-cli name=limits}"],
    ),
    (
        |rig| order(rig, |broker, store| broker.delete_user(store, "u")),
        &["user.deleted {user_who_performed_action=rmq-cli name=u}"],
    ),
    (
        |rig| {
            let limits = VhostLimits { max_connections: Some(5), max_queues: Some(6) };
            order(rig, |broker, store| broker.set_vhost_limits(store, "/", limits));
        },
        &[
            "vhost.limits.set {max-connections=5 max-queues=6 vhost=/ user_who_performed_action=rmq-cli name=limits}",
        ],
    ),
    (
        |rig| {
            order(rig, |broker, store| broker.set_parameter(store, Some("/"), "shovel", "s", "{}"));
        },
        &[
            "parameter.set {user_who_performed_action=rmq-cli value={} name=s component=shovel vhost=/}",
        ],
    ),
    (
        |rig| order(rig, |broker, store| broker.clear_parameter(store, Some("/"), "shovel", "s")),
        &["parameter.cleared {user_who_performed_action=rmq-cli name=s component=shovel vhost=/}"],
    ),
    (
        |rig| order(rig, |broker, store| broker.set_parameter(store, None, "", "g", "1")),
        &["parameter.set {user_who_performed_action=rmq-cli value=1 name=g component=global}"],
    ),
    (
        |rig| {
            let mut definition = Table::new();
            definition.insert("max-length", Value::I64(5));
            let spec = PolicySpec {
                vhost: "/",
                name: "p",
                pattern: "^a",
                apply_to: "queues",
                priority: 3,
                definition: &definition,
            };
            let (broker, mut cx) = rig.parts();
            broker.set_policy(&mut cx, false, spec).expect("a policy");
        },
        &["policy.set {apply-to=queues priority=3 definition={max-length=5} pattern=^a \
           user_who_performed_action=rmq-cli vhost=/ name=p}"],
    ),
    (
        |rig| {
            let (broker, mut cx) = rig.parts();
            broker.clear_policy(&mut cx, false, "/", "p").expect("it is there");
        },
        &["policy.cleared {user_who_performed_action=rmq-cli vhost=/ name=p}"],
    ),
];

fn order(rig: &mut Rig, command: impl FnOnce(&mut Broker, &mut Store) -> Result<Pos, AdminError>) {
    let (broker, cx) = rig.parts();
    command(broker, cx.store).expect("a command that is right");
}

#[test]
fn administration_is_told() {
    let mut rig = watched();
    for (command, events) in ADMINISTERED {
        command(&mut rig);
        assert_eq!(told(&mut rig), *events);
    }
}

#[test]
fn a_virtual_host_is_told_with_its_exchanges() {
    let mut rig = watched();
    let meta =
        VhostMeta { description: "d".into(), tags: vec!["a".into()], ..VhostMeta::default() };
    order(&mut rig, |broker, store| broker.add_vhost_with(store, "v", meta));
    let made = told(&mut rig);
    assert_eq!(made.len(), 8, "{made:#?}");
    assert!(made[..7].iter().all(|event| event.starts_with("exchange.created ")), "{made:#?}");
    assert_eq!(
        made[7],
        "vhost.created {tags=a description=d user_who_performed_action=rmq-cli \
         cluster_state={leveret@localhost=running} tracing=Bool(false) \
         metadata=#{description => d,tags => a} default_queue_type=undefined tags=a description=d name=v}"
    );
    let (broker, mut cx) = rig.parts();
    broker.delete_vhost(&mut cx, "v").expect("it is there");
    let gone = told(&mut rig);
    assert_eq!(gone.len(), 8, "{gone:#?}");
    assert_eq!(gone[7], "vhost.deleted {user_who_performed_action=rmq-cli name=v}");
}

#[test]
fn what_failed_is_not_told() {
    let mut rig = watched();
    let store = rig.store.as_mut().expect("open");
    let (broker, none) = (&mut rig.broker, AdminError::NoUser("nobody".to_owned()));
    let failed = [
        broker.set_permissions(store, "nobody", "/", ["", "", ""]),
        broker.clear_permissions(store, "nobody", "/"),
        broker.set_topic_permissions(store, "nobody", "/", "amq.topic", ["", ""]),
        broker.clear_topic_permissions(store, "nobody", "/", None),
        broker.change_password(store, "nobody", b"p"),
        broker.set_user_tags(store, "nobody", vec![]),
        broker.set_user_limits(store, "nobody", UserLimits::default()),
        broker.delete_user(store, "nobody"),
    ];
    assert!(failed.iter().all(|result| *result == Err(none.clone())), "{failed:?}");
    assert_eq!(told(&mut rig), [""; 0]);
}
