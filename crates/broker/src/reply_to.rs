//! Direct reply-to: answers reach the asking channel without a queue.
//!
//! A channel consumes from the pseudo-queue [`PSEUDO_QUEUE`]. When it then publishes with that name as `reply-to`, the
//! property is replaced by a name that only its receiver knows; a publish to that name through the default exchange is
//! delivered to the channel at once, or to nobody.

use std::collections::BTreeMap;
use std::rc::Rc;

use amqp::AmqpError;

use crate::broker::precondition;
use crate::{Broker, ConsumerKey, Delivery, Handle, Map, Message, QueueId, Session, Sink};

/// The name to consume from and to give as `reply-to`.
pub const PSEUDO_QUEUE: &str = "amq.rabbitmq.reply-to";

/// What the names of answers begin with.
pub(crate) const PREFIX: &str = "amq.rabbitmq.reply-to.";

/// No slot of the queues has this index, so such an id names no queue.
const INDEX: u32 = u32::MAX;

/// The channels that wait for answers.
#[derive(Default)]
pub(crate) struct Replies {
    by_name: Map<Rc<str>, Waiting>,
    by_channel: BTreeMap<(u64, u16), Rc<str>>,
    by_key: Map<ConsumerKey, Rc<str>>,
    count: u32,
}

struct Waiting {
    key: ConsumerKey,
    channel: (u64, u16),
    queue: QueueId,
}

impl Replies {
    /// The name that the channel's requests carry as `reply-to`.
    pub(crate) fn name_of(&self, conn: u64, channel: u16) -> Option<&Rc<str>> {
        self.by_channel.get(&(conn, channel))
    }

    /// Whether somebody waits under this name; the pseudo-queue itself is always there.
    pub(crate) fn exists(&self, name: &str) -> bool {
        name == PSEUDO_QUEUE || self.by_name.contains_key(name)
    }

    pub(crate) fn forget_connection(&mut self, conn: u64) {
        let channels = self.by_channel.range((conn, 0)..=(conn, u16::MAX));
        let names: Vec<_> = channels.map(|(_, name)| name.clone()).collect();
        names.iter().for_each(|name| self.forget(name));
    }

    fn forget(&mut self, name: &str) {
        if let Some(waiting) = self.by_name.remove(name) {
            self.by_channel.remove(&waiting.channel);
            self.by_key.remove(&waiting.key);
        }
    }
}

impl Broker {
    /// `basic.consume` from the pseudo-queue. The id that comes back names no queue.
    pub(crate) fn consume_replies(
        &mut self,
        who: &Session,
        key: ConsumerKey,
        no_ack: bool,
    ) -> Result<QueueId, AmqpError> {
        if !no_ack {
            return Err(precondition("reply consumer cannot acknowledge"));
        }
        let channel = (who.conn, key.channel);
        if self.replies.by_channel.contains_key(&channel) {
            return Err(precondition("reply consumer already set"));
        }
        let name: Rc<str> = self.unique_name(PREFIX).into();
        self.replies.count = self.replies.count.wrapping_add(1);
        let queue = QueueId(INDEX, self.replies.count);
        self.replies.by_channel.insert(channel, name.clone());
        self.replies.by_key.insert(key, name.clone());
        self.replies.by_name.insert(name, Waiting { key, channel, queue });
        Ok(queue)
    }

    /// The channel does not wait for answers any more. Harmless when it never did.
    pub fn forget_reply_consumer(&mut self, key: ConsumerKey) {
        if let Some(name) = self.replies.by_key.remove(&key) {
            self.replies.forget(&name);
        }
    }

    /// Hands an answer over. Answers for somebody who has gone are dropped: the publisher cannot tell.
    pub(crate) fn deliver_reply<S: Sink>(&mut self, sink: &mut S, name: &str, m: &Message<'_>) {
        let Some(waiting) = self.replies.by_name.get(name) else { return };
        let handle = Handle { queue: waiting.queue, lane: 0, seq: store::Seq::MAX, bytes: 0 };
        let delivery =
            Delivery { handle, no_ack: true, redelivered: false, traced: None, message: m };
        sink.deliver(waiting.key, delivery);
        self.counts.messages_delivered += 1;
        self.counts.messages_delivered_consume_auto_ack += 1;
    }
}
