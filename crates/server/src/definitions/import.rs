//! Definitions become users, virtual hosts, exchanges, queues and bindings, in RabbitMQ's order.

use std::borrow::Cow;

use amqp::value::{Table, Value};
use broker::policy::{PolicySpec, keys};
use broker::queue::args::QueueKind;
use broker::user::password::Hashing;
use broker::vhost::meta::{Limits, VhostMeta};
use broker::{Broker, Cx, ExchangeDeclare, QueueDeclare, Session, Sink};
use serde_json::{Map, Value as Json};

use super::check::check;
use super::document::{
    Binding, Document, Exchange, Parameter, Permission, Policy, Queue, Secret, TopicPermission,
    User, Vhost,
};
use super::fields::{object, whole};
use super::{DefinitionsError, OPERATOR_POLICY, QUEUE_TYPE, Report, VHOST_LIMITS};
use crate::json::table_from_json;
use crate::shard::Shard;

/// Global parameters that say which cluster this is: a copy is another one.
const NOT_TO_BE_COPIED: [&str; 2] = ["internal_cluster_id", super::IMPORTED_HASH];

/// Adds what `json` defines; with `vhost`, what it defines in a virtual host, into that one. The
/// caller answers when the report's position is durable.
pub(crate) fn import(
    shard: &mut Shard,
    json: &Json,
    vhost: Option<&str>,
) -> Result<Report, DefinitionsError> {
    let document = Document::read(json, vhost)?;
    check(&document, &shard.broker)?;
    let (broker, cx) = shard.parts();
    let mut import = Import { broker, cx, report: Report::default() };
    import.all(&document)?;
    let report = import.report;
    shard.wake_committer();
    Ok(report)
}

/// An import under way.
struct Import<'a, 'b, S: Sink> {
    broker: &'a mut Broker,
    cx: Cx<'b, S>,
    report: Report,
}

impl<S: Sink> Import<'_, '_, S> {
    /// As RabbitMQ's order, but for policies, which come before what they are about: each queue then
    /// has its policy from the start.
    fn all(&mut self, document: &Document) -> Result<(), DefinitionsError> {
        for key in &document.unknown {
            self.report.ignored("keys", key.clone());
        }
        let version = &*document.version;
        document.users.iter().try_for_each(|user| self.user(user, version))?;
        document.vhosts.iter().try_for_each(|vhost| self.vhost(vhost))?;
        document.permissions.iter().try_for_each(|permission| self.permission(permission))?;
        document.topic_permissions.iter().try_for_each(|topic| self.topic_permission(topic))?;
        document.global_parameters.iter().try_for_each(|global| self.global_parameter(global))?;
        document.parameters.iter().try_for_each(|parameter| self.parameter(parameter))?;
        document.policies.iter().try_for_each(|policy| self.policy(false, policy))?;
        document.exchanges.iter().try_for_each(|exchange| self.exchange(exchange))?;
        document.queues.iter().try_for_each(|queue| self.queue(queue))?;
        document.bindings.iter().try_for_each(|binding| self.binding(binding))
    }

    /// The refusal of an object, with what was done before it.
    fn refused(&self, place: &str, reason: impl ToString) -> DefinitionsError {
        let (place, reason) = (place.to_owned(), reason.to_string());
        DefinitionsError::Refused { place, reason, before: self.report.summary() }
    }

