//! What works and may still not be meant, to be told at the start.

use std::net::IpAddr;

use service::config::{Loaded, Origin};

use super::{DMQ, DmqConfig};
use crate::address::{NodeUri, Transport};

/// How long Kamailio waits for an answer unless it is told otherwise (`fr_timer` of tm).
const KAMAILIO_FR_TIMER_MS: u64 = 30_000;

/// Whether it applies, and what is told then.
type Rule = (bool, &'static str);

/// The warnings about a node, a sentence each.
pub fn warnings(loaded: &Loaded<DmqConfig>) -> Vec<String> {
    let c = &loaded.config;
    let rules = addresses(c).into_iter().chain(times(c)).chain(without_effect(loaded));
    rules.filter(|(applies, _)| *applies).map(|(_, text)| text.to_owned()).collect()
}

fn addresses(c: &DmqConfig) -> Vec<Rule> {
    let node = c.node();
    let notified = || c.notification_address.iter().map(|at| &at.uri);
    let is_loopback = |at: &NodeUri| at.ip().is_some_and(|ip| ip.is_loopback());
    vec![
        (
            notified().any(|at| at == node),
            "notification_address names this node itself, which is left out: name another node",
        ),
        (
            c.multi_notify.0 && c.notification_address.len() > 1,
            "with multi_notify only the first notification_address is used",
        ),
        (
            c.notification_address.is_empty(),
            "without a notification_address this node waits until another names it; Kamailio from 6.1 \
             on does not name it any more when it has left once",
        ),
        (
            node.ip().is_none(),
            "server_address is a name: every node has to be able to resolve it, and Kamailio before \
             5.7.5 hangs on one that it cannot; an IPv4 address is safe",
        ),
        (
            matches!(node.ip(), Some(IpAddr::V6(_))),
            "server_address is an IPv6 address, on which Kamailio before 5.7.5 may hang; an IPv4 \
             address is safe",
        ),
        (
            is_loopback(node) && notified().any(|at| !is_loopback(at)),
            "server_address is a loopback address: nodes on other machines cannot answer to it",
        ),
        (
            c.allow.iter().any(|network| network.0.prefix_len() == 0),
            "allow lets everybody in: the bus knows no passwords, so keep it behind a firewall",
        ),
        (
            c.transport() == Transport::Tls && c.tls_ca_file.is_none(),
            "without tls_ca_file no certificate is asked of nodes that connect",
        ),
    ]
}

fn times(c: &DmqConfig) -> Vec<Rule> {
    vec![
        (
            c.ping_timeout_ms >= u64::from(c.ping_interval) * 1000,
            "ping_timeout_ms is no shorter than ping_interval: a node is pinged before it has \
             missed the last ping",
        ),
        (
            !c.transport().is_reliable() && c.t1_ms >= c.ping_timeout_ms.min(c.fr_timer_ms),
            "t1_ms is no shorter than ping_timeout_ms or fr_timer_ms: what is lost once is not \
             sent again",
        ),
        (
            c.has_bridge() && c.bridge_confirm && c.bridge_timeout_ms >= KAMAILIO_FR_TIMER_MS,
            "bridge_timeout_ms is no shorter than 30 s, after which Kamailio waits no longer",
        ),
    ]
}

fn without_effect(loaded: &Loaded<DmqConfig>) -> Vec<Rule> {
    let c = &loaded.config;
    let is_given = |setting: &str| *loaded.origin(setting) != Origin::Default;
    let any_given = |prefix: &str| {
        DMQ.table.iter().any(|row| row.name.starts_with(prefix) && is_given(row.name))
    };
    let mut uris = c.notification_address.iter().map(|at| &at.uri).chain(&c.server_address);
    let uses_tls = uris.any(|at| at.transport == Transport::Tls);
    vec![
        (is_given("worker_usleep"), "worker_usleep has no effect"),
        (
            any_given("tls_") && !uses_tls,
            "tls_… settings mean nothing: no address has ;transport=tls",
        ),
        (
            any_given("bridge_") && !c.has_bridge(),
            "bridge_… settings mean nothing without bridge_peers",
        ),
    ]
}
