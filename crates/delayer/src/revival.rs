//! The way out: which stored messages are loaded, published, confirmed and removed, and which have
//! to be tried again. No I/O of its own.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use client::confirms::{Confirms, Identity};
use tokio::time::Instant;

use crate::intake::Tag;
use crate::message::{Held, Key, Message, Millis};
use crate::storage::Load;
use crate::store::Batch;

/// What one load may bring into memory, apart from its first message.
const LOAD_BYTES_MAX: usize = 16 << 20;

/// The wait before a message that was returned or refused is tried again; doubles each time.
const RETRY_FIRST_MS: Millis = 1_000;
/// The longest of those waits.
const RETRY_LONGEST_MS: Millis = 300_000;
/// Messages whose number of tries is remembered; then all start anew.
const RETRIES_MAX: usize = 65_536;

/// How long a removal waits for others while there are free slots: each write costs syncs. It makes
/// nothing later, and no more duplicates than the slots that are taken.
const CHANGES_WAIT: Duration = Duration::from_millis(10);

/// How long publishing pauses when nothing that is published finds a queue.
const PAUSE_LONGEST: Duration = Duration::from_secs(30);

/// Where a message came from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// The store.
    Stored(Key),
    /// The queue, just now.
    Delivered { tag: Tag, message_id: Vec<u8>, stored_ms: Millis },
}

/// A message that is to be published.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) origin: Origin,
    pub(crate) message: Message,
}

/// A message that is published and not confirmed.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) origin: Origin,
    /// Kept when it is nowhere else: for a delivery.
    pub(crate) message: Option<Message>,
}

/// What is on its way out.
pub(crate) struct Revival {
    throttle: usize,
    batchsize: usize,
    /// Loaded or delivered, and to be published.
    ready: VecDeque<Job>,
    confirms: Confirms<Flight>,
    /// Confirmed, to be removed with the next write.
    remove: Vec<Key>,
    /// Returned or refused, to be moved with the next write.
    put_off: Vec<(Key, Millis)>,
    /// When the first of those became known.
    changed: Option<Instant>,
    /// Changes of the write that is under way.
    writing: usize,
    /// Stored messages in any of the above.
    busy: HashSet<u64>,
    /// Up to here everything is loaded, or was.
    cursor: Key,
    /// What comes behind the cursor, as far as is known; `None` when nothing does. While a load is
    /// under way: the first of what has appeared since.
    next: Option<Key>,
    loading: bool,
    /// Keys that ceased to be while a load is under way, which may have seen them.
    gone: HashSet<Key>,
    /// Set when `throttle` is reached, until `batchsize` slots are free.
    held_back: bool,
    /// Messages to publish one by one, because the broker closed the channel over one of them.
    suspects: usize,
    retries: HashMap<u64, u32>,
    /// Returned since one was not.
    returned_in_a_row: usize,
    pauses: u32,
    paused_until: Option<Instant>,
    /// Published without regard to due times, when everything has to go.
    pub(crate) emptying: bool,
}

impl Revival {
    pub(crate) fn new(throttle: usize, batchsize: usize) -> Revival {
        Revival {
            throttle,
            batchsize,
            ready: VecDeque::new(),
            confirms: Confirms::new(),
            remove: Vec::new(),
            put_off: Vec::new(),
            changed: None,
            writing: 0,
            busy: HashSet::new(),
            cursor: Key::MIN,
            next: Some(Key::MIN),
            loading: false,
            gone: HashSet::new(),
            held_back: false,
            suspects: 0,
            retries: HashMap::new(),
            returned_in_a_row: 0,
            pauses: 0,
            paused_until: None,
            emptying: false,
        }
    }

    /// Slots taken by what was published: unconfirmed, or stored still although confirmed.
    fn slots(&self) -> usize {
        self.confirms.len() + self.remove.len() + self.put_off.len() + self.writing
    }

    /// Messages that are published and not done with.
    pub(crate) fn in_flight(&self) -> u64 {
        self.slots() as u64
    }

    /// Whether nothing is on its way.
    pub(crate) fn is_idle(&self) -> bool {
        self.slots() == 0 && self.ready.is_empty() && !self.loading
    }

    /// Whether nothing is unconfirmed or unwritten; what is only loaded does not count.
    pub(crate) fn is_settled(&self) -> bool {
        self.slots() == 0
    }

    /// Whether everything stored was loaded at least once.
    pub(crate) fn is_at_end(&self) -> bool {
        self.next.is_none() && self.is_idle()
    }

    /// Whether the message is being published.
    pub(crate) fn is_busy(&self, key: Key) -> bool {
        self.busy.contains(&key.seq)
    }

    /// When the next stored message is due, if nothing of it is loaded yet.
    pub(crate) fn next_due(&self) -> Option<Millis> {
        self.next.map(|key| key.due_ms)
    }

