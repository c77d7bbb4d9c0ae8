//! What people and programs ask of the node, and the answers that take their time.

use std::net::SocketAddr;

use tokio::sync::oneshot;

use super::Engine;
use crate::address::Transport;
use crate::bridge::{Bridge, SendKey};
use crate::desk::{
    Handed, Handled, Order, ReplicateError, Replication, SendError, Status, TableError, TableOrder,
};
use crate::message::{Delivered, Outgoing};
use crate::transport::Source;

/// Who waits for an answer. That somebody has stopped waiting changes nothing.
pub(super) enum Waiter {
    Send(oneshot::Sender<Result<Vec<Delivered>, SendError>>),
    Replicate(oneshot::Sender<Result<Vec<Delivered>, ReplicateError>>),
    Set(oneshot::Sender<Result<Vec<Delivered>, TableError>>),
    Delete(oneshot::Sender<Result<Option<Vec<Delivered>>, TableError>>),
    Handle(oneshot::Sender<Handled>),
    Bridge(SendKey),
}

impl Engine {
    pub(super) fn order(&mut self, order: Order) {
        let clock = self.clock();
        let bus = &mut self.parts.bus;
        match order {
            Order::Status(to) => drop(to.send(Box::new(self.status()))),
            Order::Send(message, to) => self.send(message, to),
            Order::Replicate(replication, to) => self.replicate(replication, to),
            Order::Handle(handed, to) => self.handle(&handed, to),
            Order::IsFromNode(ip, to) => {
                let is = bus.members.is_from_node(ip.to_canonical());
                let _ = to.send(is);
            }
            Order::Subscribe(subscription, to) => {
                drop(to.send(bus.peers.subscribe(subscription)));
            }
            Order::Remove(node, to) => drop(to.send(bus.remove(&node, clock))),
            Order::Table(order) => self.table(order),
        }
    }

    fn status(&self) -> Status {
        let mut status = self.parts.bus.status(self.started_ms, self.clock());
        let counts = self.parts.sockets.counts();
        status.counters.connections = counts.connections;
        status.counters.unsent = counts.unsent;
        status.bridge = self.parts.bridge.as_ref().map(Bridge::status);
        status.notified = self.parts.notified.iter().map(|address| address.text.clone()).collect();
        status
    }

    fn send(&mut self, message: Outgoing, to: oneshot::Sender<Result<Vec<Delivered>, SendError>>) {
        let (ticket, clock) = (self.next_ticket(), self.clock());
        match self.parts.bus.send(message, ticket, clock) {
            Ok(()) => drop(self.waiters.insert(ticket, Waiter::Send(to))),
            Err(error) => drop(to.send(Err(error))),
        }
    }

    fn replicate(
        &mut self,
        replication: Replication,
        to: oneshot::Sender<Result<Vec<Delivered>, ReplicateError>>,
    ) {
        let (ticket, clock) = (self.next_ticket(), self.clock());
        let Replication { request, source, skip_loop_test } = replication;
        match self.parts.bus.replicate(&request, source, skip_loop_test, ticket, clock) {
            Ok(()) => drop(self.waiters.insert(ticket, Waiter::Replicate(to))),
            Err(error) => drop(to.send(Err(error))),
        }
    }

    fn handle(&mut self, handed: &Handed, to: oneshot::Sender<Handled>) {
        let (ticket, clock) = (self.next_ticket(), self.clock());
        let source = handed_from(handed.source);
        match self.parts.bus.handle(&handed.request, &source, ticket, clock) {
            Ok(()) => drop(self.waiters.insert(ticket, Waiter::Handle(to))),
            Err(why) => {
                let reason = format!("Bad Request: {why}");
                drop(to.send(Handled { code: 400, reason, body: Vec::new() }));
            }
        }
    }

    fn table(&mut self, order: TableOrder) {
        let (ticket, clock) = (self.next_ticket(), self.clock());
        let bus = &mut self.parts.bus;
        let tables = bus.tables.as_ref();
        match order {
            TableOrder::Names(to) => {
                drop(to.send(tables.map(|tables| tables.names()).unwrap_or_default()));
            }
            TableOrder::Dump(table, to) => {
                drop(to.send(tables.and_then(|tables| tables.dump(&table, clock.wall_ms))));
            }
            TableOrder::Get(table, key, to) => {
                drop(to.send(tables.and_then(|tables| tables.get(&table, &key, clock.wall_ms))));
            }
            TableOrder::Set(set, to) => match bus.set_cell(&set, ticket, clock) {
                Ok(()) => drop(self.waiters.insert(ticket, Waiter::Set(to))),
                Err(error) => drop(to.send(Err(error))),
            },
            TableOrder::Delete(table, key, to) => {
                match bus.delete_cell(&table, &key, ticket, clock) {
                    Ok(true) => drop(self.waiters.insert(ticket, Waiter::Delete(to))),
                    Ok(false) => drop(to.send(Ok(None))),
                    Err(error) => drop(to.send(Err(error))),
                }
            }
            TableOrder::Sync(node, to) => match bus.ask_for_tables(node, ticket, clock) {
                Ok(()) => drop(self.waiters.insert(ticket, Waiter::Send(to))),
                Err(error) => drop(to.send(Err(error))),
            },
        }
    }

    /// Tells who waits for it what became of a message.
    pub(super) fn sent(&mut self, ticket: u64, outcomes: Vec<Delivered>) {
        match self.waiters.remove(&ticket) {
            Some(Waiter::Send(to)) => drop(to.send(Ok(outcomes))),
            Some(Waiter::Replicate(to)) => drop(to.send(Ok(outcomes))),
            Some(Waiter::Set(to)) => drop(to.send(Ok(outcomes))),
            Some(Waiter::Delete(to)) => drop(to.send(Ok(Some(outcomes)))),
            Some(Waiter::Bridge(key)) => {
                if outcomes.iter().any(|one| one.outcome.is_taken()) {
                    self.parts.bus.counters.bridged_out += 1;
                }
                if let Some(bridge) = &mut self.parts.bridge {
                    bridge.sent(key, &Ok(outcomes));
                }
                self.bridged();
            }
            // What the node asks for itself.
            Some(Waiter::Handle(_)) | None => {}
        }
    }

    /// Tells who waits for it how a request was answered.
    pub(super) fn handled(&mut self, ticket: u64, handled: Handled) {
        if let Some(Waiter::Handle(to)) = self.waiters.remove(&ticket) {
            drop(to.send(handled));
        }
    }
}

/// Who is asked to be trusted as the sender of a request that came by other ways: whoever may use
/// the API has let it pass.
fn handed_from(address: SocketAddr) -> Source {
    Source { transport: Transport::Udp, address, flow: None, verified: true }
}
