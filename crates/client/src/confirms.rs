//! Which of the published messages are still unconfirmed, and which came back.
//!
//! A broker acks messages by number, and returns a mandatory message that has no route *before* it
//! acks it, but with the message and not with its number. So a return is matched by what the
//! message is, and every doubt is decided so that a message may be taken for returned that was not
//! (it is published again), never the other way round (it would be lost):
//!
//! 1. Unconfirmed messages that are the same in every byte are one group. Which of them came back
//!    cannot be known and does not matter, only how many: each return is used up by the next ack
//!    in the group, whichever message that is for.
//! 2. A nack uses up no return: what was nacked is kept anyway.
//! 3. A broker may change properties on the way (RabbitMQ strips `BCC`, 4.x recodes headers). When
//!    no message is the same in every byte, those with the same exchange, key and body count, then
//!    those with the same exchange and key. If they are not of one group, all are taken for
//!    returned. (A message that a broker changes into the very likeness of another unconfirmed one
//!    is taken for that.)

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

/// What a message is, by keyless hashes: exchange and routing key, body, properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    route: u64,
    body: u64,
    properties: u64,
}

impl Identity {
    /// Of a message as it is published, or as it came back.
    pub fn of(exchange: &[u8], routing_key: &[u8], properties: &[u8], body: &[u8]) -> Identity {
        let hash = |parts: [&[u8]; 2]| {
            let mut hasher = FixedState::with_seed(0).build_hasher();
            for part in parts {
                hasher.write_usize(part.len());
                hasher.write(part);
            }
            hasher.finish()
        };
        // Both spell out that there are no properties.
        let properties = if properties.is_empty() { &[0, 0] } else { properties };
        Identity {
            route: hash([exchange, routing_key]),
            body: hash([body, &[]]),
            properties: hash([properties, &[]]),
        }
    }
}

/// The unconfirmed messages of one confirm channel, in the order of their numbers.
#[derive(Clone, Debug)]
pub struct Confirms<T> {
    /// Sorted by `seq`. Settled ones in the middle stay, without an item, until they are the first
    /// or too many; the first and the last always have an item.
    entries: VecDeque<Entry<T>>,
    /// How many entries have an item.
    live: usize,
    /// Returns that wait for an ack in their group; as a rule none. No count is 0, or larger than
    /// the number of live entries of its group.
    pending: Vec<(Identity, usize)>,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    seq: u64,
    identity: Identity,
    /// By rule 3.
    returned: bool,
    item: Option<T>,
}

impl<T> Default for Confirms<T> {
    fn default() -> Confirms<T> {
        Confirms { entries: VecDeque::new(), live: 0, pending: Vec::new() }
    }
}

impl<T> Confirms<T> {
    /// For a new channel.
    pub fn new() -> Confirms<T> {
        Confirms::default()
    }

    /// How many messages are unconfirmed.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether nothing is unconfirmed.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Notes a message under the number that `publish` returned; numbers may be left out.
    ///
    /// # Panics
    /// When `seq` is not larger than all before.
    pub fn push(&mut self, seq: u64, identity: Identity, item: T) {
        let ascending = self.entries.back().is_none_or(|last| last.seq < seq);
        assert!(ascending, "messages are noted in the order of their numbers");
        self.entries.push_back(Entry { seq, identity, returned: false, item: Some(item) });
        self.live += 1;
    }

    /// Notes that a message came back, and says how many unconfirmed messages it may have been; 0
    /// when it was none of them.
    pub fn returned(&mut self, came_back: Identity) -> usize {
        let same_content =
            |other: &Identity| (other.route, other.body) == (came_back.route, came_back.body);
        let same_route = |other: &Identity| other.route == came_back.route;
        match self.note(|other| *other == came_back) {
            0 => {}
            found => return found,
        }
        match self.note(same_content) {
            0 => self.note(same_route),
            found => found,
        }
    }

