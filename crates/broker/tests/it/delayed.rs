//! Delayed messages, told as scripts. The clock of a rig starts at 1,000,000 ms.

use amqp::ReplyCode;

use crate::rig::{Rig, check};

const DECLARED: &str = "exchange x x-delayed-message durable x-delayed-type=topic
     queue q durable => q 0 0
     bind q x a.#";

fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.check(DECLARED);
    rig
}

/// Answers with the ids of what waits.
fn ids(rig: &mut Rig, exchange: &str) -> Vec<String> {
    let listed = rig.run(&format!("delayed {exchange}"));
    listed.split(", ").filter_map(|one| Some(one.split_once(' ')?.0.to_owned())).collect()
}

#[test]
fn a_message_goes_on_when_its_time_has_come_and_not_before() {
    rig().check(
        "publish x a.b late h.x-delay=500  =>
         publish x a.b soon h.x-delay=100  =>
         publish x a.b now                 => q
         publish x a.b zero h.x-delay=0    => q
         publish x a.b past h.x-delay=-7   => q
         get q                             => now x/a.b
         get q                             => zero x/a.b {x-delay=0}
         get q                             => past x/a.b {x-delay=-7}
         at 1000099
         get q                             => empty
         at 1000100
         get q                             => soon x/a.b {x-delay=-100}
         at 1000499
         get q                             => empty
         at 1000500
         get q                             => late x/a.b {x-delay=-500}
         delayed x                         =>",
    );
}

#[test]
fn equal_times_keep_their_order() {
    rig().check(
        "publish x a.1 first h.x-delay=100  =>
         publish x a.2 second h.x-delay=100 =>
         publish x a.3 third h.x-delay=100  =>
         consume q c no-ack
         at 2000000 => c<first x/a.1 {x-delay=-100}, c<second x/a.2 {x-delay=-100}, c<third x/a.3 {x-delay=-100}",
    );
}

#[test]
fn every_type_can_be_delayed() {
    for (kind, binding) in
        [("direct", "k"), ("fanout", "''"), ("topic", "#"), ("headers", "'' x-match=any h=1")]
    {
        check(&format!(
            "exchange x x-delayed-message x-delayed-type={kind}
             queue q                            => q 0 0
             bind q x {binding}
             publish x k m h.x-delay=10 h.h=1   =>
             at 1000010
             get q                              => m x/k {{x-delay=-10 h=1}}"
        ));
    }
}

#[test]
fn a_declare_names_a_type_that_exists() {
    let missing = "PRECONDITION_FAILED - Invalid argument, 'x-delayed-type' must be an existing exchange type";
    check(&format!(
        "exchange x x-delayed-message                     => {missing}
         exchange x x-delayed-message x-delayed-type=1    => {missing}
         exchange x x-delayed-message x-delayed-type=odd  => PRECONDITION_FAILED - unknown exchange type 'odd'
         exchange x x-delayed-message x-delayed-type=x-delayed-message => PRECONDITION_FAILED - Invalid argument, \
         'x-delayed-message' can't be used for 'x-delayed-type'
         exchanges =>
         exchange x x-delayed-message x-delayed-type=direct
         exchange x x-delayed-message x-delayed-type=fanout
         exchange x direct => PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'x' in vhost '/': \
         received 'direct' but current is 'x-delayed-message'"
    ));
}

#[test]
fn a_delay_has_a_limit_and_is_a_number() {
    let mut rig = rig();
    rig.check(
        "publish x a m h.x-delay=315360000000 =>
         publish x a m h.x-delay=315360000001 => PRECONDITION_FAILED - invalid x-delay: a message waits at most \
         315360000000 milliseconds, ten years
         publish x a m h.x-delay=soon         => PRECONDITION_FAILED - invalid x-delay: not an integer
         publish x a m h.x-delay=f64:1.9      =>
         at 1000001
         get q                                => m x/a {x-delay=-1}",
    );
    assert_eq!(ids(&mut rig, "x").len(), 1);
    rig.check(
        "at 315361000000
         get q                                => m x/a {x-delay=-315360000000}",
    );
    assert_eq!(ReplyCode::PreconditionFailed as u16, 406);
}

#[test]
fn an_expiration_counts_from_the_release() {
    rig().check(
        "publish x a m h.x-delay=1000 ttl=50 =>
         at 1001049
         queue q durable                     => q 1 0
         at 1001050
         get q                               => empty",
    );
}

