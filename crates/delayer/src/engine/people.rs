//! What people ask of a running delayer.

use super::Engine;
use crate::config::Mode;
use crate::desk::{Order, Outcome, Rates, Status};
use crate::message::Key;
use crate::storage::Question;
use client::link::Link;

impl Engine {
    pub(super) fn ordered(&mut self, order: Order) {
        match order {
            Order::Status(to) => {
                let status = Box::new(self.status());
                self.storage.ask(Question::Status(status, to));
            }
            Order::List(after, until, count, to) => {
                self.storage.ask(Question::List(after, until, count, to));
            }
            Order::Find(id, count, to) => self.storage.ask(Question::Find(id, count, to)),
            Order::Get(key, to) => self.storage.ask(Question::Get(key, to)),
            Order::Histogram(edges, to) => self.storage.ask(Question::Histogram(edges, to)),
            Order::Cancel(key, to) if self.is_taken(key) => drop(to.send(Ok(Outcome::InFlight))),
            Order::Reschedule(key, _, to) if self.is_taken(key) => {
                let _ = to.send(Ok(Outcome::InFlight));
            }
            Order::Cancel(key, to) => {
                self.changing.insert(key.seq);
                self.storage.cancel(key, to);
            }
            Order::Reschedule(key, due_ms, to) => {
                self.changing.insert(key.seq);
                self.storage.reschedule(key, due_ms, to);
            }
        }
    }

    pub(super) fn is_taken(&self, key: Key) -> bool {
        self.revival.is_busy(key) || self.changing.contains(&key.seq)
    }

    pub(super) fn changed(&mut self, from: Key, outcome: Result<Outcome, String>) {
        self.changing.remove(&from.seq);
        match outcome {
            Ok(Outcome::Done(to)) => {
                self.revival.vanished(from);
                match to {
                    Some(key) => {
                        self.counters.rescheduled += 1;
                        self.revival.appeared(key);
                    }
                    None => self.counters.cancelled += 1,
                }
            }
            // It may have been passed over by a load meanwhile.
            Ok(_) => {}
            Err(_) => self.revival.appeared(from),
        }
    }

    pub(super) fn status(&mut self) -> Status {
        let now_ms = (self.now)();
        let [stored, revived, forwarded] = &mut self.rates;
        let rates = Rates {
            stored: stored.per_second(now_ms),
            revived: revived.per_second(now_ms),
            forwarded: forwarded.per_second(now_ms),
        };
        let consuming = self.consumer.as_ref().is_none_or(Link::is_open);
        let connected = (consuming && self.publisher.is_open()).then(|| self.publisher.address());
        Status {
            name: self.plan.name.clone(),
            mode: match self.plan.mode {
                Mode::Both => "both",
                Mode::Delay => "delay",
                Mode::Revive => "revive",
            },
            started_ms: self.started_ms,
            now_ms,
            connected,
            queue: self.plan.queue.clone(),
            exchange: self.plan.exchange.clone(),
            storage: self.plan.storage.clone(),
            totals: Default::default(),
            full: self.full.as_ref().map(|(why, _)| why.clone()),
            blocked: self.blocked.clone(),
            unacked: self.intake.unacked(),
            in_flight: self.revival.in_flight(),
            last_error: self.last_error.clone(),
            rates,
            counters: self.counters.clone(),
        }
    }
}
