//! What users may do in virtual hosts.

use control::request::Request;

use super::answer::{Outcome, done, unexpected};
use crate::shard::Shard;

pub(super) fn apply(shard: &mut Shard, request: Request) -> Outcome {
    let Shard { broker, store, .. } = shard;
    match request {
        Request::SetPermissions { user, vhost, configure, write, read } => {
            done(broker.set_permissions(store, &user, &vhost, [&configure, &write, &read]))
        }
        Request::ClearPermissions { user, vhost } => {
            done(broker.clear_permissions(store, &user, &vhost))
        }
        Request::SetTopicPermissions { user, vhost, exchange, write, read } => {
            let patterns = [&*write, &*read];
            done(broker.set_topic_permissions(store, &user, &vhost, &exchange, patterns))
        }
        Request::ClearTopicPermissions { user, vhost, exchange } => {
            done(broker.clear_topic_permissions(store, &user, &vhost, exchange.as_deref()))
        }
        other => unexpected(&other),
    }
}
