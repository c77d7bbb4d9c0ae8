//! What AMQP means: virtual hosts, exchanges, bindings, queues, users.
//!
//! A [`Broker`] is a state machine. Commands are plain function calls that carry the time; what it does to the outside
//! goes through a [`Sink`], what it keeps goes through the [`store::Store`]. It has no socket, no clock, no random source
//! and no thread, so a test or a simulation drives it with a recording sink and a clock of its own.
#![warn(missing_docs)]

pub mod admin;
pub mod bind;
pub mod binding;
pub mod broker;
pub mod consume;
pub mod dead_letter;
mod deadlines;
pub mod declare;
pub mod delayed;
mod erlang;
pub mod event;
pub mod exchange;
pub mod expression;
pub mod history;
pub mod interceptor;
pub mod message;
pub mod parameter;
pub mod policy;
pub mod publish;
pub mod queue;
mod queues;
pub mod reply_to;
pub mod route;
pub mod stats;
pub mod topology;
pub mod trace;
pub mod user;
pub mod vhost;

use std::collections::HashMap;

use store::{Seq, Store};

pub use admin::AdminError;
pub use broker::{Broker, Session, Settings};
pub use consume::Consume;
pub use declare::{ExchangeDeclare, QueueDeclare, QueueDeclared};
pub use event::Event;
pub use message::Message;
pub use publish::{Publish, Published};
pub use route::RouteCache;
pub use topology::RecoverError;

/// Unix time in milliseconds. Always an argument; the broker never asks a clock.
pub type Millis = u64;

/// The hasher of every table here: no random source, so that the same commands give the same order.
pub(crate) type HashState = foldhash::fast::FixedState;

/// A hash table.
pub(crate) type Map<K, V> = HashMap<K, V, HashState>;

/// Names one queue of this broker: slot and generation. A slot is used again with the next generation,
/// so the id of a deleted queue never names another one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct QueueId(pub u32, pub u32);

/// Names one consumer. Made by the server, opaque here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ConsumerKey {
    /// Slot of the connection.
    pub conn: u32,
    /// Generation of the connection's slot.
    pub generation: u32,
    /// Channel number.
    pub channel: u16,
    /// Which consumer of the channel.
    pub index: u32,
}

/// What every command needs from its surroundings.
pub struct Cx<'a, S: Sink> {
    /// Where messages and topology are kept.
    pub store: &'a mut Store,
    /// What the command does to connections.
    pub sink: &'a mut S,
    /// The time of the command.
    pub now: Millis,
}

/// What the broker does to the outside. Implemented by the server's connections and by a recorder in tests.
pub trait Sink {
    /// Whether the connection and channel behind the consumer take one more message now (output bound, channel prefetch,
    /// flow). When it refuses, the queue marks the consumer blocked; the server calls `Broker::resume` later.
    fn can_take(&mut self, to: ConsumerKey) -> bool;
    /// Writes one delivery. For a tracked one (`!no_ack`) the sink remembers the handle under a new delivery tag.
    fn deliver(&mut self, to: ConsumerKey, delivery: Delivery<'_>);
    /// The consumer lost its queue: `basic.cancel` if the client can take it.
    fn cancelled(&mut self, to: ConsumerKey);
    /// The name of the connection whose command this is, for traces; empty when nobody's.
    fn speaker(&self) -> std::rc::Rc<str> {
        "".into()
    }
}

/// One message on its way to a consumer.
pub struct Delivery<'a> {
    /// Which stored message this is; `seq` is `Seq::MAX` for one that was never stored.
    pub handle: Handle,
    /// Not to be tracked: settled by being delivered.
    pub no_ack: bool,
    /// Whether it was delivered before.
    pub redelivered: bool,
    /// The virtual host and queue it comes from, when the delivery is to be copied: see [`trace`].
    pub traced: Option<(&'a std::rc::Rc<str>, &'a std::rc::Rc<str>)>,
    /// What to write.
    pub message: &'a Message<'a>,
}

/// Names one stored message of a queue.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Handle {
    /// The queue that keeps it.
    pub queue: QueueId,
    /// Which of the queue's lanes: 0, or the priority's.
    pub lane: u8,
    /// Its number in the lane; `Seq::MAX` for a no-ack delivery that was never stored.
    pub seq: Seq,
    /// Bytes of its body: what an ack or a requeue changes in the queue's byte counts, without reading the message.
    /// 0 for one that was never stored.
    pub bytes: u32,
}
