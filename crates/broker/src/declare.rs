//! Declaring and deleting exchanges and queues: RabbitMQ's checks in RabbitMQ's order, with its texts (amqp.md 5.1, 5.7).

mod kind;

use std::rc::Rc;

use amqp::value::{Table, Value};
use amqp::{AmqpError, ReplyCode};
use store::{Pos, Store};

use crate::broker::{INTERNAL_USER, clean, not_found, precondition, refused};
use crate::event::Event;
use crate::exchange::{ALTERNATE_EXCHANGE, Exchange, ExchangeSpec, Kind};
use crate::queue::args::{self, ArgError, QueueArgs, QueueKind};
use crate::queue::{Queue, QueueSpec};
use crate::topology::Record;
use crate::user::{Access, Resource};
use crate::vhost::Gone;
use crate::{Broker, Cx, QueueId, Session, Sink, reply_to};

/// `exchange.declare`.
#[derive(Clone, Copy)]
pub struct ExchangeDeclare<'a> {
    /// The name, at most 255 bytes.
    pub name: &'a str,
    /// The type; anything when passive.
    pub kind: &'a str,
    /// Only ask whether it is there.
    pub passive: bool,
    /// Survives a restart.
    pub durable: bool,
    /// Goes when the last binding of which it is the source goes.
    pub auto_delete: bool,
    /// Takes messages from other exchanges only.
    pub internal: bool,
    /// `alternate-exchange`; others are kept and mean nothing.
    pub arguments: &'a Table,
}

/// `queue.declare`.
#[derive(Clone, Copy)]
pub struct QueueDeclare<'a> {
    /// The name, at most 255 bytes; empty for one that the broker makes up.
    pub name: &'a str,
    /// Only ask whether it is there.
    pub passive: bool,
    /// Survives a restart; means nothing for an exclusive queue.
    pub durable: bool,
    /// Belongs to the connection and goes with it.
    pub exclusive: bool,
    /// Goes with its last consumer.
    pub auto_delete: bool,
    /// `x-` arguments: see [`args::ARGS`].
    pub arguments: &'a Table,
}

/// What `queue.declare` found or made.
#[derive(Clone, Debug)]
pub struct QueueDeclared {
    /// The name, without line breaks, or made up.
    pub name: Rc<str>,
    /// Messages that wait.
    pub ready: u32,
    /// Its consumers.
    pub consumers: u32,
    /// What the answer has to wait for; 0 is nothing.
    pub pos: Pos,
}

/// Exchanges.
impl Broker {
    /// `exchange.declare`.
    pub fn exchange_declare<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        who: &Session,
        declare: ExchangeDeclare<'_>,
    ) -> Result<Pos, AmqpError> {
        let name = &*clean(declare.name);
        if declare.passive {
            refuse_default(name)?;
            let found = self.vhost(who)?.exchange(name);
            return found.map(|_| 0).ok_or_else(|| not_found(Resource::Exchange, name, &who.vhost));
        }
        let Some(kind) = Kind::parse(declare.kind) else {
            let what = if declare.kind.is_empty() { "invalid" } else { "unknown" };
            return Err(precondition(format!("{what} exchange type '{}'", declare.kind)));
        };
        refuse_default(name)?;
        self.check(who, Access::Configure, Resource::Exchange, name)?;
        if let Some(exchange) = self.vhost(who)?.exchange(name) {
            return check_same_exchange(exchange, kind, &declare, &who.vhost).map(|()| 0);
        }
        if !who.trusted {
            refuse_reserved("exchange", name)?;
        }
        self.check_alternate(who, name, declare.arguments)?;
        kind.check_arguments(declare.arguments).map_err(precondition)?;
        let spec = ExchangeSpec {
            name: name.into(),
            kind,
            durable: declare.durable,
            auto_delete: declare.auto_delete,
            internal: declare.internal,
            arguments: declare.arguments.clone(),
        };
        let record = spec.durable.then(|| Record::exchange(&who.vhost, &spec));
        self.emit(|_| Event::exchange_created(&spec, &who.vhost, &who.user));
        let id = self.vhost_mut(who)?.add_exchange(spec);
        self.changed();
        let pos = record.map_or(0, |record| record.log(cx.store));
        self.open_history(&who.vhost, id);
        Ok(pos.max(self.open_room(cx.store, &who.vhost, id)))
    }

    /// `exchange.delete`; one that is not there is gone already.
    pub fn exchange_delete<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        who: &Session,
        name: &str,
        if_unused: bool,
    ) -> Result<Pos, AmqpError> {
        let name = &*clean(name);
        refuse_default(name)?;
        let named = Resource::Exchange.named(name, &who.vhost);
        if name.starts_with("amq.") {
            return Err(refused(format!("deletion of system {named} not allowed")));
        }
        self.check(who, Access::Configure, Resource::Exchange, name)?;
        let vhost = self.vhost_mut(who)?;
        let Some(id) = vhost.exchange_id(name) else { return Ok(0) };
        if if_unused && vhost.bindings.any_from(id) {
            return Err(precondition(format!("{named} in use")));
        }
        let gone = vhost.remove_exchange(id);
        self.changed();
        self.tell_gone(&who.vhost, &gone, None, &who.user);
        Ok(self.log_gone(cx.store, &who.vhost, &gone))
    }

    fn check_alternate(
        &self,
        who: &Session,
        name: &str,
        arguments: &Table,
    ) -> Result<(), AmqpError> {
        let Some(value) = arguments.get(ALTERNATE_EXCHANGE) else { return Ok(()) };
        let Some(alternate) = value.as_str() else {
            let named = Resource::Exchange.named(name, &who.vhost);
            let kind = value.type_name();
            let text = format!("invalid type '{kind}' for arg '{ALTERNATE_EXCHANGE}' in {named}");
            return Err(precondition(text));
        };
        self.check(who, Access::Read, Resource::Exchange, name)?;
        self.check(who, Access::Write, Resource::Exchange, alternate)
    }
}

