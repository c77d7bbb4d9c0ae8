//! The bridge to AMQP: what arrives on the bus for a peer is published to a topic exchange, and
//! what is published there for the bus is sent to nodes.
//!
//! In: `peer.host:port` is the routing key; messages are persistent, in the order in which they
//! came, and confirmed. While the broker is away they wait, for as long as the plan allows.
//! Out: the queue is bound by `*`. A message whose routing key is one word is for the peer of that
//! name, so that nothing that the bridge publishes comes back to it. One delivery is one message on
//! the bus; it is acknowledged when at least one node took it, and rejected when none did or when it
//! can never be sent, so that the queue's dead-letter exchange gets it. A message with `reply-to`
//! gets its outcomes before it is settled.
//!
//! Two connections, because a broker that is short of memory stops reading from those that publish.
//! Nothing happens unless [`Bridge::next`] is polled.

mod consuming;
mod inbound;
mod outbound;
mod publishing;
mod troubles;
mod waiting;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use client::address::Address;
use client::backoff::{Backoff, Pauses};
use client::event::Event;
use client::link::topology::Topology;
use client::link::{Link, LinkEvent, Purpose as LinkPurpose};
use client::options::{Options, TlsFiles};
use tokio::time::{Instant, sleep_until, timeout};

use crate::address::NodeUri;
use crate::desk::BridgeStatus;
use crate::message::{Outgoing, Received};
use outbound::ReplyTo;
use troubles::Troubles;
pub(crate) use waiting::Full;
use waiting::{Purpose, Waiting};

/// The binding of the queue: one word.
const BINDING: &str = "*";
/// Pauses between connections, and after a refusal: messages wait for seconds only.
const PAUSES: Pauses =
    Pauses { first: Duration::from_millis(100), longest: Duration::from_secs(2), jitter: 0.5 };
/// How long the end waits for confirms.
const END_PATIENCE: Duration = Duration::from_secs(1);

/// How a bridge is set up.
#[derive(Clone, Debug)]
pub(crate) struct BridgePlan {
    /// Brokers, any of which will do; at least one.
    pub(crate) addresses: Vec<Address>,
    /// Files for `amqps`.
    pub(crate) tls: TlsFiles,
    /// The topic exchange.
    pub(crate) exchange: String,
    /// The queue whose messages go out; empty: none.
    pub(crate) queue: String,
    /// How long a message may wait for its confirm.
    pub(crate) timeout: Duration,
    /// Messages of the queue that are under way at the same time; 0 is unlimited.
    pub(crate) prefetch: u16,
    /// Messages of the bus that wait.
    pub(crate) waiting_max: usize,
    /// The size of a body that is sent.
    pub(crate) body_bytes_max: usize,
    /// Who we are: the name of our connections.
    pub(crate) node: NodeUri,
}

/// By which a message of the queue is known until it is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SendKey {
    /// The life of the consumer's channel.
    epoch: u64,
    tag: u64,
}

/// Something to be done about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BridgeEvent {
    /// What became of a message that was given to [`Bridge::publish`].
    Published {
        /// As it was given.
        ticket: Option<u64>,
        /// Whether the broker confirmed it in time.
        taken: bool,
    },
    /// A message is to be sent; what became of it goes to [`Bridge::sent`].
    Send {
        /// By which it is known.
        key: SendKey,
        /// The message.
        message: Outgoing,
    },
}

enum Wake {
    Publisher(LinkEvent),
    Consumer(LinkEvent),
    Clock,
}

/// The bridge of a node.
pub(crate) struct Bridge {
    plan: BridgePlan,
    publisher: Link,
    /// None when nothing goes out.
    consumer: Option<Link>,
    waiting: Waiting,
    /// Messages of the queue that are with the nodes, and where their outcomes go.
    sending: HashMap<SendKey, Option<ReplyTo>>,
    events: VecDeque<BridgeEvent>,
    /// Nothing is published before, since the broker has refused something.
    not_before: Option<Instant>,
    refusals: Backoff,
    /// What the broker is short of.
    blocked: Option<String>,
    /// Why there is no connection.
    publisher_down: Option<String>,
    consumer_down: Option<String>,
    draining: bool,
    troubles: Troubles,
}

impl Bridge {
    /// Connects as soon as it is polled.
    pub(crate) fn new(plan: BridgePlan, seed: u64) -> Bridge {
        let options = Rc::new(Options {
            addresses: plan.addresses.clone(),
            name: format!("dmq {}", plan.node),
            tls: plan.tls.clone(),
            keep_body_bytes: plan.body_bytes_max as u64,
            reconnect: PAUSES,
            ..Options::default()
        });
        let topology = |queue| Topology { exchange: plan.exchange.clone(), kind: "topic", queue };
        let confirms = LinkPurpose::Publish { exchange: String::new() };
        let publisher = Link::new(Rc::clone(&options), confirms, seed).declaring(topology(None));
        let not_yet = || Some("not connected yet".to_owned());
        let consumer = (!plan.queue.is_empty()).then(|| {
            let queue = plan.queue.clone();
            let bound = Some((queue.clone(), BINDING.to_owned()));
            let (qos, arguments) = (plan.prefetch, <_>::default());
            let consume = LinkPurpose::Consume { queue, qos, no_ack: false, arguments };
            Link::new(options, consume, seed.rotate_left(7)).declaring(topology(bound))
        });
        Bridge {
            publisher,
            waiting: Waiting::new(plan.waiting_max),
            sending: HashMap::new(),
            events: VecDeque::new(),
            not_before: None,
            refusals: Backoff::new(1, PAUSES, seed.rotate_left(14)),
            blocked: None,
            publisher_down: not_yet(),
            consumer_down: consumer.as_ref().and_then(|_| not_yet()),
            draining: false,
            troubles: Troubles::default(),
            consumer,
            plan,
        }
    }

