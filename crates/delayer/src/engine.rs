//! The event loop of a delayer: what comes from the broker, the store, the clock and people, and
//! what is done about it. It owns all state; the rules are in `intake`, `revival`, `source` and
//! `outgoing`.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use client::confirms::Identity;
use client::event::{ChannelClosed, Delivery, Event};
use service::shutdown::Shutdown;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::config::{Mode, OnShutdown};
use crate::desk::{Counters, Order, Outcome, Rates, Status};
use crate::intake::{Intake, Tag};
use crate::link::{Link, LinkEvent, Purpose};
use crate::message::{Key, Message, Millis, NewMessage};
use crate::outgoing::{Outgoing, Routes};
use crate::rates::Rate;
use crate::revival::{Flight, Job, Origin, Revival};
use crate::source::{Received, Rules};
use crate::storage::{Question, Reply, Storage, Write};
use crate::store::{Applied, Batch, Store, StoreError};

mod stopping;

/// The wall clock is read at least this often, so that its jumps are noticed.
const CLOCK: Duration = Duration::from_secs(1);

/// Publishing waits while the connection has this much to send.
const OUTPUT_BYTES_MAX: usize = 1 << 20;

/// How long a full or absent storage is left alone.
const STORAGE_RETRY: Duration = Duration::from_secs(1);

/// A message that could not be passed on at once is stored for so long.
const FORWARD_RETRY_MS: Millis = 1_000;

/// The same trouble is logged again after this time.
const REPEAT: Duration = Duration::from_secs(60);
/// Other trouble of the same kind is logged again after this time.
const DISTINCT: Duration = Duration::from_secs(1);

/// What a delayer has to do, from its configuration.
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) mode: Mode,
    pub(crate) on_shutdown: OnShutdown,
    pub(crate) qos: u16,
    pub(crate) groupsize: usize,
    pub(crate) timeout: Duration,
    pub(crate) throttle: usize,
    pub(crate) batchsize: usize,
    pub(crate) rules: Rules,
    pub(crate) routes: Routes,
    pub(crate) queue: String,
    pub(crate) exchange: String,
    pub(crate) storage: String,
    pub(crate) client: client::options::Options,
}

/// Why a delayer ended before it was told to, or did not end as it was told to.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The storage failed: what was promised may no longer hold.
    #[error(
        "{0}; nothing that was acknowledged after the failure is lost: it is still with the broker. \
         Look after the disk, then start again"
    )]
    Storage(StoreError),
    /// `shutdown: return` or `forward` could not hand everything over.
    #[error(
        "{left} messages stay in the storage {storage}: {why}; start the delayer again to deliver them"
    )]
    Left {
        /// How many.
        left: u64,
        /// Where.
        storage: String,
        /// What went wrong.
        why: String,
    },
}

/// Something happened.
enum Wake {
    Consumer(LinkEvent),
    Publisher(LinkEvent),
    Storage(Option<Reply>),
    Order(Option<Order>),
    Clock,
    Stop,
}

/// The state of a delayer.
pub(crate) struct Engine {
    plan: Plan,
    store: Arc<dyn Store>,
    storage: Storage,
    orders: mpsc::Receiver<Order>,
    shutdown: Shutdown,
    consumer: Option<Link>,
    publisher: Link,
    intake: Intake,
    revival: Revival,
    /// Deliveries of the write that is under way; `None` while none is.
    writing: Option<Vec<Tag>>,
    /// Messages that the API is changing.
    changing: HashSet<u64>,
    /// Why nothing can be stored, and when it is tried again.
    full: Option<(String, Instant)>,
    /// Why changes cannot be written, and when it is tried again.
    away: Option<Instant>,
    blocked: Option<String>,
    /// No more deliveries and no more loads than it takes to stop.
    stopping: bool,
    counters: Counters,
    rates: [Rate; 3],
    started_ms: Millis,
    last_error: Option<(Millis, String)>,
    /// When trouble of each kind was last logged, and what it was.
    logged: HashMap<&'static str, (Instant, String)>,
    warned_timestamps: bool,
    now: fn() -> Millis,
}

