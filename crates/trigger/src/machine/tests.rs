//! A broker, a pipeline and chance: whatever happens, every message is settled once on the channel
//! it came on, and what is gone from the queue has succeeded or failed for good.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::pipeline::{Outcome, Pause};

mod scripts;

/// A message, by its number.
type Id = u32;

fn policy() -> Policy {
    Policy {
        consumers: 2,
        prefetch: 4,
        auto_acknowledge: false,
        wire_no_ack: false,
        allow_redelivery: true,
        refuse_redelivered: true,
        max_attempts: 3,
        retry_mode: RetryMode::Hold,
        backoff_ms: vec![100, 1000],
        jitter: 0.0,
        expiration_ms: 0,
        on_expire: OnExpire::Auto,
        dead_letter: DeadLetterMode::Broker,
        rate_per_s: 0.0,
        rate_burst: 0,
        breaker_failures: 0,
        breaker_open_ms: 1000,
        idempotency_ttl_ms: 10_000,
    }
}

fn outcome(verdict: Verdict) -> Outcome {
    Outcome { verdict, pause: None, reply: None, summary: String::new() }
}

fn retry() -> Verdict {
    Verdict::Retry(Reason::Failed, "503".into())
}

/// What happens.
#[derive(Clone, Debug)]
enum Step {
    Deliver,
    /// The run at this place ends.
    End(usize, Verdict, Option<Pause>, bool),
    Answer(Published),
    LoseChannel,
    Wait(Millis),
    Pause,
    Resume,
}

fn step() -> impl Strategy<Value = Step> {
    let verdict = prop_oneof![
        4 => Just(Verdict::Done),
        3 => Just(retry()),
        1 => Just(Verdict::Dead(Reason::Rejected, "400".into())),
        1 => Just(Verdict::Drop),
        1 => Just(Verdict::Requeue),
    ];
    let pause = prop_oneof![
        20 => Just(None),
        1 => Just(Some(Pause::For(Duration::from_millis(300)))),
        1 => Just(Some(Pause::For(Duration::from_secs(20)))),
        1 => Just(Some(Pause::UntilResumed)),
    ];
    let published = prop_oneof![
        5 => Just(Published::Confirmed),
        1 => Just(Published::Returned),
        1 => Just(Published::Refused),
        1 => Just(Published::Impossible),
    ];
    prop_oneof![
        8 => Just(Step::Deliver),
        8 => (0..4_usize, verdict, pause, any::<bool>())
            .prop_map(|(at, verdict, pause, reply)| Step::End(at, verdict, pause, reply)),
        3 => published.prop_map(Step::Answer),
        1 => Just(Step::LoseChannel),
        3 => (1..3000_u64).prop_map(Step::Wait),
        1 => Just(Step::Pause),
        1 => Just(Step::Resume),
    ]
}

fn policies() -> impl Strategy<Value = Policy> {
    let modes =
        prop_oneof![Just(RetryMode::Hold), Just(RetryMode::Requeue), Just(RetryMode::DelayQueue)];
    let dead = prop_oneof![
        Just(DeadLetterMode::Broker),
        Just(DeadLetterMode::Publish),
        Just(DeadLetterMode::Discard)
    ];
    let expire = prop_oneof![
        Just(OnExpire::Auto),
        Just(OnExpire::Requeue),
        Just(OnExpire::DeadLetter),
        Just(OnExpire::Drop)
    ];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let numbers =
        (prop_oneof![Just(0_u64), Just(500)], 0..4_u32, prop_oneof![Just(0.0), Just(5.0)]);
    (modes, dead, expire, flags, numbers).prop_map(|(retry_mode, dead_letter, on_expire, f, n)| {
        let (auto_acknowledge, wire_no_ack, allow_redelivery, refuse_redelivered) = f;
        let (expiration_ms, breaker_failures, rate_per_s) = n;
        Policy {
            auto_acknowledge,
            wire_no_ack: auto_acknowledge && wire_no_ack,
            allow_redelivery,
            refuse_redelivered,
            retry_mode: if auto_acknowledge { RetryMode::Hold } else { retry_mode },
            dead_letter,
            on_expire,
            expiration_ms,
            breaker_failures,
            rate_per_s,
            ..policy()
        }
    })
}

