//! The state of one channel: consumers, unacked deliveries, confirms, a transaction, a half-read content.
//!
//! What the methods do with it is in `channel/`, a file per class.

pub(crate) mod acks;
pub(crate) mod basic;
pub(crate) mod confirms;
pub(crate) mod content;
pub(crate) mod timeouts;
pub(crate) mod topology;
pub(crate) mod tx;
pub(crate) mod unacked;

use std::collections::HashMap;
use std::rc::Rc;

use broker::{Millis, QueueId, RouteCache};

use confirms::Confirms;
use content::Assembly;
use timeouts::Ages;
use tx::Transaction;
pub(crate) use unacked::{Unacked, UnackedList};

/// One consumer of a channel, as the wire knows it.
pub(crate) struct Consumer {
    pub(crate) tag: Rc<[u8]>,
    /// None for the pseudo-queue of direct reply-to.
    pub(crate) queue: Option<QueueId>,
    /// Its own `x-consumer-timeout`, in milliseconds; 0 is never.
    pub(crate) timeout: Option<Millis>,
}

/// What a channel is at the moment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Open,
    /// `channel.close` is sent: all is ignored until the peer answers (amqp.md 5.4).
    Closing,
}

/// One open channel.
pub(crate) struct Channel {
    pub(crate) mode: Mode,
    pub(crate) consumers: HashMap<u32, Consumer, foldhash::fast::RandomState>,
    /// Consumers are numbered without reuse, so that a late ack never credits another one.
    pub(crate) next_consumer: u32,
    pub(crate) next_tag: u64,
    pub(crate) unacked: UnackedList,
    /// Unacked deliveries that came by consumers: `basic.get` does not use up the channel's prefetch.
    pub(crate) unacked_by_consumers: u64,
    /// Prefetch of consumers to come (`basic.qos` with global=false).
    pub(crate) prefetch: u16,
    /// Prefetch over all consumers of the channel (global=true); 0 = unlimited.
    pub(crate) prefetch_global: u16,
    /// A consumer was refused because of `prefetch_global`.
    pub(crate) starved: bool,
    /// Who was asked first, the last time that there was room again: the one after it is next.
    pub(crate) fed: u32,
    /// What an empty queue name means.
    pub(crate) last_queue: Option<Rc<str>>,
    pub(crate) assembly: Option<Assembly>,
    pub(crate) confirms: Option<Confirms>,
    pub(crate) transaction: Option<Transaction>,
    pub(crate) routes: RouteCache,
    /// The consumer of `amq.rabbitmq.reply-to`.
    pub(crate) reply_consumer: Option<u32>,
    pub(crate) publishes: bool,
    /// How old deliveries are; only while one may be too old.
    pub(crate) ages: Option<Box<Ages>>,
}

impl Channel {
    pub(crate) fn new(number: u16) -> Channel {
        Channel {
            mode: Mode::Open,
            consumers: HashMap::default(),
            next_consumer: 0,
            next_tag: 1,
            unacked: UnackedList::default(),
            unacked_by_consumers: 0,
            prefetch: 0,
            prefetch_global: 0,
            starved: false,
            fed: 0,
            last_queue: None,
            assembly: None,
            confirms: None,
            transaction: None,
            routes: RouteCache::new(number),
            reply_consumer: None,
            publishes: false,
            ages: None,
        }
    }

    /// Whether the channel's own prefetch leaves room for one more delivery.
    pub(crate) fn can_take(&mut self) -> bool {
        if self.mode != Mode::Open {
            return false;
        }
        let room = self.prefetch_global == 0
            || self.unacked_by_consumers < u64::from(self.prefetch_global);
        self.starved |= !room;
        room
    }

    /// The number of the consumer with this tag.
    pub(crate) fn consumer_by_tag(&self, tag: &[u8]) -> Option<u32> {
        self.consumers.iter().find(|(_, consumer)| *consumer.tag == *tag).map(|(index, _)| *index)
    }
}
