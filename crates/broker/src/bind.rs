//! Binding and unbinding queues and exchanges (amqp.md 5.7).

use amqp::AmqpError;
use amqp::value::Table;
use store::Pos;

use crate::binding::{Binding, Destination, sorted};
use crate::broker::{clean, not_found, precondition};
use crate::declare::{check_owner, refuse_default};
use crate::event::{Event, Named};
use crate::queue::Queue;
use crate::topology::Record;
use crate::user::{Access, Resource};
use crate::{Broker, Cx, Session, Sink};

/// A binding by name.
#[derive(Clone, Copy)]
struct Ends<'a> {
    kind: Resource,
    destination: &'a str,
    source: &'a str,
    key: &'a str,
    arguments: &'a Table,
}

impl<'a> Ends<'a> {
    fn named(self, vhost: &'a str) -> Named<'a> {
        let Ends { kind: to, destination, source, key, arguments } = self;
        Named { vhost, source, to, destination, key: key.as_bytes(), arguments }
    }
}

impl Broker {
    /// `queue.bind`. The server has filled in the last declared queue.
    pub fn queue_bind<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        who: &Session,
        queue: &str,
        exchange: &str,
        key: &str,
        arguments: &Table,
    ) -> Result<Pos, AmqpError> {
        let (destination, source) = (&*clean(queue), &*clean(exchange));
        self.bind(cx, who, Ends { kind: Resource::Queue, destination, source, key, arguments })
    }

    /// `queue.unbind`.
    pub fn queue_unbind<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        who: &Session,
        queue: &str,
        exchange: &str,
        key: &str,
        arguments: &Table,
    ) -> Result<Pos, AmqpError> {
        let (destination, source) = (&*clean(queue), &*clean(exchange));
        self.unbind(cx, who, Ends { kind: Resource::Queue, destination, source, key, arguments })
    }

    /// `exchange.bind`.
    pub fn exchange_bind<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        who: &Session,
        destination: &str,
        source: &str,
        key: &str,
        arguments: &Table,
    ) -> Result<Pos, AmqpError> {
        let (destination, source) = (&*clean(destination), &*clean(source));
        self.bind(cx, who, Ends { kind: Resource::Exchange, destination, source, key, arguments })
    }

    /// `exchange.unbind`.
    pub fn exchange_unbind<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        who: &Session,
        destination: &str,
        source: &str,
        key: &str,
        arguments: &Table,
    ) -> Result<Pos, AmqpError> {
        let (destination, source) = (&*clean(destination), &*clean(source));
        self.unbind(cx, who, Ends { kind: Resource::Exchange, destination, source, key, arguments })
    }

    fn bind<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        who: &Session,
        ends: Ends<'_>,
    ) -> Result<Pos, AmqpError> {
        self.check_ends(who, ends)?;
        let binding = self.resolve(who, ends)?;
        let to = binding.destination;
        let queue = self.owned_queue(who, to)?.map(|queue| queue.args.kind);
        let vhost = self.vhost_mut(who)?;
        let source = vhost.exchange_by_id(binding.source);
        if let Some(source) = source {
            source.check_binding(&binding, queue).map_err(precondition)?;
        }
        let history = source.and_then(|source| source.history);
        let record = binding.durable.then(|| {
            let to_queue = ends.kind == Resource::Queue;
            Record::binding(&who.vhost, ends.source, to_queue, ends.destination, &binding)
        });
        if !vhost.bind(binding, ends.destination) {
            return Ok(0);
        }
        self.changed();
        self.emit(|_| Event::binding("binding.created", &ends.named(&who.vhost), &who.user));
        let pos = record.map_or(0, |record| record.log(cx.store));
        Ok(match history {
            Some(history) => pos.max(self.retell(cx, &who.vhost, history, to)),
            None => pos,
        })
    }

    fn unbind<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        who: &Session,
        ends: Ends<'_>,
    ) -> Result<Pos, AmqpError> {
        self.check_ends(who, ends)?;
        let binding = match self.resolve(who, ends) {
            Ok(binding) => binding,
            Err(error) if error.code == amqp::ReplyCode::NotFound => return Ok(0),
            Err(error) => return Err(error),
        };
        let Some(id) = self.vhost(who)?.bindings.find(&binding) else { return Ok(0) };
        self.owned_queue(who, binding.destination)?;
        let gone = self.vhost_mut(who)?.unbind(id);
        self.changed();
        self.tell_gone(&who.vhost, &gone, None, &who.user);
        let mut pos = 0;
        if binding.durable {
            let to_queue = ends.kind == Resource::Queue;
            let record =
                Record::binding(&who.vhost, ends.source, to_queue, ends.destination, &binding);
            pos = record.deleted().log(cx.store);
        }
        Ok(pos.max(self.log_gone(cx.store, &who.vhost, &gone)))
    }

    /// Write on the destination, read on the source, and neither is the default exchange.
    fn check_ends(&self, who: &Session, ends: Ends<'_>) -> Result<(), AmqpError> {
        self.check(who, Access::Write, ends.kind, ends.destination)?;
        if ends.kind == Resource::Exchange {
            refuse_default(ends.destination)?;
        }
        refuse_default(ends.source)?;
        self.check(who, Access::Read, Resource::Exchange, ends.source)?;
        self.check_topics(who, Access::Read, ends.source, &[ends.key.as_bytes()])
    }

    /// The queue at the end of a binding, if it is one; 405 when another connection has it for itself.
    fn owned_queue(&self, who: &Session, to: Destination) -> Result<Option<&Queue>, AmqpError> {
        let Destination::Queue(id) = to else { return Ok(None) };
        let queue = self.queues.get(id);
        queue.map_or(Ok(()), |queue| check_owner(queue, who))?;
        Ok(queue)
    }

    /// The binding between things that are there; the source is missed first.
    fn resolve(&self, who: &Session, ends: Ends<'_>) -> Result<Binding, AmqpError> {
        let vhost = self.vhost(who)?;
        let missing = |kind, name| not_found(kind, name, &who.vhost);
        let source = vhost
            .exchange_id(ends.source)
            .ok_or_else(|| missing(Resource::Exchange, ends.source))?;
        let absent = || missing(ends.kind, ends.destination);
        let (destination, destination_durable) = match ends.kind {
            Resource::Queue => {
                let found = vhost.queue(ends.destination).and_then(|id| self.queues.get(id));
                let queue = found.ok_or_else(absent)?;
                (Destination::Queue(queue.id), queue.durable)
            }
            Resource::Exchange => {
                let id = vhost.exchange_id(ends.destination).ok_or_else(absent)?;
                let durable = vhost.exchange_by_id(id).is_some_and(|x| x.spec.durable);
                (Destination::Exchange(id), durable)
            }
        };
        let source_durable = vhost.exchange_by_id(source).is_some_and(|x| x.spec.durable);
        Ok(Binding {
            source,
            destination,
            key: ends.key.as_bytes().into(),
            arguments: sorted(ends.arguments),
            durable: source_durable && destination_durable,
        })
    }
}
