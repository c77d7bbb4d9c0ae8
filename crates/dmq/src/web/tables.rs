//! Kamailio's hash tables over HTTP: read here, changed here and on all nodes.

use std::num::NonZeroU32;

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use service::http::refusal::Refusal;

use super::request::{self, Body, Query};
use super::{Answer, from_nodes, json as view, ok, soon};
use crate::desk::{Node, TableError, TableOrder, TableSet, Value};

/// `GET /api/dmq/htable`
pub(super) async fn names(State(node): State<Node>) -> Answer {
    let names = soon(node.tables(TableOrder::Names)).await?;
    let tables = names.iter().map(|(name, cells)| json!({ "name": name, "cells": cells }));
    ok(json!({ "tables": tables.collect::<Json>() }))
}

/// `GET /api/dmq/htable/TABLE`
pub(super) async fn dump(State(node): State<Node>, Path(table): Path<String>) -> Answer {
    let Some(cells) = soon(node.tables(|to| TableOrder::Dump(table.clone(), to))).await? else {
        let error = format!("there is no table {table:?}; /api/dmq/htable lists all");
        return Err(Refusal::not_found(error));
    };
    ok(json!({ "name": table, "cells": cells.iter().map(view::cell).collect::<Json>() }))
}

type Place = Path<(String, String)>;

/// `GET /api/dmq/htable/TABLE/KEY`
pub(super) async fn get(State(node): State<Node>, Path((table, key)): Place) -> Answer {
    let cell = soon(node.tables(|to| TableOrder::Get(table.clone(), key.clone(), to))).await?;
    let cell = cell.ok_or_else(|| no_cell(&table, &key))?;
    ok(view::cell(&cell))
}

fn no_cell(table: &str, key: &str) -> Refusal {
    let error = format!("there is no cell {key:?} in {table:?}; /api/dmq/htable/TABLE lists all");
    Refusal::not_found(error)
}

/// A cell's new value. Kamailio's htable knows texts and whole numbers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCell {
    value: Json,
    expire_s: Option<NonZeroU32>,
}

/// `PUT /api/dmq/htable/TABLE/KEY` with `{"value": …, "expire_s": n}`
pub(super) async fn set(State(node): State<Node>, Path((table, key)): Place, body: Body) -> Answer {
    let cell: NewCell = request::json(body, r#"{"value": "text", "expire_s": 60}"#)?;
    let value = match cell.value {
        Json::String(text) => Value::Text(text),
        other => Value::Int(other.as_i64().ok_or_else(|| {
            Refusal::bad(format!(
                "value: expected a text or a whole number of 64 bits, got {other}"
            ))
        })?),
    };
    let expire_s = cell.expire_s.map(NonZeroU32::get);
    let set = TableSet { table, key, value, expire_s };
    let delivered = from_nodes(node.tables(|to| TableOrder::Set(set, to))).await??;
    ok(view::outcomes(&delivered))
}

/// `DELETE /api/dmq/htable/TABLE/KEY`
pub(super) async fn delete(State(node): State<Node>, Path((table, key)): Place) -> Answer {
    let order = |to| TableOrder::Delete(table.clone(), key.clone(), to);
    let delivered = from_nodes(node.tables(order)).await??;
    ok(view::outcomes(&delivered.ok_or_else(|| no_cell(&table, &key))?))
}

/// `POST /api/dmq/htable/sync?node=URI`
pub(super) async fn sync(State(node): State<Node>, RawQuery(query): RawQuery) -> Answer {
    let query = Query::parse(query, &["node"])?;
    let from = query.get("node").map(|text| request::node("node", text)).transpose()?;
    let delivered = from_nodes(node.tables(|to| TableOrder::Sync(from, to))).await??;
    ok(view::outcomes(&delivered))
}

impl From<TableError> for Refusal {
    fn from(error: TableError) -> Refusal {
        let status = match error {
            TableError::NoTable(_) => StatusCode::NOT_FOUND,
            TableError::BadName(_) | TableError::BadValue => StatusCode::BAD_REQUEST,
            TableError::Full { .. } => StatusCode::INSUFFICIENT_STORAGE,
            TableError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        };
        Refusal::new(status, error.to_string())
    }
}