    /// What to load now, if anything.
    pub(crate) fn load(&mut self, now: Millis) -> Option<Load> {
        let used = self.slots() + self.ready.len();
        if used >= self.throttle {
            self.held_back = true;
        } else if used + self.batchsize <= self.throttle {
            self.held_back = false;
        }
        let until_ms = if self.emptying { Millis::MAX } else { now };
        let due = self.next.is_some_and(|next| next.due_ms <= until_ms);
        if self.loading || self.held_back || !due || self.is_paused() {
            return None;
        }
        self.loading = true;
        self.next = None;
        self.gone.clear();
        let count_max = self.throttle - used;
        Some(Load { after: self.cursor, until_ms, count_max, bytes_max: LOAD_BYTES_MAX })
    }

    /// Takes what was loaded. `skip` are messages that the API is changing right now.
    pub(crate) fn loaded(&mut self, load: Load, batch: Batch, skip: &HashSet<u64>) {
        self.loading = false;
        if self.cursor == load.after {
            let last = batch.held.last().map(|held| held.key);
            let damaged = batch.damaged.last().map(|(key, _)| *key);
            self.cursor = last.max(damaged).unwrap_or(load.after).max(load.after);
            // The load may have seen nothing of what appeared since it was asked for.
            let since = std::mem::replace(&mut self.next, batch.next);
            since.into_iter().for_each(|key| self.appeared(key));
        } else {
            // Something earlier has appeared meanwhile: load again from there.
            self.next = Some(self.cursor);
        }
        for Held { key, message, .. } in batch.held {
            let is_there = !skip.contains(&key.seq) && !self.gone.contains(&key);
            if is_there && self.busy.insert(key.seq) {
                self.ready.push_back(Job { origin: Origin::Stored(key), message });
            }
        }
        self.held_back |= self.slots() + self.ready.len() >= self.throttle;
    }

    /// A message was removed or moved from there.
    pub(crate) fn vanished(&mut self, key: Key) {
        if self.loading {
            self.gone.insert(key);
        }
    }

    /// A load failed: it is tried again after a pause.
    pub(crate) fn load_failed(&mut self) {
        self.loading = false;
        self.next = Some(self.cursor);
        self.paused_until = Some(Instant::now() + Duration::from_secs(1));
    }

    /// A message was stored, or moved here.
    pub(crate) fn appeared(&mut self, key: Key) {
        if key <= self.cursor {
            // Just below it, so that a load finds it again.
            self.cursor = match key.seq.checked_sub(1) {
                Some(seq) => Key { seq, ..key },
                None => Key::MIN,
            };
        }
        if self.next.is_none_or(|next| key < next) {
            self.next = Some(key);
        }
    }

    /// A message that is published as soon as there is a slot.
    pub(crate) fn push(&mut self, job: Job) {
        self.ready.push_back(job);
    }

    /// The next message to publish now.
    pub(crate) fn pop(&mut self) -> Option<Job> {
        let slots_max = if self.suspects > 0 { 1 } else { self.throttle };
        if self.slots() >= slots_max || self.is_paused() {
            return None;
        }
        self.ready.pop_front()
    }

    /// Puts back what [`Revival::pop`] gave.
    pub(crate) fn unpop(&mut self, job: Job) {
        self.ready.push_front(job);
    }

    /// Notes a published message.
    pub(crate) fn published(&mut self, seq: u64, identity: Identity, flight: Flight) {
        self.confirms.push(seq, identity, flight);
    }

    /// Notes that the broker returned a message; whether it was one of ours.
    pub(crate) fn returned(&mut self, identity: Identity) -> bool {
        self.confirms.returned(identity) > 0
    }

    /// What an ack settles, each with whether it was returned.
    pub(crate) fn acked(&mut self, tag: u64, multiple: bool) -> Vec<(Flight, bool)> {
        let settled: Vec<_> = self.confirms.ack(tag, multiple).collect();
        self.suspects = self.suspects.saturating_sub(settled.len());
        settled
    }

    /// What a nack refuses.
    pub(crate) fn nacked(&mut self, tag: u64, multiple: bool) -> Vec<Flight> {
        let settled: Vec<_> = self.confirms.nack(tag, multiple).map(|(flight, _)| flight).collect();
        self.suspects = self.suspects.saturating_sub(settled.len());
        settled
    }

    /// A stored message is safe with the broker.
    pub(crate) fn done(&mut self, key: Key) {
        self.retries.remove(&key.seq);
        self.remove.push(key);
        self.changed.get_or_insert_with(Instant::now);
    }

    /// Notes whether what was published found a queue, and pauses when nothing does any more.
    /// Returns the pause when one begins.
    pub(crate) fn found_queue(&mut self, found: bool) -> Option<Duration> {
        if found {
            (self.returned_in_a_row, self.pauses) = (0, 0);
            return None;
        }
        self.returned_in_a_row += 1;
        if self.returned_in_a_row < self.throttle {
            return None;
        }
        self.returned_in_a_row = 0;
        let pause = Duration::from_secs(1 << self.pauses.min(5)).min(PAUSE_LONGEST);
        self.pauses += 1;
        self.paused_until = Some(Instant::now() + pause);
        Some(pause)
    }

