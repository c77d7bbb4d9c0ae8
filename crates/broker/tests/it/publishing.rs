//! Publishing: what is refused, what is counted, what a cached route may not hide.

use amqp::value::Table;

use crate::rig::{Rig, check};

#[test]
fn publishes_are_checked_in_order() {
    let mut rig = Rig::new();
    rig.broker.settings.max_message_size = 10;
    rig.check(
        "publish none k 12345678901     => PRECONDITION_FAILED - message size 11 is larger than configured max size 10
         publish none k m ttl=x         => NOT_FOUND - no exchange 'none' in vhost '/'
         publish amq.rabbitmq.trace k m ttl=x => ACCESS_REFUSED - cannot publish to internal exchange 'amq.rabbitmq.trace' in vhost '/'
         publish '' q m reply-to=amq.rabbitmq.reply-to ttl=x => PRECONDITION_FAILED - fast reply consumer does not exist
         publish '' q m ttl=x h.CC=1    => PRECONDITION_FAILED - invalid expiration 'x': no_integer
         publish '' q m h.CC=1 user-id=x => PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,\"CC\",long}
         publish '' q m user-id=x       => PRECONDITION_FAILED - user_id property set to 'x' but authenticated user was 'guest'
         publish '' q m user-id=guest   => nowhere",
    );
}

#[test]
fn expirations_are_decimal_milliseconds() {
    check(
        "queue q                        => q 0 0
         publish '' q m ttl=0           => q
         publish '' q m ttl=+0050       => q
         publish '' q m ttl=-0          => q
         publish '' q m ttl=315360000000 => q
         publish '' q m ttl=315360000001 => PRECONDITION_FAILED - invalid expiration '315360000001': {value_too_large,315360000001}
         publish '' q m ttl=99999999999999999999999 => PRECONDITION_FAILED - invalid expiration '99999999999999999999999': {value_too_large,99999999999999999999999}
         publish '' q m ttl=1000ms      => PRECONDITION_FAILED - invalid expiration '1000ms': {leftover_string,\"ms\"}
         publish '' q m ttl=-1          => PRECONDITION_FAILED - invalid expiration '-1': {value_negative,-1}
         publish '' q m ttl=1.5         => PRECONDITION_FAILED - invalid expiration '1.5': {leftover_string,\".5\"}
         publish '' q m ttl=            => PRECONDITION_FAILED - invalid expiration '': no_integer",
    );
}

#[test]
fn a_full_queue_refuses_and_the_others_take() {
    check(
        "queue full x-max-length=1 x-overflow=reject-publish => full 0 0
         queue open                     => open 0 0
         bind full amq.fanout ''
         bind open amq.fanout ''
         publish amq.fanout '' one      => full open
         publish amq.fanout '' two      => refused open
         publish '' full two            => refused
         get full                       => one amq.fanout/
         queue full passive             => full 0 0",
    );
}

#[test]
fn a_cached_route_follows_every_change() {
    check(
        "exchange x topic
         exchange y fanout
         queue q                        => q 0 0
         queue r                        => r 0 0
         publish x k m                  => nowhere
         bind q x #
         publish x k m                  => q
         publish x k m                  => q
         bind r y ''
         xbind y x k
         publish x k m                  => q r
         delete-queue q                 => 3
         publish x k m                  => r
         queue q                        => q 0 0
         publish x k m                  => r
         delete-exchange y
         publish x k m                  => nowhere
         delete-exchange x
         publish x k m                  => NOT_FOUND - no exchange 'x' in vhost '/'
         exchange x topic internal
         publish x k m                  => ACCESS_REFUSED - cannot publish to internal exchange 'x' in vhost '/'",
    );
}

#[test]
fn a_cached_route_does_not_outlive_a_permission() {
    let mut rig = Rig::new();
    rig.check("queue q => q 0 0\n publish '' q m => q");
    let store = rig.store.as_mut().expect("open");
    rig.broker.set_permissions(store, "guest", "/", [".*", "^x$", ".*"]).expect("valid");
    rig.check(
        "publish '' q m => ACCESS_REFUSED - write access to exchange 'amq.default' in vhost '/' refused for user 'guest'",
    );
}

#[test]
fn a_cache_that_overflows_still_tells_the_truth() {
    let mut rig = Rig::new();
    for queue in ["a", "b", "c"] {
        rig.run(&format!("queue {queue}"));
        for key in (0..6000).filter(|key| key % 3 == queue.as_bytes()[0] as u32 % 3) {
            let who = crate::rig::session(1, "guest");
            let (broker, mut cx) = rig.parts();
            broker
                .queue_bind(&mut cx, &who, queue, "amq.direct", &key.to_string(), &Table::new())
                .expect("binds");
        }
    }
    for round in 0..2 {
        for key in (0..6000).step_by(7) {
            let queue = ["c", "a", "b"][key % 3];
            assert_eq!(rig.run(&format!("publish amq.direct {key} m")), queue, "round {round}");
        }
    }
}

#[test]
fn what_happens_is_counted() {
    let mut rig = Rig::new();
    rig.check(
        "queue q                        => q 0 0
         queue q                        => q 0 0
         publish '' q m                 => q
         publish '' q n                 => q
         publish '' none m              => nowhere
         publish '' none m mandatory    => nowhere
         publish nowhere '' m           => NOT_FOUND - no exchange 'nowhere' in vhost '/'
         get q                          => m /q
         requeue m
         consume q c                    => c<m /q*, c<n /q
         ack m
         ack n
         get q                          => empty
         delete-queue q                 => cancelled c",
    );
    let stats = rig.broker.stats();
    let want = broker::stats::BrokerStats {
        messages_received: 4,
        messages_routed: 2,
        messages_unroutable_returned: 1,
        messages_unroutable_dropped: 1,
        messages_delivered: 3,
        messages_delivered_consume_manual_ack: 2,
        messages_delivered_get_manual_ack: 1,
        messages_get_empty: 1,
        messages_redelivered: 1,
        messages_acknowledged: 2,
        queues_declared: 2,
        queues_created: 1,
        queues_deleted: 1,
        ..Default::default()
    };
    assert_eq!(stats, want);
}
