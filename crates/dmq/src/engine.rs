//! The event loop of a node: one task that owns its sockets, its bus and its bridge, and hands
//! packets, orders and time from one to the other.

mod orders;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use service::shutdown::{Phase, Shutdown};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::address::NodeUri;
use crate::bridge::{Bridge, BridgeEvent};
use crate::bus::{Bus, Clock, Effect};
use crate::config::NotificationAddress;
use crate::desk::Order;
use crate::message::Millis;
use crate::resolve::Resolver;
use crate::transport::{Route, Sockets};
use orders::Waiter;

/// Packets that are read before anything else has its turn.
const PACKETS_MAX: usize = 128;

/// The longest sleep: the clock is looked at now and then in any case.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// What a node is made of.
pub(crate) struct Parts {
    pub(crate) bus: Bus,
    pub(crate) sockets: Sockets,
    pub(crate) bridge: Option<Bridge>,
    pub(crate) resolver: Resolver,
    /// The nodes that are asked for the others.
    pub(crate) notified: Vec<NotificationAddress>,
    pub(crate) multi_notify: bool,
    pub(crate) orders: mpsc::Receiver<Order>,
    pub(crate) shutdown: Shutdown,
    /// How long the others have to hear that we leave.
    pub(crate) leave_timeout: Duration,
}

/// What a name server was asked.
enum Looked {
    Host(Arc<str>, Option<IpAddr>),
    Configured(Vec<NodeUri>),
}

/// The loop.
pub(crate) struct Engine {
    parts: Parts,
    started: Instant,
    started_ms: Millis,
    lookups: JoinSet<Looked>,
    /// Who waits for what becomes of a message or of a request.
    waiters: HashMap<u64, Waiter>,
    tickets: u64,
    /// When we stop waiting for others to hear that we leave; set when we do.
    leaving_until: Option<Instant>,
}

impl Engine {
    pub(crate) fn new(parts: Parts) -> Engine {
        Engine {
            parts,
            started: Instant::now(),
            started_ms: unix_ms(),
            lookups: JoinSet::new(),
            waiters: HashMap::new(),
            tickets: 0,
            leaving_until: None,
        }
    }

    fn clock(&self) -> Clock {
        Clock { now: self.started.elapsed(), wall_ms: unix_ms() }
    }

    /// Runs until the node has left the bus.
    pub(crate) async fn run(mut self) {
        let shutdown = self.parts.shutdown.clone();
        self.tick();
        while !self.is_over() {
            self.turn(&shutdown).await;
            self.tick();
        }
        let clock = self.clock();
        self.parts.bus.give_up(clock);
        self.execute();
        if let Some(bridge) = &mut self.parts.bridge {
            bridge.end().await;
        }
        self.bridged();
        self.execute();
    }

    fn is_over(&self) -> bool {
        self.leaving_until.is_some_and(|until| {
            self.parts.bus.has_left()
                || Instant::now() >= until
                || self.parts.shutdown.phase() == Phase::Now
        })
    }

