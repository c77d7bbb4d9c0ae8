//! The event loop of one trigger: what comes from the broker, the runs, the clock and people, and
//! what is done about it. It owns all state; the rules are in `machine`.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant as Clock, SystemTime, UNIX_EPOCH};

use client::confirms::Confirms;
use client::link::{Link, LinkEvent, Purpose};
use client::options::Options;
use service::shutdown::Shutdown;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use self::consuming::Consuming;
use self::publishing::Waiting;
use self::running::{Ended, Runner};
use crate::config::Definition;
use crate::desk::{Order, Recent};
use crate::keys;
use crate::machine::{Machine, Policy};
use crate::message::{Message, Millis};
use crate::pipeline::http::Shared;
use crate::pipeline::{Pipeline, SetupError};

mod consuming;
mod log;
mod people;
mod publishing;
mod running;
mod stopping;
mod watchdog;

/// The loop looks around at least this often.
const LOOK: Duration = Duration::from_secs(1);

/// Something happened.
enum Wake {
    Consumer(LinkEvent),
    Publisher(LinkEvent),
    Run(Ended),
    Order(Option<Order>),
    Clock,
    Stop,
}

/// How a trigger ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    /// Runs that had to be aborted.
    pub(crate) aborted: usize,
}

/// The state of a trigger.
pub(crate) struct Engine {
    definition: Rc<Definition>,
    runner: Rc<Runner>,
    machine: Machine<Rc<Message>>,
    consumer: Link,
    consuming: Consuming,
    publisher: Option<Link>,
    /// To be published, in order.
    outgoing: VecDeque<Waiting>,
    confirms: Confirms<Waiting>,
    blocked: Option<String>,
    /// Whether delay queues are to be declared, and whether they cannot be.
    to_declare: bool,
    undeclarable: bool,
    runs: JoinSet<Ended>,
    orders: mpsc::Receiver<Order>,
    shutdown: Shutdown,
    draining: bool,
    /// Times are counted from here.
    started: Clock,
    log: log::Log,
    watchdog: watchdog::Watchdog,
    /// The run that is being settled: how long it took, and how it ended.
    settling: Option<(Millis, String)>,
    recent: VecDeque<Recent>,
    failures: VecDeque<Recent>,
    last_success: Option<Millis>,
    options: Rc<Options>,
    seed: u64,
}

impl Engine {
    /// Puts the parts together; nothing runs yet.
    ///
    /// # Errors
    /// The pipeline cannot be used.
    pub(crate) fn new(
        definition: Definition,
        shared: &Shared,
        orders: mpsc::Receiver<Order>,
        shutdown: Shutdown,
    ) -> Result<Engine, SetupError> {
        let definition = Rc::new(definition);
        let pipeline = Pipeline::new(&definition, shared)?;
        let options = Rc::new(options(&definition));
        let seed = seed(&definition.name);
        let machine = Machine::new(
            policy(&definition),
            |message: &Rc<Message>| keys::join_key(message),
            seed,
            0,
        );
        let consuming = Consuming::new(&definition);
        let consumer = Link::new(Rc::clone(&options), Purpose::Idle, seed);
        Ok(Engine {
            runner: Rc::new(Runner::new(Rc::clone(&definition), pipeline)),
            machine,
            consumer,
            consuming,
            publisher: None,
            outgoing: VecDeque::new(),
            confirms: Confirms::new(),
            blocked: None,
            to_declare: false,
            undeclarable: false,
            runs: JoinSet::new(),
            orders,
            shutdown,
            draining: false,
            started: Clock::now(),
            log: log::Log::new(&definition.name),
            watchdog: watchdog::Watchdog::default(),
            settling: None,
            recent: VecDeque::new(),
            failures: VecDeque::new(),
            last_success: None,
            options,
            seed,
            definition,
        })
    }

    /// Runs until it is told to stop.
    pub(crate) async fn run(mut self) -> Finished {
        loop {
            match self.wait().await {
                Wake::Stop => break,
                wake => self.handle(wake),
            }
            self.turn().await;
        }
        self.stop().await
    }

    /// The present time of the machine.
    fn now(&self) -> Millis {
        self.started.elapsed().as_millis() as Millis
    }

