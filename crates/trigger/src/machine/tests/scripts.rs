//! One rule each, as a script of what happens and what is done.

use super::*;

/// A machine and the time.
struct Script {
    machine: Machine<Id>,
    now: Millis,
    tag: u64,
}

fn script(policy: Policy) -> Script {
    Script { machine: Machine::new(policy, World::key_of, 1, 0), now: 0, tag: 0 }
}

fn manual() -> Policy {
    Policy { allow_redelivery: false, ..policy() }
}

impl Script {
    /// A message comes that has never run.
    fn receive(&mut self, id: Id) -> Vec<Effect<Id>> {
        self.receive_with(id, Prior::default(), false)
    }

    fn receive_with(&mut self, id: Id, prior: Prior, redelivered: bool) -> Vec<Effect<Id>> {
        self.tag += 1;
        let arrival = Arrival {
            tag: self.tag,
            message: id,
            too_large: false,
            prior,
            join: if redelivered { World::key_of(&id) } else { None },
            ordering: None,
            idempotency: None,
        };
        self.machine.received(arrival, self.now);
        self.effects()
    }

    fn end(&mut self, slot: SlotId, verdict: Verdict) -> Vec<Effect<Id>> {
        self.machine.finished(slot, outcome(verdict), self.now);
        self.effects()
    }

    fn wait(&mut self, ms: Millis) -> Vec<Effect<Id>> {
        self.now += ms;
        self.machine.tick(self.now);
        self.effects()
    }

    fn lose(&mut self) -> Vec<Effect<Id>> {
        self.machine.channel_lost(self.now);
        self.tag = 0;
        self.effects()
    }

    /// What is to be done, but for what is only told.
    fn effects(&mut self) -> Vec<Effect<Id>> {
        let effects = std::iter::from_fn(|| self.machine.effect());
        effects.filter(|effect| !matches!(effect, Effect::Ended(_))).collect()
    }
}

fn start(slot: SlotId, attempt: u32, message: Id) -> Effect<Id> {
    Effect::Start { slot, attempt, message }
}

fn reject(tag: u64, requeue: bool) -> Effect<Id> {
    Effect::Reject { tag, requeue }
}

const FLAGGED: Prior = Prior { attempts: 1, counted: false, acquired: false };

#[test]
fn a_message_is_acknowledged_after_its_run() {
    let mut s = script(manual());
    assert_eq!(s.receive(1), [start(0, 1, 1)]);
    assert_eq!(s.end(0, Verdict::Done), [Effect::Ack(1)]);
    assert!(s.machine.is_idle());
}

#[test]
fn as_many_run_as_there_are_consumers() {
    let mut s = script(manual());
    assert_eq!(s.receive(1), [start(0, 1, 1)]);
    assert_eq!(s.receive(2), [start(1, 1, 2)]);
    assert_eq!(s.receive(3), []);
    assert_eq!(s.end(1, Verdict::Done), [Effect::Ack(2), start(2, 1, 3)]);
}

#[test]
fn without_redelivery_a_failure_is_for_good_and_a_redelivered_message_is_refused() {
    let mut s = script(manual());
    s.receive(1);
    assert_eq!(s.end(0, retry()), [reject(1, false)]);
    assert_eq!(s.receive_with(2, FLAGGED, true), [reject(2, false)]);
    assert_eq!(s.machine.counters.refused[Reason::RedeliveryDisallowed as usize], 1);
    let mut s = script(Policy { refuse_redelivered: false, ..manual() });
    assert_eq!(s.receive_with(2, FLAGGED, true), [start(0, 2, 2)]);
    let counted = Prior { attempts: 1, counted: true, acquired: false };
    assert_eq!(s.receive_with(3, counted, true), [reject(2, false)], "a header says that it ran");
}

