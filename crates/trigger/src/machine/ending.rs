//! What becomes of a message after its run, and how it is settled.

use super::{
    BreakerState, Claim, Effect, Fate, JoinKey, Machine, Publication, Published,
    REPUBLISH_FIRST_MS, REPUBLISH_LONGEST_MS, SlotId, State, Then, works,
};
use crate::config::{OnExpire, RetryMode};
use crate::message::Millis;
use crate::pipeline::{Outcome, Pause, Verdict};
use crate::reason::Reason;

impl<M: Clone> Machine<M> {
    /// A run has ended.
    pub(crate) fn finished(&mut self, slot: SlotId, outcome: Outcome, now: Millis) {
        self.now = now;
        self.running -= 1;
        self.slots[slot].ended_at = Some(now);
        match outcome.pause {
            Some(Pause::For(time)) => {
                let until = now + time.as_millis() as Millis;
                self.retry_after = self.retry_after.max(until);
            }
            Some(Pause::UntilResumed) => self.paused = Some(outcome.summary.clone()),
            None => {}
        }
        let is_probe = self.breaker.state() == BreakerState::HalfOpen;
        match works(&outcome.verdict) {
            Some(true) => self.breaker.succeeded(),
            Some(false) => drop(self.breaker.failed(now)),
            None => {}
        }
        match outcome.verdict {
            Verdict::Done => {
                self.slots[slot].attempts += 1;
                if let Some(key) = self.slots[slot].idempotency.clone() {
                    self.successes.note(key, (), now);
                }
                match outcome.reply {
                    Some(reply) => self.publish(slot, Publication::Reply(reply)),
                    None => self.done(slot),
                }
            }
            Verdict::Drop => {
                self.counters.dropped += 1;
                self.ended(slot, "dropped", None);
                self.ack(slot);
            }
            Verdict::Requeue => self.give_up(slot),
            Verdict::Retry(reason, text) => self.failed(slot, reason, text, is_probe),
            Verdict::Dead(reason, text) => {
                self.slots[slot].attempts += 1;
                self.bury(slot, reason, text);
            }
        }
        self.admit();
        if self.draining {
            self.give_back_waiting(now);
        }
        self.start();
    }

    /// The pipeline wants nothing of it: back to the queue after the first pause, so that a pipeline
    /// that never wants anything does not spin, if it is still ours to give back.
    fn give_up(&mut self, slot: SlotId) {
        match self.slots[slot].claim {
            Claim::Unsettled(_) => {
                let until = self.now + self.pause_after(1);
                self.wait(slot, State::Holding { until, then: Then::GiveBack }, until);
            }
            Claim::Settled => {
                let text = "the pipeline gave it back, and it is acknowledged already";
                self.failed(slot, Reason::Failed, text.into(), false);
            }
            // The broker has it.
            Claim::Lost(_) => self.remove(slot),
        }
    }

    fn done(&mut self, slot: SlotId) {
        self.counters.ok += 1;
        self.ended(slot, "ok", None);
        self.ack(slot);
    }

    /// A run failed in a way that another one may not. A probe of the breaker that fails says
    /// something of the endpoint, and nothing of its message: it uses up no attempt, so that an
    /// outage, however long, makes no dead letters.
    fn failed(&mut self, slot: SlotId, reason: Reason, text: String, is_probe: bool) {
        let entry = &mut self.slots[slot];
        if !self.policy.allow_redelivery {
            entry.attempts += 1;
            return self.bury(slot, reason, text);
        }
        entry.attempts += u32::from(!is_probe);
        // What it failed with elsewhere is not known here: the number of pauses is that of runs.
        let failures = entry.attempts;
        if failures >= self.policy.max_attempts {
            let text = format!("attempt {failures} was the last one: {reason}: {text}");
            return self.bury(slot, Reason::AttemptsExhausted, text);
        }
        let ms = self.pause_after(failures);
        let until = self.now + ms;
        self.counters.retry += 1;
        self.ended(slot, "retry", Some((reason, text)));
        if let Claim::Lost(key) = self.slots[slot].claim {
            return self.leave(slot, key, Fate::Retry { attempts: failures, at: until });
        }
        let in_process = self.slots[slot].claim == Claim::Settled;
        match self.policy.retry_mode {
            RetryMode::Requeue if !in_process => {
                let then = if is_probe { Then::GiveBack } else { Then::Requeue };
                self.wait(slot, State::Holding { until, then }, until);
            }
            RetryMode::DelayQueue if !in_process => {
                let ms = self.nominal_pause(failures);
                self.publish(slot, Publication::Retry { ms, attempts: failures });
            }
            _ => self.wait(slot, State::Holding { until, then: Then::Run }, until),
        }
    }

