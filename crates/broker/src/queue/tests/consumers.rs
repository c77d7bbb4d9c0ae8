//! Whose turn it is.

use super::rig::check;

#[test]
fn equal_consumers_take_turns() {
    check(
        "",
        "consume x no-ack
         consume y no-ack
         consume z no-ack
         publish a b c d e => x<a, y<b, z<c, x<d, y<e
         cancel z
         publish f g h => x<f, y<g, x<h",
    );
}

#[test]
fn consumer_without_credit_is_passed_over() {
    check(
        "",
        "consume x prefetch=1
         consume y prefetch=3
         publish a b c d e f => x<a, y<b, y<c, y<d
         count => 2 ready, 4 unacked
         ack b => y<e
         ack a => x<f
         count => 0 ready, 4 unacked",
    );
}

/// As measured on RabbitMQ 3.10.8: consumers that were acked before their turn keep their place.
#[test]
fn consumer_acked_before_its_turn_keeps_its_place() {
    check(
        "",
        "consume x prefetch=1
         consume y prefetch=1
         consume z prefetch=1
         publish a b c => x<a, y<b, z<c
         ack c a
         publish d e => x<d, z<e",
    );
}

#[test]
fn higher_priority_gets_all_while_it_has_credit() {
    check(
        "",
        "consume low
         consume high priority=10 prefetch=2
         consume neg priority=-1
         publish a b c d => high<a, high<b, low<c, low<d
         ack a => 
         publish e => high<e",
    );
}

#[test]
fn exclusive_consumer_stands_alone() {
    check(
        "",
        "consume x
         consume y exclusive => in exclusive use
         cancel x => last
         consume y exclusive
         consume x => in exclusive use
         cancel y => last
         consume x",
    );
}

#[test]
fn single_active_consumer_gets_all_until_it_goes() {
    check(
        "x-single-active-consumer=true",
        "consume x
         consume y
         publish a b => x<a, x<b
         close x => y<a*, y<b*
         cancel y => last",
    );
}

/// As measured on RabbitMQ 3.10.8: a newcomer of higher priority waits, then the highest priority follows, then age.
#[test]
fn single_active_consumer_is_followed_by_priority_then_age() {
    check(
        "x-single-active-consumer=true",
        "consume t0 no-ack
         consume t1 no-ack priority=5
         consume t2 no-ack priority=10
         consume t3 no-ack priority=10
         publish a => t0<a
         cancel t0
         publish b => t2<b
         cancel t2
         publish c => t3<c
         cancel t1
         publish d => t3<d",
    );
}

#[test]
fn single_active_consumer_without_credit_is_waited_for() {
    check(
        "x-single-active-consumer=true",
        "consume x prefetch=1
         consume y
         publish a b => x<a
         ack a => x<b
         publish c
         cancel x => y<c",
    );
}

#[test]
fn single_active_queue_admits_no_exclusive_consumer() {
    check("x-single-active-consumer=true", "consume x exclusive => in exclusive use");
}

#[test]
fn blocked_consumer_gets_nothing_until_it_resumes() {
    check(
        "",
        "consume x
         block x
         publish a b
         count => 2 ready, 0 unacked
         consume y prefetch=1 => y<a
         resume x => x<b
         publish c => x<c",
    );
}

#[test]
fn blocked_no_ack_consumer_does_not_stop_others() {
    check(
        "",
        "consume x no-ack
         consume y
         block x
         publish a => y<a
         block y
         publish b
         resume x => x<b",
    );
}

#[test]
fn prefetch_means_nothing_without_acknowledgement() {
    check("", "consume x no-ack prefetch=1\n publish a b c => x<a, x<b, x<c");
}

#[test]
fn resume_of_an_unknown_consumer_is_harmless() {
    check("", "resume x\n consume x\n resume x\n cancel y\n publish a => x<a");
}
