//! What settings cannot mean, alone or together: refused with the setting to change.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr};

use service::config::{Invalid, Size};

use super::{ANY, DmqConfig, HTABLE_PEER};
use crate::address::{NodeUri, Transport};
use crate::htable::TableSpec;
use crate::sip::grammar::is_peer;

/// Kamailio's documentation names no upper limit; nodes that are asked once an hour are not watched.
const PING_INTERVAL_S_MAX: u32 = 3600;
/// Longer times are a slip.
const TIMER_MS_MAX: u64 = 3_600_000;
/// A larger body is no message.
const BODY_BYTES: [Size; 2] = [Size(1 << 10), Size(16 << 20)];
/// Fewer bytes hold next to nothing.
const TABLES_BYTES_MIN: Size = Size(64 << 10);
/// The longest name of AMQP.
const AMQP_NAME_BYTES_MAX: usize = 255;

/// Refuses what cannot work.
pub(super) fn check(c: &DmqConfig) -> Result<(), Invalid> {
    addresses(c)?;
    tls(c)?;
    amounts(c)?;
    times(c)?;
    peers(c)?;
    bridge(c)
}

fn ensure(holds: bool, setting: &'static str, reason: impl Into<String>) -> Result<(), Invalid> {
    if holds { Ok(()) } else { Err(Invalid::new(setting, reason)) }
}

fn addresses(c: &DmqConfig) -> Result<(), Invalid> {
    let Some(node) = &c.server_address else {
        return Err(Invalid::new(
            "server_address",
            "no address that the other nodes can answer to: set it to one of this machine, such as \
             \"sip:192.0.2.1:5060\"",
        ));
    };
    ensure(
        can_be_reached(node),
        "server_address",
        format!(
            "nobody could answer to {}: write an address of this machine that the other nodes \
             reach, and where to listen in server_socket",
            node.host
        ),
    )?;
    let transport = c.server_socket.as_ref().and_then(|socket| socket.transport);
    ensure(
        transport.is_none_or(|transport| transport == node.transport),
        "server_socket",
        format!(
            "server_address is reached by {}: write the same transport, or none",
            node.transport.word()
        ),
    )?;
    for at in &c.notification_address {
        let reason = format!("no node can be reached at {}", at.uri.host);
        ensure(can_be_reached(&at.uri), "notification_address", reason)?;
    }
    ensure(
        !c.multi_notify.0 || !c.notification_address.is_empty(),
        "multi_notify",
        "there is no name to look up: set notification_address",
    )?;
    ensure(
        !c.allow.is_empty(),
        "allow",
        "no node could send anything: name networks, or 0.0.0.0/0 and ::/0 for any",
    )
}

/// Whether a packet can be sent to this host and arrive at one node.
fn can_be_reached(node: &NodeUri) -> bool {
    node.ip().is_none_or(|ip| {
        let ip = ip.to_canonical();
        let is_broadcast = ip == IpAddr::V4(Ipv4Addr::BROADCAST);
        !ip.is_unspecified() && !ip.is_multicast() && !is_broadcast
    })
}

fn tls(c: &DmqConfig) -> Result<(), Invalid> {
    let (cert, key) = (&c.tls_cert_file, &c.tls_key_file);
    ensure(
        cert.is_some() == key.is_some(),
        if cert.is_some() { "tls_cert_file" } else { "tls_key_file" },
        "tls_cert_file and tls_key_file belong together: set the other one as well",
    )?;
    ensure(
        c.transport() != Transport::Tls || cert.is_some(),
        "server_address",
        "TLS needs a certificate: set tls_cert_file and tls_key_file",
    )?;
    let by_tls = c.notification_address.iter().any(|at| at.uri.transport == Transport::Tls);
    ensure(
        !by_tls || c.tls_ca_file.is_some() || cert.is_some(),
        "notification_address",
        "TLS needs tls_ca_file, or a certificate of our own in tls_cert_file and tls_key_file",
    )
}