    /// Takes a message of the bus. [`BridgeEvent::Published`] with this ticket says in time what
    /// became of it.
    ///
    /// # Errors
    /// As much waits as may.
    pub(crate) fn publish(&mut self, ticket: Option<u64>, message: &Received) -> Result<(), Full> {
        if let Err(full) = self.waiting.check_room() {
            self.troubles.note("full", &full.to_string());
            return Err(full);
        }
        let publication = inbound::publication(&self.plan.exchange, message);
        self.wait(Purpose::Inbound(ticket), publication);
        Ok(())
    }

    fn wait(&mut self, purpose: Purpose, publication: inbound::Publication) {
        self.waiting.push(purpose, publication, Instant::now() + self.plan.timeout);
        self.publish_waiting();
    }

    /// Ends when there is something to be done about; may be dropped and called again.
    pub(crate) async fn next(&mut self) -> BridgeEvent {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let wake = self.wake().await;
            self.handle(wake);
        }
    }

    /// What [`Bridge::next`] gives if that is there already.
    pub(crate) fn try_next(&mut self) -> Option<BridgeEvent> {
        self.events.pop_front()
    }

    async fn wake(&mut self) -> Wake {
        let clock = [self.waiting.deadline(), self.not_before].into_iter().flatten().min();
        let consuming = async {
            match &mut self.consumer {
                Some(link) => link.next().await,
                None => std::future::pending().await,
            }
        };
        let ringing = async {
            match clock {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = self.publisher.next() => Wake::Publisher(event),
            event = consuming => Wake::Consumer(event),
            () = ringing => Wake::Clock,
        }
    }

    fn handle(&mut self, wake: Wake) {
        match wake {
            Wake::Publisher(event) => {
                self.answered(event);
                while let Some(event) = buffered(Some(&mut self.publisher)) {
                    self.answered(LinkEvent::Event(event));
                }
            }
            Wake::Consumer(event) => {
                self.consumed(event);
                while let Some(event) = buffered(self.consumer.as_mut()) {
                    self.consumed(LinkEvent::Event(event));
                }
            }
            Wake::Clock => {}
        }
        self.look_at_clock();
        self.publish_waiting();
    }

    fn look_at_clock(&mut self) {
        let now = Instant::now();
        self.not_before.take_if(|at| *at <= now);
        let mut overdue = 0;
        while let Some(purpose) = self.waiting.overdue(now) {
            self.ended(purpose, false);
            overdue += 1;
        }
        if overdue > 0 {
            let ms = self.plan.timeout.as_millis();
            let why = self.down().unwrap_or_else(|| "the broker does not confirm".into());
            self.troubles.note(
                "overdue",
                &format!("{overdue} messages were not published within {ms} ms (bridge_timeout_ms): {why}"),
            );
        }
    }

    /// How it is.
    pub(crate) fn status(&self) -> BridgeStatus {
        BridgeStatus {
            broker: self.publisher.address(),
            down: self.down(),
            waiting: self.waiting.inbound(),
            sending: self.sending.len(),
        }
    }

    fn down(&self) -> Option<String> {
        let blocked =
            self.blocked.as_ref().map(|why| format!("the broker takes no messages: {why}"));
        self.publisher_down.clone().or_else(|| self.consumer_down.clone()).or(blocked)
    }

    /// Nothing more is taken from the queue; what comes goes back to it at the end.
    pub(crate) fn drain(&mut self) {
        self.draining = true;
    }

    /// Ends both connections, after what waits is confirmed if that goes quickly. What is left for
    /// [`Bridge::try_next`] says what became of messages.
    pub(crate) async fn end(&mut self) {
        self.drain();
        let confirmed = async {
            while self.publisher.is_open() && !self.waiting.is_empty() {
                let wake = self.wake().await;
                self.handle(wake);
            }
        };
        // What is not confirmed by then is lost, and said below.
        let _ = timeout(END_PATIENCE, confirmed).await;
        match self.waiting.inbound() {
            0 => {}
            lost => tracing::warn!("bridge: {lost} messages were not confirmed before the end"),
        }
        if let Some(consumer) = &mut self.consumer {
            consumer.end().await;
        }
        self.publisher.end().await;
    }
}

/// An event that was read already.
fn buffered(link: Option<&mut Link>) -> Option<Event> {
    link?.open()?.connection.try_next()
}

/// Whether an event is not of an earlier channel.
fn concerns(link: &mut Link, event: &Event) -> bool {
    link.open().is_none_or(|open| open.concerns(event))
}
