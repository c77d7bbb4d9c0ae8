//! A virtual host: a name space of exchanges and queues with the bindings between them.

pub mod meta;

use std::rc::Rc;

use amqp::value::Table;
use slab::Slab;

use crate::binding::{Binding, BindingId, Bindings, Destination, ExchangeId};
use crate::delayed::RoomId;
use crate::event::{EVENT_EXCHANGE, EVENT_VHOST};
use crate::exchange::default::QueueNames;
use crate::exchange::{Exchange, ExchangeSpec, Kind};
use crate::history::HistoryId;
use crate::policy::Policies;
use crate::route::RouteScratch;
use crate::trace::TRACE_EXCHANGE;
use crate::{Map, QueueId};

use meta::{VhostLimits, VhostMeta};

/// The exchanges that every virtual host has; nobody can delete or remake them. `/` has that of the events as well.
pub const PREDECLARED: [(&str, Kind); 7] = [
    ("", Kind::Direct),
    ("amq.direct", Kind::Direct),
    ("amq.fanout", Kind::Fanout),
    ("amq.headers", Kind::Headers),
    ("amq.match", Kind::Headers),
    (TRACE_EXCHANGE, Kind::Topic),
    ("amq.topic", Kind::Topic),
];

/// One virtual host.
pub struct Vhost {
    /// Its name.
    pub name: Rc<str>,
    /// Its messages are copied to `amq.rabbitmq.trace`.
    pub tracing: bool,
    /// What is said of it.
    pub meta: VhostMeta,
    /// How much there may be in it.
    pub limits: VhostLimits,
    pub(crate) policies: Policies,
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
    /// Bindings.
    pub(crate) bindings: Vec<GoneBinding>,
    /// Where messages waited in them.
    pub(crate) rooms: Vec<RoomId>,
    /// What they remembered.
    pub(crate) histories: Vec<HistoryId>,
}

/// A binding that is gone, by the names that its ends had.
pub(crate) struct GoneBinding {
    pub(crate) source: Rc<str>,
    /// None when a queue was its destination.
    pub(crate) exchange: Option<Rc<str>>,
    pub(crate) binding: Binding,
}

impl Vhost {
    /// A virtual host with the predeclared exchanges.
    pub fn new(name: Rc<str>) -> Vhost {
        let mut vhost = Vhost {
            name,
            tracing: false,
            meta: VhostMeta::default(),
            limits: VhostLimits::default(),
            policies: Policies::default(),
            exchanges: Slab::new(),
            exchange_names: Map::default(),
            queue_names: Map::default(),
            bindings: Bindings::default(),
            scratch: RouteScratch::default(),
        };
        let events = (&*vhost.name == EVENT_VHOST).then_some((EVENT_EXCHANGE, Kind::Topic));
        for (name, kind) in PREDECLARED.into_iter().chain(events) {
            vhost.add_exchange(ExchangeSpec {
                name: name.into(),
                kind,
                durable: true,
                auto_delete: false,
                internal: matches!(name, TRACE_EXCHANGE | EVENT_EXCHANGE),
                arguments: Table::new(),
            });
        }
        vhost
    }

