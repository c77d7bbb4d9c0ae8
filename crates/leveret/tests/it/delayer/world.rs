//! A broker, a delayer that reads one of its queues, and a queue in which what it publishes ends.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

use amqp::method::{ExchangeDelete, ExchangeDeleteOk};

use super::parcel::{Parcel, Sorted};
use super::process::Delayer;
use crate::broker::Broker;
use crate::client::arguments::{consume, exchange, queue};
use crate::client::channel::Channel;
use crate::client::login::Login;
use crate::client::message::{Delivery, Message, message};
use crate::proxy::Proxy;
use crate::server::{eventually, now_ms};
use crate::site::{BrokerKind, Site};

/// Where messages wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreKind {
    Log,
    Lmdb,
    MongoDb,
}

/// Where a story takes place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place(pub(crate) BrokerKind, pub(crate) StoreKind);

/// A world before it begins.
pub(crate) struct Plan {
    place: Place,
    options: Vec<(String, String)>,
    proxied: bool,
    unconsumed: bool,
    /// A broker that runs already, and how to log in there.
    broker: Option<(Broker, Login)>,
}

/// A world at this place, with the delayer's own defaults but for timestamps, which count
/// milliseconds so that a test need not wait for seconds, and the time until a group is written.
pub(crate) fn at(place: Place) -> Plan {
    let options = [("timestamp-unit", "milliseconds"), ("storage-timeout", "20ms")];
    let options = options.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Plan { place, options, proxied: false, unconsumed: false, broker: None }
}

impl Plan {
    /// With this option of the delayer.
    pub(crate) fn option(mut self, name: &str, value: impl ToString) -> Plan {
        self.options.push((name.to_owned(), value.to_string()));
        self
    }

    /// With a door between the broker and the delayer.
    pub(crate) fn proxied(self) -> Plan {
        Plan { proxied: true, ..self }
    }

    /// With this broker of ours, where people log in so.
    pub(crate) fn beside(self, broker: Broker, login: Login) -> Plan {
        Plan { broker: Some((broker, login)), ..self }
    }

    /// With a sink that nobody consumes.
    pub(crate) fn unconsumed(self) -> Plan {
        Plan { unconsumed: true, ..self }
    }

    /// Everything is there and the delayer runs.
    #[track_caller]
    pub(crate) fn start(self) -> World {
        let mut world = self.prepare();
        world.delayer.launch();
        world
    }

    /// Everything is there but the delayer.
    #[track_caller]
    pub(crate) fn prepare(self) -> World {
        let Place(broker, store) = self.place;
        let (broker, login) = match self.broker {
            Some((broker, login)) => (Site::Leveret(Box::new(broker)), login),
            None => (Site::of(broker), Login::default()),
        };
        let names = Names::unique();
        let proxy = self.proxied.then(|| Proxy::to(broker.amqp()));
        let door = proxy.as_ref().map_or(broker.amqp(), Proxy::address);
        let mut delayer = Delayer::new();
        delayer.set("rabbitmq-address", format!("amqp://guest:guest@{door}/%2F"));
        delayer.set("rabbitmq-queue", &names.source);
        delayer.set("rabbitmq-exchange", &names.output);
        delayer.store_in(store, &names.id);
        for (name, value) in &self.options {
            delayer.set(name, value);
        }
        let client = login.open(broker.amqp());
        let (publisher, sink) = (client.channel(), client.channel());
        publisher.declare_exchange(&exchange(&names.entry, "fanout").durable());
        publisher.declare_exchange(&exchange(&names.output, "topic").durable());
        publisher.declare(&queue(&names.source).durable());
        publisher.bind(&names.source, &names.entry, "");
        publisher.declare(&queue(&names.sink).durable());
        publisher.bind(&names.sink, &names.output, "#");
        publisher.confirms();
        let unconsumed = self.unconsumed;
        let confirmed = Cell::new(0);
        let world =
            World { delayer, proxy, broker, login, names, publisher, sink, unconsumed, confirmed };
        world.consume();
        world
    }
}

/// What the queues and exchanges of a world are called, as nobody else's are.
pub(crate) struct Names {
    pub(crate) id: String,
    /// The exchange that is published to; all of it goes to `source`.
    pub(crate) entry: String,
    /// The queue that the delayer reads.
    pub(crate) source: String,
    /// The exchange that the delayer publishes to.
    pub(crate) output: String,
    /// The queue where all of that ends.
    pub(crate) sink: String,
}

impl Names {
    fn unique() -> Names {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:x}-{:x}-{count}", now_ms(), std::process::id());
        let name = |part: &str| format!("{part}-{id}");
        Names {
            entry: name("entry"),
            source: name("source"),
            output: name("output"),
            sink: name("sink"),
            id,
        }
    }
}

/// A broker, a delayer, and what is between them.
pub(crate) struct World {
    pub(crate) delayer: Delayer,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) names: Names,
    /// Publishes with confirms.
    pub(crate) publisher: Channel,
    /// Consumes what ends in the sink.
    pub(crate) sink: Channel,
    unconsumed: bool,
    confirmed: Cell<u64>,
    login: Login,
    pub(crate) broker: Site,
}

impl World {
    fn consume(&self) {
        if !self.unconsumed {
            self.sink.consume(&consume(&self.names.sink).no_ack());
        }
    }

