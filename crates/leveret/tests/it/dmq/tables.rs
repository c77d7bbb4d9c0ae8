//! Kamailio's hash tables, kept in sync with a scripted node and seen over HTTP.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::node::{Manner, Node};
use super::packet::{Over, Packet};
use super::process::{Dmq, outcomes, within};
use crate::server::DEADLINE;

fn tables(packet: &Packet) -> bool {
    packet.asks("htable")
}

fn holds(text: &'static str) -> impl Fn(&Packet) -> bool {
    move |packet| tables(packet) && packet.text().contains(text)
}

/// A node of ours beside one that has been asked for its tables.
fn beside(other: &Node) -> Dmq {
    let ours = Dmq::beside(&[other]).start();
    let wish = other.first("the wish for tables", tables);
    assert_eq!(wish.text(), r#"{"action":1}"#);
    assert_eq!(wish.header("Content-Type"), "application/json");
    other.forget();
    ours
}

fn cell(ours: &Dmq, table: &str, key: &str) -> Option<Value> {
    let (status, said) = ours.http("GET", &format!("/api/dmq/htable/{table}/{key}"), "");
    assert!(status == 200 || status == 404, "{status} {said}");
    (status == 200).then(|| serde_json::from_str(&said).unwrap())
}

fn value(ours: &Dmq, table: &str, key: &str) -> Value {
    cell(ours, table, key).map_or(Value::Null, |mut cell| cell["value"].take())
}

#[test]
fn what_another_node_changes_is_seen() {
    let other = Node::start();
    let ours = beside(&other);
    let send = |body: &str| other.request(ours.ip(), "htable", body).ask().code();
    assert_eq!(
        send(r#"{"action":2,"htname":"t","cname":"text","type":2,"strval":"one","mode":1}"#),
        200
    );
    assert_eq!(
        send(r#"{"action":2,"htname":"t","cname":"number","type":0,"intval":42,"mode":1}"#),
        200
    );
    // Kamailio writes a slash and letters beyond ASCII as they are.
    let odd = r#"{"action":2,"htname":"t","cname":"odd","type":2,"strval":"with \"quotes\" \\ / and é","mode":1}"#;
    assert_eq!(send(odd), 200);
    assert_eq!(value(&ours, "t", "text"), "one");
    assert_eq!(value(&ours, "t", "number"), 42);
    assert_eq!(value(&ours, "t", "odd"), "with \"quotes\" \\ / and é");
    assert_eq!(cell(&ours, "t", "text").unwrap()["expires_in_ms"], Value::Null);

    assert_eq!(
        send(r#"{"action":3,"htname":"t","cname":"text","type":0,"intval":60,"mode":0}"#),
        200
    );
    let left = cell(&ours, "t", "text").unwrap()["expires_in_ms"].as_u64().unwrap();
    assert!((50_000..=60_000).contains(&left), "{left}");
    assert_eq!(
        send(r#"{"action":3,"htname":"t","cname":"number","type":0,"intval":1,"mode":0}"#),
        200
    );
    within(DEADLINE, "it expires", || cell(&ours, "t", "number").is_none());
    assert_eq!(send(r#"{"action":4,"htname":"t","cname":"odd","mode":0}"#), 200);
    assert!(cell(&ours, "t", "odd").is_none());

    // By the start of keys, and by a regular expression.
    for key in ["a1", "a2", "b1", "b2"] {
        let set = format!(
            r#"{{"action":2,"htname":"t","cname":"{key}","type":2,"strval":"x","mode":1}}"#
        );
        assert_eq!(send(&set), 200);
    }
    assert_eq!(send(r#"{"action":6,"htname":"t","cname":"","type":2,"strval":"a","mode":0}"#), 200);
    assert_eq!(
        send(r#"{"action":5,"htname":"t","cname":"","type":2,"strval":"^b.$","mode":0}"#),
        200
    );
    let dump = ours.api("GET", "/api/dmq/htable/t", &Value::Null);
    let keys: Vec<&str> = dump["cells"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cell| cell["key"].as_str().unwrap())
        .collect();
    assert_eq!(keys, ["text"], "{dump}");
    // Newer nodes say more, which is no mistake.
    let newer = r#"{"action":2,"htname":"t","cname":"new","type":2,"strval":"x","mode":1,"last_modified":1}"#;
    assert_eq!(send(newer), 200);
    for bad in ["", "x", "{", r#"{"action":99}"#, r#"{"action":2,"htname":"t"}"#, r#"{"cells":7}"#]
    {
        assert_eq!(send(bad), 400, "{bad}");
    }
}

#[test]
fn what_is_changed_here_is_sent_in_order() {
    let other = Node::start();
    let ours = beside(&other);
    ours.expect_active(&[&other]);
    let put = |key: &str, body: Value| {
        let path = format!("/api/dmq/htable/shared/{key}");
        outcomes(&ours.api("PUT", &path, &body))[&other.uri()]["outcome"].clone()
    };
    assert_eq!(put("key", json!({ "value": "a \"text\" é" })), "taken");
    assert_eq!(put("number", json!({ "value": -7 })), "taken");
    assert_eq!(put("short", json!({ "value": "x", "expire_s": 60 })), "taken");
    let deleted = ours.api("DELETE", "/api/dmq/htable/shared/key", &Value::Null);
    assert_eq!(outcomes(&deleted)[&other.uri()]["outcome"], "taken");
    let sent: Vec<Value> = other
        .all(tables)
        .iter()
        .map(|packet| serde_json::from_slice(packet.body()).unwrap())
        .collect();
    assert_eq!(
        sent,
        [
            json!({"action": 2, "htname": "shared", "cname": "key", "type": 2, "strval": "a \"text\" é", "mode": 1}),
            json!({"action": 2, "htname": "shared", "cname": "number", "type": 0, "intval": -7, "mode": 1}),
            json!({"action": 2, "htname": "shared", "cname": "short", "type": 2, "strval": "x", "mode": 1}),
            json!({"action": 3, "htname": "shared", "cname": "short", "type": 0, "intval": 60, "mode": 0}),
            json!({"action": 4, "htname": "shared", "cname": "key", "mode": 0}),
        ]
    );
    assert_eq!(ours.http("DELETE", "/api/dmq/htable/shared/key", "").0, 404);
}

#[test]
fn one_cell_changes_in_order_whatever_is_lost() {
    let other = Node::start();
    let ours = beside(&other);
    ours.expect_active(&[&other]);
    // Every message has to be sent twice.
    other.behave_for("htable", Manner::AtCopy(2));
    let body = json!({ "value": "x", "expire_s": 60 });
    ours.api("PUT", "/api/dmq/htable/shared/key", &body);
    let mut actions: Vec<Value> = other
        .all(tables)
        .iter()
        .map(|packet| serde_json::from_slice::<Value>(packet.body()).unwrap()["action"].clone())
        .collect();
    actions.dedup();
    assert_eq!(actions, [2, 3], "the expiry before its cell");
}

/// Enough for several messages, whatever they go by.
const CELLS: usize = 2000;

fn who_asks_gets_all_cells_in_messages_that_fit(over: Over) {
    let [other, asker] = [Node::over(over), Node::over(over)];
    let ours = Dmq::beside(&[&other, &asker]).start();
    // Whoever is alone when it is joined gets all cells, of which there are none yet.
    for node in [&other, &asker] {
        node.first("a join", |packet| packet.notifies("2"));
    }
    asker.forget();
    assert_eq!(asker.request(ours.ip(), "htable", r#"{"action":1}"#).ask().code(), 200);
    let empty = asker.first("an empty answer", holds("cells"));
    assert_eq!(empty.text(), r#"{"cells":[]}"#);
    // Of all sizes, so that some parts are as full as they can be; and one that fits in no part.
    let text = |n: usize| "é\"\\".repeat(if n == 7 { 5000 } else { n % 5 });
    for start in (0..CELLS).step_by(250) {
        let cell = |n| json!({"htname": "t", "cname": format!("key{n}"), "type": 2, "strval": text(n), "expire": 0});
        let cells: Vec<Value> = (start..start + 250).map(cell).collect();
        let body = json!({ "cells": cells }).to_string();
        assert_eq!(other.request(ours.ip(), "htable", body).ask().code(), 200);
    }
    asker.forget();
    other.forget();
    assert_eq!(asker.request(ours.ip(), "htable", r#"{"action":1}"#).ask().code(), 200);
    let cells = || -> Vec<Value> {
        let bodies = asker.all(holds("cells"));
        let cells = |packet: &Packet| -> Vec<Value> {
            let body: Value = serde_json::from_slice(packet.body()).unwrap();
            body["cells"].as_array().unwrap().clone()
        };
        bodies.iter().flat_map(cells).collect()
    };
    within(DEADLINE, "all cells", || cells().len() >= CELLS);
    let values: BTreeMap<String, Value> = cells()
        .into_iter()
        .inspect(|cell| assert_eq!(cell["expire"], 0))
        .map(|mut cell| (cell["cname"].as_str().unwrap().to_owned(), cell["strval"].take()))
        .collect();
    assert_eq!(values.len(), CELLS);
    assert!((0..CELLS).all(|n| values[&format!("key{n}")] == text(n)));
    assert!(asker.all(holds("cells")).len() > 1);
    assert!(other.all(holds("cells")).is_empty(), "only who asked gets them");
}

#[test]
fn who_asks_gets_all_cells_in_messages_that_fit_by_udp() {
    who_asks_gets_all_cells_in_messages_that_fit(Over::Udp);
}

#[test]
fn who_asks_gets_all_cells_in_messages_that_fit_by_tcp() {
    who_asks_gets_all_cells_in_messages_that_fit(Over::Tcp);
}

#[test]
fn cells_of_another_node_are_taken_over() {
    let other = Node::start();
    let ours = beside(&other);
    let now_s = crate::server::now_ms() / 1000;
    let cells = json!({"cells": [
        {"htname": "a", "cname": "k1", "type": 2, "strval": "v1", "expire": 0},
        {"htname": "b", "cname": "k2", "type": 0, "intval": 5, "expire": now_s + 100},
    ]});
    assert_eq!(other.request(ours.ip(), "htable", cells.to_string()).ask().code(), 200);
    assert_eq!(value(&ours, "a", "k1"), "v1");
    assert_eq!(value(&ours, "b", "k2"), 5);
    let left = cell(&ours, "b", "k2").unwrap()["expires_in_ms"].as_u64().unwrap();
    assert!((90_000..=100_000).contains(&left), "{left}");
    let names = ours.api("GET", "/api/dmq/htable", &Value::Null);
    assert_eq!(names["tables"], json!([{"name": "a", "cells": 1}, {"name": "b", "cells": 1}]));
}

#[test]
fn tables_are_bounded() {
    let other = Node::start();
    let ours = Dmq::beside(&[&other])
        .set("htable", "[\"known\"]")
        .set("htable_bytes_max", "\"100KiB\"")
        .start();
    let send = |table: &str, key: &str| {
        let set = json!({"action": 2, "htname": table, "cname": key, "type": 2, "strval": "x".repeat(30_000), "mode": 1});
        other.request(ours.ip(), "htable", set.to_string()).ask().code()
    };
    assert_eq!(send("unknown", "k"), 500);
    let codes: Vec<u16> = (0..6).map(|n| send("known", &n.to_string())).collect();
    assert_eq!(codes[0], 200);
    assert_eq!(codes[5], 500);
    assert_eq!(ours.http("PUT", "/api/dmq/htable/unknown/k", r#"{"value":"x"}"#).0, 404);
    assert_eq!(ours.broadcast("chat", "still here")[&other.uri()]["outcome"], "taken");
}

#[test]
fn without_tables_there_is_no_such_peer() {
    let other = Node::start();
    let ours = Dmq::beside(&[&other]).set("htable", "[]").start();
    ours.expect_active(&[&other]);
    assert_eq!(other.request(ours.ip(), "htable", r#"{"action":1}"#).ask().code(), 404);
    ours.send("chat", &other, "the last");
    assert!(other.all(tables).is_empty());
}
