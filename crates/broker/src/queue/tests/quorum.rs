//! Quorum queues: counted returns, limits, retries, priorities.

use super::rig::{Rig, check};

#[test]
fn a_returned_message_is_next_and_says_how_often_it_came_back() {
    check(
        "x-queue-type=quorum",
        "
        publish a b c
        get => a, +2
        requeue a
        get => a*1/1, +2
        requeue a
        get => a*2/2, +2
        get => b, +1
        requeue b a
        get => b*1/1, +2
        get => a*3/3, +1
        count => 1 ready, 2 unacked
        ack a
        requeue b
        get no-ack => b*2/2, +1
        get => c, +0
        ",
    );
}

#[test]
fn a_message_that_comes_back_too_often_dies() {
    for how in ["requeue", "nack"] {
        let script = "
            publish a b
            get => a, +1
            HOW a
            get => a*1/1, +1
            HOW a
            get => a*2/2, +1
            HOW a => dead a delivery_limit
            count => 1 ready, 0 unacked
            get => b, +0
            ";
        let arguments = "x-queue-type=quorum x-delivery-limit=2 x-dead-letter-exchange=d";
        check(arguments, &script.replace("HOW", how));
    }
    check(
        "x-queue-type=quorum x-delivery-limit=0",
        "
        publish a
        get => a, +0
        requeue a
        count => 0 ready, 0 unacked
        ",
    );
}

#[test]
fn the_last_consumer_of_a_limit_gets_its_credit_back() {
    check(
        "x-queue-type=quorum x-delivery-limit=0",
        "
        publish a b c
        consume x prefetch=1 => x<a
        requeue a => x<b
        requeue b => x<c
        ack c
        count => 0 ready, 0 unacked
        ",
    );
}

#[test]
fn a_closed_channel_counts_as_a_failure() {
    check(
        "x-queue-type=quorum",
        "
        publish a b
        consume x => x<a, x<b
        close x => last
        consume y => y<a*1/1, y<b*1/1
        ",
    );
}

#[test]
fn counts_survive_a_restart_and_end_with_their_message() {
    for restart in ["restart", "crash"] {
        let script = "
            publish a b c
            get => a, +2
            requeue a
            get => a*1/1, +2
            requeue a
            RESTART
            get => a*2/2, +2
            ack a
            get => b*, +1
            ";
        let script = match restart {
            "crash" => script.replace("RESTART", restart),
            _ => script.replace("RESTART", restart).replace("b*", "b"),
        };
        check("x-queue-type=quorum", &script);
    }
}

#[test]
fn priorities_are_strict_and_absent_is_four() {
    check(
        "x-queue-type=quorum",
        "
        publish none
        publish zero prio=0
        publish four prio=4
        publish three prio=3
        publish five prio=5
        publish top prio=31
        publish above prio=200
        get => top, +6
        get => above, +5
        get => five, +4
        get => none, +3
        get => four, +2
        get => three, +1
        get => zero, +0
        ",
    );
}

#[test]
fn what_came_back_goes_before_higher_priorities() {
    check(
        "x-queue-type=quorum",
        "
        publish low prio=1
        get => low, +0
        publish high prio=9
        requeue low
        get => low*1/1, +1
        get => high, +0
        ",
    );
}

#[test]
fn a_retry_waits_longer_each_time_and_no_longer_than_the_most() {
    check(
        "x-queue-type=quorum x-delayed-retry-type=all x-delayed-retry-min=100 x-delayed-retry-max=250",
        "
        publish a b
        get => a, +1
        requeue a
        count => 1 ready, 0 unacked
        deadline => 100
        get => b, +0
        requeue b
        at 99
        get => empty
        at 100
        get => a*1/1, +1
        requeue a
        get => b*1/1, +0
        ack b
        at 299
        get => empty
        at 300
        get => a*2/2, +0
        requeue a
        deadline => 550
        at 550
        consume c => c<a*3/3
        ",
    );
}

#[test]
fn a_nack_is_no_failure_for_queues_with_a_delayed_retry() {
    let queue = |which: &str| {
        format!(
            "x-queue-type=quorum x-delivery-limit=1 x-delayed-retry-min=10 x-delayed-retry-type={which}"
        )
    };
    check(
        &queue("failed"),
        "
        publish a
        get => a, +0
        nack a
        get => a*0/1, +0
        nack a
        get => a*0/2, +0
        requeue a
        get => empty
        at 10
        get => a*1/3, +0
        requeue a
        count => 0 ready, 0 unacked
        at 100
        get => empty
        ",
    );
    check(
        &queue("returned"),
        "
        publish a
        get => a, +0
        nack a
        get => empty
        at 10
        get => a*0/1, +0
        requeue a
        get => a*1/2, +0
        ",
    );
}

#[test]
fn limits_count_what_waits_for_its_retry() {
    check(
        "x-queue-type=quorum x-delayed-retry-type=all x-delayed-retry-min=10 x-max-length=2 x-overflow=reject-publish",
        "
        publish a b
        get => a, +1
        requeue a
        publish c => refused c
        get => b, +0
        publish c
        purge => 2
        count => 0 ready, 1 unacked
        ack b
        ",
    );
}

#[test]
fn what_waits_for_its_retry_comes_back_with_a_restart() {
    check(
        "x-queue-type=quorum x-delayed-retry-type=all x-delayed-retry-min=100",
        "
        publish a
        get => a, +0
        requeue a
        get => empty
        restart
        get => a*1/1, +0
        ",
    );
}

#[test]
fn returned_messages_expire_in_their_own_order() {
    check(
        "x-queue-type=quorum x-message-ttl=100 x-dead-letter-exchange=d",
        "
        publish a
        at 50
        publish b
        get => a, +1
        get => b, +0
        requeue b a
        deadline => 150
        get => b*1/1, +1
        deadline => 100
        at 100 => dead a expired
        requeue b
        at 150 => dead b expired
        ",
    );
}

#[test]
fn a_consumer_of_higher_priority_takes_over_when_the_other_one_is_done() {
    check(
        "x-queue-type=quorum x-single-active-consumer=true",
        "
        consume low priority=1 prefetch=5
        publish a b => low<a, low<b
        consume high priority=5
        publish c
        ack a
        ack b => high<c
        publish d => high<d
        consume top priority=9
        cancel top
        publish e
        ack c
        ack d => high<e
        close high => low<e*1/1
        ",
    );
    check(
        "x-queue-type=quorum x-single-active-consumer=true",
        "
        consume low
        consume high priority=1
        publish a => high<a
        cancel high
        publish b => low<b
        ",
    );
}

#[test]
fn a_purge_forgets_what_was_counted() {
    let mut rig = Rig::new("x-queue-type=quorum");
    for line in ["publish a b", "get", "requeue a", "purge", "publish c"] {
        rig.run(line);
    }
    assert_eq!(rig.queue.all_counts().map(|(_, counts)| counts.len()).sum::<usize>(), 0);
    assert_eq!(rig.run("get"), "c, +0");
}
