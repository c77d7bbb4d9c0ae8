//! What becomes of a delivery when it comes: refused, joined to an orphan, or queued.

use super::{Arrival, Claim, Effect, Fate, Machine, Slot, SlotId, State, Then};
use crate::config::DeadLetterMode;
use crate::message::Millis;
use crate::reason::Reason;

impl<M: Clone> Machine<M> {
    /// Takes a delivery of the present channel.
    pub(crate) fn received(&mut self, arrival: Arrival<M>, now: Millis) {
        self.now = now;
        self.counters.received += 1;
        if self.join(&arrival) {
            return self.start();
        }
        let excused = self.is_excused(&arrival);
        let refusal = self
            .refusal(&arrival)
            .filter(|(reason, _)| !excused || *reason != Reason::RedeliveryDisallowed);
        let slot = self.add(&arrival);
        if arrival.too_large {
            self.counters.oversize += 1;
        }
        match refusal {
            Some((reason, text)) => self.refuse(slot, reason, text),
            None => self.take_in(slot),
        }
        self.start();
    }

    /// Puts a message where it waits for its run.
    fn take_in(&mut self, slot: SlotId) {
        if self.policy.auto_acknowledge && self.slots[slot].claim != Claim::Settled {
            self.slots[slot].state = State::Unadmitted;
            self.unadmitted.push_back(slot);
            self.admit();
        } else {
            self.enqueue(slot);
        }
    }

    fn add(&mut self, arrival: &Arrival<M>) -> SlotId {
        let no_ack = self.policy.auto_acknowledge && self.policy.wire_no_ack;
        let claim = if no_ack { Claim::Settled } else { Claim::Unsettled(arrival.tag) };
        *(if no_ack { &mut self.settled } else { &mut self.unsettled }) += 1;
        self.slots.insert(Slot {
            message: arrival.message.clone(),
            claim,
            state: State::Queued,
            attempts: arrival.prior.attempts,
            ran: 0,
            unpublished: 0,
            received_at: self.now,
            ended_at: None,
            has_turn: false,
            ordering: arrival.ordering.clone(),
            stands: false,
            idempotency: arrival.idempotency.clone(),
        })
    }

    /// Whether a message need not have run although it is flagged as redelivered. Of those that were
    /// at a consumer when it or the broker crashed there are `prefetch` at most, and they come first.
    /// A broker that flags more of them in a row has lost count of what it had sent.
    fn is_excused(&mut self, arrival: &Arrival<M>) -> bool {
        let is_flagged = arrival.prior.attempts > 0 && !arrival.prior.counted;
        self.flagged = if is_flagged { self.flagged + 1 } else { 0 };
        let refuses = !self.policy.allow_redelivery && self.policy.refuse_redelivered;
        if refuses && self.flagged == self.policy.prefetch + 1 {
            self.effects.push_back(Effect::Excused);
        }
        self.flagged > self.policy.prefetch
    }

    /// Why a delivery is refused before its run.
    fn refusal(&self, arrival: &Arrival<M>) -> Option<(Reason, String)> {
        let prior = &arrival.prior;
        if arrival.too_large {
            return Some((Reason::TooLarge, "larger than max_message_bytes".into()));
        }
        if !self.policy.allow_redelivery {
            let refused = prior.attempts > 0 && (self.policy.refuse_redelivered || prior.counted);
            let text = "it was delivered before, and allow_redelivery is false";
            return refused.then(|| (Reason::RedeliveryDisallowed, text.into()));
        }
        let exhausted = prior.counted && prior.attempts >= self.policy.max_attempts;
        exhausted.then(|| {
            (Reason::AttemptsExhausted, format!("it has had {} attempts before", prior.attempts))
        })
    }

