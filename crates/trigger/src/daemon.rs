//! Several triggers in one process: threads that run them, what becomes of them when the
//! configuration changes, and the order in which they stop.
//!
//! A trigger whose definition did not change goes on untouched at a reload. One that did change
//! drains, and starts anew when that is done, so that no more than its consumers ever run.

mod watch;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use service::shutdown::{self, Exit, Phase, Shutdown};
use tokio::sync::mpsc;

use self::watch::Watch;
use self::worker::{Ended, Launch, Worker};
use crate::config::{Definition, Reload, Set};
use crate::desk::Desk;
use crate::pipeline::http::Shared;
use crate::web::{self, Registry};

/// Why triggers do not run, or did not end as they should.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A port is taken, or not ours.
    #[error("{0}")]
    Listen(#[from] service::listen::ListenError),
    /// The operating system refused something else.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Runs were not done within the drain timeout.
    #[error("{runs} runs were aborted at the end of the drain timeout")]
    Aborted {
        /// How many.
        runs: usize,
    },
    /// A trigger ended by itself: it could not be set up any more, or the program is at fault.
    #[error("[trigger.{name}] ended by itself; the log says more")]
    Broken {
        /// The trigger.
        name: String,
    },
}

impl RunError {
    /// The exit code of the process.
    pub fn exit(&self) -> Exit {
        match self {
            RunError::Listen(_) => Exit::Unavailable,
            RunError::Io { .. } | RunError::Broken { .. } => Exit::Io,
            RunError::Aborted { .. } => Exit::Unfinished,
        }
    }
}

fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> RunError {
    move |source| RunError::Io { what, source }
}

/// Runs the triggers of `set` until `shutdown` says stop, and follows what `reload` reads.
///
/// # Errors
/// See [`RunError`].
pub fn run(set: Set, reload: Reload, shutdown: &Shutdown) -> Result<(), RunError> {
    let shared = Shared::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(io("cannot start the event loop"))?;
    let listeners = service::listen::bind("http", &set.part.listen)?;
    let registry = Arc::new(Registry::default());
    let _web = service::http::open(listeners, web::router(Arc::clone(&registry)))
        .map_err(io("cannot start the web server"))?;
    let (ended, ends) = mpsc::unbounded_channel();
    let workers = workers(set.part.threads, &shared, &ended)?;
    drop(ended);
    let mut daemon = Daemon {
        workers,
        ends,
        running: BTreeMap::new(),
        next: BTreeMap::new(),
        watch: Watch::new(&set.watched),
        current: set.clone(),
        reload,
        registry,
        shutdown: shutdown.clone(),
        aborted: 0,
    };
    runtime.block_on(daemon.run(set))
}

/// At most `threads` workers, 0 for as many as there are cores.
fn workers(
    threads: u16,
    shared: &Shared,
    ended: &mpsc::UnboundedSender<Ended>,
) -> Result<Vec<Worker>, RunError> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let count = if threads == 0 { cores } else { usize::from(threads) };
    let start = |_| Worker::start(shared.clone(), ended.clone());
    (0..count).map(start).collect::<Result<_, _>>().map_err(io("cannot start a thread"))
}

/// A trigger that runs.
struct Running {
    definition: Definition,
    desk: Desk,
    stop: shutdown::Trigger,
    /// On which worker.
    worker: usize,
}

/// The triggers of the process.
struct Daemon {
    workers: Vec<Worker>,
    ends: mpsc::UnboundedReceiver<Ended>,
    running: BTreeMap<String, Running>,
    /// What takes the place of a trigger that drains; `None` for nothing.
    next: BTreeMap<String, Option<Definition>>,
    watch: Watch,
    current: Set,
    reload: Reload,
    registry: Arc<Registry>,
    shutdown: Shutdown,
    aborted: usize,
}

