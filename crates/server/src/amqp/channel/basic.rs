//! Publishing and consuming on a channel.

use std::rc::Rc;

use amqp::content::Properties;
use amqp::error::{AmqpError, ReplyCode};
use amqp::frame;
use amqp::method::{
    BasicCancel, BasicCancelOk, BasicConsume, BasicConsumeOk, BasicGet, BasicGetEmpty, BasicQos,
    BasicQosOk, Method,
};
use broker::queue::args::{ConsumerArgs, QueueKind};
use broker::trace::TracedDelivery;
use broker::{Consume, Publish, RouteCache};
use store::Pos;

use super::content::BASIC_PUBLISH;
use super::unacked::{BY_GET, Unacked};
use super::{Channel, Consumer, confirms::Confirms};
use crate::amqp::connections::{Flow, Handled};
use crate::shard::{At, Shard};

/// The pseudo-queue of direct reply-to.
const REPLY_TO: &str = "amq.rabbitmq.reply-to";

impl Shard {
    /// Routes a message; returns the group commit that makes it durable.
    pub(crate) fn publish(&mut self, at: At, publish: &Publish<'_>) -> Result<Pos, AmqpError> {
        let Some(session) = self.session(at.conn) else { return Ok(0) };
        let Some(channel) = self.channel(at) else { return Ok(0) };
        let mut routes = std::mem::replace(&mut channel.routes, RouteCache::new(at.channel));
        let first = !std::mem::replace(&mut channel.publishes, true);
        self.sizes.observe(publish.body.len() as u64);
        let (broker, mut cx) = self.parts();
        let result = broker.publish(&mut cx, &session, &mut routes, publish);
        if first {
            self.connections.counters.publishers += 1;
        }
        self.connections.table[at.conn].published = true;
        let Some(channel) = self.channel(at) else { return Ok(0) };
        channel.routes = routes;
        let published = result.map_err(|error| error.at(BASIC_PUBLISH))?;
        if publish.mandatory && !published.routed {
            self.return_message(at, publish);
        }
        self.confirm(at, published.pos, published.refused);
        Ok(published.pos)
    }

    fn confirm(&mut self, at: At, pos: Pos, refused: bool) {
        let durable = if pos <= self.synced { 0 } else { pos };
        let Some(channel) = self.channel(at) else { return };
        let Some(confirms) = &mut channel.confirms else { return };
        if refused {
            confirms.refused();
        } else {
            confirms.published(durable);
        }
        self.connections.counters.received_confirm += 1;
        self.connections.await_commit(at.conn);
    }

    /// `basic.return` goes out before the confirm of the same message (amqp.md 5.2).
    fn return_message(&mut self, at: At, publish: &Publish<'_>) {
        let connection = &mut self.connections.table[at.conn];
        let out = connection.out.tail(&mut self.connections.pool);
        let code = ReplyCode::NoRoute;
        let (exchange, key) = (publish.exchange, publish.routing_key);
        frame::write_return(out, at.channel, code, code.name(), exchange, key);
        frame::write_content(
            out,
            at.channel,
            publish.properties,
            publish.body,
            connection.frame_max,
        );
    }

    pub(crate) fn confirm_select(&mut self, at: At, nowait: bool) -> Handled {
        let Some(channel) = self.channel(at) else { return Ok(Flow::Continue) };
        if channel.transaction.is_some() {
            let text = "cannot switch from tx to confirm mode";
            return Err(AmqpError::new(ReplyCode::PreconditionFailed, text));
        }
        channel.confirms.get_or_insert_with(Confirms::default);
        if !nowait {
            let ok = amqp::method::ConfirmSelectOk {};
            self.send(at, &Method::ConfirmSelectOk(ok));
        }
        Ok(Flow::Continue)
    }