    fn user(&mut self, user: &User, version: &str) -> Result<(), DefinitionsError> {
        let User { place, name, tags, secret, limits } = user;
        let mut pos = 0;
        if !self.broker.user_exists(name) {
            let done = self.broker.add_user(self.cx.store, name, b"", Vec::new());
            pos = pos.max(done.map_err(|error| self.refused(place, error))?);
        }
        let store = &mut *self.cx.store;
        let done = match secret {
            Secret::Password(password) => {
                self.broker.change_password(store, name, password.as_bytes())
            }
            Secret::Hash(hash, algorithm) => {
                let hashing = hashing(algorithm.as_deref(), version).unwrap_or_default();
                self.broker.set_password_hash(store, name, hash, hashing)
            }
        };
        let done = done.and_then(|_| self.broker.set_user_tags(self.cx.store, name, tags.clone()));
        let done = done.and_then(|_| {
            let limits = self.limits(name, limits);
            self.broker.set_user_limits(self.cx.store, name, limits)
        });
        pos = pos.max(done.map_err(|error| self.refused(place, error))?);
        self.report.made("users", name, pos);
        Ok(())
    }

    fn vhost(&mut self, vhost: &Vhost) -> Result<(), DefinitionsError> {
        let Vhost { place, name, limits, .. } = vhost;
        let kind = vhost.default_queue_type.as_deref();
        let default_queue_type = kind.and_then(queue_kind);
        if let (Some(kind), None) = (kind, default_queue_type) {
            self.report.ignored("default queue types", format!("{kind} of virtual host {name}"));
        }
        let mut meta = VhostMeta {
            description: vhost.description.clone(),
            tags: vhost.tags.clone(),
            default_queue_type,
            ..VhostMeta::default()
        };
        let there = self.broker.vhost_named(name).map(|there| there.meta.clone());
        let store = &mut *self.cx.store;
        let done = match there {
            None => self.broker.add_vhost_with(store, name, meta).map(Some),
            Some(there) => {
                meta.protected = there.protected;
                match there == meta {
                    true => Ok(None),
                    false => self.broker.set_vhost_meta(store, name, meta).map(Some),
                }
            }
        };
        match done.map_err(|error| self.refused(place, error))? {
            Some(pos) => self.report.made("virtual hosts", name, pos),
            None => self.report.present("virtual hosts", name),
        }
        if !limits.is_empty() {
            self.vhost_limits(place, name, limits)?;
        }
        Ok(())
    }

    fn vhost_limits(
        &mut self,
        place: &str,
        vhost: &str,
        limits: &Map<String, Json>,
    ) -> Result<(), DefinitionsError> {
        let set = self.limits(vhost, limits);
        let done = self.broker.set_vhost_limits(self.cx.store, vhost, set);
        let pos = done.map_err(|error| self.refused(place, error))?;
        self.report.made("limits", vhost, pos);
        Ok(())
    }

    /// Limits, but for those that mean nothing here.
    fn limits<L: Limits>(&mut self, of: &str, given: &Map<String, Json>) -> L {
        let mut limits = L::default();
        for (name, value) in given {
            if !limits.set(name, whole(value)) {
                self.report.ignored("limits", format!("{name} of {of}"));
            }
        }
        limits
    }

    fn permission(&mut self, permission: &Permission) -> Result<(), DefinitionsError> {
        let Permission { place, user, vhost, patterns } = permission;
        let patterns = patterns.each_ref().map(String::as_str);
        let done = self.broker.set_permissions(self.cx.store, user, vhost, patterns);
        let pos = done.map_err(|error| self.refused(place, error))?;
        self.report.made("permissions", format!("{user} in {vhost}"), pos);
        Ok(())
    }

    fn topic_permission(&mut self, topic: &TopicPermission) -> Result<(), DefinitionsError> {
        let TopicPermission { place, user, vhost, exchange, patterns } = topic;
        let patterns = patterns.each_ref().map(String::as_str);
        let store = &mut *self.cx.store;
        let done = self.broker.set_topic_permissions(store, user, vhost, exchange, patterns);
        let pos = done.map_err(|error| self.refused(place, error))?;
        self.report.made("topic permissions", format!("{user} at {exchange} in {vhost}"), pos);
        Ok(())
    }

