//! What is said of a virtual host beside what is in it.

use amqp::AmqpError;

use super::Vhost;
use crate::broker::precondition;
use crate::queue::args::QueueKind;

/// What a virtual host is for.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct VhostMeta {
    /// For people.
    pub description: String,
    /// For people and tools.
    pub tags: Vec<String>,
    /// What a declare without `x-queue-type` makes; none is the node's default.
    pub default_queue_type: Option<QueueKind>,
    /// Deleting it is refused (RabbitMQ 4.1).
    pub protected: bool,
}

/// How much there may be in a virtual host. None and numbers below zero are no limit; zero allows nothing.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct VhostLimits {
    /// Open connections; the server counts them.
    pub max_connections: Option<i64>,
    /// Queues of every type, exclusive ones included.
    pub max_queues: Option<i64>,
}

/// How much a user may have open. None and numbers below zero are no limit; zero allows nothing. The server counts.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct UserLimits {
    /// Open connections.
    pub max_connections: Option<i64>,
    /// Open channels on all its connections.
    pub max_channels: Option<i64>,
}

/// A limit: its name, and its place.
pub type Limit<T> = (&'static str, fn(&mut T) -> &mut Option<i64>);

/// Limits with the names that commands, definitions and events have for them.
pub trait Limits: Copy + Default + 'static {
    /// Every limit.
    const TABLE: &'static [Limit<Self>];

    /// Each limit by its name.
    fn named(mut self) -> impl Iterator<Item = (&'static str, Option<i64>)> {
        Self::TABLE.iter().map(move |(name, place)| (*name, *place(&mut self)))
    }

    /// Sets the limit of this name; false when there is none.
    fn set(&mut self, name: &str, limit: Option<i64>) -> bool {
        let found = Self::TABLE.iter().find(|(known, _)| *known == name);
        found.map(|(_, place)| *place(self) = limit).is_some()
    }
}

const MAX_CONNECTIONS: &str = "max-connections";

impl Limits for VhostLimits {
    const TABLE: &'static [Limit<VhostLimits>] =
        &[(MAX_CONNECTIONS, |l| &mut l.max_connections), ("max-queues", |l| &mut l.max_queues)];
}

impl Limits for UserLimits {
    const TABLE: &'static [Limit<UserLimits>] =
        &[(MAX_CONNECTIONS, |l| &mut l.max_connections), ("max-channels", |l| &mut l.max_channels)];
}

/// Whether one more is too much; answers the limit then.
pub fn reached(limit: Option<i64>, count: usize) -> Option<i64> {
    limit.filter(|limit| usize::try_from(*limit).is_ok_and(|limit| count >= limit))
}

impl Vhost {
    /// 406 when the virtual host has as many queues as it may have.
    pub(crate) fn check_queue_limit(&self, queue: &str) -> Result<(), AmqpError> {
        match reached(self.limits.max_queues, self.queue_count()) {
            None => Ok(()),
            Some(limit) => Err(precondition(format!(
                "cannot declare queue '{queue}': queue limit in vhost '{}' ({limit}) is reached",
                self.name
            ))),
        }
    }
}
