//! The event exchange: what happens to the topology, users and connections is told by messages without a body, published to
//! `amq.rabbitmq.event` of virtual host `/`. Names, headers and their order are those of RabbitMQ's plugin of that name;
//! what each event says is in `event/told.rs` and `event/administered.rs`.
//!
//! Events wait until the command that caused them is done. Nothing is built while no one is bound to the exchange.

mod administered;
mod told;

use amqp::content::PropertiesBuf;
use amqp::value::{Table, Value};

use crate::binding::Destination;
use crate::erlang::Field;
use crate::queue::{ConsumerSpec, Queue};
use crate::user::Resource;
use crate::vhost::{Gone, GoneBinding};
use crate::{Broker, ConsumerKey, Cx, QueueId, Sink};

pub(crate) use told::Named;

/// Where events are published, in virtual host `/` only.
pub const EVENT_EXCHANGE: &str = "amq.rabbitmq.event";
/// The virtual host of the event exchange.
pub const EVENT_VHOST: &str = "/";
/// Who commands by the command line, in RabbitMQ's events.
pub const CLI_USER: &str = "rmq-cli";

/// One event: its name is the routing key, its facts the headers.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// Such as `queue.created`.
    pub name: &'static str,
    /// What is told, in the order of the headers.
    pub facts: Table,
}

impl Event {
    /// An event that tells nothing yet.
    pub fn new(name: &'static str) -> Event {
        Event { name, facts: Table::new() }
    }

    /// Who did it.
    #[must_use]
    pub fn by(self, user: &str) -> Event {
        self.with("user_who_performed_action", user)
    }

    /// One more fact. A name may come twice.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Event {
        self.facts.0.push((name.as_bytes().to_vec(), value.into()));
        self
    }

    /// The same for a number: RabbitMQ writes them all as `long`.
    #[must_use]
    pub fn number(self, name: &str, value: u64) -> Event {
        self.with(name, Value::I64(value.cast_signed()))
    }

    /// The same for a flag.
    #[must_use]
    pub fn flag(self, name: &str, value: bool) -> Event {
        self.with(name, Value::Bool(value))
    }

    /// The same for a table as RabbitMQ writes those that clients gave: an Erlang term for each field.
    #[must_use]
    pub fn terms(self, name: &str, table: &Table) -> Event {
        let fields = table.iter().map(|(key, value)| Value::from(&*Field(key, value).to_string()));
        self.with(name, Value::Array(fields.collect()))
    }
}

/// What RabbitMQ calls a process: the connection of this number, or one of its channels when `channel` is not 0.
pub fn pid(node: &str, conn: u64, channel: u16) -> String {
    format!("<{node}.1.{conn}.{channel}>")
}

impl Broker {
    /// Whether somebody is bound to the event exchange. Who builds events asks this first.
    pub fn wants_events(&self) -> bool {
        let Some(vhost) = self.vhosts.get(EVENT_VHOST) else { return false };
        vhost.exchange_id(EVENT_EXCHANGE).is_some_and(|id| vhost.bindings.any_from(id))
    }

    /// Takes an event, to be published by the next [`Broker::publish_events`]. It is built only if somebody listens.
    pub fn emit(&mut self, event: impl FnOnce(&Broker) -> Event) {
        if self.wants_events() {
            let event = event(self);
            self.events.push(event);
        }
    }

    /// Tells of a queue that was just made.
    pub(crate) fn tell_queue(&mut self, id: QueueId, by: &str) {
        if self.wants_events()
            && let Some(queue) = self.queues.get(id)
        {
            self.events.push(Event::queue_created(queue, &self.settings.node, by));
        }
    }

    /// Tells of a consumer that is there: `consumer.created`, or `consumer.deleted` before it goes.
    pub(crate) fn tell_consumer(
        &mut self,
        event: fn(&ConsumerSpec, &Queue, &str, &str) -> Event,
        (queue, key): (QueueId, ConsumerKey),
        by: &str,
    ) {
        if self.wants_events()
            && let Some(queue) = self.queues.get(queue)
            && let Some(consumer) = queue.consumer_list().find(|one| one.spec.key == key)
        {
            self.events.push(event(&consumer.spec, queue, &self.settings.node, by));
        }
    }

    /// Tells of the consumers that lose their queue.
    pub(crate) fn tell_consumers_gone(&mut self, queue: &Queue, by: &str) {
        if queue.consumers() > 0 && self.wants_events() {
            for consumer in queue.consumer_list() {
                let node = &self.settings.node;
                self.events.push(Event::consumer_deleted(&consumer.spec, queue, node, by));
            }
        }
    }

    /// Tells of bindings and exchanges that went; `queue` is the name of one that went with them.
    pub(crate) fn tell_gone(&mut self, vhost: &str, gone: &Gone, queue: Option<&str>, by: &str) {
        if !self.wants_events() {
            return;
        }
        for one in &gone.bindings {
            let Destination::Queue(id) = one.binding.destination else {
                let Some(destination) = &one.exchange else { continue };
                self.tell_unbound(vhost, one, (Resource::Exchange, destination), by);
                continue;
            };
            let there = self.queues.get(id).map(|queue| queue.name.clone());
            let Some(name) = there.as_deref().or(queue) else { continue };
            self.tell_unbound(vhost, one, (Resource::Queue, name), by);
        }
        for spec in &gone.exchanges {
            self.events.push(Event::exchange_deleted(&spec.name, vhost, by));
        }
    }

    fn tell_unbound(
        &mut self,
        vhost: &str,
        gone: &GoneBinding,
        (to, destination): (Resource, &str),
        by: &str,
    ) {
        let (source, key) = (&*gone.source, &*gone.binding.key);
        let arguments = &gone.binding.arguments;
        let named = Named { vhost, source, to, destination, key, arguments };
        self.events.push(Event::binding("binding.deleted", &named, by));
    }

    /// Whether events wait.
    #[inline]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Publishes the events that wait. For the end of a command, when nothing else is under way.
    pub fn publish_events<S: Sink>(&mut self, cx: &mut Cx<'_, S>) {
        for event in std::mem::take(&mut self.events) {
            let facts = event.number("timestamp_in_ms", cx.now);
            let properties = PropertiesBuf {
                headers: Some(facts.facts),
                delivery_mode: Some(2),
                timestamp: Some(cx.now / 1000),
                ..PropertiesBuf::default()
            };
            let key = facts.name.as_bytes();
            self.publish_own(cx, (EVENT_VHOST, EVENT_EXCHANGE), key, &properties, &[]);
        }
    }
}