/// Queues.
impl Broker {
    /// `queue.declare`.
    pub fn queue_declare<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        who: &Session,
        declare: QueueDeclare<'_>,
    ) -> Result<QueueDeclared, AmqpError> {
        let name = clean(declare.name);
        self.counts.queues_declared += 1;
        if name.starts_with(reply_to::PSEUDO_QUEUE) {
            if !self.replies.exists(&name) {
                return Err(not_found(Resource::Queue, &name, &who.vhost));
            }
            return Ok(QueueDeclared { name: (&*name).into(), ready: 0, consumers: 1, pos: 0 });
        }
        if declare.passive {
            let id = self.usable_queue(who, &name)?;
            if let Some(queue) = self.queues.get_mut(id) {
                queue.declared_again(cx.now);
            }
            return Ok(self.declared(id, 0));
        }
        let augmented = self.augmented(who, &declare);
        let kind = QueueKind::of(&augmented);
        let server_named = name.is_empty();
        let name: Rc<str> = if server_named {
            self.made_up_name(&declare, kind)?.into()
        } else {
            // Definitions bring queues whose names another broker made up.
            if !who.trusted {
                refuse_reserved("queue", &name)?;
            }
            (&*name).into()
        };
        self.check(who, Access::Configure, Resource::Queue, &name)?;
        if let Some(id) = self.vhost(who)?.queue(&name) {
            self.check_same_queue(who, id, &QueueDeclare { arguments: &augmented, ..declare })?;
            if let Some(queue) = self.queues.get_mut(id) {
                queue.declared_again(cx.now);
            }
            return Ok(self.declared(id, 0));
        }
        self.vhost(who)?.check_queue_limit(&name)?;
        self.check_dead_letter_exchange(who, &name, declare.arguments)?;
        let args = QueueArgs::parse(&augmented)
            .map_err(|error| precondition(error.text(&name, &who.vhost)))?;
        kind::check_properties(&declare, kind, &name, &who.vhost)?;
        let spec = QueueSpec {
            id: self.queues.reserve(),
            name,
            vhost: who.vhost.clone(),
            durable: declare.durable && !declare.exclusive,
            exclusive: declare.exclusive.then_some(who.conn),
            auto_delete: declare.auto_delete,
            server_named,
            args,
            arguments: augmented.into_owned(),
            now: cx.now,
        };
        let (id, pos) = self.add_queue(cx.store, spec);
        self.tell_queue(id, &who.user);
        Ok(self.declared(id, pos))
    }

    /// `queue.delete`: how many messages waited, and what the answer waits for. One that is not there is gone already.
    pub fn queue_delete<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        who: &Session,
        name: &str,
        if_unused: bool,
        if_empty: bool,
    ) -> Result<(u32, Pos), AmqpError> {
        let name = &*clean(name);
        self.check(who, Access::Configure, Resource::Queue, name)?;
        let Some(id) = self.vhost(who)?.queue(name) else { return Ok((0, 0)) };
        let Some(queue) = self.queues.get(id) else { return Ok((0, 0)) };
        check_owner(queue, who)?;
        kind::check_deletion(queue, if_unused, if_empty)?;
        let named = || Resource::Queue.named(name, &who.vhost);
        // In RabbitMQ's order.
        if if_empty && queue.ready() > 0 {
            return Err(precondition(format!("{} not empty", named())));
        }
        if if_unused && queue.consumers() > 0 {
            return Err(precondition(format!("{} in use", named())));
        }
        let (ready, pos) = self.remove_queue_by(cx, id, &who.user);
        Ok((saturated(ready), pos))
    }

    /// `queue.purge`: how many messages waited.
    pub fn queue_purge<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        who: &Session,
        name: &str,
    ) -> Result<u32, AmqpError> {
        let name = &*clean(name);
        self.check(who, Access::Read, Resource::Queue, name)?;
        let id = self.usable_queue(who, name)?;
        let purged = self.with_queue(cx, id, |queue, cx, _| queue.purge(cx.store));
        Ok(saturated(purged.unwrap_or(0)))
    }

    /// The queue with this name, unless another connection has it for itself.
    pub(crate) fn usable_queue(&self, who: &Session, name: &str) -> Result<QueueId, AmqpError> {
        let found = self.vhost(who)?.queue(name).and_then(|id| self.queues.get(id));
        let queue = found.ok_or_else(|| not_found(Resource::Queue, name, &who.vhost))?;
        check_owner(queue, who)?;
        Ok(queue.id)
    }

    /// Makes a queue under a name that is free.
    pub(crate) fn add_queue(&mut self, store: &mut Store, spec: QueueSpec) -> (QueueId, Pos) {
        let now = spec.now;
        let mut queue = Queue::new(spec, store);
        let id = queue.id;
        if let Some(vhost) = self.vhosts.get_mut(&queue.vhost) {
            vhost.policies.govern_queue(&mut queue, now);
            queue.traced = vhost.tracing;
            vhost.queue_names.insert(queue.name.clone(), id);
        }
        if let Some(conn) = queue.exclusive {
            self.exclusive.entry(conn).or_default().insert(id);
        }
        let pos = if queue.durable { Record::queue(&queue).log(store) } else { 0 };
        self.queues.insert(queue);
        self.counts.queues_created += 1;
        self.changed();
        (id, pos)
    }

    /// The same as [`Broker::remove_queue_by`], by the broker itself.
    pub(crate) fn remove_queue<S: Sink>(&mut self, cx: &mut Cx<'_, S>, id: QueueId) -> (u64, Pos) {
        self.remove_queue_by(cx, id, INTERNAL_USER)
    }

    /// Deletes a queue with its bindings and messages; its consumers are told. Answers how many messages waited.
    pub(crate) fn remove_queue_by<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        id: QueueId,
        by: &str,
    ) -> (u64, Pos) {
        let Some(mut queue) = self.queues.remove(id) else { return (0, 0) };
        self.tell_consumers_gone(&queue, by);
        let mut pos = 0;
        if queue.durable {
            pos = Record::queue_deleted(&queue.vhost, &queue.name).log(cx.store);
        }
        if let Some(vhost) = self.vhosts.get_mut(&queue.vhost) {
            let gone = vhost.remove_queue(&queue.name);
            self.tell_gone(&queue.vhost, &gone, Some(&queue.name), INTERNAL_USER);
            pos = pos.max(self.log_gone(cx.store, &queue.vhost, &gone));
        }
        if let Some(conn) = queue.exclusive
            && let Some(owned) = self.exclusive.get_mut(&conn)
        {
            owned.remove(&id);
            if owned.is_empty() {
                self.exclusive.remove(&conn);
            }
        }
        self.emit(|_| Event::queue_deleted(&queue, by));
        let ready = queue.delete(cx);
        self.counts.add_queue(&queue.stats);
        self.counts.queues_deleted += 1;
        self.changed();
        (ready, pos)
    }

    fn declared(&self, id: QueueId, pos: Pos) -> QueueDeclared {
        let queue = self.queues.get(id).expect("the id was just looked up or made");
        QueueDeclared {
            name: queue.name.clone(),
            ready: saturated(queue.ready()),
            consumers: saturated(queue.consumers() as u64),
            pos,
        }
    }

    fn check_same_queue(
        &self,
        who: &Session,
        id: QueueId,
        declare: &QueueDeclare<'_>,
    ) -> Result<(), AmqpError> {
        let Some(queue) = self.queues.get(id) else { return Ok(()) };
        if queue.exclusive != declare.exclusive.then_some(who.conn) {
            return Err(locked(&queue.name, &who.vhost));
        }
        let named = Resource::Queue.named(&queue.name, &who.vhost);
        let durable = declare.durable && !declare.exclusive;
        check_same_flag("durable", &named, durable, queue.durable)?;
        check_same_flag("auto_delete", &named, declare.auto_delete, queue.auto_delete)?;
        match args::inequivalent(
            &queue.arguments,
            declare.arguments,
            self.settings.relaxed_redeclare,
        ) {
            Some(difference) => Err(precondition(difference.text(&queue.name, &who.vhost))),
            None => Ok(()),
        }
    }

    fn check_dead_letter_exchange(
        &self,
        who: &Session,
        queue: &str,
        arguments: &Table,
    ) -> Result<(), AmqpError> {
        const ARG: &str = "x-dead-letter-exchange";
        let Some(value) = arguments.get(ARG) else { return Ok(()) };
        let Value::LongStr(bytes) = value else {
            let error = ArgError::Type { name: ARG, ty: value.type_name() };
            return Err(precondition(error.text(queue, &who.vhost)));
        };
        self.check(who, Access::Read, Resource::Queue, queue)?;
        let exchange = String::from_utf8_lossy(bytes);
        self.check(who, Access::Write, Resource::Exchange, &exchange)
    }
}

