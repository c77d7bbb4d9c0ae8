//! What the API answers when all is well, and the two ways to ask for health.

use super::*;

#[tokio::test]
async fn nodes_are_listed_as_kamcmd_lists_them_and_with_what_only_we_know() {
    let world = World::new();
    let expected = json!([
        {
            "host": "10.0.0.3", "port": 5060, "proto": "udp", "resolved_ip": "10.0.0.3",
            "status": "active", "last_notification": 0, "local": 1, "fail_count": 0,
            "uri": "sip:10.0.0.3:5060", "last_seen_ms": null, "round_trip_us": null,
            "queued": 0, "in_flight": 0, "agent": "", "configured": false,
        },
        {
            "host": "10.0.0.1", "port": 5060, "proto": "udp", "resolved_ip": "10.0.0.1",
            "status": "active", "last_notification": 1_795_338_485, "local": 0, "fail_count": 0,
            "uri": "sip:10.0.0.1:5060", "last_seen_ms": NOW_MS - 2_000, "round_trip_us": 412,
            "queued": 3, "in_flight": 1, "agent": "kamailio (5.6.3 (x86_64/linux))",
            "configured": false,
        },
        {
            "host": "kam-b.example", "port": 5061, "proto": "tls", "resolved_ip": null,
            "status": "disabled", "last_notification": 1_795_338_485, "local": 0, "fail_count": 2,
            "uri": "sip:kam-b.example:5061;transport=tls", "last_seen_ms": NOW_MS - 2_000,
            "round_trip_us": null, "queued": 3, "in_flight": 1,
            "agent": "kamailio (5.6.3 (x86_64/linux))", "configured": true,
        },
    ]);
    assert_eq!(world.get("/api/dmq/nodes").await.good(), expected);
    let status = world.get("/api/dmq/status").await.good();
    assert_eq!(status["nodes"], expected);
}

#[tokio::test]
async fn the_status_has_everything_that_is_known() {
    let world = World::new();
    let mut status = world.get("/api/dmq/status").await.good();
    status.as_object_mut().unwrap().remove("nodes");
    let expected = json!({
        "version": env!("CARGO_PKG_VERSION"), "uri": "sip:10.0.0.3:5060", "ready": true,
        "state": "works: 1 of 2 other nodes active", "draining": false,
        "notified": ["sip:kam-b.example;transport=tls"], "peers": ["events", "htable"], "htable": { "tables": 1, "cells": 2, "bytes": 2048 },
        "bridge": {
            "broker": "amqp://hare@rabbit:5672/", "connected": true, "down": null, "waiting": 4,
            "sending": 5,
        },
        "events": [{
            "at": "2026-11-22T09:07:06.006Z", "at_ms": NOW_MS - 61_000,
            "node": "sip:10.0.0.1:5060", "what": "up",
        }],
        "counters": {
            "requests": 1234, "retransmitted_to_us": 0, "delivered": 0, "missed": 0, "sent": 0,
            "retransmitted": 0, "timeouts": 0, "full": 0, "unsent": 0, "malformed": 0,
            "forbidden": 0, "unknown_peer": 0, "refused": 0, "bad_lines": 0, "connections": 0,
            "bridged_in": 0, "bridged_out": 0, "unbridged": 0,
            "answers": { "2xx": 9, "4xx": 8, "5xx": 7, "other": 6 },
        },
        "started": "2026-11-22T07:03:07.006Z", "started_ms": NOW_MS - 7_500_000,
        "now": "2026-11-22T09:08:07.006Z", "now_ms": NOW_MS,
    });
    assert_eq!(status, expected);
    world.script().status.bridge = None;
    assert_eq!(world.get("/api/dmq/status").await.good()["bridge"], Value::Null);
}

/// A message as the event loop is asked to send it.
fn outgoing(to: &str, content_type: &str, body: &[u8]) -> String {
    format!(
        "Outgoing {{ peer: \"events\", to: {to}, content_type: {content_type:?}, body: {body:?}, \
         lane: 0 }}"
    )
}

