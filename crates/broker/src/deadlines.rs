//! When each of many things next needs to be looked at.
//!
//! A thing stands here at most once, at its earliest known time; a later one replaces it only when that has come. So a
//! command that moves a deadline back costs nothing, and what never has a deadline never comes here.

use std::collections::BTreeSet;

use crate::Millis;

/// Where a thing stands that does not stand anywhere.
pub(crate) const NEVER: Millis = Millis::MAX;

/// Things by time.
pub(crate) struct Deadlines<Id>(BTreeSet<(Millis, Id)>);

impl<Id> Default for Deadlines<Id> {
    fn default() -> Deadlines<Id> {
        Deadlines(BTreeSet::new())
    }
}

impl<Id: Copy + Ord> Deadlines<Id> {
    /// The earliest time. May be earlier than needed, never later.
    #[inline]
    pub(crate) fn first(&self) -> Option<Millis> {
        self.0.first().map(|(time, _)| *time)
    }

    /// Puts a thing at `deadline`, if that is earlier than where it stands now: at `noted`, which the caller keeps.
    #[inline]
    pub(crate) fn note(&mut self, id: Id, noted: &mut Millis, deadline: Millis) {
        if deadline < *noted {
            self.put(id, noted, deadline);
        }
    }

    /// Rare, and kept out of the way of every message.
    #[cold]
    fn put(&mut self, id: Id, noted: &mut Millis, deadline: Millis) {
        self.0.remove(&(*noted, id));
        self.0.insert((deadline, id));
        *noted = deadline;
    }

    /// Takes out a thing whose time has come. It stands nowhere until the caller notes it again.
    pub(crate) fn take(&mut self, now: Millis) -> Option<Id> {
        self.0.first().filter(|(time, _)| *time <= now)?;
        self.0.pop_first().map(|(_, id)| id)
    }

    /// A thing is gone.
    pub(crate) fn forget(&mut self, id: Id, noted: Millis) {
        self.0.remove(&(noted, id));
    }
}

#[cfg(test)]
mod tests;
