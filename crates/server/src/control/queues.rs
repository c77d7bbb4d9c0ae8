//! Queues and what waits: deleting, purging, delayed messages.

use amqp::error::{AmqpError, ReplyCode};
use broker::Session;
use broker::delayed::{DelayedId, DelayedIdError};
use control::reply::{Refusal, Why};
use control::request::Request;
use serde_json::{Value, json};

use super::answer::{Outcome, unexpected};
use crate::shard::Shard;

pub(super) fn apply(shard: &mut Shard, request: Request) -> Outcome {
    let (broker, mut cx) = shard.parts();
    let missing = || Err(Refusal::new(Why::NotFound, "not_found"));
    let outcome = match request {
        Request::DeleteQueue { vhost, queue, if_empty, if_unused } => {
            if broker.queue_named(&vhost, &queue).is_none() {
                return missing();
            }
            let who = Session::internal((&*vhost).into());
            let deleted = broker.queue_delete(&mut cx, &who, &queue, if_unused, if_empty);
            deleted.map(|(messages, pos)| (json!(messages), pos)).map_err(refused)
        }
        Request::PurgeQueue { vhost, queue } => {
            if broker.queue_named(&vhost, &queue).is_none() {
                return missing();
            }
            let who = Session::internal((&*vhost).into());
            let purged = broker.queue_purge(&mut cx, &who, &queue);
            purged.map(|messages| (json!(messages), 0)).map_err(refused)
        }
        Request::CancelDelayed { id } => delayed(&id, |id| broker.delayed_cancel(&mut cx, id)),
        Request::ReleaseDelayed { id } => delayed(&id, |id| broker.delayed_release(&mut cx, id)),
        other => unexpected(&other),
    };
    shard.feed_starved();
    outcome
}

/// Does something with a delayed message that still waits.
fn delayed(id: &str, action: impl FnOnce(DelayedId) -> bool) -> Outcome {
    let id: DelayedId = id
        .parse()
        .map_err(|error: DelayedIdError| Refusal::new(Why::Invalid, error.to_string()))?;
    match action(id) {
        true => Ok((Value::Null, 0)),
        false => {
            Err(Refusal::new(Why::NotFound, format!("delayed message {id} does not wait any more")))
        }
    }
}

/// What AMQP would answer, for the administrator.
fn refused(error: AmqpError) -> Refusal {
    let kind = match error.code {
        ReplyCode::NotFound => Why::NotFound,
        _ => Why::Failed,
    };
    Refusal::new(kind, error.reply_text())
}
