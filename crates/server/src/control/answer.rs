//! One request after the other becomes what it does on the shard; the answer waits until what was
//! set or declared is durable.

use std::cell::RefCell;
use std::rc::Rc;

use broker::AdminError;
use control::reply::{Refusal, Why};
use control::request::Request;
use serde_json::Value;
use store::Pos;

use super::{
    Ask, connections, definitions, finish, list, node, permissions, policies, queues, users, vhosts,
};
use crate::shard::Shard;

/// What a request gave, and what the answer has to wait for.
pub(super) type Outcome = Result<(Value, Pos), Refusal>;

/// Answers one request.
pub(super) async fn answer(shard: Rc<RefCell<Shard>>, Ask { request, reply }: Ask) {
    if let Request::List(wanted) = request {
        let listed = list::list(&shard, &wanted, &reply).await;
        return finish(&reply, listed.map(|()| Value::Null)).await;
    }
    let outcome = apply(&mut shard.borrow_mut(), request);
    shard.borrow_mut().wake_committer();
    let outcome = match outcome {
        Ok((value, pos)) => {
            durable(&shard, pos).await;
            Ok(value)
        }
        Err(refusal) => Err(refusal),
    };
    finish(&reply, outcome).await;
}

async fn durable(shard: &Rc<RefCell<Shard>>, pos: Pos) {
    let wakers = Rc::clone(&shard.borrow().wakers);
    loop {
        let synced = wakers.synced.notified();
        if pos <= shard.borrow().synced {
            return;
        }
        synced.await;
    }
}

fn apply(shard: &mut Shard, request: Request) -> Outcome {
    shard.read_clock();
    match request {
        Request::AddUser { .. }
        | Request::DeleteUser { .. }
        | Request::ChangePassword { .. }
        | Request::ClearPassword { .. }
        | Request::AuthenticateUser { .. }
        | Request::SetUserTags { .. }
        | Request::SetUserLimits { .. }
        | Request::ClearUserLimits { .. } => users::apply(shard, request),
        Request::SetPermissions { .. }
        | Request::ClearPermissions { .. }
        | Request::SetTopicPermissions { .. }
        | Request::ClearTopicPermissions { .. } => permissions::apply(shard, request),
        Request::AddVhost { .. }
        | Request::DeleteVhost { .. }
        | Request::SetVhostMeta { .. }
        | Request::SetVhostLimits { .. }
        | Request::ClearVhostLimits { .. }
        | Request::Trace { .. } => vhosts::apply(shard, request),
        Request::SetPolicy { .. }
        | Request::ClearPolicy { .. }
        | Request::SetParameter { .. }
        | Request::ClearParameter { .. } => policies::apply(shard, request),
        Request::DeleteQueue { .. }
        | Request::PurgeQueue { .. }
        | Request::CancelDelayed { .. }
        | Request::ReleaseDelayed { .. } => queues::apply(shard, request),
        Request::ExportDefinitions { .. } | Request::ImportDefinitions { .. } => {
            definitions::apply(shard, request)
        }
        Request::CloseConnections { which, reason } => connections::close(shard, &which, &reason),
        other => node::apply(shard, other),
    }
}

/// What the broker refuses, for the administrator.
pub(super) fn refused(error: AdminError) -> Refusal {
    let kind = match &error {
        AdminError::NoUser(_) => Why::NoUser,
        AdminError::NoVhost(_) => Why::NoVhost,
        AdminError::UserExists(_) | AdminError::VhostExists(_) => Why::Exists,
        AdminError::NoParameter => Why::NotFound,
        _ => Why::Failed,
    };
    Refusal::new(kind, error.to_string())
}

/// Nothing to say, but for what the answer waits for.
pub(super) fn done(changed: Result<Pos, AdminError>) -> Outcome {
    changed.map(|pos| (Value::Null, pos)).map_err(refused)
}

/// A request that somebody else answers: the table in [`apply`] never sends it here.
pub(super) fn unexpected(request: &Request) -> Outcome {
    Err(Refusal::new(Why::Unsupported, format!("nobody answers {request:?} here")))
}
