//! The two threads that use a store, so that the engine never waits for a disk: one writes, one
//! reads. They answer over one bounded channel; a hop is made for a batch, never for a message.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::desk::{Outcome, Status};
use crate::message::{Entry, Held, Key, Millis, NewMessage};
use crate::store::{Applied, Batch, Changes, Store, StoreError};

/// Answers that wait for the engine. It has at most one write and one load under way; the rest are
/// answers to people.
const REPLIES_MAX: usize = 32;

/// How often an idle store is looked at for something to tidy up.
const IDLE: Duration = Duration::from_secs(1);

/// What is written together.
#[derive(Debug, Default)]
pub(crate) struct Write {
    pub(crate) insert: Vec<NewMessage>,
    pub(crate) remove: Vec<Key>,
    pub(crate) reschedule: Vec<(Key, Millis)>,
}

impl Write {
    fn changes(&self) -> Changes<'_> {
        Changes { insert: &self.insert, remove: &self.remove, reschedule: &self.reschedule }
    }
}

/// Where the answer to a change by the API goes.
pub(crate) type Answer = oneshot::Sender<Result<Outcome, String>>;

/// For the writing thread.
enum WriteOrder {
    Apply(Write),
    Cancel(Key, Answer),
    Reschedule(Key, Millis, Answer),
}

/// What is to be loaded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) after: Key,
    pub(crate) until_ms: Millis,
    pub(crate) count_max: usize,
    pub(crate) bytes_max: usize,
}

/// For the reading thread.
pub(crate) enum Question {
    Load(Load),
    Status(Box<Status>, oneshot::Sender<Box<Status>>),
    List(Key, Millis, usize, oneshot::Sender<Result<Vec<Entry>, String>>),
    Find(Vec<u8>, usize, oneshot::Sender<Result<Vec<Entry>, String>>),
    Get(Key, oneshot::Sender<Result<Option<Held>, String>>),
    Histogram(Vec<Millis>, oneshot::Sender<Result<Vec<u64>, String>>),
}

/// For the engine.
#[derive(Debug)]
pub(crate) enum Reply {
    /// A write, with what was asked for.
    Applied(Write, Result<Applied, StoreError>),
    /// A load, with what was asked for.
    Loaded(Load, Result<Batch, StoreError>),
    /// The API cancelled a message or moved it to another key; or it did not.
    Changed { from: Key, outcome: Result<Outcome, String> },
    /// Tidying up failed for good.
    Broken(StoreError),
}

/// The threads. Dropping it ends them after what they are at, and waits for them.
pub(crate) struct Storage {
    writes: Option<Sender<WriteOrder>>,
    questions: Option<Sender<Question>>,
    pub(crate) replies: mpsc::Receiver<Reply>,
    threads: Vec<JoinHandle<()>>,
}

impl Storage {
    /// Starts the threads of an open store.
    pub(crate) fn start(store: Arc<dyn Store>, now: fn() -> Millis) -> std::io::Result<Storage> {
        let (writes, orders) = channel();
        let (questions, asked) = channel();
        let (replies, received) = mpsc::channel(REPLIES_MAX);
        let writer = Worker { store: Arc::clone(&store), replies: replies.clone(), now };
        let reader = Worker { store, replies, now };
        let threads = vec![
            thread::Builder::new()
                .name("delayer-write".into())
                .spawn(move || writer.write(&orders))?,
            thread::Builder::new()
                .name("delayer-read".into())
                .spawn(move || reader.read(&asked))?,
        ];
        Ok(Storage { writes: Some(writes), questions: Some(questions), replies: received, threads })
    }

    /// Asks for a write; its reply comes later. One at a time.
    pub(crate) fn write(&self, write: Write) {
        self.order(WriteOrder::Apply(write));
    }

    /// Asks to forget a message.
    pub(crate) fn cancel(&self, key: Key, answer: Answer) {
        self.order(WriteOrder::Cancel(key, answer));
    }

    /// Asks to move a message to another due time.
    pub(crate) fn reschedule(&self, key: Key, due_ms: Millis, answer: Answer) {
        self.order(WriteOrder::Reschedule(key, due_ms, answer));
    }

    /// Asks the reading thread.
    pub(crate) fn ask(&self, question: Question) {
        // A thread that is gone has panicked, and the process with it.
        let _ = self.questions.as_ref().map(|to| to.send(question));
    }

