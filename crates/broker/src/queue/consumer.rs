//! Who gets the next message: credit, fairness, priorities, exclusive and single active consumers.
//!
//! Consumers of one priority stand in a ring and take turns. One leaves its ring
//! - when its turn comes and its prefetch count is used up, until one of its deliveries is settled or requeued,
//! - when its turn comes and the sink refuses ([`crate::Sink::can_take`]), until `resume`,
//! - as long as the queue has a single active consumer and it is another one, or gives way to another one.
//!
//! So one that cannot take is met once, not with every message; and one that is acked in time keeps its place, which is
//! how RabbitMQ takes turns. One that comes back goes to the end.
//!
//! Rings are linked through the consumers themselves: a delivery allocates nothing, leaving takes constant time.

use std::collections::HashMap;
use std::rc::Rc;

use amqp::value::Table;
use slab::Slab;

use crate::ConsumerKey;

/// What `basic.consume` asked for.
#[derive(Clone, Debug)]
pub struct ConsumerSpec {
    /// Where deliveries go.
    pub key: ConsumerKey,
    /// The tag, for listings.
    pub tag: Rc<[u8]>,
    /// Deliveries are settled by being sent.
    pub no_ack: bool,
    /// No other consumer beside this one.
    pub exclusive: bool,
    /// `x-priority`; higher goes first while it has credit. Default 0.
    pub priority: i32,
    /// At most this many unacked deliveries; 0 is no limit. Means nothing with `no_ack`.
    pub prefetch: u16,
    /// As sent, for listings.
    pub arguments: Table,
}

/// Why a consumer was not admitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CheckoutError {
    /// It is exclusive and there are others, or another one is exclusive, or it is exclusive on a queue with a single
    /// active consumer: 403 `queue 'q' in vhost 'v' in exclusive use`.
    #[error("in exclusive use")]
    ExclusiveInUse,
}

/// What `cancel` found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cancelled {
    /// Whether the queue had such a consumer.
    pub existed: bool,
    /// Whether none is left: an auto-delete queue goes now.
    pub was_last: bool,
}

/// No neighbour.
const NIL: u32 = u32::MAX;

/// One consumer of a queue.
pub struct Consumer {
    /// What it asked for.
    pub spec: ConsumerSpec,
    /// Its deliveries that are neither settled nor requeued.
    pub unacked: u32,
    blocked: bool,
    linked: bool,
    prev: u32,
    next: u32,
    order: u64,
}

impl Consumer {
    fn has_credit(&self) -> bool {
        self.spec.no_ack || self.spec.prefetch == 0 || self.unacked < u32::from(self.spec.prefetch)
    }
}

/// The consumers of one priority, in the order of their turn, but for those that could not take when it came.
struct Ring {
    priority: i32,
    members: u32,
    head: u32,
    tail: u32,
}

/// All consumers of a queue.
pub(super) struct Consumers {
    slots: Slab<Consumer>,
    by_key: HashMap<ConsumerKey, u32, foldhash::fast::FixedState>,
    /// Highest priority first. One for each priority in use: a handful.
    rings: Vec<Ring>,
    /// Rings before this one are empty.
    top: usize,
    exclusive: bool,
    single_active: bool,
    /// Of a queue with a single active consumer: a newcomer of higher priority takes over (quorum queues, RabbitMQ 4.0).
    by_priority: bool,
    active: u32,
    /// The active one gets no more: another one takes over when its deliveries are settled.
    fading: bool,
    /// Who was credited last: most often the next one too, which spares a look into `by_key`.
    recent: u32,
    orders: u64,
}

