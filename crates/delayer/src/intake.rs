//! The way in: deliveries become groups, groups are written, then acknowledged. No I/O of its own.

#[cfg(test)]
mod tests;

use std::time::Duration;

use client::connection::Connection;
use tokio::time::Instant;

use crate::acks::Acks;
use crate::message::NewMessage;

/// A group with that many bytes is full whatever its number of messages.
const GROUP_BYTES_MAX: usize = 16 << 20;

/// Reading stops while messages of more bytes than this wait to be written or published.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// A delivery, by the connection that it came on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) epoch: u64,
    pub(crate) tag: u64,
}

/// A delivery that need not be acknowledged any more.
const ORPHAN: Tag = Tag { epoch: 0, tag: 0 };

/// The open group, and which deliveries are unacknowledged.
pub(crate) struct Intake {
    groupsize: usize,
    timeout: Duration,
    /// How many settled deliveries may wait for one before them.
    waiting_max: usize,
    epoch: u64,
    acks: Acks,
    /// What is to be written, with the delivery that is acknowledged then.
    group: Vec<NewMessage>,
    tags: Vec<Tag>,
    opened: Option<Instant>,
    /// Messages of one write; fewer while the storage is full, to use the room that is left.
    write_max: usize,
    /// Bytes of `group`.
    bytes: usize,
    /// Bytes of the group that is being written.
    writing_bytes: usize,
    /// Bytes of deliveries that wait to be published at once.
    forwarding_bytes: usize,
}

impl Intake {
    pub(crate) fn new(qos: u16, groupsize: usize, timeout: Duration) -> Intake {
        Intake {
            groupsize,
            timeout,
            waiting_max: usize::from(qos) / 4,
            epoch: 0,
            acks: Acks::new(),
            group: Vec::new(),
            tags: Vec::new(),
            opened: None,
            write_max: usize::MAX,
            bytes: 0,
            writing_bytes: 0,
            forwarding_bytes: 0,
        }
    }

    /// A new channel.
    pub(crate) fn connected(&mut self, epoch: u64) {
        self.epoch = epoch;
        self.acks = Acks::new();
    }

    /// The channel is gone: what was not written comes again.
    pub(crate) fn disconnected(&mut self) {
        self.epoch = 0;
        self.acks = Acks::new();
        let kept = std::mem::take(&mut self.group).into_iter().zip(std::mem::take(&mut self.tags));
        (self.group, self.tags) = kept.filter(|(_, tag)| *tag == ORPHAN).unzip();
        self.recount();
        self.forwarding_bytes = 0;
    }

    /// The queue is gone: what was delivered does not come again.
    pub(crate) fn orphaned(&mut self) {
        self.tags.fill(ORPHAN);
        self.epoch = 0;
        self.acks = Acks::new();
    }

    fn recount(&mut self) {
        self.bytes = self.group.iter().map(|message| message.message.bytes()).sum();
        self.opened = (!self.group.is_empty()).then(Instant::now);
    }

    /// Whether a delivery is of the present channel.
    pub(crate) fn is_current(&self, tag: Tag) -> bool {
        tag.epoch == self.epoch && tag.epoch != 0
    }

    /// Notes a delivery.
    pub(crate) fn delivered(&mut self, tag: u64) -> Tag {
        self.acks.delivered(tag);
        Tag { epoch: self.epoch, tag }
    }

    /// Puts a message into the open group.
    pub(crate) fn hold(&mut self, message: NewMessage, tag: Tag) {
        self.bytes += message.message.bytes();
        self.group.push(message);
        self.tags.push(tag);
        self.opened.get_or_insert_with(Instant::now);
    }

    /// Counts a message that waits to be published at once.
    pub(crate) fn forwarding(&mut self, bytes: usize) {
        self.forwarding_bytes += bytes;
    }

    /// One of them is done with.
    pub(crate) fn forwarded(&mut self, bytes: usize) {
        self.forwarding_bytes = self.forwarding_bytes.saturating_sub(bytes);
    }

    /// A delivery has gone on: it may be acknowledged.
    pub(crate) fn settle(&mut self, tag: Tag) {
        if self.is_current(tag) {
            self.acks.settle(tag.tag);
        }
    }

    /// Whether the open group is to be written now.
    pub(crate) fn is_due(&self) -> bool {
        self.group.len() >= self.groupsize
            || self.bytes >= GROUP_BYTES_MAX
            || self.deadline().is_some_and(|at| at <= Instant::now())
    }

    /// When the open group is written at the latest.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.opened.map(|at| at + self.timeout)
    }

    /// Whether something waits to be written.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.group.is_empty()
    }

    /// Takes the open group, which may be several full ones if the disk was busy, to be written.
    pub(crate) fn take(&mut self) -> (Vec<NewMessage>, Vec<Tag>) {
        let count = self.group.len().min(self.write_max);
        let left = (self.group.split_off(count), self.tags.split_off(count));
        let taken =
            (std::mem::replace(&mut self.group, left.0), std::mem::replace(&mut self.tags, left.1));
        let before = self.bytes;
        self.recount();
        self.writing_bytes = before - self.bytes;
        taken
    }

    /// The group was written, and larger ones may be.
    pub(crate) fn had_room(&mut self) {
        self.write_max = self.write_max.saturating_mul(2);
    }

    /// There was no room for a group of so many: half of it may have. Whether that is worth a try
    /// at once.
    pub(crate) fn had_no_room(&mut self, count: usize) -> bool {
        self.write_max = (count / 2).max(1);
        count > 1
    }

    /// The group is durable: its deliveries may be acknowledged.
    pub(crate) fn written(&mut self, tags: &[Tag]) {
        self.writing_bytes = 0;
        for tag in tags {
            self.settle(*tag);
        }
    }

    /// The group was not written: it comes before what arrived since.
    pub(crate) fn not_written(&mut self, messages: Vec<NewMessage>, tags: Vec<Tag>) {
        self.writing_bytes = 0;
        let since = (std::mem::take(&mut self.group), std::mem::take(&mut self.tags));
        let epoch = self.epoch;
        let kept = messages.into_iter().zip(tags);
        let kept = kept.filter(|(_, tag)| tag.epoch == epoch || *tag == ORPHAN);
        (self.group, self.tags) = kept.unzip();
        self.group.extend(since.0);
        self.tags.extend(since.1);
        self.recount();
    }

    /// Acknowledges what may be.
    pub(crate) fn acknowledge(&mut self, connection: &mut Connection, channel: u16) {
        for (tag, multiple) in self.acks.take(self.waiting_max) {
            connection.ack(channel, tag, multiple);
        }
    }

    /// Deliveries that are not acknowledged.
    pub(crate) fn unacked(&self) -> u64 {
        self.acks.unacked() as u64
    }

    /// Whether so much waits that nothing more may be read.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes + self.writing_bytes + self.forwarding_bytes >= WAITING_BYTES_MAX
    }
}