/// 405 when another connection has the queue for itself.
pub(crate) fn check_owner(queue: &Queue, who: &Session) -> Result<(), AmqpError> {
    match queue.exclusive {
        Some(owner) if owner != who.conn => Err(locked(&queue.name, &who.vhost)),
        _ => Ok(()),
    }
}

/// 403 for the default exchange, which nobody can declare, delete or bind.
pub(crate) fn refuse_default(exchange: &str) -> Result<(), AmqpError> {
    if exchange.is_empty() {
        return Err(refused("operation not permitted on the default exchange"));
    }
    Ok(())
}

impl Broker {
    /// Logs that durable exchanges are gone; what waited in delayed ones goes with them. In this order: the log may end
    /// anywhere, and an exchange that is there has its room.
    pub(crate) fn log_gone(&mut self, store: &mut Store, vhost: &Rc<str>, gone: &Gone) -> Pos {
        let durable = gone.exchanges.iter().filter(|spec| spec.durable);
        let logged = durable.map(|spec| Record::exchange_deleted(vhost, &spec.name).log(store));
        let pos = logged.max().unwrap_or(0);
        gone.rooms.iter().for_each(|room| self.close_room(store, *room));
        gone.histories.iter().for_each(|history| self.histories.close(*history));
        pos
    }
}

