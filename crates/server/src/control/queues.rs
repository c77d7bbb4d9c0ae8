//! Queues: deleting, purging, looking into them.

use amqp::error::{AmqpError, ReplyCode};
use broker::Session;
use control::reply::{Refusal, Why};
use control::request::Request;
use serde_json::json;

use super::answer::Outcome;
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
        other => Err(Refusal::new(Why::Unsupported, format!("not yet: {other:?}"))),
    };
    shard.feed_starved();
    outcome
}

/// What AMQP would answer, for the administrator.
fn refused(error: AmqpError) -> Refusal {
    let kind = match error.code {
        ReplyCode::NotFound => Why::NotFound,
        _ => Why::Failed,
    };
    Refusal::new(kind, error.reply_text())
}
