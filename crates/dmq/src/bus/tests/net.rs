//! The network: nodes of ours and of Kamailio's kind, packets under way, and the time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use client::backoff::Chance;

use super::kamailio::Kamailio;
use crate::address::{NodeUri, Transport};
use crate::bus::{Bus, Clock, Effect, Peers, Plan};
use crate::desk::{Handled, NodeState, Subscription};
use crate::htable::{Limits, Tables};
use crate::members::Rules;
use crate::message::{Delivered, Outgoing, Received, Recipient};
use crate::outbox::Bounds;
use crate::transaction::Timers;
use crate::transport::{Route, Source};

pub(super) const INTERVAL: Duration = Duration::from_secs(60);
pub(super) const PING_TIMEOUT: Duration = Duration::from_secs(4);
pub(super) const FR_TIMER: Duration = Duration::from_secs(30);
/// When the test's world begins.
pub(super) const WALL_MS: i64 = 1_800_000_000_000;

/// The peer that all nodes know.
pub(super) const CHAT: &str = "chat";

/// A node and what it has told.
pub(super) struct Ours {
    pub(super) bus: Bus,
    configured: Vec<NodeUri>,
    /// When it started.
    since: Duration,
    /// What became of messages, by ticket; each once.
    pub(super) sent: BTreeMap<u64, Vec<Delivered>>,
    /// Replies to requests that were handed over.
    pub(super) handled: Vec<Handled>,
    pub(super) received: tokio::sync::mpsc::Receiver<Arc<Received>>,
    /// Packets that it sent.
    pub(super) packets: u64,
}

pub(super) enum Place {
    Ours(Box<Ours>),
    Kamailio(Box<Kamailio>),
}

struct Packet {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Arc<[u8]>,
}

/// What the network does to a packet, each with that chance.
#[derive(Clone, Copy, Default)]
pub(super) struct Weather {
    pub(super) lost: f64,
    pub(super) doubled: f64,
    /// The longest way, in ms; the shortest is 1.
    pub(super) latency_ms: u64,
}

pub(super) struct Net {
    pub(super) places: BTreeMap<SocketAddr, Place>,
    /// When each has something to do.
    deadlines: BTreeMap<SocketAddr, Duration>,
    under_way: BinaryHeap<Reverse<(Duration, u64)>>,
    packets: BTreeMap<u64, Packet>,
    serial: u64,
    pub(super) now: Duration,
    pub(super) weather: Weather,
    /// Nodes in different parts do not reach each other; 0 for those that are not named.
    pub(super) part: BTreeMap<SocketAddr, u32>,
    chance: Chance,
}

pub(super) fn address(number: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, (number >> 8) as u8, number as u8], 5060))
}

pub(super) fn uri(number: u16) -> NodeUri {
    format!("sip:{}", address(number)).parse().unwrap()
}

fn plan(number: u16) -> Plan {
    Plan {
        rules: Rules {
            me: uri(number),
            ping_interval: INTERVAL,
            ping_timeout: PING_TIMEOUT,
            tombstone: 2 * INTERVAL + FR_TIMER,
            remove_inactive: true,
            fails_active: 0,
            fails_not_active: 1,
            nodes_max: 1000,
            transports: vec![Transport::Udp],
        },
        timers: Timers { t1: Duration::from_millis(500), t2: Duration::from_secs(4) },
        fr_timer: FR_TIMER,
        bounds: Bounds { busy_max: 2, waiting_max: 1000 },
        body_bytes_max: 65_536,
        allow: vec!["10.0.0.0/8".parse().unwrap()],
        channel: "notification_peer".into(),
        replicated_peer: "".into(),
        parked_max: 100,
        own: vec![address(number).ip()],
        seed: u64::from(number) * 7919,
    }
}

impl Net {
    pub(super) fn new(seed: u64) -> Net {
        Net {
            places: BTreeMap::new(),
            deadlines: BTreeMap::new(),
            under_way: BinaryHeap::new(),
            packets: BTreeMap::new(),
            serial: 0,
            now: Duration::ZERO,
            weather: Weather { latency_ms: 2, ..Weather::default() },
            part: BTreeMap::new(),
            chance: Chance(seed),
        }
    }