#[test]
fn what_reaches_no_queue_goes_to_the_alternate_exchange_or_nowhere() {
    check(
        "exchange ae fanout
         queue lost => lost 0 0
         bind lost ae ''
         exchange x x-delayed-message x-delayed-type=direct alternate-exchange=ae
         exchange y x-delayed-message x-delayed-type=direct
         publish x k m h.x-delay=10 mandatory =>
         publish y k n h.x-delay=10 mandatory =>
         get lost                   => empty
         at 1000010
         get lost                   => m x/k {x-delay=-10}
         delayed y                  =>
         publish y k n mandatory    => nowhere",
    );
}

#[test]
fn copies_are_routed_by_all_keys_and_blind_ones_stay_hidden() {
    rig().check(
        "queue r => r 0 0
         queue s => s 0 0
         bind r x open
         bind s x blind
         publish x a m cc=open bcc=blind h.x-delay=10 =>
         get r    => empty
         at 1000010
         get q    => m x/a {CC=[open] x-delay=-10}
         get r    => m x/a {CC=[open] x-delay=-10}
         get s    => m x/a {CC=[open] x-delay=-10}",
    );
}

#[test]
fn a_delayed_exchange_behind_another_delays_too_and_only_once() {
    check(
        "exchange front fanout
         exchange x x-delayed-message x-delayed-type=fanout
         exchange y x-delayed-message x-delayed-type=fanout
         queue now => now 0 0
         queue q   => q 0 0
         bind now front ''
         xbind x front ''
         xbind y x ''
         bind q y ''
         publish front k m h.x-delay=10       => now
         get now  => m front/k {x-delay=10}
         get q    => empty
         at 1000010
         get q    => m front/k {x-delay=-10}
         publish front k m h.x-delay=soon     => now q
         publish front k m h.x-delay=315360000001 => now
         at 315361000010
         queue q => q 2 0",
    );
}

#[test]
fn two_rooms_hold_one_message_each() {
    check(
        "exchange front fanout
         exchange x x-delayed-message x-delayed-type=fanout
         exchange y x-delayed-message durable x-delayed-type=fanout
         queue q => q 0 0
         xbind x front ''
         xbind y front ''
         bind q x ''
         bind q y ''
         publish front k m h.x-delay=10 =>
         at 1000010
         get q    => m front/k {x-delay=-10}
         get q    => m front/k {x-delay=-10}
         get q    => empty",
    );
}

#[test]
fn dead_letters_wait_when_they_never_did() {
    rig().check(
        "queue d x-dead-letter-exchange=x x-dead-letter-routing-key=a => d 0 0
         publish '' d m h.x-delay=500   => d
         get d                          => m /d {x-delay=500}
         reject m
         queue q durable                => q 0 0
         at 1000500
         queue q durable                => q 1 0
         publish x a n h.x-delay=1      =>
         at 1000501
         queue q durable                => q 2 0",
    );
}

#[test]
fn a_waiting_message_can_be_cancelled_or_released() {
    let mut rig = rig();
    rig.check(
        "publish x a.1 one h.x-delay=300   =>
         publish x a.2 two h.x-delay=100   =>
         publish x a.3 three h.x-delay=200 =>",
    );
    let listed = rig.run("delayed x");
    let order: Vec<_> = listed.split(", ").filter_map(|m| Some(m.split_once(' ')?.1)).collect();
    assert_eq!(order, ["a.2@1000100", "a.3@1000200", "a.1@1000300"]);
    let ids = ids(&mut rig, "x");
    rig.check(&format!(
        "cancel-delayed {0}
         cancel-delayed {0}  => gone
         release-delayed {0} => gone
         release-delayed {1}
         release-delayed {1} => gone
         get q               => one x/a.1 {{x-delay=-300}}
         at 2000000
         get q               => three x/a.3 {{x-delay=-200}}
         get q               => empty
         cancel-delayed 0.0.0 => gone",
        ids[0], ids[2]
    ));
    let stats = rig.broker.delayed_stats();
    assert_eq!((stats.released, stats.cancelled, stats.corrupt), (2, 1, 0));
    assert_eq!(rig.broker.delayed_count(), 0);
}

