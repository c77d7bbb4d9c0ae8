//! The threads of the broker and of the parts beside it, and the order in which they stop.
//!
//! ```text
//! signal ──> parts drain ──> all ended ──> the broker drains ──> the process ends
//! a part fails ──^          the broker fails ──> parts end at once
//! ```

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use server::config::ServeConfig;
use service::shutdown::{self, Exit, Shutdown, Trigger};
use tokio::sync::{mpsc, oneshot};

use super::Beside;
use super::delayer::Delayer;
use super::triggers::Again;

/// Why the process ends otherwise than it was asked to.
pub(crate) struct Failure {
    /// The reason, for a line on stderr.
    pub(crate) why: String,
    /// The exit code that says of which kind it is.
    pub(crate) exit: Exit,
}

/// Runs a part to its end, beside a broker that listens there.
type Run = dyn FnOnce(&[SocketAddr], &Shutdown) -> Result<(), Failure> + Send;

/// A part of the process that runs on a thread of its own.
struct Part {
    /// The thread's name.
    name: String,
    run: Box<Run>,
}

impl Part {
    fn new(
        name: String,
        run: impl FnOnce(&[SocketAddr], &Shutdown) -> Result<(), Failure> + Send + 'static,
    ) -> Part {
        Part { name, run: Box::new(run) }
    }
}

/// The parts that are beside the broker. Without triggers nothing is read `again`, so that it is
/// said when somebody asks for it.
fn parts(beside: Beside, again: Again) -> Vec<Part> {
    let of_delayer = |delayer: Delayer| {
        let name = format!("delayer-{}", delayer.name);
        Part::new(name, |addresses, shutdown| delayer.run(addresses, shutdown))
    };
    let mut parts: Vec<Part> = beside.delayers.into_iter().map(of_delayer).collect();
    if let Some(node) = beside.node {
        parts.push(Part::new("dmq".into(), |addresses, shutdown| node.run(addresses, shutdown)));
    }
    if let Some(triggers) = beside.triggers {
        let run = |addresses: &[SocketAddr], shutdown: &Shutdown| {
            triggers.run(again, addresses, shutdown)
        };
        parts.push(Part::new("triggers".into(), run));
    }
    parts
}

/// Runs the broker and, while it runs, what is `beside` it, until `shutdown` says stop.
pub(crate) fn run(
    config: &ServeConfig,
    beside: Beside,
    again: Again,
    shutdown: &Shutdown,
) -> Result<(), Failure> {
    let failed = |error: server::RunError| Failure { why: error.to_string(), exit: error.exit() };
    let parts = parts(beside, again);
    if parts.is_empty() {
        return server::run(config, shutdown, |_| {}).map_err(failed);
    }
    let (stop_broker, broker_shutdown) = shutdown::manual();
    let (stop_parts, parts_shutdown) = shutdown::manual();
    let (ready, is_ready) = oneshot::channel();
    let watch = Watch {
        parts,
        parts_shutdown,
        stop_parts: stop_parts.clone(),
        stop_broker,
        shutdown: shutdown.clone(),
    };
    let watcher = start("beside", move || watch.run(is_ready))?;
    let served = server::run(config, &broker_shutdown, |addresses| {
        // The watcher is gone only when a stop was asked for before the start was complete.
        let _ = ready.send(addresses.to_vec());
    });
    stop_parts.now();
    let watched =
        watcher.join().unwrap_or_else(|_| Err(panicked("the watch over the broker's parts")));
    served.map_err(failed).and(watched)
}

/// A thread of ours.
fn start<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<thread::JoinHandle<T>, Failure> {
    let refused =
        |error| Failure { why: format!("cannot start the thread {name}: {error}"), exit: Exit::Io };
    thread::Builder::new().name(name.to_owned()).spawn(work).map_err(refused)
}

fn panicked(what: &str) -> Failure {
    Failure { why: format!("{what} ended by an error in the program"), exit: Exit::Io }
}

/// Starts the parts when the broker is ready, waits for their end, and then ends the broker.
struct Watch {
    parts: Vec<Part>,
    parts_shutdown: Shutdown,
    stop_parts: Trigger,
    stop_broker: Trigger,
    /// What the signals say.
    shutdown: Shutdown,
}

impl Watch {
    fn run(self, is_ready: oneshot::Receiver<Vec<SocketAddr>>) -> Result<(), Failure> {
        let stop_broker = self.stop_broker.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let outcome = match runtime {
            Ok(runtime) => runtime.block_on(self.watch(is_ready)),
            Err(error) => {
                Err(Failure { why: format!("cannot start an event loop: {error}"), exit: Exit::Io })
            }
        };
        stop_broker.drain();
        outcome
    }

    async fn watch(self, is_ready: oneshot::Receiver<Vec<SocketAddr>>) -> Result<(), Failure> {
        let addresses = tokio::select! {
            addresses = is_ready => addresses,
            () = self.shutdown.draining() => return Ok(()),
        };
        // Without an answer the broker did not start, and says why itself.
        let Ok(addresses) = addresses else { return Ok(()) };
        let (ended, mut ends) = mpsc::unbounded_channel();
        let mut outcome = Ok(());
        for part in self.parts {
            let started = launch(part, addresses.clone(), self.parts_shutdown.clone(), &ended);
            if let Err(failure) = started {
                outcome = Err(failure);
                self.stop_parts.drain();
                break;
            }
        }
        drop(ended);
        let mut asked = false;
        loop {
            let end = tokio::select! {
                end = ends.recv() => end,
                () = self.shutdown.draining(), if !asked => {
                    asked = true;
                    self.stop_parts.drain();
                    continue;
                }
            };
            let Some(end) = end else { return outcome };
            if end.is_err() {
                outcome = outcome.and(end);
                self.stop_parts.drain();
            }
        }
    }
}

/// Starts one part, which tells `ended` how it ended.
fn launch(
    part: Part,
    addresses: Vec<SocketAddr>,
    shutdown: Shutdown,
    ended: &mpsc::UnboundedSender<Result<(), Failure>>,
) -> Result<(), Failure> {
    let ended = ended.clone();
    let Part { name, run } = part;
    start(&name.clone(), move || {
        let end = catch_unwind(AssertUnwindSafe(|| run(&addresses, &shutdown)));
        // The watch has ended only after a part that could not be started.
        let _ = ended.send(end.unwrap_or_else(|_| Err(panicked(&name))));
    })
    .map(drop)
}