    /// Starts a node of ours that asks these for the others.
    pub(super) fn start(&mut self, number: u16, notified: &[u16]) {
        self.start_as(plan(number), number, notified);
    }

    fn start_as(&mut self, plan: Plan, number: u16, notified: &[u16]) {
        let limits = Limits {
            names: vec!["*".into()],
            bytes_max: 1 << 20,
            tables_max: 16,
            cell_bytes_max: 60_000,
        };
        let mut peers = Peers::new(&[CHAT.into()], &[], true);
        let (to, received) = tokio::sync::mpsc::channel(100_000);
        let missed = Arc::default();
        peers.subscribe(Subscription { peer: Some(CHAT.into()), to, missed }).unwrap();
        let bus = Bus::new(plan, peers, Some(Tables::new(&limits).unwrap()));
        let configured = notified.iter().map(|number| uri(*number)).collect();
        let (sent, packets, since) = (BTreeMap::new(), 0, self.now);
        let handled = Vec::new();
        let ours = Ours { bus, configured, since, sent, handled, received, packets };
        self.places.insert(address(number), Place::Ours(Box::new(ours)));
    }

    /// Starts a Kamailio.
    pub(super) fn start_kamailio(&mut self, number: u16, notified: &[u16]) {
        let notified = notified.iter().map(|number| uri(*number)).collect();
        let kamailio = Kamailio::new(uri(number), notified, self.now);
        self.places.insert(address(number), Place::Kamailio(Box::new(kamailio)));
    }

    /// A node is gone, without a word.
    pub(super) fn kill(&mut self, number: u16) {
        self.places.remove(&address(number)).expect("a node that runs");
        self.deadlines.remove(&address(number));
    }

    pub(super) fn ours(&mut self, number: u16) -> &mut Ours {
        match self.places.get_mut(&address(number)) {
            Some(Place::Ours(ours)) => ours,
            _ => panic!("{number} is no node of ours"),
        }
    }

    pub(super) fn kamailio(&mut self, number: u16) -> &mut Kamailio {
        match self.places.get_mut(&address(number)) {
            Some(Place::Kamailio(kamailio)) => kamailio,
            _ => panic!("{number} is no Kamailio"),
        }
    }

    /// Does something with a node of ours, at this time.
    pub(super) fn with<T>(&mut self, number: u16, act: impl FnOnce(&mut Bus, Clock) -> T) -> T {
        let clock = clock(self.now);
        let done = act(&mut self.ours(number).bus, clock);
        self.flush(address(number));
        done
    }

    pub(super) fn broadcast(&mut self, number: u16, body: &str, ticket: u64) {
        let message = message(Recipient::All, body);
        self.with(number, |bus, clock| bus.send(message, ticket, clock)).unwrap();
    }

    /// What arrived for [`CHAT`] since the last call.
    pub(super) fn heard(&mut self, number: u16) -> Vec<String> {
        let received = &mut self.ours(number).received;
        let text = |message: Arc<Received>| String::from_utf8(message.body.clone()).unwrap();
        std::iter::from_fn(|| received.try_recv().ok()).map(text).collect()
    }

    /// The state of a node in the eyes of another.
    pub(super) fn state(&mut self, of: u16, by: u16) -> Option<NodeState> {
        Some(self.ours(by).bus.members.get(&uri(of))?.state)
    }

