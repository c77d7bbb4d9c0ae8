//! The rate limit: a bucket of tokens, one for each run.

use crate::message::Millis;

#[derive(Debug)]
pub(super) struct Rate {
    /// 0 is no limit.
    per_s: f64,
    burst: f64,
    tokens: f64,
    filled_at: Millis,
}

impl Rate {
    /// `burst` 0 is what one second brings, at least one.
    pub(super) fn new(per_s: f64, burst: u32, now: Millis) -> Rate {
        let burst = if burst == 0 { per_s.max(1.0) } else { f64::from(burst) };
        Rate { per_s, burst, tokens: burst, filled_at: now }
    }

    /// When a run may start: now, or later.
    pub(super) fn next(&mut self, now: Millis) -> Millis {
        if self.per_s <= 0.0 {
            return now;
        }
        let elapsed_ms = now.saturating_sub(self.filled_at) as f64;
        self.tokens = self.burst.min(self.tokens + elapsed_ms * self.per_s / 1000.0);
        self.filled_at = self.filled_at.max(now);
        if self.tokens >= 1.0 {
            return now;
        }
        now + ((1.0 - self.tokens) * 1000.0 / self.per_s).ceil().max(1.0) as Millis
    }

    /// A run starts.
    pub(super) fn take(&mut self) {
        if self.per_s > 0.0 {
            self.tokens -= 1.0;
        }
    }
}
