//! Listings: rows in batches, so that a long one holds up nobody.

use std::cell::RefCell;
use std::rc::Rc;

use broker::QueueId;
use control::listing::Listing;
use control::reply::{Refusal, Reply, Row, Why};
use control::request::List;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::yield_now;

use super::node::{channel_pid, connection_pid};
use super::rows::{Column, row, table};
use crate::amqp::connections::{Connection, Phase};
use crate::shard::Shard;

/// Rows that are made in one turn of the shard.
const BATCH: usize = 256;

/// Sends the rows of a listing.
pub(super) async fn list(
    shard: &Rc<RefCell<Shard>>,
    wanted: &List,
    reply: &mpsc::Sender<Reply>,
) -> Result<(), Refusal> {
    if wanted.listing == Listing::Queues {
        return queues(shard, wanted, reply).await;
    }
    let rows = rows(&shard.borrow(), wanted)?;
    for batch in rows.chunks(BATCH) {
        let _ = reply.send(Reply::Rows(batch.to_vec())).await;
    }
    Ok(())
}

async fn queues(
    shard: &Rc<RefCell<Shard>>,
    wanted: &List,
    reply: &mpsc::Sender<Reply>,
) -> Result<(), Refusal> {
    let is_meant = |vhost: &str| wanted.vhost.as_ref().is_none_or(|wanted| wanted == vhost);
    let ids: Vec<QueueId> = {
        let shard = shard.borrow();
        let meant = shard.broker.queues().filter(|queue| is_meant(&queue.vhost));
        meant.map(|queue| queue.id).collect()
    };
    for batch in ids.chunks(BATCH) {
        let rows: Vec<Row> = {
            let shard = shard.borrow();
            let shard = &*shard;
            let queues = batch.iter().filter_map(|id| shard.broker.queue(*id));
            queues.map(|queue| row(QUEUE, &wanted.columns, &QueueRow { shard, queue })).collect()
        };
        if reply.send(Reply::Rows(rows)).await.is_err() {
            break;
        }
        yield_now().await;
    }
    Ok(())
}

struct QueueRow<'a> {
    shard: &'a Shard,
    queue: &'a broker::queue::Queue,
}

/// A column of whatever queue.
type QueueColumn = (&'static str, for<'a> fn(&QueueRow<'a>) -> Value);

const QUEUE: &[QueueColumn] = &[
    ("name", |q| json!(*q.queue.name)),
    ("vhost", |q| json!(*q.queue.vhost)),
    ("durable", |q| json!(q.queue.durable)),
    ("auto_delete", |q| json!(q.queue.auto_delete)),
    ("exclusive", |q| json!(q.queue.exclusive.is_some())),
    ("arguments", |q| table(&q.queue.arguments)),
    ("messages", |q| json!(q.queue.ready() + q.queue.unacked())),
    ("messages_ready", |q| json!(q.queue.ready())),
    ("messages_unacknowledged", |q| json!(q.queue.unacked())),
    ("message_bytes", |q| json!(q.queue.ready_bytes(&q.shard.store) + q.queue.unacked_bytes())),
    ("message_bytes_ready", |q| json!(q.queue.ready_bytes(&q.shard.store))),
    ("message_bytes_unacknowledged", |q| json!(q.queue.unacked_bytes())),
    ("consumers", |q| json!(q.queue.consumers())),
    ("state", |_| json!("running")),
    ("type", |_| json!("classic")),
    ("owner_pid", |q| q.queue.exclusive.map_or(json!(""), |id| json!(connection_pid(id)))),
];

fn rows(shard: &Shard, wanted: &List) -> Result<Vec<Row>, Refusal> {
    let broker = &shard.broker;
    let columns = &wanted.columns;
    if let Some(vhost) = &wanted.vhost
        && !broker.vhosts().any(|one| *one.name == **vhost)
    {
        return Err(Refusal::new(Why::NoVhost, vhost));
    }
    if let Some(user) = &wanted.user
        && !broker.user_exists(user)
    {
        return Err(Refusal::new(Why::NoUser, user));
    }
    let vhosts = || {
        let meant = |name: &str| wanted.vhost.as_ref().is_none_or(|wanted| wanted == name);
        broker.vhosts().filter(move |vhost| meant(&vhost.name))
    };
    Ok(match wanted.listing {
        Listing::Users => broker.users().map(|user| row(USER, columns, user)).collect(),
        Listing::Vhosts => broker.vhosts().map(|vhost| row(VHOST, columns, vhost)).collect(),
        Listing::Exchanges => vhosts()
            .flat_map(|vhost| vhost.exchanges().map(|exchange| row(EXCHANGE, columns, exchange)))
            .collect(),
        Listing::Permissions => permissions(shard, wanted),
        Listing::Connections => shard
            .connections
            .table
            .iter()
            .filter(|(_, one)| one.phase == Phase::Running)
            .map(|(_, one)| row(CONNECTION, columns, one))
            .collect(),
        other => return Err(Refusal::new(Why::Unsupported, format!("not yet: {other:?}"))),
    })
}

const USER: &[Column<broker::user::User>] =
    &[("user", |user| json!(*user.name)), ("tags", |user| json!(user.tags))];

const VHOST: &[Column<broker::vhost::Vhost>] = &[("name", |vhost| json!(*vhost.name))];

const EXCHANGE: &[Column<broker::exchange::Exchange>] = &[
    ("name", |x| json!(*x.spec.name)),
    ("type", |x| json!(x.spec.kind.name())),
    ("durable", |x| json!(x.spec.durable)),
    ("auto_delete", |x| json!(x.spec.auto_delete)),
    ("internal", |x| json!(x.spec.internal)),
    ("arguments", |x| table(&x.spec.arguments)),
];

const CONNECTION: &[Column<Connection>] = &[
    ("pid", |one| json!(connection_pid(one.id))),
    ("name", |one| json!(*one.name)),
    ("user", |one| one.session.as_ref().map_or(json!(""), |session| json!(*session.user))),
    ("vhost", |one| one.session.as_ref().map_or(json!(""), |session| json!(*session.vhost))),
    ("channels", |one| json!(one.channels.len())),
    ("channel_max", |one| json!(one.channel_max)),
    ("frame_max", |one| json!(one.frame_max)),
    ("timeout", |one| json!(one.heartbeat_s)),
    ("state", |_| json!("running")),
];

fn permissions(shard: &Shard, wanted: &List) -> Vec<Row> {
    let mut rows = Vec::new();
    for user in shard.broker.users() {
        if wanted.user.as_ref().is_some_and(|wanted| **wanted != *user.name) {
            continue;
        }
        for (vhost, granted) in &user.permissions {
            if wanted.vhost.as_ref().is_some_and(|wanted| **wanted != **vhost) {
                continue;
            }
            let value = |column: &str| match column {
                "user" => json!(*user.name),
                "vhost" => json!(**vhost),
                "configure" => json!(granted.configure.as_str()),
                "write" => json!(granted.write.as_str()),
                "read" => json!(granted.read.as_str()),
                _ => Value::Null,
            };
            rows.push(wanted.columns.iter().map(|name| (name.clone(), value(name))).collect());
        }
    }
    rows
}

#[expect(dead_code, reason = "until channels are listed")]
fn channel(connection: u64, number: u16) -> String {
    channel_pid(connection, number)
}