fn refuse_reserved(kind: &str, name: &str) -> Result<(), AmqpError> {
    if name.starts_with("amq.") {
        return Err(refused(format!("{kind} name '{name}' contains reserved prefix 'amq.*'")));
    }
    Ok(())
}

fn locked(queue: &str, vhost: &str) -> AmqpError {
    let named = Resource::Queue.named(queue, vhost);
    let text = format!(
        "cannot obtain exclusive access to locked {named}. It could be originally declared on another connection \
         or the exclusive property value does not match that of the original declaration."
    );
    AmqpError::new(ReplyCode::ResourceLocked, text)
}

fn check_same_exchange(
    exchange: &Exchange,
    kind: Kind,
    declare: &ExchangeDeclare<'_>,
    vhost: &str,
) -> Result<(), AmqpError> {
    let spec = &exchange.spec;
    let named = Resource::Exchange.named(&spec.name, vhost);
    if spec.kind != kind {
        let (received, current) = (kind.name(), spec.kind.name());
        return Err(inequivalent("type", &named, received, current));
    }
    check_same_flag("durable", &named, declare.durable, spec.durable)?;
    check_same_flag("auto_delete", &named, declare.auto_delete, spec.auto_delete)?;
    check_same_flag("internal", &named, declare.internal, spec.internal)?;
    let (received, current) =
        (declare.arguments.get(ALTERNATE_EXCHANGE), spec.arguments.get(ALTERNATE_EXCHANGE));
    match args::difference(current, received) {
        Some((received, current)) => Err(precondition(format!(
            "inequivalent arg '{ALTERNATE_EXCHANGE}' for {named}: received {received} but current is {current}"
        ))),
        None => Ok(()),
    }
}

fn check_same_flag(arg: &str, named: &str, received: bool, current: bool) -> Result<(), AmqpError> {
    if received == current {
        return Ok(());
    }
    Err(inequivalent(arg, named, &received.to_string(), &current.to_string()))
}

fn inequivalent(arg: &str, named: &str, received: &str, current: &str) -> AmqpError {
    precondition(format!(
        "inequivalent arg '{arg}' for {named}: received '{received}' but current is '{current}'"
    ))
}

/// Counts on the wire have 32 bits.
fn saturated(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