    fn global_parameter(&mut self, parameter: &Parameter) -> Result<(), DefinitionsError> {
        let Parameter { place, name, value, .. } = parameter;
        if NOT_TO_BE_COPIED.contains(&name.as_str()) {
            self.report.ignored("global parameters", name);
            return Ok(());
        }
        let text = value.to_string();
        let done = self.broker.set_parameter(self.cx.store, None, "", name, &text);
        let pos = done.map_err(|error| self.refused(place, error))?;
        self.report.made("global parameters", name, pos);
        Ok(())
    }

    /// Limits and operator policies are parameters in RabbitMQ's exports; others are kept as they are.
    fn parameter(&mut self, parameter: &Parameter) -> Result<(), DefinitionsError> {
        let Parameter { place, vhost, component, name, value } = parameter;
        match component.as_str() {
            VHOST_LIMITS => {
                let limits = object(value).unwrap_or_default();
                return self.vhost_limits(place, vhost, &limits);
            }
            OPERATOR_POLICY => return self.policy(true, &operator_policy(parameter)?),
            _ => {}
        }
        let text = value.to_string();
        let done = self.broker.set_parameter(self.cx.store, Some(vhost), component, name, &text);
        let pos = done.map_err(|error| self.refused(place, error))?;
        self.report.made("parameters", within(&format!("{component} {name}"), vhost), pos);
        Ok(())
    }

    fn policy(&mut self, operator: bool, policy: &Policy) -> Result<(), DefinitionsError> {
        let Policy { place, vhost, name, .. } = policy;
        let definition = table_from_json(&policy.definition);
        let done = self.broker.set_policy(&mut self.cx, operator, spec(policy, &definition));
        let pos = done.map_err(|error| self.refused(place, error))?;
        for (key, _) in definition.iter() {
            if keys::find(key).is_some_and(|key| key.ignored) {
                let key = String::from_utf8_lossy(key);
                self.report.ignored("policy keys", format!("{key} of {}", within(name, vhost)));
            }
        }
        let kind = if operator { "operator policies" } else { "policies" };
        self.report.made(kind, within(name, vhost), pos);
        Ok(())
    }

    fn exchange(&mut self, exchange: &Exchange) -> Result<(), DefinitionsError> {
        let Exchange { place, vhost, name, .. } = exchange;
        if self.exchange_is_there(vhost, name) {
            self.report.present("exchanges", within(name, vhost));
            return Ok(());
        }
        let declare = ExchangeDeclare {
            name,
            kind: &exchange.kind,
            passive: false,
            durable: exchange.durable,
            auto_delete: exchange.auto_delete,
            internal: exchange.internal,
            arguments: &exchange.arguments,
        };
        let done = self.broker.exchange_declare(&mut self.cx, &internal(vhost), declare);
        let pos = done.map_err(|error| self.refused(place, error.text))?;
        self.report.made("exchanges", within(name, vhost), pos);
        Ok(())
    }

    fn queue(&mut self, queue: &Queue) -> Result<(), DefinitionsError> {
        let Queue { place, vhost, name, .. } = queue;
        if self.broker.queue_named(vhost, name).is_some() {
            self.report.present("queues", within(name, vhost));
            return Ok(());
        }
        if queue.is_stream() {
            self.report
                .ignored("queues", format!("{}: streams are not there yet", within(name, vhost)));
            return Ok(());
        }
        let arguments = self.typed(queue);
        let declare = QueueDeclare {
            name,
            passive: false,
            durable: queue.durable,
            exclusive: false,
            auto_delete: queue.auto_delete,
            arguments: &arguments,
        };
        let done = self.broker.queue_declare(&mut self.cx, &internal(vhost), declare);
        let declared = done.map_err(|error| self.refused(place, error.text))?;
        self.report.made("queues", within(name, vhost), declared.pos);
        Ok(())
    }

