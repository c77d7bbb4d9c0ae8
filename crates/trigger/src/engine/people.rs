//! What people ask of a running trigger.

use super::consuming::Down;
use super::{Engine, unix_ms};
use crate::config::Definition;
use crate::desk::{Condition, Order, Status};
use crate::machine::BreakerState;
use crate::message::Millis;

impl Engine {
    /// Answers a question.
    pub(super) fn ordered(&mut self, order: Order) {
        // Who asked may have gone: that is no matter of ours.
        match order {
            Order::Status(to) => drop(to.send(Box::new(self.status()))),
            Order::Pause(to) => {
                tracing::info!(trigger = self.definition.name, "paused by a person");
                self.machine.pause("by a person".into());
                let _ = to.send(());
            }
            Order::Resume(to) => {
                tracing::info!(trigger = self.definition.name, "resumed by a person");
                let now = self.now();
                self.machine.resume(now);
                let _ = to.send(());
            }
        }
    }

    fn status(&self) -> Status {
        let trigger = &self.definition.trigger;
        let now_ms = unix_ms();
        Status {
            name: self.definition.name.clone(),
            queue: trigger.queue.clone(),
            broker: self.consumer.address(),
            pipeline: self.runner.pipeline.kind(),
            target: target(&self.definition),
            started_ms: now_ms - self.now(),
            now_ms,
            condition: self.condition(now_ms),
            consumers: trigger.consumers,
            prefetch: trigger.prefetch,
            in_flight: self.machine.running() as u64,
            queued: self.machine.queued() as u64,
            holding: self.machine.holding() as u64,
            unacked: self.consuming.unacked as u64,
            last_success_ms: self.last_success,
            last_error: self.log.last(),
            runs: self.recent.iter().cloned().collect(),
            failures: self.failures.iter().cloned().collect(),
            counters: self.machine.counters.clone(),
        }
    }

    fn condition(&self, now_ms: Millis) -> Condition {
        let now = self.now();
        let wall = |at: Millis| now_ms + at.saturating_sub(now);
        if self.draining {
            return Condition::Draining;
        }
        match &self.consuming.down {
            Some(Down::Connection(why)) => return Condition::Disconnected(why.clone()),
            Some(Down::Queue(why)) => return Condition::NoQueue(why.clone()),
            None => {}
        }
        if let Some(why) = self.machine.paused() {
            return Condition::Paused(why.to_owned());
        }
        match self.machine.breaker() {
            BreakerState::Open(until) => return Condition::BreakerOpen(wall(until)),
            BreakerState::HalfOpen => return Condition::BreakerHalfOpen,
            BreakerState::Closed => {}
        }
        match self.machine.retry_after() {
            until if until > now => Condition::RetryAfter(wall(until)),
            _ => Condition::Running,
        }
    }
}

/// The URL without its query, which may hold a secret, or the program.
fn target(definition: &Definition) -> String {
    let trigger = &definition.trigger;
    match trigger.command.argv.first() {
        Some(program) => program.clone(),
        None => trigger.http.url.split(['?', '#']).next().unwrap_or_default().to_owned(),
    }
}
