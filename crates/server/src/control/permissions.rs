//! What users may do in virtual hosts.

use control::reply::{Refusal, Why};
use control::request::Request;

use super::answer::{Outcome, done};
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
        other => Err(Refusal::new(Why::Unsupported, format!("not yet: {other:?}"))),
    }
}
