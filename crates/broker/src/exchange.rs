//! Exchanges: what each is, and the bookkeeping that all types share. Which destinations a key reaches is the business of
//! the type's own file.

pub mod default;
pub mod delayed;
pub mod destinations;
pub mod direct;
pub mod fanout;
pub mod headers;
pub mod topic;

use std::rc::Rc;

use amqp::value::{Table, Value};

use crate::binding::{Binding, BindingId, Destination};
use crate::delayed::RoomId;
use crate::route::Headers;

use destinations::Destinations;
use direct::Direct;
use headers::HeadersMatch;
use topic::Topic;

/// The argument that names where unroutable messages go.
pub const ALTERNATE_EXCHANGE: &str = "alternate-exchange";

/// The types of exchanges that can be declared. Everything that lists them reads [`Kind::ALL`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// The key is equal.
    Direct,
    /// Always.
    Fanout,
    /// The key matches a pattern of words.
    Topic,
    /// The headers match the binding's arguments.
    Headers,
    /// As another type, after the time that the message asks for.
    Delayed,
}

impl Kind {
    /// Every type.
    pub const ALL: [Kind; 5] =
        [Kind::Direct, Kind::Fanout, Kind::Topic, Kind::Headers, Kind::Delayed];

    /// The name in `exchange.declare`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Direct => "direct",
            Kind::Fanout => "fanout",
            Kind::Topic => "topic",
            Kind::Headers => "headers",
            Kind::Delayed => "x-delayed-message",
        }
    }

    /// The type with this name.
    pub fn parse(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// One line for people who choose.
    pub fn description(self) -> &'static str {
        match self {
            Kind::Direct => "AMQP direct exchange, as per the AMQP specification",
            Kind::Fanout => "AMQP fanout exchange, as per the AMQP specification",
            Kind::Topic => "AMQP topic exchange, as per the AMQP specification",
            Kind::Headers => "AMQP headers exchange, as per the AMQP specification",
            Kind::Delayed => "Delayed Message Exchange.",
        }
    }
}

/// What an exchange was declared as.
#[derive(Clone, PartialEq, Debug)]
pub struct ExchangeSpec {
    /// Its name, empty for the default exchange.
    pub name: Rc<str>,
    /// Its type.
    pub kind: Kind,
    /// Survives a restart.
    pub durable: bool,
    /// Goes when the last binding of which it is the source goes.
    pub auto_delete: bool,
    /// Takes messages from other exchanges only.
    pub internal: bool,
    /// As declared.
    pub arguments: Table,
}

/// One exchange.
pub struct Exchange {
    /// What it was declared as.
    pub spec: ExchangeSpec,
    /// Where messages go that reach nothing; need not exist.
    pub alternate: Option<Rc<str>>,
    /// The type that it routes as: its own, but for a delayed one.
    routes_as: Kind,
    /// Where messages wait for their time, in a delayed one.
    pub(crate) room: Option<RoomId>,
    matcher: Matcher,
    /// The routing round that visited it last, so that cycles of exchanges end.
    pub(crate) visited: u64,
}

enum Matcher {
    Default,
    Direct(Direct),
    Fanout(Destinations),
    Topic(Box<Topic>),
    Headers(HeadersMatch),
}

impl Exchange {
    /// An exchange without bindings.
    pub fn new(spec: ExchangeSpec) -> Exchange {
        let routes_as = match spec.kind {
            // The declare was refused if there is no such type.
            Kind::Delayed => delayed::inner(&spec.arguments).unwrap_or(Kind::Direct),
            kind => kind,
        };
        let matcher = match routes_as {
            Kind::Direct if spec.name.is_empty() => Matcher::Default,
            Kind::Direct | Kind::Delayed => Matcher::Direct(Direct::default()),
            Kind::Fanout => Matcher::Fanout(Destinations::default()),
            Kind::Topic => Matcher::Topic(Box::default()),
            Kind::Headers => Matcher::Headers(HeadersMatch::default()),
        };
        let alternate =
            spec.arguments.get(ALTERNATE_EXCHANGE).and_then(Value::as_str).map(Rc::from);
        Exchange { spec, alternate, routes_as, room: None, matcher, visited: 0 }
    }

    /// Why the type does not take a binding with these arguments.
    pub fn check_binding(&self, arguments: &Table) -> Result<(), String> {
        match self.routes_as {
            Kind::Headers => headers::check_binding(arguments),
            Kind::Direct | Kind::Fanout | Kind::Topic | Kind::Delayed => Ok(()),
        }
    }

    /// Counts a new binding in.
    pub(crate) fn bind(&mut self, id: BindingId, binding: &Binding) {
        match &mut self.matcher {
            Matcher::Default => {}
            Matcher::Direct(direct) => direct.bind(binding),
            Matcher::Fanout(destinations) => fanout::bind(destinations, binding),
            Matcher::Topic(topic) => topic.bind(&binding.key, binding.destination),
            Matcher::Headers(headers) => headers.bind(id, binding),
        }
    }

    /// Counts a binding out that was counted in.
    pub(crate) fn unbind(&mut self, id: BindingId, binding: &Binding) {
        match &mut self.matcher {
            Matcher::Default => {}
            Matcher::Direct(direct) => direct.unbind(binding),
            Matcher::Fanout(destinations) => fanout::unbind(destinations, binding),
            Matcher::Topic(topic) => topic.unbind(&binding.key, binding.destination),
            Matcher::Headers(headers) => headers.unbind(id),
        }
    }

    /// Adds the destinations that one of the keys, or the headers, reach. A destination may be added more than once.
    pub(crate) fn route(
        &mut self,
        keys: &[&[u8]],
        headers: &Headers<'_>,
        queues: &default::QueueNames,
        found: &mut Vec<Destination>,
    ) {
        match &mut self.matcher {
            Matcher::Default => keys.iter().for_each(|key| default::route(queues, key, found)),
            Matcher::Direct(direct) => keys.iter().for_each(|key| direct.route(key, found)),
            Matcher::Fanout(destinations) => destinations.add_to(found),
            Matcher::Topic(topic) => keys.iter().for_each(|key| topic.route(key, found)),
            Matcher::Headers(matcher) => matcher.route(headers.table(), found),
        }
    }

    /// Whether the same key always reaches the same destinations.
    pub(crate) fn routes_by_key(&self) -> bool {
        self.room.is_none() && !matches!(self.matcher, Matcher::Headers(_))
    }
}
