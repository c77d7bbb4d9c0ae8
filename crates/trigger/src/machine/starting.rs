//! Which message runs next.

use super::{Effect, Machine, SlotId, State};

impl<M: Clone> Machine<M> {
    /// Starts what may start.
    pub(super) fn start(&mut self) {
        while self.may_start() {
            let Some(slot) = self.ready.pop_front() else { return };
            self.stop_timer(slot);
            if self.is_double(slot) {
                continue;
            }
            self.rate.take();
            self.running += 1;
            self.counters.started += 1;
            let entry = &mut self.slots[slot];
            entry.state = State::Running;
            if entry.ran == 0 {
                self.counters.wait_ms.observe(self.now - entry.received_at);
            }
            entry.ran += 1;
            let (attempt, message) = (entry.attempts + 1, entry.message.clone());
            self.effects.push_back(Effect::Start { slot, attempt, message });
        }
    }

    fn may_start(&mut self) -> bool {
        !self.ready.is_empty()
            && self.running < self.policy.consumers
            && self.may_run()
            && self.breaker.allows(self.running)
            && self.rate.next(self.now) <= self.now
    }

    /// Whether nobody has paused it.
    pub(super) fn may_run(&self) -> bool {
        self.paused.is_none() && self.retry_after <= self.now
    }

    /// Whether the message has to wait for one with the same idempotency key, or is done with it.
    fn is_double(&mut self, slot: SlotId) -> bool {
        let Some(key) = self.slots[slot].idempotency.clone() else { return false };
        if self.slots[slot].stands {
            return false;
        }
        if self.successes.get(&key, self.now).is_some() {
            self.drop_double(slot);
            return true;
        }
        let first = self.idempotency.enter(&key, slot);
        self.slots[slot].stands = first;
        if !first {
            self.slots[slot].state = State::Doubled;
            if let Some(at) = self.expires_at(&self.slots[slot]) {
                self.timers.insert((at, slot));
            }
        }
        !first
    }
}
