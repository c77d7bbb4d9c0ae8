//! Rows of exchanges and bindings.

use std::rc::Rc;

use amqp::value::Table;
use broker::exchange::Exchange;
use broker::vhost::Vhost;
use control::reply::Row;
use control::request::List;
use serde_json::json;

use super::rows::{Column, in_vhost, row, table, text};
use crate::shard::Shard;

fn vhosts<'a>(shard: &'a Shard, wanted: &'a List) -> impl Iterator<Item = &'a Vhost> {
    shard.broker.vhosts().filter(|vhost| in_vhost(wanted, &vhost.name))
}

/// Names of exchanges, each behind that of its virtual host.
pub(super) fn names(shard: &Shard, wanted: &List) -> Vec<[Rc<str>; 2]> {
    let of = |vhost: &Vhost| -> Vec<_> {
        let names = vhost.exchanges().map(|exchange| &exchange.spec.name);
        names.map(|name| [vhost.name.clone(), name.clone()]).collect()
    };
    vhosts(shard, wanted).flat_map(of).collect()
}

pub(super) fn rows(shard: &Shard, wanted: &List, names: &[[Rc<str>; 2]]) -> Vec<Row> {
    let one = |[vhost, name]: &[Rc<str>; 2]| {
        let exchange = shard.broker.vhost_named(vhost)?.exchange(name)?;
        let mut row = row(EXCHANGE, wanted, exchange);
        row.get_mut("vhost").into_iter().for_each(|value| *value = json!(**vhost));
        Some(row)
    };
    names.iter().filter_map(one).collect()
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

/// The bindings of a moment, without copies of what is in them; those that the default exchange
/// implies come first.
pub(super) fn found(shard: &Shard, wanted: &List) -> Vec<Found> {
    let implied = shard.broker.queues().filter(|queue| in_vhost(wanted, &queue.vhost));
    let nowhere: Rc<str> = "".into();
    let implied = implied.map(|queue| Found {
        vhost: queue.vhost.clone(),
        source: nowhere.clone(),
        destination: queue.name.clone(),
        kind: "queue",
        key: queue.name.clone().into(),
        arguments: Table::new(),
    });
    let made = vhosts(shard, wanted).flat_map(|vhost| {
        vhost.bindings().filter_map(move |binding| {
            let source = vhost.exchange_by_id(binding.source)?;
            let destination = shard.broker.destination_name(vhost, binding)?;
            let kind = match binding.destination {
                broker::binding::Destination::Queue(_) => "queue",
                broker::binding::Destination::Exchange(_) => "exchange",
            };
            Some(Found {
                vhost: vhost.name.clone(),
                source: source.spec.name.clone(),
                destination,
                kind,
                key: binding.key.clone(),
                arguments: binding.arguments.clone(),
            })
        })
    });
    implied.chain(made).collect()
}

pub(super) fn bindings(_: &Shard, wanted: &List, found: &[Found]) -> Vec<Row> {
    found.iter().map(|binding| row(BINDING, wanted, binding)).collect()
}

/// A binding, and the names of its ends.
pub(super) struct Found {
    vhost: Rc<str>,
    source: Rc<str>,
    destination: Rc<str>,
    kind: &'static str,
    key: Rc<[u8]>,
    arguments: Table,
}

pub(super) const BINDING: &[Column<Found>] = &[
    ("vhost", |b| json!(*b.vhost)),
    ("source_name", |b| json!(*b.source)),
    ("source_kind", |_| json!("exchange")),
    ("destination_name", |b| json!(*b.destination)),
    ("destination_kind", |b| json!(b.kind)),
    ("routing_key", |b| json!(String::from_utf8_lossy(&b.key))),
    ("arguments", |b| table(&b.arguments)),
];
