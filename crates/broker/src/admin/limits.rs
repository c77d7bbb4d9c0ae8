//! What may be said of virtual hosts and users beside permissions: limits, metadata, topic permissions, password hashes.

use std::rc::Rc;

use store::{Pos, Store};

use crate::event::Event;
use crate::topology::Record;
use crate::user::password::Hashing;
use crate::user::topic::TopicPermissions;
use crate::vhost::Vhost;
use crate::vhost::meta::{UserLimits, VhostLimits, VhostMeta};
use crate::{AdminError, Broker};

/// Virtual hosts.
impl Broker {
    /// Adds a virtual host with the predeclared exchanges and says what it is for.
    pub fn add_vhost_with(
        &mut self,
        store: &mut Store,
        name: &str,
        meta: VhostMeta,
    ) -> Result<Pos, AdminError> {
        if self.vhosts.contains_key(name) {
            return Err(AdminError::VhostExists(name.to_owned()));
        }
        let name: Rc<str> = name.into();
        let mut vhost = Vhost::new(name.clone());
        vhost.meta = meta;
        let pos = Record::vhost(&vhost).log(store);
        self.vhosts.insert(name.clone(), vhost);
        self.changed();
        self.tell_vhost(&name);
        Ok(pos)
    }

    /// Says what a virtual host is for.
    pub fn set_vhost_meta(
        &mut self,
        store: &mut Store,
        name: &str,
        meta: VhostMeta,
    ) -> Result<Pos, AdminError> {
        let vhost = self.vhost_named_mut(name)?;
        vhost.meta = meta;
        Ok(Record::vhost(vhost).log(store))
    }

    /// Says how much there may be in a virtual host; what is there already stays.
    pub fn set_vhost_limits(
        &mut self,
        store: &mut Store,
        name: &str,
        limits: VhostLimits,
    ) -> Result<Pos, AdminError> {
        let vhost = self.vhost_named_mut(name)?;
        vhost.limits = limits;
        let pos = Record::vhost(vhost).log(store);
        self.emit(|_| Event::vhost_limits(name, &limits));
        Ok(pos)
    }
}

/// Users.
impl Broker {
    /// Says how much a user may have open; what is open already stays.
    pub fn set_user_limits(
        &mut self,
        store: &mut Store,
        name: &str,
        limits: UserLimits,
    ) -> Result<Pos, AdminError> {
        let user = self.user_mut(name)?;
        user.limits = limits;
        let pos = Record::user(user).log(store);
        self.emit(|_| Event::user_limits(name, &limits));
        Ok(pos)
    }

    /// Gives a user a password that is known by its hash only.
    pub fn set_password_hash(
        &mut self,
        store: &mut Store,
        name: &str,
        password_hash: &str,
        hashing: Hashing,
    ) -> Result<Pos, AdminError> {
        let user = self.user_mut(name)?;
        user.password_hash = password_hash.into();
        user.hashing = hashing;
        let pos = Record::user(user).log(store);
        let event = if password_hash.is_empty() {
            "user.password.cleared"
        } else {
            "user.password.changed"
        };
        self.emit(|_| Event::named(event, name));
        Ok(pos)
    }

    /// Takes a user's password away: it cannot log in with one until it gets another.
    pub fn clear_password(&mut self, store: &mut Store, name: &str) -> Result<Pos, AdminError> {
        self.set_password_hash(store, name, "", Hashing::default())
    }

    /// Says with which keys a user may publish to and bind at a topic exchange, which need not exist: regular expressions
    /// for write and read, in which `{username}` and `{vhost}` stand for the names.
    pub fn set_topic_permissions(
        &mut self,
        store: &mut Store,
        user: &str,
        vhost: &str,
        exchange: &str,
        [write, read]: [&str; 2],
    ) -> Result<Pos, AdminError> {
        let vhost = self.vhost_named_mut(vhost)?.name.clone();
        let permissions = TopicPermissions::new(user, &vhost, write, read)?;
        let record = Record::topic_permissions(user, &vhost, exchange, &permissions);
        let at = (vhost.clone(), exchange.into());
        self.user_mut(user)?.topic_permissions.insert(at, permissions.clone());
        self.changed();
        self.emit(|_| Event::topic_permission_created(user, (&vhost, exchange), &permissions));
        Ok(record.log(store))
    }

    /// Takes topic permissions away: at one exchange, or at all of a virtual host.
    pub fn clear_topic_permissions(
        &mut self,
        store: &mut Store,
        user: &str,
        vhost: &str,
        exchange: Option<&str>,
    ) -> Result<Pos, AdminError> {
        self.vhost_named_mut(vhost)?;
        self.user_mut(user)?.clear_topic_permissions(vhost, exchange);
        self.changed();
        self.emit(|_| Event::permission_deleted("topic.permission.deleted", user, vhost));
        Ok(Record::topic_permissions_deleted(user, vhost, exchange).log(store))
    }
}
