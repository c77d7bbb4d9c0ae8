//! At-least-once dead lettering: what cannot go where it should is kept, and goes when it can.

use crate::rig::{Rig, check};

const QUEUE: &str = "queue q durable x-queue-type=quorum x-overflow=reject-publish x-dead-letter-exchange=dlx \
                     x-dead-letter-strategy=at-least-once";

#[track_caller]
fn scripted(script: &str) -> Rig {
    let mut rig = Rig::new();
    rig.check(&script.replace("QUEUE", QUEUE));
    rig
}

#[test]
fn what_has_no_way_is_kept_until_there_is_one() {
    let rig = scripted(
        "QUEUE => q 0 0
         publish '' q a              => q
         get q                       => a /q
         reject a
         kept q                      => 1
         at 1001000
         kept q                      => 1
         exchange dlx fanout durable
         at 1001001
         kept q                      => 1
         queue dead durable          => dead 0 0
         bind dead dlx ''
         at 1001201
         kept q                      => 0
         queue dead passive          => dead 1 0
         at 1100000
         queue dead passive          => dead 1 0",
    );
    let stats = rig.broker.stats();
    assert_eq!(stats.messages_dead_lettered_rejected, 1);
    assert_eq!(stats.messages_dead_lettered_confirmed, 1);
    assert_eq!(rig.broker.deadline(), None, "nothing is left to try");
}

#[test]
fn a_target_that_is_full_gets_it_later() {
    scripted(
        "QUEUE => q 0 0
         exchange dlx fanout durable
         queue dead durable x-max-length=1 x-overflow=reject-publish => dead 0 0
         bind dead dlx ''
         publish '' q a              => q
         publish '' q b              => q
         get q                       => a /q
         reject a
         get q                       => b /q
         reject b
         kept q                      => 1
         at 1060000
         kept q                      => 1
         purge dead                  => 1
         at 1066000
         kept q                      => 0
         queue dead passive          => dead 1 0",
    );
}

#[test]
fn a_queue_that_has_it_does_not_get_it_again() {
    scripted(
        "QUEUE => q 0 0
         exchange dlx fanout durable
         queue full durable x-max-length=0 x-overflow=reject-publish => full 0 0
         queue open durable          => open 0 0
         bind full dlx ''
         bind open dlx ''
         publish '' q a              => q
         get q                       => a /q
         reject a
         kept q                      => 1
         queue open passive          => open 1 0
         at 1060000
         kept q                      => 1
         queue open passive          => open 1 0
         delete-queue full           => 0
         at 1060001
         kept q                      => 0
         queue open passive          => open 1 0",
    );
}

#[test]
fn kept_dead_letters_survive_a_restart_with_their_reason() {
    for how in ["restart", "crash"] {
        let mut rig = scripted(
            &"QUEUE => q 0 0
              publish '' q a h.n=1        => q
              publish '' q b ttl=50       => q
              get q                       => a /q {n=1}
              reject a
              at 1000050
              kept q                      => 2
              HOW
              queue q passive             => q 0 0
              kept q                      => 2
              at 1000051
              kept q                      => 2
              exchange dlx fanout durable
              queue dead durable          => dead 0 0
              bind dead dlx ''
              at 1009000
              kept q                      => 0
              HOW
              queue dead passive          => dead 2 0"
                .replace("HOW", how),
        );
        let first = rig.run("get dead no-ack");
        let second = rig.run("get dead no-ack");
        let both = format!("{first}\n{second}");
        assert!(
            both.contains("{n=1 x-death=[{count=1 reason=rejected queue=q time=@1000 exchange= routing-keys=[q]}]"),
            "{both}"
        );
        assert!(
            both.contains(
                "{x-death=[{original-expiration=50 count=1 reason=expired queue=q time=@1000"
            ),
            "{both}"
        );
    }
}

#[test]
fn the_limit_of_the_queue_counts_what_it_keeps() {
    check(
        "queue q durable x-queue-type=quorum x-overflow=reject-publish x-dead-letter-exchange=dlx \
            x-dead-letter-strategy=at-least-once x-max-length=2 => q 0 0
         publish '' q a  => q
         publish '' q b  => q
         get q           => a /q
         reject a
         publish '' q c  => refused
         kept q          => 1
         purge q         => 2
         kept q          => 0
         publish '' q c  => q",
    );
}

#[test]
fn without_reject_publish_or_in_a_classic_queue_nothing_is_kept() {
    check(
        "queue q durable x-queue-type=quorum x-dead-letter-exchange=dlx x-dead-letter-strategy=at-least-once => q 0 0
         publish '' q a  => q
         get q           => a /q
         reject a
         kept q          => 0
         delete-queue q  => 0",
    );
}

