//! Topic permissions: which routing keys a user may publish to a topic exchange, and which it may bind there.
//!
//! They restrict users that have them and nobody else. `{username}` and `{vhost}` in an expression stand for the names; as
//! they are known when the permission is set, it is compiled with them in place.

use amqp::{AmqpError, ReplyCode};

use super::{Access, Pattern, PatternError, Resource, User};
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
        // Hardly any user has some, so that is asked first.
        let restricted = |user: &&User| !user.topic_permissions.is_empty();
        let Some(user) = self.users.by_name.get(&who.user).filter(restricted) else {
            return Ok(());
        };
        let found = self.vhost(who)?.exchange(exchange);
        let found = found.filter(|exchange| exchange.spec.kind == Kind::Topic);
        let at = found.map(|exchange| (who.vhost.clone(), exchange.spec.name.clone()));
        let Some(granted) = at.and_then(|at| user.topic_permissions.get(&at)) else {
            return Ok(());
        };
        let pattern = if access == Access::Write { &granted.write } else { &granted.read };
        for key in keys.iter().map(|key| String::from_utf8_lossy(key)) {
            if !pattern.allows(&key) {
                let (exchange, user) = (Resource::Exchange.named(exchange, &who.vhost), &who.user);
                let access = access.name();
                let text = format!(
                    "{access} access to topic '{key}' in {exchange} refused for user '{user}'"
                );
                return Err(AmqpError::new(ReplyCode::AccessRefused, text));
            }
        }
        Ok(())
    }
}
