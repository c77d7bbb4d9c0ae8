//! Hash tables over HTTP.

use super::*;
use crate::desk::Value as Held;

fn cells() -> Vec<Cell> {
    vec![
        Cell { key: "a/b c".into(), value: Held::Text("1".into()), expires_in_ms: Some(60_000) },
        Cell { key: "n".into(), value: Held::Int(-42), expires_in_ms: None },
    ]
}

#[tokio::test]
async fn tables_and_cells_are_read() {
    let world = World::new();
    assert_eq!(world.get("/api/dmq/htable").await.good(), json!({ "tables": [] }));
    world.script().cells = Some(cells());
    let names = json!({ "tables": [{ "name": "shared", "cells": 2 }] });
    assert_eq!(world.get("/api/dmq/htable").await.good(), names);
    let first = json!({ "key": "a/b c", "value": "1", "expires_in_ms": 60000 });
    let second = json!({ "key": "n", "value": -42, "expires_in_ms": null });
    let dump = json!({ "name": "shared", "cells": [&first, &second] });
    assert_eq!(world.get("/api/dmq/htable/shared").await.good(), dump);
    assert_eq!(world.get("/api/dmq/htable/shared/a%2Fb%20c").await.good(), first);
    assert_eq!(world.get("/api/dmq/htable/shared/n").await.good(), second);
    assert_eq!(world.asked(), ["shared", "shared a/b c", "shared n"]);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let world = World::new();
    let table = "there is no table \"x\"; /api/dmq/htable lists all";
    assert_eq!(world.get("/api/dmq/htable/x").await.refused(), (404, table.into()));
    let cell = "there is no cell \"k\" in \"x\"; /api/dmq/htable/TABLE lists all";
    assert_eq!(world.get("/api/dmq/htable/x/k").await.refused(), (404, cell.into()));
    world.script().deleted = Ok(None);
    let reply = world.ask("DELETE", "/api/dmq/htable/x/k", "").await;
    assert_eq!(reply.refused(), (404, cell.into()));
}

#[tokio::test]
async fn cells_are_set_and_deleted_everywhere() {
    let world = World::new();
    for (body, value, expire_s) in [
        (r#"{"value":"text"}"#, "Text(\"text\")", "None"),
        (r#"{"value":"42"}"#, "Text(\"42\")", "None"),
        (r#"{"value":-42,"expire_s":60}"#, "Int(-42)", "Some(60)"),
        (r#"{"value":9223372036854775807,"expire_s":null}"#, "Int(9223372036854775807)", "None"),
    ] {
        let reply = world.ask("PUT", "/api/dmq/htable/shared/sync", body).await;
        assert_eq!(reply.good(), told(), "{body}");
        let asked = format!(
            "TableSet {{ table: \"shared\", key: \"sync\", value: {value}, expire_s: {expire_s} }}"
        );
        assert_eq!(world.asked(), [asked], "{body}");
    }
    let reply = world.ask("DELETE", "/api/dmq/htable/shared/a%2Fb", "").await;
    assert_eq!(reply.good(), told());
    assert_eq!(world.asked(), ["shared a/b"]);
}

#[tokio::test]
async fn tables_are_fetched_from_a_node() {
    let world = World::new();
    assert_eq!(world.post("/api/dmq/htable/sync", "").await.good(), told());
    let reply = world.post("/api/dmq/htable/sync?node=sip:10.0.0.1", "").await;
    assert_eq!(reply.good(), told());
    let node = format!("Some({:?})", uri("sip:10.0.0.1:5060"));
    assert_eq!(world.asked(), ["None".to_owned(), node]);
    world.script().sent = Err(SendError::UnknownNode(uri("sip:10.0.0.9:5060")));
    let refused = world.post("/api/dmq/htable/sync?node=sip:10.0.0.9", "").await.refused();
    let error = "sip:10.0.0.9:5060 is not on the list of nodes; see list-nodes";
    assert_eq!(refused, (404, error.into()));
}

#[tokio::test]
async fn what_a_table_refuses_has_a_status() {
    let world = World::new();
    for (error, status) in [
        (TableError::NoTable("x".into()), 404),
        (TableError::BadName("\u{1}".into()), 400),
        (TableError::Full { bytes_max: 64 }, 507),
        (TableError::TooLarge { bytes: 70_000 }, 413),
    ] {
        let expected = (status, error.to_string());
        world.script().set = Err(error.clone());
        world.script().deleted = Err(error);
        let put = world.ask("PUT", "/api/dmq/htable/x/k", r#"{"value":1}"#).await;
        assert_eq!(put.refused(), expected);
        assert_eq!(world.ask("DELETE", "/api/dmq/htable/x/k", "").await.refused(), expected);
    }
}
