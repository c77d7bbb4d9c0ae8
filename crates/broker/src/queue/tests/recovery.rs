//! A queue that comes back from the store.

use super::rig::{Rig, check};

#[test]
fn everything_unsettled_waits_after_a_clean_stop() {
    check(
        "",
        "publish a b c d e
         get => a, +4
         get => b, +3
         get => c, +2
         ack b
         requeue c
         restart
         count => 4 ready, 0 unacked
         at 0
         get => a*, +3
         get => c*, +2
         get => d, +1
         get => e, +0",
    );
}

#[test]
fn after_a_crash_everything_may_have_been_delivered() {
    check(
        "",
        "publish a b\n get => a, +1\n crash\n at 0\n get => a*, +1\n get => b*, +0\n publish c\n get => c, +0",
    );
}

#[test]
fn levels_come_back_as_they_were() {
    check(
        "x-max-priority=9",
        "publish a prio=1
         publish b prio=9
         publish c
         restart
         get => b, +2
         get => a, +1
         get => c, +0",
    );
}

#[test]
fn ages_go_on_after_a_restart() {
    check(
        "x-message-ttl=100",
        "publish a
         at 50
         publish b
         restart
         deadline => now
         at 60
         deadline => 100
         at 100
         deadline => 150
         count => 1 ready, 0 unacked",
    );
}

#[test]
fn own_expiration_goes_on_after_a_restart() {
    check(
        "",
        "publish a ttl=100\n publish b\n restart\n at 1\n deadline => 100\n at 100\n deadline => never\n get => b, +0",
    );
}

#[test]
fn empty_queue_needs_no_tick_after_a_restart() {
    check(
        "",
        "publish a\n get no-ack => a, +0\n restart\n deadline => never\n count => 0 ready, 0 unacked",
    );
}

#[test]
fn limits_hold_after_a_restart() {
    check(
        "x-max-length=2",
        "publish a b\n restart\n publish c\n count => 2 ready, 0 unacked\n get => b, +1",
    );
    check(
        "x-max-length-bytes=4",
        "publish a b size=2\n restart\n publish c size=2\n count => 2 ready, 0 unacked",
    );
}

#[test]
fn unreadable_message_is_passed_over_and_stays_in_the_store() {
    let mut rig = Rig::new("");
    rig.run("publish a unlucky b");
    rig.run("damage unlucky");
    assert_eq!(rig.run("get"), "a*, +1");
    assert_eq!(rig.run("consume x"), "x<b*");
    assert_eq!((rig.queue.stats.corrupt, rig.queue.ready(), rig.queue.unacked()), (1, 0, 2));
    assert_eq!(rig.run("ack a b"), "");
    assert_eq!(rig.run("purge"), "0");
}

#[test]
fn unreadable_message_does_not_stop_those_behind_it_from_expiring() {
    let mut rig = Rig::new("x-message-ttl=10 x-dead-letter-exchange=d");
    rig.run("publish a unlucky b");
    rig.run("damage unlucky");
    assert_eq!(rig.run("at 10"), "dead a expired, dead b expired");
    assert_eq!(rig.queue.stats.corrupt, 1);
}

/// Most of it is in sealed files by then, where a message is a bit to the store.
#[test]
fn long_backlog_keeps_order_and_counts() {
    let mut rig = Rig::new("");
    let names: Vec<String> = (0..2000).map(|n| format!("m{n}")).collect();
    for some in names.chunks(100) {
        rig.run(&format!("publish {} size=1500", some.join(" ")));
        rig.run("sync");
    }
    assert_eq!(rig.run("count"), "2000 ready, 0 unacked");
    let gets = |rig: &mut Rig, count: usize, again: &str| {
        for name in &names[..count] {
            let left = rig.queue.ready() - 1;
            assert_eq!(rig.run("get"), format!("{name}{again}, +{left}"));
        }
    };
    gets(&mut rig, 1000, "");
    rig.run(&format!("requeue {}", names[..1000].join(" ")));
    rig.run("sync");
    gets(&mut rig, 1000, "*");
    let odd: Vec<&str> = names[..1000].iter().skip(1).step_by(2).map(String::as_str).collect();
    rig.run(&format!("ack {}", odd.join(" ")));
    rig.run("sync");
    rig.run("crash");
    assert_eq!(rig.run("count"), "1500 ready, 0 unacked");
    let even = names[..1000].iter().step_by(2);
    for name in even.chain(&names[1000..]) {
        let left = rig.queue.ready() - 1;
        assert_eq!(rig.run("get no-ack"), format!("{name}*, +{left}"));
    }
}
