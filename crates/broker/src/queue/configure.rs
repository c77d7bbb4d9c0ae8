//! A queue gets other rules while it lives: a policy came, changed or went.

use crate::Millis;

use super::Queue;
use super::args::QueueArgs;
use super::expiry::Due;

impl Queue {
    /// Obeys these arguments from now on. Waiting messages that are too old or too many by them go with the next ticks,
    /// which are due at once; `x-expires` counts from here when it changed.
    pub fn configure(&mut self, args: QueueArgs, now: Millis) {
        let old = std::mem::replace(&mut self.args, args);
        if old == self.args {
            return;
        }
        if old.expires != self.args.expires {
            self.expiry.used = now;
        }
        if self.ready.count() == 0 {
            return;
        }
        if old.message_ttl != self.args.message_ttl {
            self.expiry.due = if self.can_expire() { Due::Unknown } else { Due::Never };
        }
        self.unfinished = true;
    }
}
