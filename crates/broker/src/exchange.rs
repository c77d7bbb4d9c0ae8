//! Exchanges: what each is, and the bookkeeping that all types share. Which destinations a key reaches is the business of
//! the type's own file.

pub mod consistent_hash;
pub mod default;
pub mod delayed;
pub mod destinations;
pub mod direct;
pub mod fanout;
pub mod headers;
pub mod local_random;
pub mod modulus_hash;
pub mod random;
pub mod recent_history;
pub mod topic;

use std::rc::Rc;

use amqp::value::{Table, Value};

use crate::binding::{Binding, BindingId, Destination};
use crate::delayed::RoomId;
use crate::history::HistoryId;
use crate::queue::args::QueueKind;
use crate::route::Headers;

use consistent_hash::ConsistentHash;
use destinations::Destinations;
use direct::Direct;
use headers::HeadersMatch;
use modulus_hash::ModulusHash;
use random::{Dice, Random};
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
    /// One destination, chosen by a hash, in proportion to its weight.
    ConsistentHash,
    /// One binding, at random.
    Random,
    /// One classic queue of this node, at random.
    LocalRandom,
    /// One binding, chosen by the hash of the key.
    ModulusHash,
    /// Always, and who is bound later gets the last messages.
    RecentHistory,
}

impl Kind {
    /// Every type.
    pub const ALL: [Kind; 10] = [
        Kind::Direct,
        Kind::Fanout,
        Kind::Topic,
        Kind::Headers,
        Kind::Delayed,
        Kind::ConsistentHash,
        Kind::Random,
        Kind::LocalRandom,
        Kind::ModulusHash,
        Kind::RecentHistory,
    ];