/// A queue, its one consumer, and the pipeline.
struct World {
    machine: Machine<Id>,
    policy: Policy,
    now: Millis,
    /// Each with whether it was delivered before, and how often it has run by its headers.
    queue: VecDeque<(Id, bool, u32)>,
    unacked: BTreeMap<u64, (Id, u32)>,
    tag: u64,
    consuming: bool,
    runs: Vec<(SlotId, Id)>,
    publications: Vec<(SlotId, Publication, Id)>,
    succeeded: BTreeSet<Id>,
    /// Dropped, discarded, or failed for good where that is the end of it.
    gone: BTreeSet<Id>,
    dead_lettered: BTreeSet<Id>,
    keyed: bool,
}

impl World {
    fn new(policy: Policy, messages: u32, keyed: bool) -> World {
        World {
            machine: Machine::new(policy.clone(), Self::key_of, 7, 0),
            policy,
            now: 0,
            queue: (0..messages).map(|id| (id, false, 0)).collect(),
            unacked: BTreeMap::new(),
            tag: 0,
            consuming: true,
            runs: Vec::new(),
            publications: Vec::new(),
            succeeded: BTreeSet::new(),
            gone: BTreeSet::new(),
            dead_lettered: BTreeSet::new(),
            keyed,
        }
    }

    /// Every third message has no id.
    fn key_of(id: &Id) -> Option<JoinKey> {
        (!id.is_multiple_of(3)).then_some([*id as u8; 32])
    }

    fn deliver(&mut self) {
        let room = self.policy.wire_no_ack || self.unacked.len() < self.policy.prefetch;
        if !self.consuming || !room {
            return;
        }
        let Some((id, redelivered, counted)) = self.queue.pop_front() else { return };
        self.tag += 1;
        let tag = self.tag;
        if !self.policy.wire_no_ack {
            self.unacked.insert(tag, (id, counted));
        }
        let attempts = if counted > 0 { counted } else { u32::from(redelivered) };
        let key = |by: u32| self.keyed.then(|| Key::from([(id / by) as u8]));
        let arrival = Arrival {
            tag,
            message: id,
            too_large: id == 11,
            prior: Prior { attempts, counted: counted > 0, acquired: false },
            join: if redelivered { Self::key_of(&id) } else { None },
            ordering: key(4),
            idempotency: key(1),
        };
        self.machine.received(arrival, self.now);
        self.execute();
    }

    fn settled(&mut self, tag: u64) -> (Id, u32) {
        self.unacked.remove(&tag).unwrap_or_else(|| panic!("tag {tag} is not to be settled"))
    }

    fn execute(&mut self) {
        while let Some(effect) = self.machine.effect() {
            match effect {
                Effect::Ack(tag) => drop(self.settled(tag)),
                Effect::Nack { tag } => {
                    let (id, counted) = self.settled(tag);
                    self.queue.push_front((id, true, counted));
                }
                Effect::Reject { tag, requeue } => {
                    let (id, counted) = self.settled(tag);
                    match requeue {
                        true => self.queue.push_front((id, true, counted)),
                        false => drop(self.dead_lettered.insert(id)),
                    }
                }
                Effect::Start { slot, message, .. } => {
                    assert!(self.machine.paused().is_none());
                    assert!(self.runs.iter().all(|(other, _)| *other != slot));
                    if self.keyed {
                        let same = |(_, other): &&(_, Id)| other / 4 == message / 4;
                        assert_eq!(self.runs.iter().find(same), None, "one at a time for each key");
                    }
                    self.runs.push((slot, message));
                    assert!(self.runs.len() <= self.policy.consumers);
                }
                Effect::Publish { slot, publication, message } => {
                    self.publications.push((slot, publication, message));
                }
                Effect::Excused => assert!(!self.policy.allow_redelivery),
                Effect::Ended(end) => {
                    let lost = self.policy.dead_letter != DeadLetterMode::Publish
                        && self.policy.auto_acknowledge
                        || self.policy.dead_letter == DeadLetterMode::Discard;
                    match end.outcome {
                        "dropped" => drop(self.gone.insert(end.message)),
                        "dead" | "refused" | "expired" if lost => {
                            self.gone.insert(end.message);
                        }
                        "expired" if self.policy.on_expire == OnExpire::Drop => {
                            self.gone.insert(end.message);
                        }
                        // Without its body nothing but the broker can put it away.
                        "dead" | "refused" | "expired" if self.policy.auto_acknowledge => {
                            self.gone.insert(end.message);
                        }
                        _ => {}
                    }
                }
            }
        }
        assert_eq!(self.machine.running(), self.runs.len());
        assert_eq!(self.machine.unsettled(), self.unacked.len());
    }