    pub(crate) fn qos(&mut self, at: At, qos: &BasicQos) -> Handled {
        if qos.prefetch_size != 0 {
            let text = format!("prefetch_size!=0 ({})", qos.prefetch_size);
            return Err(AmqpError::new(ReplyCode::NotImplemented, text));
        }
        let Some(channel) = self.channel(at) else { return Ok(Flow::Continue) };
        if qos.global {
            channel.prefetch_global = qos.prefetch_count;
        } else {
            // For consumers to come only (amqp.md 5.5); as in RabbitMQ it takes a limit of the
            // channel back.
            channel.prefetch = qos.prefetch_count;
            channel.prefetch_global = 0;
        }
        if std::mem::take(&mut channel.starved) {
            self.starved.push(at);
        }
        self.send(at, &Method::BasicQosOk(BasicQosOk {}));
        Ok(Flow::Continue)
    }

    pub(crate) fn consume(&mut self, at: At, consume: &BasicConsume<'_>) -> Handled {
        let Some(session) = self.session(at.conn) else { return Ok(Flow::Continue) };
        let arguments = consume.arguments.decode().map_err(crate::amqp::malformed)?;
        let queue_name = self.queue_name(at, consume.queue)?;
        let tag = self.consumer_tag(at, consume.consumer_tag)?;
        self.check_consumer_limit(at)?;
        let Some(channel) = self.channel(at) else { return Ok(Flow::Continue) };
        let is_reply_to = &*queue_name == REPLY_TO;
        if is_reply_to && channel.reply_consumer.is_some() {
            let text = "reply consumer already set";
            return Err(AmqpError::new(ReplyCode::PreconditionFailed, text));
        }
        let index = channel.next_consumer;
        channel.next_consumer += 1;
        let prefetch = channel.prefetch;
        let own = ConsumerArgs::parse(&arguments, QueueKind::default()).unwrap_or_default();
        let timeout = own.timeout;
        channel
            .consumers
            .insert(index, Consumer { tag: Rc::from(tag.as_bytes()), queue: None, timeout });
        self.consumer_timeouts |= timeout.is_some();
        let key = self.consumer_key(at, index);
        let (broker, mut cx) = self.parts();
        let asked = Consume {
            queue: &queue_name,
            key,
            tag: Rc::from(tag.as_bytes()),
            no_ack: consume.no_ack,
            exclusive: consume.exclusive,
            no_local: consume.no_local,
            arguments: &arguments,
            prefetch,
        };
        let result = broker.consume(&mut cx, &session, asked);
        let Some(channel) = self.channel(at) else { return Ok(Flow::Continue) };
        let queue = match result {
            Ok(queue) => queue,
            Err(error) => {
                channel.consumers.remove(&index);
                return Err(error);
            }
        };
        if is_reply_to {
            channel.reply_consumer = Some(index);
        } else if let Some(consumer) = channel.consumers.get_mut(&index) {
            consumer.queue = Some(queue);
        }
        if !consume.no_wait {
            self.send(at, &Method::BasicConsumeOk(BasicConsumeOk { consumer_tag: &tag }));
        }
        if !is_reply_to {
            let (broker, mut cx) = self.parts();
            broker.pump(&mut cx, queue);
        }
        Ok(Flow::Continue)
    }

    /// The tag that the client chose, or one of ours; a tag in use is a hard error.
    fn consumer_tag(&mut self, at: At, asked: &str) -> Result<String, AmqpError> {
        if asked.is_empty() {
            self.serial += 1;
            return Ok(format!("amq.ctag-{}", crate::amqp::unique_name(self.seed, self.serial)));
        }
        let taken = self
            .channel(at)
            .is_some_and(|channel| channel.consumer_by_tag(asked.as_bytes()).is_some());
        if taken {
            let text = format!("attempt to reuse consumer tag '{asked}'");
            return Err(AmqpError::new(ReplyCode::NotAllowed, text));
        }
        Ok(asked.to_owned())
    }

