//! Dead letters: where they go, what they carry, and what must not go round for ever.

use crate::rig::{Rig, check};

/// The first death of `m` in queue `q`, in RabbitMQ's order of fields.
const TABLE: &str = "count=1 reason=rejected queue=q time=@1000 exchange= routing-keys=[q]";

#[test]
fn a_rejected_message_goes_to_the_exchange_with_its_history() {
    let mut rig = Rig::new();
    rig.check(
        "queue q x-dead-letter-exchange=dlx => q 0 0
         queue dead                     => dead 0 0
         exchange dlx fanout
         bind dead dlx ''
         publish '' q m h.a=1           => q
         get q                          => m /q {a=1}
         reject m
         queue q passive                => q 0 0",
    );
    assert_eq!(
        rig.run("get dead"),
        format!(
            "m dlx/q {{a=1 x-death=[{{{TABLE}}}] x-first-death-reason=rejected x-first-death-queue=q \
             x-first-death-exchange= x-last-death-reason=rejected x-last-death-queue=q x-last-death-exchange=}}"
        )
    );
    assert_eq!(rig.broker.stats().messages_dead_lettered_rejected, 1);
}

#[test]
fn an_expiration_is_removed_and_remembered() {
    let mut rig = Rig::new();
    rig.check(
        "queue q x-dead-letter-exchange= x-dead-letter-routing-key=dead => q 0 0
         queue dead                     => dead 0 0
         publish '' q m ttl=50          => q
         at 1000049
         queue dead passive             => dead 0 0
         at 1005000
         queue dead passive             => dead 1 0
         at 9000000
         queue dead passive             => dead 1 0",
    );
    let got = rig.run("get dead");
    assert!(
        got.starts_with(
            "m /dead {x-death=[{original-expiration=50 count=1 reason=expired queue=q time=@1000 exchange= \
             routing-keys=[q]}] x-first-death-reason=expired"
        ),
        "{got}"
    );
}

#[test]
fn a_queue_too_long_dead_letters_its_head() {
    check(
        "queue q x-max-length=1 x-dead-letter-exchange= x-dead-letter-routing-key=dead => q 0 0
         queue dead                     => dead 0 0
         publish '' q one               => q
         publish '' q two               => dead q
         queue q passive                => q 1 0
         get q                          => two /q
         queue dead passive             => dead 1 0",
    );
}

#[test]
fn reject_publish_dlx_refuses_and_sends_a_copy() {
    let mut rig = Rig::new();
    rig.check(
        "queue q x-max-length=1 x-overflow=reject-publish-dlx x-dead-letter-exchange= x-dead-letter-routing-key=dead => q 0 0
         queue dead                     => dead 0 0
         publish '' q one               => q
         publish '' q two               => refused dead
         queue q passive                => q 1 0",
    );
    let got = rig.run("get dead");
    assert!(got.starts_with("two /dead {x-death=[{count=1 reason=maxlen queue=q"), "{got}");
}

#[test]
fn without_a_key_the_copy_keeps_all_keys() {
    let mut rig = Rig::new();
    rig.check(
        "exchange dlx direct
         queue q x-dead-letter-exchange=dlx => q 0 0
         queue a                        => a 0 0
         queue b                        => b 0 0
         queue c                        => c 0 0
         bind a dlx q
         bind b dlx cc
         bind c dlx bcc
         publish '' q m cc=cc bcc=bcc   => q
         get q                          => m /q {CC=[cc]}
         reject m
         queue a passive                => a 1 0
         queue b passive                => b 1 0
         queue c passive                => c 1 0",
    );
    let got = rig.run("get c");
    assert!(got.starts_with("m dlx/q {CC=[cc] x-death=["), "{got}");
    assert!(got.contains("routing-keys=[q cc]"), "without the blind copy: {got}");
}

#[test]
fn with_a_key_only_that_key_counts() {
    let mut rig = Rig::new();
    rig.check(
        "exchange dlx direct
         queue q x-dead-letter-exchange=dlx x-dead-letter-routing-key=key => q 0 0
         queue a                        => a 0 0
         queue b                        => b 0 0
         bind a dlx key
         bind b dlx cc
         publish '' q m cc=cc bcc=cc    => q
         get q                          => m /q {CC=[cc]}
         reject m
         queue a passive                => a 1 0
         queue b passive                => b 0 0",
    );
    let got = rig.run("get a");
    assert!(got.starts_with("m dlx/key {x-death=["), "{got}");
    assert!(got.contains("routing-keys=[q cc]"), "{got}");
}