impl Daemon {
    async fn run(&mut self, set: Set) -> Result<(), RunError> {
        for definition in set.triggers {
            self.launch(definition);
        }
        self.publish();
        service::startup::complete();
        tracing::info!(triggers = self.running.len(), "everything runs");
        loop {
            tokio::select! {
                Some(end) = self.ends.recv() => self.ended(end)?,
                () = self.reload.asked.asked() => self.read("SIGHUP"),
                () = self.watch.changed() => self.read("a changed file"),
                () = self.shutdown.draining() => break,
            }
        }
        self.stop().await
    }

    /// Starts a trigger on the thread that has the fewest.
    fn launch(&mut self, definition: Definition) {
        let on = |worker: usize| self.running.values().filter(|r| r.worker == worker).count();
        let worker = (0..self.workers.len()).min_by_key(|worker| on(*worker)).unwrap_or_default();
        let (desk, orders) = service::desk::desk();
        let (stop, shutdown) = shutdown::manual();
        let launch = Launch { definition: definition.clone(), orders, shutdown };
        self.workers[worker].launch(launch);
        let running = Running { definition, desk, stop, worker };
        self.running.insert(running.definition.name.clone(), running);
    }

    /// Shows people the triggers that run.
    fn publish(&self) {
        let desks = self.running.iter().map(|(name, running)| (name.clone(), running.desk.clone()));
        self.registry.set(desks.collect());
    }

    /// Takes the end of a trigger.
    fn ended(&mut self, end: Ended) -> Result<(), RunError> {
        self.running.remove(&end.name);
        let asked = self.next.remove(&end.name);
        match end.finished {
            Some(finished) => self.aborted += finished.aborted,
            None => return Err(RunError::Broken { name: end.name }),
        }
        if let Some(Some(definition)) = asked {
            tracing::info!("the trigger {} starts anew", definition.name);
            self.launch(definition);
        }
        self.publish();
        Ok(())
    }

    /// Reads the configuration again, and follows it if all of it can be used.
    fn read(&mut self, why: &str) {
        match (self.reload.read)() {
            Ok(set) => {
                for warning in set.warnings.iter().filter(|w| !self.current.warnings.contains(w)) {
                    tracing::warn!("{warning}");
                }
                self.watch.follow(&set.watched);
                self.follow(set);
                self.registry.reloaded(Ok(()));
            }
            Err(error) => {
                tracing::error!(
                    "{why}: the configuration cannot be used, the old one goes on: {error}"
                );
                self.registry.reloaded(Err(error));
            }
        }
    }

    /// Stops, starts and restarts what the new configuration changes.
    fn follow(&mut self, set: Set) {
        if set.part != self.current.part {
            tracing::warn!(
                "[trigger] has changed: restart the process for what holds for all triggers"
            );
        }
        let mut wanted: BTreeMap<_, _> =
            set.triggers.iter().map(|d| (d.name.clone(), d.clone())).collect();
        let (mut stopped, mut restarted, mut kept) = (0, 0, 0);
        for (name, running) in &self.running {
            let new = wanted.remove(name);
            if new.as_ref() == Some(&running.definition) && !self.next.contains_key(name) {
                kept += 1;
                continue;
            }
            if new.is_some() {
                restarted += 1
            } else {
                stopped += 1
            }
            self.next.insert(name.clone(), new);
            running.stop.drain();
        }
        let started = wanted.len();
        for definition in wanted.into_values() {
            self.launch(definition);
        }
        tracing::info!(started, stopped, restarted, kept, "the configuration was read again");
        self.current = set;
        self.publish();
    }

    /// Drains all triggers.
    async fn stop(&mut self) -> Result<(), RunError> {
        self.next.clear();
        for running in self.running.values() {
            running.stop.drain();
        }
        while !self.running.is_empty() {
            tokio::select! {
                Some(end) = self.ends.recv() => self.ended(end)?,
                () = self.shutdown.now(), if self.shutdown.phase() == Phase::Draining => {
                    for running in self.running.values() {
                        running.stop.now();
                    }
                }
            }
        }
        match self.aborted {
            0 => Ok(()),
            runs => Err(RunError::Aborted { runs }),
        }
    }
}