    /// Whether a virtual host has an exchange of this name from the start.
    pub fn is_predeclared(name: &str) -> bool {
        name == EVENT_EXCHANGE || PREDECLARED.iter().any(|(predeclared, _)| *predeclared == name)
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

    /// The same, those of one source from the oldest to the newest: some types go by that.
    pub(crate) fn bindings_in_order(&self) -> impl Iterator<Item = &Binding> {
        self.exchanges.iter().flat_map(|(id, _)| {
            let mut newest_first: Vec<_> = self.bindings.from(ExchangeId(id as u32)).collect();
            newest_first.reverse();
            newest_first.into_iter().map(|(_, binding)| binding)
        })
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

    /// One exchange.
    pub fn exchange_by_id(&self, id: ExchangeId) -> Option<&Exchange> {
        self.exchanges.get(id.0 as usize)
    }

    pub(crate) fn exchanges_mut(&mut self) -> impl Iterator<Item = &mut Exchange> {
        self.exchanges.iter_mut().map(|(_, exchange)| exchange)
    }

    pub(crate) fn exchange_mut(&mut self, id: ExchangeId) -> Option<&mut Exchange> {
        self.exchanges.get_mut(id.0 as usize)
    }

    /// Adds an exchange under a name that is free.
    pub(crate) fn add_exchange(&mut self, spec: ExchangeSpec) -> ExchangeId {
        let name = spec.name.clone();
        let mut exchange = Exchange::new(spec);
        if !self.policies.is_empty() {
            self.policies.govern_exchange(&mut exchange);
        }
        let id = ExchangeId(self.exchanges.insert(exchange) as u32);
        self.exchange_names.insert(name, id);
        id
    }

    /// Adds a binding that is not there yet; answers whether that was so. `name` is that of the destination.
    pub(crate) fn bind(&mut self, binding: Binding, name: &str) -> bool {
        let Some(id) = self.bindings.insert(binding) else { return false };
        let Some(binding) = self.bindings.get(id) else { return false };
        if let Some(source) = self.exchanges.get_mut(binding.source.0 as usize) {
            source.bind(id, binding, name);
        }
        true
    }

    /// Removes a binding; its source goes too when it is auto-delete and this was the last one.
    pub(crate) fn unbind(&mut self, id: BindingId) -> Gone {
        let (mut gone, mut emptied) = (Gone::default(), Vec::new());
        self.remove_binding_only(id, &mut emptied, &mut gone);
        self.remove_exchanges(emptied, &mut gone);
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
        let (mut gone, mut emptied) = (Gone::default(), Vec::new());
        self.remove_queue_only(name, &mut emptied, &mut gone);
        self.remove_exchanges(emptied, &mut gone);
        gone
    }

    fn remove_queue_only(&mut self, name: &str, emptied: &mut Vec<ExchangeId>, gone: &mut Gone) {
        let Some(id) = self.queue_names.remove(name) else { return };
        let ids: Vec<_> = self.bindings.to(Destination::Queue(id)).map(|(id, _)| id).collect();
        ids.into_iter().for_each(|id| self.remove_binding_only(id, emptied, gone));
    }

    /// Removes a binding; notes its source when that is to go as well.
    fn remove_binding_only(
        &mut self,
        id: BindingId,
        emptied: &mut Vec<ExchangeId>,
        gone: &mut Gone,
    ) {
        let Some(binding) = self.bindings.remove(id) else { return };
        let Some(source) = self.exchanges.get_mut(binding.source.0 as usize) else { return };
        source.unbind(id, &binding);
        if source.spec.auto_delete && !self.bindings.any_from(binding.source) {
            emptied.push(binding.source);
        }
        gone.bindings.extend(self.named(binding));
    }

    fn named(&self, binding: Binding) -> Option<GoneBinding> {
        let name = |id| self.exchange_by_id(id).map(|exchange| exchange.spec.name.clone());
        let exchange = match binding.destination {
            Destination::Exchange(id) => name(id),
            Destination::Queue(_) => None,
        };
        Some(GoneBinding { source: name(binding.source)?, exchange, binding })
    }

    /// Removes exchanges and, as their bindings go, the auto-delete exchanges that lose their last one.
    fn remove_exchanges(&mut self, mut doomed: Vec<ExchangeId>, gone: &mut Gone) {
        while let Some(id) = doomed.pop() {
            self.remove_exchange_only(id, &mut doomed, gone);
        }
    }

    fn remove_exchange_only(
        &mut self,
        id: ExchangeId,
        emptied: &mut Vec<ExchangeId>,
        gone: &mut Gone,
    ) {
        let outgoing: Vec<_> = self.bindings.from(id).map(|(id, _)| id).collect();
        for id in outgoing {
            let removed = self.bindings.remove(id);
            gone.bindings.extend(removed.and_then(|binding| self.named(binding)));
        }
        let incoming = self.bindings.to(Destination::Exchange(id)).map(|(id, _)| id);
        for id in incoming.collect::<Vec<_>>() {
            self.remove_binding_only(id, emptied, gone);
        }
        if let Some(exchange) = self.exchanges.try_remove(id.0 as usize) {
            self.exchange_names.remove(&exchange.spec.name);
            gone.rooms.extend(exchange.room);
            gone.histories.extend(exchange.history);
            gone.exchanges.push(exchange.spec);
        }
    }
}

/// What the log says went, when it is read again. An auto-delete exchange that went along has a record of its own; one that
/// has none lost no more than bindings which did not survive, and stays, as on RabbitMQ.
impl Vhost {
    pub(crate) fn forget_binding(&mut self, id: BindingId) {
        self.remove_binding_only(id, &mut Vec::new(), &mut Gone::default());
    }

    pub(crate) fn forget_queue(&mut self, name: &str) {
        self.remove_queue_only(name, &mut Vec::new(), &mut Gone::default());
    }

    pub(crate) fn forget_exchange(&mut self, id: ExchangeId) {
        self.remove_exchange_only(id, &mut Vec::new(), &mut Gone::default());
    }
}
