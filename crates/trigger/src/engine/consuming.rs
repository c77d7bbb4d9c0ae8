//! The way in: deliveries, and the consumer that is kept as the machine wants it.

use std::rc::Rc;
use std::time::{Duration, Instant};

use amqp::value::{Table, Value};
use client::error::Error;
use client::event::{Delivery, Event};
use client::link::{self, CONSUMER, Link, LinkEvent};

use super::Engine;
use crate::attempts::Prior;
use crate::config::{Definition, TriggerConfig, consumer_timeout_ms};
use crate::keys;
use crate::machine::{Arrival, Key, Want};
use crate::message::Message;

/// A broker that does not answer within this time gets another channel.
const PATIENCE: Duration = Duration::from_secs(10);

/// A queue that is not there is looked for this often.
const LOOK_FOR_QUEUE: Duration = Duration::from_secs(2);

/// The consumer as it is.
pub(super) struct Consuming {
    queue: String,
    prefetch: u16,
    no_ack: bool,
    /// RabbitMQ 4.3 and later let the consumer of a quorum queue say how long it may hold a
    /// message. Earlier ones pass over it; where it is refused, nothing is left of it.
    arguments: Table,
    /// What the broker was last asked for.
    want: Want,
    /// When a queue that is not there is looked for again.
    not_before: Instant,
    /// Messages that the broker counts as ours.
    pub(super) unacked: usize,
    /// Connections that were set up.
    connections: u64,
    /// Why there is none.
    pub(super) down: Option<Down>,
}

fn arguments(trigger: &TriggerConfig) -> Table {
    let mut arguments = Table::new();
    if let Some(ms) = consumer_timeout_ms(trigger).and_then(|ms| i64::try_from(ms).ok()) {
        arguments.insert("x-consumer-timeout", Value::I64(ms));
    }
    arguments
}

/// Why nothing is consumed.
#[derive(Clone, Debug)]
pub(super) enum Down {
    /// There is no connection.
    Connection(String),
    /// There is no such queue, or it is not ours to read.
    Queue(String),
}

impl Consuming {
    pub(super) fn new(definition: &Definition) -> Consuming {
        let trigger = &definition.trigger;
        let no_ack = trigger.auto_acknowledge && trigger.wire_no_ack;
        Consuming {
            queue: trigger.queue.clone(),
            prefetch: trigger.prefetch,
            no_ack,
            arguments: arguments(trigger),
            want: Want::Nothing,
            not_before: Instant::now(),
            unacked: 0,
            connections: 0,
            down: Some(Down::Connection("not connected yet".into())),
        }
    }

    fn qos(&self, want: Want) -> u16 {
        if want == Want::Probe { 1 } else { self.prefetch }
    }

    /// Messages that may be unacknowledged; 0 is not counted.
    pub(super) fn prefetch(&self) -> usize {
        if self.no_ack { 0 } else { usize::from(self.qos(self.want)) }
    }
}

/// Whether an event is not of an earlier channel.
pub(super) fn concerns(link: &mut Link, event: &Event) -> bool {
    link.open().is_none_or(|open| open.concerns(event))
}