#[test]
fn a_broker_that_flags_all_it_has_after_a_crash_loses_no_more_than_a_prefetch() {
    let mut s = script(Policy { consumers: 9, prefetch: 3, ..manual() });
    for tag in 1..=3 {
        assert_eq!(s.receive_with(3, FLAGGED, true), [reject(tag, false)]);
    }
    let excused = s.receive_with(3, FLAGGED, true);
    assert_eq!(excused, [Effect::Excused, start(0, 2, 3)]);
    assert_eq!(s.receive_with(6, FLAGGED, true), [start(1, 2, 6)]);
    let counted = Prior { attempts: 1, counted: true, acquired: false };
    assert_eq!(s.receive_with(9, counted, true), [reject(6, false)], "a header still says so");
    assert_eq!(s.receive(12), [start(2, 1, 12)]);
    assert_eq!(s.receive_with(15, FLAGGED, true), [reject(8, false)], "it counts again");
}

#[test]
fn a_failure_is_held_and_tried_again_until_the_attempts_are_used_up() {
    let mut s = script(policy());
    s.receive(1);
    assert_eq!(s.end(0, retry()), []);
    assert_eq!(s.machine.holding(), 1);
    assert_eq!(s.machine.deadline(s.now), Some(100));
    assert_eq!(s.wait(99), []);
    assert_eq!(s.wait(1), [start(0, 2, 1)]);
    assert_eq!(s.end(0, retry()), []);
    assert_eq!(s.wait(1000), [start(0, 3, 1)]);
    assert_eq!(s.end(0, retry()), [reject(1, false)]);
    assert_eq!(s.machine.counters.dead[Reason::AttemptsExhausted as usize], 1);
}

#[test]
fn what_has_used_up_its_attempts_elsewhere_is_refused() {
    let mut s = script(policy());
    let counted = |attempts| Prior { attempts, counted: true, acquired: false };
    assert_eq!(s.receive_with(1, counted(2), true), [start(0, 3, 1)]);
    assert_eq!(s.receive_with(2, counted(3), true), [reject(2, false)]);
}

#[test]
fn requeue_waits_and_then_rejects() {
    let mut s = script(Policy { retry_mode: RetryMode::Requeue, ..policy() });
    s.receive(1);
    assert_eq!(s.end(0, retry()), []);
    assert_eq!(s.wait(100), [reject(1, true)]);
    // The queue does not say how often, but the id does.
    assert_eq!(s.receive_with(1, FLAGGED, true), [start(0, 2, 1)]);
    s.end(0, retry());
    assert_eq!(s.wait(1000), [reject(2, true)]);
    assert_eq!(s.receive_with(1, FLAGGED, true), [start(0, 3, 1)]);
    assert_eq!(s.end(0, retry()), [reject(3, false)]);
}

#[test]
fn what_the_pipeline_gives_back_pauses_and_is_no_attempt() {
    let mut s = script(manual());
    s.receive(1);
    assert_eq!(s.end(0, Verdict::Requeue), []);
    assert_eq!(s.wait(99), []);
    assert_eq!(s.wait(1), [Effect::Nack { tag: 1 }]);
    assert_eq!(s.receive_with(1, FLAGGED, true), [start(0, 1, 1)], "it is not refused");
    s.end(0, Verdict::Requeue);
    s.machine.drain(s.now);
    assert_eq!(s.effects(), [Effect::Nack { tag: 2 }]);
}

#[test]
fn a_delay_queue_gets_the_message_and_then_it_is_acknowledged() {
    let mut s = script(Policy { retry_mode: RetryMode::DelayQueue, ..policy() });
    s.receive(1);
    let publication = Publication::Retry { ms: 100, attempts: 1 };
    let publish = Effect::Publish { slot: 0, publication, message: 1 };
    assert_eq!(s.end(0, retry()), std::slice::from_ref(&publish));
    s.machine.published(0, Published::Refused, s.now);
    assert_eq!(s.effects(), []);
    assert_eq!(s.wait(1000), [publish]);
    s.machine.published(0, Published::Confirmed, s.now);
    assert_eq!(s.effects(), [Effect::Ack(1)]);
    // Without such a queue the broker has to give it back, after the same pause.
    s.receive(2);
    s.end(0, retry());
    s.machine.published(0, Published::Returned, s.now);
    assert_eq!(s.effects(), []);
    assert_eq!(s.wait(100), [reject(2, true)]);
}

