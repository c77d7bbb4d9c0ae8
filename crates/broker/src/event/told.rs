//! What each event of the broker's own tells: headers in RabbitMQ's order.

use amqp::value::{Table, Value};

use crate::ConsumerKey;
use crate::exchange::ExchangeSpec;
use crate::queue::{ConsumerSpec, Queue};
use crate::user::{Permissions, Resource};
use crate::vhost::Vhost;

use super::{CLI_USER, Event, pid};

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
        let owner = queue.exclusive.map_or(String::new(), |conn| pid(node, conn, 0));
        Event::new("queue.created")
            .by(by)
            .flag("exclusive", queue.exclusive.is_some())
            .with("owner_pid", &*owner)
            .terms("arguments", &queue.arguments)
            .flag("auto_delete", queue.auto_delete)
            .flag("durable", queue.durable)
            .with("name", &*queue.name)
            .with("vhost", &*queue.vhost)
    }

    pub(crate) fn queue_deleted(queue: &Queue, by: &str) -> Event {
        gone("queue.deleted", by, &queue.name, &queue.vhost)
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

    /// `user.created`, `user.deleted`, `user.password.changed`, `user.password.cleared`.
    pub(crate) fn user(name: &'static str, user: &str) -> Event {
        Event::new(name).by(CLI_USER).with("name", user)
    }

    pub(crate) fn user_tags_set(user: &str, tags: &[String]) -> Event {
        let tags = tags.iter().map(|tag| Value::from(&**tag)).collect();
        Event::new("user.tags.set").by(CLI_USER).with("tags", Value::Array(tags)).with("name", user)
    }

    pub(crate) fn permission_created(user: &str, vhost: &str, granted: &Permissions) -> Event {
        Event::new("permission.created")
            .by(CLI_USER)
            .with("read", granted.read.as_str())
            .with("write", granted.write.as_str())
            .with("configure", granted.configure.as_str())
            .with("vhost", vhost)
            .with("user", user)
    }

    /// `permission.deleted` or `topic.permission.deleted`.
    pub(crate) fn permission_deleted(name: &'static str, user: &str, vhost: &str) -> Event {
        Event::new(name).by(CLI_USER).with("vhost", vhost).with("user", user)
    }

    pub(crate) fn vhost_created(vhost: &Vhost, node: &str) -> Event {
        let mut state = Table::new();
        state.insert(node, Value::from("running"));
        Event::new("vhost.created")
            .by(CLI_USER)
            .with("cluster_state", Value::Table(state))
            .flag("tracing", vhost.tracing)
            .with("name", &*vhost.name)
    }

    pub(crate) fn vhost_deleted(name: &str) -> Event {
        Event::new("vhost.deleted").by(CLI_USER).with("name", name)
    }
}

fn gone(what: &'static str, by: &str, name: &str, vhost: &str) -> Event {
    Event::new(what).by(by).with("name", name).with("vhost", vhost)
}

fn channel_pid(node: &str, key: ConsumerKey) -> String {
    pid(node, key.generation.into(), key.channel)
}