#[tokio::test]
async fn messages_go_to_all_nodes_or_to_one_and_every_outcome_is_told() {
    let world = World::new();
    let one = format!("One({:?})", uri("sip:10.0.0.1:5061;transport=tls"));
    for (path, body, expected) in [
        ("bcast", r#"{"peer":"events","body":"hi"}"#, outgoing("All", "text/plain", b"hi")),
        (
            "bcast",
            r#"{"peer":"events","body":"{}","content_type":"application/json"}"#,
            outgoing("All", "application/json", b"{}"),
        ),
        ("bcast", r#"{"peer":"events","body":"","content_type":""}"#, outgoing("All", "", b"")),
        (
            "bcast",
            r#"{"peer":"events","body_base64":"/wA="}"#,
            outgoing("All", "application/octet-stream", &[255, 0]),
        ),
        (
            "send",
            r#"{"peer":"events","node":"sip:10.0.0.1;transport=tls","body":"hi"}"#,
            outgoing(&one, "text/plain", b"hi"),
        ),
    ] {
        let reply = world.post(&format!("/api/dmq/{path}"), body).await;
        assert_eq!(reply.good(), told(), "{body}");
        assert_eq!(world.asked(), [expected], "{body}");
    }
    world.script().sent = Ok(Vec::new());
    let reply = world.post("/api/dmq/bcast", r#"{"peer":"events","body":"hi"}"#).await;
    assert_eq!(reply.good(), json!({ "outcomes": [], "taken": 0 }));
}

#[tokio::test]
async fn a_message_of_64_kib_fits_in_every_spelling() {
    let world = World::new();
    let escaped = "\\u0001".repeat(64 << 10);
    let reply =
        world.post("/api/dmq/bcast", format!(r#"{{"peer":"events","body":"{escaped}"}}"#)).await;
    assert_eq!(reply.good()["taken"], 1);
}

#[tokio::test]
async fn a_request_is_replicated_as_it_is() {
    let world = World::new();
    let body: &[u8] = b"REGISTER sip:x SIP/2.0\r\n\xff";
    for (query, source, skip) in [
        ("", "None", false),
        ("?source=10.0.0.9&skip_loop_test=1", "Some(10.0.0.9)", true),
        ("?source=2001:db8::1&skip_loop_test=0", "Some(2001:db8::1)", false),
    ] {
        let reply = world.post(&format!("/api/dmq/replicate{query}"), body).await;
        assert_eq!(reply.good(), told(), "{query}");
        let asked = format!(
            "Replication {{ request: {body:?}, source: {source}, skip_loop_test: {skip} }}"
        );
        assert_eq!(world.asked(), [asked], "{query}");
    }
    world.script().replicated = Err(ReplicateError::Loop("10.0.0.1".parse().unwrap()));
    let (status, error) = world.post("/api/dmq/replicate?source=10.0.0.1", body).await.refused();
    assert_eq!(status, 409);
    assert!(error.ends_with("is not replicated again; skip_loop_test=1 leaves the test out"));
    world.script().replicated = Err(ReplicateError::Bad("no Via".into()));
    let refused = world.post("/api/dmq/replicate", body).await.refused();
    assert_eq!(refused, (400, "not a SIP request that can be replicated: no Via".into()));
}

#[tokio::test]
async fn a_request_is_handled_and_its_reply_told() {
    let world = World::new();
    let reply = world.post("/api/dmq/handle?source=10.0.0.1:5060&continue=1", "KDMQ").await;
    let expected = json!({ "code": 202, "reason": "Accepted DMQ", "body": "", "continue": true });
    assert_eq!(reply.good(), expected);
    assert_eq!(world.asked(), ["Handed { request: [75, 68, 77, 81], source: 10.0.0.1:5060 }"]);
    world.script().handled.body = b"sip:10.0.0.3:5060;status=active\r\n".into();
    let reply = world.post("/api/dmq/handle?source=[::1]:5060", "KDMQ").await.good();
    assert_eq!(reply["body"], "sip:10.0.0.3:5060;status=active\r\n");
    assert_eq!(reply["continue"], false);
}

#[tokio::test]
async fn who_is_a_node_is_told_and_nodes_are_forgotten() {
    let world = World::new();
    for yes in [true, false] {
        world.script().yes = yes;
        let reply = world.get("/api/dmq/is-from-node?source=10.0.0.1").await;
        assert_eq!(reply.good(), json!({ "is_from_node": yes }));
        assert_eq!(world.asked(), ["10.0.0.1"]);
    }
    let removing = "/api/dmq/nodes/sip%3A10.0.0.1%3A5060%3Btransport%3Dtcp";
    let refused = world.ask("DELETE", removing, "").await.refused();
    let error = "sip:10.0.0.1:5060;transport=tcp is no other node of the list; /api/dmq/nodes \
                 lists all, and a node cannot remove itself";
    assert_eq!(refused, (404, error.into()));
    world.script().yes = true;
    let reply = world.ask("DELETE", "/api/dmq/nodes/sip:10.0.0.1:5060", "").await;
    assert_eq!(reply.good(), json!({ "removed": "sip:10.0.0.1:5060" }));
    assert_eq!(world.asked(), ["sip:10.0.0.1:5060;transport=tcp", "sip:10.0.0.1:5060"]);
}

/// The names of what is wrong.
fn reasons(reply: &Reply) -> Vec<String> {
    let body = reply.json();
    let all = body["reasons"].as_array().into_iter().flatten();
    all.map(|reason| reason["name"].as_str().unwrap().to_owned()).collect()
}

/// Makes something else of a status.
type Change = fn(&mut Status);

#[tokio::test]
async fn it_is_ready_when_messages_get_through() {
    let world = World::new();
    let cases: [(&str, Change, &[&str]); 7] = [
        ("all is well", |_| {}, &[]),
        (
            "nobody is configured, nobody there",
            |s| {
                s.nodes.truncate(1);
                s.notified.clear();
            },
            &[],
        ),
        ("a configured name that cannot be resolved", |s| s.nodes.truncate(1), &["alone"]),
        ("the only active node is one that is not configured", |s| s.bridge = None, &[]),
        ("nobody answers", |s| s.nodes[1].state = NodeState::NotActive, &["alone"]),
        (
            "no broker",
            |s| s.bridge.as_mut().unwrap().down = Some("connection refused".into()),
            &["bridge_down"],
        ),
        ("it leaves", |s| s.draining = true, &["leaving"]),
    ];
    for (what, change, expected) in cases {
        world.script().status = status();
        change(&mut world.script().status);
        let reply = world.get("/readyz").await;
        assert_eq!(reply.status, if expected.is_empty() { 200 } else { 503 }, "{what}");
        assert_eq!(reasons(&reply), expected, "{what}");
        assert_eq!(world.get("/healthz").await.status, 200, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_loop_that_does_not_answer_is_not_healthy() {
    let (world, orders) = World::apart();
    for path in ["/healthz", "/readyz"] {
        let reply = world.get(path).await;
        assert_eq!((reply.status, reasons(&reply)), (503, vec!["unresponsive".into()]), "{path}");
    }
    for path in ["/api/dmq/nodes", "/metrics", "/api/dmq/messages", "/api/dmq/htable"] {
        let (status, error) = world.get(path).await.refused();
        assert_eq!(status, 503, "{path}");
        assert!(error.starts_with("the node has not answered within 2 s"), "{path}: {error}");
    }
    let page = world.get("/").await;
    assert_eq!(page.status, 503);
    assert!(page.read().contains("the node has not answered within 2 s"), "{}", page.text);

    let sending = r#"{"peer":"events","body":"hi"}"#;
    let (status, error) = world.post("/api/dmq/bcast", sending).await.refused();
    assert_eq!(status, 504);
    assert!(error.starts_with("not all nodes have answered within 60 s"), "{error}");

    drop(orders);
    let stopped = "the node has stopped: restart it, unless it is to stop";
    assert_eq!(reasons(&world.get("/healthz").await), ["stopped"]);
    assert_eq!(world.get("/api/dmq/nodes").await.refused(), (503, stopped.into()));
    let (status, error) = world.post("/api/dmq/bcast", sending).await.refused();
    assert_eq!(status, 503);
    assert!(error.starts_with("the node stops, and not all nodes have answered;"), "{error}");
}
