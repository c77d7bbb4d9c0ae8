//! Exchanges that choose: by a hash or at random, and what one remembers for those who come later.

use std::collections::BTreeMap;

use crate::rig::{Rig, check};

/// How often each queue was reached by messages with different keys.
fn spread(
    rig: &mut Rig,
    messages: usize,
    publish: impl Fn(usize) -> String,
) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for n in 0..messages {
        *counts.entry(rig.run(&publish(n))).or_default() += 1;
    }
    counts
}

#[test]
fn a_key_goes_the_same_way_after_a_restart() {
    let mut rig = Rig::new();
    rig.check("exchange x x-consistent-hash durable\nexchange y x-modulus-hash durable");
    for queue in ["a", "b", "gone", "c", "d"] {
        rig.check(&format!("queue {queue} durable => {queue} 0 0"));
        rig.check(&format!("bind {queue} x 2\nbind {queue} y k"));
    }
    rig.check("delete-queue gone => 0\nbind d x 9");
    let publish = |n: usize| format!("publish {} key-{n} m persistent", ["x", "y"][n % 2]);
    let before: Vec<String> = (0..100).map(|n| rig.run(&publish(n))).collect();
    for way in ["restart", "crash", "restart"] {
        rig.check(way);
        let after: Vec<String> = (0..100).map(|n| rig.run(&publish(n))).collect();
        assert_eq!(after, before, "after a {way}");
    }
}

#[test]
fn one_of_them_gets_each_message() {
    for (kind, key) in [
        ("x-consistent-hash", "1"),
        ("x-modulus-hash", "k"),
        ("x-random", "k"),
        ("x-local-random", "''"),
    ] {
        let mut rig = Rig::new();
        rig.check(&format!("exchange x {kind}\npublish x k m => nowhere"));
        for queue in ["a", "b", "c", "d"] {
            rig.check(&format!("queue {queue} => {queue} 0 0\nbind {queue} x {key}"));
        }
        let counts = spread(&mut rig, 2000, |n| format!("publish x key-{n} m"));
        assert_eq!(counts.keys().collect::<Vec<_>>(), ["a", "b", "c", "d"], "{kind}");
        assert!(counts.values().all(|count| (420..580).contains(count)), "{kind}: {counts:?}");
        // The route of a channel's cache must not make chance stop.
        let counts = spread(&mut rig, 2000, |_| "publish x key m".to_owned());
        match kind {
            "x-random" | "x-local-random" => {
                assert!(
                    counts.values().all(|count| (420..580).contains(count)),
                    "{kind}: {counts:?}"
                );
            }
            _ => assert_eq!(counts.len(), 1, "{kind}"),
        }
    }
}

#[test]
fn a_header_decides_and_not_the_cache() {
    let mut rig = Rig::new();
    rig.check("exchange x x-consistent-hash hash-header=h\nexchange y fanout\nxbind x y k");
    for queue in ["a", "b", "c", "d"] {
        rig.check(&format!("queue {queue} => {queue} 0 0\nbind {queue} x 1"));
    }
    let counts = spread(&mut rig, 2000, |n| format!("publish y key m h.h=v{n}"));
    assert!(counts.values().all(|count| (420..580).contains(count)), "{counts:?}");
    let counts = spread(&mut rig, 100, |n| format!("publish y key-{n} m h.h=v"));
    assert_eq!(counts.len(), 1);
}

#[test]
fn a_binding_that_is_made_twice_is_chosen_twice_as_often() {
    for kind in ["x-modulus-hash", "x-random"] {
        let mut rig = Rig::new();
        rig.check(&format!("exchange x {kind}\nqueue a => a 0 0\nqueue b => b 0 0"));
        rig.check("bind a x one\nbind a x two\nbind b x one");
        let counts = spread(&mut rig, 3000, |n| format!("publish x key-{n} m"));
        assert!((1850..2150).contains(&counts["a"]), "{kind}: {counts:?}");
        rig.check("unbind a x one\nunbind a x two\npublish x k m => b\nunbind b x one\npublish x k m => nowhere");
    }
}

