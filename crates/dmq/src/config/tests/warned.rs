//! What works and may not be meant is told.

use super::*;

/// The warnings about a node with these settings, one of which is about its notification address.
#[track_caller]
fn warned(file: &str) -> Vec<String> {
    let world = World { files: &[("dmq.toml", file)], ..World::default() };
    let all = world.with(|loaded| warnings(loaded).join("\n"));
    assert!(!all.starts_with("DIR"), "{all}");
    all.lines().map(str::to_owned).collect()
}

/// Settings of a node at 192.0.2.3 that asks one at 192.0.2.1, and how its only warning begins.
const WARNED: &[(&str, &str)] = &[
    ("multi_notify = 1\nnotification_address = ['sip:a', 'sip:b']", "with multi_notify only the"),
    (
        "notification_address = ['sip:192.0.2.3', 'sip:192.0.2.1']",
        "notification_address names this node itself, which is left out",
    ),
    ("notification_address = []", "without a notification_address this node waits"),
    ("ping_timeout_ms = 60000", "ping_timeout_ms is no shorter than ping_interval"),
    ("t1_ms = 4000", "t1_ms is no shorter than ping_timeout_ms or fr_timer_ms"),
    ("worker_usleep = 0", "worker_usleep has no effect"),
    ("allow = ['0.0.0.0/0']", "allow lets everybody in"),
    ("tls.ca_file = 'a'", "tls_… settings mean nothing"),
    ("bridge_queue = 'q'", "bridge_… settings mean nothing without bridge_peers"),
    ("bridge_peers = '*'\nbridge_timeout_ms = 30000", "bridge_timeout_ms is no shorter than 30 s"),
];

#[test]
fn what_may_not_be_meant_is_told() {
    let notified = "notification_address = 'sip:192.0.2.1'\n";
    assert_eq!(warned(&format!("{NEEDED}{notified}")), Vec::<String>::new());
    for (settings, expected) in WARNED {
        let has_own = settings.contains("notification_address");
        let notified = if has_own { "" } else { notified };
        let warnings = warned(&format!("{NEEDED}{notified}{settings}"));
        let is_it = warnings.len() == 1 && warnings[0].starts_with(expected);
        assert!(is_it, "{settings}: {warnings:?}");
    }
}

#[test]
fn an_address_that_hurts_others_is_told() {
    let of = |address: &str| {
        warned(&format!(
            "server_address = '{address}'\nnotification_address = 'sip:192.0.2.1'\n\
             tls_cert_file = 'c'\ntls_key_file = 'k'"
        ))
    };
    let tls = "tls_… settings mean nothing: no address has ;transport=tls";
    assert_eq!(of("sip:192.0.2.3"), [tls]);
    assert!(of("sip:node.example")[0].starts_with("server_address is a name: every node has to"));
    assert!(of("sip:[2001:db8::1]")[0].starts_with("server_address is an IPv6 address"));
    assert!(of("sip:127.0.0.1")[0].starts_with("server_address is a loopback address"));
    let by_tls = of("sip:192.0.2.3;transport=tls");
    assert_eq!(by_tls, ["without tls_ca_file no certificate is asked of nodes that connect"]);
}
