//! The way out against a model of the store and the broker, with answers in any order and every
//! failure in between: each message arrives, none twice without a reason, and never more than
//! `throttle` at a time.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const THROTTLE: usize = 7;
const BATCHSIZE: usize = 3;

/// Removals, and moves.
type Changes = (Vec<Key>, Vec<(Key, Millis)>);

/// A store, a broker and a clock.
struct World {
    revival: Revival,
    /// What is stored, by key.
    store: BTreeMap<Key, ()>,
    /// A load that is under way, with what the store held when it began.
    load: Option<(Load, Vec<Key>, Option<Key>)>,
    /// A write that is under way.
    write: Option<Changes>,
    /// Published and not yet answered for, oldest first: sequence number, message.
    unconfirmed: VecDeque<(u64, u64)>,
    channel_seq: u64,
    /// How often each message arrived, and how often that may be.
    arrived: HashMap<u64, u32>,
    allowed: HashMap<u64, u32>,
    now: Millis,
    seq: u64,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Insert(u8),
    Wait(u8),
    Load,
    Loaded,
    LoadFailed,
    Publish,
    Ack(u8),
    Nack(u8),
    Return(u8),
    Write,
    Written,
    WriteFailed,
    Lost,
    ChannelClosed,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..20u8).prop_map(Step::Insert),
        3 => (1..30u8).prop_map(Step::Wait),
        6 => Just(Step::Load),
        6 => Just(Step::Loaded),
        1 => Just(Step::LoadFailed),
        6 => Just(Step::Publish),
        6 => any::<u8>().prop_map(Step::Ack),
        1 => any::<u8>().prop_map(Step::Nack),
        1 => any::<u8>().prop_map(Step::Return),
        6 => Just(Step::Write),
        6 => Just(Step::Written),
        1 => Just(Step::WriteFailed),
        1 => Just(Step::Lost),
        1 => Just(Step::ChannelClosed),
    ]
}

impl World {
    fn new() -> World {
        World {
            revival: Revival::new(THROTTLE, BATCHSIZE),
            store: BTreeMap::new(),
            load: None,
            write: None,
            unconfirmed: VecDeque::new(),
            channel_seq: 0,
            arrived: HashMap::new(),
            allowed: HashMap::new(),
            now: 1000,
            seq: 0,
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Insert(delay) => {
                self.seq += 1;
                // Now and then one that is overdue when it is stored.
                let due_ms = (self.now + u64::from(delay)).saturating_sub(5);
                let key = Key { due_ms, seq: self.seq };
                self.store.insert(key, ());
                self.allowed.insert(self.seq, 1);
                self.revival.appeared(key);
            }
            Step::Wait(ms) => self.now += u64::from(ms),
            Step::Load => self.load(),
            Step::Loaded => self.loaded(),
            Step::LoadFailed => {
                if self.load.take().is_some() {
                    self.revival.load_failed();
                    self.revival.paused_until = None;
                }
            }
            Step::Publish => self.publish(),
            Step::Ack(which) => self.answer(which, false, true),
            Step::Return(which) => self.answer(which, true, true),
            Step::Nack(which) => self.answer(which, false, false),
            Step::Write => {
                // Writing early is allowed at any time, and so is waiting.
                if self.write.is_none() && self.revival.changes_deadline().is_some() {
                    self.write = Some(self.revival.take_changes());
                }
            }
            Step::Written => self.written(),
            Step::WriteFailed => {
                if let Some((remove, moved)) = self.write.take() {
                    self.revival.changes_failed(remove, moved);
                }
            }
            Step::Lost => self.lost(false),
            Step::ChannelClosed => self.lost(true),
        }
        assert!(self.revival.slots() <= THROTTLE);
        assert!(self.revival.slots() + self.revival.ready.len() <= THROTTLE);
    }

    fn load(&mut self) {
        if let Some(load) = self.revival.load(self.now) {
            assert!(self.load.is_none());
            let mut keys = self.store.keys().copied().filter(|key| *key > load.after);
            let due: Vec<Key> =
                keys.by_ref().take_while(|key| key.due_ms <= load.until_ms).collect();
            let taken: Vec<Key> = due.iter().copied().take(load.count_max).collect();
            let last = taken.last().copied().unwrap_or(load.after);
            let next = self.store.keys().copied().find(|key| *key > last);
            self.load = Some((load, taken, next));
        }
    }

    fn loaded(&mut self) {
        let Some((load, keys, next)) = self.load.take() else { return };
        let held = keys.into_iter().map(|key| {
            let message = Message { body: key.seq.to_be_bytes().to_vec(), ..Message::default() };
            Held { key, stored_ms: 0, message }
        });
        let batch = Batch { held: held.collect(), damaged: Vec::new(), next };
        self.revival.loaded(load, batch, &HashSet::new());
    }

