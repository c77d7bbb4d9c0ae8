//! Declaring, binding and deleting exchanges and queues.

use std::rc::Rc;

use amqp::error::AmqpError;
use amqp::frame;
use amqp::method::{
    ExchangeBind, ExchangeBindOk, ExchangeDeclare, ExchangeDeclareOk, ExchangeDelete,
    ExchangeDeleteOk, ExchangeUnbind, ExchangeUnbindOk, Method, QueueBind, QueueBindOk,
    QueueDeclare, QueueDeclareOk, QueueDelete, QueueDeleteOk, QueuePurge, QueuePurgeOk,
    QueueUnbind, QueueUnbindOk,
};

use crate::amqp::connections::{Flow, Handled};
use crate::amqp::malformed;
use crate::shard::{At, Shard};

impl Shard {
    pub(crate) fn exchange_declare(&mut self, at: At, declare: &ExchangeDeclare<'_>) -> Handled {
        let Some(session) = self.session(at.conn) else { return Ok(Flow::Continue) };
        let arguments = declare.arguments.decode().map_err(malformed)?;
        let (broker, mut cx) = self.parts();
        let pos = broker.exchange_declare(
            &mut cx,
            &session,
            broker::ExchangeDeclare {
                name: declare.exchange,
                kind: declare.kind,
                passive: declare.passive,
                durable: declare.durable,
                auto_delete: declare.auto_delete,
                internal: declare.internal,
                arguments: &arguments,
            },
        )?;
        let ok = Method::ExchangeDeclareOk(ExchangeDeclareOk {});
        self.answer(at, declare.no_wait, pos, &ok)
    }

    pub(crate) fn exchange_delete(&mut self, at: At, delete: &ExchangeDelete<'_>) -> Handled {
        let Some(session) = self.session(at.conn) else { return Ok(Flow::Continue) };
        let (broker, mut cx) = self.parts();
        let pos = broker.exchange_delete(&mut cx, &session, delete.exchange, delete.if_unused)?;
        let ok = Method::ExchangeDeleteOk(ExchangeDeleteOk {});
        self.answer(at, delete.no_wait, pos, &ok)
    }

    pub(crate) fn exchange_bind(&mut self, at: At, bind: &ExchangeBind<'_>) -> Handled {
        let Some(session) = self.session(at.conn) else { return Ok(Flow::Continue) };
        let arguments = bind.arguments.decode().map_err(malformed)?;
        let (broker, mut cx) = self.parts();
        let (destination, source, key) = (bind.destination, bind.source, bind.routing_key);
        let pos = broker.exchange_bind(&mut cx, &session, destination, source, key, &arguments)?;
        self.answer(at, bind.no_wait, pos, &Method::ExchangeBindOk(ExchangeBindOk {}))
    }

    pub(crate) fn exchange_unbind(&mut self, at: At, unbind: &ExchangeUnbind<'_>) -> Handled {
        let Some(session) = self.session(at.conn) else { return Ok(Flow::Continue) };
        let arguments = unbind.arguments.decode().map_err(malformed)?;
        let (broker, mut cx) = self.parts();
        let (destination, source, key) = (unbind.destination, unbind.source, unbind.routing_key);
        let pos =
            broker.exchange_unbind(&mut cx, &session, destination, source, key, &arguments)?;
        self.answer(at, unbind.no_wait, pos, &Method::ExchangeUnbindOk(ExchangeUnbindOk {}))
    }

