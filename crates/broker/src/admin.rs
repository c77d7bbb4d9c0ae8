//! Administration: users, permissions, virtual hosts. Every change is in the log before it is answered; whoever may ask
//! for it was decided by the caller.

mod limits;

use std::rc::Rc;

use store::{Pos, Store};

use crate::event::Event;
use crate::topology::Record;
use crate::user::password::{Hashing, hash_password};
use crate::user::{PatternError, Permissions, User};
use crate::vhost::Vhost;
use crate::vhost::meta::VhostMeta;
use crate::{Broker, Cx, Sink};

/// Why an administrative command was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// There is no such user.
    #[error("user '{0}' does not exist")]
    NoUser(String),
    /// There is such a user already.
    #[error("user '{0}' already exists")]
    UserExists(String),
    /// There is no such virtual host.
    #[error("vhost '{0}' does not exist")]
    NoVhost(String),
    /// The virtual host is protected from deletion.
    #[error("cannot delete vhost '{0}': it is protected from deletion; change its metadata first")]
    Protected(String),
    /// There is such a virtual host already.
    #[error("vhost '{0}' already exists")]
    VhostExists(String),
    /// A permission is not a regular expression.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// What is wrong with a policy, a limit or a parameter: RabbitMQ's lines.
    #[error("Validation failed\n\n{}\n", .0.join("\n"))]
    Validation(Vec<String>),
    /// There is no such policy or parameter.
    #[error("Parameter does not exist")]
    NoParameter,
}

impl Broker {
    /// Says which users may log in from this machine only. Not kept: it is a setting of the node.
    pub fn restrict_to_loopback(&mut self, users: Vec<String>) {
        self.users.loopback_only = users;
    }

    /// Adds a user who may do nothing yet.
    pub fn add_user(
        &mut self,
        store: &mut Store,
        name: &str,
        password: &[u8],
        tags: Vec<String>,
    ) -> Result<Pos, AdminError> {
        let hash = hash_password(self.salt(), password);
        self.add_user_with_hash(store, name, &hash, Hashing::default(), tags)
    }

    /// Adds a user whose password is known by its hash only, as in RabbitMQ's definitions.
    pub fn add_user_with_hash(
        &mut self,
        store: &mut Store,
        name: &str,
        password_hash: &str,
        hashing: Hashing,
        tags: Vec<String>,
    ) -> Result<Pos, AdminError> {
        if self.users.by_name.contains_key(name) {
            return Err(AdminError::UserExists(name.to_owned()));
        }
        let name: Rc<str> = name.into();
        let password_hash = password_hash.into();
        let user = User { password_hash, hashing, tags, ..User::new(name.clone()) };
        let pos = Record::user(&user).log(store);
        self.emit(|_| Event::named("user.created", &name));
        self.users.by_name.insert(name, user);
        Ok(pos)
    }

    /// Deletes a user. Its open connections go on until the server closes them, without any permission.
    pub fn delete_user(&mut self, store: &mut Store, name: &str) -> Result<Pos, AdminError> {
        if self.users.by_name.remove(name).is_none() {
            return Err(AdminError::NoUser(name.to_owned()));
        }
        self.changed();
        self.emit(|_| Event::named("user.deleted", name));
        Ok(Record::UserDeleted { name: name.to_owned() }.log(store))
    }

    /// Gives a user another password.
    pub fn change_password(
        &mut self,
        store: &mut Store,
        name: &str,
        password: &[u8],
    ) -> Result<Pos, AdminError> {
        let hash = hash_password(self.salt(), password);
        self.set_password_hash(store, name, &hash, Hashing::default())
    }

    /// Replaces a user's tags.
    pub fn set_user_tags(
        &mut self,
        store: &mut Store,
        name: &str,
        tags: Vec<String>,
    ) -> Result<Pos, AdminError> {
        let user = self.user_mut(name)?;
        user.tags = tags;
        let pos = Record::user(user).log(store);
        self.emit(|broker| {
            let tags = broker.user(name).map_or(&[][..], |user| &user.tags);
            Event::user_tags_set(name, tags)
        });
        Ok(pos)
    }

    /// Says what a user may do in a virtual host: regular expressions for configure, write and read.
    pub fn set_permissions(
        &mut self,
        store: &mut Store,
        user: &str,
        vhost: &str,
        [configure, write, read]: [&str; 3],
    ) -> Result<Pos, AdminError> {
        let Some(vhost) = self.vhosts.get(vhost).map(|vhost| vhost.name.clone()) else {
            return Err(AdminError::NoVhost(vhost.to_owned()));
        };
        let permissions = Permissions::new(configure, write, read)?;
        let record = Record::permissions(user, &vhost, &permissions);
        self.user_mut(user)?.permissions.insert(vhost.clone(), permissions.clone());
        self.changed();
        self.emit(|_| Event::permission_created(user, &vhost, &permissions));
        Ok(record.log(store))
    }

    /// Takes a user's permissions in a virtual host away.
    pub fn clear_permissions(
        &mut self,
        store: &mut Store,
        user: &str,
        vhost: &str,
    ) -> Result<Pos, AdminError> {
        self.user_mut(user)?.permissions.remove(vhost);
        self.changed();
        self.emit(|_| Event::permission_deleted("permission.deleted", user, vhost));
        let (user, vhost) = (user.to_owned(), vhost.to_owned());
        Ok(Record::PermissionsDeleted { user, vhost }.log(store))
    }

    /// Adds a virtual host with the predeclared exchanges.
    pub fn add_vhost(&mut self, store: &mut Store, name: &str) -> Result<Pos, AdminError> {
        self.add_vhost_with(store, name, VhostMeta::default())
    }

    /// Deletes a virtual host with everything in it. The server closes the connections to it.
    pub fn delete_vhost<S: Sink>(
        &mut self,
        cx: &mut Cx<'_, S>,
        name: &str,
    ) -> Result<Pos, AdminError> {
        let Some(vhost) = self.vhosts.get(name) else {
            return Err(AdminError::NoVhost(name.to_owned()));
        };
        if vhost.meta.protected {
            return Err(AdminError::Protected(name.to_owned()));
        }
        let mut queues: Vec<_> = vhost.queue_names.values().copied().collect();
        queues.sort_unstable();
        for id in queues {
            self.remove_queue(cx, id);
        }
        let vhost = self.vhosts.remove(name);
        vhost.iter().for_each(|vhost| self.tell_vhost_gone(vhost));
        // Before its rooms go: the log may end anywhere, and a delayed exchange that is there has its room.
        let pos = Record::VhostDeleted { name: name.to_owned() }.log(cx.store);
        let rooms = vhost.iter().flat_map(|vhost| vhost.exchanges().filter_map(|x| x.room));
        rooms.for_each(|room| self.close_room(cx.store, room));
        let histories = vhost.iter().flat_map(|vhost| vhost.exchanges().filter_map(|x| x.history));
        histories.for_each(|history| self.histories.close(history));
        for user in self.users.by_name.values_mut() {
            user.forget_vhost(name);
        }
        self.forget_parameters(name);
        self.changed();
        Ok(pos)
    }

    /// The virtual host of that name.
    pub(crate) fn vhost_named_mut(&mut self, name: &str) -> Result<&mut Vhost, AdminError> {
        self.vhosts.get_mut(name).ok_or_else(|| AdminError::NoVhost(name.to_owned()))
    }

    fn user_mut(&mut self, name: &str) -> Result<&mut User, AdminError> {
        self.users.by_name.get_mut(name).ok_or_else(|| AdminError::NoUser(name.to_owned()))
    }
}
