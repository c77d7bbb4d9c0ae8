//! A broker with a queue, a trigger that reads it, an endpoint that it calls, and a queue for dead
//! letters.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use super::endpoint::Endpoint;
use super::process::Trigger;
use crate::broker::Broker;
use crate::client::arguments::{Queue, queue};
use crate::client::channel::{Channel, Event};
use crate::client::login::Login;
use crate::client::message::{Delivery, Message, message};
use crate::peers;
use crate::proxy::Proxy;
use crate::server::{eventually, now_ms};
use crate::site::{BrokerKind, Site};

/// A world before it begins.
///
/// Settings are lines of TOML, in which `{queue}`, `{dead}`, `{id}`, `{sink}` and `{broker}` stand
/// for the names of this world and the addresses of endpoint and broker.
pub(crate) struct Plan {
    kind: BrokerKind,
    /// A broker that runs already, and how to log in there.
    broker: Option<(Broker, Login)>,
    /// Of the file itself, `[broker.main]`, `[trigger.t]`, its pipeline, and what follows.
    top: String,
    main: String,
    trigger: String,
    http: String,
    command: String,
    more: String,
    sink: Endpoint,
    proxied: bool,
    arguments: fn(Queue) -> Queue,
    undeclared: bool,
}

/// A world beside this broker, with the trigger's own defaults but for pauses between connections.
pub(crate) fn at(kind: BrokerKind) -> Plan {
    Plan {
        kind,
        broker: None,
        top: String::new(),
        main: String::new(),
        trigger: String::new(),
        http: String::new(),
        command: String::new(),
        more: String::new(),
        sink: Endpoint::start(),
        proxied: false,
        arguments: |queue| queue,
        undeclared: false,
    }
}

fn add(to: &mut String, lines: &str) {
    to.push_str(lines);
    to.push('\n');
}

impl Plan {
    /// With these lines of the file itself.
    pub(crate) fn top(mut self, lines: &str) -> Plan {
        add(&mut self.top, lines);
        self
    }

    /// With these lines in `[broker.main]`.
    pub(crate) fn main(mut self, lines: &str) -> Plan {
        add(&mut self.main, lines);
        self
    }

    /// With these lines in `[trigger.t]`.
    pub(crate) fn trigger(mut self, lines: &str) -> Plan {
        add(&mut self.trigger, lines);
        self
    }

    /// With these lines in `[trigger.t.http]`.
    pub(crate) fn http(mut self, lines: &str) -> Plan {
        add(&mut self.http, lines);
        self
    }

    /// With a command in the place of the endpoint, and these lines in `[trigger.t.command]`.
    pub(crate) fn command(mut self, lines: &str) -> Plan {
        add(&mut self.command, lines);
        self
    }

    /// With this at the end of the file.
    pub(crate) fn more(mut self, lines: &str) -> Plan {
        add(&mut self.more, lines);
        self
    }

    /// With this endpoint.
    pub(crate) fn sink(self, sink: Endpoint) -> Plan {
        Plan { sink, ..self }
    }

    /// With this broker of ours, where people log in so.
    pub(crate) fn beside(self, broker: Broker, login: Login) -> Plan {
        Plan { broker: Some((broker, login)), ..self }
    }

    /// With a door between the broker and the trigger.
    pub(crate) fn proxied(self) -> Plan {
        Plan { proxied: true, ..self }
    }

    /// With a queue of this kind.
    pub(crate) fn queue(self, arguments: fn(Queue) -> Queue) -> Plan {
        Plan { arguments, ..self }
    }

    /// Without the queue.
    pub(crate) fn undeclared(self) -> Plan {
        Plan { undeclared: true, ..self }
    }

    /// Everything is there and the trigger runs.
    #[track_caller]
    pub(crate) fn start(self) -> World {
        let mut world = self.prepare();
        world.trigger.launch();
        world.expect_consumers(1);
        world
    }

