//! What becomes of messages when their channel is gone, when nothing is to be consumed, and at a
//! stop.

use super::{BreakerState, Claim, Fate, JoinKey, Machine, SlotId, State, Then};
use crate::config::RetryMode;
use crate::message::Millis;
use crate::reason::Reason;

impl<M: Clone> Machine<M> {
    /// The channel is gone, and the broker gives everything that was not settled to others, or to
    /// us again.
    pub(crate) fn channel_lost(&mut self, now: Millis) {
        self.now = now;
        for slot in self.ids() {
            let Some(entry) = self.slots.get(slot) else { continue };
            if !matches!(entry.claim, Claim::Unsettled(_)) {
                continue;
            }
            let key = (self.key_of)(&entry.message);
            let (attempts, again) = (entry.attempts, entry.ran > 0);
            let keeps_count = self.policy.retry_mode != RetryMode::Requeue;
            match entry.state {
                State::Running | State::Publishing(_) | State::Republishing { .. } => {
                    self.orphan(slot, key);
                }
                State::Holding { until, .. } if keeps_count => {
                    self.leave_line(slot);
                    self.leave(slot, key, Fate::Retry { attempts, at: until });
                }
                State::Queued | State::Lined | State::Doubled if again => {
                    self.leave_line(slot);
                    self.leave(slot, key, Fate::Retry { attempts, at: now });
                }
                State::Holding { .. } => {
                    self.leave_line(slot);
                    self.remove(slot);
                }
                State::Queued | State::Lined | State::Doubled | State::Unadmitted => {
                    self.leave_line(slot);
                    self.leave(slot, key, Fate::Waited { attempts });
                }
            }
        }
        self.start();
    }

    fn orphan(&mut self, slot: SlotId, key: Option<JoinKey>) {
        self.counters.orphaned += 1;
        self.unsettled -= 1;
        self.slots[slot].claim = Claim::Lost(key);
        if let Some(key) = key {
            self.orphans.entry(key).or_default().push(slot);
        }
    }

    pub(super) fn forget_orphan(&mut self, key: &JoinKey, slot: SlotId) {
        if let Some(slots) = self.orphans.get_mut(key) {
            slots.retain(|other| *other != slot);
            if slots.is_empty() {
                self.orphans.remove(key);
            }
        }
    }

    /// Nothing is consumed any more: gives back what waits and may run elsewhere. A message that
    /// would be refused as redelivered stays.
    pub(crate) fn give_back_waiting(&mut self, now: Millis) {
        self.now = now;
        for slot in self.ids() {
            let Some(entry) = self.slots.get(slot) else { continue };
            let waits = matches!(entry.state, State::Queued | State::Lined | State::Doubled);
            let waits = waits || entry.state == State::Unadmitted;
            let stays = self.stays() || entry.ran > 0;
            if waits && !stays && matches!(entry.claim, Claim::Unsettled(_)) {
                self.leave_line(slot);
                self.give_back(slot);
            }
        }
    }

    /// Whether what waits here had better wait here.
    fn stays(&self) -> bool {
        let refused_elsewhere = !self.policy.allow_redelivery && self.policy.refuse_redelivered;
        let can_run = self.may_run() && self.breaker.state() == BreakerState::Closed;
        refused_elsewhere && (!self.draining || can_run)
    }

    /// Begins to stop: gives back what waits and what is to be tried again, and lets the runs end.
    pub(crate) fn drain(&mut self, now: Millis) {
        self.draining = true;
        self.give_back_waiting(now);
        for slot in self.ids() {
            let Some(entry) = self.slots.get(slot) else { continue };
            let unsettled = matches!(entry.claim, Claim::Unsettled(_));
            let again = match entry.state {
                State::Queued | State::Lined | State::Doubled => entry.ran > 0,
                State::Holding { .. } => true,
                _ => false,
            };
            let unwanted = matches!(entry.state, State::Holding { then: Then::GiveBack, .. });
            if unsettled && again {
                self.leave_line(slot);
                if unwanted { self.give_back(slot) } else { self.reject(slot, true) }
            } else if entry.claim == Claim::Settled
                && let State::Holding { until, then: Then::Run } = entry.state
            {
                // It cannot be given back: its last chance is now.
                self.timers.remove(&(until, slot));
                self.timers.insert((now, slot));
                self.slots[slot].state = State::Holding { until: now, then: Then::Run };
            }
        }
        self.tick(now);
    }

    /// Ends at once: runs are aborted by the caller. Returns how many they were.
    pub(crate) fn abort(&mut self) -> usize {
        let mut runs = 0;
        for slot in self.ids() {
            let Some(entry) = self.slots.get(slot) else { continue };
            let (claim, state) = (entry.claim, entry.state.clone());
            let text = "the trigger had to stop";
            if state == State::Running {
                runs += 1;
                self.running -= 1;
                self.slots[slot].attempts += 1;
                let outcome = if claim == Claim::Settled { "lost" } else { "returned" };
                self.ended(slot, outcome, Some((Reason::Aborted, text.into())));
            }
            self.leave_line(slot);
            if claim == Claim::Settled {
                self.counters.lost += 1;
            }
            match state {
                State::Queued | State::Lined | State::Doubled | State::Unadmitted => {
                    self.give_back(slot);
                }
                _ => self.reject(slot, true),
            }
        }
        runs
    }

    fn ids(&self) -> Vec<SlotId> {
        self.slots.iter().map(|(slot, _)| slot).collect()
    }
}