    /// Waits for the next thing that happens.
    async fn wait(&mut self) -> Wake {
        let now = self.now();
        let until = Instant::now() + self.pause(now);
        let publishing = async {
            match &mut self.publisher {
                Some(link) => link.next().await,
                None => std::future::pending().await,
            }
        };
        let stopping = async {
            match self.draining {
                true => self.shutdown.now().await,
                false => self.shutdown.draining().await,
            }
        };
        tokio::select! {
            event = self.consumer.next() => Wake::Consumer(event),
            event = publishing => Wake::Publisher(event),
            Some(run) = self.runs.join_next() => Wake::Run(run.unwrap_or_else(running::panicked)),
            order = self.orders.recv(), if !self.orders.is_closed() => Wake::Order(order),
            () = sleep_until(until) => Wake::Clock,
            () = stopping => Wake::Stop,
        }
    }

    /// How long there is nothing to do by itself.
    fn pause(&mut self, now: Millis) -> Duration {
        let deadline = self.machine.deadline(now);
        deadline.map_or(LOOK, |at| Duration::from_millis(at.saturating_sub(now)).min(LOOK))
    }

    fn handle(&mut self, wake: Wake) {
        match wake {
            Wake::Consumer(event) => {
                self.consumed(event);
                self.consume_buffered();
            }
            Wake::Publisher(event) => {
                self.answered(event);
                while let Some(event) = self.next_answer() {
                    self.answered(LinkEvent::Event(event));
                }
            }
            Wake::Run(run) => {
                self.ended(run);
                while let Some(run) = self.runs.try_join_next() {
                    self.ended(run.unwrap_or_else(running::panicked));
                }
            }
            Wake::Order(Some(order)) => self.ordered(order),
            Wake::Order(None) | Wake::Clock | Wake::Stop => {}
        }
    }

    /// Does what can be done now.
    async fn turn(&mut self) {
        let now = self.now();
        self.machine.tick(now);
        self.execute();
        self.reconcile().await;
        self.declare_delay_queues().await;
        self.publish_waiting();
        self.watch();
        self.log.tick();
    }

    /// Whether anything is left to be done before the end.
    fn is_idle(&self) -> bool {
        self.machine.is_idle() && self.outgoing.is_empty() && self.confirms.is_empty()
    }
}

/// Unix time, as the wall clock has it now.
pub(crate) fn unix_ms() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as Millis
}

/// Differs between triggers and processes, so that their pauses do.
fn seed(name: &str) -> u64 {
    let mut hash = unix_ms() ^ u64::from(std::process::id()).rotate_left(32);
    for byte in name.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    }
    hash
}

/// How a trigger connects.
pub(crate) fn options(definition: &Definition) -> Options {
    Options {
        addresses: definition.addresses.clone(),
        name: format!("trigger {}", definition.name),
        tls: definition.tls.clone(),
        keep_body_bytes: definition.trigger.max_message_bytes.0,
        reconnect: definition.reconnect,
        ..Options::default()
    }
}

fn policy(definition: &Definition) -> Policy {
    let trigger = &definition.trigger;
    Policy {
        consumers: usize::from(trigger.consumers),
        prefetch: usize::from(trigger.prefetch.max(1)),
        auto_acknowledge: trigger.auto_acknowledge,
        wire_no_ack: trigger.wire_no_ack,
        allow_redelivery: trigger.allow_redelivery,
        refuse_redelivered: trigger.refuse_redelivered,
        max_attempts: trigger.redelivery_max_attempts,
        retry_mode: trigger.redelivery_mode,
        backoff_ms: trigger.redelivery_backoff_ms.clone(),
        jitter: trigger.redelivery_jitter,
        expiration_ms: trigger.expiration_ms,
        on_expire: trigger.on_expire,
        dead_letter: trigger.dead_letter_mode,
        rate_per_s: trigger.rate_limit_per_s,
        rate_burst: trigger.rate_limit_burst,
        breaker_failures: trigger.breaker_failures,
        breaker_open_ms: trigger.breaker_open_ms,
        idempotency_ttl_ms: trigger.idempotency_ttl_s.saturating_mul(1000),
    }
}
