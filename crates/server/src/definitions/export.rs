//! The broker as RabbitMQ's definitions.
//!
//! What RabbitMQ leaves out is left out: predeclared and internal exchanges, exclusive queues, and
//! bindings to either, which could not be made again.

use broker::Broker;
use broker::binding::Destination;
use broker::policy::Policy;
use broker::queue::Queue;
use broker::user::User;
use broker::vhost::Vhost;
use serde_json::{Value as Json, json};

use super::{IMPORTED_HASH, OPERATOR_POLICY, VHOST_LIMITS};

use crate::json::{limits_to_json, table_to_json, text};
use crate::settings::Settings;

/// The lists whose objects say which virtual host they belong to.
const OF_A_VHOST: [&str; 5] = ["parameters", "policies", "queues", "exchanges", "bindings"];

/// All definitions, or those of one virtual host, which must exist; without it there are none.
pub(crate) fn export(broker: &Broker, vhost: Option<&str>, settings: &Settings) -> Json {
    let wanted = |name: &str| vhost.is_none_or(|only| only == name);
    let vhosts: Vec<&Vhost> = broker.vhosts().filter(|v| wanted(&v.name)).collect();
    let mut out = about(vhost, settings);
    let mut put = |key: &str, list: Vec<Json>| out[key] = Json::Array(list);
    put("parameters", parameters(broker, &vhosts, &wanted));
    put("policies", policies(broker, &wanted));
    put("queues", queues(broker, &wanted));
    put("exchanges", vhosts.iter().flat_map(|v| exchanges(v)).collect());
    put("bindings", vhosts.iter().flat_map(|v| bindings(broker, v)).collect());
    if vhost.is_none() {
        put("users", broker.users().map(user).collect());
        put("vhosts", vhosts.iter().map(|v| self::vhost(v)).collect());
        put("permissions", broker.users().flat_map(permissions).collect());
        put("topic_permissions", broker.users().flat_map(topic_permissions).collect());
        put("global_parameters", global_parameters(broker));
        return out;
    }
    // What is of one virtual host does not say so: it can go into any.
    for list in OF_A_VHOST {
        for object in out[list].as_array_mut().into_iter().flatten() {
            object.as_object_mut().map(|object| object.remove("vhost"));
        }
    }
    if let [vhost] = vhosts[..] {
        out["metadata"] = metadata(vhost);
        out["description"] = vhost.meta.description.clone().into();
        out["limits"] = limits_to_json(vhost.limits).into();
    }
    out
}

fn about(vhost: Option<&str>, settings: &Settings) -> Json {
    let (format, explanation) = match vhost {
        None => ("cluster", format!("Definitions of cluster '{}'", settings.cluster_name)),
        Some(vhost) => ("single_virtual_host", format!("Definitions of virtual host '{vhost}'")),
    };
    json!({
        "rabbit_version": settings.version,
        "rabbitmq_version": settings.version,
        "product_name": settings.product,
        "product_version": settings.version,
        "rabbitmq_definition_format": format,
        "original_cluster_name": settings.cluster_name,
        "explanation": explanation,
    })
}

fn user(user: &User) -> Json {
    json!({
        "name": *user.name,
        "password_hash": *user.password_hash,
        "hashing_algorithm": user.hashing.name(),
        "tags": user.tags,
        "limits": limits_to_json(user.limits),
    })
}

fn vhost(vhost: &Vhost) -> Json {
    // RabbitMQ 3.10 writes limits as pairs here.
    let limits: Vec<Json> = limits_to_json(vhost.limits)
        .into_iter()
        .map(|(name, limit)| json!([name, limit]))
        .collect();
    json!({ "name": *vhost.name, "limits": limits, "metadata": metadata(vhost) })
}

fn metadata(vhost: &Vhost) -> Json {
    let meta = &vhost.meta;
    let mut metadata = json!({ "description": meta.description, "tags": meta.tags });
    if let Some(kind) = meta.default_queue_type {
        metadata["default_queue_type"] = kind.name().into();
    }
    metadata
}

fn topic_permissions(user: &User) -> impl Iterator<Item = Json> {
    user.topic_permissions.iter().map(|((vhost, exchange), allowed)| {
        json!({
            "user": *user.name,
            "vhost": **vhost,
            "exchange": **exchange,
            "write": allowed.write.as_str(),
            "read": allowed.read.as_str(),
        })
    })
}

/// What a policy says, beside its name and virtual host.
fn said(policy: &Policy) -> Json {
    json!({
        "pattern": policy.pattern.as_str(),
        "definition": table_to_json(&policy.definition),
        "priority": policy.priority,
        "apply-to": policy.apply_to.name(),
    })
}

fn policies(broker: &Broker, wanted: &impl Fn(&str) -> bool) -> Vec<Json> {
    let of = |policy: &Policy| {
        let mut json = said(policy);
        json["vhost"] = (*policy.vhost).into();
        json["name"] = (*policy.name).into();
        json
    };
    broker.policies(false).filter(|policy| wanted(&policy.vhost)).map(of).collect()
}