    fn end(&mut self, at: usize, verdict: Verdict, pause: Option<Pause>, reply: bool) {
        if self.runs.is_empty() {
            return;
        }
        let (slot, id) = self.runs.remove(at % self.runs.len());
        if verdict == Verdict::Done {
            self.succeeded.insert(id);
        }
        if verdict == Verdict::Drop {
            self.gone.insert(id);
        }
        let reply = (reply && verdict == Verdict::Done).then(Reply::default);
        let outcome = Outcome { verdict, pause, reply, summary: "410".into() };
        self.machine.finished(slot, outcome, self.now);
        self.execute();
    }

    fn answer(&mut self, result: Published) {
        let Some((slot, publication, id)) = self.publications.pop() else { return };
        if result == Published::Confirmed {
            match publication {
                Publication::Retry { attempts, .. } => self.queue.push_back((id, false, attempts)),
                Publication::DeadLetter { .. } => drop(self.dead_lettered.insert(id)),
                Publication::Reply(_) => {}
            }
        }
        // Only a message that was not kept, and a reply, can be impossible.
        let result = match (result, &self.policy) {
            (Published::Impossible, policy) if policy.auto_acknowledge => Published::Confirmed,
            (result, _) => result,
        };
        self.machine.published(slot, result, self.now);
        self.execute();
    }

    fn lose_channel(&mut self) {
        self.machine.channel_lost(self.now);
        for (_, (id, counted)) in std::mem::take(&mut self.unacked).into_iter().rev() {
            self.queue.push_front((id, true, counted));
        }
        self.tag = 0;
        self.execute();
    }

    fn wait(&mut self, ms: Millis) {
        self.now += ms;
        self.machine.tick(self.now);
        self.execute();
        self.reconcile();
    }

    /// As the engine does it.
    fn reconcile(&mut self) {
        let want = self.machine.want(self.now);
        if want == Want::Nothing && self.consuming {
            self.machine.give_back_waiting(self.now);
            self.execute();
        }
        self.consuming = want != Want::Nothing;
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Deliver => self.deliver(),
            Step::End(at, verdict, pause, reply) => self.end(at, verdict, pause, reply),
            Step::Answer(result) => self.answer(result),
            Step::LoseChannel => self.lose_channel(),
            Step::Wait(ms) => self.wait(ms),
            Step::Pause => self.machine.pause("by a person".into()),
            Step::Resume => {
                self.machine.resume(self.now);
                self.execute();
            }
        }
        self.reconcile();
    }

    /// From here on all goes well, and the trigger stops.
    fn finish(&mut self) {
        for _ in 0..10_000 {
            self.machine.resume(self.now);
            self.execute();
            self.reconcile();
            self.deliver();
            self.end(0, Verdict::Done, None, false);
            self.answer(Published::Confirmed);
            self.wait(100);
            if self.queue.is_empty() && self.machine.is_idle() {
                break;
            }
        }
        self.machine.drain(self.now);
        self.execute();
        assert!(self.machine.is_idle(), "{:?}", self.machine.slots);
        assert!(self.unacked.is_empty() && self.queue.is_empty(), "{:?}", self.queue);
        assert!(self.machine.ready.is_empty() && self.machine.timers.is_empty());
        assert!(self.machine.ordering.is_empty() && self.machine.idempotency.is_empty());
        assert!(self.machine.orphans.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn whatever_happens_no_message_is_lost_or_settled_twice(
        policy in policies(),
        keyed in any::<bool>(),
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut world = World::new(policy, 12, keyed);
        for step in steps {
            world.step(step);
        }
        world.finish();
        for id in 0..12 {
            let accounted = world.succeeded.contains(&id)
                || world.dead_lettered.contains(&id)
                || world.gone.contains(&id);
            prop_assert!(accounted, "message {id} is lost");
        }
    }

    #[test]
    fn a_stop_at_any_time_gives_back_what_is_not_done(
        policy in policies(),
        keyed in any::<bool>(),
        steps in prop::collection::vec(step(), 0..60),
        abort in any::<bool>(),
    ) {
        let mut world = World::new(policy, 12, keyed);
        for step in steps {
            world.step(step);
        }
        world.consuming = false;
        world.machine.drain(world.now);
        world.execute();
        for _ in 0..if abort { 0 } else { 200 } {
            world.end(0, Verdict::Done, None, false);
            world.answer(Published::Confirmed);
            world.now += 1000;
            world.machine.tick(world.now);
            world.execute();
        }
        let runs = world.runs.len();
        prop_assert_eq!(world.machine.abort(), runs);
        world.runs.clear();
        world.execute();
        prop_assert!(world.machine.is_idle() && world.unacked.is_empty());
    }
}