    /// Unacked deliveries of the consumer stay outstanding; an unknown tag is answered ok (amqp.md 5.5).
    pub(crate) fn cancel(&mut self, at: At, cancel: &BasicCancel<'_>) -> Handled {
        let Some(channel) = self.channel(at) else { return Ok(Flow::Continue) };
        if let Some(index) = channel.consumer_by_tag(cancel.consumer_tag.as_bytes()) {
            let consumer = channel.consumers.remove(&index);
            if channel.reply_consumer == Some(index) {
                channel.reply_consumer = None;
            }
            let by = self.user(at.conn);
            self.cancel_consumer(at, index, consumer.as_ref(), &by);
        }
        if !cancel.no_wait {
            let consumer_tag = cancel.consumer_tag;
            self.send(at, &Method::BasicCancelOk(BasicCancelOk { consumer_tag }));
        }
        Ok(Flow::Continue)
    }

    /// Takes a consumer that the channel no longer has away from its queue.
    pub(crate) fn cancel_consumer(
        &mut self,
        at: At,
        index: u32,
        consumer: Option<&Consumer>,
        by: &str,
    ) {
        let key = self.consumer_key(at, index);
        let (broker, mut cx) = self.parts();
        match consumer.map(|consumer| consumer.queue) {
            Some(Some(queue)) => broker.cancel(&mut cx, queue, key, by),
            Some(None) => broker.forget_reply_consumer(key),
            None => {}
        }
    }

    pub(crate) fn get(&mut self, at: At, get: &BasicGet<'_>) -> Handled {
        let Some(session) = self.session(at.conn) else { return Ok(Flow::Continue) };
        let queue_name = self.queue_name(at, get.queue)?;
        let (broker, mut cx) = self.parts();
        let Some(got) = broker.get(&mut cx, &session, &queue_name, get.no_ack)? else {
            self.send(at, &Method::BasicGetEmpty(BasicGetEmpty {}));
            return Ok(Flow::Continue);
        };
        let connection = &mut self.connections.table[at.conn];
        let Some(channel) = connection.channels.get_mut(&at.channel) else {
            return Ok(Flow::Continue);
        };
        let tag = channel.next_tag;
        channel.next_tag += 1;
        if !get.no_ack {
            channel.unacked.push(tag, Unacked { handle: got.handle, consumer: BY_GET });
        }
        let traced = got.traced.map(|(vhost, queue)| TracedDelivery {
            vhost,
            queue,
            connection: Rc::clone(&connection.facts.name),
            channel: at.channel,
            user: session.user,
            redelivered: got.redelivered,
            message: got.slice.to_vec(),
        });
        self.connections.traced.extend(traced);
        let message = broker::Message::parse(&got.slice)
            .map_err(|error| AmqpError::new(ReplyCode::InternalError, error.to_string()))?;
        let remaining = u32::try_from(got.remaining).unwrap_or(u32::MAX);
        let out = connection.out.tail(&mut self.connections.pool);
        frame::write_get_ok(
            out,
            at.channel,
            tag,
            got.redelivered,
            message.exchange,
            message.routing_key,
            remaining,
        );
        write_body(out, at.channel, message.properties, message.body, connection.frame_max);
        Ok(Flow::Continue)
    }

    /// The queue that a method names; an empty name is the last one declared on the channel.
    pub(crate) fn queue_name(&mut self, at: At, name: &str) -> Result<Rc<str>, AmqpError> {
        if !name.is_empty() {
            return Ok(Rc::from(name));
        }
        let last = self.channel(at).and_then(|channel: &mut Channel| channel.last_queue.clone());
        last.ok_or_else(|| AmqpError::new(ReplyCode::NotFound, "no previously declared queue"))
    }
}

fn write_body(
    out: &mut Vec<u8>,
    channel: u16,
    properties: Properties<'_>,
    body: &[u8],
    frame_max: u32,
) {
    frame::write_content(out, channel, properties, body, frame_max);
}
