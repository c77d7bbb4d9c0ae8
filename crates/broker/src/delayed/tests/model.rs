//! Random delayed messages on a disk that loses power, beside a model of what must be there: nothing is early, nothing
//! that was confirmed is lost, and nothing comes twice but what a crash caught on its way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use amqp::content::{Properties, PropertiesBuf};
use amqp::value::{Table, Value};
use store::vfs::faulty::{Fault, Faulty};
use store::{Options, Pos, Store};

use crate::delayed::DelayedMessage;
use crate::{
    Broker, ConsumerKey, Cx, Delivery, ExchangeDeclare, Message, Millis, Publish, QueueDeclare,
    RouteCache, Session, Sink,
};

/// Takes nothing: messages wait in the queue and are got.
struct Nobody;

impl Sink for Nobody {
    fn can_take(&mut self, _: ConsumerKey) -> bool {
        false
    }
    fn deliver(&mut self, _: ConsumerKey, _: Delivery<'_>) {}
    fn cancelled(&mut self, _: ConsumerKey) {}
}

/// SplitMix64, so that a seed tells the whole story.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// A message that waits, as the model knows it.
#[derive(Clone, Copy)]
struct Known {
    due: Millis,
    pos: Pos,
}

struct World {
    vfs: Faulty,
    store: Option<Store>,
    broker: Broker,
    now: Millis,
    dice: Dice,
    next: u64,
    /// What has to wait, by body.
    waiting: BTreeMap<u64, Known>,
    /// What went on or was cancelled since the last sync, and may be back after a crash.
    unsure: BTreeMap<u64, Known>,
    /// What may not come any more.
    over: BTreeSet<u64>,
}

fn session() -> Session {
    Session::internal("/".into())
}

fn options() -> Options {
    Options {
        cache_bytes: 32 << 10,
        chunk_bytes: 8 << 10,
        wal_file_bytes: 64 << 10,
        window_bytes: 256 << 10,
        inline: true,
        ack_linger: Duration::ZERO,
        fatal: Arc::new(|reason| eprintln!("the store stopped: {reason}")),
        ..Options::default()
    }
}

impl World {
    fn new(seed: u64) -> World {
        let vfs = Faulty::new(seed);
        let now = 1_000_000;
        let (store, broker) = open(&vfs, now);
        let (waiting, unsure, over) = Default::default();
        let dice = Dice(seed ^ 0x5eed);
        let mut world =
            World { vfs, store: Some(store), broker, now, dice, next: 0, waiting, unsure, over };
        world.declare();
        world.sync();
        world
    }

