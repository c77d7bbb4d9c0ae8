//! Rows of users, virtual hosts, and what is allowed to whom.

use broker::user::User;
use broker::vhost::Vhost;
use control::reply::Row;
use control::request::List;
use serde_json::{Value, json};

use super::super::limits::show;
use super::super::node::node_name;
use super::rows::{Column, in_vhost, of_user, row};
use crate::shard::Shard;

pub(super) fn users(shard: &Shard, wanted: &List) -> Vec<Row> {
    shard.broker.users().map(|user| row(USER, wanted, user)).collect()
}

pub(super) const USER: &[Column<User>] =
    &[("user", |user| json!(*user.name)), ("tags", |user| json!(user.tags))];

pub(super) fn vhosts(shard: &Shard, wanted: &List) -> Vec<Row> {
    shard.broker.vhosts().map(|vhost| row(VHOST, wanted, vhost)).collect()
}

pub(super) const VHOST: &[Column<Vhost>] = &[
    ("name", |vhost| json!(*vhost.name)),
    ("tracing", |vhost| json!(vhost.tracing)),
    ("description", |vhost| json!(vhost.meta.description)),
    ("tags", |vhost| json!(vhost.meta.tags)),
    ("default_queue_type", |vhost| {
        json!(vhost.meta.default_queue_type.map_or("", |kind| kind.name()))
    }),
    ("cluster_state", |_| json!([[node_name(), "running"]])),
];

/// What users may do; a row with an empty exchange is of the permissions for names.
pub(super) struct Grant<'a> {
    user: &'a str,
    vhost: &'a str,
    exchange: &'a str,
    configure: &'a str,
    write: &'a str,
    read: &'a str,
}

/// A column of whatever grant.
pub(super) type GrantColumn = (&'static str, for<'a> fn(&Grant<'a>) -> Value);

pub(super) const GRANT: &[GrantColumn] = &[
    ("user", |grant| json!(grant.user)),
    ("vhost", |grant| json!(grant.vhost)),
    ("exchange", |grant| json!(grant.exchange)),
    ("configure", |grant| json!(grant.configure)),
    ("write", |grant| json!(grant.write)),
    ("read", |grant| json!(grant.read)),
];

fn grants<'a>(wanted: &List, grants: impl Iterator<Item = Grant<'a>>) -> Vec<Row> {
    let meant = grants.filter(|g| of_user(wanted, g.user) && in_vhost(wanted, g.vhost));
    meant.map(|grant| row(GRANT, wanted, &grant)).collect()
}

pub(super) fn permissions(shard: &Shard, wanted: &List) -> Vec<Row> {
    let all = shard.broker.users().flat_map(|user| {
        user.permissions.iter().map(|(vhost, granted)| Grant {
            user: &user.name,
            vhost,
            exchange: "",
            configure: granted.configure.as_str(),
            write: granted.write.as_str(),
            read: granted.read.as_str(),
        })
    });
    grants(wanted, all)
}

pub(super) fn topic_permissions(shard: &Shard, wanted: &List) -> Vec<Row> {
    let all = shard.broker.users().flat_map(|user| {
        user.topic_permissions.iter().map(|((vhost, exchange), granted)| Grant {
            user: &user.name,
            vhost,
            exchange,
            configure: "",
            write: granted.write.as_str(),
            read: granted.read.as_str(),
        })
    });
    grants(wanted, all)
}

/// Who or what is limited, and how: a row only for those with a limit.
pub(super) struct Limited<'a> {
    name: &'a str,
    limits: Value,
}

/// A column of whatever is limited.
pub(super) type LimitedColumn = (&'static str, for<'a> fn(&Limited<'a>) -> Value);

pub(super) const LIMITED: &[LimitedColumn] = &[
    ("user", |limited| json!(limited.name)),
    ("vhost", |limited| json!(limited.name)),
    ("limits", |limited| limited.limits.clone()),
];

pub(super) fn vhost_limits(shard: &Shard, wanted: &List) -> Vec<Row> {
    let meant = shard.broker.vhosts().filter(|vhost| in_vhost(wanted, &vhost.name));
    let limited = meant.filter_map(|vhost| {
        let limits = show(vhost.limits)?;
        Some(row(LIMITED, wanted, &Limited { name: &vhost.name, limits }))
    });
    limited.collect()
}

pub(super) fn user_limits(shard: &Shard, wanted: &List) -> Vec<Row> {
    let meant = shard.broker.users().filter(|user| of_user(wanted, &user.name));
    let limited = meant.filter_map(|user| {
        let limits = show(user.limits)?;
        Some(row(LIMITED, wanted, &Limited { name: &user.name, limits }))
    });
    limited.collect()
}
