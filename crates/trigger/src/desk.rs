//! What the web server may ask of a running trigger, and how it asks: over a bounded channel, since
//! the engine alone knows.

use service::metrics::Histogram;
use tokio::sync::oneshot;

use crate::message::Millis;
use crate::reason::Reason;

/// Runs and failures that are kept for the page, of each.
pub const RECENT_MAX: usize = 20;

/// A question, and where its answer goes.
#[derive(Debug)]
pub enum Order {
    /// How the trigger is.
    Status(oneshot::Sender<Box<Status>>),
    /// Start nothing, and leave messages to other consumers; runs go on.
    Pause(oneshot::Sender<()>),
    /// Go on, and close the breaker.
    Resume(oneshot::Sender<()>),
}

/// What a trigger is doing, the first that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It ends when its runs are done.
    Draining,
    /// No connection; why.
    Disconnected(String),
    /// There is no such queue, or it may not be read; the broker's words.
    NoQueue(String),
    /// A person, or the pipeline's 410, has paused it; why.
    Paused(String),
    /// Too many failures in a row; until when.
    BreakerOpen(Millis),
    /// One run is tried.
    BreakerHalfOpen,
    /// `Retry-After`; until when.
    RetryAfter(Millis),
    /// It consumes.
    Running,
}

impl Condition {
    /// A word for metrics and the API.
    pub fn word(&self) -> &'static str {
        match self {
            Condition::Draining => "draining",
            Condition::Disconnected(_) => "disconnected",
            Condition::NoQueue(_) => "no_queue",
            Condition::Paused(_) => "paused",
            Condition::BreakerOpen(_) => "breaker_open",
            Condition::BreakerHalfOpen => "breaker_half_open",
            Condition::RetryAfter(_) => "retry_after",
            Condition::Running => "running",
        }
    }
}

/// One run, for the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recent {
    /// When it ended.
    pub at_ms: Millis,
    /// The message's id; empty without one.
    pub message_id: String,
    /// The routing key.
    pub routing_key: String,
    /// The number of the run.
    pub attempt: u32,
    /// How long it took.
    pub took_ms: Millis,
    /// What became of the message: a key of [`Counters`]' outcomes.
    pub outcome: &'static str,
    /// How the run ended: `200`, `exit 75`, `connection refused`.
    pub summary: String,
}

/// How a trigger is.
#[derive(Clone, Debug)]
pub struct Status {
    /// The section's name.
    pub name: String,
    /// The queue.
    pub queue: String,
    /// The broker it is, or tries to be, connected to; without the password.
    pub broker: String,
    /// `http` or `command`.
    pub pipeline: &'static str,
    /// The URL without query and login, or the program.
    pub target: String,
    /// When it started.
    pub started_ms: Millis,
    /// When this was written.
    pub now_ms: Millis,
    /// What it is doing.
    pub condition: Condition,
    /// Runs at the same time, at most.
    pub consumers: u16,
    /// Messages received and not settled, at most.
    pub prefetch: u16,
    /// Runs under way.
    pub in_flight: u64,
    /// Messages that wait for a run.
    pub queued: u64,
    /// Messages that wait for their next attempt.
    pub holding: u64,
    /// Messages that the broker counts as ours.
    pub unacked: u64,
    /// When a run succeeded last.
    pub last_success_ms: Option<Millis>,
    /// The last error and when it was.
    pub last_error: Option<(Millis, String)>,
    /// The last runs, the latest first.
    pub runs: Vec<Recent>,
    /// The last failures, the latest first.
    pub failures: Vec<Recent>,
    /// Counters since the start.
    pub counters: Counters,
}

/// Bounds of the times that are measured, in milliseconds.
pub const TIME_BOUNDS: service::metrics::Bounds = &[
    (1, "0.001"),
    (2, "0.002"),
    (5, "0.005"),
    (10, "0.01"),
    (25, "0.025"),
    (50, "0.05"),
    (100, "0.1"),
    (250, "0.25"),
    (500, "0.5"),
    (1_000, "1"),
    (5_000, "5"),
    (30_000, "30"),
    (300_000, "300"),
];

/// Counts since the trigger started.
#[derive(Clone, Debug)]
pub struct Counters {
    /// Deliveries from the queue.
    pub received: u64,
    /// Runs started.
    pub started: u64,
    /// Messages whose run succeeded.
    pub ok: u64,
    /// Runs that failed and are tried again.
    pub retry: u64,
    /// Messages that failed for good, by reason.
    pub dead: [u64; Reason::ALL.len()],
    /// Messages that waited too long.
    pub expired: u64,
    /// Messages that were refused before a run, by reason.
    pub refused: [u64; Reason::ALL.len()],
    /// Messages that were acknowledged without success: dropped, discarded or duplicates.
    pub dropped: u64,
    /// Runs whose channel was gone before their end.
    pub orphaned: u64,
    /// Redelivered copies that were settled by the run of their original.
    pub joined: u64,
    /// Messages given back without a run.
    pub returned: u64,
    /// Messages that were acknowledged first and then failed for good or were given up.
    pub lost: u64,
    /// Messages larger than the limit.
    pub oversize: u64,
    /// Messages whose text was not in its character set.
    pub invalid_text: u64,
    /// Replies that were confirmed.
    pub replies: u64,
    /// Publishes that came back, were refused or lost.
    pub unpublished: u64,
    /// Connections made after the first.
    pub reconnects: u64,
    /// Channels given up because messages were unaccounted for: an error in the program.
    pub recycled: u64,
    /// From receipt to the start of the run, in milliseconds.
    pub wait_ms: Histogram,
    /// From the start of a run to its end.
    pub run_ms: Histogram,
    /// From the end of a run to its settling on the wire.
    pub ack_lag_ms: Histogram,
}

impl Default for Counters {
    fn default() -> Counters {
        let times = || Histogram::new(TIME_BOUNDS);
        Counters {
            received: 0,
            started: 0,
            ok: 0,
            retry: 0,
            dead: [0; Reason::ALL.len()],
            expired: 0,
            refused: [0; Reason::ALL.len()],
            dropped: 0,
            orphaned: 0,
            joined: 0,
            returned: 0,
            lost: 0,
            oversize: 0,
            invalid_text: 0,
            replies: 0,
            unpublished: 0,
            reconnects: 0,
            recycled: 0,
            wait_ms: times(),
            run_ms: times(),
            ack_lag_ms: times(),
        }
    }
}

/// Asks a running trigger.
pub type Desk = service::desk::Desk<Order>;
