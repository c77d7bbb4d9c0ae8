//! When to try again, and which address.

use std::time::Duration;

/// How long to wait between tries: doubling from one time to another, each shortened by chance so
/// that clients that lost the same broker do not come back together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pauses {
    /// The wait after the first failure. Default: 100 ms.
    pub first: Duration,
    /// The longest wait. Default: 30 s.
    pub longest: Duration,
    /// The part of each wait that is left to chance, from 0 to 1. Default: 0.5.
    pub jitter: f64,
}

impl Default for Pauses {
    fn default() -> Pauses {
        let first = Duration::from_millis(100);
        Pauses { first, longest: Duration::from_secs(30), jitter: 0.5 }
    }
}

/// Says when to try again. Every failure moves on to the next address; the wait doubles once a
/// round.
#[derive(Clone, Debug)]
pub struct Backoff {
    addresses: usize,
    pauses: Pauses,
    which: usize,
    failures: usize,
    chance: Chance,
}

impl Backoff {
    /// For that many addresses, with chance drawn from `seed`.
    pub fn new(addresses: usize, pauses: Pauses, seed: u64) -> Backoff {
        Backoff { addresses: addresses.max(1), pauses, which: 0, failures: 0, chance: Chance(seed) }
    }

    /// The index of the address to try now.
    pub fn address(&self) -> usize {
        self.which
    }

    /// How many tries in a row have failed.
    pub fn failures(&self) -> usize {
        self.failures
    }

    /// Notes that the address failed, or that its connection broke, moves on to the next, and says
    /// how long to wait before it is tried.
    pub fn failed(&mut self) -> Duration {
        let round = (self.failures / self.addresses).min(16) as u32;
        self.failures += 1;
        self.which = (self.which + 1) % self.addresses;
        let wait = self.pauses.first.saturating_mul(1 << round).min(self.pauses.longest);
        wait - wait.mul_f64(self.chance.fraction() * self.pauses.jitter.clamp(0.0, 1.0))
    }

    /// Notes success: the next failure waits as the first one did. The address stays.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Chance that a seed decides, for jitter.
#[derive(Clone, Debug)]
pub struct Chance(pub u64);

impl Chance {
    /// From 0 to 1, by splitmix64.
    pub fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests;