#[test]
fn a_message_that_could_only_go_round_stays_until_it_is_purged() {
    let mut rig = Rig::new();
    rig.check(
        "queue q durable x-queue-type=quorum x-overflow=reject-publish x-message-ttl=10 x-dead-letter-exchange= \
            x-dead-letter-routing-key=q x-dead-letter-strategy=at-least-once => q 0 0
         publish '' q a              => q
         at 1000010
         kept q                      => 1
         at 1600000
         kept q                      => 1
         purge q                     => 1
         at 1700000
         kept q                      => 0",
    );
    assert_eq!(rig.broker.deadline(), None);
}

#[test]
fn another_dead_letter_exchange_is_a_way_for_what_is_kept() {
    let mut rig = scripted(
        "QUEUE => q 0 0
         queue dead durable          => dead 0 0
         publish '' q a              => q
         get q                       => a /q
         reject a
         at 1000001
         kept q                      => 1
         exchange dlx fanout durable
         bind dead dlx ''
         unbind dead dlx ''
         at 1000002
         kept q                      => 1
         bind dead dlx ''
         at 1000202
         kept q                      => 0
         queue dead passive          => dead 1 0",
    );
    assert_eq!(rig.run("delete-queue q"), "0");
}

#[test]
fn a_thousand_kept_dead_letters_all_arrive() {
    let mut rig = scripted("QUEUE => q 0 0");
    for n in 0..3000 {
        rig.check(&format!("publish '' q m{n} ttl=10 => q"));
    }
    rig.check(
        "at 1000010
         kept q                      => 3000
         exchange dlx fanout durable
         queue dead durable          => dead 0 0
         bind dead dlx ''
         at 1000011
         kept q                      => 0
         queue dead passive          => dead 3000 0",
    );
}

/// NServiceBus and Celery delay messages with 28 queues whose messages live twice as long each, one for every bit of the
/// delay: a message that has the bit waits in the queue, one that has not goes past it.
#[test]
fn a_message_goes_through_28_levels_and_none_is_lost() {
    const LEVELS: u32 = 28;
    let mut rig = Rig::new();
    let level = |n: u32| format!("delay-level-{n:02}");
    rig.check("exchange delivery topic durable");
    for n in 0..LEVELS {
        let (name, down) = (level(n), n.checked_sub(1).map_or("delivery".to_owned(), level));
        let before = "*.".repeat((LEVELS - 1 - n) as usize);
        rig.check(&format!(
            "exchange {name} topic durable
             queue {name} durable x-queue-type=quorum x-overflow=reject-publish x-message-ttl={} \
                x-dead-letter-exchange={down} x-dead-letter-strategy=at-least-once => {name} 0 0
             bind {name} {name} {before}1.#
             xbind {down} {name} {before}0.#",
            1000_u64 << n
        ));
    }
    rig.check("queue home durable x-queue-type=quorum => home 0 0\n bind home delivery #.home");

    let start = rig.now;
    let delays: Vec<u64> =
        (0..60).map(|n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (36 + n % 24)).collect();
    for delay in &delays {
        let bits = (0..LEVELS).rev().map(|bit| if delay >> bit & 1 == 1 { "1." } else { "0." });
        let key = bits.collect::<String>() + "home";
        rig.run(&format!("publish {} {key} m{delay}", level(LEVELS - 1)));
    }
    let mut due: Vec<u64> = delays.iter().map(|delay| start + delay * 1000).collect();
    due.sort_unstable();
    let mut stops: Vec<u64> = due.iter().flat_map(|time| [time.saturating_sub(1), *time]).collect();
    stops.retain(|time| *time >= start);
    stops.sort_unstable();
    for stop in stops {
        rig.run(&format!("at {stop}"));
        let arrived = due.iter().filter(|time| **time <= stop).count();
        assert_eq!(rig.run("queue home passive"), format!("home {arrived} 0"), "at {stop}");
    }
    let stats = rig.broker.stats();
    assert_eq!(stats.messages_dead_lettered_expired, stats.messages_dead_lettered_confirmed);
    assert!((0..LEVELS).all(|n| rig.kept(&level(n)) == 0));
}

/// Clients that come and go change the topology all the time: each tries what is kept, a batch of a thousand, at most every
/// now and then.
#[test]
fn a_topology_that_never_stands_still_is_no_reason_to_try_all_the_time() {
    let mut rig = scripted(
        "QUEUE => q 0 0
         publish '' q a              => q
         get q                       => a /q
         reject a
         queue other                 => other 0 0
         at 1010000",
    );
    let mut ticks = 0;
    for _ in 0..100 {
        rig.check("queue t => t 0 0\n delete-queue t => 0");
        rig.now += 10;
        while rig.broker.deadline().is_some_and(|time| time <= rig.now) {
            let (broker, mut cx) = rig.parts();
            broker.tick(&mut cx);
            ticks += 1;
        }
    }
    assert!((4..=8).contains(&ticks), "{ticks}");
}
