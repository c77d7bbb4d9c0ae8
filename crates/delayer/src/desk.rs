//! What the web server may ask of a running delayer, and how it asks. Questions go to the engine
//! over a bounded channel: it knows which messages are being published right now.

use service::metrics::Histogram;
use tokio::sync::oneshot;

use crate::message::{Entry, Held, Key, Millis};
use crate::store::Totals;

/// A question, and where its answer goes.
#[derive(Debug)]
pub enum Order {
    /// How the delayer is.
    Status(oneshot::Sender<Box<Status>>),
    /// A page of stored messages: after a key, due by a time, at most so many.
    List(Key, Millis, usize, oneshot::Sender<Result<Vec<Entry>, String>>),
    /// Stored messages by `message-id`, at most so many.
    Find(Vec<u8>, usize, oneshot::Sender<Result<Vec<Entry>, String>>),
    /// One message.
    Get(Key, oneshot::Sender<Result<Option<Held>, String>>),
    /// How many are due between each two neighbours of ascending times.
    Histogram(Vec<Millis>, oneshot::Sender<Result<Vec<u64>, String>>),
    /// Forget a message.
    Cancel(Key, oneshot::Sender<Result<Outcome, String>>),
    /// Make a message due at another time; the present time releases it at once.
    Reschedule(Key, Millis, oneshot::Sender<Result<Outcome, String>>),
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable; where the message is now, if it is still stored.
    Done(Option<Key>),
    /// There is no such message (any more).
    Unknown,
    /// It is being published right now; its fate is decided in a moment.
    InFlight,
}

/// How a delayer is.
#[derive(Clone, Debug)]
pub struct Status {
    /// What it is called: the section's name, or `delayer`.
    pub name: String,
    /// `both`, `delay` or `revive`.
    pub mode: &'static str,
    /// When it started.
    pub started_ms: Millis,
    /// When this was written.
    pub now_ms: Millis,
    /// The broker it is connected to, without the password; `None` while it is not.
    pub connected: Option<String>,
    /// The queue that it reads.
    pub queue: String,
    /// The exchange that it publishes to.
    pub exchange: String,
    /// Where it stores, without a password.
    pub storage: String,
    /// What is stored.
    pub totals: Totals,
    /// Why nothing can be stored, while nothing can.
    pub full: Option<String>,
    /// Why the broker takes no messages, while it takes none (`connection.blocked`, or the output
    /// exchange is missing).
    pub blocked: Option<String>,
    /// Messages received and not yet acknowledged.
    pub unacked: u64,
    /// Messages published and not yet confirmed or removed.
    pub in_flight: u64,
    /// The last error and when it was.
    pub last_error: Option<(Millis, String)>,
    /// Messages per second over the last ten seconds: stored and revived.
    pub rates: Rates,
    /// Counters since the start.
    pub counters: Counters,
}

/// Messages per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Stored.
    pub stored: f64,
    /// Published after their delay.
    pub revived: f64,
    /// Published without one.
    pub forwarded: f64,
}

/// How late a message may be published after it was due, in milliseconds.
pub const LATENESS_BOUNDS: service::metrics::Bounds = &[
    (1, "0.001"),
    (5, "0.005"),
    (10, "0.01"),
    (20, "0.02"),
    (50, "0.05"),
    (100, "0.1"),
    (500, "0.5"),
    (1_000, "1"),
    (10_000, "10"),
    (60_000, "60"),
    (600_000, "600"),
];

/// Counts since the start of the process.
#[derive(Clone, Debug)]
pub struct Counters {
    /// Deliveries from the queue.
    pub received: u64,
    /// Messages written to the storage.
    pub stored: u64,
    /// Write transactions that stored messages.
    pub groups: u64,
    /// Confirmed after their delay.
    pub revived: u64,
    /// Confirmed without a delay.
    pub forwarded: u64,
    /// Returned by the broker because no queue took them.
    pub returned: u64,
    /// Refused by the broker (`basic.nack`), or lost with a channel or connection.
    pub unconfirmed: u64,
    /// Put off to be tried again.
    pub retried: u64,
    /// Timestamps too large to be seconds.
    pub timestamps_implausible: u64,
    /// Due times brought down to `max-delay`.
    pub clamped: u64,
    /// Messages that were due sooner than `min-delay` and not stored.
    pub below_min_delay: u64,
    /// `user-id` of another login, moved to a header.
    pub user_ids_moved: u64,
    /// `CC` headers moved aside.
    pub cc_moved: u64,
    /// Messages that would have come back to the delayer's own queue at once.
    pub loops: u64,
    /// Messages cancelled, rescheduled by the API.
    pub cancelled: u64,
    /// Messages rescheduled by the API.
    pub rescheduled: u64,
    /// Stored messages that could not be read.
    pub damaged: u64,
    /// Connections to the broker made after the first.
    pub reconnects: u64,
    /// From due to published, in milliseconds, with [`LATENESS_BOUNDS`] in seconds as text.
    pub lateness_ms: Histogram,
}

impl Default for Counters {
    fn default() -> Counters {
        Counters {
            received: 0,
            stored: 0,
            groups: 0,
            revived: 0,
            forwarded: 0,
            returned: 0,
            unconfirmed: 0,
            retried: 0,
            timestamps_implausible: 0,
            clamped: 0,
            below_min_delay: 0,
            user_ids_moved: 0,
            cc_moved: 0,
            loops: 0,
            cancelled: 0,
            rescheduled: 0,
            damaged: 0,
            reconnects: 0,
            lateness_ms: Histogram::new(LATENESS_BOUNDS),
        }
    }
}

/// Asks a running delayer.
pub type Desk = service::desk::Desk<Order>;
