//! Where messages go: a table per exchange type, then what is between exchanges.

use crate::rig::{Rig, check};

/// Binds queues to an exchange of the type and publishes: `queue key arguments`, then `key headers => queues`.
#[track_caller]
fn routes(kind: &str, bindings: &[&str], messages: &[&str]) {
    let mut rig = Rig::new();
    rig.check(&format!("exchange x {kind}"));
    for binding in bindings {
        let (queue, rest) = binding.split_once(' ').expect("queue and key");
        rig.run(&format!("queue {queue}"));
        rig.check(&format!("bind {queue} x {rest}"));
    }
    for message in messages {
        let (what, want) = message.split_once("=>").expect("a result");
        let mut words = what.split_whitespace();
        let key = words.next().expect("a key");
        let headers = words.collect::<Vec<_>>().join(" ");
        rig.check(&format!("publish x {key} m {headers} => {want}"));
    }
}

#[test]
fn direct() {
    routes(
        "direct",
        &["a one", "b one", "b two", "c ''"],
        &[
            "one => a b",
            "two => b",
            "'' => c",
            "three => nowhere",
            "on => nowhere",
            "One => nowhere",
        ],
    );
}

#[test]
fn fanout() {
    routes("fanout", &["a one", "b two", "b three"], &["one => a b", "'' => a b"]);
}

#[test]
fn topic_words() {
    routes(
        "topic",
        &[
            "exact a.b",
            "star a.*",
            "two *.*",
            "hash a.#",
            "mid a.#.z",
            "all #",
            "none ''",
            "empty a.",
        ],
        &[
            "a.b => all exact hash star two",
            "a => all hash",
            "a.z => all hash mid star two",
            "a.b.c.z => all hash mid",
            "'' => all none",
            "a. => all empty hash star two",
            ". => all two",
            ".. => all",
            "b => all",
        ],
    );
}

#[test]
fn topic_hashes_match_no_words() {
    routes(
        "topic",
        &["one #", "two #.#", "star #.*", "around #.a.#"],
        &[
            "'' => one two",
            "a => around one star two",
            "b.a.b => around one star two",
            "b.b => one star two",
        ],
    );
}

#[test]
fn headers_all_and_any() {
    routes(
        "headers",
        &[
            "all '' x-match=all a=1 b=two",
            "any '' x-match=any a=1 b=two",
            "default '' a=1",
            "nothing ''",
            "anynothing '' x-match=any",
            "exists '' a=void",
        ],
        &[
            "k h.a=1 h.b=two => all any default exists nothing",
            "k h.a=1 => any default exists nothing",
            "k h.b=two h.c=3 => any nothing",
            "k h.a=9 => exists nothing",
            "k => nothing",
        ],
    );
}

#[test]
fn headers_that_begin_with_x() {
    routes(
        "headers",
        &[
            "all '' x-match=all x-a=1 b=2",
            "allx '' x-match=all-with-x x-a=1 b=2",
            "any '' x-match=any x-a=1 b=2",
            "anyx '' x-match=any-with-x x-a=1 b=2",
        ],
        &["k h.b=2 => all any anyx", "k h.x-a=1 => anyx", "k h.x-a=1 h.b=2 => all allx any anyx"],
    );
}

#[test]
fn headers_compare_values_by_class() {
    routes(
        "headers",
        &["int '' v=1", "text '' v=text", "one '' v=f64:1", "yes '' v=true"],
        &[
            "k h.v=i32:1 => int",
            "k h.v=f64:1 => one",
            "k h.v=true => yes",
            "k h.v=text => text",
            "k h.v=void => nowhere",
        ],
    );
}

#[test]
fn the_default_exchange_routes_by_queue_name() {
    check(
        "queue q                        => q 0 0
         publish '' q m                 => q
         publish '' r m                 => nowhere
         queue r                        => r 0 0
         publish '' r m                 => r
         delete-queue r                 => 1
         publish '' r m                 => nowhere",
    );
}

#[test]
fn exchanges_bound_in_a_circle_deliver_once() {
    check(
        "exchange a topic
         exchange b direct
         exchange c fanout internal
         xbind b a #
         xbind c b key
         xbind a c ''
         xbind a a #
         queue q                        => q 0 0
         bind q a key
         bind q b key
         bind q c ''
         publish a key m                => q
         publish b key m                => q
         queue q passive                => q 2 0
         publish c key m                => ACCESS_REFUSED - cannot publish to internal exchange 'c' in vhost '/'
         publish b other m              => nowhere
         xunbind b a #
         publish a other m              => nowhere",
    );
}

#[test]
fn alternate_exchanges_take_what_reaches_nothing() {
    check(
        "exchange last fanout internal
         exchange second direct alternate-exchange=last
         exchange first direct alternate-exchange=second
         exchange dead direct alternate-exchange=dead
         exchange lost direct alternate-exchange=nowhere
         queue q                        => q 0 0
         queue r                        => r 0 0
         queue s                        => s 0 0
         bind q first one
         bind r second two
         bind s last ''
         publish first one m            => q
         publish first two m            => r
         publish first three m          => s
         publish dead m m               => nowhere
         publish lost m m               => nowhere
         exchange nowhere fanout
         bind q nowhere ''
         publish lost m m               => q",
    );
}

#[test]
fn an_alternate_is_not_used_when_an_exchange_was_reached() {
    check(
        "exchange last fanout
         exchange empty fanout
         exchange first direct alternate-exchange=last
         queue s                        => s 0 0
         bind s last ''
         xbind empty first key
         publish first key m            => nowhere
         publish first other m          => s",
    );
}

#[test]
fn cc_and_bcc_add_keys() {
    check(
        "queue a                        => a 0 0
         queue b                        => b 0 0
         queue c                        => c 0 0
         publish '' a m cc=b,a bcc=c    => a b c
         get a                          => m /a {CC=[b a]}
         get b                          => m /a {CC=[b a]}
         get c                          => m /a {CC=[b a]}
         publish '' none m bcc=c        => c
         get c                          => m /none {}
         publish '' a m h.CC=b          => PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,\"CC\",longstr}
         publish '' a m h.BCC=1         => PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,\"BCC\",long}
         publish '' a m h.xCCx=1        => a
         queue a passive                => a 1 0",
    );
}