#[test]
fn what_cannot_be_declared_or_bound() {
    check(
        "
        exchange h x-consistent-hash hash-property=app_id => PRECONDITION_FAILED - Unsupported property: app_id
        exchange h x-consistent-hash hash-property=message_id hash-header=h => PRECONDITION_FAILED - hash-header and hash-property are mutually exclusive
        exchange h x-consistent-hash hash-header=i32:5 => PRECONDITION_FAILED - invalid type 'signedint' for arg 'hash-header'
        exchange h x-consistent-hash x-hash-on=h x-algorithm=jump
        exchange l x-local-random
        exchange m x-recent-history x-recent-history-length=0 => PRECONDITION_FAILED - Invalid argument 0, 'x-recent-history-length' must be a positive integer
        exchange m x-recent-history x-recent-history-length=five => PRECONDITION_FAILED - Invalid argument <<\"five\">>, 'x-recent-history-length' must be a positive integer
        exchange m x-recent-history x-recent-history-length=true => PRECONDITION_FAILED - Invalid argument true, 'x-recent-history-length' must be a positive integer
        exchange d x-delayed-message x-delayed-type=x-recent-history x-recent-history-length=0 => PRECONDITION_FAILED - Invalid argument 0, 'x-recent-history-length' must be a positive integer
        exchange d x-delayed-message x-delayed-type=x-consistent-hash
        queue q => q 0 0
        queue r durable x-queue-type=quorum => r 0 0
        bind q h 0 => PRECONDITION_FAILED - The binding key must be greater than 0
        bind q h one => PRECONDITION_FAILED - The binding key must be an integer: <<\"one\">>
        bind q d '' => PRECONDITION_FAILED - The binding key must be an integer: <<>>
        bind q h 1
        bind q l k => PRECONDITION_FAILED - Non empty binding 'k' key not permitted
        bind r l '' => PRECONDITION_FAILED - Queue type rabbit_quorum_queue not valid for this exchange type
        xbind h l '' => PRECONDITION_FAILED - Destination not found
        bind q l ''
        publish l anything m => q
        ",
    );
}

#[test]
fn who_is_bound_later_gets_the_last_messages() {
    check(
        "
        exchange x x-recent-history x-recent-history-length=3
        queue first => first 0 0
        publish x k 0 => nowhere
        bind first x k
        get first => 0 x/k
        publish x a 1 => first
        publish x b 2 h.x-recent-history-no-store=true => first
        publish x c 3 => first
        publish x c 4 => first
        publish x c 5 h.x-recent-history-no-store=1 => first
        queue second => second 0 0
        bind second x k
        get second no-ack => 3 x/c
        get second no-ack => 4 x/c
        get second no-ack => 5 x/c {x-recent-history-no-store=1}
        get second => empty
        bind second x k
        get second => empty
        exchange y direct
        queue third => third 0 0
        queue fourth => fourth 0 0
        bind third y c
        bind fourth y d
        xbind y x ''
        queue third => third 3 0
        queue fourth => fourth 0 0
        delete-exchange x
        exchange x x-recent-history
        bind fourth x ''
        queue fourth => fourth 0 0
        ",
    );
}

/// The messages come by other exchanges and by dead lettering, too, and their own expiration begins when they are bound.
#[test]
fn an_exchange_remembers_what_comes_by_any_way() {
    check(
        "
        exchange x x-recent-history durable
        exchange y fanout alternate-exchange=x
        queue dying x-dead-letter-exchange=x x-max-length=1 => dying 0 0
        publish y k a ttl=50 => nowhere
        publish '' dying b => dying
        publish '' dying c => dying
        at 1000100
        queue late => late 0 0
        bind late x ''
        get late no-ack => a y/k expiration=50
        queue late => late 1 0
        queue later => later 0 0
        bind later x ''
        at 1000200
        queue later => later 1 0
        restart
        queue latest => latest 0 0
        bind latest x ''
        queue latest => latest 0 0
        ",
    );
}

#[test]
fn a_history_is_bounded_in_bytes() {
    let mut rig = Rig::new();
    rig.check("exchange x x-recent-history x-recent-history-length=1000000\nqueue q => q 0 0");
    let body = "b".repeat(1 << 20);
    for _ in 0..40 {
        rig.check(&format!("publish x k {body} => nowhere"));
    }
    rig.check("bind q x ''\nqueue q => q 15 0");
}