fn amounts(c: &DmqConfig) -> Result<(), Invalid> {
    let whole = |setting, value: u64, max: u64| between(setting, value, 1, max);
    whole("num_workers", c.num_workers.into(), 256)?;
    whole("queue_messages_max", c.queue_messages_max as u64, 1_000_000)?;
    whole("nodes_max", c.nodes_max as u64, 100_000)?;
    whole("bridge_prefetch", c.bridge_prefetch.into(), u16::MAX.into())?;
    whole("bridge_waiting_max", c.bridge_waiting_max as u64, 10_000_000)?;
    let [least, most] = BODY_BYTES;
    ensure(
        (least..=most).contains(&c.body_bytes_max),
        "body_bytes_max",
        "must be from 1KiB to 16MiB",
    )?;
    ensure(c.htable_bytes_max >= TABLES_BYTES_MIN, "htable_bytes_max", "must be at least 64KiB")
}

fn times(c: &DmqConfig) -> Result<(), Invalid> {
    between("ping_interval", c.ping_interval, 1, PING_INTERVAL_S_MAX)?;
    let timers = [
        ("ping_timeout_ms", c.ping_timeout_ms),
        ("fr_timer_ms", c.fr_timer_ms),
        ("t1_ms", c.t1_ms),
        ("t2_ms", c.t2_ms),
        ("bridge_timeout_ms", c.bridge_timeout_ms),
    ];
    for (setting, ms) in timers {
        between(setting, ms, 1, TIMER_MS_MAX)?;
    }
    between("leave_timeout_ms", c.leave_timeout_ms, 0, TIMER_MS_MAX)?;
    ensure(
        c.t1_ms <= c.t2_ms,
        "t1_ms",
        "must not be longer than t2_ms, which is the longest pause: lower it, or raise t2_ms",
    )
}

fn between<T: PartialOrd + Display>(
    setting: &'static str,
    value: T,
    min: T,
    max: T,
) -> Result<(), Invalid> {
    let reason = format!("must be from {min} to {max}");
    ensure(min <= value && value <= max, setting, reason)
}

fn peers(c: &DmqConfig) -> Result<(), Invalid> {
    let channel = &c.notification_channel;
    is_name("notification_channel", channel)?;
    ensure(
        channel != HTABLE_PEER || !c.has_tables(),
        "notification_channel",
        "is the peer of hash tables: name another, as on all nodes of the bus",
    )?;
    for name in &c.peers {
        is_own("peers", name, c)?;
    }
    if !c.replicated_peer.is_empty() {
        is_own("replicated_peer", &c.replicated_peer, c)?;
    }
    for name in &c.bridge_peers {
        is_name("bridge_peers", name)?;
        ensure(name != channel, "bridge_peers", "lists of nodes are not published")?;
    }
    for table in &c.htable {
        let spec: Result<TableSpec, _> = table.parse();
        spec.map_err(|error| Invalid::new("htable", error.to_string()))?;
    }
    Ok(())
}

/// A peer that is nobody else's.
fn is_own(setting: &'static str, name: &str, c: &DmqConfig) -> Result<(), Invalid> {
    is_name(setting, name)?;
    let taken = match name {
        HTABLE_PEER => c.has_tables(),
        ANY => true,
        name => name == c.notification_channel,
    };
    ensure(!taken, setting, format!("the peer {name:?} has a meaning of its own: name another"))
}

fn is_name(setting: &'static str, name: &str) -> Result<(), Invalid> {
    let reason = format!(
        "a peer's name is 1 to 64 of A-Z a-z 0-9 - _ . ! ~ * ' ( ) & = + $ and ,, not {name:?}"
    );
    ensure(is_peer(name), setting, reason)
}

fn bridge(c: &DmqConfig) -> Result<(), Invalid> {
    let long = "names of exchanges and queues have at most 255 bytes";
    for (setting, name) in
        [("bridge_exchange", &c.bridge_exchange), ("bridge_queue", &c.bridge_queue)]
    {
        ensure(name.len() <= AMQP_NAME_BYTES_MAX, setting, long)?;
    }
    ensure(
        !c.bridge_exchange.is_empty(),
        "bridge_exchange",
        "the default exchange cannot part messages by peers: name one",
    )
}