impl Engine {
    /// Puts the parts together; nothing runs yet.
    pub(crate) fn new(
        plan: Plan,
        store: Arc<dyn Store>,
        orders: mpsc::Receiver<Order>,
        shutdown: Shutdown,
        now: fn() -> Millis,
    ) -> std::io::Result<Engine> {
        let storage = Storage::start(Arc::clone(&store), now)?;
        let client = Rc::new(plan.client.clone());
        let seed = now() ^ u64::from(std::process::id()).rotate_left(32);
        let consume = Purpose::Consume { queue: plan.queue.clone(), qos: plan.qos };
        let publish = Purpose::Publish { exchange: plan.exchange.clone() };
        let consumer =
            (plan.mode != Mode::Revive).then(|| Link::new(Rc::clone(&client), consume, seed));
        Ok(Engine {
            intake: Intake::new(plan.qos, plan.groupsize, plan.timeout),
            revival: Revival::new(plan.throttle, plan.batchsize),
            publisher: Link::new(client, publish, seed.rotate_left(7)),
            consumer,
            plan,
            store,
            storage,
            orders,
            shutdown,
            writing: None,
            changing: HashSet::new(),
            full: None,
            away: None,
            blocked: None,
            stopping: false,
            counters: Counters::default(),
            rates: Default::default(),
            started_ms: now(),
            last_error: None,
            logged: HashMap::new(),
            warned_timestamps: false,
            now,
        })
    }

    /// Runs until it is told to stop, or the storage fails.
    pub(crate) async fn run(mut self) -> Result<(), EngineError> {
        loop {
            match self.wait().await {
                Wake::Stop => break,
                wake => self.handle(wake)?,
            }
            self.turn();
        }
        self.stop().await
    }

    /// Waits for the next thing that happens.
    async fn wait(&mut self) -> Wake {
        let until = self.next_wake();
        let consuming = async {
            match &mut self.consumer {
                Some(link) => link.next().await,
                None => std::future::pending().await,
            }
        };
        let stopping = async {
            match self.stopping {
                true => self.shutdown.now().await,
                false => self.shutdown.draining().await,
            }
        };
        tokio::select! {
            event = consuming => Wake::Consumer(event),
            event = self.publisher.next() => Wake::Publisher(event),
            reply = self.storage.replies.recv() => Wake::Storage(reply),
            order = self.orders.recv() => Wake::Order(order),
            () = sleep_until(until) => Wake::Clock,
            () = stopping => Wake::Stop,
        }
    }

    fn next_wake(&self) -> Instant {
        let now = Instant::now();
        let due =
            self.revival.next_due().filter(|_| self.plan.mode != Mode::Delay).map(|due| {
                now + Duration::from_millis(due.saturating_sub((self.now)())).min(CLOCK)
            });
        // What is due and cannot go waits for an event, not for the clock.
        let due = due.filter(|at| *at > now);
        let group =
            self.intake.deadline().filter(|_| self.writing.is_none() && self.full.is_none());
        let times = [
            due,
            group,
            self.full.as_ref().map(|(_, at)| *at),
            self.away,
            self.revival.paused_until(),
        ];
        times.into_iter().flatten().min().unwrap_or(now + CLOCK).clamp(now, now + CLOCK)
    }

    fn handle(&mut self, wake: Wake) -> Result<(), EngineError> {
        match wake {
            Wake::Consumer(event) => {
                self.consumed(event);
                while let Some(event) = self.next_consumed() {
                    self.consumed(LinkEvent::Event(event));
                }
            }
            Wake::Publisher(event) => {
                self.published(event);
                while let Some(event) =
                    self.publisher.open().and_then(|open| open.connection.try_next())
                {
                    self.published(LinkEvent::Event(event));
                }
            }
            Wake::Storage(Some(reply)) => self.replied(reply)?,
            Wake::Storage(None) => {
                let why = StoreError::Broken("its threads have ended".into());
                return Err(EngineError::Storage(why));
            }
            Wake::Order(Some(order)) => self.ordered(order),
            Wake::Order(None) | Wake::Clock | Wake::Stop => {}
        }
        Ok(())
    }

    fn next_consumed(&mut self) -> Option<Event> {
        self.consumer.as_mut()?.open()?.connection.try_next()
    }

