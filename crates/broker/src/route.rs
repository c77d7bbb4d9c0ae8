//! From an exchange and its keys to queues: exchanges bound to exchanges, alternate exchanges, and the cache of a channel.

use std::cell::OnceCell;
use std::hash::{BuildHasher, Hasher};

use amqp::content::Properties;
use amqp::value::{RawTable, Table};

use crate::binding::{Destination, ExchangeId};
use crate::exchange::delayed::{Delay, delay};
use crate::exchange::random::Dice;
use crate::history::HistoryId;
use crate::vhost::Vhost;
use crate::{HashState, QueueId};

/// What exchanges can look at beside the key: the properties of a message, its headers decoded when the first exchange asks.
pub struct Headers<'a> {
    properties: Properties<'a>,
    raw: Option<RawTable<'a>>,
    decoded: OnceCell<Table>,
}

impl<'a> Headers<'a> {
    /// Wraps properties and the headers in them, which the caller has found.
    pub fn new(properties: Properties<'a>, raw: Option<RawTable<'a>>) -> Headers<'a> {
        Headers { properties, raw, decoded: OnceCell::new() }
    }

    /// Wraps properties.
    pub fn of(properties: Properties<'a>) -> Headers<'a> {
        Headers::new(properties, properties.headers())
    }

    /// All properties.
    pub fn properties(&self) -> Properties<'a> {
        self.properties
    }

    /// Whether a delayed exchange holds the message back.
    fn asks_for_delay(&self) -> bool {
        matches!(delay(self.raw), Delay::Wait(_) | Delay::TooLong)
    }

    /// The headers sorted by name. Headers that cannot be decoded count as none: their publisher was refused before.
    pub fn table(&self) -> &Table {
        self.decoded.get_or_init(|| {
            let raw = self.raw.and_then(|raw| raw.decode().ok()).unwrap_or_default();
            crate::binding::sorted(&raw)
        })
    }
}

/// Scratch of a routing, kept so that routing does not allocate.
#[derive(Default)]
pub struct RouteScratch {
    work: Vec<ExchangeId>,
    found: Vec<Destination>,
    round: u64,
}

impl Vhost {
    /// Adds the queues that a message to the exchange reaches, each once. Answers whether the same keys always reach the
    /// same queues until the next change of the topology, so that the answer may be cached.
    ///
    /// A delayed exchange holds a message back that asks for it: its room is among the queues then. So is the history of
    /// an exchange that remembers.
    ///
    /// An exchange is visited at most once, so cycles end. One that reaches nothing, neither queue nor exchange, hands the
    /// message to its alternate exchange.
    pub fn route(
        &mut self,
        start: ExchangeId,
        keys: &[&[u8]],
        headers: &Headers<'_>,
        dice: &mut Dice,
        queues: &mut Vec<QueueId>,
    ) -> bool {
        let Vhost { exchanges, exchange_names, queue_names, scratch, .. } = self;
        let RouteScratch { work, found, round } = scratch;
        let mut by_key = true;
        *round += 1;
        work.clear();
        work.push(start);
        while let Some(id) = work.pop() {
            let Some(exchange) = exchanges.get_mut(id.0 as usize) else { continue };
            if exchange.visited == *round {
                continue;
            }
            exchange.visited = *round;
            by_key &= exchange.routes_by_key();
            if let Some(room) = exchange.room
                && headers.asks_for_delay()
            {
                queues.push(room.target());
                continue;
            }
            queues.extend(exchange.history.map(HistoryId::target));
            found.clear();
            exchange.route(keys, headers, queue_names, dice, found);
            if found.is_empty()
                && let Some(alternate) = &exchange.alternate
                && let Some(id) = exchange_names.get(alternate)
            {
                work.push(*id);
            }
            for destination in &*found {
                match destination {
                    Destination::Queue(queue) => queues.push(*queue),
                    Destination::Exchange(exchange) => work.push(*exchange),
                }
            }
        }
        if queues.len() > 1 {
            queues.sort_unstable();
            queues.dedup();
        }
        by_key
    }
}

/// Slots of the largest cache of a channel; a channel that uses more keys recomputes some.
const SLOTS_MAX: usize = 4096;
const SLOTS_MIN: usize = 8;

/// What a channel remembers of its publishing: which queues an exchange and a key reach. That an entry is there also means
/// that the exchange exists, is not internal, and may be written to by the channel's user. Every entry belongs to an epoch
/// of the broker; any change of topology or permissions begins the next one.
///
/// A channel that never publishes has no slots. The slots are direct-mapped and grow when keys push each other out.
#[derive(Default)]
pub struct RouteCache {
    /// The number of the channel, which direct reply-to needs.
    pub(crate) channel: u16,
    slots: Vec<Option<Box<Entry>>>,
    evictions: usize,
}

struct Entry {
    epoch: u64,
    exchange_len: u8,
    names: Box<[u8]>,
    queues: Box<[QueueId]>,
}

impl Entry {
    #[inline]
    fn is_for(&self, exchange: &[u8], key: &[u8]) -> bool {
        let (name, rest) = self.names.split_at(self.exchange_len as usize);
        name == exchange && rest == key
    }
}

impl RouteCache {
    /// An empty cache for the channel with this number. (`default` is for taking it out for a moment.)
    pub fn new(channel: u16) -> RouteCache {
        RouteCache { channel, slots: Vec::new(), evictions: 0 }
    }

    /// The queues of a route that was kept in this epoch.
    #[inline]
    pub(crate) fn get(&self, epoch: u64, exchange: &[u8], key: &[u8]) -> Option<&[QueueId]> {
        if self.slots.is_empty() {
            return None;
        }
        let entry = self.slots[self.slot(exchange, key)].as_deref()?;
        (entry.epoch == epoch && entry.is_for(exchange, key)).then_some(&*entry.queues)
    }

    /// Keeps a route.
    pub(crate) fn insert(&mut self, epoch: u64, exchange: &[u8], key: &[u8], queues: &[QueueId]) {
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS_MIN, || None);
        }
        let entry = Entry {
            epoch,
            exchange_len: exchange.len() as u8,
            names: [exchange, key].concat().into(),
            queues: queues.into(),
        };
        let slot = self.slot(exchange, key);
        let pushed_out = self.slots[slot].replace(Box::new(entry));
        if pushed_out.is_some_and(|old| old.epoch == epoch && !old.is_for(exchange, key)) {
            self.evictions += 1;
        }
        if self.evictions * 2 > self.slots.len() && self.slots.len() < SLOTS_MAX {
            self.grow(epoch);
        }
    }

    fn grow(&mut self, epoch: u64) {
        let len = self.slots.len() * 4;
        let old = std::mem::take(&mut self.slots);
        self.slots.resize_with(len.min(SLOTS_MAX), || None);
        self.evictions = 0;
        for entry in old.into_iter().flatten().filter(|entry| entry.epoch == epoch) {
            let (exchange, key) = entry.names.split_at(entry.exchange_len as usize);
            let slot = self.slot(exchange, key);
            self.slots[slot] = Some(entry);
        }
    }

    #[inline]
    fn slot(&self, exchange: &[u8], key: &[u8]) -> usize {
        let mut hasher = HashState::default().build_hasher();
        hasher.write(exchange);
        hasher.write(key);
        hasher.finish() as usize & (self.slots.len() - 1)
    }
}

#[cfg(test)]
mod tests;
