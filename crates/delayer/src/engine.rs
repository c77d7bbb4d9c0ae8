//! The event loop of a delayer: what comes from the broker, the store, the clock and people, and
//! what is done about it. It owns all state; the rules are in `intake`, `revival`, `source` and
//! `outgoing`.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use amqp::value::Table;
use client::event::Event;
use client::link::{Link, LinkEvent, Purpose};
use service::shutdown::Shutdown;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::config::{Mode, OnShutdown};
use crate::desk::{Counters, Order};
use crate::intake::{Intake, Tag};
use crate::message::Millis;
use crate::outgoing::Routes;
use crate::rates::Rate;
use crate::revival::Revival;
use crate::source::Rules;
use crate::storage::{Question, Reply, Storage};
use crate::store::{Store, StoreError};

mod people;
mod publishing;
mod reading;
mod stopping;
mod storing;

/// The wall clock is read at least this often, so that its jumps are noticed.
const CLOCK: Duration = Duration::from_secs(1);

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
        let consume = Purpose::Consume {
            queue: plan.queue.clone(),
            qos: plan.qos,
            no_ack: false,
            arguments: Table::default(),
        };
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
        let writable = self.writing.is_none() && self.away.is_none();
        let group = self.intake.deadline().filter(|_| writable && self.full.is_none());
        let changes = self.revival.changes_deadline().filter(|_| writable);
        let full = self.full.as_ref().map(|(_, at)| *at).filter(|at| *at > now);
        let times = [due, group, changes, full, self.away, self.revival.paused_until()];
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
