//! Publishers with confirms and consumers with acks, each on a thread and a connection of its own.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::client::{Client, Delivery, Event};
use super::ledger::Ledger;
use super::message::{Key, Random, body, parse};
use crate::process::until;

/// Durable queues that everybody uses.
pub(crate) const QUEUES: [&str; 4] = ["crash.0", "crash.1", "crash.2", "crash.3"];

const PUBLISHERS: u8 = 4;
const CONSUMERS: u32 = 3;

/// How long publishers wait for consumers.
const READY: Duration = Duration::from_secs(2);

/// Unconfirmed messages of one publisher.
const WINDOW: usize = 200;

/// Publishers pause while more messages wait, so that a round stays short.
const WAITING_MAX: usize = 4000;

/// How often a thread without events looks at the clock and the stop sign.
const LOOK: Duration = Duration::from_millis(20);

/// Shared by all threads of a story.
#[derive(Debug)]
pub(crate) struct Story {
    pub port: u16,
    ledger: Mutex<Ledger>,
    /// The next sequence number of each producer.
    seqs: [AtomicU32; PUBLISHERS as usize],
    /// Ends publishers and consumers without a crash.
    stop: AtomicBool,
    /// Consumers that consume; publishers wait for all of them, so that no round is without.
    ready: AtomicU32,
}

impl Story {
    pub(crate) fn new(port: u16) -> Self {
        Self {
            port,
            ledger: Mutex::default(),
            seqs: Default::default(),
            stop: AtomicBool::new(false),
            ready: AtomicU32::new(0),
        }
    }

    /// The ledger; a thread that panicked with it has told its story already.
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Declares the queues.
    pub(crate) fn declare(&self) -> Result<()> {
        let mut client = Client::connect(self.port)?;
        QUEUES.iter().try_for_each(|queue| client.declare(queue, false).map(drop))
    }

    /// Runs publishers and consumers while `meanwhile` runs; they end when it returns and the
    /// broker is gone, or at the stop sign.
    pub(crate) fn during<T>(&self, seed: u64, meanwhile: impl FnOnce() -> T) -> T {
        self.stop.store(false, Ordering::Relaxed);
        self.ready.store(0, Ordering::Relaxed);
        std::thread::scope(|scope| {
            for consumer in 0..CONSUMERS {
                let mut random = Random(seed ^ (u64::from(consumer) + 1) << 16);
                scope.spawn(move || while !self.stopped() && self.consume(&mut random).is_ok() {});
            }
            // A broker that dies before is a round too.
            until(READY, || (self.ready.load(Ordering::Relaxed) >= CONSUMERS).then_some(()));
            for producer in 0..PUBLISHERS {
                let random = Random(seed ^ u64::from(producer) << 8);
                // An error is the crash that the round is about.
                scope.spawn(move || drop(self.publish(producer, random)));
            }
            let value = meanwhile();
            self.stop.store(true, Ordering::Relaxed);
            value
        })
    }

    /// One publisher until the connection ends or the stop sign is seen.
    fn publish(&self, producer: u8, mut random: Random) -> Result<()> {
        let mut client = Client::connect(self.port)?;
        client.confirm_select()?;
        let mut unconfirmed: VecDeque<(u64, Key)> = VecDeque::new();
        let mut tag = 0;
        let mut blocked = false;
        loop {
            let full = unconfirmed.len() >= WINDOW || self.ledger().waiting > WAITING_MAX;
            if self.stopped() && unconfirmed.is_empty() {
                return Ok(());
            }
            let pause = full || blocked || self.stopped();
            if !pause {
                for _ in 0..=random.below(20) {
                    let key = self.next_key(producer);
                    self.publish_one(&mut client, key, &mut random);
                    tag += 1;
                    unconfirmed.push_back((tag, key));
                }
                client.flush()?;
            }
            let mut limit = if pause { LOOK } else { Duration::ZERO };
            while let Some(event) = client.next(limit) {
                limit = Duration::ZERO;
                match event {
                    Event::Ack { tag, multiple } => self.confirmed(&mut unconfirmed, tag, multiple),
                    Event::Nack { tag, multiple } => {
                        // Refused: it may be in the queue or not, as if the answer were lost.
                        unconfirmed.retain(|(t, _)| *t != tag && !(multiple && *t < tag));
                    }
                    Event::Blocked(_) => blocked = true,
                    Event::Unblocked => blocked = false,
                    Event::Closed(reason) => bail!("closed: {reason}"),
                    Event::Delivery(_) | Event::Method(..) => {}
                }
            }
        }
    }

    fn next_key(&self, producer: u8) -> Key {
        let seq = self.seqs[usize::from(producer)].fetch_add(1, Ordering::Relaxed);
        Key { producer, seq }
    }

