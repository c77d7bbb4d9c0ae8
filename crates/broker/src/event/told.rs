//! What each event of the broker's own tells: headers in RabbitMQ's order.

use amqp::value::{Table, Value};

use crate::ConsumerKey;
use crate::exchange::ExchangeSpec;
use crate::queue::args::QueueKind;
use crate::queue::{ConsumerSpec, Queue};
use crate::user::Resource;

use super::{Event, pid};

/// A binding by the names of its ends.
pub(crate) struct Named<'a> {
    pub(crate) vhost: &'a str,
    pub(crate) source: &'a str,
    pub(crate) to: Resource,
    pub(crate) destination: &'a str,
    pub(crate) key: &'a [u8],
    pub(crate) arguments: &'a Table,
}

impl Event {
    pub(crate) fn queue_created(queue: &Queue, node: &str, by: &str) -> Event {
        let event = Event::new("queue.created").by(by).with("type", queue.args.kind.module());
        let event = event.flag("exclusive", queue.exclusive.is_some());
        let owner = queue.exclusive.map_or(String::new(), |conn| pid(node, conn, 0));
        let event = match queue.args.kind {
            QueueKind::Classic => event.with("owner_pid", &*owner),
            QueueKind::Quorum => event,
        };
        event
            .terms("arguments", &queue.arguments)
            .flag("auto_delete", queue.auto_delete)
            .flag("durable", queue.durable)
            .with("name", &*queue.name)
            .with("vhost", &*queue.vhost)
    }

    pub(crate) fn queue_deleted(queue: &Queue, by: &str) -> Event {
        gone("queue.deleted", by, &queue.name, &queue.vhost).with("type", queue.args.kind.module())
    }

    pub(crate) fn exchange_created(spec: &ExchangeSpec, vhost: &str, by: &str) -> Event {
        Event::new("exchange.created")
            .by(by)
            .with("policy", "")
            .terms("arguments", &spec.arguments)
            .flag("internal", spec.internal)
            .flag("auto_delete", spec.auto_delete)
            .flag("durable", spec.durable)
            .with("type", spec.kind.name())
            .with("name", &*spec.name)
            .with("vhost", vhost)
    }

    pub(crate) fn exchange_deleted(name: &str, vhost: &str, by: &str) -> Event {
        gone("exchange.deleted", by, name, vhost)
    }

    /// `binding.created` or `binding.deleted`.
    pub(crate) fn binding(name: &'static str, of: &Named<'_>, by: &str) -> Event {
        let kind = match of.to {
            Resource::Queue => "queue",
            _ => "exchange",
        };
        Event::new(name)
            .by(by)
            .with("vhost", of.vhost)
            .terms("arguments", of.arguments)
            .with("routing_key", Value::LongStr(of.key.to_vec()))
            .with("destination_kind", kind)
            .with("destination_name", of.destination)
            .with("source_kind", "exchange")
            .with("source_name", of.source)
    }

    pub(crate) fn consumer_created(
        spec: &ConsumerSpec,
        queue: &Queue,
        node: &str,
        by: &str,
    ) -> Event {
        Event::new("consumer.created")
            .by(by)
            .terms("arguments", &spec.arguments)
            .number("prefetch_count", spec.prefetch.into())
            .with("queue", &*queue.name)
            .with("vhost", &*queue.vhost)
            .with("channel", &*channel_pid(node, spec.key))
            .flag("ack_required", !spec.no_ack)
            .flag("exclusive", spec.exclusive)
            .with("consumer_tag", Value::LongStr(spec.tag.to_vec()))
    }

    pub(crate) fn consumer_deleted(
        spec: &ConsumerSpec,
        queue: &Queue,
        node: &str,
        by: &str,
    ) -> Event {
        Event::new("consumer.deleted")
            .by(by)
            .with("queue", &*queue.name)
            .with("vhost", &*queue.vhost)
            .with("channel", &*channel_pid(node, spec.key))
            .with("consumer_tag", Value::LongStr(spec.tag.to_vec()))
    }
}

fn gone(what: &'static str, by: &str, name: &str, vhost: &str) -> Event {
    Event::new(what).by(by).with("name", name).with("vhost", vhost)
}

fn channel_pid(node: &str, key: ConsumerKey) -> String {
    pid(node, key.generation.into(), key.channel)
}
