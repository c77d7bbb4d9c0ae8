//! Sizes that others choke on, bounded by counting or by finishing at all.

use amqp::value::Table;
use broker::QueueDeclare;

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