    fn with<T>(&mut self, work: impl FnOnce(&mut Broker, &mut Cx<'_, Nobody>) -> T) -> T {
        let store = self.store.as_mut().expect("open");
        work(&mut self.broker, &mut Cx { store, sink: &mut Nobody, now: self.now })
    }

    fn declare(&mut self) {
        let arguments = Table(vec![(b"x-delayed-type".to_vec(), Value::from("fanout"))]);
        self.with(|broker, cx| {
            let who = session();
            let exchange = ExchangeDeclare {
                name: "x",
                kind: "x-delayed-message",
                passive: false,
                durable: true,
                auto_delete: false,
                internal: false,
                arguments: &arguments,
            };
            broker.exchange_declare(cx, &who, exchange).expect("an exchange");
            let queue = QueueDeclare {
                name: "q",
                passive: false,
                durable: true,
                exclusive: false,
                auto_delete: false,
                arguments: &Table::new(),
            };
            broker.queue_declare(cx, &who, queue).expect("a queue");
            broker.queue_bind(cx, &who, "q", "x", "", &Table::new()).expect("a binding");
        });
    }

    fn publish(&mut self) {
        let delay = 1 + self.dice.below(5000);
        let size = [0, 40, 2000][self.dice.below(3) as usize];
        let number = self.next;
        self.next += 1;
        let properties = PropertiesBuf {
            delivery_mode: Some(2),
            headers: Some(Table(vec![(b"x-delay".to_vec(), Value::I64(delay as i64))])),
            ..PropertiesBuf::default()
        };
        let properties = properties.encode();
        let body = [number.to_le_bytes().to_vec(), vec![7; size]].concat();
        let published = self.with(|broker, cx| {
            let publish = Publish {
                exchange: b"x",
                routing_key: &number.to_le_bytes(),
                mandatory: false,
                properties: Properties(&properties),
                body: &body,
            };
            let mut cache = RouteCache::new(1);
            broker.publish(cx, &session(), &mut cache, &publish).expect("published")
        });
        assert!(published.routed && published.pos > 0);
        self.waiting.insert(number, Known { due: self.now + delay, pos: published.pos });
    }

    /// Lets time pass, and takes what went on.
    fn pass(&mut self) {
        self.now += self.dice.below(400);
        while self.broker.deadline().is_some_and(|time| time <= self.now) {
            self.with(|broker, cx| broker.tick(cx));
        }
        let due: Vec<u64> =
            self.waiting.iter().filter(|(_, m)| m.due <= self.now).map(|(n, _)| *n).collect();
        self.take(&due);
    }

    /// Takes everything from the queue: these messages, and of a crash's leftovers any.
    fn take(&mut self, expected: &[u64]) {
        let mut missing: BTreeSet<u64> = expected.iter().copied().collect();
        while let Some(number) = self.got() {
            if missing.remove(&number) {
                let known = self.waiting.remove(&number).expect("it waited");
                self.unsure.insert(number, known);
            } else {
                assert!(!self.waiting.contains_key(&number), "{number} came early");
                assert!(!self.over.contains(&number), "{number} came again");
            }
        }
        assert!(missing.is_empty(), "{missing:?} did not come");
    }

    fn got(&mut self) -> Option<u64> {
        let slice = self.with(|broker, cx| {
            let got = broker.get(cx, &session(), "q", true).expect("a queue");
            got.map(|got| got.slice)
        })?;
        let message = Message::parse(&slice).expect("a message");
        Some(u64::from_le_bytes(*message.body.first_chunk().expect("a number")))
    }

    /// Cancels or releases a message from the listing, which has to be what the model says.
    fn command(&mut self) {
        let listed = self.with(|broker, cx| broker.delayed(cx.store, "/", "x", None, 1000));
        let listed = listed.expect("listed");
        let number = |message: &DelayedMessage| {
            u64::from_le_bytes(*message.routing_key.first_chunk().expect("a number"))
        };
        let mut shown: Vec<_> =
            listed.iter().map(|message| (message.due, number(message))).collect();
        assert!(shown.is_sorted_by_key(|(due, _)| *due));
        let mut expected: Vec<_> =
            self.waiting.iter().map(|(number, known)| (known.due, *number)).collect();
        expected.sort_unstable();
        shown.sort_unstable();
        assert_eq!(shown, expected);
        if listed.is_empty() {
            return;
        }
        let chosen = &listed[self.dice.below(listed.len() as u64) as usize];
        if self.dice.below(2) == 0 {
            assert!(self.with(|broker, cx| broker.delayed_cancel(cx, chosen.id)));
        } else {
            assert!(self.with(|broker, cx| broker.delayed_release(cx, chosen.id)));
            assert_eq!(self.got(), Some(number(chosen)));
        }
        let known = self.waiting.remove(&number(chosen)).expect("it waited");
        self.unsure.insert(number(chosen), known);
        assert!(!self.with(|broker, cx| broker.delayed_cancel(cx, chosen.id)), "it is gone");
    }

    /// Everything so far is on disk when nothing fails.
    fn sync(&mut self) {
        let topology = self.broker.topology();
        let store = self.store.as_mut().expect("open");
        for _ in 0..3 {
            store.submit();
            if store.poll().checkpoint_due {
                store.checkpoint(topology.clone());
            }
        }
        if !store.health().failed {
            self.over.extend(std::mem::take(&mut self.unsure).into_keys());
        }
    }

    /// The process or the machine stops, perhaps in the middle of a write; then everything that is left has to come.
    fn crash(&mut self) {
        if self.dice.below(2) == 0 {
            let at = self.vfs.operations() + self.dice.below(6);
            self.vfs.inject(at, Fault::Crash);
            self.sync();
        }
        let synced = self.store.take().expect("open").synced();
        match self.dice.below(3) {
            0 => self.vfs.kill(),
            _ => self.vfs.crash(),
        }
        let (store, broker) = open(&self.vfs, self.now);
        (self.store, self.broker) = (Some(store), broker);
        let sure = self.waiting.values().filter(|known| known.pos <= synced).count() as u64;
        let most = (self.waiting.len() + self.unsure.len()) as u64;
        let count = self.broker.delayed_count();
        assert!((sure..=most).contains(&count), "{count} wait, at least {sure}, at most {most}");
        self.drain(synced);
    }

    /// Lets time pass until nothing waits.
    fn drain(&mut self, synced: Pos) {
        let mut came = BTreeSet::new();
        loop {
            while let Some(number) = self.got() {
                assert!(!self.over.contains(&number), "{number} came again");
                if let Some(known) = self.waiting.get(&number) {
                    assert!(known.due <= self.now, "{number} came early");
                    assert!(came.insert(number), "{number} came twice");
                } else {
                    assert!(self.unsure.contains_key(&number), "{number} came from nowhere");
                }
            }
            let Some(next) = self.broker.deadline() else { break };
            self.now = self.now.max(next);
            self.with(|broker, cx| broker.tick(cx));
        }
        for (number, known) in std::mem::take(&mut self.waiting) {
            assert!(known.pos > synced || came.contains(&number), "{number} was lost");
            self.unsure.insert(number, known);
        }
        self.sync();
    }
}

#[test]
fn nothing_is_lost_early_or_doubled() {
    for seed in 0..16 {
        eprintln!("seed {seed}");
        let mut world = World::new(seed);
        for _ in 0..400 {
            match world.dice.below(100) {
                0..=59 => world.publish(),
                60..=79 => world.pass(),
                80..=84 => world.command(),
                85..=97 => world.sync(),
                _ => world.crash(),
            }
        }
        world.crash();
        assert_eq!(world.broker.delayed_count(), 0);
    }
}

fn open(vfs: &Faulty, now: Millis) -> (Store, Broker) {
    let (mut store, recovered) =
        Store::open(Arc::new(vfs.clone()), Path::new("/data"), options()).expect("opens");
    let broker = Broker::recover(&recovered, &mut store, [7; 32], now).expect("recovers");
    (store, broker)
}
