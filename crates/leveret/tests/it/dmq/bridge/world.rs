//! A broker, a node with a bridge to it, and a scripted node on the same bus.

use std::sync::atomic::{AtomicU32, Ordering};

use amqp::value::Value;

use crate::broker::Broker;
use crate::client::arguments::queue;
use crate::client::channel::Channel;
use crate::client::login::Login;
use crate::client::message::{Delivery, Message, message};
use crate::dmq::node::{Manner, Node};
use crate::dmq::packet::Packet;
use crate::dmq::process::Dmq;
use crate::dmq::request::Request;
use crate::proxy::Proxy;
use crate::server::{eventually, now_ms};
use crate::site::{BrokerKind, Site};

/// The peer that stories are about.
pub(crate) const EVENTS: &str = "events";

/// Keys of more than one word: those of what the bridge publishes.
pub(crate) const EVERYTHING: &str = "*.*.#";

/// Everything; the names of exchange and queue are this world's alone.
pub(crate) struct World {
    pub(crate) broker: Site,
    /// Between the bridge and the broker.
    pub(crate) proxy: Proxy,
    pub(crate) channel: Channel,
    pub(crate) exchange: String,
    /// What is in it goes to the bus.
    pub(crate) queue: String,
    /// Gets all that the bridge publishes.
    pub(crate) inbox: String,
    /// Gets what `queue` rejects.
    pub(crate) dead: String,
    pub(crate) kamailio: Node,
    pub(crate) ours: Dmq,
}

impl World {
    /// A world in which nothing of the bridge is declared, and the node does not run.
    pub(crate) fn bare(kind: BrokerKind) -> World {
        World::beside(Site::of(kind))
    }

    /// The same, beside this broker.
    pub(crate) fn beside(broker: Site) -> World {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:x}-{:x}-{count}", now_ms(), std::process::id());
        let proxy = Proxy::to(broker.amqp());
        let kamailio = Node::start();
        let [exchange, queue, inbox, dead] =
            ["bus", "send", "inbox", "dead"].map(|name| format!("{name}-{id}"));
        let ours = Dmq::beside(&[&kamailio])
            .set("fr_timer_ms", 1000)
            .set("bridge_peers", format!("[{EVENTS:?}]"))
            .set("bridge_broker", format!("\"amqp://guest:guest@{}/\"", proxy.address()))
            .set("bridge_exchange", format!("{exchange:?}"))
            .set("bridge_queue", format!("{queue:?}"));
        let channel = Login::default().open(broker.amqp()).channel();
        World { broker, proxy, channel, exchange, queue, inbox, dead, kamailio, ours }
    }

    /// The same, with a queue that has a dead-letter exchange.
    pub(crate) fn at(kind: BrokerKind) -> World {
        let world = World::bare(kind);
        world.channel.declare(&queue(&world.dead).durable());
        let sending = queue(&world.queue).durable().arg("x-dead-letter-exchange", "");
        let sending = sending.arg("x-dead-letter-routing-key", world.dead.as_str());
        world.channel.declare(&sending);
        world
    }

    /// With this setting of the node.
    pub(crate) fn set(self, name: &str, value: impl ToString) -> World {
        World { ours: self.ours.set(name, value), ..self }
    }

    /// The node runs, its bridge is connected, and `inbox` gets what it publishes.
    #[track_caller]
    pub(crate) fn start(mut self) -> World {
        self.ours.launch();
        self.expect_connected(true);
        self.ours.expect_active(&[&self.kamailio]);
        self.channel.declare(&queue(&self.inbox).durable());
        self.channel.bind(&self.inbox, &self.exchange, EVERYTHING);
        self
    }

    /// The bridge is connected, or gets to be; or is not.
    #[track_caller]
    pub(crate) fn expect_connected(&self, connected: bool) {
        self.ours.expect_metric("bridge_up", f64::from(u8::from(connected)));
    }

    /// A request of the scripted node for the peer.
    pub(crate) fn event(&self, body: impl AsRef<[u8]>) -> Request<'_> {
        self.kamailio.request(self.ours.ip(), EVENTS, body)
    }

    /// The next message that the bridge published.
    #[track_caller]
    pub(crate) fn published(&self) -> Delivery {
        self.take(&self.inbox)
    }

    /// The next message of a queue, which is there or arrives.
    #[track_caller]
    pub(crate) fn take(&self, queue: &str) -> Delivery {
        let mut taken = None;
        eventually(&format!("a message in {queue}"), || {
            taken = self.channel.take(queue);
            taken.is_some()
        });
        taken.expect("it was just taken")
    }

    /// A queue for outcomes.
    #[track_caller]
    pub(crate) fn answers(&self) -> String {
        let answers = format!("answers-{}", self.queue);
        self.channel.declare(&queue(&answers).exclusive());
        answers
    }

    /// A message for the bus.
    pub(crate) fn outbound(&self, key: &str, body: &str) -> Message {
        message(&self.exchange, key, body).persistent()
    }

    /// Publishes a message for the bus.
    pub(crate) fn publish(&self, message: &Message) {
        self.channel.send_message(message);
    }

    /// The message of the bus with this body, which the scripted node got or gets.
    #[track_caller]
    pub(crate) fn got(&self, body: &str) -> Packet {
        self.kamailio.first(body, |packet| packet.asks(EVENTS) && packet.body() == body.as_bytes())
    }

    /// Nothing of the queue is left, neither there nor unsettled.
    #[track_caller]
    pub(crate) fn expect_all_settled(&self) {
        self.ours.expect_metric("bridge_sending", 0.0);
        assert_eq!(self.channel.counts(&self.queue).0, 0);
    }

    /// Our own broker.
    pub(crate) fn leveret(&mut self) -> &mut Broker {
        self.broker.leveret()
    }

    /// The scripted node keeps silent about the peer's messages.
    pub(crate) fn silent(&self) {
        self.kamailio.behave_for(EVENTS, Manner::Silent);
    }
}

/// The text of a header.
#[track_caller]
pub(crate) fn header(delivery: &Delivery, name: &str) -> String {
    let headers = delivery.headers();
    let text = headers.get(name).and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("no {name}: {headers:?}")).to_owned()
}