    /// The name in `exchange.declare`.
    pub fn name(self) -> &'static str {
        self.texts().0
    }

    /// The type with this name.
    pub fn parse(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// One line for people who choose.
    pub fn description(self) -> &'static str {
        self.texts().1
    }

    /// Its name and description.
    fn texts(self) -> (&'static str, &'static str) {
        match self {
            Kind::Direct => ("direct", "AMQP direct exchange, as per the AMQP specification"),
            Kind::Fanout => ("fanout", "AMQP fanout exchange, as per the AMQP specification"),
            Kind::Topic => ("topic", "AMQP topic exchange, as per the AMQP specification"),
            Kind::Headers => ("headers", "AMQP headers exchange, as per the AMQP specification"),
            Kind::Delayed => ("x-delayed-message", "Delayed Message Exchange."),
            Kind::ConsistentHash => ("x-consistent-hash", "Consistent Hashing Exchange"),
            Kind::Random => ("x-random", "Randomly picks a binding (queue) to route via (to)."),
            Kind::LocalRandom => {
                ("x-local-random", "Picks one random local binding (queue) to route via (to).")
            }
            Kind::ModulusHash => ("x-modulus-hash", "Modulus Hashing Exchange"),
            Kind::RecentHistory => ("x-recent-history", "Recent History Exchange."),
        }
    }

    /// Why no exchange of the type can have these arguments.
    pub fn check_arguments(self, arguments: &Table) -> Result<(), String> {
        match self {
            Kind::ConsistentHash => consistent_hash::check_arguments(arguments),
            Kind::RecentHistory => recent_history::check_arguments(arguments),
            Kind::Delayed => delayed::inner(arguments)?.check_arguments(arguments),
            Kind::Direct | Kind::Fanout | Kind::Topic | Kind::Headers => Ok(()),
            Kind::Random | Kind::LocalRandom | Kind::ModulusHash => Ok(()),
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
    /// The name of its policy.
    pub policy: Option<Rc<str>>,
    /// Where messages go that reach nothing; need not exist.
    pub alternate: Option<Rc<str>>,
    /// The type that it routes as: its own, but for a delayed one.
    routes_as: Kind,
    /// Where messages wait for their time, in a delayed one.
    pub(crate) room: Option<RoomId>,
    /// The last messages, in one that remembers them.
    pub(crate) history: Option<HistoryId>,
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
    ConsistentHash(Box<ConsistentHash>),
    Random(Random),
    ModulusHash(ModulusHash),
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
            Kind::Fanout | Kind::RecentHistory => Matcher::Fanout(Destinations::default()),
            Kind::Topic => Matcher::Topic(Box::default()),
            Kind::Headers => Matcher::Headers(HeadersMatch::default()),
            Kind::ConsistentHash => {
                Matcher::ConsistentHash(Box::new(ConsistentHash::new(&spec.arguments)))
            }
            Kind::Random | Kind::LocalRandom => Matcher::Random(Random::default()),
            Kind::ModulusHash => Matcher::ModulusHash(ModulusHash::default()),
        };
        let alternate =
            spec.arguments.get(ALTERNATE_EXCHANGE).and_then(Value::as_str).map(Rc::from);
        Exchange {
            spec,
            policy: None,
            alternate,
            routes_as,
            room: None,
            history: None,
            matcher,
            visited: 0,
        }
    }

    /// Why the type does not take a binding; `queue` is the kind of the queue that it leads to, none for an exchange.
    pub fn check_binding(&self, binding: &Binding, queue: Option<QueueKind>) -> Result<(), String> {
        match self.routes_as {
            Kind::Headers => headers::check_binding(&binding.arguments),
            Kind::ConsistentHash => consistent_hash::check_key(&binding.key),
            Kind::LocalRandom => local_random::check_binding(binding, queue),
            Kind::Direct | Kind::Fanout | Kind::Topic | Kind::Delayed => Ok(()),
            Kind::Random | Kind::ModulusHash | Kind::RecentHistory => Ok(()),
        }
    }

    /// Whether its type remembers messages.
    pub(crate) fn remembers(&self) -> bool {
        self.routes_as == Kind::RecentHistory
    }

    /// Counts a new binding in; `name` is that of the destination.
    pub(crate) fn bind(&mut self, id: BindingId, binding: &Binding, name: &str) {
        match &mut self.matcher {
            Matcher::Default => {}
            Matcher::Direct(direct) => direct.bind(binding),
            Matcher::Fanout(destinations) => fanout::bind(destinations, binding),
            Matcher::Topic(topic) => topic.bind(&binding.key, binding.destination),
            Matcher::Headers(headers) => headers.bind(id, binding),
            Matcher::ConsistentHash(hash) => hash.bind(id, binding, name),
            Matcher::Random(random) => random.bind(id, binding),
            Matcher::ModulusHash(hash) => hash.bind(id, binding, name),
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
            Matcher::ConsistentHash(hash) => hash.unbind(id, binding),
            Matcher::Random(random) => random.unbind(id),
            Matcher::ModulusHash(hash) => hash.unbind(id),
        }
    }

    /// Adds the destinations that one of the keys, or the headers, reach. A destination may be added more than once.
    pub(crate) fn route(
        &mut self,
        keys: &[&[u8]],
        headers: &Headers<'_>,
        queues: &default::QueueNames,
        dice: &mut Dice,
        found: &mut Vec<Destination>,
    ) {
        match &mut self.matcher {
            Matcher::Default => keys.iter().for_each(|key| default::route(queues, key, found)),
            Matcher::Direct(direct) => keys.iter().for_each(|key| direct.route(key, found)),
            Matcher::Fanout(destinations) => destinations.add_to(found),
            Matcher::Topic(topic) => keys.iter().for_each(|key| topic.route(key, found)),
            Matcher::Headers(matcher) => matcher.route(headers.table(), found),
            Matcher::ConsistentHash(hash) => hash.route(keys, headers, found),
            Matcher::Random(random) => random.route(dice, found),
            Matcher::ModulusHash(hash) => hash.route(keys, found),
        }
    }

    /// Whether the same key always reaches the same destinations.
    pub(crate) fn routes_by_key(&self) -> bool {
        let by_key = match &self.matcher {
            Matcher::Headers(_) | Matcher::Random(_) => false,
            Matcher::ConsistentHash(hash) => hash.routes_by_key(),
            Matcher::Default | Matcher::Direct(_) | Matcher::Fanout(_) => true,
            Matcher::Topic(_) | Matcher::ModulusHash(_) => true,
        };
        by_key && self.room.is_none()
    }
}