    /// Waits for something, and takes it.
    async fn turn(&mut self, shutdown: &Shutdown) {
        let clock = self.clock();
        let sleep = self.parts.bus.next_deadline(clock).saturating_sub(clock.now).min(SLEEP_MAX);
        let wake = Instant::now() + sleep;
        let wake = self.leaving_until.map_or(wake, |until| until.min(wake));
        let bridge = self.parts.bridge.as_mut();
        let bridged = async {
            match bridge {
                Some(bridge) => bridge.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.parts.sockets.ready() => self.read(),
            Some(order) = self.parts.orders.recv() => self.order(order),
            event = bridged => {
                self.bridge_event(event);
                self.bridged();
            }
            Some(Ok(looked)) = self.lookups.join_next(), if !self.lookups.is_empty() => self.looked(looked),
            () = sleep_until(wake) => {}
            () = shutdown.draining(), if self.leaving_until.is_none() => self.leave(),
            () = shutdown.now(), if self.leaving_until.is_some() => {}
        }
    }

    fn tick(&mut self) {
        let clock = self.clock();
        if self.parts.bus.next_deadline(clock) <= clock.now {
            self.parts.bus.tick(clock);
        }
        self.execute();
    }

    fn read(&mut self) {
        let clock = self.clock();
        let Parts { sockets, bus, .. } = &mut self.parts;
        let mut failed: Vec<(Route, String)> = Vec::new();
        sockets.read(
            PACKETS_MAX,
            &mut |source, packet| bus.received(source, packet, clock),
            &mut |route, why| failed.push((route.clone(), why)),
        );
        for (route, why) in failed {
            bus.failed(&route, &why, clock);
        }
    }

    /// Does what the bus wants, until it wants no more.
    fn execute(&mut self) {
        loop {
            let effects = std::mem::take(&mut self.parts.bus.effects);
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                self.effect(effect);
            }
        }
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Send(route, packet) => {
                if let Err(why) = self.parts.sockets.send(&route, &packet) {
                    tracing::debug!("not sent: {why}");
                    let clock = self.clock();
                    self.parts.bus.failed(&route, &why, clock);
                }
            }
            Effect::Publish(ticket, message) => {
                let published = match &mut self.parts.bridge {
                    Some(bridge) => bridge.publish(ticket, &message).is_ok(),
                    None => false,
                };
                if !published {
                    self.parts.bus.published(ticket, false);
                }
                self.bridged();
            }
            Effect::Sent(ticket, outcomes) => self.sent(ticket, outcomes),
            Effect::Handled(ticket, handled) => self.handled(ticket, handled),
            Effect::Resolve(host) => {
                let resolver = self.parts.resolver.clone();
                self.lookups.spawn_local(async move {
                    let found = resolver.resolve(&host).await;
                    let first = found.ok().and_then(|found| found.first().copied());
                    Looked::Host(host, first)
                });
            }
            Effect::ResolveConfigured => self.look_for_configured(),
        }
    }

    fn look_for_configured(&mut self) {
        let (notified, multi) = (self.parts.notified.clone(), self.parts.multi_notify);
        let resolver = self.parts.resolver.clone();
        if notified.is_empty() {
            return;
        }
        self.lookups.spawn_local(async move {
            let mut nodes = Vec::new();
            for address in notified {
                match resolver.notify(&address.text, multi).await {
                    Ok(found) => nodes.extend(found),
                    Err(error) => tracing::warn!(
                        "notification_address {}: {error}; it is asked for again",
                        address.text
                    ),
                }
            }
            Looked::Configured(nodes)
        });
    }

    fn looked(&mut self, looked: Looked) {
        let clock = self.clock();
        match looked {
            Looked::Host(host, ip) => self.parts.bus.resolved(&host, ip, clock),
            Looked::Configured(nodes) => self.parts.bus.configured(nodes, clock),
        }
    }

    fn bridge_event(&mut self, event: BridgeEvent) {
        let clock = self.clock();
        match event {
            BridgeEvent::Published { ticket, taken } => {
                self.parts.bus.published(ticket, taken);
            }
            BridgeEvent::Send { key, message } => {
                let ticket = self.next_ticket();
                match self.parts.bus.send(message, ticket, clock) {
                    Ok(()) => drop(self.waiters.insert(ticket, Waiter::Bridge(key))),
                    Err(error) => {
                        if let Some(bridge) = &mut self.parts.bridge {
                            bridge.sent(key, &Err(error));
                        }
                    }
                }
            }
        }
    }

    /// Takes what the bridge has already.
    fn bridged(&mut self) {
        while let Some(event) = self.parts.bridge.as_mut().and_then(Bridge::try_next) {
            self.bridge_event(event);
        }
    }

    fn next_ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    fn leave(&mut self) {
        tracing::info!("leaving the bus");
        self.leaving_until = Some(Instant::now() + self.parts.leave_timeout);
        if let Some(bridge) = &mut self.parts.bridge {
            bridge.drain();
        }
        let clock = self.clock();
        self.parts.bus.leave(clock);
    }
}

/// Unix time, as the wall clock has it now.
fn unix_ms() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as Millis
}