    /// The door of a world that has one.
    pub(crate) fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("the plan says `proxied`")
    }

    /// Our own broker.
    #[track_caller]
    pub(crate) fn leveret(&mut self) -> &mut Broker {
        self.broker.leveret()
    }

    /// A persistent message on its way to the delayer.
    pub(crate) fn message(&self, body: impl AsRef<[u8]>) -> Message {
        message(&self.names.entry, "key", body).persistent()
    }

    /// Publishes a message and waits until the broker has it.
    #[track_caller]
    pub(crate) fn publish(&self, message: Message) -> Parcel {
        self.publish_all([message]).remove(0)
    }

    /// Publishes messages and waits until the broker has them.
    #[track_caller]
    pub(crate) fn publish_all(&self, messages: impl IntoIterator<Item = Message>) -> Vec<Parcel> {
        let messages: Vec<Message> = messages.into_iter().collect();
        self.publisher.send_messages(&messages);
        let before = self.confirmed.replace(self.confirmed.get() + messages.len() as u64);
        self.publisher.expect_confirms_from(before, self.confirmed.get());
        messages.iter().map(|message| Parcel::of(message, &self.names.output)).collect()
    }

    /// The next message in the sink has to be this one, not before it is due, unchanged.
    #[track_caller]
    pub(crate) fn expect(&self, parcel: &Parcel) -> Delivery {
        let delivery = self.sink.delivery();
        parcel.check(&delivery);
        delivery
    }

    /// The next messages in the sink have to be these, in this order.
    #[track_caller]
    pub(crate) fn expect_in_order(&self, parcels: &[Parcel]) {
        for parcel in parcels {
            self.expect(parcel);
        }
    }

    /// The next messages in the sink have to be these, once each, in any order.
    #[track_caller]
    pub(crate) fn expect_all(&self, parcels: &[Parcel]) {
        self.expect_copies(parcels, 1);
    }

    /// The next messages in the sink have to be these, so many of each, in any order.
    #[track_caller]
    pub(crate) fn expect_copies(&self, parcels: &[Parcel], copies: usize) {
        let mut sorted = Sorted::new(parcels);
        for _ in 0..parcels.len() * copies {
            sorted.check(&self.sink.delivery());
        }
        sorted.expect_copies(copies);
    }

    /// These messages are in the sink or arrive there; some of them more than once: how many
    /// deliveries were too many, until all of them are there and no more is held or on its way.
    #[track_caller]
    pub(crate) fn expect_at_least(&self, parcels: &[Parcel]) -> usize {
        let mut sorted = Sorted::new(parcels);
        while sorted.missing() > 0 {
            sorted.check(&self.sink.delivery());
        }
        self.delayer.expect_idle();
        // On the same channel, so that what the broker has sent meanwhile comes before the answer.
        self.sink.arrived().iter().for_each(|event| sorted.check_event(event));
        sorted.duplicates()
    }

    /// The same for messages that nobody consumes: they are taken one by one. In the end nothing
    /// is held, on its way, or in the sink.
    #[track_caller]
    pub(crate) fn take_at_least(&self, parcels: &[Parcel]) -> usize {
        let mut sorted = Sorted::new(parcels);
        eventually("all are there", || {
            while let Some(delivery) = self.sink.take(&self.names.sink) {
                sorted.check(&delivery);
            }
            sorted.missing() == 0
        });
        self.delayer.expect_idle();
        while let Some(delivery) = self.sink.take(&self.names.sink) {
            sorted.check(&delivery);
        }
        sorted.duplicates()
    }

    /// Nothing is in the sink.
    #[track_caller]
    pub(crate) fn expect_nothing(&self) {
        self.sink.silent();
    }

    /// So many messages are held.
    #[track_caller]
    pub(crate) fn expect_held(&self, count: u64) {
        self.delayer.expect_metric("amqpdelayer_held_messages", count as f64);
    }

    /// A queue of its own that the output exchange leads to by this key; consumed on the channel.
    #[track_caller]
    pub(crate) fn sink_for(&self, name: &str, key: &str) -> Channel {
        let client = self.login.open(self.broker.amqp());
        let channel = client.channel();
        let name = format!("{name}-{}", self.names.id);
        channel.declare(&queue(&name).durable());
        if !key.is_empty() {
            channel.bind(&name, &self.names.output, key);
        }
        channel.consume(&consume(&name).no_ack());
        channel
    }

    /// Declares the source after it was deleted.
    #[track_caller]
    pub(crate) fn redeclare_source(&self) {
        self.publisher.declare(&queue(&self.names.source).durable());
        self.publisher.bind(&self.names.source, &self.names.entry, "");
    }

    /// Deletes an exchange.
    #[track_caller]
    pub(crate) fn delete_exchange(&self, exchange: &str) {
        let delete = ExchangeDelete { exchange, if_unused: false, no_wait: false };
        self.publisher.ask(delete, ExchangeDeleteOk {});
    }

    /// Connects again after the broker was restarted.
    #[track_caller]
    pub(crate) fn reconnect(&mut self) {
        let client = self.login.open(self.broker.amqp());
        (self.publisher, self.sink) = (client.channel(), client.channel());
        self.publisher.confirms();
        self.confirmed.set(0);
        self.consume();
        if let Some(proxy) = &self.proxy {
            proxy.lead_to(self.broker.amqp());
        }
    }
}