    /// Everything is there but the trigger.
    #[track_caller]
    pub(crate) fn prepare(self) -> World {
        let text = self.text();
        let (broker, login) = match self.broker {
            Some((broker, login)) => (Site::Leveret(Box::new(broker)), login),
            None => (Site::of(self.kind), Login::default()),
        };
        let proxy = self.proxied.then(|| Proxy::to(broker.amqp()));
        let channel = login.open(broker.amqp()).channel();
        channel.confirms();
        let mut world = World {
            trigger: Trigger::new(),
            sink: self.sink,
            proxy,
            names: Names::unique(),
            channel,
            broker,
            arguments: self.arguments,
            confirmed: Cell::new(0),
            text: String::new(),
        };
        world.channel.declare(&queue(&world.names.dead).durable());
        if !self.undeclared {
            world.declare();
        }
        world.configure(text);
        world
    }

    /// The configuration.
    fn text(&self) -> String {
        let Plan { top, main, trigger, http, command, more, .. } = self;
        let pipeline = match (command.as_str(), http.starts_with("url =")) {
            ("", true) => format!("[trigger.t.http]\n{http}"),
            ("", false) => format!("[trigger.t.http]\nurl = \"http://{{sink}}/hook\"\n{http}"),
            (command, _) => format!("[trigger.t.command]\n{command}"),
        };
        format!(
            "listen = \"127.0.0.1:0\"\n{top}\n[broker.main]\nhosts = [\"{{broker}}\"]\n\
             reconnect = {{ min_ms = 20, max_ms = 200 }}\n{main}\n[trigger.t]\n\
             queue = \"{{queue}}\"\n{trigger}\n{pipeline}\n{more}"
        )
    }
}

/// What the queues of a world are called, as nobody else's are.
pub(crate) struct Names {
    pub(crate) id: String,
    /// The queue that the trigger reads.
    pub(crate) queue: String,
    /// The queue where it dead-letters to.
    pub(crate) dead: String,
}

impl Names {
    fn unique() -> Names {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:x}-{:x}-{count}", now_ms(), std::process::id());
        Names { queue: format!("queue-{id}"), dead: format!("dead-{id}"), id }
    }
}

/// A broker, a trigger, its endpoint, and the queues.
pub(crate) struct World {
    pub(crate) trigger: Trigger,
    pub(crate) sink: Endpoint,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) names: Names,
    /// Publishes with confirms, and looks at queues.
    pub(crate) channel: Channel,
    pub(crate) broker: Site,
    arguments: fn(Queue) -> Queue,
    confirmed: Cell<u64>,
    /// The configuration, its names not yet put in.
    text: String,
}

impl World {
    /// Writes the configuration.
    pub(crate) fn configure(&mut self, text: String) {
        self.text = text;
        self.trigger.write("trigger.toml", self.filled(&self.text));
    }

    /// Writes the configuration with something else in the place of something.
    #[track_caller]
    pub(crate) fn change(&mut self, from: &str, to: &str) {
        assert!(self.text.contains(from), "no {from} in\n{}", self.text);
        self.configure(self.text.replace(from, to));
    }

    /// The number of the first line of the configuration that has this text.
    #[track_caller]
    pub(crate) fn trigger_line(&self, text: &str) -> usize {
        let at = self.text.lines().position(|line| line.contains(text));
        at.unwrap_or_else(|| panic!("no {text} in\n{}", self.text)) + 1
    }

    /// The text with the names of this world.
    pub(crate) fn filled(&self, text: &str) -> String {
        let door = self.proxy.as_ref().map_or(self.broker.amqp(), Proxy::address);
        text.replace("{queue}", &self.names.queue)
            .replace("{dead}", &self.names.dead)
            .replace("{id}", &self.names.id)
            .replace("{sink}", &self.sink.address().to_string())
            .replace("{broker}", &door.to_string())
    }

    /// Declares the queue.
    #[track_caller]
    pub(crate) fn declare(&self) {
        let queue = queue(&self.names.queue).durable();
        let queue = queue.arg("x-dead-letter-exchange", "");
        let queue = queue.arg("x-dead-letter-routing-key", self.names.dead.as_str());
        self.channel.declare(&(self.arguments)(queue));
    }

