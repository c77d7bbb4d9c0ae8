//! Rows of connections and channels.

use control::reply::Row;
use control::request::List;
use serde_json::{Value, json};

use super::super::node::{channel_pid, connection_pid};
use super::rows::{Column, row, table};
use crate::amqp::channel::{Channel, Mode};
use crate::amqp::connections::Connection;
use crate::shard::Shard;

/// Places in the table, with what tells whether the connection there is still the same.
pub(super) fn ids(shard: &Shard) -> Vec<(usize, u64)> {
    let table = shard.connections.table.iter();
    table.map(|(place, connection)| (place, connection.id)).collect()
}

fn connections<'a>(
    shard: &'a Shard,
    ids: &'a [(usize, u64)],
) -> impl Iterator<Item = &'a Connection> {
    ids.iter().filter_map(|(place, id)| {
        shard.connections.table.get(*place).filter(|connection| connection.id == *id)
    })
}

pub(super) fn rows(shard: &Shard, wanted: &List, ids: &[(usize, u64)]) -> Vec<Row> {
    connections(shard, ids).map(|connection| row(CONNECTION, wanted, connection)).collect()
}

pub(super) const CONNECTION: &[Column<Connection>] = &[
    ("pid", |c| json!(connection_pid(c.id))),
    ("name", |c| json!(*c.facts.name)),
    ("port", |c| json!(c.facts.own.port())),
    ("host", |c| json!(c.facts.own.ip().to_canonical().to_string())),
    ("peer_port", |c| json!(c.facts.peer.port())),
    ("peer_host", |c| json!(c.facts.peer.ip().to_canonical().to_string())),
    ("ssl", |c| json!(c.facts.tls.is_some())),
    ("ssl_protocol", |c| json!(c.facts.tls.as_ref().map_or("", |tls| &*tls.protocol))),
    ("ssl_cipher", |c| json!(c.facts.tls.as_ref().map_or("", |tls| &*tls.cipher))),
    ("peer_cert_subject", |c| json!(c.certificate_name.as_deref().unwrap_or_default())),
    ("state", |c| json!(c.state())),
    ("channels", |c| json!(c.channels.len())),
    ("protocol", |_| json!("{0,9,1}")),
    ("auth_mechanism", |c| json!(*c.facts.mechanism)),
    ("user", |c| json!(c.session.as_ref().map_or("", |session| &*session.user))),
    ("vhost", |c| json!(c.session.as_ref().map_or("", |session| &*session.vhost))),
    ("timeout", |c| json!(c.heartbeat_s)),
    ("frame_max", |c| json!(c.frame_max)),
    ("channel_max", |c| json!(c.channel_max)),
    ("client_properties", |c| table(&c.facts.client_properties)),
    ("connected_at", |c| json!(c.facts.connected_at)),
    ("recv_oct", |c| json!(c.bytes_read)),
    ("send_oct", |c| json!(c.bytes_written)),
    ("send_pend", |c| json!(c.out.len())),
];

/// The open channels of connections.
pub(super) fn channels(shard: &Shard, wanted: &List, ids: &[(usize, u64)]) -> Vec<Row> {
    let mut rows = Vec::new();
    for connection in connections(shard, ids) {
        let mut open: Vec<_> = connection
            .channels
            .iter()
            .filter(|(_, channel)| channel.mode == Mode::Open)
            .map(|(number, channel)| ChannelRow { connection, number: *number, channel })
            .collect();
        open.sort_unstable_by_key(|row| row.number);
        rows.extend(open.iter().map(|channel| row(CHANNEL, wanted, channel)));
    }
    rows
}

pub(super) struct ChannelRow<'a> {
    connection: &'a Connection,
    number: u16,
    channel: &'a Channel,
}

/// A column of whatever channel.
pub(super) type ChannelColumn = (&'static str, for<'a> fn(&ChannelRow<'a>) -> Value);

pub(super) const CHANNEL: &[ChannelColumn] = &[
    ("pid", |c| json!(channel_pid(c.connection.id, c.number))),
    ("connection", |c| json!(connection_pid(c.connection.id))),
    ("name", |c| json!(format!("{} ({})", c.connection.facts.name, c.number))),
    ("number", |c| json!(c.number)),
    ("user", |c| json!(c.connection.session.as_ref().map_or("", |session| &*session.user))),
    ("vhost", |c| json!(c.connection.session.as_ref().map_or("", |session| &*session.vhost))),
    ("transactional", |c| json!(c.channel.transaction.is_some())),
    ("confirm", |c| json!(c.channel.confirms.is_some())),
    ("consumer_count", |c| json!(c.channel.consumers.len())),
    ("messages_unacknowledged", |c| json!(c.channel.messages_unacknowledged())),
    ("messages_unconfirmed", |c| json!(c.channel.messages_unconfirmed())),
    ("messages_uncommitted", |c| json!(c.channel.messages_uncommitted())),
    ("acks_uncommitted", |c| json!(c.channel.acks_uncommitted())),
    ("prefetch_count", |c| json!(c.channel.prefetch)),
    ("global_prefetch_count", |c| json!(c.channel.prefetch_global)),
];
