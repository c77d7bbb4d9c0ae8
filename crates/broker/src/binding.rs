//! The bindings of a virtual host: which there are, and which of them concern an exchange or a queue.
//!
//! What a binding means for a routing key is the business of the exchange's type; this is the one place that keeps count.
//! Invariants: (1) two bindings with the same source, destination, key and arguments are one; (2) every binding is in three
//! lists: of its source, of its destination, and of its identity hash; so a queue with 3,000 bindings or an exchange with
//! 100,000 adds and loses one in constant time.

use std::hash::BuildHasher;
use std::rc::Rc;

use amqp::value::Table;
use slab::Slab;

use crate::{Map, QueueId};

/// Names an exchange within its virtual host.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ExchangeId(pub u32);

/// Names a binding within its virtual host.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct BindingId(pub u32);

/// Where a binding leads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Destination {
    /// To a queue.
    Queue(QueueId),
    /// To another exchange.
    Exchange(ExchangeId),
}

/// One binding.
#[derive(Clone, PartialEq, Debug)]
pub struct Binding {
    /// The exchange that routes.
    pub source: ExchangeId,
    /// Where to.
    pub destination: Destination,
    /// The binding key.
    pub key: Rc<[u8]>,
    /// Sorted by key, as their order means nothing.
    pub arguments: Table,
    /// Whether source and destination are durable, and so is this.
    pub durable: bool,
}

/// All bindings of a virtual host.
#[derive(Default)]
pub struct Bindings {
    entries: Slab<Entry>,
    heads: Map<List, u32>,
}

struct Entry {
    binding: Binding,
    identity: u64,
    links: [Link; 3],
}

#[derive(Clone, Copy)]
struct Link {
    previous: u32,
    next: u32,
}

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum List {
    From(ExchangeId),
    To(Destination),
    Identity(u64),
}

impl Entry {
    fn lists(&self) -> [List; 3] {
        [
            List::From(self.binding.source),
            List::To(self.binding.destination),
            List::Identity(self.identity),
        ]
    }
}

impl List {
    fn side(self) -> usize {
        match self {
            List::From(_) => 0,
            List::To(_) => 1,
            List::Identity(_) => 2,
        }
    }
}

/// The arguments in the order in which bindings keep and compare them.
pub fn sorted(arguments: &Table) -> Table {
    let mut sorted = arguments.clone();
    sorted.0.sort_by(|(a, _), (b, _)| a.cmp(b));
    sorted
}

impl Bindings {
    /// Adds a binding whose arguments are [`sorted`]; none if it is there already.
    pub fn insert(&mut self, binding: Binding) -> Option<BindingId> {
        let identity = self.identity(&binding);
        if self.find_with(identity, &binding).is_some() {
            return None;
        }
        let links = [Link { previous: NONE, next: NONE }; 3];
        let index = self.entries.insert(Entry { binding, identity, links }) as u32;
        for list in self.entries[index as usize].lists() {
            let side = list.side();
            if let Some(head) = self.heads.insert(list, index) {
                self.entries[head as usize].links[side].previous = index;
                self.entries[index as usize].links[side].next = head;
            }
        }
        Some(BindingId(index))
    }

    /// The binding that is the same as this one.
    pub fn find(&self, binding: &Binding) -> Option<BindingId> {
        self.find_with(self.identity(binding), binding)
    }

    /// Removes a binding.
    pub fn remove(&mut self, id: BindingId) -> Option<Binding> {
        let entry = self.entries.try_remove(id.0 as usize)?;
        for list in entry.lists() {
            let side = list.side();
            let Link { previous, next } = entry.links[side];
            if next != NONE {
                self.entries[next as usize].links[side].previous = previous;
            }
            if previous != NONE {
                self.entries[previous as usize].links[side].next = next;
            } else if next != NONE {
                self.heads.insert(list, next);
            } else {
                self.heads.remove(&list);
            }
        }
        Some(entry.binding)
    }

    /// One binding.
    pub fn get(&self, id: BindingId) -> Option<&Binding> {
        self.entries.get(id.0 as usize).map(|entry| &entry.binding)
    }

    /// The bindings that lead from an exchange, newest first.
    pub fn from(&self, source: ExchangeId) -> impl Iterator<Item = (BindingId, &Binding)> {
        self.walk(List::From(source))
    }

    /// The bindings that lead to a destination, newest first.
    pub fn to(&self, destination: Destination) -> impl Iterator<Item = (BindingId, &Binding)> {
        self.walk(List::To(destination))
    }

    /// Whether any binding leads from the exchange.
    pub fn any_from(&self, source: ExchangeId) -> bool {
        self.heads.contains_key(&List::From(source))
    }

    /// All bindings, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (BindingId, &Binding)> {
        self.entries.iter().map(|(index, entry)| (BindingId(index as u32), &entry.binding))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn walk(&self, list: List) -> impl Iterator<Item = (BindingId, &Binding)> {
        let mut at = self.heads.get(&list).copied().unwrap_or(NONE);
        std::iter::from_fn(move || {
            let entry = self.entries.get(at as usize)?;
            let id = BindingId(at);
            at = entry.links[list.side()].next;
            Some((id, &entry.binding))
        })
    }

    fn find_with(&self, identity: u64, binding: &Binding) -> Option<BindingId> {
        self.walk(List::Identity(identity))
            .find(|(_, other)| same(other, binding))
            .map(|(id, _)| id)
    }

    fn identity(&self, binding: &Binding) -> u64 {
        let mut arguments = Vec::new();
        if !binding.arguments.is_empty() {
            binding.arguments.encode(&mut arguments);
        }
        let Binding { source, destination, key, .. } = binding;
        self.heads.hasher().hash_one((source, destination, key, arguments))
    }
}

fn same(a: &Binding, b: &Binding) -> bool {
    a.source == b.source
        && a.destination == b.destination
        && a.key == b.key
        && a.arguments == b.arguments
}

#[cfg(test)]
mod tests;
