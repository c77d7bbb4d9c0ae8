//! Declares, bindings, consumes and publishes with arguments and headers that nobody means: the broker takes or refuses
//! them, never panics, and comes back from a restart with what it took.

use amqp::content::{Properties, PropertiesBuf};
use amqp::value::{Table, Value};
use broker::exchange::Kind;
use broker::{Consume, ConsumerKey, ExchangeDeclare, Publish, QueueDeclare, RouteCache, Session};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::rig::Rig;

/// Names that mean something to an exchange, a queue, a binding, a consumer or a message.
const NAMES: [&str; 40] = [
    "alternate-exchange",
    "hash-header",
    "hash-property",
    "x-hash-on",
    "x-algorithm",
    "x-recent-history-length",
    "x-recent-history-no-store",
    "x-delayed-type",
    "x-delay",
    "x-match",
    "x-message-ttl",
    "x-expires",
    "x-max-length",
    "x-max-length-bytes",
    "x-overflow",
    "x-max-priority",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-dead-letter-strategy",
    "x-single-active-consumer",
    "x-queue-type",
    "x-queue-mode",
    "x-queue-version",
    "x-queue-leader-locator",
    "x-queue-master-locator",
    "x-quorum-initial-group-size",
    "x-delivery-limit",
    "x-delayed-retry-type",
    "x-delayed-retry-min",
    "x-delayed-retry-max",
    "x-consumer-timeout",
    "x-consumer-disconnected-timeout",
    "x-priority",
    "x-cancel-on-ha-failover",
    "x-stream-offset",
    "x-death",
    "x-delivery-count",
    "CC",
    "BCC",
    "",
];

/// Texts that some argument takes, and some that none does.
const TEXTS: [&str; 24] = [
    "",
    "a",
    "b",
    "amq.fanout",
    "direct",
    "x-recent-history",
    "x-consistent-hash",
    "x-delayed-message",
    "message_id",
    "classic",
    "quorum",
    "stream",
    "lazy",
    "drop-head",
    "reject-publish",
    "reject-publish-dlx",
    "at-least-once",
    "at-most-once",
    "any-with-x",
    "all",
    "client-local",
    "1",
    "-99999999999999999999",
    "\u{0}\u{fffd}\n\"\\",
];

fn value() -> impl Strategy<Value = Value> {
    let number = select(vec![
        0,
        1,
        -1,
        2,
        20,
        255,
        256,
        i64::MAX,
        i64::MIN,
        315_360_000_000,
        315_360_000_001,
    ]);
    let leaf = prop_oneof![
        6 => number.clone().prop_map(Value::I64),
        4 => select(&TEXTS[..]).prop_map(Value::from),
        2 => any::<i32>().prop_map(Value::I32),
        1 => number.prop_map(|n| Value::U8(n as u8)),
        1 => any::<u32>().prop_map(Value::U32),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => any::<f64>().prop_map(Value::F64),
        1 => any::<f32>().prop_map(Value::F32),
        1 => any::<u64>().prop_map(Value::Timestamp),
        1 => (any::<u8>(), any::<u32>()).prop_map(|(scale, value)| Value::Decimal { scale, value }),
        1 => vec(any::<u8>(), 0..300).prop_map(Value::LongStr),
        1 => vec(any::<u8>(), 0..9).prop_map(Value::Bytes),
        1 => Just(Value::Void),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            vec((select(&NAMES[..]), inner), 0..4).prop_map(|fields| Value::Table(named(fields))),
        ]
    })
}

