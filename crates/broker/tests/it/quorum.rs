//! Quorum queues through the facade: what a declare and a delete refuse, what is on disk, default types.

use broker::queue::args::QueueKind;

use crate::rig::{Rig, check};

#[test]
fn quorum_queues_are_durable_and_belong_to_nobody() {
    check(
        "queue q x-queue-type=quorum durable auto-delete exclusive => PRECONDITION_FAILED - invalid property 'auto-delete' \
            for queue 'q' in vhost '/'
         queue q x-queue-type=quorum exclusive => PRECONDITION_FAILED - invalid property 'exclusive-owner' for queue 'q' \
            in vhost '/'
         queue q x-queue-type=quorum => PRECONDITION_FAILED - invalid property 'non-durable' for queue 'q' in vhost '/'
         queue q x-queue-type=quorum x-max-priority=5 => PRECONDITION_FAILED - invalid arg 'x-max-priority' for queue 'q' \
            in vhost '/' of queue type rabbit_quorum_queue
         queue '' durable x-queue-type=quorum => PRECONDITION_FAILED - Cannot declare a server-named queue for type \
            rabbit_quorum_queue
         queues =>",
    );
}

#[test]
fn deleting_a_quorum_queue_under_a_condition_is_not_implemented() {
    let text = |flag| {
        format!(
            "NOT_IMPLEMENTED - cannot delete queue 'q' in vhost '/'. queue.delete operations with {flag} flag set are not \
             supported by quorum queues"
        )
    };
    let mut rig = Rig::new();
    rig.check("queue q durable x-queue-type=quorum => q 0 0");
    assert_eq!(rig.run("delete-queue q if-unused"), text("if-unused"));
    assert_eq!(rig.run("delete-queue q if-empty"), text("if-empty"));
    assert_eq!(rig.run("delete-queue q if-unused if-empty"), text("if-unused"));
    rig.check("delete-queue q => 0");
}

#[test]
fn no_get_beside_a_single_active_consumer() {
    check(
        "queue q durable x-queue-type=quorum x-single-active-consumer=true => q 0 0
         get q => RESOURCE_LOCKED - cannot obtain access to locked queue 'q' in vhost '/'. basic.get operations are not \
            supported by quorum queues with single active consumer",
    );
}

#[test]
fn transient_messages_in_a_quorum_queue_survive_a_crash() {
    check(
        "queue q durable x-queue-type=quorum => q 0 0
         queue c durable                     => c 0 0
         exchange both fanout durable
         bind q both ''
         bind c both ''
         publish '' q one                    => q
         publish both '' two                 => c q
         publish both '' three persistent    => c q
         crash
         queue q passive                     => q 3 0
         queue c passive                     => c 1 0
         get q                               => one /q*
         get c                               => three both/*",
    );
}

#[test]
fn counts_survive_a_crash_and_a_restart() {
    for how in ["restart", "crash"] {
        check(
            &"queue q durable x-queue-type=quorum x-delivery-limit=2 x-dead-letter-exchange= \
                x-dead-letter-routing-key=dead => q 0 0
              queue dead durable => dead 0 0
              publish '' q m     => q
              publish '' q n     => q
              get q              => m /q
              requeue m
              get q              => m /q {x-delivery-count=1 x-acquired-count=1}*
              requeue m
              HOW
              HOW
              get q              => m /q {x-delivery-count=2 x-acquired-count=2}*
              requeue m
              queue dead passive => dead 1 0
              queue q passive    => q 1 0"
                .replace("HOW", how),
        );
    }
}

#[test]
fn a_dead_letter_says_that_the_limit_was_reached() {
    let mut rig = Rig::new();
    rig.check(
        "queue q durable x-queue-type=quorum x-delivery-limit=0 x-dead-letter-exchange= x-dead-letter-routing-key=dead => q 0 0
         queue dead durable => dead 0 0
         publish '' q m     => q
         get q              => m /q
         requeue m",
    );
    let got = rig.run("get dead");
    assert!(got.contains("reason=delivery_limit queue=q"), "{got}");
    assert!(got.contains("x-first-death-reason=delivery_limit"), "{got}");
    assert_eq!(rig.broker.stats().messages_dead_lettered_delivery_limit, 1);
}

#[test]
fn the_default_type_applies_where_a_quorum_queue_is_possible() {
    let mut rig = Rig::new();
    rig.broker.settings.default_queue_type = QueueKind::Quorum;
    rig.check(
        "queue q durable             => q 0 0
         queue q durable             => q 0 0
         queue q durable x-queue-type=quorum => q 0 0
         queue c durable x-queue-type=classic => c 0 0
         queue transient             => transient 0 0
         queue own durable exclusive => own 0 0
         queue brief durable auto-delete => brief 0 0
         queue q durable x-queue-type=classic => PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'q' in \
            vhost '/': received 'classic' but current is 'quorum'",
    );
    let kind = |name| rig.broker.queue_named("/", name).expect("declared").args.kind;
    assert_eq!(kind("q"), QueueKind::Quorum);
    for name in ["c", "transient", "own", "brief"] {
        assert_eq!(kind(name), QueueKind::Classic, "{name}");
    }
    let arguments = &rig.broker.queue_named("/", "q").expect("declared").arguments;
    assert_eq!(arguments.get("x-queue-type").and_then(|value| value.as_str()), Some("quorum"));
}

#[test]
fn a_quorum_queue_may_be_redeclared_as_classic_when_that_is_set() {
    let mut rig = Rig::new();
    rig.broker.settings.relaxed_redeclare = true;
    rig.check(
        "queue q durable x-queue-type=quorum  => q 0 0
         queue q durable x-queue-type=classic => q 0 0
         queue q durable                      => q 0 0",
    );
}

#[test]
fn a_made_up_name_begins_as_the_client_wants() {
    let mut rig = Rig::new();
    let named = rig.run("queue '' x-name-prefix=jobs x-max-length=3");
    assert!(named.starts_with("jobs-") && named.ends_with(" 0 0"), "{named}");
    let queue = rig.broker.queues().next().expect("declared");
    assert_eq!(queue.arguments.get("x-name-prefix"), None);
    let long = "x".repeat(65);
    assert_eq!(
        rig.run(&format!("queue '' x-name-prefix={long}")),
        format!("PRECONDITION_FAILED - Queue name prefix '{long}' exceeds the 64-byte limit")
    );
}