    /// A stored message was not taken: moves it to a later time, and says how long that is.
    pub(crate) fn put_off(&mut self, key: Key, now: Millis) -> Millis {
        if self.retries.len() >= RETRIES_MAX {
            self.retries.clear();
        }
        let tries = self.retries.entry(key.seq).or_default();
        let wait = (RETRY_FIRST_MS << (*tries).min(20)).min(RETRY_LONGEST_MS);
        *tries += 1;
        self.put_off.push((key, now + wait));
        self.changed.get_or_insert_with(Instant::now);
        wait
    }

    /// What has to be written: removals and moves.
    pub(crate) fn take_changes(&mut self) -> (Vec<Key>, Vec<(Key, Millis)>) {
        self.changed = None;
        let changes = (std::mem::take(&mut self.remove), std::mem::take(&mut self.put_off));
        self.writing = changes.0.len() + changes.1.len();
        changes
    }

    /// Whether something has to be written now: there is a batch of it, slots are short, or it has
    /// waited long enough.
    pub(crate) fn has_changes(&self) -> bool {
        let count = self.remove.len() + self.put_off.len();
        let short = self.held_back || self.suspects > 0 || self.emptying;
        let waited = self.changes_deadline().is_some_and(|at| at <= Instant::now());
        count > 0 && (count >= self.batchsize || short || waited)
    }

    /// When what has to be written is written at the latest.
    pub(crate) fn changes_deadline(&self) -> Option<Instant> {
        self.changed.map(|at| at + CHANGES_WAIT)
    }

    /// They are written: where the moved ones are now.
    pub(crate) fn changes_written(
        &mut self,
        removed: &[Key],
        moved: &[(Key, Millis)],
        to: &[Option<Key>],
    ) {
        self.writing = 0;
        for key in removed.iter().chain(moved.iter().map(|(key, _)| key)) {
            self.busy.remove(&key.seq);
            self.vanished(*key);
        }
        to.iter().flatten().for_each(|key| self.appeared(*key));
    }

    /// They were not written: they are tried again.
    pub(crate) fn changes_failed(&mut self, removed: Vec<Key>, moved: Vec<(Key, Millis)>) {
        self.writing = 0;
        self.remove.extend(removed);
        self.put_off.extend(moved);
        self.changed.get_or_insert_with(Instant::now);
    }

    /// The channel is gone: what is unconfirmed may or may not have arrived and is published again.
    /// Returns how many that are. Deliveries for which `keep` does not hold come again by themselves.
    pub(crate) fn lost(&mut self, channel_error: bool, keep: impl Fn(Tag) -> bool) -> usize {
        let flights: Vec<_> = self.confirms.drain().collect();
        let lost = flights.len();
        let mut again = VecDeque::new();
        for flight in flights {
            match (flight.origin, flight.message) {
                (Origin::Stored(key), _) => {
                    self.busy.remove(&key.seq);
                }
                (origin @ Origin::Delivered { tag, .. }, Some(message)) if keep(tag) => {
                    again.push_back(Job { origin, message });
                }
                (Origin::Delivered { .. }, _) => {}
            }
        }
        for job in self.ready.drain(..) {
            match &job.origin {
                // It is loaded again, behind those that were published before it.
                Origin::Stored(key) => drop(self.busy.remove(&key.seq)),
                Origin::Delivered { tag, .. } if keep(*tag) => again.push_back(job),
                Origin::Delivered { .. } => {}
            }
        }
        self.ready = again;
        self.cursor = Key::MIN;
        self.next = Some(Key::MIN);
        self.suspects = if channel_error { lost.max(self.suspects) } else { 0 };
        lost
    }

    /// The message that the broker closed the channel over, if only one can have been.
    pub(crate) fn culprit(&mut self) -> Option<Flight> {
        let alone = self.confirms.len() == 1;
        let culprit = alone.then(|| self.confirms.drain().next()).flatten();
        if culprit.is_some() {
            self.suspects = self.suspects.saturating_sub(1);
        }
        culprit
    }

    /// Forgets deliveries that come again by themselves.
    pub(crate) fn forget_deliveries(&mut self, keep: impl Fn(Tag) -> bool) {
        self.ready.retain(|job| match &job.origin {
            Origin::Stored(_) => true,
            Origin::Delivered { tag, .. } => keep(*tag),
        });
    }

    /// Everything that is stored goes, due or not.
    pub(crate) fn start_emptying(&mut self) {
        self.emptying = true;
        self.cursor = Key::MIN;
        self.next = Some(Key::MIN);
        self.paused_until = None;
    }

    /// Until when nothing is published.
    pub(crate) fn paused_until(&self) -> Option<Instant> {
        self.paused_until.filter(|at| *at > Instant::now())
    }

    fn is_paused(&self) -> bool {
        self.paused_until().is_some()
    }
}
