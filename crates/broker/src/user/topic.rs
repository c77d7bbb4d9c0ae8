//! Topic permissions: which routing keys a user may publish to a topic exchange, and which it may bind there.
//!
//! They restrict users that have them and nobody else. `{username}` and `{vhost}` in an expression stand for the names; as
//! they are known when the permission is set, it is compiled with them in place.

use amqp::{AmqpError, ReplyCode};

use super::{Access, Pattern, PatternError, Resource, User, Users};
use crate::exchange::Kind;
use crate::{Broker, Session};

/// What a user may do at one topic exchange.
#[derive(Clone)]
pub struct TopicPermissions {
    /// Routing keys it may publish with.
    pub write: Pattern,
    /// Keys it may bind and unbind with.
    pub read: Pattern,
}

impl TopicPermissions {
    /// Compiles the two expressions for a user of a virtual host.
    pub fn new(
        user: &str,
        vhost: &str,
        write: &str,
        read: &str,
    ) -> Result<TopicPermissions, PatternError> {
        let compile = |source: &str| {
            let expanded = source.replace("{username}", user).replace("{vhost}", vhost);
            Pattern::expanded(source, &expanded)
        };
        Ok(TopicPermissions { write: compile(write)?, read: compile(read)? })
    }
}

impl User {
    /// Takes topic permissions away: at one exchange, or at all of a virtual host.
    pub(crate) fn clear_topic_permissions(&mut self, vhost: &str, exchange: Option<&str>) {
        self.topic_permissions.retain(|(of, at), _| {
            &**of != vhost || exchange.is_some_and(|exchange| exchange != &**at)
        });
    }
}

impl Users {
    /// Whether the user's topic permissions allow the key at the exchange; without any they do.
    fn check_topic(
        &self,
        (user, vhost): (&str, &str),
        access: Access,
        exchange: &str,
        key: &[u8],
    ) -> Result<(), AmqpError> {
        let Some(found) = self.by_name.get(user).filter(|user| !user.topic_permissions.is_empty())
        else {
            return Ok(());
        };
        let Some(granted) = found.topic_permissions.get(&(vhost.into(), exchange.into())) else {
            return Ok(());
        };
        let key = String::from_utf8_lossy(key);
        let pattern = if access == Access::Write { &granted.write } else { &granted.read };
        if pattern.allows(&key) {
            return Ok(());
        }
        // RabbitMQ 3.10.8 does not say which access.
        let exchange = Resource::Exchange.named(exchange, vhost);
        let text = format!("access to topic '{key}' in {exchange} refused for user '{user}'");
        Err(AmqpError::new(ReplyCode::AccessRefused, text))
    }
}

impl Broker {
    /// Refuses keys at a topic exchange that the user's topic permissions do not allow. A route that a channel's cache
    /// knows has passed this before.
    pub(crate) fn check_topics(
        &self,
        who: &Session,
        access: Access,
        exchange: &str,
        keys: &[&[u8]],
    ) -> Result<(), AmqpError> {
        if who.trusted {
            return Ok(());
        }
        let found = self.vhost(who)?.exchange(exchange);
        if found.is_none_or(|exchange| exchange.spec.kind != Kind::Topic) {
            return Ok(());
        }
        let whose = (&*who.user, &*who.vhost);
        keys.iter().try_for_each(|key| self.users.check_topic(whose, access, exchange, key))
    }
}
