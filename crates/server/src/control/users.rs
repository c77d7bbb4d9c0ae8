//! Users: adding, deleting, passwords, tags, limits.

use control::reply::{Refusal, Why};
use control::request::Request;
use serde_json::Value;

use super::answer::{Outcome, done, unexpected};
use super::{connections, limits};
use crate::shard::Shard;

pub(super) fn apply(shard: &mut Shard, request: Request) -> Outcome {
    let Shard { broker, store, .. } = &mut *shard;
    match request {
        Request::AddUser { user, password, tags } => {
            done(broker.add_user(store, &user, password.as_bytes(), tags))
        }
        Request::DeleteUser { user } => {
            let deleted = done(broker.delete_user(store, &user))?;
            let reason = format!("user '{user}' is deleted");
            connections::close_where(shard, &reason, |session| *session.user == *user);
            Ok(deleted)
        }
        Request::ChangePassword { user, password } => {
            done(broker.change_password(store, &user, password.as_bytes()))
        }
        Request::ClearPassword { user } => done(broker.clear_password(store, &user)),
        Request::SetUserTags { user, tags } => done(broker.set_user_tags(store, &user, tags)),
        Request::AuthenticateUser { user, password } => {
            match broker.authenticate(&user, password.as_bytes(), true) {
                Ok(_) => Ok((Value::Null, 0)),
                Err(error) => Err(Refusal::new(Why::Credentials, error.to_string())),
            }
        }
        Request::SetUserLimits { user, limits } => {
            done(broker.set_user_limits(store, &user, limits::read(&limits)?))
        }
        Request::ClearUserLimits { user, limit } => {
            let found = broker.users().find(|one| *one.name == *user);
            let limits = found.map(|user| user.limits).unwrap_or_default();
            done(broker.set_user_limits(store, &user, limits::without(limits, &limit)?))
        }
        other => unexpected(&other),
    }
}