impl Engine {
    /// Takes what the connection says.
    pub(super) fn consumed(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Event(event) if !concerns(&mut self.consumer, &event) => return,
            LinkEvent::Up => self.up(),
            LinkEvent::Event(Event::Delivery(delivery)) => self.received(delivery),
            LinkEvent::Event(Event::Cancelled { .. }) => {
                let queue = &self.consuming.queue;
                let why = format!("the broker has ended the consumer of the queue {queue}");
                self.log.trouble("queue", &format!("{why}; trying again"));
                self.lost(Down::Queue(why));
                self.consumer.renew(true);
            }
            LinkEvent::Event(Event::ChannelClosed(closed)) => {
                self.log.trouble("channel", &format!("{closed}; opening another one"));
                self.lost(Down::Connection(closed.to_string()));
                self.consumer.renew(false);
            }
            LinkEvent::Event(Event::Blocked(why)) => {
                self.log.trouble("blocked", &format!("the broker takes no messages: {why}"));
            }
            LinkEvent::Event(_) => {}
            LinkEvent::Down(error) => self.down(error),
        }
        self.execute();
    }

    /// Takes what was read already.
    pub(super) fn consume_buffered(&mut self) {
        while let Some(event) = self.consumer.open().and_then(|open| open.connection.try_next()) {
            self.consumed(LinkEvent::Event(event));
        }
    }

    /// There is a channel; [`Engine::reconcile`] consumes.
    fn up(&mut self) {
        self.consuming.arguments = arguments(&self.definition.trigger);
        self.consuming.unacked = 0;
        self.consuming.connections += 1;
        if self.consuming.connections > 1 {
            self.machine.counters.reconnects += 1;
        }
    }

    fn down(&mut self, error: Error) {
        self.log.trouble("connection", &format!("{error}; trying again"));
        self.lost(Down::Connection(error.to_string()));
    }

    /// The broker does not let us consume; it has closed the channel.
    fn refused(&mut self, text: &str) {
        let queue = &self.consuming.queue;
        let why = format!("the queue {queue} cannot be consumed: {text}");
        let advice = "declare it, or correct the configuration; the trigger declares nothing";
        self.log.trouble("queue", &format!("{why}; {advice}, and goes on by itself"));
        self.consuming.not_before = Instant::now() + LOOK_FOR_QUEUE;
        self.lost(Down::Queue(why));
        self.consumer.renew(false);
    }

    /// Whether the broker has us as a consumer, or is not to.
    fn settled_down(&mut self) {
        self.consuming.down = None;
        let address = self.consumer.address();
        for kind in ["connection", "queue", "channel"] {
            self.log.over(kind, &format!("consumes {} of {address}", self.consuming.queue));
        }
    }

    /// The channel is gone, with everything that was not settled on it.
    fn lost(&mut self, why: Down) {
        self.consuming.down = Some(why);
        self.consuming.unacked = 0;
        self.consuming.want = Want::Nothing;
        let now = self.now();
        self.machine.channel_lost(now);
    }

    fn received(&mut self, delivery: Delivery) {
        if !self.consuming.no_ack {
            self.consuming.unacked += 1;
        }
        let trigger = &self.definition.trigger;
        let message = Message::from(delivery);
        let key = |source: &Option<_>| {
            source.as_ref().and_then(|source| keys::key(&message, source)).map(Key::from)
        };
        let arrival = Arrival {
            tag: message.delivery_tag,
            too_large: message.body_bytes > trigger.max_message_bytes.0,
            prior: Prior::of(&message, &trigger.queue),
            join: if message.redelivered { keys::join_key(&message) } else { None },
            ordering: key(&trigger.ordering_key),
            idempotency: key(&trigger.idempotency_key),
            message: Rc::new(message),
        };
        let now = self.now();
        self.machine.received(arrival, now);
        self.execute();
    }

    /// Starts and ends the consumer as the machine wants it.
    pub(super) async fn reconcile(&mut self) {
        let now = self.now();
        let want = if self.draining { Want::Nothing } else { self.machine.want(now) };
        let pause = self.machine.is_full();
        let Some(open) = self.consumer.open() else { return };
        open.connection.pause(pause);
        if want == self.consuming.want && self.consuming.down.is_none()
            || want != Want::Nothing && self.consuming.not_before > Instant::now()
        {
            return;
        }
        let was = std::mem::replace(&mut self.consuming.want, want);
        let qos = self.consuming.qos(want);
        let Consuming { queue, no_ack, arguments, .. } = &mut self.consuming;
        let (no_ack, asked) = (*no_ack, !arguments.is_empty());
        let change = async {
            if was != Want::Nothing {
                open.connection.cancel(open.channel, CONSUMER).await?;
            }
            if want != Want::Nothing {
                let connection = &mut open.connection;
                open.channel =
                    link::consume(connection, open.channel, queue, qos, no_ack, arguments).await?;
            }
            Ok(())
        };
        match tokio::time::timeout(PATIENCE, change).await {
            Ok(Ok(())) => {
                if asked && self.consuming.arguments.is_empty() {
                    let (trigger, queue) = (&self.definition.name, &self.consuming.queue);
                    tracing::info!(trigger, "the queue {queue} takes no x-consumer-timeout");
                }
                self.settled_down();
            }
            Ok(Err(Error::Channel(closed))) => self.refused(&closed.text),
            // What is wrong with the connection is said by itself.
            Ok(Err(_)) => {}
            Err(_) => {
                let why = format!("no answer within {} s", PATIENCE.as_secs());
                self.log.trouble("channel", &format!("{why}; opening another channel"));
                self.lost(Down::Connection(why));
                self.consumer.renew(true);
            }
        }
        self.consume_buffered();
        if want == Want::Nothing {
            self.machine.give_back_waiting(now);
        }
        self.execute();
    }

    /// Gives up the channel when messages are unaccounted for.
    pub(super) fn watch(&mut self) {
        let (prefetch, unacked) = (self.consuming.prefetch(), self.consuming.unacked);
        let known = self.machine.unsettled();
        if self.watchdog.bites(Instant::now(), prefetch, unacked, known) {
            self.machine.counters.recycled += 1;
            let why = format!(
                "{unacked} messages are unacknowledged and only {known} are known here: an error \
                 in the program, please report it; the channel is given up"
            );
            tracing::error!(trigger = self.definition.name, "{why}");
            self.lost(Down::Connection(why));
            self.consumer.renew(true);
            self.execute();
        }
    }
}
