//! Order, acknowledgement, redelivery.

use super::rig::check;

#[test]
fn messages_leave_in_the_order_they_came() {
    check(
        "",
        "publish a b c
         count => 3 ready, 0 unacked
         get no-ack => a, +2
         consume x => x<b, x<c
         publish d => x<d
         count => 0 ready, 3 unacked
         ack b c d
         count => 0 ready, 0 unacked
         get => empty",
    );
}

#[test]
fn requeued_message_returns_to_its_place_with_redelivered() {
    check(
        "",
        "publish a b c d
         get => a, +3
         get => b, +2
         get => c, +1
         requeue b
         count => 2 ready, 2 unacked
         get => b*, +1
         get => d, +0
         requeue c a b
         get => a*, +2
         get no-ack => b*, +1
         get => c*, +0",
    );
}

#[test]
fn requeue_redelivers_at_once_to_a_waiting_consumer() {
    check(
        "",
        "consume x prefetch=2
         publish a b c => x<a, x<b
         requeue b a => x<a*, x<b*
         ack a => x<c",
    );
}

#[test]
fn get_of_a_fresh_message_is_not_redelivered() {
    check(
        "",
        "publish a\n get => a, +0\n requeue a\n get => a*, +0\n ack a\n count => 0 ready, 0 unacked",
    );
}

#[test]
fn get_does_not_use_prefetch() {
    check(
        "",
        "publish a b
         get => a, +1
         consume x prefetch=1 => x<b
         publish c
         ack a
         ack b => x<c",
    );
}

#[test]
fn a_closed_channel_gives_everything_back_in_order() {
    check(
        "",
        "consume x
         publish a b c => x<a, x<b, x<c
         consume y
         close x => y<a*, y<b*, y<c*
         count => 0 ready, 3 unacked",
    );
}

#[test]
fn cancelled_consumer_keeps_its_unacked_messages() {
    check(
        "",
        "consume x
         publish a b => x<a, x<b
         cancel x => last
         count => 0 ready, 2 unacked
         publish c
         ack a
         requeue b
         get no-ack => b*, +1",
    );
}

#[test]
fn no_ack_consumer_of_an_empty_queue_leaves_nothing_behind() {
    check(
        "",
        "consume x no-ack
         publish a b => x<a, x<b
         count => 0 ready, 0 unacked
         cancel x => last
         publish c
         consume y no-ack => y<c
         count => 0 ready, 0 unacked",
    );
}

#[test]
fn purge_takes_what_waits_and_leaves_what_is_unacked() {
    check(
        "",
        "publish a b c d e
         get => a, +4
         get => b, +3
         requeue a
         purge => 4
         count => 0 ready, 1 unacked
         publish f
         requeue b
         get no-ack => b*, +1
         get no-ack => f, +0",
    );
}

#[test]
fn delete_counts_what_waits_and_cancels_consumers() {
    check(
        "",
        "publish a b c
         consume x prefetch=1 => x<a
         delete => cancelled x, 2",
    );
}

#[test]
fn rejected_message_goes_to_the_dead_letter_exchange() {
    check(
        "x-dead-letter-exchange=dlx",
        "publish a b\n get => a, +1\n reject a => dead a rejected\n count => 1 ready, 0 unacked",
    );
}

#[test]
fn rejected_message_without_dead_letter_exchange_is_gone() {
    check("", "publish a b\n get => a, +1\n reject a\n count => 1 ready, 0 unacked");
}

#[test]
fn higher_priority_goes_first_and_older_first_within_one() {
    check(
        "x-max-priority=5",
        "publish a b
         publish c d prio=3
         publish e prio=200
         publish f prio=5
         get => e, +5
         get => f, +4
         get => c, +3
         requeue f
         get => f*, +3
         get no-ack => d, +2
         get no-ack => a, +1
         get no-ack => b, +0
         requeue c e
         publish g prio=4
         get no-ack => e*, +2
         get no-ack => g, +1
         get no-ack => c*, +0",
    );
}

#[test]
fn priority_means_nothing_without_the_argument() {
    check("", "publish a\n publish b prio=9\n get no-ack => a, +1");
}

#[test]
fn purge_empties_every_level() {
    check(
        "x-max-priority=9",
        "publish a prio=1\n publish b prio=9\n publish c\n purge => 3\n count => 0 ready, 0 unacked\n get => empty",
    );
}
