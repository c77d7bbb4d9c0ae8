//! The page for people, and `/metrics` as Prometheus reads it.

use super::*;

#[track_caller]
fn shows(reply: &Reply, expected: &[&str]) {
    let page = reply.read();
    for text in expected {
        assert!(page.contains(text), "{text}\n{page}");
    }
}

#[tokio::test]
async fn the_page_begins_with_a_sentence_and_has_every_node() {
    let world = World::new();
    let reply = world.get("/").await;
    assert_eq!(reply.status, 200);
    shows(
        &reply,
        &[
            "DMQ node sip:10.0.0.3:5060 It works: 1 of 2 other nodes active. Nodes",
            "sip:10.0.0.3:5060 10.0.0.3 this node sip:10.0.0.1:5060 10.0.0.1 active \
             kamailio (5.6.3 (x86_64/linux)) 2 s ago 0.4 ms 0 3 1 \
             sip:kam-b.example:5061;transport=tls unknown disabled, configured",
            "Notification addresses sip:kam-b.example;transport=tls Peers events, htable Hash tables 1 table, 2 cells, 2.0 KiB \
             Bridge amqp://hare@rabbit:5672/, connected To be published 4 messages \
             On the way to nodes 5 messages Started 2026-11-22 07:03:07 UTC, 2 h 5 min ago",
            "2026-11-22 09:07:06 UTC, 1 min 1 s ago sip:10.0.0.1:5060 up",
            "requests 1,234 Requests that arrived, retransmissions not counted.",
            "answers 5xx 7",
        ],
    );
    assert!(reply.text.contains("<meta http-equiv=refresh content=\"5; url=./\">"));
    for elsewhere in ["<script", "http://", "<link", "<img"] {
        assert!(!reply.text.contains(elsewhere), "{elsewhere}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_with_what_to_do() {
    let world = World::new();
    {
        let mut script = world.script();
        script.status.nodes[1].state = NodeState::Pending;
        script.status.bridge.as_mut().unwrap().down = Some("login refused".into());
    }
    let reply = world.get("/").await;
    shows(
        &reply,
        &[
            "It is not ready: no other node answers; they are asked again and again: check that \
             sip:kam-b.example;transport=tls (notification_address) can be resolved and reached, \
             allows this node&#39;s address, and reaches it as sip:10.0.0.3:5060 (server_address); \
             the bridge",
            "the bridge is not connected to amqp://hare@rabbit:5672/: login refused",
            "Bridge amqp://hare@rabbit:5672/, not connected: login refused",
        ],
    );
    assert!(reply.text.contains("<p class=\"state wrong\">"));
    world.script().status.bridge = None;
    world.script().status.events.clear();
    world.script().status.nodes.truncate(1);
    world.script().status.notified.clear();
    let reply = world.get("/").await;
    shows(&reply, &["It works, and no other node is known yet.", "Bridge none", "Nothing."]);
}

#[tokio::test]
async fn names_that_want_to_be_markup_are_text() {
    let world = World::new();
    let hostile = "<script>alert(1)</script>\"'&\u{202e}\u{1b}[2J";
    {
        let mut script = world.script();
        let status = &mut script.status;
        status.peers = vec![hostile.into()];
        status.nodes[1].agent = format!("{hostile}{}", "x".repeat(1_000));
        status.nodes[1].uri.host = hostile.into();
        status.events[0].node.host = hostile.into();
        status.bridge.as_mut().unwrap().broker = "<script>".into();
        status.bridge.as_mut().unwrap().down = Some("<script>".into());
    }
    let reply = world.get("/").await;
    for raw in ["<script", "\u{202e}", "\u{1b}"] {
        assert!(!reply.text.contains(raw), "{raw:?} {}", reply.text);
    }
    let cut = "x".repeat(100);
    assert!(!reply.text.contains(&cut), "long names are cut");
    assert!(!world.get("/api/dmq/status").await.text.contains('\u{1b}'), "JSON escapes it");
    shows(&reply, &["&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;�"]);
}

async fn lines(world: &World) -> Vec<String> {
    let reply = world.get("/metrics").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, service::metrics::CONTENT_TYPE));
    reply.text.lines().map(str::to_owned).collect()
}