#[test]
fn a_listing_goes_on_where_the_last_one_ended() {
    let mut rig = rig();
    for n in 0..10 {
        rig.run(&format!("publish x a.{n} m h.x-delay={}", 100 - n));
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let store = rig.store.as_mut().expect("open");
        let page = rig.broker.delayed(store, "/", "x", after, 3).expect("listed");
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page.iter().map(|message| message.due));
    }
    assert_eq!(seen, (1_000_091..=1_000_100).collect::<Vec<_>>());
    let store = rig.store.as_mut().expect("open");
    let error = rig.broker.delayed(store, "/", "none", None, 3).expect_err("no exchange");
    assert_eq!(error.reply_text(), "NOT_FOUND - no exchange 'none' in vhost '/'");
    assert_eq!(rig.broker.delayed(store, "/", "amq.topic", None, 3).expect("listed"), []);
}

#[test]
fn deleting_the_exchange_drops_what_waits() {
    let mut rig = rig();
    rig.check(
        "publish x a m h.x-delay=100 =>
         delete-exchange x
         exchange x x-delayed-message durable x-delayed-type=topic
         delayed x                   =>
         at 1000100
         get q                       => empty
         exchange y x-delayed-message auto-delete durable x-delayed-type=fanout
         bind q y ''
         publish y k m h.x-delay=100 =>
         unbind q y ''
         at 1000300
         restart",
    );
    assert_eq!(rig.broker.delayed_count(), 0);
    rig.check("delayed x =>\n queue q durable => q 0 0");
}

#[track_caller]
fn survives(how: &str) {
    rig().check(&format!(
        "exchange t x-delayed-message x-delayed-type=topic
         bind q t #
         publish x a.1 transient h.x-delay=300             =>
         publish x a.2 persistent persistent h.x-delay=200 =>
         publish t a.3 lost persistent h.x-delay=200       =>
         publish x a.4 never persistent h.x-delay=200      =>
         {how}
         exchanges => x:x-delayed-message
         at 1000199
         get q no-ack => empty
         at 1000200
         get q no-ack => persistent x/a.2 {{x-delay=-200}}
         get q no-ack => never x/a.4 {{x-delay=-200}}
         get q no-ack => empty
         {how}
         at 1000300
         get q no-ack => transient x/a.1 {{x-delay=-300}}
         {how}
         at 2000000
         get q no-ack => empty
         delayed x    =>"
    ));
}

#[test]
fn messages_of_a_durable_exchange_survive_a_clean_stop() {
    survives("restart");
}

#[test]
fn messages_of_a_durable_exchange_survive_a_crash() {
    survives("crash");
}

#[test]
fn a_clock_that_jumps_ahead_releases_and_one_that_goes_back_waits() {
    let mut rig = rig();
    rig.check("publish x a m h.x-delay=1000 =>\n publish x a n h.x-delay=5000 =>");
    rig.now = 500_000;
    let (broker, mut cx) = rig.parts();
    broker.tick(&mut cx);
    rig.check("get q => empty");
    rig.now = 9_000_000_000;
    let (broker, mut cx) = rig.parts();
    broker.tick(&mut cx);
    rig.check("get q => m x/a {x-delay=-1000}\n get q => n x/a {x-delay=-5000}");
}

#[test]
fn a_tick_releases_a_bounded_number_and_is_due_again() {
    let mut rig = rig();
    for _ in 0..1000 {
        rig.run("publish x a m h.x-delay=10");
    }
    rig.now += 10;
    let mut ticks = 0;
    while rig.broker.deadline().is_some_and(|time| time <= rig.now) {
        let (broker, mut cx) = rig.parts();
        broker.tick(&mut cx);
        ticks += 1;
    }
    assert_eq!(ticks, 4);
    rig.check("queue q durable => q 1000 0");
}

/// After a crash the transient queue and its binding are gone. That is no unbinding: what waits was confirmed.
#[test]
fn a_crash_does_not_delete_an_auto_delete_exchange_by_what_it_took_along() {
    for (bound, last) in [
        ("bind d x ''", "unbind d x ''"),
        ("bind d x ''", "delete-queue d => 0"),
        ("xbind e x ''", "xunbind e x ''"),
        ("xbind e x ''", "delete-exchange e"),
    ] {
        let mut rig = Rig::new();
        rig.check(&format!(
            "exchange x x-delayed-message durable auto-delete x-delayed-type=fanout
             exchange e fanout durable
             queue d durable              => d 0 0
             queue t                      => t 0 0
             bind t x ''
             {bound}
             publish x k m h.x-delay=1000 =>
             {last}
             crash"
        ));
        assert_eq!(rig.broker.delayed_in("/", "x"), Some(1), "{last}");
        rig.check(
            "queue n                      => n 0 0
             bind n x ''
             at 1001000
             get n                        => m x/k {x-delay=-1000}
             unbind n x ''",
        );
        assert!(!rig.run("exchanges").contains("x:"), "it goes with its last binding");
    }
}

