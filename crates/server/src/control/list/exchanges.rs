//! Rows of exchanges and bindings.

use broker::exchange::Exchange;
use broker::vhost::Vhost;
use control::reply::Row;
use control::request::List;
use serde_json::{Value, json};

use super::rows::{Column, in_vhost, row, table, text};
use crate::shard::Shard;

fn vhosts<'a>(shard: &'a Shard, wanted: &'a List) -> impl Iterator<Item = &'a Vhost> {
    shard.broker.vhosts().filter(|vhost| in_vhost(wanted, &vhost.name))
}

pub(super) fn rows(shard: &Shard, wanted: &List) -> Vec<Row> {
    let of = |vhost: &Vhost| -> Vec<Row> {
        let exchanges = vhost.exchanges();
        let with_vhost = |exchange: &Exchange| {
            let mut row = row(EXCHANGE, wanted, exchange);
            row.get_mut("vhost").into_iter().for_each(|value| *value = json!(*vhost.name));
            row
        };
        exchanges.map(with_vhost).collect()
    };
    vhosts(shard, wanted).flat_map(of).collect()
}

pub(super) const EXCHANGE: &[Column<Exchange>] = &[
    ("name", |x| json!(*x.spec.name)),
    ("type", |x| json!(x.spec.kind.name())),
    ("durable", |x| json!(x.spec.durable)),
    ("auto_delete", |x| json!(x.spec.auto_delete)),
    ("internal", |x| json!(x.spec.internal)),
    ("arguments", |x| table(&x.spec.arguments)),
    ("policy", |x| text(x.policy.as_deref())),
];

/// Bindings; those that the default exchange implies come first.
pub(super) fn bindings(shard: &Shard, wanted: &List) -> Vec<Row> {
    let implied = shard.broker.queues().filter(|queue| in_vhost(wanted, &queue.vhost));
    let implied = implied.map(|queue| {
        let name = queue.name.to_string();
        let binding = BindingRow {
            vhost: queue.vhost.to_string(),
            source: String::new(),
            destination: name.clone(),
            kind: "queue",
            key: name,
            arguments: json!([]),
        };
        row(BINDING, wanted, &binding)
    });
    let made = vhosts(shard, wanted).flat_map(|vhost| {
        vhost.bindings().filter_map(move |binding| {
            let source = vhost.exchange_by_id(binding.source)?;
            let destination = shard.broker.destination_name(vhost, binding)?;
            let kind = match binding.destination {
                broker::binding::Destination::Queue(_) => "queue",
                broker::binding::Destination::Exchange(_) => "exchange",
            };
            let binding = BindingRow {
                vhost: vhost.name.to_string(),
                source: source.spec.name.to_string(),
                destination: destination.to_string(),
                kind,
                key: String::from_utf8_lossy(&binding.key).into_owned(),
                arguments: table(&binding.arguments),
            };
            Some(row(BINDING, wanted, &binding))
        })
    });
    implied.chain(made).collect()
}

pub(super) struct BindingRow {
    vhost: String,
    source: String,
    destination: String,
    kind: &'static str,
    key: String,
    arguments: Value,
}

pub(super) const BINDING: &[Column<BindingRow>] = &[
    ("vhost", |b| json!(b.vhost)),
    ("source_name", |b| json!(b.source)),
    ("source_kind", |_| json!("exchange")),
    ("destination_name", |b| json!(b.destination)),
    ("destination_kind", |b| json!(b.kind)),
    ("routing_key", |b| json!(b.key)),
    ("arguments", |b| b.arguments.clone()),
];