impl Consumers {
    pub(super) fn new(single_active: bool, by_priority: bool) -> Consumers {
        Consumers {
            slots: Slab::new(),
            by_key: HashMap::default(),
            rings: Vec::new(),
            top: 0,
            exclusive: false,
            single_active,
            by_priority,
            active: NIL,
            fading: false,
            recent: NIL,
            orders: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Consumer> {
        self.slots.iter().map(|(_, consumer)| consumer)
    }

    /// The consumer that gets messages when only one does.
    pub(super) fn active(&self) -> Option<ConsumerKey> {
        self.slots.get(self.active as usize).map(|consumer| consumer.spec.key)
    }

    pub(super) fn has_exclusive(&self) -> bool {
        self.exclusive
    }

    /// The consumer in a slot that `next` named.
    #[inline]
    pub(super) fn spec(&self, at: u32) -> &ConsumerSpec {
        &self.slots[at as usize].spec
    }

    pub(super) fn add(&mut self, spec: ConsumerSpec) -> Result<(), CheckoutError> {
        if self.exclusive || (spec.exclusive && (self.single_active || !self.slots.is_empty())) {
            return Err(CheckoutError::ExclusiveInUse);
        }
        self.exclusive = spec.exclusive;
        match self.rings.iter_mut().find(|ring| ring.priority == spec.priority) {
            Some(ring) => ring.members += 1,
            None => {
                let at = self.rings.partition_point(|ring| ring.priority > spec.priority);
                let ring = Ring { priority: spec.priority, members: 1, head: NIL, tail: NIL };
                self.rings.insert(at, ring);
                self.top = 0;
            }
        }
        let key = spec.key;
        self.orders += 1;
        let at = self.slots.insert(Consumer {
            spec,
            unacked: 0,
            blocked: false,
            linked: false,
            prev: NIL,
            next: NIL,
            order: self.orders,
        }) as u32;
        debug_assert!(!self.by_key.contains_key(&key), "a consumer key names one consumer");
        self.by_key.insert(key, at);
        if self.single_active && self.active == NIL {
            self.active = at;
        } else if self.single_active && self.by_priority {
            self.challenge(at);
        }
        self.link_if_able(at);
        Ok(())
    }

    /// Takes a consumer out; its unacked deliveries stay with their channel.
    pub(super) fn remove(&mut self, key: ConsumerKey) -> bool {
        let Some(at) = self.by_key.remove(&key) else { return false };
        self.unlink(at);
        let consumer = self.slots.remove(at as usize);
        if consumer.spec.exclusive {
            self.exclusive = false;
        }
        if let Some(r) = self.rings.iter().position(|ring| ring.priority == consumer.spec.priority)
        {
            self.rings[r].members -= 1;
            if self.rings[r].members == 0 {
                self.rings.remove(r);
                self.top = 0;
            }
        }
        if self.active == at {
            self.succeed();
        }
        true
    }

    /// A newcomer beside the single active consumer: of higher priority, it takes over, as soon as all that the other one
    /// has is settled, so that no two work at once.
    fn challenge(&mut self, newcomer: u32) {
        let active = &self.slots[self.active as usize];
        if self.slots[newcomer as usize].spec.priority <= active.spec.priority {
            return;
        }
        let (old, done) = (self.active, active.unacked == 0);
        self.unlink(old);
        if done {
            self.active = newcomer;
        } else {
            self.fading = true;
        }
    }

    /// Another one becomes the single active consumer.
    fn succeed(&mut self) {
        self.fading = false;
        self.active = self.successor();
        if self.active != NIL {
            self.link_if_able(self.active);
        }
    }

    /// Who becomes the single active consumer: the highest priority, then who has waited longest.
    fn successor(&self) -> u32 {
        let best = self.slots.iter().max_by_key(|(_, consumer)| {
            (consumer.spec.priority, std::cmp::Reverse(consumer.order))
        });
        best.map_or(NIL, |(at, _)| at as u32)
    }

    /// Whose turn it is, of those with credit. It stays first in its ring until `delivered` or `block`.
    #[inline]
    pub(super) fn next(&mut self) -> Option<u32> {
        while let Some(ring) = self.rings.get(self.top) {
            let first = ring.head;
            if first == NIL {
                self.top += 1;
            } else if self.slots[first as usize].has_credit() {
                return Some(first);
            } else {
                self.unlink(first);
            }
        }
        None
    }

    /// The sink refused; out until `resume`.
    pub(super) fn block(&mut self, at: u32) {
        self.slots[at as usize].blocked = true;
        self.unlink(at);
    }

    /// The sink takes again. Whether that changed anything.
    pub(super) fn resume(&mut self, key: ConsumerKey) -> bool {
        let Some(&at) = self.by_key.get(&key) else { return false };
        let was_blocked = std::mem::take(&mut self.slots[at as usize].blocked);
        if was_blocked {
            self.link_if_able(at);
        }
        was_blocked
    }

    /// It got a message and goes to the end of its ring.
    #[inline]
    pub(super) fn delivered(&mut self, at: u32) {
        let consumer = &mut self.slots[at as usize];
        if !consumer.spec.no_ack {
            consumer.unacked += 1;
        }
        if consumer.next != NIL {
            self.unlink(at);
            self.link(at);
        }
    }

    /// One of its deliveries was settled or came back.
    #[inline]
    pub(super) fn credit(&mut self, key: ConsumerKey) {
        let at = match self.slots.get(self.recent as usize) {
            Some(consumer) if consumer.spec.key == key => self.recent,
            _ => match self.by_key.get(&key) {
                Some(&at) => at,
                None => return,
            },
        };
        self.recent = at;
        let consumer = &mut self.slots[at as usize];
        consumer.unacked = consumer.unacked.saturating_sub(1);
        if !consumer.linked {
            if self.fading && at == self.active && self.slots[at as usize].unacked == 0 {
                self.succeed();
            }
            self.link_if_able(at);
        }
    }

    fn ring_of(&self, priority: i32) -> usize {
        self.rings
            .iter()
            .position(|ring| ring.priority == priority)
            .expect("a ring lives as long as a consumer of its priority")
    }

    #[inline]
    fn link_if_able(&mut self, at: u32) {
        let consumer = &self.slots[at as usize];
        let inactive = self.single_active && (self.active != at || self.fading);
        if !(consumer.linked || consumer.blocked || inactive) && consumer.has_credit() {
            self.link(at);
        }
    }

    #[inline]
    fn link(&mut self, at: u32) {
        let r = self.ring_of(self.slots[at as usize].spec.priority);
        let tail = self.rings[r].tail;
        let consumer = &mut self.slots[at as usize];
        consumer.linked = true;
        consumer.prev = tail;
        consumer.next = NIL;
        match self.slots.get_mut(tail as usize) {
            Some(last) => last.next = at,
            None => self.rings[r].head = at,
        }
        self.rings[r].tail = at;
        self.top = self.top.min(r);
    }

    #[inline]
    fn unlink(&mut self, at: u32) {
        let consumer = &mut self.slots[at as usize];
        if !std::mem::take(&mut consumer.linked) {
            return;
        }
        let (prev, next) = (consumer.prev, consumer.next);
        consumer.prev = NIL;
        consumer.next = NIL;
        let r = self.ring_of(self.slots[at as usize].spec.priority);
        match self.slots.get_mut(prev as usize) {
            Some(before) => before.next = next,
            None => self.rings[r].head = next,
        }
        match self.slots.get_mut(next as usize) {
            Some(after) => after.prev = prev,
            None => self.rings[r].tail = prev,
        }
    }
}
