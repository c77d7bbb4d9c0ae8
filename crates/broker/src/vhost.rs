//! A virtual host: a name space of exchanges and queues with the bindings between them.

use std::rc::Rc;

use amqp::value::Table;
use slab::Slab;

use crate::binding::{Binding, BindingId, Bindings, Destination, ExchangeId};
use crate::exchange::default::QueueNames;
use crate::exchange::{Exchange, ExchangeSpec, Kind};
use crate::route::RouteScratch;
use crate::{Map, QueueId};

/// The exchanges that every virtual host has; nobody can delete or remake them.
pub const PREDECLARED: [(&str, Kind); 7] = [
    ("", Kind::Direct),
    ("amq.direct", Kind::Direct),
    ("amq.fanout", Kind::Fanout),
    ("amq.headers", Kind::Headers),
    ("amq.match", Kind::Headers),
    ("amq.rabbitmq.trace", Kind::Topic),
    ("amq.topic", Kind::Topic),
];

/// One virtual host.
pub struct Vhost {
    /// Its name.
    pub name: Rc<str>,
    pub(crate) exchanges: Slab<Exchange>,
    pub(crate) exchange_names: Map<Rc<str>, ExchangeId>,
    pub(crate) queue_names: QueueNames,
    pub(crate) bindings: Bindings,
    pub(crate) scratch: RouteScratch,
}

/// What went when something was deleted: more may go with it.
#[derive(Default)]
pub(crate) struct Gone {
    /// Names of the exchanges, auto-delete ones included.
    pub(crate) exchanges: Vec<ExchangeSpec>,
}

impl Vhost {
    /// A virtual host with the predeclared exchanges.
    pub fn new(name: Rc<str>) -> Vhost {
        let mut vhost = Vhost {
            name,
            exchanges: Slab::new(),
            exchange_names: Map::default(),
            queue_names: Map::default(),
            bindings: Bindings::default(),
            scratch: RouteScratch::default(),
        };
        for (name, kind) in PREDECLARED {
            vhost.add_exchange(ExchangeSpec {
                name: name.into(),
                kind,
                durable: true,
                auto_delete: false,
                internal: name == "amq.rabbitmq.trace",
                arguments: Table::new(),
            });
        }
        vhost
    }

    /// Whether every virtual host has an exchange of this name from the start.
    pub fn is_predeclared(name: &str) -> bool {
        PREDECLARED.iter().any(|(predeclared, _)| *predeclared == name)
    }

    /// The exchange with this name.
    pub fn exchange(&self, name: &str) -> Option<&Exchange> {
        let id = self.exchange_names.get(name)?;
        self.exchanges.get(id.0 as usize)
    }

    /// All exchanges, in no order that means anything.
    pub fn exchanges(&self) -> impl Iterator<Item = &Exchange> {
        self.exchanges.iter().map(|(_, exchange)| exchange)
    }

    /// All bindings but the implied ones of the default exchange.
    pub fn bindings(&self) -> impl Iterator<Item = &Binding> {
        self.bindings.iter().map(|(_, binding)| binding)
    }

    /// The queue with this name.
    pub fn queue(&self, name: &str) -> Option<QueueId> {
        self.queue_names.get(name).copied()
    }

    /// How many exchanges there are.
    pub fn exchange_count(&self) -> usize {
        self.exchanges.len()
    }

    /// How many queues there are.
    pub fn queue_count(&self) -> usize {
        self.queue_names.len()
    }

    /// How many bindings there are, the implied ones of the default exchange not counted.
    pub fn binding_count(&self) -> usize {
        self.bindings.len()
    }

    /// The id of the exchange with this name.
    pub fn exchange_id(&self, name: &str) -> Option<ExchangeId> {
        self.exchange_names.get(name).copied()
    }

    pub(crate) fn exchange_by_id(&self, id: ExchangeId) -> Option<&Exchange> {
        self.exchanges.get(id.0 as usize)
    }

    /// Adds an exchange under a name that is free.
    pub(crate) fn add_exchange(&mut self, spec: ExchangeSpec) -> ExchangeId {
        let name = spec.name.clone();
        let id = ExchangeId(self.exchanges.insert(Exchange::new(spec)) as u32);
        self.exchange_names.insert(name, id);
        id
    }

    /// Adds a binding that is not there yet; answers whether that was so.
    pub(crate) fn bind(&mut self, binding: Binding) -> bool {
        let Some(id) = self.bindings.insert(binding) else { return false };
        let Some(binding) = self.bindings.get(id) else { return false };
        if let Some(source) = self.exchanges.get_mut(binding.source.0 as usize) {
            source.bind(id, binding);
        }
        true
    }

    /// Removes a binding; its source goes too when it is auto-delete and this was the last one.
    pub(crate) fn unbind(&mut self, id: BindingId) -> Gone {
        let mut gone = Gone::default();
        self.remove_binding(id, &mut Vec::new(), &mut gone);
        gone
    }

    /// Removes an exchange with all its bindings.
    pub(crate) fn remove_exchange(&mut self, id: ExchangeId) -> Gone {
        let mut gone = Gone::default();
        self.remove_exchanges(vec![id], &mut gone);
        gone
    }

    /// Removes a queue's name and all bindings to it.
    pub(crate) fn remove_queue(&mut self, name: &str) -> Gone {
        let mut gone = Gone::default();
        if let Some(id) = self.queue_names.remove(name) {
            let mut emptied = Vec::new();
            let ids: Vec<_> = self.bindings.to(Destination::Queue(id)).map(|(id, _)| id).collect();
            for id in ids {
                self.remove_binding_only(id, &mut emptied);
            }
            self.remove_exchanges(emptied, &mut gone);
        }
        gone
    }

    fn remove_binding(&mut self, id: BindingId, emptied: &mut Vec<ExchangeId>, gone: &mut Gone) {
        self.remove_binding_only(id, emptied);
        self.remove_exchanges(std::mem::take(emptied), gone);
    }

    /// Removes a binding; notes its source when that is to go as well.
    fn remove_binding_only(&mut self, id: BindingId, emptied: &mut Vec<ExchangeId>) {
        let Some(binding) = self.bindings.remove(id) else { return };
        let Some(source) = self.exchanges.get_mut(binding.source.0 as usize) else { return };
        source.unbind(id, &binding);
        if source.spec.auto_delete && !self.bindings.any_from(binding.source) {
            emptied.push(binding.source);
        }
    }

    /// Removes exchanges and, as their bindings go, the auto-delete exchanges that lose their last one.
    fn remove_exchanges(&mut self, mut doomed: Vec<ExchangeId>, gone: &mut Gone) {
        while let Some(id) = doomed.pop() {
            let outgoing: Vec<_> = self.bindings.from(id).map(|(id, _)| id).collect();
            outgoing.into_iter().for_each(|id| drop(self.bindings.remove(id)));
            let incoming = self.bindings.to(Destination::Exchange(id)).map(|(id, _)| id);
            for id in incoming.collect::<Vec<_>>() {
                self.remove_binding_only(id, &mut doomed);
            }
            if let Some(exchange) = self.exchanges.try_remove(id.0 as usize) {
                self.exchange_names.remove(&exchange.spec.name);
                gone.exchanges.push(exchange.spec);
            }
        }
    }
}