/// Limits of virtual hosts and operator policies are parameters, as in RabbitMQ.
fn parameters(broker: &Broker, vhosts: &[&Vhost], wanted: &impl Fn(&str) -> bool) -> Vec<Json> {
    let parameter = |vhost: &str, component: &str, name: &str, value: Json| json!({ "vhost": vhost, "component": component, "name": name, "value": value });
    let limited = vhosts.iter().map(|vhost| (vhost, limits_to_json(vhost.limits)));
    let limited = limited.filter(|(_, limits)| !limits.is_empty());
    let limits = limited
        .map(|(vhost, limits)| parameter(&vhost.name, VHOST_LIMITS, "limits", limits.into()));
    let operator = broker.policies(true).filter(|policy| wanted(&policy.vhost));
    let operator = operator
        .map(|policy| parameter(&policy.vhost, OPERATOR_POLICY, &policy.name, said(policy)));
    let others = broker.parameters().filter_map(|other| {
        let vhost = other.vhost.filter(|vhost| wanted(vhost))?;
        Some(parameter(vhost, other.component, other.name, value(other.value)))
    });
    limits.chain(operator).chain(others).collect()
}

fn global_parameters(broker: &Broker) -> Vec<Json> {
    let global = broker.parameters().filter(|p| p.vhost.is_none() && p.name != IMPORTED_HASH);
    global.map(|p| json!({ "name": p.name, "value": value(p.value) })).collect()
}

/// A parameter's value; who set it has seen to it that it is JSON.
fn value(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

fn permissions(user: &User) -> impl Iterator<Item = Json> {
    user.permissions.iter().map(|(vhost, allowed)| {
        json!({
            "user": *user.name,
            "vhost": **vhost,
            "configure": allowed.configure.as_str(),
            "write": allowed.write.as_str(),
            "read": allowed.read.as_str(),
        })
    })
}

/// Queues that outlive a connection, by virtual host and name.
fn queues(broker: &Broker, wanted: &impl Fn(&str) -> bool) -> Vec<Json> {
    let mut queues: Vec<&Queue> =
        broker.queues().filter(|q| wanted(&q.vhost) && q.exclusive.is_none()).collect();
    queues.sort_by(|a, b| (&a.vhost, &a.name).cmp(&(&b.vhost, &b.name)));
    let definition = |queue: &Queue| {
        json!({
            "vhost": *queue.vhost,
            "name": *queue.name,
            "type": queue.args.kind.name(),
            "durable": queue.durable,
            "auto_delete": queue.auto_delete,
            "arguments": table_to_json(&queue.arguments),
        })
    };
    queues.into_iter().map(definition).collect()
}

/// Whether an exchange of this name and kind is in an export.
fn is_exported(name: &str, internal: bool) -> bool {
    !name.is_empty() && !name.starts_with("amq.") && !internal
}

fn exchanges(vhost: &Vhost) -> Vec<Json> {
    let mut specs: Vec<_> = vhost.exchanges().map(|exchange| &exchange.spec).collect();
    specs.retain(|spec| is_exported(&spec.name, spec.internal));
    specs.sort_by(|a, b| a.name.cmp(&b.name));
    let definition = |spec: &broker::exchange::ExchangeSpec| {
        json!({
            "vhost": *vhost.name,
            "name": *spec.name,
            "type": spec.kind.name(),
            "durable": spec.durable,
            "auto_delete": spec.auto_delete,
            "internal": spec.internal,
            "arguments": table_to_json(&spec.arguments),
        })
    };
    specs.into_iter().map(definition).collect()
}

fn bindings(broker: &Broker, vhost: &Vhost) -> Vec<Json> {
    let is_there = |name: &str| {
        let exchange = vhost.exchange(name).map(|exchange| &exchange.spec);
        exchange.is_some_and(|spec| name.starts_with("amq.") || is_exported(name, spec.internal))
    };
    let definition = |binding: &broker::binding::Binding| {
        let source = &vhost.exchange_by_id(binding.source)?.spec.name;
        let destination = broker.destination_name(vhost, binding)?;
        let (kind, can_come_back) = match binding.destination {
            Destination::Queue(id) => ("queue", broker.queue(id)?.exclusive.is_none()),
            Destination::Exchange(_) => ("exchange", is_there(&destination)),
        };
        let definition = json!({
            "source": **source,
            "vhost": *vhost.name,
            "destination": *destination,
            "destination_type": kind,
            "routing_key": text(&binding.key),
            "arguments": table_to_json(&binding.arguments),
        });
        (can_come_back && is_there(source)).then_some(definition)
    };
    let mut found: Vec<Json> = vhost.bindings().filter_map(definition).collect();
    found.sort_by_cached_key(|binding| {
        let part = |key: &str| binding[key].to_string();
        (part("source"), part("destination"), part("routing_key"), part("arguments"))
    });
    found
}
