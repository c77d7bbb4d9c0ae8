//! Random scripts on two brokers, of which one ends in between: what waits afterwards is the same.

use amqp::method::{TxCommit, TxCommitOk, TxRollback, TxRollbackOk, TxSelect, TxSelectOk};

use crate::broker::Broker;
use crate::client::Client;
use crate::client::arguments::{Queue, consume, queue};
use crate::client::channel::{Channel, Event};
use crate::client::message::message;

const QUEUES: u64 = 3;
const STEPS: u64 = 150;

/// A xorshift generator.
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) % end
    }
}

fn name(seed: u64, index: u64) -> String {
    format!("{seed}-{index}")
}

fn declared(seed: u64, index: u64) -> Queue {
    let queue = queue(&name(seed, index)).durable();
    let queue = match (seed + index) % 5 {
        0 => queue.arg("x-max-length", 5),
        1 => queue.arg("x-max-priority", 3),
        2 => queue.arg("x-max-length-bytes", 5_000),
        3 => queue.arg("x-max-length", 4).arg("x-overflow", "reject-publish"),
        _ => queue,
    };
    if seed.is_multiple_of(2) {
        let next = name(seed, (index + 1) % QUEUES);
        queue.arg("x-dead-letter-exchange", "").arg("x-dead-letter-routing-key", next.as_str())
    } else {
        queue
    }
}

/// One step of a script. Deterministic: one connection, and every answer is waited for.
fn step(c: &Channel, seed: u64, number: u64, random: &mut Random, held: &mut Vec<u64>) {
    let queue = name(seed, random.below(QUEUES));
    let dice = random.below(20);
    match dice {
        0..=9 => {
            let size = [3, 700, 3000, 90_000][random.below(4) as usize];
            let body = format!("{number} {}", "x".repeat(size));
            let mut message = message("", &queue, body).priority(random.below(4) as u8);
            if random.below(4) > 0 {
                message = message.persistent();
            }
            c.send_message(&message);
        }
        10..=12 => {
            if let Some(got) = c.get(&queue) {
                held.push(got.tag);
            }
        }
        13..=16 if !held.is_empty() => {
            let tag = held.swap_remove(random.below(held.len() as u64) as usize);
            match dice {
                13 | 14 => c.ack(tag),
                15 => c.reject(tag, true),
                _ => c.reject(tag, false),
            }
        }
        17 => {
            // A consumer takes a few and acknowledges some.
            c.prefetch(2);
            let tag = c.consume(&consume(&queue));
            c.cancel(&tag);
            let events = c.connection.borrow_mut().events.remove(&c.number).unwrap_or_default();
            for event in events {
                let Event::Delivery(got) = event else { panic!("{event:?}") };
                if random.below(2) == 0 { c.ack(got.tag) } else { held.push(got.tag) }
            }
        }
        18 if random.below(6) == 0 => {
            c.purge(&queue);
        }
        19 if random.below(6) == 0 => {
            c.delete(&queue);
            for index in 0..QUEUES {
                c.declare(&declared(seed, index));
            }
        }
        _ => c.silent(),
    }
}

/// Runs a script and leaves its queues behind. Everything is in the log when it returns.
fn run(broker: &Broker, seed: u64) {
    let client = Client::connect(broker);
    let (c, tx) = (client.channel(), client.channel());
    for index in 0..QUEUES {
        c.declare(&declared(seed, index));
    }
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut held = Vec::new();
    for number in 0..STEPS {
        step(&c, seed, number, &mut random, &mut held);
    }
    c.close();
    tx.ask(TxSelect {}, TxSelectOk {});
    for (body, commit) in [("committed", true), ("rolled back", false)] {
        tx.send_message(&message("", &name(seed, 0), body).persistent());
        if commit {
            tx.ask(TxCommit {}, TxCommitOk {});
        } else {
            tx.ask(TxRollback {}, TxRollbackOk {});
        }
    }
    client.close();
}

/// What waits: the persistent messages of each queue, in order.
fn waiting(broker: &Broker, seed: u64) -> Vec<Vec<(String, Option<u8>)>> {
    let client = Client::connect(broker);
    let c = client.channel();
    let drain = |index| {
        let all = std::iter::from_fn(|| c.take(&name(seed, index)));
        let persistent = all.filter(|got| got.properties.delivery_mode == Some(2));
        persistent.map(|got| (got.text(), got.properties.priority)).collect()
    };
    (0..QUEUES).map(drain).collect()
}

#[track_caller]
fn check(seeds: std::ops::Range<u64>, end: fn(&mut Broker)) {
    let (steady, mut ended) = (Broker::start(), Broker::start());
    for seed in seeds.clone() {
        run(&steady, seed);
        run(&ended, seed);
    }
    end(&mut ended);
    let mut messages = 0;
    for seed in seeds {
        let expected = waiting(&steady, seed);
        messages += expected.iter().map(Vec::len).sum::<usize>();
        assert_eq!(waiting(&ended, seed), expected, "seed {seed}");
    }
    assert!(messages > 50, "{messages}");
}

#[test]
fn clean_stop_changes_nothing_that_waits() {
    check(1..13, Broker::restart);
}

#[test]
fn crash_changes_nothing_that_waits() {
    check(13..25, Broker::crash);
}

#[test]
fn ends_in_a_row_change_nothing_that_waits() {
    check(25..31, |broker| {
        broker.crash();
        broker.restart();
        broker.crash();
        broker.crash();
    });
}