    /// Lets time pass.
    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        let all: Vec<SocketAddr> = self.places.keys().copied().collect();
        all.into_iter().for_each(|address| self.flush(address));
        self.wake_all();
        loop {
            let packet = self.under_way.peek().map(|Reverse((at, _))| *at);
            let node = self.deadlines.values().copied().min();
            let next = [packet, node].into_iter().flatten().min().unwrap_or(end);
            if next > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(next);
            while let Some(Reverse((at, serial))) = self.under_way.peek().copied()
                && at <= self.now
            {
                self.under_way.pop();
                let packet = self.packets.remove(&serial).expect("a packet under way");
                self.arrive(&packet);
            }
            self.wake_all();
        }
    }

    /// Lets time pass until something holds; panics when it does not within `most`.
    #[track_caller]
    pub(super) fn run_until(
        &mut self,
        what: &str,
        most: Duration,
        mut holds: impl FnMut(&mut Net) -> bool,
    ) {
        let end = self.now + most;
        while !holds(self) {
            assert!(self.now < end, "{what}: not within {most:?}");
            self.run_for(Duration::from_millis(10));
        }
    }

    fn wake_all(&mut self) {
        let now = self.now;
        let due = self.deadlines.iter().filter(|(_, at)| **at <= now).map(|(address, _)| *address);
        let due: Vec<SocketAddr> = due.collect();
        for address in due {
            match self.places.get_mut(&address) {
                Some(Place::Ours(ours)) => ours.bus.tick(clock(now)),
                Some(Place::Kamailio(kamailio)) => kamailio.tick(now),
                None => {}
            }
            self.flush(address);
        }
    }

    fn arrive(&mut self, packet: &Packet) {
        let part = |address| self.part.get(address).copied().unwrap_or(0);
        if part(&packet.from) != part(&packet.to) {
            return;
        }
        let source =
            Source { transport: Transport::Udp, address: packet.from, flow: None, verified: false };
        let now = self.now;
        match self.places.get_mut(&packet.to) {
            Some(Place::Ours(ours)) => ours.bus.received(&source, &packet.bytes, clock(now)),
            Some(Place::Kamailio(kamailio)) => kamailio.received(packet.from, &packet.bytes, now),
            None => return,
        }
        self.flush(packet.to);
    }

    /// Takes what a node wants to have done.
    fn flush(&mut self, from: SocketAddr) {
        let mut out = Vec::new();
        self.deadlines.remove(&from);
        match self.places.get_mut(&from) {
            Some(Place::Ours(ours)) => ours.effects(self.now, &mut out),
            Some(Place::Kamailio(kamailio)) => out.append(&mut kamailio.out),
            None => {}
        }
        if let Some(place) = self.places.get(&from) {
            self.deadlines.insert(from, place.next_deadline(self.now));
        }
        for (to, bytes) in out {
            let Weather { lost, doubled, latency_ms } = self.weather;
            if self.chance.fraction() < lost {
                continue;
            }
            let copies = if self.chance.fraction() < doubled { 2 } else { 1 };
            for _ in 0..copies {
                let ms = 1.0 + self.chance.fraction() * latency_ms.saturating_sub(1) as f64;
                let at = self.now + Duration::from_micros((ms * 1000.0) as u64);
                self.serial += 1;
                self.under_way.push(Reverse((at, self.serial)));
                let packet = Packet { from, to, bytes: Arc::clone(&bytes) };
                self.packets.insert(self.serial, packet);
            }
        }
    }
}

impl Place {
    fn next_deadline(&self, now: Duration) -> Duration {
        match self {
            Place::Ours(ours) => ours.bus.next_deadline(clock(now)).max(ours.since),
            Place::Kamailio(kamailio) => kamailio.next_deadline(),
        }
    }
}

impl Ours {
    fn effects(&mut self, now: Duration, out: &mut Vec<(SocketAddr, Arc<[u8]>)>) {
        loop {
            let effects = std::mem::take(&mut self.bus.effects);
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                match effect {
                    Effect::Send(Route::Udp(to), packet) => {
                        self.packets += 1;
                        out.push((to, packet));
                    }
                    Effect::Sent(ticket, outcomes) => {
                        let earlier = self.sent.insert(ticket, outcomes);
                        assert!(earlier.is_none() || ticket == 0, "{ticket} ended twice");
                    }
                    Effect::Handled(_, handled) => self.handled.push(handled),
                    Effect::ResolveConfigured => {
                        self.bus.configured(self.configured.clone(), clock(now));
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

pub(super) fn clock(now: Duration) -> Clock {
    Clock { now, wall_ms: WALL_MS + now.as_millis() as i64 }
}

pub(super) fn message(to: Recipient, body: &str) -> Outgoing {
    Outgoing {
        peer: CHAT.into(),
        to,
        content_type: "text/plain".into(),
        body: body.as_bytes().into(),
        lane: 0,
    }
}