    /// The pause after so many failures, as configured.
    fn nominal_pause(&self, failures: u32) -> Millis {
        let list = &self.policy.backoff_ms;
        let at = (failures.max(1) as usize - 1).min(list.len().saturating_sub(1));
        list.get(at).copied().unwrap_or_default()
    }

    /// The same with its jitter.
    fn pause_after(&mut self, failures: u32) -> Millis {
        let nominal = self.nominal_pause(failures) as f64;
        let swing = (self.chance.fraction() * 2.0 - 1.0) * self.policy.jitter;
        (nominal * (1.0 + swing)).round().max(0.0) as Millis
    }

    /// A message failed for good.
    pub(super) fn bury(&mut self, slot: SlotId, reason: Reason, text: String) {
        if let Claim::Lost(key) = self.slots[slot].claim {
            let attempts = self.slots[slot].attempts;
            return self.leave(slot, key, Fate::Dead { attempts, reason, text });
        }
        self.counters.dead[reason as usize] += 1;
        self.ended(slot, "dead", Some((reason, text.clone())));
        self.put_away(slot, reason, text);
    }

    /// A message waited too long.
    pub(super) fn expire(&mut self, slot: SlotId) {
        self.counters.expired += 1;
        let text = format!("it waited {} ms for a run", self.now - self.slots[slot].received_at);
        self.ended(slot, "expired", Some((Reason::Expired, text.clone())));
        self.leave_line(slot);
        let settled = self.slots[slot].claim == Claim::Settled;
        match self.policy.on_expire {
            OnExpire::Drop => {
                self.counters.dropped += 1;
                self.ack(slot);
            }
            OnExpire::Requeue if !settled => self.give_back(slot),
            OnExpire::Auto if !settled && self.policy.allow_redelivery => self.give_back(slot),
            OnExpire::DeadLetter | OnExpire::Auto | OnExpire::Requeue => {
                self.put_away(slot, Reason::Expired, text);
            }
        }
        self.admit();
    }

    /// What was published has arrived, or has not.
    pub(crate) fn published(&mut self, slot: SlotId, result: Published, now: Millis) {
        self.now = now;
        let Some(entry) = self.slots.get(slot) else { return };
        let State::Publishing(publication) = entry.state.clone() else { return };
        let settled = entry.claim == Claim::Settled;
        if result != Published::Confirmed {
            self.counters.unpublished += 1;
        }
        match (publication, result) {
            (Publication::Reply(_), Published::Confirmed) => {
                self.counters.replies += 1;
                self.done(slot);
            }
            // Nobody waits for the answer any more.
            (Publication::Reply(_), Published::Returned | Published::Impossible) => {
                self.done(slot);
            }
            (_, Published::Confirmed) => self.ack(slot),
            // There is no such delay queue: the broker itself has to give it back, as late.
            (Publication::Retry { ms, .. }, Published::Returned) if !settled => {
                let until = now + ms;
                self.wait(slot, State::Holding { until, then: Then::Requeue }, until);
            }
            (Publication::DeadLetter { .. }, Published::Impossible) => {
                self.put_away_by_broker(slot)
            }
            (publication, _) => {
                let entry = &mut self.slots[slot];
                entry.unpublished += 1;
                let doubled = REPUBLISH_FIRST_MS << entry.unpublished.min(10);
                let at = now + (doubled / 2).min(REPUBLISH_LONGEST_MS);
                self.wait(slot, State::Republishing { at, publication }, at);
            }
        }
        self.admit();
        self.start();
    }

    pub(super) fn publish(&mut self, slot: SlotId, publication: Publication) {
        let entry = &mut self.slots[slot];
        entry.state = State::Publishing(publication.clone());
        let message = entry.message.clone();
        self.effects.push_back(Effect::Publish { slot, publication, message });
    }