    /// Does what can be done now: publishes, loads, writes, acknowledges.
    fn turn(&mut self) {
        self.publish_ready();
        if self.revives()
            && self.publisher.is_open()
            && self.blocked.is_none()
            && let Some(load) = self.revival.load((self.now)())
        {
            self.storage.ask(Question::Load(load));
        }
        self.write();
        let pause = self.full.is_some() || self.away.is_some() || self.intake.is_full();
        let pause = pause || self.stopping;
        if let Some(open) = self.consumer.as_mut().and_then(Link::open) {
            self.intake.acknowledge(&mut open.connection, open.channel);
            open.connection.pause(pause);
        }
    }

    fn revives(&self) -> bool {
        match self.stopping {
            true => self.revival.emptying,
            false => self.plan.mode != Mode::Delay,
        }
    }

    // === the way in ===

    fn consumed(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Up => {
                let link = self.consumer.as_ref().expect("it has just spoken");
                let (epoch, address) = (link.epoch, link.address());
                tracing::info!("reads {} of {address}", self.plan.queue);
                self.counters.reconnects += u64::from(epoch > 1);
                self.intake.connected(epoch);
            }
            LinkEvent::Event(Event::Delivery(delivery)) => self.delivered(delivery),
            LinkEvent::Event(Event::Cancelled { .. }) => {
                let queue = &self.plan.queue;
                let why = format!("the queue {queue} is gone; reading goes on when it is declared");
                self.trouble("reading", why);
                // What was delivered is nowhere else any more: it is stored all the same.
                self.intake.orphaned();
                self.consumer.as_mut().expect("it has just spoken").renew(true);
            }
            LinkEvent::Event(Event::ChannelClosed(closed)) => {
                self.trouble("reading", format!("reading from {}: {closed}", self.plan.queue));
                self.disconnected();
                self.consumer.as_mut().expect("it has just spoken").renew(false);
            }
            LinkEvent::Event(_) => {}
            LinkEvent::Down(error) => {
                self.trouble("reading", format!("reading from {}: {error}", self.plan.queue));
                self.disconnected();
            }
        }
    }

    /// What was delivered and not acknowledged comes again.
    fn disconnected(&mut self) {
        self.intake.disconnected();
        let intake = &self.intake;
        self.revival.forget_deliveries(|tag| intake.is_current(tag));
    }

    fn delivered(&mut self, delivery: Delivery) {
        let now = (self.now)();
        self.counters.received += 1;
        let tag = self.intake.delivered(delivery.tag);
        let Delivery { exchange, routing_key, properties, body, .. } = delivery;
        let message = Message { exchange, routing_key, properties, body };
        let received = self.plan.rules.receive(message, now, &mut self.counters);
        self.warn_of_timestamps();
        let Received { message, message_id, due_ms } = received;
        match due_ms {
            Some(due_ms) => {
                self.intake.hold(NewMessage { due_ms, stored_ms: now, message_id, message }, tag);
            }
            None => {
                self.intake.forwarding(message.bytes());
                let origin = Origin::Delivered { tag, message_id, stored_ms: now };
                self.revival.push(Job { origin, message });
            }
        }
    }

    fn warn_of_timestamps(&mut self) {
        if self.counters.timestamps_implausible > 0 && !self.warned_timestamps {
            self.warned_timestamps = true;
            tracing::warn!(
                "a message has a timestamp beyond the year 5138, as milliseconds have that are read \
                 as seconds; it is held until then (or for max-delay). Set timestamp-unit: auto if \
                 the publisher means milliseconds; amqpdelayer_timestamps_implausible_total counts them"
            );
        }
    }

    // === the way out ===

    fn publish_ready(&mut self) {
        if self.blocked.is_some() || self.stopping && !self.revival.emptying {
            return;
        }
        while let Some(open) = self.publisher.open() {
            if open.connection.output_bytes() >= OUTPUT_BYTES_MAX {
                return;
            }
            let Some(job) = self.revival.pop() else { return };
            let now = (self.now)();
            let Plan { routes, on_shutdown, .. } = &self.plan;
            let give_back = self.revival.emptying && *on_shutdown == OnShutdown::Return;
            let outgoing = match &job.origin {
                Origin::Stored(key) if give_back => {
                    routes.give_back(&job.message, key.due_ms, &mut self.counters)
                }
                _ => routes.forward(&job.message, &mut self.counters),
            };
            if !give_back && routes.loops(&outgoing) {
                self.refuse_loop(job);
                continue;
            }
            let Outgoing { exchange, routing_key, properties } = outgoing;
            let body = &job.message.body;
            let identity = Identity::of(&exchange, &routing_key, &properties, body);
            let channel = open.channel;
            let seq =
                open.connection.publish(channel, &exchange, &routing_key, true, &properties, body);
            let message = match &job.origin {
                Origin::Stored(key) => {
                    let late = now.saturating_sub(key.due_ms);
                    self.counters.lateness_ms.observe(late);
                    None
                }
                Origin::Delivered { .. } => Some(job.message),
            };
            self.revival.published(seq, identity, Flight { origin: job.origin, message });
        }
    }

    /// A message that would come back at once, for ever, is kept instead and tried rarely.
    fn refuse_loop(&mut self, job: Job) {
        self.counters.loops += 1;
        let why = format!(
            "a message would go back to its own queue {} at once and for ever: it is kept; set \
             rabbitmq-routingkey or rabbitmq-exchange so that messages go on to another queue",
            self.plan.queue
        );
        self.trouble("loop", why);
        self.put_off(job.origin, Some(job.message));
    }

    fn published(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Up => {
                let address = self.publisher.address();
                tracing::info!("publishes to {:?} of {address}", self.plan.exchange);
                self.counters.reconnects += u64::from(self.publisher.epoch > 1);
                self.blocked = None;
            }
            LinkEvent::Event(Event::Acked { tag, multiple, .. }) => {
                for (flight, returned) in self.revival.acked(tag, multiple) {
                    self.confirmed(flight, returned);
                }
            }
            LinkEvent::Event(Event::Nacked { tag, multiple, .. }) => {
                for flight in self.revival.nacked(tag, multiple) {
                    self.counters.unconfirmed += 1;
                    self.put_off(flight.origin, flight.message);
                }
                self.trouble(
                    "refused",
                    "the broker refuses messages (basic.nack), as a full queue with \
                     reject-publish does; they are kept and tried again"
                        .into(),
                );
            }
            LinkEvent::Event(Event::Returned(back)) => {
                let identity =
                    Identity::of(&back.exchange, &back.routing_key, &back.properties, &back.body);
                self.revival.returned(identity);
                let why = format!(
                    "the broker returned a message for exchange {:?} and routing key {:?} ({} {}): \
                     no queue is bound for it; it is kept and tried again",
                    String::from_utf8_lossy(&back.exchange),
                    String::from_utf8_lossy(&back.routing_key),
                    back.code,
                    back.text
                );
                self.trouble("returned", why);
            }
            LinkEvent::Event(Event::ChannelClosed(closed)) => self.publishing_refused(&closed),
            LinkEvent::Event(Event::Blocked(reason)) => {
                self.trouble("blocked", format!("the broker takes no messages: {reason}"));
                self.blocked = Some(reason);
            }
            LinkEvent::Event(Event::Unblocked) => self.blocked = None,
            LinkEvent::Event(_) => {}
            LinkEvent::Down(error) => {
                let intake = &self.intake;
                let lost = self.revival.lost(false, |tag| intake.is_current(tag));
                self.counters.unconfirmed += lost as u64;
                let why = format!("publishing to {:?}: {error}", self.plan.exchange);
                self.blocked = Some(why.clone());
                self.trouble("publishing", why);
            }
        }
    }

    /// The broker closed the channel: over one message, or because nothing can be published.
    fn publishing_refused(&mut self, closed: &ChannelClosed) {
        let culprit = self.revival.culprit();
        let intake = &self.intake;
        let lost = self.revival.lost(true, |tag| intake.is_current(tag));
        self.counters.unconfirmed += lost as u64 + u64::from(culprit.is_some());
        let why = format!("publishing to {:?}: {closed}", self.plan.exchange);
        match culprit {
            // If it is the exchange that is missing, setting up the next channel will say so.
            Some(flight) => {
                let why = format!("{why}; the message at fault is kept and tried again");
                self.trouble("publishing", why);
                self.put_off(flight.origin, flight.message);
            }
            None => {
                let why = format!("{why}; {lost} messages are published again one by one");
                self.trouble("publishing", why);
            }
        }
        self.publisher.renew(false);
    }

    fn confirmed(&mut self, flight: Flight, returned: bool) {
        if let Some(pause) = self.revival.found_queue(!returned) {
            let pause = pause.as_secs();
            let why = format!(
                "nothing that is published to {:?} finds a queue; publishing pauses for {pause} s. \
                 Bind a queue to it",
                self.plan.exchange
            );
            self.trouble("pause", why);
        }
        if returned {
            self.counters.returned += 1;
            return self.put_off(flight.origin, flight.message);
        }
        let now = (self.now)();
        match flight.origin {
            Origin::Stored(key) => {
                self.counters.revived += 1;
                self.rates[1].add(1, now);
                self.revival.done(key);
            }
            Origin::Delivered { tag, .. } => {
                self.counters.forwarded += 1;
                self.rates[2].add(1, now);
                self.intake.forwarded(flight.message.map_or(0, |message| message.bytes()));
                self.intake.settle(tag);
            }
        }
    }

    /// Keeps a message that the broker did not take, for another try.
    fn put_off(&mut self, origin: Origin, message: Option<Message>) {
        self.counters.retried += 1;
        let now = (self.now)();
        match (origin, message) {
            (Origin::Stored(key), _) => drop(self.revival.put_off(key, now)),
            (Origin::Delivered { tag, message_id, stored_ms }, Some(message)) => {
                self.intake.forwarded(message.bytes());
                if self.intake.is_current(tag) {
                    let due_ms = now + FORWARD_RETRY_MS;
                    self.intake.hold(NewMessage { due_ms, stored_ms, message_id, message }, tag);
                }
            }
            (Origin::Delivered { .. }, None) => {}
        }
    }

    // === the storage ===

    fn write(&mut self) {
        let now = Instant::now();
        self.away = self.away.filter(|at| *at > now);
        if self.writing.is_some() || self.away.is_some() {
            return;
        }
        let full = self.full.as_ref().is_some_and(|(_, at)| *at > now);
        let stores = self.intake.is_waiting() && self.intake.is_due() && !full;
        if !stores && !self.revival.has_changes() {
            return;
        }
        let (insert, tags) = if stores { self.intake.take() } else { Default::default() };
        let (remove, reschedule) = self.revival.take_changes();
        self.writing = Some(tags);
        self.storage.write(Write { insert, remove, reschedule });
    }

    fn replied(&mut self, reply: Reply) -> Result<(), EngineError> {
        match reply {
            Reply::Applied(write, Ok(applied)) => self.applied(&write, &applied),
            Reply::Applied(_, Err(error @ StoreError::Broken(_)))
            | Reply::Loaded(_, Err(error @ StoreError::Broken(_)))
            | Reply::Broken(error) => return Err(EngineError::Storage(error)),
            Reply::Applied(write, Err(error)) => self.not_applied(write, &error),
            Reply::Loaded(load, Ok(batch)) => {
                self.damaged(&batch);
                self.revival.loaded(load, batch, &self.changing);
            }
            Reply::Loaded(_, Err(error)) => {
                self.trouble("loading", format!("loading what is due: {error}"));
                self.revival.load_failed();
            }
            Reply::Changed { from, outcome } => self.changed(from, outcome),
        }
        Ok(())
    }

    fn applied(&mut self, write: &Write, applied: &Applied) {
        let stored = applied.inserted.len() as u64;
        if stored > 0 {
            self.counters.stored += stored;
            self.counters.groups += 1;
            self.rates[0].add(stored, (self.now)());
            if self.full.take().is_some() {
                tracing::info!("the storage has room again: reading goes on");
            }
        }
        let tags = self.writing.take().unwrap_or_default();
        self.intake.written(&tags);
        applied.inserted.iter().for_each(|key| self.revival.appeared(*key));
        self.revival.changes_written(&write.remove, &write.reschedule, &applied.rescheduled);
    }

    fn not_applied(&mut self, write: Write, error: &StoreError) {
        let at = Instant::now() + STORAGE_RETRY;
        let tags = self.writing.take().unwrap_or_default();
        let Write { insert, remove, reschedule } = write;
        let stored = !insert.is_empty();
        self.intake.not_written(insert, tags);
        self.revival.changes_failed(remove, reschedule);
        match error {
            StoreError::Full(_) if stored => {
                if self.full.is_none() {
                    let why = format!(
                        "{error}; reading pauses, what is due goes on being published. Give it \
                         more room (storage-mapsize, or the disk)"
                    );
                    self.trouble("full", why);
                }
                self.full = Some((error.to_string(), at));
            }
            _ => {
                self.trouble("storage", error.to_string());
                self.away = Some(at);
            }
        }
    }

    fn damaged(&mut self, batch: &Batch) {
        self.counters.damaged += batch.damaged.len() as u64;
        if let Some((key, what)) = batch.damaged.last() {
            let Key { due_ms, seq } = key;
            let why =
                format!("message {due_ms}-{seq} cannot be read and stays where it is: {what}");
            self.trouble("damaged", why);
        }
    }

    // === people ===

    fn ordered(&mut self, order: Order) {
        match order {
            Order::Status(to) => {
                let status = Box::new(self.status());
                self.storage.ask(Question::Status(status, to));
            }
            Order::List(after, until, count, to) => {
                self.storage.ask(Question::List(after, until, count, to));
            }
            Order::Find(id, count, to) => self.storage.ask(Question::Find(id, count, to)),
            Order::Get(key, to) => self.storage.ask(Question::Get(key, to)),
            Order::Histogram(edges, to) => self.storage.ask(Question::Histogram(edges, to)),
            Order::Cancel(key, to) if self.is_taken(key) => drop(to.send(Ok(Outcome::InFlight))),
            Order::Reschedule(key, _, to) if self.is_taken(key) => {
                let _ = to.send(Ok(Outcome::InFlight));
            }
            Order::Cancel(key, to) => {
                self.changing.insert(key.seq);
                self.storage.cancel(key, to);
            }
            Order::Reschedule(key, due_ms, to) => {
                self.changing.insert(key.seq);
                self.storage.reschedule(key, due_ms, to);
            }
        }
    }

    fn is_taken(&self, key: Key) -> bool {
        self.revival.is_busy(key) || self.changing.contains(&key.seq)
    }

    fn changed(&mut self, from: Key, outcome: Result<Outcome, String>) {
        self.changing.remove(&from.seq);
        match outcome {
            Ok(Outcome::Done(to)) => {
                self.revival.vanished(from);
                match to {
                    Some(key) => {
                        self.counters.rescheduled += 1;
                        self.revival.appeared(key);
                    }
                    None => self.counters.cancelled += 1,
                }
            }
            // It may have been passed over by a load meanwhile.
            Ok(_) => {}
            Err(_) => self.revival.appeared(from),
        }
    }

    fn status(&mut self) -> Status {
        let now_ms = (self.now)();
        let [stored, revived, forwarded] = &mut self.rates;
        let rates = Rates {
            stored: stored.per_second(now_ms),
            revived: revived.per_second(now_ms),
            forwarded: forwarded.per_second(now_ms),
        };
        let consuming = self.consumer.as_ref().is_none_or(Link::is_open);
        let connected = (consuming && self.publisher.is_open()).then(|| self.publisher.address());
        Status {
            name: self.plan.name.clone(),
            mode: match self.plan.mode {
                Mode::Both => "both",
                Mode::Delay => "delay",
                Mode::Revive => "revive",
            },
            started_ms: self.started_ms,
            now_ms,
            connected,
            queue: self.plan.queue.clone(),
            exchange: self.plan.exchange.clone(),
            storage: self.plan.storage.clone(),
            totals: Default::default(),
            full: self.full.as_ref().map(|(why, _)| why.clone()),
            blocked: self.blocked.clone(),
            unacked: self.intake.unacked(),
            in_flight: self.revival.in_flight(),
            last_error: self.last_error.clone(),
            rates,
            counters: self.counters.clone(),
        }
    }

    /// Notes what went wrong, and logs it: of each kind once a second at most, and the same words
    /// once a minute.
    fn trouble(&mut self, kind: &'static str, what: String) {
        let repeated = self
            .logged
            .get(kind)
            .is_some_and(|(at, text)| at.elapsed() < if *text == what { REPEAT } else { DISTINCT });
        if !repeated {
            tracing::warn!("{what}");
            self.logged.insert(kind, (Instant::now(), what.clone()));
        }
        self.last_error = Some(((self.now)(), what));
    }
}