#[test]
fn dead_letters_are_published_until_they_arrive() {
    let mut s = script(Policy { dead_letter: DeadLetterMode::Publish, ..manual() });
    s.receive(1);
    let [Effect::Publish { slot: 0, publication, .. }] = &s.end(0, retry())[..] else { panic!() };
    let text = "503".to_owned();
    let expected = Publication::DeadLetter { reason: Reason::Failed, text, attempts: 1 };
    assert_eq!(*publication, expected);
    for result in [Published::Returned, Published::Refused, Published::Returned] {
        s.machine.published(0, result, s.now);
        assert_eq!(s.effects(), []);
        assert_eq!(s.wait(REPUBLISH_LONGEST_MS).len(), 1);
    }
    s.machine.published(0, Published::Impossible, s.now);
    assert_eq!(s.effects(), [reject(1, false)], "what was not kept is the broker's to put away");
}

#[test]
fn a_redelivered_copy_takes_the_place_of_the_run_under_way() {
    let mut s = script(manual());
    s.receive(1);
    s.receive(2);
    s.receive(4);
    assert_eq!(s.lose(), []);
    assert_eq!(s.machine.unsettled(), 0);
    assert_eq!(s.receive_with(1, FLAGGED, true), []);
    assert_eq!(s.end(0, Verdict::Done), [Effect::Ack(1)]);
    // This one ends before its copy comes; and its copy is not run.
    assert_eq!(s.end(1, Verdict::Done), []);
    assert_eq!(s.receive_with(2, FLAGGED, true), [Effect::Ack(2)]);
    assert_eq!(s.machine.counters.joined, 2);
    // This one had not begun: redelivered or not, it is as good as new. Once.
    assert_eq!(s.receive_with(4, FLAGGED, true), [start(1, 1, 4)]);
    assert_eq!(s.machine.counters.joined, 2);
    assert_eq!(s.receive_with(4, FLAGGED, true), [reject(4, false)]);
}

#[test]
fn a_lost_run_without_a_message_id_runs_again() {
    let mut s = script(policy());
    s.receive(3);
    s.lose();
    assert_eq!(s.receive_with(3, FLAGGED, true), [start(1, 2, 3)]);
    assert_eq!(s.end(0, Verdict::Done), []);
    assert_eq!(s.end(1, Verdict::Done), [Effect::Ack(1)]);
}

#[test]
fn attempts_survive_a_lost_channel() {
    let mut s = script(policy());
    s.receive(1);
    s.end(0, retry());
    s.lose();
    s.now = 60;
    assert_eq!(s.receive_with(1, FLAGGED, true), [], "the pause goes on");
    assert_eq!(s.wait(40), [start(0, 2, 1)]);
    s.lose();
    assert_eq!(s.end(0, retry()), []);
    assert_eq!(s.receive_with(1, FLAGGED, true), []);
    assert_eq!(s.wait(1000), [start(0, 3, 1)]);
    s.lose();
    assert_eq!(s.end(0, retry()), []);
    assert_eq!(s.receive_with(1, FLAGGED, true), [reject(1, false)]);
}

#[test]
fn automatic_acknowledgement_is_bounded_by_the_prefetch() {
    let mut s = script(Policy { auto_acknowledge: true, ..policy() });
    assert_eq!(s.receive(1), [Effect::Ack(1), start(0, 1, 1)]);
    assert_eq!(s.receive(2), [Effect::Ack(2), start(1, 1, 2)]);
    assert_eq!(s.receive(4), [Effect::Ack(3)]);
    assert_eq!(s.receive(5), [Effect::Ack(4)]);
    assert_eq!(s.receive(7), []);
    assert_eq!(s.end(0, Verdict::Done), [Effect::Ack(5), start(2, 1, 4)]);
    assert_eq!(s.end(1, Verdict::Dead(Reason::Rejected, String::new())), [start(3, 1, 5)]);
    assert_eq!(s.machine.counters.lost, 1);
}

