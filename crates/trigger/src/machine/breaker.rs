//! The circuit breaker: after too many failures in a row nothing is started for a while, and then
//! one run is tried.

use crate::message::Millis;

/// What the breaker allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Everything.
    Closed,
    /// Nothing, until then.
    Open(Millis),
    /// One run at a time.
    HalfOpen,
}

#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    /// Failures in a row.
    failures: u32,
    /// That open it; 0 is never.
    failures_max: u32,
    open_ms: Millis,
}

impl Breaker {
    pub(super) fn new(failures_max: u32, open_ms: Millis) -> Breaker {
        Breaker { state: State::Closed, failures: 0, failures_max, open_ms }
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    /// Whether one more run may start beside `running`.
    pub(super) fn allows(&self, running: usize) -> bool {
        match self.state {
            State::Closed => true,
            State::Open(_) => false,
            State::HalfOpen => running == 0,
        }
    }

    /// The endpoint works.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        // What was started before it opened says nothing about now.
        if !matches!(self.state, State::Open(_)) {
            self.state = State::Closed;
        }
    }

    /// The endpoint does not work. True when that opens the breaker.
    pub(super) fn failed(&mut self, now: Millis) -> bool {
        self.failures = self.failures.saturating_add(1);
        let opens = match self.state {
            State::Closed => self.failures_max > 0 && self.failures >= self.failures_max,
            State::HalfOpen => true,
            State::Open(_) => false,
        };
        if opens {
            self.state = State::Open(now + self.open_ms);
        }
        opens
    }

    /// Half opens it when its time is over.
    pub(super) fn tick(&mut self, now: Millis) {
        if matches!(self.state, State::Open(until) if until <= now) {
            self.state = State::HalfOpen;
        }
    }

    /// Closes it.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
        self.state = State::Closed;
    }
}