    /// The door of a world that has one.
    pub(crate) fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("the plan says `proxied`")
    }

    /// A persistent message for the queue, whose id is its body.
    pub(crate) fn message(&self, body: &str) -> Message {
        message("", &self.names.queue, body).persistent().id(body)
    }

    /// Publishes messages and waits until the broker has them.
    #[track_caller]
    pub(crate) fn publish<S: AsRef<str>>(&self, bodies: &[S]) {
        self.publish_all(bodies.iter().map(|body| self.message(body.as_ref())));
    }

    /// Publishes messages and waits until the broker has them.
    #[track_caller]
    pub(crate) fn publish_all(&self, messages: impl IntoIterator<Item = Message>) {
        let messages: Vec<Message> = messages.into_iter().collect();
        self.channel.send_messages(&messages);
        let before = self.confirmed.replace(self.confirmed.get() + messages.len() as u64);
        // In any order: RabbitMQ confirms a large message after a small one that came later.
        let mut missing: BTreeSet<u64> = (before + 1..=self.confirmed.get()).collect();
        while !missing.is_empty() {
            match self.channel.next() {
                Event::Ack { tag, multiple: true } => missing = missing.split_off(&(tag + 1)),
                Event::Ack { tag, multiple: false } => drop(missing.remove(&tag)),
                other => panic!("not an ack: {other:?}"),
            }
        }
    }

    /// Messages of the queue that nobody has.
    #[track_caller]
    pub(crate) fn ready(&self) -> u32 {
        self.channel.counts(&self.names.queue).0
    }

    /// So many messages are in the queue and with nobody, or get to be.
    #[track_caller]
    pub(crate) fn expect_ready(&self, count: u32) {
        eventually(&format!("{count} ready messages"), || self.ready() == count);
    }

    /// So many consumers are at the queue, or get to be.
    #[track_caller]
    pub(crate) fn expect_consumers(&self, count: u32) {
        eventually(&format!("{count} consumers"), || {
            self.channel.counts(&self.names.queue).1 == count
        });
    }

    /// Messages that the broker has delivered and holds until they are settled.
    #[track_caller]
    pub(crate) fn unacked(&self) -> u32 {
        match &self.broker {
            Site::Leveret(broker) => broker.metric("rabbitmq_queue_messages_unacked") as u32,
            Site::RabbitMq(_) => {
                let words = ["-q", "list_queues", "name", "messages_unacknowledged"];
                let listed = peers::rabbitmqctl(&words);
                let mut rows = listed.lines().filter_map(|row| row.split_once('\t'));
                let row = rows.find(|(name, _)| *name == self.names.queue);
                row.expect("the queue is there").1.parse().unwrap()
            }
        }
    }

    /// The broker holds so many messages until they are settled, or gets to.
    #[track_caller]
    pub(crate) fn expect_unacked(&self, count: u32) {
        eventually(&format!("{count} unacknowledged messages"), || self.unacked() == count);
    }

    /// Nothing is left: not in the queue, not unsettled, not under way.
    #[track_caller]
    pub(crate) fn expect_all_settled(&self) {
        self.expect_unacked(0);
        self.expect_ready(0);
        self.trigger.expect_metric("in_flight", 0);
    }

    /// The next dead letter, which is there or arrives; it has to have this body.
    #[track_caller]
    pub(crate) fn expect_dead(&self, body: &str) -> Delivery {
        let letter = self.dead_letter();
        assert_eq!(letter.text(), body);
        letter
    }

    /// The next dead letter, which is there or arrives.
    #[track_caller]
    pub(crate) fn dead_letter(&self) -> Delivery {
        self.take(&self.names.dead)
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

    /// There is no dead letter.
    #[track_caller]
    pub(crate) fn expect_no_dead(&self) {
        assert_eq!(self.channel.drain(&self.names.dead), <[String; 0]>::default());
    }

    /// Connects again after the broker was restarted.
    #[track_caller]
    pub(crate) fn reconnect(&mut self) {
        self.channel = Login::default().open(self.broker.amqp()).channel();
        self.channel.confirms();
        self.confirmed.set(0);
        if let Some(proxy) = &self.proxy {
            proxy.lead_to(self.broker.amqp());
        }
    }
}
