//! Sizes that others choke on, bounded by counting or by finishing at all.

use amqp::content::{Properties, PropertiesBuf};
use amqp::value::{Table, Value};
use broker::{Publish, QueueDeclare, RouteCache};

use crate::rig::{Rig, session};

fn declare(rig: &mut Rig, name: &str, durable: bool) {
    let who = session(1, "guest");
    let (broker, mut cx) = rig.parts();
    let declare = QueueDeclare {
        name,
        passive: false,
        durable,
        exclusive: false,
        auto_delete: false,
        arguments: &Table::new(),
    };
    broker.queue_declare(&mut cx, &who, declare).expect("declares");
}

fn bind(rig: &mut Rig, queue: &str, exchange: &str, key: &str) {
    let who = session(1, "guest");
    let (broker, mut cx) = rig.parts();
    broker.queue_bind(&mut cx, &who, queue, exchange, key, &Table::new()).expect("binds");
}

#[test]
fn a_queue_with_3_000_bindings_goes_from_an_exchange_with_100_000() {
    let mut rig = Rig::new();
    for exchange in ["amq.direct", "amq.topic", "amq.fanout"] {
        for other in 0..100 {
            let name = format!("other-{other}");
            declare(&mut rig, &name, false);
            for key in 0..300 {
                bind(&mut rig, &name, exchange, &format!("{other}.{key}"));
            }
        }
    }
    declare(&mut rig, "big", false);
    for key in 0..3000 {
        bind(&mut rig, "big", "amq.topic", &format!("big.{key}"));
        bind(&mut rig, "big", "amq.direct", "same");
        bind(&mut rig, "big", "amq.fanout", &key.to_string());
    }
    assert_eq!(rig.broker.binding_count(), 90_000 + 6001);
    rig.check("publish amq.topic big.2999 m => big\n delete-queue big => 1");
    assert_eq!(rig.broker.binding_count(), 90_000);
    rig.check("publish amq.topic big.2999 m => nowhere\n publish amq.topic 7.7 m => other-7");
}

#[test]
fn twenty_thousand_queues_share_a_key_and_leave_it_one_by_one() {
    let mut rig = Rig::new();
    for n in 0..20_000 {
        let name = format!("q{n}");
        declare(&mut rig, &name, false);
        bind(&mut rig, &name, "amq.direct", "shared");
    }
    for n in 0..20_000 {
        let who = session(1, "guest");
        let (broker, mut cx) = rig.parts();
        broker.queue_delete(&mut cx, &who, &format!("q{n}"), false, false).expect("deletes");
    }
    assert_eq!(rig.broker.binding_count(), 0);
    assert_eq!(rig.broker.queue_count(), 0);
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: u64 = statm.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("a number");
    pages * 4096
}

/// Publishes messages that are due in no order within a day.
fn delay(rig: &mut Rig, count: u64, random: &mut u64) {
    let who = session(1, "guest");
    let mut cache = RouteCache::new(1);
    let body = [b'x'; 1000];
    for number in 0..count {
        // xorshift
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        let delay = Value::I64((3_600_000 + *random % 86_400_000) as i64);
        let headers = Some(Table(vec![(b"x-delay".to_vec(), delay)]));
        let properties = PropertiesBuf { headers, ..PropertiesBuf::default() }.encode();
        let publish = Publish {
            exchange: b"x",
            routing_key: b"k",
            mandatory: false,
            properties: Properties(&properties),
            body: &body,
        };
        let (broker, mut cx) = rig.parts();
        broker.publish(&mut cx, &who, &mut cache, &publish).expect("published");
        if number % 256 == 0 {
            let topology = rig.broker.topology();
            let store = rig.store();
            store.submit();
            if store.poll().checkpoint_due {
                store.checkpoint(topology);
            }
        }
    }
}

#[test]
fn a_delayed_message_costs_few_bytes_and_a_restart_reads_no_message() {
    let mut rig = Rig::new();
    rig.check("exchange x x-delayed-message durable x-delayed-type=fanout");
    let mut random = 0x9E37_79B9_7F4A_7C15;
    // The store's own memory has its size after these: 16 MiB of messages.
    delay(&mut rig, 20_000, &mut random);
    let before = resident();
    delay(&mut rig, 40_000, &mut random);
    let each = resident().saturating_sub(before) / 40_000;
    assert!(each <= 60, "{each} bytes a message");
    assert_eq!(rig.broker.delayed_count(), 60_000);
    let first = rig.broker.deadline();
    rig.check("restart");
    assert_eq!((rig.broker.delayed_count(), rig.broker.deadline()), (60_000, first));
}
