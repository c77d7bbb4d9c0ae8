//! Ages of messages and queues.

use super::rig::{Rig, check};

#[test]
fn expired_message_goes_to_the_dead_letter_exchange() {
    check(
        "x-message-ttl=100 x-dead-letter-exchange=d",
        "publish a
         deadline => 100
         at 50
         publish b
         at 99
         at 100 => dead a expired
         deadline => 150
         at 200 => dead b expired
         deadline => never
         count => 0 ready, 0 unacked",
    );
}

#[test]
fn the_sooner_of_both_times_counts() {
    check(
        "x-message-ttl=100",
        "publish a ttl=10\n deadline => 10\n at 10\n publish b ttl=500\n deadline => 110",
    );
}

#[test]
fn only_the_head_expires() {
    check(
        "",
        "publish keep
         publish die ttl=10
         deadline => never
         at 50
         count => 2 ready, 0 unacked
         get no-ack => keep, +0
         count => 0 ready, 0 unacked",
    );
}

#[test]
fn message_behind_the_head_expires_as_soon_as_it_leads() {
    check(
        "x-dead-letter-exchange=d",
        "consume x prefetch=1
         publish a => x<a
         publish b ttl=10
         publish c ttl=20
         publish e
         at 15 => dead b expired
         ack a => x<c
         at 30
         requeue c => x<e, dead c expired",
    );
}

#[test]
fn expired_message_is_never_delivered_even_when_no_timer_ran() {
    let mut rig = Rig::new("x-message-ttl=10");
    rig.run("publish a b");
    rig.now += 10;
    assert_eq!(rig.run("consume x"), "");
    assert_eq!(rig.run("get"), "empty");
    assert_eq!(rig.queue.stats.expired, 2);
}

#[test]
fn ttl_zero_expires_unless_delivered_at_once() {
    check(
        "x-message-ttl=0 x-dead-letter-exchange=d",
        "publish a => dead a expired
         consume x prefetch=1
         publish b => x<b
         publish c => dead c expired
         requeue b => dead b expired",
    );
    check("", "publish a ttl=0\n count => 0 ready, 0 unacked\n consume x\n publish b ttl=0 => x<b");
}

#[test]
fn requeued_message_keeps_its_time() {
    check(
        "x-message-ttl=100 x-dead-letter-exchange=d",
        "publish a
         at 60
         publish b
         get => a, +1
         at 90
         requeue a
         deadline => 100
         at 100 => dead a expired
         deadline => 160
         get => b, +0
         at 200
         requeue b => dead b expired",
    );
}

#[test]
fn unacked_messages_do_not_expire() {
    check(
        "x-message-ttl=10",
        "publish a\n get => a, +0\n deadline => never\n at 50\n count => 0 ready, 1 unacked",
    );
}

#[test]
fn low_priority_waits_for_the_head_to_expire() {
    check(
        "x-max-priority=5",
        "publish low ttl=10
         deadline => 10
         publish high prio=5
         deadline => never
         at 50
         count => 2 ready, 0 unacked
         get no-ack => high, +0",
    );
}

#[test]
fn unused_queue_expires() {
    check("x-expires=100", "deadline => 100\n at 99\n at 100 => queue expired");
}

#[test]
fn use_puts_off_the_end_of_a_queue() {
    check(
        "x-expires=100",
        "at 50
         get => empty
         deadline => 150
         at 140
         consume x
         deadline => never
         at 5000
         cancel x => last
         deadline => 5100
         at 5100 => queue expired",
    );
}

#[test]
fn queue_expires_in_spite_of_its_messages() {
    check(
        "x-expires=100 x-message-ttl=60",
        "publish a\n deadline => 60\n at 60\n deadline => 100\n publish b\n at 100 => queue expired",
    );
}

#[test]
fn clock_that_goes_back_lets_messages_live_longer() {
    let mut rig = Rig::new("x-message-ttl=100");
    rig.run("publish a");
    rig.now = 0;
    rig.run("publish b");
    assert_eq!(rig.run("get"), "a, +1");
    rig.now = u64::MAX;
    assert_eq!(rig.run("get"), "empty");
    rig.now = 5;
    rig.run("requeue a");
    assert_eq!(rig.run("get"), "a*, +0");
}

#[test]
fn a_thousand_times_more_than_one_command_may_drop_all_expire() {
    let all: Vec<String> = (0..5000).map(|n| format!("m{n}")).collect();
    let mut rig = Rig::new("x-message-ttl=10 x-dead-letter-exchange=d");
    rig.run(&format!("publish {}", all.join(" ")));
    rig.run("publish last ttl=5");
    assert_eq!(rig.queue.ready(), 5001);
    let effects = rig.run("at 10");
    assert_eq!(effects.split(", ").count(), 5001);
    assert_eq!(rig.queue.deadline(), None);
}
