//! Consumers, gets, and what becomes of deliveries.

use std::rc::Rc;

use amqp::value::Table;
use amqp::{AmqpError, ReplyCode};

use crate::broker::{clean, precondition, refused};
use crate::event::Event;
use crate::queue::args::{ConsumerArgs, QueueKind};
use crate::queue::{ConsumerSpec, Got, Return};
use crate::topology::Record;
use crate::user::{Access, Resource};
use crate::{Broker, ConsumerKey, Cx, Handle, QueueId, Session, Sink, reply_to};

/// `basic.consume`.
#[derive(Clone)]
pub struct Consume<'a> {
    /// From which queue.
    pub queue: &'a str,
    /// Where deliveries go.
    pub key: ConsumerKey,
    /// The tag, chosen by the client or the server.
    pub tag: Rc<[u8]>,
    /// Deliveries are settled by being sent.
    pub no_ack: bool,
    /// No other consumer beside this one.
    pub exclusive: bool,
    /// Ignored, as in RabbitMQ.
    pub no_local: bool,
    /// `x-priority`.
    pub arguments: &'a Table,
    /// At most this many unacked deliveries; 0 is no limit.
    pub prefetch: u16,
}

impl Broker {
    /// `basic.consume`. Nothing is delivered before [`Broker::pump`], so that consume-ok can be written first.
    pub fn consume<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        who: &Session,
        consume: Consume<'_>,
    ) -> Result<QueueId, AmqpError> {
        let name = &*clean(consume.queue);
        if name == reply_to::PSEUDO_QUEUE {
            return self.consume_replies(who, consume.key, consume.no_ack);
        }
        self.check(who, Access::Read, Resource::Queue, name)?;
        let id = self.usable_queue(who, name)?;
        let kind = self.queues.get(id).map(|queue| queue.args.kind).unwrap_or_default();
        let args = ConsumerArgs::parse(consume.arguments, kind)
            .map_err(|error| precondition(error.text(name, &who.vhost)))?;
        let spec = ConsumerSpec {
            key: consume.key,
            tag: consume.tag,
            no_ack: consume.no_ack,
            // Quorum queues pass over it, as RabbitMQ's do.
            exclusive: consume.exclusive && kind != QueueKind::Quorum,
            priority: args.priority,
            prefetch: consume.prefetch,
            arguments: consume.arguments.clone(),
        };
        match self.with_queue(cx, id, |queue, cx, _| queue.checkout(spec, cx.now)) {
            Some(Err(_)) => {
                let named = Resource::Queue.named(name, &who.vhost);
                Err(refused(format!("{named} in exclusive use")))
            }
            _ => {
                self.tell_consumer(Event::consumer_created, (id, consume.key), &who.user);
                Ok(id)
            }
        }
    }

    /// Takes a consumer away; an auto-delete queue goes with its last one. Its unacked deliveries stay as they are. `by` is
    /// the user who asked for it, or [`crate::broker::INTERNAL_USER`].
    pub fn cancel<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        queue: QueueId,
        key: ConsumerKey,
        by: &str,
    ) {
        self.tell_consumer(Event::consumer_deleted, (queue, key), by);
        let cancelled = self.with_queue(cx, queue, |queue, cx, out| {
            let cancelled = queue.cancel(cx, key, out);
            cancelled.was_last && queue.auto_delete
        });
        match cancelled {
            Some(true) => drop(self.remove_queue(cx, queue)),
            Some(false) => {}
            None => self.forget_reply_consumer(key),
        }
    }

    /// `basic.get`.
    pub fn get<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        who: &Session,
        queue: &str,
        no_ack: bool,
    ) -> Result<Option<Got>, AmqpError> {
        let name = &*clean(queue);
        self.check(who, Access::Read, Resource::Queue, name)?;
        let id = self.usable_queue(who, name)?;
        if let Some(queue) = self.queues.get(id)
            && queue.args.kind == QueueKind::Quorum
            && queue.args.single_active_consumer
        {
            let named = Resource::Queue.named(name, &who.vhost);
            let text = format!(
                "cannot obtain access to locked {named}. basic.get operations are not supported by quorum queues with \
                 single active consumer"
            );
            return Err(AmqpError::new(ReplyCode::ResourceLocked, text));
        }
        Ok(self.with_queue(cx, id, |queue, cx, out| queue.get(cx, no_ack, out)).flatten())
    }

    /// An ack. `by` is the consumer that had the message; none for a get.
    #[inline]
    pub fn settle<S: Sink>(&mut self, cx: &mut Cx<'_, S>, handle: Handle, by: Option<ConsumerKey>) {
        self.with_queue(cx, handle.queue, |queue, cx, out| queue.settle(cx, handle, by, out));
    }

    /// Puts messages back, as redelivered: nack, reject, recover, the end of a channel. A quorum queue counts them, which
    /// is logged.
    pub fn requeue<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        handles: &[(Handle, Option<ConsumerKey>)],
        how: Return,
    ) {
        // A queue gets its messages all at once: it would deliver the first ones again before the
        // others are back in front of them.
        let mut grouped = Vec::new();
        let handles = if handles.is_sorted_by_key(|(handle, _)| handle.queue) {
            handles
        } else {
            grouped.extend_from_slice(handles);
            grouped.sort_by_key(|(handle, _)| handle.queue);
            &grouped
        };
        for of_one_queue in handles.chunk_by(|(a, _), (b, _)| a.queue == b.queue) {
            let id = of_one_queue[0].0.queue;
            self.with_queue(cx, id, |queue, cx, out| queue.requeue(cx, of_one_queue, how, out));
            if let Some(queue) = self.queues.get(id).filter(|queue| queue.persists_all()) {
                let handles = of_one_queue.iter().map(|(handle, _)| *handle);
                for record in Record::returned(queue, handles) {
                    record.log(cx.store);
                }
            }
        }
    }

    /// Rejects a message for good: it is dead-lettered, or goes.
    pub fn discard<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        handle: Handle,
        by: Option<ConsumerKey>,
    ) {
        self.with_queue(cx, handle.queue, |queue, cx, out| queue.discard(cx, handle, by, out));
    }

    /// The sink takes messages for this consumer again.
    pub fn resume<S: Sink>(&mut self, cx: &mut Cx<'_, S>, queue: QueueId, key: ConsumerKey) {
        self.with_queue(cx, queue, |queue, cx, out| queue.resume(cx, key, out));
    }

    /// Delivers what waits to who can take it.
    pub fn pump<S: Sink>(&mut self, cx: &mut Cx<'_, S>, queue: QueueId) {
        self.with_queue(cx, queue, |queue, cx, out| queue.pump(cx, out));
    }
}