#[test]
fn the_breaker_opens_probes_and_closes() {
    let breaker = Policy { breaker_failures: 2, consumers: 4, max_attempts: 10, ..policy() };
    let mut s = script(breaker);
    for id in 0..4 {
        s.receive(id);
    }
    s.end(0, retry());
    assert_eq!(s.machine.want(s.now), Want::Full);
    s.end(1, retry());
    assert_eq!(
        (s.machine.want(s.now), s.machine.breaker()),
        (Want::Nothing, BreakerState::Open(1000))
    );
    s.end(2, Verdict::Done);
    assert_eq!(s.machine.want(s.now), Want::Nothing, "it began before");
    assert_eq!(s.wait(999), []);
    s.end(3, Verdict::Done);
    assert_eq!(s.wait(1), [start(0, 2, 0)]);
    assert_eq!(s.machine.want(s.now), Want::Probe);
    s.end(0, retry());
    assert_eq!(s.machine.want(s.now), Want::Nothing);
    assert_eq!(s.wait(1000), [start(1, 2, 1)]);
    assert_eq!(s.end(1, Verdict::Done)[0], Effect::Ack(2));
    assert_eq!(s.machine.want(s.now), Want::Full);
}

#[test]
fn an_outage_makes_no_dead_letters() {
    let mut s = script(Policy { breaker_failures: 2, consumers: 1, ..policy() });
    s.receive(1);
    s.end(0, retry());
    assert_eq!(s.wait(100), [start(0, 2, 1)]);
    s.end(0, retry());
    assert_eq!(s.machine.breaker(), BreakerState::Open(1100));
    for _ in 0..10 {
        assert_eq!(s.wait(1000), [start(0, 3, 1)], "each probe is the third attempt");
        assert_eq!(s.end(0, retry()), []);
    }
    assert_eq!(s.wait(1000), [start(0, 3, 1)]);
    assert_eq!(s.end(0, Verdict::Done), [Effect::Ack(1)]);
    // Once the breaker is closed, failures count.
    s.receive(2);
    s.end(0, retry());
    s.wait(100);
    s.machine.resume(s.now);
    s.end(0, retry());
    s.machine.resume(s.now);
    s.wait(1000);
    assert_eq!(s.end(0, retry()), [reject(2, false)]);
}

#[test]
fn while_the_breaker_is_open_only_what_may_run_elsewhere_goes_back() {
    for (allow_redelivery, expected) in [(true, vec![Effect::Nack { tag: 3 }]), (false, vec![])] {
        let policy = Policy { breaker_failures: 1, allow_redelivery, ..policy() };
        let mut s = script(policy);
        for id in [1, 2, 4] {
            s.receive(id);
        }
        s.machine.finished(0, outcome(retry()), s.now);
        drop(s.effects());
        s.machine.give_back_waiting(s.now);
        assert_eq!(s.effects(), expected);
    }
}

#[test]
fn retry_after_and_pauses_start_nothing() {
    let mut s = script(policy());
    s.receive(1);
    let pause = |pause| Outcome { pause: Some(pause), ..outcome(Verdict::Done) };
    s.machine.finished(0, pause(Pause::For(Duration::from_secs(3))), s.now);
    s.effects();
    assert_eq!(s.receive(2), []);
    assert_eq!((s.machine.want(s.now), s.machine.deadline(s.now)), (Want::Full, Some(3000)));
    assert_eq!(s.wait(3000), [start(0, 1, 2)]);
    s.machine.finished(0, pause(Pause::For(Duration::from_secs(60))), s.now);
    assert_eq!(s.machine.want(s.now), Want::Nothing);
    s.machine.resume(s.now);
    s.effects();
    assert_eq!(s.receive(4), [start(0, 1, 4)]);
    s.machine.finished(0, pause(Pause::UntilResumed), s.now);
    s.effects();
    assert_eq!(s.receive(5), []);
    assert_eq!(s.wait(1_000_000), []);
    s.machine.resume(s.now);
    assert_eq!(s.effects(), [start(0, 1, 5)]);
}

