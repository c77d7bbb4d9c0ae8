//! Records of virtual hosts, users, topic permissions and parameters.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::Broker;
use crate::parameter::{self, Parameter};
use crate::queue::args::QueueKind;
use crate::user::User;
use crate::user::password::Hashing;
use crate::user::topic::TopicPermissions;
use crate::vhost::Vhost;
use crate::vhost::meta::{UserLimits, VhostLimits, VhostMeta};

use super::{Record, ReplayError};

/// A virtual host without what is in it.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub(crate) struct VhostRecord {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    default_queue_type: Option<String>,
    #[serde(default)]
    protected: bool,
    #[serde(default)]
    max_connections: Option<i64>,
    #[serde(default)]
    max_queues: Option<i64>,
}

/// A user without permissions.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub(crate) struct UserRecord {
    name: String,
    password_hash: String,
    #[serde(default)]
    hashing: Option<String>,
    tags: Vec<String>,
    #[serde(default)]
    max_connections: Option<i64>,
    #[serde(default)]
    max_channels: Option<i64>,
}

/// What a user may do at a topic exchange.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub(crate) struct TopicPermissionsRecord {
    user: String,
    vhost: String,
    exchange: String,
    write: String,
    read: String,
}

/// A parameter.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub(crate) struct ParameterRecord {
    vhost: Option<String>,
    component: String,
    name: String,
    value: String,
}

impl Record {
    pub(crate) fn vhost(vhost: &Vhost) -> Record {
        Record::Vhost(VhostRecord {
            name: vhost.name.to_string(),
            description: vhost.meta.description.clone(),
            tags: vhost.meta.tags.clone(),
            default_queue_type: vhost.meta.default_queue_type.map(|kind| kind.name().to_owned()),
            protected: vhost.meta.protected,
            max_connections: vhost.limits.max_connections,
            max_queues: vhost.limits.max_queues,
        })
    }

    pub(crate) fn user(user: &User) -> Record {
        Record::User(UserRecord {
            name: user.name.to_string(),
            password_hash: user.password_hash.to_string(),
            hashing: Some(user.hashing.name().to_owned()),
            tags: user.tags.clone(),
            max_connections: user.limits.max_connections,
            max_channels: user.limits.max_channels,
        })
    }

    pub(crate) fn topic_permissions(
        user: &str,
        vhost: &str,
        exchange: &str,
        permissions: &TopicPermissions,
    ) -> Record {
        Record::TopicPermissions(TopicPermissionsRecord {
            user: user.to_owned(),
            vhost: vhost.to_owned(),
            exchange: exchange.to_owned(),
            write: permissions.write.as_str().to_owned(),
            read: permissions.read.as_str().to_owned(),
        })
    }

    pub(crate) fn topic_permissions_deleted(
        user: &str,
        vhost: &str,
        exchange: Option<&str>,
    ) -> Record {
        let (user, vhost) = (user.to_owned(), vhost.to_owned());
        Record::TopicPermissionsDeleted { user, vhost, exchange: exchange.map(str::to_owned) }
    }

    pub(crate) fn parameter(parameter: Parameter<'_>) -> Record {
        Record::Parameter(ParameterRecord {
            vhost: parameter.vhost.map(str::to_owned),
            component: parameter.component.to_owned(),
            name: parameter.name.to_owned(),
            value: parameter.value.to_owned(),
        })
    }

    pub(crate) fn parameter_deleted(vhost: Option<&str>, component: &str, name: &str) -> Record {
        Record::ParameterDeleted {
            vhost: vhost.map(str::to_owned),
            component: component.to_owned(),
            name: name.to_owned(),
        }
    }
}

impl Broker {
    /// Users with everything they may do.
    pub(super) fn user_records(&self) -> impl Iterator<Item = Record> {
        self.users.by_name.values().flat_map(|user| {
            let permissions = user
                .permissions
                .iter()
                .map(|(vhost, permissions)| Record::permissions(&user.name, vhost, permissions));
            let topics = user.topic_permissions.iter().map(|((vhost, exchange), permissions)| {
                Record::topic_permissions(&user.name, vhost, exchange, permissions)
            });
            std::iter::once(Record::user(user)).chain(permissions).chain(topics)
        })
    }

    pub(super) fn replay_vhost(&mut self, record: VhostRecord) -> Result<(), ReplayError> {
        let default_queue_type = match &record.default_queue_type {
            None => None,
            Some(name) => Some(
                QueueKind::parse(name)
                    .ok_or_else(|| ReplayError::Newer(format!("default queue type {name}")))?,
            ),
        };
        let name: Rc<str> = record.name.into();
        let vhost = self.vhosts.entry(name.clone()).or_insert_with(|| Vhost::new(name));
        vhost.meta = VhostMeta {
            description: record.description,
            tags: record.tags,
            default_queue_type,
            protected: record.protected,
        };
        let VhostRecord { max_connections, max_queues, .. } = record;
        vhost.limits = VhostLimits { max_connections, max_queues };
        Ok(())
    }

    pub(super) fn replay_user(&mut self, record: UserRecord) -> Result<(), ReplayError> {
        let hashing = match &record.hashing {
            None => Hashing::default(),
            Some(name) => Hashing::parse(name)
                .ok_or_else(|| ReplayError::Newer(format!("password hashing {name}")))?,
        };
        let name: Rc<str> = record.name.into();
        let user = self.users.by_name.entry(name.clone()).or_insert_with(|| User::new(name));
        user.password_hash = record.password_hash.into();
        user.hashing = hashing;
        user.tags = record.tags;
        let UserRecord { max_connections, max_channels, .. } = record;
        user.limits = UserLimits { max_connections, max_channels };
        Ok(())
    }

    pub(super) fn replay_topic_permissions(
        &mut self,
        record: TopicPermissionsRecord,
    ) -> Result<(), ReplayError> {
        let TopicPermissionsRecord { user, vhost, exchange, write, read } = record;
        let permissions = TopicPermissions::new(&user, &vhost, &write, &read)?;
        if let Some(user) = self.users.by_name.get_mut(&*user) {
            user.topic_permissions.insert((vhost.into(), exchange.into()), permissions);
        }
        Ok(())
    }

    pub(super) fn replay_topic_permissions_deleted(
        &mut self,
        user: &str,
        vhost: &str,
        exchange: Option<&str>,
    ) {
        if let Some(user) = self.users.by_name.get_mut(user) {
            user.clear_topic_permissions(vhost, exchange);
        }
    }

    pub(super) fn replay_parameter(&mut self, record: ParameterRecord) {
        let ParameterRecord { vhost, component, name, value } = record;
        if vhost.as_deref().is_none_or(|vhost| self.vhosts.contains_key(vhost)) {
            let key = parameter::key(vhost.as_deref(), &component, &name);
            self.parameters.insert(key, value.into());
        }
    }
}
