//! Which deliveries of the present channel are settled, so that they are acknowledged with few
//! methods: everything up to the first that is not, in one.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Settled,
    Acked,
}

/// The deliveries of one channel, by their tags.
#[derive(Debug)]
pub(crate) struct Acks {
    /// The tag of the first of `states`.
    first: u64,
    states: VecDeque<State>,
    /// How many are open or settled.
    unacked: usize,
    /// How many are settled and not acked.
    settled: usize,
}

impl Acks {
    /// For a new channel.
    pub(crate) fn new() -> Acks {
        Acks { first: 1, states: VecDeque::new(), unacked: 0, settled: 0 }
    }

    /// Deliveries that the broker still counts as ours.
    pub(crate) fn unacked(&self) -> usize {
        self.unacked
    }

    /// Notes a delivery; tags ascend without gaps.
    pub(crate) fn delivered(&mut self, tag: u64) {
        if self.states.is_empty() {
            self.first = tag;
        }
        self.states.push_back(State::Open);
        self.unacked += 1;
    }

    /// Notes that a delivery may be acknowledged.
    pub(crate) fn settle(&mut self, tag: u64) {
        let index = tag.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        let state = index.and_then(|index| self.states.get_mut(index));
        if let Some(state) = state.filter(|state| **state == State::Open) {
            *state = State::Settled;
            self.settled += 1;
        }
    }

    /// What to acknowledge now, as (tag, multiple). Settled deliveries behind an open one wait for
    /// it until there are `waiting_max`.
    pub(crate) fn take(&mut self, waiting_max: usize) -> Vec<(u64, bool)> {
        let mut acks = Vec::new();
        if self.settled == 0 {
            return acks;
        }
        // The last settled one of the prefix: a tag must not be acknowledged twice.
        let (mut prefix, mut last) = (0, 0);
        while let Some(state) = self.states.front().copied().filter(|state| *state != State::Open) {
            if state == State::Settled {
                prefix += 1;
                last = self.first;
            }
            self.states.pop_front();
            self.first += 1;
        }
        if prefix > 0 {
            acks.push((last, prefix > 1));
            self.settled -= prefix;
            self.unacked -= prefix;
        }
        if self.settled > waiting_max {
            for (tag, state) in (self.first..).zip(&mut self.states) {
                if *state == State::Settled {
                    *state = State::Acked;
                    acks.push((tag, false));
                }
            }
            self.unacked -= self.settled;
            self.settled = 0;
        }
        acks
    }
}