    /// Acknowledges a message, and forgets it.
    pub(super) fn ack(&mut self, slot: SlotId) {
        match self.slots[slot].claim {
            Claim::Unsettled(tag) => {
                self.note_lag(slot);
                self.effects.push_back(Effect::Ack(tag));
            }
            Claim::Settled => {}
            Claim::Lost(key) => return self.leave(slot, key, Fate::Done),
        }
        self.remove(slot);
    }

    /// Rejects a message, and forgets it.
    pub(super) fn reject(&mut self, slot: SlotId, requeue: bool) {
        if let Claim::Unsettled(tag) = self.slots[slot].claim {
            self.note_lag(slot);
            self.effects.push_back(Effect::Reject { tag, requeue });
        }
        self.remove(slot);
    }

    /// Rejects a message that is to run again.
    pub(super) fn requeue(&mut self, slot: SlotId) {
        self.note_attempts(slot);
        self.reject(slot, true);
    }

    /// Gives back a message that the pipeline did not want; that is no attempt.
    pub(super) fn return_it(&mut self, slot: SlotId) {
        self.note_attempts(slot);
        self.give_back(slot);
    }

    /// Only some queues count how often a message has run; so do we, if it has an id and comes back
    /// here.
    fn note_attempts(&mut self, slot: SlotId) {
        let entry = &self.slots[slot];
        if let Some(key) = (self.key_of)(&entry.message) {
            self.ends.note(key, Fate::Waited { attempts: entry.attempts }, self.now);
        }
    }

    /// A message that has run is settled now.
    fn note_lag(&mut self, slot: SlotId) {
        if let Some(at) = self.slots[slot].ended_at {
            self.counters.ack_lag_ms.observe(self.now.saturating_sub(at));
        }
    }

    /// Gives a message back that has not run, and forgets it.
    pub(super) fn give_back(&mut self, slot: SlotId) {
        if let Claim::Unsettled(tag) = self.slots[slot].claim {
            self.counters.returned += 1;
            self.ended(slot, "returned", None);
            self.effects.push_back(Effect::Nack { tag });
        }
        self.remove(slot);
    }

    /// Leaves behind what an orphan came to.
    pub(super) fn leave(&mut self, slot: SlotId, key: Option<JoinKey>, fate: Fate) {
        if let Some(key) = key {
            self.ends.note(key, fate, self.now);
        }
        self.remove(slot);
    }

    /// Takes a waiting message out of where it waits.
    pub(super) fn leave_line(&mut self, slot: SlotId) {
        self.stop_timer(slot);
        match self.slots[slot].state {
            State::Queued => self.ready.retain(|other| *other != slot),
            State::Unadmitted => self.unadmitted.retain(|other| *other != slot),
            State::Lined => {
                if let Some(key) = self.slots[slot].ordering.clone() {
                    self.ordering.leave(&key, slot);
                }
            }
            State::Doubled => {
                if let Some(key) = self.slots[slot].idempotency.clone() {
                    self.idempotency.leave(&key, slot);
                }
            }
            State::Holding { until: at, .. } | State::Republishing { at, .. } => {
                self.timers.remove(&(at, slot));
            }
            State::Running | State::Publishing(_) => {}
        }
    }

    /// Forgets a message, and gives its turns to others.
    pub(super) fn remove(&mut self, slot: SlotId) {
        let gone = self.slots.remove(slot);
        match gone.claim {
            Claim::Unsettled(_) => self.unsettled -= 1,
            Claim::Settled => self.settled -= 1,
            Claim::Lost(Some(key)) => self.forget_orphan(&key, slot),
            Claim::Lost(None) => {}
        }
        if let (true, Some(key)) = (gone.has_turn, &gone.ordering)
            && let Some(next) = self.ordering.done(key)
        {
            self.slots[next].has_turn = true;
            self.slots[next].state = State::Queued;
            self.ready.push_back(next);
        }
        if let (true, Some(key)) = (gone.stands, &gone.idempotency) {
            // It may be done with; that is seen when it would start.
            while let Some(next) = self.idempotency.done(key) {
                self.slots[next].state = State::Queued;
                self.ready.push_back(next);
            }
        }
    }
}
