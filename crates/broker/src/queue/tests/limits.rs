//! Length limits.

use super::rig::check;

#[test]
fn drop_head_makes_room_from_the_head() {
    check("x-max-length=2", "publish a b c d\n count => 2 ready, 0 unacked\n get => c, +1");
}

#[test]
fn dropped_message_goes_to_the_dead_letter_exchange() {
    check(
        "x-max-length=1 x-dead-letter-exchange=",
        "publish a b => dead a maxlen\n get no-ack => b, +0",
    );
}

#[test]
fn only_waiting_messages_count() {
    check(
        "x-max-length=2",
        "publish a b
         get => a, +1
         get => b, +0
         publish c d
         count => 2 ready, 2 unacked
         requeue a b
         count => 2 ready, 0 unacked
         get => c, +1",
    );
}

#[test]
fn waiting_consumer_gets_a_message_even_with_length_zero() {
    check(
        "x-max-length=0",
        "consume x no-ack\n publish a => x<a\n cancel x => last\n publish b\n get => empty",
    );
}

/// As measured on RabbitMQ 3.10.8: the limit is asked before the consumer is.
#[test]
fn reject_publish_refuses_even_when_a_consumer_waits() {
    check("x-max-length=0 x-overflow=reject-publish", "consume x no-ack\n publish a => refused a");
    check(
        "x-max-length-bytes=3 x-overflow=reject-publish",
        "consume x no-ack\n publish a size=4 => refused a\n publish b size=3 => x<b",
    );
}

#[test]
fn reject_publish_keeps_what_waits() {
    check(
        "x-max-length=2 x-overflow=reject-publish",
        "publish a b c => refused c
         get => a, +1
         publish d
         requeue a
         count => 3 ready, 0 unacked
         publish e => refused e
         get no-ack => a*, +2",
    );
}

#[test]
fn reject_publish_dlx_dead_letters_the_refused() {
    check(
        "x-max-length=1 x-overflow=reject-publish-dlx x-dead-letter-exchange=d",
        "publish a b => refused dead b",
    );
    check("x-max-length=1 x-overflow=reject-publish-dlx", "publish a b => refused b");
}

#[test]
fn bytes_are_body_bytes_of_what_waits() {
    check(
        "x-max-length-bytes=10",
        "publish a b size=5
         count => 2 ready, 0 unacked
         publish c size=1
         get => b, +1
         publish d size=9
         count => 2 ready, 1 unacked
         requeue b
         get => c, +1
         publish big size=11
         count => 0 ready, 1 unacked",
    );
}

#[test]
fn bytes_and_dead_letters_agree() {
    check(
        "x-max-length-bytes=10 x-dead-letter-exchange=d",
        "publish a b size=5
         publish c size=10 => dead a maxlen, dead b maxlen
         count => 1 ready, 0 unacked",
    );
}

/// As measured on RabbitMQ 3.10.8: the head is the highest priority, so that is what is dropped.
#[test]
fn drop_head_of_a_priority_queue_drops_the_highest() {
    check(
        "x-max-priority=5 x-max-length=2",
        "publish lo prio=0
         publish hi prio=5
         publish mid prio=3
         get no-ack => mid, +1
         get no-ack => lo, +0",
    );
}

#[test]
fn more_drops_than_one_command_may_do_go_on_with_ticks() {
    let held: Vec<String> = (0..3000).map(|n| format!("m{n}")).collect();
    let all = held.join(" ");
    let mut rig = super::rig::Rig::new("x-max-length=3000");
    rig.run(&format!("publish {all}"));
    for _ in &held {
        rig.run("get");
    }
    rig.queue.args.max_length = Some(0);
    rig.run(&format!("requeue {all}"));
    assert!(rig.ticks > 1, "one command is bounded, the rest is due at once");
    assert_eq!((rig.queue.ready(), rig.queue.deadline()), (0, None));
}
