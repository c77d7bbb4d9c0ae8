//! What the events of administration tell: users, permissions, virtual hosts, policies, parameters. Headers in RabbitMQ's
//! order; whoever did it did it by the command line.

use amqp::value::{Table, Value};

use crate::Broker;
use crate::exchange::ExchangeSpec;
use crate::policy::Policy;
use crate::user::Permissions;
use crate::user::topic::TopicPermissions;
use crate::vhost::Vhost;
use crate::vhost::meta::{Limits, UserLimits, VhostLimits};

use super::{CLI_USER, Event};

impl Event {
    fn administered(name: &'static str) -> Event {
        Event::new(name).by(CLI_USER)
    }

    /// `user.created`, `user.deleted`, `user.password.changed`, `user.password.cleared`, `vhost.deleted`.
    pub(crate) fn named(name: &'static str, of: &str) -> Event {
        Event::administered(name).with("name", of)
    }

    pub(crate) fn user_tags_set(user: &str, tags: &[String]) -> Event {
        let tags = tags.iter().map(|tag| Value::from(&**tag)).collect();
        Event::administered("user.tags.set").with("tags", Value::Array(tags)).with("name", user)
    }

    pub(crate) fn permission_created(user: &str, vhost: &str, granted: &Permissions) -> Event {
        Event::administered("permission.created")
            .with("read", granted.read.as_str())
            .with("write", granted.write.as_str())
            .with("configure", granted.configure.as_str())
            .with("vhost", vhost)
            .with("user", user)
    }

    pub(crate) fn topic_permission_created(
        user: &str,
        (vhost, exchange): (&str, &str),
        granted: &TopicPermissions,
    ) -> Event {
        Event::administered("topic.permission.created")
            .with("read", granted.read.as_str())
            .with("write", granted.write.as_str())
            .with("exchange", exchange)
            .with("vhost", vhost)
            .with("user", user)
    }

    /// `permission.deleted` or `topic.permission.deleted`.
    pub(crate) fn permission_deleted(name: &'static str, user: &str, vhost: &str) -> Event {
        Event::administered(name).with("vhost", vhost).with("user", user)
    }

    /// `user.limits.set`, or `user.limits.cleared` when there are none.
    pub(crate) fn user_limits(user: &str, limits: &UserLimits) -> Event {
        limits_event(["user.limits.set", "user.limits.cleared"], limits, |event| {
            event.with("username", user)
        })
    }

    /// `vhost.limits.set`, or `vhost.limits.cleared` when there are none.
    pub(crate) fn vhost_limits(vhost: &str, limits: &VhostLimits) -> Event {
        limits_event(["vhost.limits.set", "vhost.limits.cleared"], limits, |event| {
            event.with("vhost", vhost)
        })
    }

    pub(crate) fn vhost_created(vhost: &Vhost, node: &str) -> Event {
        let mut state = Table::new();
        state.insert(node, Value::from("running"));
        let tags = vhost.meta.tags.join(",");
        let description = &*vhost.meta.description;
        let kind = vhost.meta.default_queue_type.map_or("undefined", |kind| kind.name());
        let term = |text: &str| if text.is_empty() { "<<>>".to_owned() } else { text.to_owned() };
        let metadata = format!("#{{description => {},tags => {}}}", term(description), term(&tags));
        Event::new("vhost.created")
            .with("tags", &*tags)
            .with("description", description)
            .by(CLI_USER)
            .with("cluster_state", Value::Table(state))
            .flag("tracing", vhost.tracing)
            .with("metadata", &*metadata)
            .with("default_queue_type", kind)
            .with("tags", &*tags)
            .with("description", description)
            .with("name", &*vhost.name)
    }

    pub(crate) fn policy_set(policy: &Policy) -> Event {
        Event::new("policy.set")
            .with("apply-to", policy.apply_to.name())
            .with("priority", Value::I64(policy.priority))
            .with("definition", Value::Table(policy.definition.clone()))
            .with("pattern", policy.pattern.as_str())
            .by(CLI_USER)
            .with("vhost", &*policy.vhost)
            .with("name", &*policy.name)
    }

    /// `policy.cleared` or `operator.policy.cleared`.
    pub(crate) fn policy_cleared(operator: bool, vhost: &str, name: &str) -> Event {
        let event = if operator { "operator.policy.cleared" } else { "policy.cleared" };
        Event::administered(event).with("vhost", vhost).with("name", name)
    }

    /// `parameter.set` with the JSON text of the value, or `parameter.cleared` without.
    pub(crate) fn parameter(
        vhost: Option<&str>,
        component: &str,
        name: &str,
        value: Option<&str>,
    ) -> Event {
        let event = match value {
            Some(value) => Event::administered("parameter.set").with("value", value),
            None => Event::administered("parameter.cleared"),
        };
        let component = if component.is_empty() { "global" } else { component };
        let event = event.with("name", name).with("component", component);
        match vhost {
            Some(vhost) => event.with("vhost", vhost),
            None => event,
        }
    }
}

/// Limits come first; what they are called is `limits`.
fn limits_event<L: Limits>(
    [set, cleared]: [&'static str; 2],
    limits: &L,
    of: impl FnOnce(Event) -> Event,
) -> Event {
    let is_cleared = limits.named().all(|(_, limit)| limit.is_none());
    let event = Event::new(if is_cleared { cleared } else { set });
    let event = limits.named().fold(event, |event, (name, limit)| match limit {
        Some(limit) => event.with(name, Value::I64(limit)),
        None => event,
    });
    of(event).by(CLI_USER).with("name", "limits")
}

impl Broker {
    /// Tells of a new virtual host and its exchanges.
    pub(crate) fn tell_vhost(&mut self, name: &str) {
        if !self.wants_events() {
            return;
        }
        let Some(vhost) = self.vhosts.get(name) else { return };
        let mut specs: Vec<&ExchangeSpec> =
            vhost.exchanges().map(|exchange| &exchange.spec).collect();
        specs.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let made = specs.iter().map(|spec| Event::exchange_created(spec, name, CLI_USER));
        let events: Vec<Event> =
            made.chain([Event::vhost_created(vhost, &self.settings.node)]).collect();
        self.events.extend(events);
    }

    /// Tells of a virtual host that is gone with its exchanges; the queues told of themselves.
    pub(crate) fn tell_vhost_gone(&mut self, vhost: &Vhost) {
        if !self.wants_events() {
            return;
        }
        let mut names: Vec<_> = vhost.exchanges().map(|exchange| &exchange.spec.name).collect();
        names.sort_unstable();
        let gone = names.iter().map(|name| Event::exchange_deleted(name, &vhost.name, CLI_USER));
        self.events.extend(gone.chain([Event::named("vhost.deleted", &vhost.name)]));
    }
}
