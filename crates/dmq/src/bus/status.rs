//! How the node is, for people and metrics.

use std::net::IpAddr;

use super::{Bus, Clock};
use crate::desk::{NodeState, NodeStatus, Status};
use crate::htable::Tables;
use crate::message::Millis;

impl Bus {
    /// Everything that is known, apart from sockets, bridge and settings.
    pub(crate) fn status(&self, started_ms: Millis, clock: Clock) -> Status {
        let mut nodes = vec![self.ourselves(clock)];
        nodes.extend(self.members.all().map(|(uri, member)| {
            let (queued, in_flight) = self.load(uri);
            let micros = |took: std::time::Duration| u64::try_from(took.as_micros()).ok();
            NodeStatus {
                uri: uri.clone(),
                resolved_ip: member.ip,
                state: member.state,
                local: false,
                configured: member.configured,
                agent: member.agent.clone(),
                last_seen_ms: member.last_seen_ms,
                round_trip_us: member.round_trip.and_then(micros),
                fail_count: member.fails,
                queued,
                in_flight,
            }
        }));
        let mut counters = self.counters.clone();
        counters.bad_lines = self.members.bad_lines;
        let mut peers = self.peers.names();
        if self.tables.is_some() {
            peers.push(crate::config::HTABLE_PEER.to_owned());
            peers.sort_unstable();
        }
        Status {
            uri: self.me().clone(),
            started_ms,
            now_ms: clock.wall_ms,
            notified: Vec::new(),
            nodes,
            peers,
            tables: self.tables.as_ref().map(Tables::size).unwrap_or_default(),
            bridge: None,
            draining: self.leaving.is_some(),
            events: self.events.iter().cloned().collect(),
            counters,
        }
    }

    fn ourselves(&self, clock: Clock) -> NodeStatus {
        let own = self.plan.own.first().copied().filter(|ip: &IpAddr| !ip.is_unspecified());
        NodeStatus {
            uri: self.me().clone(),
            resolved_ip: self.me().ip().or(own),
            state: if self.leaving.is_some() { NodeState::Disabled } else { NodeState::Active },
            local: true,
            configured: false,
            agent: crate::sip::AGENT.to_owned(),
            last_seen_ms: Some(clock.wall_ms),
            round_trip_us: None,
            fail_count: 0,
            queued: 0,
            in_flight: 0,
        }
    }
}