/// Also with the same name twice.
fn named(fields: Vec<(&'static str, Value)>) -> Table {
    Table(fields.into_iter().map(|(name, value)| (name.as_bytes().to_vec(), value)).collect())
}

fn table() -> impl Strategy<Value = Table> {
    vec((select(&NAMES[..]), value()), 0..5).prop_map(named)
}

#[derive(Clone, Debug)]
enum Command {
    Exchange {
        name: &'static str,
        kind: &'static str,
        durable: bool,
        arguments: Table,
    },
    Queue {
        name: &'static str,
        durable: bool,
        exclusive: bool,
        auto_delete: bool,
        arguments: Table,
    },
    Bind {
        to: &'static str,
        from: &'static str,
        key: &'static str,
        queue: bool,
        arguments: Table,
    },
    Unbind {
        to: &'static str,
        from: &'static str,
        key: &'static str,
        arguments: Table,
    },
    Consume {
        queue: &'static str,
        exclusive: bool,
        arguments: Table,
    },
    Publish {
        exchange: &'static str,
        key: &'static str,
        headers: Table,
        odd: Vec<u8>,
    },
    Delete {
        name: &'static str,
        queue: bool,
    },
    Later {
        by: u64,
    },
    Restart,
}

const KEYS: [&str; 7] = ["", "a", "1", "3", "-1", "#.*.#.a", "a.b.c"];
const QUEUES: [&str; 4] = ["a", "b", "c", ""];
const EXCHANGES: [&str; 6] = ["a", "b", "c", "amq.fanout", "amq.headers", ""];

fn command() -> impl Strategy<Value = Command> {
    let kinds: Vec<_> = Kind::ALL.into_iter().map(Kind::name).chain(["", "x-ray"]).collect();
    let (queue, exchange, key) = (select(&QUEUES[..]), select(&EXCHANGES[..]), select(&KEYS[..]));
    prop_oneof![
        4 => (exchange.clone(), select(kinds), any::<bool>(), table())
            .prop_map(|(name, kind, durable, arguments)| Command::Exchange { name, kind, durable, arguments }),
        4 => (queue.clone(), any::<[bool; 3]>(), table()).prop_map(
            |(name, [durable, exclusive, auto_delete], arguments)| {
                Command::Queue { name, durable, exclusive, auto_delete, arguments }
            }
        ),
        4 => (queue.clone(), exchange.clone(), key.clone(), any::<bool>(), table())
            .prop_map(|(to, from, key, queue, arguments)| Command::Bind { to, from, key, queue, arguments }),
        1 => (queue.clone(), exchange.clone(), key.clone(), table())
            .prop_map(|(to, from, key, arguments)| Command::Unbind { to, from, key, arguments }),
        1 => (queue.clone(), any::<bool>(), table())
            .prop_map(|(queue, exclusive, arguments)| Command::Consume { queue, exclusive, arguments }),
        8 => (exchange, key, table(), vec(any::<u8>(), 0..20))
            .prop_map(|(exchange, key, headers, odd)| Command::Publish { exchange, key, headers, odd }),
        1 => (queue, any::<bool>()).prop_map(|(name, queue)| Command::Delete { name, queue }),
        1 => select(vec![1, 1000, 1_000_000]).prop_map(|by| Command::Later { by }),
        1 => Just(Command::Restart),
    ]
}

/// Does it; an error is an answer like another.
fn run(rig: &mut Rig, who: &Session, command: Command) {
    if let Command::Later { by } = command {
        rig.run(&format!("at {}", rig.now + by));
        return;
    }
    if let Command::Restart = command {
        rig.run("restart");
        return;
    }
    let (broker, mut cx) = rig.parts();
    let cx = &mut cx;
    match command {
        Command::Exchange { name, kind, durable, arguments } => {
            let (passive, auto_delete, internal) = (false, false, false);
            let arguments = &arguments;
            let declare =
                ExchangeDeclare { name, kind, passive, durable, auto_delete, internal, arguments };
            let _ = broker.exchange_declare(cx, who, declare);
        }
        Command::Queue { name, durable, exclusive, auto_delete, arguments } => {
            let (passive, arguments) = (false, &arguments);
            let declare =
                QueueDeclare { name, passive, durable, exclusive, auto_delete, arguments };
            let _ = broker.queue_declare(cx, who, declare);
        }
        Command::Bind { to, from, key, queue: true, arguments } => {
            let _ = broker.queue_bind(cx, who, to, from, key, &arguments);
        }
        Command::Bind { to, from, key, queue: false, arguments } => {
            let _ = broker.exchange_bind(cx, who, to, from, key, &arguments);
        }
        Command::Unbind { to, from, key, arguments } => {
            let _ = broker.queue_unbind(cx, who, to, from, key, &arguments);
        }
        Command::Consume { queue, exclusive, arguments } => {
            let consumer = ConsumerKey { conn: 1, generation: 1, channel: 1, index: 1 };
            let consume = Consume {
                queue,
                key: consumer,
                tag: b"t".as_slice().into(),
                no_ack: true,
                exclusive,
                no_local: false,
                arguments: &arguments,
                prefetch: 0,
            };
            if let Ok(queue) = broker.consume(cx, who, consume) {
                broker.pump(cx, queue);
                broker.cancel(cx, queue, consumer, &who.user);
            }
        }
        Command::Publish { exchange, key, headers, odd } => {
            publish(rig, who, (exchange, key), headers, &odd);
        }
        Command::Delete { name, queue: true } => {
            let _ = broker.queue_delete(cx, who, name, false, false);
        }
        Command::Delete { name, queue: false } => {
            let _ = broker.exchange_delete(cx, who, name, false);
        }
        Command::Later { .. } | Command::Restart => {}
    }
}

fn publish(
    rig: &mut Rig,
    who: &Session,
    (exchange, key): (&str, &str),
    headers: Table,
    odd: &[u8],
) {
    let properties = PropertiesBuf {
        headers: Some(headers),
        message_id: Some(odd.to_vec()),
        ..PropertiesBuf::default()
    };
    let publish = Publish {
        exchange: exchange.as_bytes(),
        routing_key: key.as_bytes(),
        mandatory: false,
        properties: Properties(&properties.encode()),
        body: odd,
    };
    let (broker, mut cx) = rig.parts();
    let _ = broker.publish(&mut cx, who, &mut RouteCache::new(1), &publish);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn no_table_makes_the_broker_panic(commands in vec(command(), 1..60)) {
        let mut rig = Rig::new();
        let who = Session { conn: 1, user: "guest".into(), vhost: "/".into(), trusted: false };
        for command in commands {
            run(&mut rig, &who, command);
        }
        rig.run("restart");
        rig.run("crash");
    }
}