    /// The queue's arguments, which say its type where it is not the default of its virtual host.
    fn typed<'q>(&self, queue: &'q Queue) -> Cow<'q, Table> {
        let own = self.broker.vhost_named(&queue.vhost).and_then(|v| v.meta.default_queue_type);
        let default = own.unwrap_or(self.broker.settings.default_queue_type).name();
        let mut arguments = Cow::Borrowed(&queue.arguments);
        if let Some(kind) = queue.kind.as_deref()
            && kind != default
            && arguments.get(QUEUE_TYPE).is_none()
        {
            arguments.to_mut().insert(QUEUE_TYPE, Value::from(kind));
        }
        arguments
    }

    fn binding(&mut self, binding: &Binding) -> Result<(), DefinitionsError> {
        let Binding { place, vhost, source, destination, to_queue, key, arguments } = binding;
        let named = within(&format!("{source} -> {destination} ({key})"), vhost);
        // RabbitMQ exports bindings of exclusive queues and internal exchanges without these, and passes
        // over them when it imports.
        let has_destination = match to_queue {
            true => self.broker.queue_named(vhost, destination).is_some(),
            false => self.exchange_is_there(vhost, destination),
        };
        if !has_destination || !self.exchange_is_there(vhost, source) {
            self.report.ignored("bindings", format!("{named}: one of its ends is not there"));
            return Ok(());
        }
        // The default exchange binds every queue by itself.
        if source.is_empty() {
            self.report.present("bindings", named);
            return Ok(());
        }
        let count = |broker: &Broker| broker.vhost_named(vhost).map(|vhost| vhost.binding_count());
        let before = count(self.broker);
        let (who, cx) = (internal(vhost), &mut self.cx);
        let done = match to_queue {
            true => self.broker.queue_bind(cx, &who, destination, source, key, arguments),
            false => self.broker.exchange_bind(cx, &who, destination, source, key, arguments),
        };
        let pos = done.map_err(|error| self.refused(place, error.text))?;
        match count(self.broker) == before {
            true => self.report.present("bindings", named),
            false => self.report.made("bindings", named, pos),
        }
        Ok(())
    }

    fn exchange_is_there(&self, vhost: &str, name: &str) -> bool {
        let vhost = self.broker.vhost_named(vhost);
        vhost.is_some_and(|vhost| vhost.exchange(name).is_some())
    }
}

/// How a user's password was hashed. Files from before RabbitMQ 3.6 do not say it.
pub(super) fn hashing(algorithm: Option<&str>, version: &str) -> Option<Hashing> {
    let is_old = ["1.", "2.", "3.0", "3.1.", "3.2.", "3.3.", "3.4.", "3.5."];
    match algorithm {
        Some(name) => Hashing::parse(name),
        None if is_old.iter().any(|old| version.starts_with(old)) => Some(Hashing::Md5),
        None => Some(Hashing::default()),
    }
}

/// The type of queues that definitions mean; RabbitMQ's own names of modules are taken as well.
fn queue_kind(name: &str) -> Option<QueueKind> {
    let name = name.strip_prefix("rabbit_").unwrap_or(name);
    QueueKind::parse(name.strip_suffix("_queue").unwrap_or(name))
}

/// A parameter that is an operator policy.
pub(super) fn operator_policy(parameter: &Parameter) -> Result<Policy, DefinitionsError> {
    let Parameter { place, vhost, name, value, .. } = parameter;
    Policy::of_operator(place, vhost, name, value)
}

/// A policy as the broker takes it.
pub(super) fn spec<'p>(policy: &'p Policy, definition: &'p Table) -> PolicySpec<'p> {
    PolicySpec {
        vhost: &policy.vhost,
        name: &policy.name,
        pattern: &policy.pattern,
        apply_to: &policy.apply_to,
        priority: policy.priority,
        definition,
    }
}

fn internal(vhost: &str) -> Session {
    Session::internal(vhost.into())
}

fn within(name: &str, vhost: &str) -> String {
    match vhost {
        "/" => name.to_owned(),
        vhost => format!("{name} in {vhost}"),
    }
}