    pub(crate) fn queue_declare(&mut self, at: At, declare: &QueueDeclare<'_>) -> Handled {
        let Some(session) = self.session(at.conn) else { return Ok(Flow::Continue) };
        let arguments = declare.arguments.decode().map_err(malformed)?;
        let (broker, mut cx) = self.parts();
        let declared = broker.queue_declare(
            &mut cx,
            &session,
            broker::QueueDeclare {
                name: declare.queue,
                passive: declare.passive,
                durable: declare.durable,
                exclusive: declare.exclusive,
                auto_delete: declare.auto_delete,
                arguments: &arguments,
            },
        )?;
        if let Some(channel) = self.channel(at) {
            channel.last_queue = Some(Rc::clone(&declared.name));
        }
        let ok = Method::QueueDeclareOk(QueueDeclareOk {
            queue: &declared.name,
            message_count: declared.ready,
            consumer_count: declared.consumers,
        });
        self.answer(at, declare.no_wait, declared.pos, &ok)
    }

    pub(crate) fn queue_bind(&mut self, at: At, bind: &QueueBind<'_>) -> Handled {
        let Some(session) = self.session(at.conn) else { return Ok(Flow::Continue) };
        let arguments = bind.arguments.decode().map_err(malformed)?;
        let (queue, key) = self.queue_and_key(at, bind.queue, bind.routing_key)?;
        let (broker, mut cx) = self.parts();
        let pos = broker.queue_bind(&mut cx, &session, &queue, bind.exchange, &key, &arguments)?;
        self.answer(at, bind.no_wait, pos, &Method::QueueBindOk(QueueBindOk {}))
    }

    pub(crate) fn queue_unbind(&mut self, at: At, unbind: &QueueUnbind<'_>) -> Handled {
        let Some(session) = self.session(at.conn) else { return Ok(Flow::Continue) };
        let arguments = unbind.arguments.decode().map_err(malformed)?;
        let (queue, key) = self.queue_and_key(at, unbind.queue, unbind.routing_key)?;
        let (broker, mut cx) = self.parts();
        let pos =
            broker.queue_unbind(&mut cx, &session, &queue, unbind.exchange, &key, &arguments)?;
        self.answer(at, false, pos, &Method::QueueUnbindOk(QueueUnbindOk {}))
    }

    /// An empty queue name is the last declared one; with an empty key as well, both are (amqp.md 5.7).
    fn queue_and_key(
        &mut self,
        at: At,
        queue: &str,
        key: &str,
    ) -> Result<(Rc<str>, Rc<str>), AmqpError> {
        let name = self.queue_name(at, queue)?;
        let key = if queue.is_empty() && key.is_empty() { Rc::clone(&name) } else { key.into() };
        Ok((name, key))
    }

    pub(crate) fn queue_purge(&mut self, at: At, purge: &QueuePurge<'_>) -> Handled {
        let Some(session) = self.session(at.conn) else { return Ok(Flow::Continue) };
        let name = self.queue_name(at, purge.queue)?;
        let (broker, mut cx) = self.parts();
        let message_count = broker.queue_purge(&mut cx, &session, &name)?;
        let ok = Method::QueuePurgeOk(QueuePurgeOk { message_count });
        self.answer(at, purge.no_wait, 0, &ok)
    }

    pub(crate) fn queue_delete(&mut self, at: At, delete: &QueueDelete<'_>) -> Handled {
        let Some(session) = self.session(at.conn) else { return Ok(Flow::Continue) };
        let name = self.queue_name(at, delete.queue)?;
        let (broker, mut cx) = self.parts();
        let (if_unused, if_empty) = (delete.if_unused, delete.if_empty);
        cx.sink.late_cancels = Some((at.conn, Vec::new()));
        let deleted = broker.queue_delete(&mut cx, &session, &name, if_unused, if_empty);
        let (_, cancels) = cx.sink.late_cancels.take().unwrap_or_default();
        let (message_count, pos) = deleted?;
        let mut reply = Vec::new();
        if !delete.no_wait {
            let ok = Method::QueueDeleteOk(QueueDeleteOk { message_count });
            frame::write_method(&mut reply, at.channel, &ok);
        }
        reply.extend_from_slice(&cancels);
        Ok(self.send_after(at.conn, if delete.no_wait { 0 } else { pos }, reply))
    }
}