    fn order(&self, order: WriteOrder) {
        let _ = self.writes.as_ref().map(|to| to.send(order));
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        drop(self.writes.take());
        drop(self.questions.take());
        // A thread may be waiting for room among the replies.
        self.replies.close();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a storage thread had panicked");
            }
        }
    }
}

/// One of the threads.
struct Worker {
    store: Arc<dyn Store>,
    replies: mpsc::Sender<Reply>,
    now: fn() -> Millis,
}

impl Worker {
    /// Writes what it is told to, and tidies up in between.
    fn write(&self, orders: &Receiver<WriteOrder>) {
        let mut more = true;
        loop {
            let order = match orders.try_recv() {
                Ok(order) => order,
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) => {
                    if more {
                        more = self.tidy();
                        continue;
                    }
                    match orders.recv_timeout(IDLE) {
                        Ok(order) => order,
                        Err(RecvTimeoutError::Timeout) => {
                            more = self.tidy();
                            continue;
                        }
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
            };
            more = true;
            self.obey(order);
        }
    }

    fn obey(&self, order: WriteOrder) {
        match order {
            WriteOrder::Apply(write) => {
                let applied = self.store.apply(&write.changes());
                self.reply(Reply::Applied(write, applied));
            }
            WriteOrder::Cancel(key, answer) => {
                let applied = self.store.apply(&Changes { remove: &[key], ..Changes::default() });
                let outcome = applied.map(|applied| match applied.removed {
                    0 => Outcome::Unknown,
                    _ => Outcome::Done(None),
                });
                self.changed(key, outcome, answer);
            }
            WriteOrder::Reschedule(key, due_ms, answer) => {
                let changes = Changes { reschedule: &[(key, due_ms)], ..Changes::default() };
                let outcome = self.store.apply(&changes).map(|applied| {
                    let moved = applied.rescheduled.first().copied().flatten();
                    moved.map_or(Outcome::Unknown, |key| Outcome::Done(Some(key)))
                });
                self.changed(key, outcome, answer);
            }
        }
    }

    fn changed(&self, from: Key, outcome: Result<Outcome, StoreError>, answer: Answer) {
        let outcome = match outcome {
            Err(error @ StoreError::Broken(_)) => {
                let _ = answer.send(Err(error.to_string()));
                return self.reply(Reply::Broken(error));
            }
            outcome => outcome.map_err(|error| error.to_string()),
        };
        // The engine first: who asks again has to see the new state.
        self.reply(Reply::Changed { from, outcome: outcome.clone() });
        let _ = answer.send(outcome);
    }

    /// Whether there is more to tidy up.
    fn tidy(&self) -> bool {
        match self.store.tidy((self.now)()) {
            Ok(more) => more,
            Err(error @ StoreError::Broken(_)) => {
                self.reply(Reply::Broken(error));
                false
            }
            Err(error) => {
                tracing::warn!("giving space back has to wait: {error}");
                false
            }
        }
    }

    fn read(&self, questions: &Receiver<Question>) {
        let text = |error: StoreError| error.to_string();
        while let Ok(question) = questions.recv() {
            // Who asked may be gone; then nobody needs the answer.
            match question {
                Question::Load(load) => {
                    let Load { after, until_ms, count_max, bytes_max } = load;
                    let batch = self.store.load(after, until_ms, count_max, bytes_max);
                    self.reply(Reply::Loaded(load, batch));
                }
                Question::Status(mut status, to) => {
                    match self.store.totals() {
                        Ok(totals) => status.totals = totals,
                        Err(error) => status.last_error = Some((status.now_ms, text(error))),
                    }
                    let _ = to.send(status);
                }
                Question::List(after, until, count, to) => {
                    let _ = to.send(self.store.list(after, until, count).map_err(text));
                }
                Question::Find(id, count, to) => {
                    let _ = to.send(self.store.find(&id, count).map_err(text));
                }
                Question::Get(key, to) => {
                    let _ = to.send(self.store.get(key).map_err(text));
                }
                Question::Histogram(edges, to) => {
                    let _ = to.send(self.store.histogram(&edges).map_err(text));
                }
            }
        }
    }

    fn reply(&self, reply: Reply) {
        // The engine is gone: so is whoever wanted it.
        let _ = self.replies.blocking_send(reply);
    }
}
