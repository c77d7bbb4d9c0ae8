//! Publisher confirms of a channel: which sequence numbers wait for which group commit.

use std::collections::VecDeque;

use amqp::frame;
use store::Pos;

/// A stretch of sequence numbers that ends at `last`.
enum Stretch {
    Ack {
        last: u64,
        pos: Pos,
    },
    /// A single refused number.
    Nack {
        number: u64,
    },
}

/// Confirms in order. They go out in the order of publishing, as `multiple` where that is possible.
///
/// The cut never crosses a refused number: stretches before it are acked, then it is nacked
/// (amqp.md 5.2).
#[derive(Default)]
pub(crate) struct Confirms {
    next: u64,
    pending: VecDeque<Stretch>,
    /// The last number that has an answer.
    answered: u64,
}

impl Confirms {
    /// Counts a publish that is safe once `pos` is durable (0: at once).
    pub(crate) fn published(&mut self, pos: Pos) {
        self.next += 1;
        let number = self.next;
        match self.pending.back_mut() {
            Some(Stretch::Ack { last, pos: waits_for }) if *waits_for >= pos => *last = number,
            _ => self.pending.push_back(Stretch::Ack { last: number, pos }),
        }
    }

    /// Counts a publish that a queue refused.
    pub(crate) fn refused(&mut self) {
        self.next += 1;
        self.pending.push_back(Stretch::Nack { number: self.next });
    }

    /// Whether something is not answered yet.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// How many publishes have no answer yet.
    pub(crate) fn unconfirmed(&self) -> u64 {
        self.next - self.answered
    }

    /// Writes what can be answered now that everything up to `synced` is durable; returns how many
    /// messages that confirms.
    pub(crate) fn write(&mut self, channel: u16, synced: Pos, out: &mut Vec<u8>) -> u64 {
        let before = self.answered;
        let mut ack = None;
        while let Some(stretch) = self.pending.front() {
            match *stretch {
                Stretch::Ack { pos, .. } if pos > synced => break,
                Stretch::Ack { last, .. } => ack = Some(last),
                Stretch::Nack { number } => {
                    self.write_ack(channel, ack.take(), out);
                    frame::write_nack(out, channel, number, false);
                    self.answered = number;
                }
            }
            self.pending.pop_front();
        }
        self.write_ack(channel, ack, out);
        self.answered - before
    }

    /// Whether `write` would write something.
    pub(crate) fn is_due(&self, synced: Pos) -> bool {
        match self.pending.front() {
            Some(Stretch::Ack { pos, .. }) => *pos <= synced,
            Some(Stretch::Nack { .. }) => true,
            None => false,
        }
    }

    fn write_ack(&mut self, channel: u16, last: Option<u64>, out: &mut Vec<u8>) {
        if let Some(last) = last {
            frame::write_ack(out, channel, last, last - self.answered > 1);
            self.answered = last;
        }
    }
}

#[cfg(test)]
mod tests;
