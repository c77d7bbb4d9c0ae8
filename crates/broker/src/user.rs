//! Users: passwords, tags and permissions. Who may do what, never what is there.
//!
//! Hashes and patterns are RabbitMQ's, so that its definitions can be imported as they are: a permission is three regular
//! expressions that match anywhere in the name unless they anchor themselves, and the empty expression matches only the
//! empty name.

pub mod password;
pub mod topic;

use std::collections::BTreeMap;
use std::rc::Rc;

use amqp::{AmqpError, ReplyCode};

use crate::expression::Expression;
use crate::vhost::meta::UserLimits;

use password::Hashing;
use topic::TopicPermissions;

/// What RabbitMQ calls an internal user.
pub struct User {
    /// The name it logs in with.
    pub name: Rc<str>,
    /// base64(salt + hash(salt + password)); empty for a user who cannot log in with a password.
    pub password_hash: Rc<str>,
    /// How the password was hashed.
    pub hashing: Hashing,
    /// `administrator`, `monitoring`, … in the order given.
    pub tags: Vec<String>,
    /// By virtual host.
    pub permissions: BTreeMap<Rc<str>, Permissions>,
    /// By virtual host and topic exchange.
    pub topic_permissions: BTreeMap<(Rc<str>, Rc<str>), TopicPermissions>,
    /// How much it may have open.
    pub limits: UserLimits,
}

impl User {
    /// A user who cannot log in and may do nothing.
    pub fn new(name: Rc<str>) -> User {
        User {
            name,
            password_hash: "".into(),
            hashing: Hashing::default(),
            tags: Vec::new(),
            permissions: BTreeMap::new(),
            topic_permissions: BTreeMap::new(),
            limits: UserLimits::default(),
        }
    }

    /// Takes away what the user may do in a virtual host that is gone.
    pub(crate) fn forget_vhost(&mut self, vhost: &str) {
        self.permissions.remove(vhost);
        self.topic_permissions.retain(|(of, _), _| &**of != vhost);
    }
}

/// What a user may do in one virtual host.
#[derive(Clone)]
pub struct Permissions {
    /// Names it may declare and delete.
    pub configure: Pattern,
    /// Names it may publish or bind to.
    pub write: Pattern,
    /// Names it may consume or bind from.
    pub read: Pattern,
}

/// The three permissions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Declare and delete.
    Configure,
    /// Publish to an exchange; be the destination of a binding.
    Write,
    /// Consume, get and purge; be the source of a binding.
    Read,
}

impl Access {
    /// The word in reply texts.
    pub fn name(self) -> &'static str {
        match self {
            Access::Configure => "configure",
            Access::Write => "write",
            Access::Read => "read",
        }
    }
}

/// What kind of thing a name names, in reply texts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resource {
    /// A queue.
    Queue,
    /// An exchange.
    Exchange,
}

impl Resource {
    /// `queue 'q' in vhost 'V'`.
    pub fn named(self, name: &str, vhost: &str) -> String {
        let kind = match self {
            Resource::Queue => "queue",
            Resource::Exchange => "exchange",
        };
        format!("{kind} '{name}' in vhost '{vhost}'")
    }
}

/// One regular expression of a permission.
#[derive(Clone)]
pub struct Pattern {
    source: Rc<str>,
    /// None: only the empty name.
    expression: Option<Expression>,
}

/// A permission that is not a regular expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid permission '{pattern}': {reason}")]
pub struct PatternError {
    /// As given.
    pub pattern: String,
    /// What the expression engine says.
    pub reason: String,
}

impl Pattern {
    /// Compiles one expression.
    pub fn new(source: &str) -> Result<Pattern, PatternError> {
        Pattern::expanded(source, source)
    }

