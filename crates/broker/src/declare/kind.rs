//! Which kind of queue a declare makes, what each kind refuses, and names that the broker makes up.
//!
//! Order and texts as measured on RabbitMQ 3.10.8; the default type and `x-name-prefix` as in 4.x.

use std::borrow::Cow;

use amqp::value::{Table, Value};
use amqp::{AmqpError, ReplyCode};

use super::QueueDeclare;
use crate::broker::{clean, precondition};
use crate::queue::Queue;
use crate::queue::args::QueueKind;
use crate::user::Resource;
use crate::{Broker, Session};

const QUEUE_TYPE: &str = "x-queue-type";
const NAME_PREFIX: &str = "x-name-prefix";

/// Bytes of the longest `x-name-prefix`.
const PREFIX_MAX: usize = 64;

impl Broker {
    /// The arguments of a declare as they are kept: with the default queue type, where there is one and the declare could
    /// be of it, and without the prefix of a name.
    pub(super) fn augmented<'a>(
        &self,
        who: &Session,
        declare: &QueueDeclare<'a>,
    ) -> Cow<'a, Table> {
        let mut arguments = Cow::Borrowed(declare.arguments);
        let kind = self.default_queue_type(&who.vhost);
        let possible = declare.durable && !declare.exclusive && !declare.auto_delete;
        if kind != QueueKind::Classic && possible && arguments.get(QUEUE_TYPE).is_none() {
            arguments.to_mut().insert(QUEUE_TYPE, Value::from(kind.name()));
        }
        while arguments.get(NAME_PREFIX).is_some() {
            arguments.to_mut().remove(NAME_PREFIX);
        }
        arguments
    }

    /// What a declare without `x-queue-type` makes here.
    fn default_queue_type(&self, vhost: &str) -> QueueKind {
        let own = self.vhosts.get(vhost).and_then(|vhost| vhost.meta.default_queue_type);
        own.unwrap_or(self.settings.default_queue_type)
    }

    /// A name for a queue that is declared without one.
    pub(super) fn made_up_name(
        &mut self,
        declare: &QueueDeclare<'_>,
        kind: QueueKind,
    ) -> Result<String, AmqpError> {
        if kind == QueueKind::Quorum {
            let text = format!("Cannot declare a server-named queue for type {}", kind.module());
            return Err(precondition(text));
        }
        let prefix = declare.arguments.get(NAME_PREFIX).and_then(Value::as_str).unwrap_or_default();
        let prefix = clean(prefix);
        match prefix.len() {
            0 => Ok(self.unique_name("amq.gen-")),
            1..=PREFIX_MAX => Ok(self.unique_name(&format!("{prefix}-"))),
            _ => Err(precondition(format!(
                "Queue name prefix '{prefix}' exceeds the {PREFIX_MAX}-byte limit"
            ))),
        }
    }
}

/// Quorum queues are durable and belong to nobody.
pub(super) fn check_properties(
    declare: &QueueDeclare<'_>,
    kind: QueueKind,
    queue: &str,
    vhost: &str,
) -> Result<(), AmqpError> {
    if kind == QueueKind::Classic {
        return Ok(());
    }
    let wrong = [
        (declare.auto_delete, "auto-delete"),
        (declare.exclusive, "exclusive-owner"),
        (!declare.durable, "non-durable"),
    ];
    match wrong.into_iter().find(|(wrong, _)| *wrong) {
        Some((_, property)) => {
            let named = Resource::Queue.named(queue, vhost);
            Err(precondition(format!("invalid property '{property}' for {named}")))
        }
        None => Ok(()),
    }
}

/// A quorum queue is not deleted under a condition.
pub(super) fn check_deletion(
    queue: &Queue,
    if_unused: bool,
    if_empty: bool,
) -> Result<(), AmqpError> {
    let flag = match (if_unused, if_empty) {
        _ if queue.args.kind == QueueKind::Classic => return Ok(()),
        (false, false) => return Ok(()),
        (true, _) => "if-unused",
        (false, true) => "if-empty",
    };
    let named = Resource::Queue.named(&queue.name, &queue.vhost);
    let text = format!(
        "cannot delete {named}. queue.delete operations with {flag} flag set are not supported by quorum queues"
    );
    Err(AmqpError::new(ReplyCode::NotImplemented, text))
}
