//! Rows of messages that wait for their time.

use broker::delayed::{DelayedId, DelayedMessage, LIST_MAX};
use control::reply::{Refusal, Row, Why};
use serde_json::{Value, json};
use tokio::task::yield_now;

use super::rows::{Column, in_vhost, row};
use super::{BATCH, Sink};
use crate::shard::Shard;

/// Lists the messages of one exchange, or of all, in the order of their times.
pub(super) async fn list(sink: &Sink<'_>) -> Result<(), Refusal> {
    let mut left = sink.wanted.limit.unwrap_or(LIST_MAX);
    let found = exchanges(&sink.shard.borrow(), sink);
    for (vhost, exchange) in found {
        let mut after = None;
        while left > 0 {
            let (last, rows) = batch(sink, &vhost, &exchange, after, left.min(BATCH))?;
            left -= rows.len();
            let Some(last) = last else { break };
            after = Some(last);
            if !sink.send(rows).await {
                return Ok(());
            }
            yield_now().await;
        }
    }
    Ok(())
}

/// The delayed exchanges that are wanted, by virtual host and name.
fn exchanges(shard: &Shard, sink: &Sink<'_>) -> Vec<(String, String)> {
    let wanted = sink.wanted;
    let mut found = Vec::new();
    for vhost in shard.broker.vhosts().filter(|vhost| in_vhost(wanted, &vhost.name)) {
        for exchange in vhost.exchanges() {
            let name = &exchange.spec.name;
            let named = wanted.exchange.as_ref().is_none_or(|wanted| **wanted == **name);
            if named && shard.broker.delayed_in(&vhost.name, name).is_some() {
                found.push((vhost.name.to_string(), name.to_string()));
            }
        }
    }
    found
}

/// A few rows, and the last of them.
fn batch(
    sink: &Sink<'_>,
    vhost: &str,
    exchange: &str,
    after: Option<DelayedId>,
    max: usize,
) -> Result<(Option<DelayedId>, Vec<Row>), Refusal> {
    let shard = &mut *sink.shard.borrow_mut();
    let messages = shard
        .broker
        .delayed(&mut shard.store, vhost, exchange, after, max)
        .map_err(|error| Refusal::new(Why::NotFound, error.reply_text()))?;
    let rows = messages.iter().map(|message| row(MESSAGE, sink.wanted, message)).collect();
    Ok((messages.last().map(|message| message.id), rows))
}

pub(super) const MESSAGE: &[Column<DelayedMessage>] = &[
    ("id", |message| json!(message.id.to_string())),
    ("due", |message| json!(message.due)),
    ("published", |message| json!(message.published)),
    ("exchange", |message| json!(*message.exchange)),
    ("routing_key", |message| Value::from(String::from_utf8_lossy(&message.routing_key))),
    ("size", |message| json!(message.size)),
];
