//! Watches for messages that the broker counts as ours and that nobody here knows: an error in the
//! program that would stop a queue for ever, and is cured by giving up the channel.

use std::time::{Duration, Instant};

/// How long it may last.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(super) struct Watchdog {
    since: Option<Instant>,
}

impl Watchdog {
    /// Whether the channel has to be given up: all of `prefetch` messages, which is not 0 where
    /// messages are settled, are `unacked` by the broker's count, and not all of them are `known`.
    pub(super) fn bites(
        &mut self,
        now: Instant,
        prefetch: usize,
        unacked: usize,
        known: usize,
    ) -> bool {
        if prefetch == 0 || unacked < prefetch || known >= unacked {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert(now);
        let bites = now.duration_since(since) >= PATIENCE;
        if bites {
            self.since = None;
        }
        bites
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unknown_messages_that_fill_the_prefetch_for_long_bite() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut dog = Watchdog::default();
        assert!(!dog.bites(at(0), 10, 10, 9));
        assert!(!dog.bites(at(29), 10, 10, 0));
        assert!(dog.bites(at(30), 10, 10, 9));
        assert!(!dog.bites(at(31), 10, 10, 9), "it starts anew");
        assert!(!dog.bites(at(50), 10, 9, 0), "there is room: something may come");
        assert!(!dog.bites(at(62), 10, 10, 9), "it had stopped counting");
        assert!(!dog.bites(at(99), 10, 10, 10), "all are known");
        assert!(!dog.bites(at(200), 0, 0, 0));
    }
}