    /// Gives a redelivered copy the place of its original, if that has run or is running here.
    fn join(&mut self, arrival: &Arrival<M>) -> bool {
        let Some(key) = arrival.join else { return false };
        if let Some(slots) = self.orphans.get_mut(&key) {
            // A key in the map has at least one slot.
            if let Some(slot) = slots.pop() {
                if slots.is_empty() {
                    self.orphans.remove(&key);
                }
                self.counters.joined += 1;
                self.slots[slot].claim = Claim::Unsettled(arrival.tag);
                self.unsettled += 1;
                return true;
            }
        }
        let Some(fate) = self.ends.take(&key, self.now) else { return false };
        let slot = self.add(arrival);
        self.counters.joined += u64::from(!matches!(fate, Fate::Waited { .. }));
        match fate {
            Fate::Waited { attempts } => {
                let counted = if arrival.prior.counted { arrival.prior.attempts } else { 0 };
                self.slots[slot].attempts = attempts.max(counted);
                self.take_in(slot);
            }
            Fate::Done => self.ack(slot),
            Fate::Retry { attempts, at } => {
                self.slots[slot].attempts = attempts;
                self.slots[slot].ran = 1;
                self.enter_line(slot);
                let until = at.max(self.now);
                self.wait(slot, State::Holding { until, then: Then::Run }, until);
            }
            Fate::Dead { attempts, reason, text } => {
                self.slots[slot].attempts = attempts;
                self.bury(slot, reason, text);
            }
        }
        true
    }

    /// Takes the turn of its ordering key, even if another has it: it had it before.
    fn enter_line(&mut self, slot: SlotId) {
        let Some(key) = self.slots[slot].ordering.clone() else { return };
        let turn = self.ordering.enter(&key, slot);
        if !turn {
            self.ordering.leave(&key, slot);
        }
        self.slots[slot].has_turn = turn;
    }

    /// Acknowledges what waits for that, as far as there is room.
    pub(super) fn admit(&mut self) {
        while self.settled < self.policy.prefetch {
            let Some(slot) = self.unadmitted.pop_front() else { return };
            if let Claim::Unsettled(tag) = self.slots[slot].claim {
                self.effects.push_back(Effect::Ack(tag));
                self.slots[slot].claim = Claim::Settled;
                self.unsettled -= 1;
                self.settled += 1;
            }
            self.enqueue(slot);
        }
    }

    /// Puts a message into the line of its ordering key, or where it can start.
    fn enqueue(&mut self, slot: SlotId) {
        let entry = &self.slots[slot];
        let known = match &entry.idempotency {
            Some(key) => self.successes.get(key, self.now).is_some(),
            None => false,
        };
        if known {
            return self.drop_double(slot);
        }
        let turn = match &self.slots[slot].ordering {
            Some(key) => self.ordering.enter(key, slot),
            None => true,
        };
        let entry = &mut self.slots[slot];
        entry.has_turn = turn && entry.ordering.is_some();
        entry.state = if turn { State::Queued } else { State::Lined };
        if turn {
            self.ready.push_back(slot);
        }
        if let Some(at) = self.expires_at(&self.slots[slot]) {
            self.timers.insert((at, slot));
        }
    }

    /// Settles a message that succeeded before.
    pub(super) fn drop_double(&mut self, slot: SlotId) {
        self.counters.dropped += 1;
        let text = "a message with the same idempotency key has succeeded";
        self.ended(slot, "dropped", Some((Reason::Duplicate, text.into())));
        self.ack(slot);
    }

    fn refuse(&mut self, slot: SlotId, reason: Reason, text: String) {
        self.counters.refused[reason as usize] += 1;
        self.ended(slot, "refused", Some((reason, text.clone())));
        self.put_away(slot, reason, text);
    }

    /// Settles a message that will not run again.
    pub(super) fn put_away(&mut self, slot: SlotId, reason: Reason, text: String) {
        match self.policy.dead_letter {
            DeadLetterMode::Publish => {
                let attempts = self.slots[slot].attempts;
                self.publish(slot, super::Publication::DeadLetter { reason, text, attempts });
            }
            DeadLetterMode::Broker => self.put_away_by_broker(slot),
            DeadLetterMode::Discard => {
                self.counters.dropped += 1;
                self.ack(slot);
            }
        }
    }

    /// Leaves a message to the broker's own dead-lettering.
    pub(super) fn put_away_by_broker(&mut self, slot: SlotId) {
        if self.slots[slot].claim == Claim::Settled {
            self.counters.lost += 1;
            self.ack(slot);
        } else {
            self.reject(slot, false);
        }
    }
}
