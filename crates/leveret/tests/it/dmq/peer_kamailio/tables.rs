//! Kamailio's own hash tables: changed on either side, and taken over by who comes late.

use std::fmt::Display;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::address;
use super::super::kamailio::Kamailio;
use super::super::packet::Over;
use super::super::process::{Dmq, outcomes, within};
use super::bus;
use crate::server::DEADLINE;

fn put(ours: &Dmq, key: &str, body: Value) {
    let answer = ours.api("PUT", &format!("/api/dmq/htable/shared/{key}"), &body);
    for (node, outcome) in outcomes(&answer) {
        assert_eq!(outcome["code"], 200, "{node}: {answer}");
    }
}

/// A cell of ours has this value, or gets it; null when there is none.
#[track_caller]
fn expect_ours(ours: &Dmq, key: &str, value: Value) {
    within(DEADLINE, &format!("{key} is {value} in ours"), || {
        let (status, said) = ours.http("GET", &format!("/api/dmq/htable/shared/{key}"), "");
        let cell: Value = serde_json::from_str(&said).unwrap();
        if status == 404 { value.is_null() } else { cell["value"] == value }
    });
}

fn cells_go_both_ways(over: Over) {
    let ([a, b], ours) = bus(over);
    a.set("text", "a value");
    b.rpc(&["htable.seti", "shared", "number", "42"]);
    expect_ours(&ours, "text", json!("a value"));
    expect_ours(&ours, "number", json!(42));
    put(&ours, "ours", json!({ "value": "it's \"quoted\" \\ / and é" }));
    put(&ours, "seven", json!({ "value": -7 }));
    for kamailio in [&a, &b] {
        kamailio.expect_cell("ours", Some("it's \"quoted\" \\ / and é"));
        kamailio.expect_cell("seven", Some("-7"));
    }
    a.rpc(&["htable.delete", "shared", "number"]);
    expect_ours(&ours, "number", Value::Null);
    ours.api("DELETE", "/api/dmq/htable/shared/text", &Value::Null);
    for kamailio in [&a, &b] {
        kamailio.expect_cell("text", None);
    }

    // What expires does so everywhere.
    a.rpc(&["htable.setxs", "shared", "theirs", "short", "2"]);
    expect_ours(&ours, "theirs", json!("short"));
    put(&ours, "short", json!({ "value": "ours", "expire_s": 2 }));
    let from = Instant::now();
    for kamailio in [&a, &b] {
        kamailio.expect_cell("short", Some("ours"));
    }
    expect_ours(&ours, "theirs", Value::Null);
    // Not asked of b: between two Kamailio nodes the expiry may overtake the cell.
    a.expect_cell("theirs", None);
    for kamailio in [&a, &b] {
        kamailio.expect_cell("short", None);
    }
    expect_ours(&ours, "short", Value::Null);
    assert!(from.elapsed() >= Duration::from_millis(1500), "{:?}", from.elapsed());
    for kamailio in [&a, &b] {
        kamailio.expect_cell("ours", Some("it's \"quoted\" \\ / and é"));
    }
}

#[test]
fn cells_go_both_ways_by_udp() {
    cells_go_both_ways(Over::Udp);
}

#[test]
fn cells_go_both_ways_by_tcp() {
    cells_go_both_ways(Over::Tcp);
}

/// With their values enough for several messages, whatever they go by.
const CELLS: usize = 150;

fn value(number: impl Display) -> String {
    format!("value {number} {}", "x".repeat(250))
}

/// Ours has all cells, or gets them.
#[track_caller]
fn expect_all(ours: &Dmq) {
    within(DEADLINE, "all cells", || {
        let (_, said) = ours.http("GET", "/api/dmq/htable/shared", "");
        let dump: Value = serde_json::from_str(&said).unwrap();
        let cells = dump["cells"].as_array().map_or(&[][..], Vec::as_slice);
        let is_cell = |cell: &&Value| {
            let number = cell["key"].as_str().and_then(|key| key.strip_prefix("key"));
            number.is_some_and(|number| cell["value"] == value(number))
        };
        cells.iter().filter(is_cell).count() == CELLS
    });
}

#[test]
fn one_of_ours_that_comes_late_gets_what_is_there() {
    let (pair, mut ours) = bus(Over::Udp);
    for n in 0..CELLS {
        pair[0].set(&format!("key{n}"), &value(n));
    }
    expect_all(&ours);
    ours.kill9();
    ours.launch();
    expect_all(&ours);
    let mut late = Dmq::beside(&[&pair[1]]).start();
    expect_all(&late);
    late.stop();
}

fn a_kamailio_that_comes_late_gets_what_is_there(over: Over) {
    let ours = Dmq::alone(over).start();
    for n in 0..CELLS {
        put(&ours, &format!("key{n}"), json!({ "value": value(n) }));
    }
    put(&ours, "number", json!({ "value": 7 }));
    put(&ours, "short", json!({ "value": "lived", "expire_s": 3 }));
    // It knows nobody but ours; the one modparam of the guide.
    let mut kamailio = Kamailio::at(address::take(), over, Some(&ours.uri()));
    for _ in 0..2 {
        kamailio.launch();
        ours.expect_active(&[&kamailio]);
        for n in [0, CELLS / 2, CELLS - 1] {
            kamailio.expect_cell(&format!("key{n}"), Some(&value(n)));
        }
        kamailio.expect_cell("number", Some("7"));
        kamailio.kill9();
    }
    kamailio.launch();
    kamailio.expect_cell("number", Some("7"));
    expect_ours(&ours, "short", Value::Null);
    kamailio.expect_cell("short", None);
}

#[test]
fn a_kamailio_that_comes_late_gets_what_is_there_by_udp() {
    a_kamailio_that_comes_late_gets_what_is_there(Over::Udp);
}

#[test]
fn a_kamailio_that_comes_late_gets_what_is_there_by_tcp() {
    a_kamailio_that_comes_late_gets_what_is_there(Over::Tcp);
}