#[test]
fn the_rate_is_kept_and_unused_time_gives_a_burst() {
    let rate = Policy { rate_per_s: 10.0, rate_burst: 2, consumers: 9, prefetch: 9, ..policy() };
    let mut s = script(rate);
    let started: usize = (0..5).map(|id| s.receive(id).len()).sum();
    assert_eq!(started, 2);
    assert_eq!(s.machine.deadline(s.now), Some(100));
    assert_eq!(s.wait(100).len(), 1);
    assert_eq!(s.wait(50).len(), 0);
    assert_eq!(s.wait(1000).len(), 2);
}

#[test]
fn what_waits_too_long_goes_where_it_is_told() {
    let table = [
        (OnExpire::Auto, true, Effect::Nack { tag: 3 }),
        (OnExpire::Auto, false, reject(3, false)),
        (OnExpire::Requeue, false, Effect::Nack { tag: 3 }),
        (OnExpire::DeadLetter, true, reject(3, false)),
        (OnExpire::Drop, true, Effect::Ack(3)),
    ];
    for (on_expire, allow_redelivery, expected) in table {
        let mut s = script(Policy { expiration_ms: 500, on_expire, allow_redelivery, ..policy() });
        for id in [1, 2, 4] {
            s.receive(id);
        }
        assert_eq!(s.wait(499), []);
        assert_eq!(s.wait(1), [expected], "{on_expire:?}");
        assert_eq!(s.machine.counters.expired, 1);
        // What has begun does not expire.
        assert_eq!(s.wait(10_000), []);
    }
}

#[test]
fn a_reply_is_confirmed_before_the_message_is_acknowledged() {
    let mut s = script(policy());
    s.receive(1);
    let done = Outcome { reply: Some(Reply::default()), ..outcome(Verdict::Done) };
    s.machine.finished(0, done, s.now);
    assert!(matches!(s.effects()[..], [Effect::Publish { slot: 0, .. }]));
    assert_eq!(s.machine.running(), 0, "the next may run");
    s.machine.published(0, Published::Confirmed, s.now);
    assert_eq!(s.effects(), [Effect::Ack(1)]);
}

#[test]
fn idempotency_keys_let_one_succeed() {
    let mut s = script(policy());
    let receive = |s: &mut Script, id: Id| {
        s.tag += 1;
        let arrival = Arrival {
            tag: s.tag,
            message: id,
            too_large: false,
            prior: Prior::default(),
            join: None,
            ordering: None,
            idempotency: Some(Key::from(*b"same")),
        };
        s.machine.received(arrival, s.now);
        s.effects()
    };
    assert_eq!(receive(&mut s, 1), [start(0, 1, 1)]);
    assert_eq!(receive(&mut s, 2), [], "it waits for the first");
    s.machine.finished(0, outcome(Verdict::Dead(Reason::Rejected, String::new())), s.now);
    assert_eq!(s.effects(), [reject(1, false), start(1, 1, 2)], "which failed");
    assert_eq!(receive(&mut s, 4), []);
    assert_eq!(s.end(1, Verdict::Done), [Effect::Ack(2), Effect::Ack(3)]);
    assert_eq!(receive(&mut s, 5), [Effect::Ack(4)]);
    s.now += 10_000;
    assert_eq!(receive(&mut s, 7), [start(0, 1, 7)], "the window is over");
}

#[test]
fn a_stop_finishes_what_runs_and_gives_back_the_rest() {
    let mut s = script(policy());
    for id in [1, 2, 4] {
        s.receive(id);
    }
    s.end(0, retry());
    s.machine.drain(s.now);
    // The third has begun in the place of the first.
    assert_eq!(s.effects(), [reject(1, true)]);
    assert!(!s.machine.is_idle());
    s.end(1, Verdict::Done);
    s.end(2, Verdict::Done);
    assert!(s.machine.is_idle());
    let mut s = script(manual());
    for id in [1, 2, 4] {
        s.receive(id);
    }
    s.machine.drain(s.now);
    assert_eq!(s.effects(), [], "given back it would be refused as redelivered");
    assert_eq!(s.end(0, Verdict::Done), [Effect::Ack(1), start(2, 1, 4)]);
    assert_eq!(s.machine.abort(), 2);
    assert_eq!(s.effects(), [reject(2, true), reject(3, true)]);
}
