//! Messages per second over the last ten seconds.

use crate::message::Millis;

/// Seconds that are looked back on.
const SPAN: usize = 10;

/// Counts by second.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rate {
    counts: [u64; SPAN + 1],
    /// The second that was counted last.
    second: u64,
}

impl Rate {
    /// Counts `count` messages.
    pub(crate) fn add(&mut self, count: u64, now: Millis) {
        self.advance(now);
        self.counts[self.second as usize % self.counts.len()] += count;
    }

    /// The mean of the ten seconds before this one.
    pub(crate) fn per_second(&mut self, now: Millis) -> f64 {
        self.advance(now);
        let present = self.counts[self.second as usize % self.counts.len()];
        (self.counts.iter().sum::<u64>() - present) as f64 / SPAN as f64
    }

    fn advance(&mut self, now: Millis) {
        let second = now / 1000;
        // A clock that went back counts where it is.
        let steps = second.saturating_sub(self.second).min(self.counts.len() as u64);
        for step in 0..steps {
            self.counts[(second - step) as usize % self.counts.len()] = 0;
        }
        self.second = second;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ten_seconds_count() {
        let mut rate = Rate::default();
        (100..110).for_each(|second| rate.add(20, second * 1000));
        assert_eq!(rate.per_second(109_999), 18.0);
        assert_eq!(rate.per_second(110_000), 20.0);
        assert_eq!(rate.per_second(115_000), 10.0);
        assert_eq!(rate.per_second(1_000_000), 0.0);
        rate.add(5, 400_000);
        assert_eq!(rate.per_second(401_000), 0.5);
    }
}