#[test]
fn deaths_of_one_queue_and_reason_are_one_entry_that_counts() {
    let mut rig = Rig::new();
    rig.check(
        "queue work x-dead-letter-exchange= x-dead-letter-routing-key=wait => work 0 0
         queue wait x-message-ttl=10 x-dead-letter-exchange= x-dead-letter-routing-key=work => wait 0 0
         publish '' work m              => work",
    );
    for round in 0..3 {
        let got = rig.run("get work");
        assert!(got.starts_with("m /work"), "round {round}: {got}");
        rig.check("reject m");
        rig.run(&format!("at {}", 1_001_000 + 1000 * round));
    }
    let got = rig.run("get work");
    assert!(
        got.starts_with(
            "m /work {x-death=[{count=3 reason=expired queue=wait time=@1000 exchange= routing-keys=[wait]} \
             {count=3 reason=rejected queue=work time=@1000 exchange= routing-keys=[work]}] \
             x-first-death-reason=rejected x-first-death-queue=work x-first-death-exchange= \
             x-last-death-reason=expired x-last-death-queue=wait x-last-death-exchange=}"
        ),
        "{got}"
    );
}

#[test]
fn a_circle_without_a_reject_ends() {
    check(
        "queue a x-message-ttl=10 x-dead-letter-exchange= x-dead-letter-routing-key=b => a 0 0
         queue b x-message-ttl=10 x-dead-letter-exchange= x-dead-letter-routing-key=a => b 0 0
         queue self x-message-ttl=0 x-dead-letter-exchange= => self 0 0
         publish '' a m                 => a
         at 1000015
         queue a passive                => a 0 0
         queue b passive                => b 1 0
         at 1001000
         queue a passive                => a 0 0
         queue b passive                => b 0 0
         publish '' self m              => self
         at 1002000
         queue self passive             => self 0 0",
    );
}

#[test]
fn a_rejecting_consumer_may_send_a_message_round_and_round() {
    let mut rig = Rig::new();
    rig.check(
        "queue q x-dead-letter-exchange= => q 0 0
         publish '' q m                  => q",
    );
    for round in 0..4 {
        let got = rig.run("get q");
        assert!(round == 0 || got.contains(&format!("count={round} ")), "{got}");
        rig.check("reject m");
    }
    rig.check("queue q passive => q 1 0");
}

#[test]
fn a_missing_exchange_swallows() {
    check(
        "queue q x-dead-letter-exchange=nowhere => q 0 0
         publish '' q m                 => q
         get q                          => m /q
         reject m
         queue q passive                => q 0 0
         publish '' q n                 => q
         purge q                        => 1",
    );
}

#[test]
fn dead_letters_use_the_alternate_exchange() {
    check(
        "exchange other fanout
         exchange dlx direct internal alternate-exchange=other
         queue q x-dead-letter-exchange=dlx => q 0 0
         queue dead                     => dead 0 0
         bind dead other ''
         publish '' q m                 => q
         get q                          => m /q
         reject m
         queue dead passive             => dead 1 0",
    );
}

#[test]
fn a_history_that_a_client_made_up_is_harmless() {
    check(
        "queue q x-dead-letter-exchange= x-dead-letter-routing-key=dead => q 0 0
         queue dead                     => dead 0 0
         publish '' q m h.x-death=text  => q
         get q                          => m /q {x-death=text}
         reject m
         queue dead passive             => dead 1 0",
    );
}

#[test]
fn a_crash_keeps_the_dead_letter() {
    let mut rig = Rig::new();
    rig.check(
        "queue q durable x-dead-letter-exchange= x-dead-letter-routing-key=dead => q 0 0
         queue dead durable             => dead 0 0
         publish '' q m persistent      => q
         get q                          => m /q
         reject m
         crash
         queue q passive                => q 0 0
         queue dead passive             => dead 1 0",
    );
}

/// A quorum queue keeps dead letters above all of its priorities; those levels of a classic queue are priorities.
#[test]
fn the_highest_priorities_of_a_classic_queue_die_like_all_others() {
    for priority in 250..=255 {
        check(&format!(
            "exchange dlx fanout durable
             queue q durable x-max-priority=255 x-dead-letter-exchange=dlx => q 0 0
             publish '' q m persistent priority={priority} => q
             get q                      => m /q
             reject m
             kept q                     => 0
             queue dead durable         => dead 0 0
             bind dead dlx ''
             publish '' q n persistent priority={priority} => q
             get q                      => n /q
             reject n
             publish '' q o persistent priority={priority} ttl=5 => q
             at 1000005
             queue dead passive         => dead 2 0
             crash
             queue q passive            => q 0 0
             at 1100000
             queue dead passive         => dead 2 0"
        ));
    }
}
