//! The threads of the broker and of the delayers beside it, and the order in which they stop.
//!
//! ```text
//! signal ──> delayers drain ──> all ended ──> the broker drains ──> the process ends
//! a delayer fails ──^          the broker fails ──> delayers end at once
//! ```

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use server::config::ServeConfig;
use service::shutdown::{self, Exit, Shutdown, Trigger};
use tokio::sync::{mpsc, oneshot};

use super::Delayer;

/// Why the process ends otherwise than it was asked to.
pub(crate) struct Failure {
    /// The reason, for a line on stderr.
    pub(crate) why: String,
    /// The exit code that says of which kind it is.
    pub(crate) exit: Exit,
}

/// Runs the broker and, while it runs, `delayers`, until `shutdown` says stop.
pub(crate) fn run(
    config: &ServeConfig,
    delayers: Vec<Delayer>,
    shutdown: &Shutdown,
) -> Result<(), Failure> {
    let failed = |error: server::RunError| Failure { why: error.to_string(), exit: error.exit() };
    if delayers.is_empty() {
        return server::run(config, shutdown, |_| {}).map_err(failed);
    }
    let (stop_broker, broker_shutdown) = shutdown::manual();
    let (stop_delayers, delayers_shutdown) = shutdown::manual();
    let (ready, is_ready) = oneshot::channel();
    let watch = Watch {
        delayers,
        delayers_shutdown,
        stop_delayers: stop_delayers.clone(),
        stop_broker,
        shutdown: shutdown.clone(),
    };
    let watcher = start("delayers", move || watch.run(is_ready))?;
    let served = server::run(config, &broker_shutdown, |addresses| {
        // The watcher is gone only when a stop was asked for before the start was complete.
        let _ = ready.send(addresses.to_vec());
    });
    stop_delayers.now();
    let watched = watcher.join().unwrap_or_else(|_| Err(panicked("the watch over the delayers")));
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

/// Starts the delayers when the broker is ready, waits for their end, and then ends the broker.
struct Watch {
    delayers: Vec<Delayer>,
    delayers_shutdown: Shutdown,
    stop_delayers: Trigger,
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
        for delayer in self.delayers {
            let started = launch(delayer, &addresses, self.delayers_shutdown.clone(), &ended);
            if let Err(failure) = started {
                outcome = Err(failure);
                self.stop_delayers.drain();
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
                    self.stop_delayers.drain();
                    continue;
                }
            };
            let Some(end) = end else { return outcome };
            if end.is_err() {
                outcome = outcome.and(end);
                self.stop_delayers.drain();
            }
        }
    }
}

/// Starts one delayer, which tells `ended` how it ended.
fn launch(
    delayer: Delayer,
    addresses: &[SocketAddr],
    shutdown: Shutdown,
    ended: &mpsc::UnboundedSender<Result<(), Failure>>,
) -> Result<(), Failure> {
    let at_home = delayer.is_at_home();
    let (name, mut config) = (delayer.name, delayer.loaded.config);
    if at_home {
        config.rabbitmq_address.move_to(addresses);
    }
    let ended = ended.clone();
    let thread = format!("delayer-{name}");
    start(&thread, move || {
        let run = || delayer::run(&config, &name, &shutdown);
        let end = match catch_unwind(AssertUnwindSafe(run)) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                Err(Failure { why: format!("[delayer.{name}] {error}"), exit: error.exit() })
            }
            Err(_) => Err(panicked(&format!("[delayer.{name}]"))),
        };
        // The watch has ended only after a delayer that could not be started.
        let _ = ended.send(end);
    })
    .map(drop)
}