    /// Compiles what an expression became when its variables got their values.
    pub(crate) fn expanded(source: &str, expanded: &str) -> Result<Pattern, PatternError> {
        let expression = match source {
            "" | "^$" => None,
            _ => Some(
                Expression::new(expanded)
                    .map_err(|reason| PatternError { pattern: source.to_owned(), reason })?,
            ),
        };
        Ok(Pattern { source: source.into(), expression })
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether the name is allowed.
    pub fn allows(&self, name: &str) -> bool {
        match &self.expression {
            Some(expression) => expression.is_match(name),
            None => name.is_empty(),
        }
    }
}

impl Permissions {
    /// Compiles the three expressions.
    pub fn new(configure: &str, write: &str, read: &str) -> Result<Permissions, PatternError> {
        Ok(Permissions {
            configure: Pattern::new(configure)?,
            write: Pattern::new(write)?,
            read: Pattern::new(read)?,
        })
    }

    /// `.*` three times.
    pub fn everything() -> Permissions {
        let any = Pattern::new(".*").expect("the expression that matches everything");
        Permissions { configure: any.clone(), write: any.clone(), read: any }
    }

    /// Whether the access to the name is allowed.
    pub fn allow(&self, access: Access, name: &str) -> bool {
        match access {
            Access::Configure => self.configure.allows(name),
            Access::Write => self.write.allows(name),
            Access::Read => self.read.allows(name),
        }
    }
}

/// Why a login was refused. The client is told nothing of this; the log is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// There is no such user.
    #[error("user '{0}' does not exist")]
    NoUser(String),
    /// The password is another one, or the user has none.
    #[error("user '{0}' gave a wrong password")]
    Password(String),
    /// The password is empty, which no user's may be.
    #[error(
        "user '{0}' attempted to log in with a blank password, which is prohibited: set a password, or use another mechanism"
    )]
    Blank(String),
    /// The user may log in from this machine only.
    #[error("user '{0}' can only connect via localhost")]
    NotLoopback(String),
}

/// All users of a broker.
pub struct Users {
    /// By name.
    pub by_name: BTreeMap<Rc<str>, User>,
    /// Names that may log in from this machine only. Default: `guest`.
    pub loopback_only: Vec<String>,
}

impl Default for Users {
    fn default() -> Users {
        Users { by_name: BTreeMap::new(), loopback_only: vec!["guest".to_owned()] }
    }
}

impl Users {
    /// Checks a password; answers the user's name.
    pub fn authenticate(
        &self,
        name: &str,
        password: &[u8],
        loopback: bool,
    ) -> Result<Rc<str>, AuthError> {
        let Some(user) = self.by_name.get(name) else {
            return Err(AuthError::NoUser(name.to_owned()));
        };
        if password.is_empty() {
            return Err(AuthError::Blank(name.to_owned()));
        }
        if !password::matches(user.hashing, &user.password_hash, password) {
            return Err(AuthError::Password(name.to_owned()));
        }
        if !loopback && self.loopback_only.iter().any(|only| only == name) {
            return Err(AuthError::NotLoopback(name.to_owned()));
        }
        Ok(user.name.clone())
    }

    /// What the user may do in the virtual host, if anything.
    pub fn permissions(&self, user: &str, vhost: &str) -> Option<&Permissions> {
        self.by_name.get(user)?.permissions.get(vhost)
    }

    /// The check in front of every command. The default exchange is called `amq.default` here, as in RabbitMQ.
    pub fn check(
        &self,
        (user, vhost): (&str, &str),
        access: Access,
        resource: Resource,
        name: &str,
    ) -> Result<(), AmqpError> {
        let name =
            if resource == Resource::Exchange && name.is_empty() { "amq.default" } else { name };
        if self.permissions(user, vhost).is_some_and(|granted| granted.allow(access, name)) {
            return Ok(());
        }
        let (access, what) = (access.name(), resource.named(name, vhost));
        let text = format!("{access} access to {what} refused for user '{user}'");
        Err(AmqpError::new(ReplyCode::AccessRefused, text))
    }

    /// Whether the user has the tag.
    pub fn has_tag(&self, user: &str, tag: &str) -> bool {
        self.by_name.get(user).is_some_and(|user| user.tags.iter().any(|has| has == tag))
    }
}

#[cfg(test)]
mod tests;