    fn publish(&mut self) {
        let Some(job) = self.revival.pop() else { return };
        let Origin::Stored(key) = job.origin else { panic!("nothing else was pushed") };
        assert!(key.due_ms <= self.now, "{key:?} before its time at {}", self.now);
        self.channel_seq += 1;
        let identity = Identity::of(b"", b"", b"", &job.message.body);
        self.unconfirmed.push_back((self.channel_seq, key.seq));
        let flight = Flight { origin: job.origin, message: None };
        self.revival.published(self.channel_seq, identity, flight);
        // It may arrive from now on, whatever the broker says of it.
        *self.arrived.entry(key.seq).or_default() += 1;
        let (arrived, allowed) = (self.arrived[&key.seq], self.allowed[&key.seq]);
        assert!(arrived <= allowed, "message {} came {arrived} times of {allowed}", key.seq);
    }

    /// The broker acks, returns and acks, or nacks one of the unconfirmed.
    fn answer(&mut self, which: u8, returned: bool, ack: bool) {
        if self.unconfirmed.is_empty() {
            return;
        }
        let at = usize::from(which) % self.unconfirmed.len();
        let (tag, message) = self.unconfirmed.remove(at).unwrap();
        if returned || !ack {
            *self.allowed.get_mut(&message).unwrap() += 1;
        }
        if returned {
            let body = message.to_be_bytes();
            assert!(self.revival.returned(Identity::of(b"", b"", b"", &body)));
        }
        let settled = match ack {
            true => self.revival.acked(tag, false),
            false => {
                let nacked = self.revival.nacked(tag, false);
                nacked.into_iter().map(|flight| (flight, true)).collect()
            }
        };
        for (flight, again) in settled {
            let Origin::Stored(key) = flight.origin else { panic!("nothing else was pushed") };
            match again {
                true => drop(self.revival.put_off(key, self.now)),
                false => self.revival.done(key),
            }
        }
    }

    fn written(&mut self) {
        let Some((remove, moved)) = self.write.take() else { return };
        for key in &remove {
            assert!(self.store.remove(key).is_some(), "{key:?} was removed before");
        }
        let mut to = Vec::new();
        for (key, due_ms) in &moved {
            assert!(self.store.remove(key).is_some(), "{key:?} was moved before");
            let key = Key { due_ms: *due_ms, ..*key };
            self.store.insert(key, ());
            to.push(Some(key));
        }
        self.revival.changes_written(&remove, &moved, &to);
    }

    fn lost(&mut self, channel_error: bool) {
        if channel_error && let Some(flight) = self.revival.culprit() {
            let Origin::Stored(key) = flight.origin else { panic!("nothing else was pushed") };
            *self.allowed.get_mut(&key.seq).unwrap() += 1;
            self.unconfirmed.clear();
            self.revival.put_off(key, self.now);
        }
        for (_, message) in self.unconfirmed.drain(..) {
            *self.allowed.get_mut(&message).unwrap() += 1;
        }
        self.channel_seq = 0;
        self.revival.lost(channel_error, |_| true);
    }

    /// Everything works from now on, and time passes.
    fn finish(&mut self) {
        for _ in 0..200 {
            self.now += RETRY_LONGEST_MS;
            for _ in 0..THROTTLE * 2 {
                for step in [Step::Load, Step::Loaded, Step::Publish, Step::Ack(0)] {
                    self.step(step);
                }
                [Step::Write, Step::Written].into_iter().for_each(|step| self.step(step));
            }
            if self.store.is_empty() && self.revival.is_idle() {
                return;
            }
        }
        panic!("{:?} stay for ever", self.store.keys());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_arrives_and_none_twice_for_nothing(
        steps in proptest::collection::vec(step(), 1..250)
    ) {
        let mut world = World::new();
        steps.into_iter().for_each(|step| world.step(step));
        world.finish();
        for message in 1..=world.seq {
            prop_assert!(world.arrived.get(&message).is_some_and(|times| *times > 0));
        }
    }
}

#[test]
fn once_the_throttle_is_reached_a_batch_has_to_be_confirmed() {
    let mut world = World::new();
    (0..20).for_each(|_| world.step(Step::Insert(0)));
    [Step::Load, Step::Loaded].into_iter().for_each(|step| world.step(step));
    (0..THROTTLE).for_each(|_| world.step(Step::Publish));
    let confirm = |world: &mut World| {
        [Step::Ack(0), Step::Write, Step::Written].into_iter().for_each(|step| world.step(step));
    };
    for _ in 1..BATCHSIZE {
        confirm(&mut world);
        assert!(world.revival.load(world.now).is_none());
    }
    confirm(&mut world);
    assert_eq!(world.revival.load(world.now).map(|load| load.count_max), Some(BATCHSIZE));
}

#[test]
fn retries_wait_longer_each_time() {
    let mut revival = Revival::new(THROTTLE, BATCHSIZE);
    let key = Key { due_ms: 5, seq: 1 };
    let waits: Vec<Millis> = (0..11).map(|_| revival.put_off(key, 0)).collect();
    assert_eq!(waits[..3], [1_000, 2_000, 4_000]);
    assert_eq!(waits[9..], [RETRY_LONGEST_MS; 2]);
    revival.done(key);
    assert_eq!(revival.put_off(key, 0), RETRY_FIRST_MS);
}
