//! A thread that runs triggers, each as a task.

use std::io;
use std::thread;

use service::shutdown::Shutdown;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, LocalSet};

use crate::config::Definition;
use crate::desk::Order;
use crate::engine::{Engine, Finished};
use crate::pipeline::http::Shared;

/// A trigger to be run.
pub(super) struct Launch {
    pub(super) definition: Definition,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) shutdown: Shutdown,
}

/// The end of a trigger; `finished` is missing when it did not end by itself.
pub(super) struct Ended {
    pub(super) name: String,
    pub(super) finished: Option<Finished>,
}

/// The thread. It ends when this is dropped, whatever still runs.
pub(super) struct Worker {
    launches: mpsc::UnboundedSender<Launch>,
}

impl Worker {
    pub(super) fn start(shared: Shared, ended: mpsc::UnboundedSender<Ended>) -> io::Result<Worker> {
        let (launches, incoming) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("triggers".into()).spawn(move || {
            LocalSet::new().block_on(&runtime, work(incoming, &shared, &ended));
        })?;
        Ok(Worker { launches })
    }

    pub(super) fn launch(&self, launch: Launch) {
        // The thread ends only after this.
        let _ = self.launches.send(launch);
    }
}

async fn work(
    mut launches: mpsc::UnboundedReceiver<Launch>,
    shared: &Shared,
    ended: &mpsc::UnboundedSender<Ended>,
) {
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            launch = launches.recv() => {
                let Some(launch) = launch else { return };
                let name = launch.definition.name.clone();
                let task = tokio::task::spawn_local(run(launch, shared.clone()));
                tasks.spawn_local(async move { Ended { name, finished: task.await.ok().flatten() } });
            }
            Some(Ok(end)) = tasks.join_next() => {
                // The daemon may have ended.
                let _ = ended.send(end);
            }
        }
    }
}

/// Runs a trigger to its end. One whose configuration was accepted can be set up, unless a file has
/// gone since.
async fn run(launch: Launch, shared: Shared) -> Option<Finished> {
    let Launch { definition, orders, shutdown } = launch;
    let name = definition.name.clone();
    match Engine::new(definition, &shared, orders, shutdown) {
        Ok(engine) => Some(engine.run().await),
        Err(error) => {
            tracing::error!(trigger = name, "cannot be set up any more: {error}");
            None
        }
    }
}
