//! Connections that the administrator closes.

use amqp::error::{AmqpError, ReplyCode};
use broker::Session;
use control::reply::{Refusal, Why};
use control::request::Which;
use serde_json::json;

use super::answer::Outcome;
use super::node::connection_pid;
use crate::amqp::connections::{Connection, Phase};
use crate::shard::Shard;

/// Closes what is meant, and answers how many connections that were.
pub(super) fn close(shard: &mut Shard, which: &Which, reason: &str) -> Outcome {
    let closed = match which {
        Which::One(name) => {
            let is_meant =
                |one: &Connection| connection_pid(one.id) == *name || *one.facts.name == **name;
            let closed = close_those(shard, reason, 1, is_meant);
            if closed == 0 {
                return Err(Refusal::new(Why::NotFound, format!("no connection {name}")));
            }
            closed
        }
        Which::User(user) => close_where(shard, reason, |session| *session.user == **user),
        Which::Vhost { vhost, limit } => {
            let limit = if *limit == 0 { usize::MAX } else { *limit };
            close_those(shard, reason, limit, |one| {
                one.session.as_ref().is_some_and(|session| {
                    vhost.as_ref().is_none_or(|vhost| *session.vhost == **vhost)
                })
            })
        }
    };
    Ok((json!(closed), 0))
}

/// Closes the connections whose session is meant; answers how many.
pub(super) fn close_where(
    shard: &mut Shard,
    reason: &str,
    is_meant: impl Fn(&Session) -> bool,
) -> usize {
    close_those(shard, reason, usize::MAX, |one| one.session.as_ref().is_some_and(&is_meant))
}

fn close_those(
    shard: &mut Shard,
    reason: &str,
    limit: usize,
    is_meant: impl Fn(&Connection) -> bool,
) -> usize {
    let meant = shard
        .connections
        .table
        .iter()
        .filter(|(_, one)| one.phase == Phase::Running && is_meant(one));
    let meant: Vec<usize> = meant.map(|(conn, _)| conn).take(limit).collect();
    let error = AmqpError::new(ReplyCode::ConnectionForced, reason);
    shard.close_connections(&meant, &error);
    meant.len()
}