#[test]
fn an_auto_delete_exchange_that_went_stays_away_after_a_crash() {
    for last in ["unbind d x ''", "delete-queue d => 0", "delete-exchange x"] {
        rig().check(&format!(
            "exchange front fanout durable auto-delete
             exchange x2 x-delayed-message durable auto-delete x-delayed-type=fanout
             queue d durable              => d 0 0
             xbind x2 front ''
             bind d x2 ''
             publish front k m h.x-delay=1000 =>
             {}
             exchanges                    => x:x-delayed-message
             crash
             exchanges                    => x:x-delayed-message",
            last.replace(" x", " x2"),
        ));
    }
}

const FULL: &str = "queue full durable x-max-length=1 x-overflow=reject-publish => full 0 0
     bind full x a.full
     publish x a.full first => full q
     get q no-ack           => first x/a.full
     publish x a.full m h.x-delay=10 =>
     at 1000010";

/// Its publisher, who was told that it is safe, is not there any more to try again.
#[test]
fn what_a_full_queue_refuses_comes_when_there_is_room_and_other_queues_get_it_once() {
    let mut rig = rig();
    rig.check(FULL);
    rig.check(
        "get q no-ack               => m x/a.full {x-delay=-10}
         at 1001009
         purge full                 => 1
         queue full passive         => full 0 0
         at 1001010
         get full                   => m x/a.full {x-delay=-10}
         get q                      => empty
         delayed x                  =>
         at 2000000
         get q                      => empty",
    );
    let stats = rig.broker.delayed_stats();
    assert_eq!((stats.released, stats.refused, stats.unroutable), (1, 1, 0));
    assert_eq!(stats.late_sum_ms, 1000);
}

#[test]
fn the_longer_a_message_is_refused_the_less_often_it_is_tried() {
    let mut rig = rig();
    rig.check(FULL);
    let mut tries = Vec::new();
    while rig.now < 1_600_000 {
        let before = rig.broker.delayed_stats().refused;
        rig.run(&format!("at {}", rig.now + 1000));
        if rig.broker.delayed_stats().refused > before {
            tries.push((rig.now - 1_000_010) / 1000);
        }
    }
    assert_eq!(tries, [1, 2, 4, 8, 16, 32, 64, 124, 184, 244, 304, 364, 424, 484, 544]);
    let ids = ids(&mut rig, "x");
    rig.check(&format!("release-delayed {}", ids[0]));
    assert_eq!(rig.broker.delayed_in("/", "x"), Some(1), "there is still no room");
    rig.check("purge full => 1");
    let ids = self::ids(&mut rig, "x");
    rig.check(&format!("release-delayed {}\n get full => m x/a.full {{x-delay=-10}}", ids[0]));
}

#[test]
fn a_refused_message_survives_a_crash_and_can_be_cancelled() {
    for how in ["restart", "crash"] {
        let mut rig = rig();
        rig.check(FULL);
        rig.check(&format!("{how}\n purge full => 0\n at 1000011"));
        rig.check(
            "get full                   => m x/a.full {x-delay=-10}
             delayed x                  =>",
        );
    }
    let mut rig = rig();
    rig.check(FULL);
    let ids = ids(&mut rig, "x");
    rig.check(&format!(
        "cancel-delayed {}\n purge full => 1\n at 1100000\n get full => empty",
        ids[0]
    ));
}

#[test]
fn what_a_full_queue_refuses_and_dead_letters_has_arrived() {
    let mut rig = rig();
    rig.check(
        "queue dead                 => dead 0 0
         queue full x-max-length=0 x-overflow=reject-publish-dlx x-dead-letter-exchange= \
            x-dead-letter-routing-key=dead => full 0 0
         bind full x b
         publish x b m h.x-delay=10 =>
         at 1000010
         queue dead passive         => dead 1 0
         delayed x                  =>",
    );
    assert_eq!(rig.broker.delayed_stats().refused, 0);
}
