//! Chance, which can be repeated.

use crate::server::now_ms;

/// A xorshift generator with a seed of the moment, which a failed test shows.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Random {
        let seed = std::env::var("TEST_SEED").map_or_else(|_| now_ms(), |s| s.parse().unwrap());
        eprintln!("TEST_SEED={seed}");
        Random(seed | 1)
    }

    /// A number below this one.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) % end
    }
}