    fn publish_one(&self, client: &mut Client, key: Key, random: &mut Random) {
        let queue = usize::try_from(random.below(4)).unwrap_or(0);
        let number = u16::try_from(queue).unwrap_or(0);
        let persistent = !random.once_in(10);
        let body = body(key, number, random.size());
        self.ledger().sent(key, number, persistent);
        client.publish(QUEUES[queue], persistent, &body);
    }

    fn confirmed(&self, unconfirmed: &mut VecDeque<(u64, Key)>, tag: u64, multiple: bool) {
        let mut ledger = self.ledger();
        unconfirmed.retain(|(t, key)| {
            let done = *t == tag || multiple && *t < tag;
            if done {
                ledger.confirmed(*key);
            }
            !done
        });
    }

    /// One consumer for a while: it acks most, puts some back, and leaves with the rest unacked.
    fn consume(&self, random: &mut Random) -> Result<()> {
        let mut client = Client::connect(self.port)?;
        for queue in QUEUES {
            client.consume(queue, 50)?;
        }
        self.ready.fetch_add(1, Ordering::Relaxed);
        let mut last: BTreeMap<(String, u8), u32> = BTreeMap::new();
        let mut unacked: Vec<(u64, Option<Key>)> = Vec::new();
        for _ in 0..500 + random.below(5000) {
            if self.stopped() {
                break;
            }
            let event = match client.next(LOOK) {
                Some(event) => event,
                None => {
                    self.ack_all(&mut client, &mut unacked)?;
                    continue;
                }
            };
            let delivery = match event {
                Event::Delivery(delivery) => delivery,
                Event::Closed(reason) => bail!("closed: {reason}"),
                _ => continue,
            };
            let key = self.judge(&delivery);
            if let (Some(key), false) = (key, delivery.redelivered) {
                let before = last.insert((delivery.consumer.clone(), key.producer), key.seq);
                if before.is_some_and(|before| before >= key.seq) {
                    let line = format!("{}: {key:?} comes after {before:?}", delivery.consumer);
                    self.ledger().note(line);
                }
            }
            if random.once_in(40) {
                client.requeue(delivery.tag)?;
            } else if random.once_in(2) {
                unacked.push((delivery.tag, key));
            } else {
                self.acked(key);
                client.ack(delivery.tag, false)?;
            }
            if unacked.len() > 10 && random.once_in(5) {
                self.ack_all(&mut client, &mut unacked)?;
            }
        }
        Ok(())
    }

    /// Acks what is held, one by one or all at once; all unacked tags up to the last are held.
    fn ack_all(&self, client: &mut Client, unacked: &mut Vec<(u64, Option<Key>)>) -> Result<()> {
        let Some((last, _)) = unacked.last().copied() else { return Ok(()) };
        for (_, key) in unacked.drain(..) {
            self.acked(key);
        }
        client.ack(last, true)
    }

    /// Notes an ack before it is written: from then on the broker may forget the message.
    fn acked(&self, key: Option<Key>) {
        if let Some(key) = key {
            self.ledger().acked(key);
        }
    }

    fn judge(&self, delivery: &Delivery) -> Option<Key> {
        let queue = QUEUES.iter().position(|queue| *queue == delivery.consumer);
        let queue = u16::try_from(queue.unwrap_or(usize::MAX)).unwrap_or(u16::MAX);
        self.ledger().delivered(queue, delivery.redelivered, &delivery.body)
    }

    /// Reads all that the queues hold and judges it. The messages go back, or are acked and so
    /// deleted when `drain` is set. Returns how many there were.
    pub(crate) fn inspect(&self, drain: bool, lossy: bool) -> Result<usize> {
        let mut total = 0;
        for (number, queue) in QUEUES.iter().enumerate() {
            let number = u16::try_from(number)?;
            let mut client = Client::connect(self.port)?;
            let ready = client.declare(queue, true).with_context(|| format!("no queue {queue}"))?;
            client.consume(queue, 0)?;
            let mut keys = Vec::new();
            let mut last_tag = 0;
            for count in 0..ready {
                let event = loop {
                    match client.next(Duration::from_secs(if lossy { 3 } else { 20 })) {
                        Some(Event::Method(..)) => {}
                        other => break other,
                    }
                };
                match event {
                    Some(Event::Delivery(delivery)) => {
                        last_tag = delivery.tag;
                        keys.extend(self.judge(&delivery));
                    }
                    _ if lossy => break,
                    other => bail!("{queue} stops after {count} of {ready} messages: {other:?}"),
                }
            }
            total += keys.len();
            self.ledger().found(number, &keys, lossy);
            if drain && last_tag > 0 {
                for key in &keys {
                    self.acked(Some(*key));
                }
                client.ack(last_tag, true)?;
                let left = client.declare(queue, true)?;
                if left > 0 {
                    self.ledger().note(format!("{queue} still has {left} after all were acked"));
                }
            }
        }
        Ok(total)
    }
}

/// Whether a body is one that was never damaged, for deliveries that have no ledger.
pub(crate) fn intact(body: &[u8]) -> bool {
    parse(body).is_ok()
}