#[track_caller]
fn has(lines: &[String], expected: &[&str]) {
    for line in expected {
        assert!(lines.iter().any(|l| l == line), "{line}\n{}", lines.join("\n"));
    }
}

/// Every counter has its own number.
fn counters() -> Counters {
    Counters {
        requests: 1,
        retransmitted_to_us: 2,
        sent: 3,
        retransmitted: 4,
        answers: [5, 6, 7, 8],
        timeouts: 9,
        full: 10,
        malformed: 11,
        forbidden: 12,
        unknown_peer: 13,
        refused: 14,
        delivered: 15,
        missed: 16,
        bridged_in: 17,
        bridged_out: 18,
        unbridged: 19,
        bad_lines: 20,
        connections: 21,
        unsent: 22,
    }
}

#[tokio::test]
async fn every_number_is_a_metric() {
    let world = World::new();
    world.script().status.counters = counters();
    let lines = lines(&world).await;
    for line in [
        "start_time_seconds 1795330987.006",
        "ready 1",
        "peers 2",
        "queued 6",
        "in_flight 2",
        "htable_tables 1",
        "htable_cells 2",
        "htable_bytes 2048",
        "bridge_up 1",
        "bridge_waiting 4",
        "bridge_sending 5",
        "requests_total 1",
        "requests_repeated_total 2",
        "sent_total 3",
        "retransmitted_total 4",
        "answers_total{class=\"2xx\"} 5",
        "answers_total{class=\"4xx\"} 6",
        "answers_total{class=\"5xx\"} 7",
        "answers_total{class=\"other\"} 8",
        "timeouts_total 9",
        "queue_full_total 10",
        "malformed_total 11",
        "forbidden_total 12",
        "unknown_peer_total 13",
        "refused_total 14",
        "delivered_total 15",
        "missed_total 16",
        "bridge_published_total 17",
        "bridge_sent_total 18",
        "bridge_failed_total 19",
        "bad_lines_total 20",
        "connections_total 21",
        "unsent_total 22",
        "nodes{state=\"pending\"} 0",
        "nodes{state=\"active\"} 1",
        "nodes{state=\"not_active\"} 0",
        "nodes{state=\"disabled\"} 1",
        "node_active{node=\"sip:10.0.0.1:5060\"} 1",
        "node_queued{node=\"sip:10.0.0.1:5060\"} 3",
        "node_in_flight{node=\"sip:10.0.0.1:5060\"} 1",
        "node_round_trip_seconds{node=\"sip:10.0.0.1:5060\"} 0.000412",
        "node_last_seen_timestamp_seconds{node=\"sip:10.0.0.1:5060\"} 1795338485.006",
        "node_active{node=\"sip:kam-b.example:5061;transport=tls\"} 0",
        "node_fail_count{node=\"sip:kam-b.example:5061;transport=tls\"} 2",
    ] {
        has(&lines, &[&format!("leveret_dmq_{line}")]);
    }
    let version = env!("CARGO_PKG_VERSION");
    has(
        &lines,
        &[
            &format!("leveret_dmq_info{{uri=\"sip:10.0.0.3:5060\",version=\"{version}\"}} 1"),
            "# TYPE leveret_dmq_requests_total counter",
            "# TYPE leveret_dmq_node_active gauge",
        ],
    );
    for absent in ["node_round_trip_seconds{node=\"sip:kam", "node=\"sip:10.0.0.3"] {
        assert!(!lines.iter().any(|line| line.contains(absent)), "{absent}");
    }
}

#[tokio::test]
async fn families_are_declared_once_and_stand_together() {
    let world = World::new();
    let lines = lines(&world).await;
    let mut families: Vec<&str> = Vec::new();
    for line in &lines {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            families.push(declared.split_once(' ').unwrap().0);
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            assert_eq!(Some(&name), families.last(), "{line}");
        }
    }
    let mut once = families.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), families.len());
}

#[tokio::test]
async fn a_node_without_a_bridge_has_no_numbers_of_one() {
    let world = World::new();
    world.script().status.bridge = None;
    let lines = lines(&world).await;
    for absent in ["leveret_dmq_bridge_up ", "leveret_dmq_bridge_waiting "] {
        assert!(!lines.iter().any(|line| line.starts_with(absent)), "{absent}");
    }
}
