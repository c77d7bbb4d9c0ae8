//! Deliveries of a channel that are not acknowledged yet, by delivery tag.

use std::collections::VecDeque;

use broker::Handle;

/// `Unacked::consumer` of a message that came by `basic.get`.
pub(crate) const BY_GET: u32 = u32::MAX;
/// Settled places are swept out when there are more than this and they are the majority.
const HOLES_MIN: usize = 1024;

/// One delivery: what was delivered, and to which consumer of the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unacked {
    pub(crate) handle: Handle,
    pub(crate) consumer: u32,
}

/// Unacked deliveries in the order of their tags.
///
/// Invariants: tags rise strictly; the first and the last place are never holes, so an empty list
/// has no places; `live` counts the places that are not holes.
#[derive(Default)]
pub(crate) struct UnackedList {
    places: VecDeque<(u64, Option<Unacked>)>,
    live: usize,
}

impl UnackedList {
    /// Deliveries that are outstanding.
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// Appends a delivery; its tag is higher than all before.
    pub(crate) fn push(&mut self, tag: u64, unacked: Unacked) {
        self.places.push_back((tag, Some(unacked)));
        self.live += 1;
    }

    /// Puts one back that was taken, for the rollback of a transaction.
    pub(crate) fn restore(&mut self, tag: u64, unacked: Unacked) {
        match self.places.binary_search_by_key(&tag, |place| place.0) {
            Ok(at) => self.places[at].1 = Some(unacked),
            Err(at) => self.places.insert(at, (tag, Some(unacked))),
        }
        self.live += 1;
    }

    fn position(&self, tag: u64) -> Option<usize> {
        let first = self.places.front()?.0;
        let guess = usize::try_from(tag.checked_sub(first)?).ok()?;
        if self.places.get(guess).is_some_and(|place| place.0 == tag) {
            return Some(guess);
        }
        self.places.binary_search_by_key(&tag, |place| place.0).ok()
    }

    /// Takes one delivery.
    pub(crate) fn take(&mut self, tag: u64) -> Option<Unacked> {
        let at = self.position(tag)?;
        let unacked = self.places[at].1.take()?;
        self.live -= 1;
        self.trim();
        Some(unacked)
    }

    /// Whether this tag is outstanding.
    pub(crate) fn contains(&self, tag: u64) -> bool {
        self.position(tag).is_some_and(|at| self.places[at].1.is_some())
    }

    /// The tag of the oldest delivery.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.places.front().map(|place| place.0)
    }

    /// The deliveries from tag `from` on and below `below`, oldest first.
    pub(crate) fn between(&self, from: u64, below: u64) -> impl Iterator<Item = (u64, Unacked)> {
        let first = self.places.partition_point(|place| place.0 < from);
        let places = self.places.range(first..).take_while(move |place| place.0 < below);
        places.filter_map(|place| Some((place.0, place.1?)))
    }

    /// Takes all deliveries of one consumer, oldest first.
    pub(crate) fn take_of(&mut self, consumer: u32, mut each: impl FnMut(u64, Unacked)) {
        for (tag, place) in &mut self.places {
            if let Some(unacked) = place.take_if(|unacked| unacked.consumer == consumer) {
                self.live -= 1;
                each(*tag, unacked);
            }
        }
        self.trim();
    }

    /// Takes all deliveries up to and with `tag`, oldest first.
    pub(crate) fn take_through(&mut self, tag: u64, mut each: impl FnMut(u64, Unacked)) {
        while let Some(&(first, unacked)) = self.places.front() {
            if first > tag {
                break;
            }
            self.places.pop_front();
            if let Some(unacked) = unacked {
                self.live -= 1;
                each(first, unacked);
            }
        }
        self.trim();
    }

    fn trim(&mut self) {
        while matches!(self.places.front(), Some((_, None))) {
            self.places.pop_front();
        }
        while matches!(self.places.back(), Some((_, None))) {
            self.places.pop_back();
        }
        let holes = self.places.len() - self.live;
        if holes > HOLES_MIN && holes > self.live {
            self.places.retain(|place| place.1.is_some());
        }
        if self.places.is_empty() && self.places.capacity() > HOLES_MIN {
            self.places = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests;
