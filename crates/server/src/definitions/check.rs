//! Whether the broker will take what a file says, as far as that can be told before anything is applied.

use std::collections::HashSet;

use broker::Broker;
use broker::exchange::Kind;
use broker::queue::args::{QueueArgs, QueueKind};
use broker::user::Pattern;
use serde_json::{Map, Value as Json};

use super::document::{self, Document, Queue, Secret, User};
use super::fields::{object, whole};
use super::import::{hashing, operator_policy, spec};
use super::{DefinitionsError, OPERATOR_POLICY, VHOST_LIMITS};
use crate::json::table_from_json;

/// Every object of the file against the broker and the rest of the file; the first that cannot be
/// made is refused by its place.
pub(super) fn check(document: &Document, broker: &Broker) -> Result<(), DefinitionsError> {
    let vhosts: HashSet<&str> = broker
        .vhosts()
        .map(|vhost| &*vhost.name)
        .chain(document.vhosts.iter().map(|vhost| &*vhost.name))
        .collect();
    let users: HashSet<&str> = broker
        .users()
        .map(|user| &*user.name)
        .chain(document.users.iter().map(|user| &*user.name))
        .collect();
    let vhost_is_there = |place: &str, vhost: &str| match vhosts.contains(vhost) {
        true => Ok(()),
        false => refused(place, "vhost", format!("there is no virtual host '{vhost}'")),
    };
    let user_is_there = |place: &str, user: &str| match users.contains(user) {
        true => Ok(()),
        false => refused(place, "user", format!("there is no user '{user}'")),
    };
    document.users.iter().try_for_each(|user| check_user(user, &document.version))?;
    for vhost in &document.vhosts {
        check_limits(&vhost.place, &vhost.limits)?;
    }
    for permission in &document.permissions {
        user_is_there(&permission.place, &permission.user)?;
        vhost_is_there(&permission.place, &permission.vhost)?;
        check_patterns(&permission.place, &["configure", "write", "read"], &permission.patterns)?;
    }
    for permission in &document.topic_permissions {
        user_is_there(&permission.place, &permission.user)?;
        vhost_is_there(&permission.place, &permission.vhost)?;
        check_patterns(&permission.place, &["write", "read"], &permission.patterns)?;
    }
    for policy in &document.policies {
        vhost_is_there(&policy.place, &policy.vhost)?;
        check_policy(false, policy)?;
    }
    for parameter in &document.parameters {
        vhost_is_there(&parameter.place, &parameter.vhost)?;
        match parameter.component.as_str() {
            OPERATOR_POLICY => check_policy(true, &operator_policy(parameter)?)?,
            VHOST_LIMITS => match object(&parameter.value) {
                Some(limits) => check_limits(&parameter.place, &limits)?,
                None => refused(&parameter.place, "value", "expected an object".to_owned())?,
            },
            _ => {}
        }
    }
    for exchange in &document.exchanges {
        vhost_is_there(&exchange.place, &exchange.vhost)?;
        if Kind::parse(&exchange.kind).is_none() {
            let reason = format!("unknown exchange type '{}'", exchange.kind);
            return refused(&exchange.place, "type", reason);
        }
    }
    for queue in &document.queues {
        vhost_is_there(&queue.place, &queue.vhost)?;
        check_queue(queue)?;
    }
    for binding in &document.bindings {
        vhost_is_there(&binding.place, &binding.vhost)?;
    }
    Ok(())
}

fn check_user(user: &User, version: &str) -> Result<(), DefinitionsError> {
    check_limits(&user.place, &user.limits)?;
    match &user.secret {
        Secret::Password(_) => Ok(()),
        Secret::Hash(_, algorithm) => match hashing(algorithm.as_deref(), version) {
            Some(_) => Ok(()),
            None => {
                let reason =
                    format!("unknown algorithm '{}'", algorithm.as_deref().unwrap_or_default());
                refused(&user.place, "hashing_algorithm", reason)
            }
        },
    }
}

fn check_queue(queue: &Queue) -> Result<(), DefinitionsError> {
    if queue.is_stream() {
        return Ok(());
    }
    if let Some(kind) = queue.kind.as_deref()
        && QueueKind::parse(kind).is_none()
    {
        return refused(&queue.place, "type", format!("unknown queue type '{kind}'"));
    }
    match QueueArgs::parse(&queue.arguments) {
        Ok(_) => Ok(()),
        Err(error) => refused(&queue.place, "arguments", error.text(&queue.name, &queue.vhost)),
    }
}

fn check_limits(place: &str, limits: &Map<String, Json>) -> Result<(), DefinitionsError> {
    match limits.iter().find(|(_, value)| whole(value).is_none()) {
        None => Ok(()),
        Some((name, value)) => {
            refused(place, "limits", format!("{name}: expected a whole number, got {value}"))
        }
    }
}

fn check_policy(operator: bool, policy: &document::Policy) -> Result<(), DefinitionsError> {
    let definition = table_from_json(&policy.definition);
    let checked = broker::policy::Policy::check(operator, &spec(policy, &definition));
    checked.or_else(|wrong| refused(&policy.place, "definition", wrong.join(", ")))
}

fn check_patterns(
    place: &str,
    fields: &[&str],
    patterns: &[String],
) -> Result<(), DefinitionsError> {
    for (field, pattern) in fields.iter().zip(patterns) {
        if let Err(error) = Pattern::new(pattern) {
            return refused(place, field, error.to_string());
        }
    }
    Ok(())
}

fn refused(place: &str, field: &str, reason: String) -> Result<(), DefinitionsError> {
    Err(DefinitionsError::Form { place: format!("{place}: field '{field}'"), reason })
}