    /// Notes the return of a message for which `is` holds, and says how many it may have been.
    fn note(&mut self, is: impl Fn(&Identity) -> bool) -> usize {
        let mut already = 0;
        let mut candidates = 0;
        let mut group: Option<Identity> = None;
        let mut groups_differ = false;
        let live = self.entries.iter().filter(|entry| entry.item.is_some());
        for entry in live.filter(|entry| is(&entry.identity)) {
            if entry.returned {
                already += 1;
                continue;
            }
            candidates += 1;
            groups_differ |= *group.get_or_insert(entry.identity) != entry.identity;
        }
        let Some(group) = group else { return already };
        if groups_differ {
            for entry in self.entries.iter_mut().filter(|entry| is(&entry.identity)) {
                entry.returned = true;
            }
            self.pending.retain(|(identity, _)| !is(identity));
            return already + candidates;
        }
        match self.pending.iter_mut().find(|(identity, _)| *identity == group) {
            // All of them came back: one return was that of a message that was nacked.
            Some((_, count)) => *count = candidates.min(*count + 1),
            None => self.pending.push((group, 1)),
        }
        already + candidates
    }

    /// Takes out what an ack settles: the messages in their order, each with whether it came back
    /// and so has reached no queue. Numbers that are not unconfirmed settle nothing.
    pub fn ack(&mut self, tag: u64, multiple: bool) -> Settled<'_, T> {
        Settled { tag, multiple, acked: true, confirms: self }
    }

    /// Takes out what a nack settles: the messages in their order. None of them is safe; whether
    /// one came back says nothing more.
    pub fn nack(&mut self, tag: u64, multiple: bool) -> Settled<'_, T> {
        Settled { tag, multiple, acked: false, confirms: self }
    }

    /// Takes out everything in its order, for when the channel is gone: whether these messages
    /// arrived is not known.
    pub fn drain(&mut self) -> impl Iterator<Item = T> {
        self.live = 0;
        self.pending.clear();
        std::mem::take(&mut self.entries).into_iter().filter_map(|entry| entry.item)
    }

    fn settle(&mut self, index: usize, acked: bool) -> Option<(T, bool)> {
        let entry = &mut self.entries[index];
        let item = entry.item.take()?;
        let (identity, mut returned) = (entry.identity, entry.returned);
        self.live -= 1;
        if !returned && !self.pending.is_empty() {
            returned = self.use_up(identity, acked);
        }
        self.tidy();
        Some((item, returned))
    }

    /// Rules 1 and 2, for a message of this group that was just taken out.
    fn use_up(&mut self, group: Identity, acked: bool) -> bool {
        let Some(at) = self.pending.iter().position(|(identity, _)| *identity == group) else {
            return false;
        };
        let count = self.pending[at].1;
        let left = if acked {
            count - 1
        } else {
            let open = |entry: &Entry<T>| entry.item.is_some() && !entry.returned;
            let same = |entry: &&Entry<T>| open(entry) && entry.identity == group;
            count.min(self.entries.iter().filter(same).count())
        };
        match left {
            0 => drop(self.pending.swap_remove(at)),
            _ => self.pending[at].1 = left,
        }
        acked
    }

    /// Drops settled entries at both ends, and all of them once they are the majority, which costs
    /// a constant for each.
    fn tidy(&mut self) {
        while self.entries.front().is_some_and(|entry| entry.item.is_none()) {
            self.entries.pop_front();
        }
        while self.entries.back().is_some_and(|entry| entry.item.is_none()) {
            self.entries.pop_back();
        }
        if self.entries.len() > 2 * self.live + 32 {
            self.entries.retain(|entry| entry.item.is_some());
        }
    }

    /// Numbers are dense as a rule, so that the first guess is right.
    fn find(&self, seq: u64) -> Option<usize> {
        let first = self.entries.front()?.seq;
        let guess = usize::try_from(seq.checked_sub(first)?).ok()?;
        match self.entries.get(guess) {
            Some(entry) if entry.seq == seq => Some(guess),
            _ => self.entries.binary_search_by_key(&seq, |entry| entry.seq).ok(),
        }
    }
}

/// What one ack or nack settles. Dropping it settles the rest.
#[derive(Debug)]
pub struct Settled<'a, T> {
    confirms: &'a mut Confirms<T>,
    /// 0 with `multiple` is everything, without it nothing more.
    tag: u64,
    multiple: bool,
    acked: bool,
}

impl<T> Iterator for Settled<'_, T> {
    type Item = (T, bool);

    fn next(&mut self) -> Option<(T, bool)> {
        if !self.multiple {
            let tag = std::mem::take(&mut self.tag);
            let index = self.confirms.find(tag)?;
            return self.confirms.settle(index, self.acked);
        }
        let first = self.confirms.entries.front()?.seq;
        (self.tag == 0 || first <= self.tag).then(|| self.confirms.settle(0, self.acked))?
    }
}

impl<T> Drop for Settled<'_, T> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

#[cfg(test)]
mod tests;
