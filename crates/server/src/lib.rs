//! The broker daemon: listeners, connections, one shard of queues, metrics, a clean stop.
//!
//! [`run`] is what `leveret serve` does. The state is in `shard.rs`; this file only drives it.

mod alarm;
mod amqp;
pub mod config;
mod json;
mod metrics;
mod settings;
mod shard;

use std::cell::RefCell;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use broker::Broker;
use service::shutdown::{Exit, Shutdown};
use store::{OpenError, Options, Store};
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local};

use crate::amqp::listener::{Tls, accept};
use crate::config::ServeConfig;
use crate::settings::Settings;
use crate::shard::{Shard, unix_ms};

/// How often deadlines, heartbeats and alarms are looked at.
const TICK: Duration = Duration::from_millis(500);
/// How long clients may take to answer our close when the broker stops.
const DRAIN: Duration = Duration::from_secs(3);

/// Why the broker does not run, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The data directory cannot be used.
    #[error("{0}")]
    Store(#[from] OpenError),
    /// The stored topology cannot be read.
    #[error("{0}")]
    Topology(#[from] broker::RecoverError),
    /// The settings of the first user are not usable.
    #[error("cannot make the first user: {0}")]
    FirstUser(#[from] broker::AdminError),
    /// A port is taken, or not ours.
    #[error("{0}")]
    Listen(#[from] service::listen::ListenError),
    /// Certificates or keys are missing or wrong.
    #[error("{0}")]
    Tls(#[from] service::tls::TlsError),
    /// The operating system refused something else.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The last write of a stop failed.
    #[error("the data directory could not be closed cleanly: {0}; the next start replays the log")]
    Close(String),
}

impl RunError {
    /// The exit code of the process.
    pub fn exit(&self) -> Exit {
        match self {
            RunError::Store(OpenError::Locked { .. }) => Exit::Busy,
            RunError::Store(OpenError::Corrupt { .. }) | RunError::Topology(_) => Exit::Data,
            RunError::Store(_) | RunError::Io { .. } | RunError::Close(_) => Exit::Io,
            RunError::Listen(_) => Exit::Unavailable,
            RunError::Tls(_) | RunError::FirstUser(_) => Exit::Config,
        }
    }
}

fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> RunError {
    move |source| RunError::Io { what, source }
}

/// Says which part of which file is damaged; once, though many messages may be found by it.
fn damage_log() -> Arc<dyn Fn(String) + Send + Sync> {
    let last = Mutex::new(String::new());
    Arc::new(move |what| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != what {
            tracing::error!("{what}; messages there are passed over, restore the file from a copy");
            *last = what;
        }
    })
}

/// Runs the broker until `shutdown` says stop. `on_ready` is told, once clients can connect, where
/// AMQP without TLS is spoken, with real ports; it must not block.
pub fn run(
    config: &ServeConfig,
    shutdown: &Shutdown,
    on_ready: impl FnOnce(&[SocketAddr]),
) -> Result<(), RunError> {
    service::machine::raise_open_files_max();
    let settings = Rc::new(Settings::new(config));
    let synced = Arc::new(Notify::new());
    let options = Options {
        cache_bytes: usize::try_from(config.cache_size.0).unwrap_or(usize::MAX),
        notify: {
            let synced = Arc::clone(&synced);
            Arc::new(move || synced.notify_one())
        },
        damaged: damage_log(),
        ..Options::default()
    };
    std::fs::create_dir_all(&config.data_dir).map_err(io("cannot make the data directory"))?;
    let (mut store, recovered) =
        Store::open(Arc::new(store::vfs::disk::Disk), &config.data_dir, options)?;
    let seed = RandomState::new().hash_one(unix_ms());
    let mut broker = Broker::recover(&recovered, &mut store, wide(seed), unix_ms())?;
    broker.settings.max_message_size = config.max_message_size.0;
    broker.restrict_to_loopback(config.loopback_users.clone());
    if recovered.topology.is_empty() {
        first_user(&mut broker, &mut store, config)?;
    }
    drop(recovered);
    let shard = Rc::new(RefCell::new(Shard::new(broker, store, settings, seed)));

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(io("cannot start the event loop"))?;
    let local = LocalSet::new();
    let serving = serve(Rc::clone(&shard), config, synced, shutdown, on_ready);
    let result = local.block_on(&runtime, serving);
    drop(local);
    let shard = Rc::into_inner(shard).expect("all tasks ended with their LocalSet").into_inner();
    let Shard { broker, mut store, .. } = shard;
    // What was delivered and not acknowledged comes back as redelivered, after a clean stop as well.
    broker.queues().for_each(|queue| queue.save_marks(&mut store));
    let topology = broker.topology();
    let closed = store.close(topology).map_err(|error| RunError::Close(error.to_string()));
    result.and(closed)
}

/// A new data directory gets the virtual host and the user that the settings name.
fn first_user(
    broker: &mut Broker,
    store: &mut Store,
    config: &ServeConfig,
) -> Result<(), broker::AdminError> {
    let (user, vhost) = (&*config.default_user, &*config.default_vhost);
    if vhost != "/" {
        broker.add_vhost(store, vhost)?;
    }
    if user == "guest" {
        broker.change_password(store, user, config.default_pass.as_bytes())?;
    } else {
        broker.delete_user(store, "guest")?;
        let tags = vec!["administrator".to_owned()];
        broker.add_user(store, user, config.default_pass.as_bytes(), tags)?;
    }
    let permissions = [
        &*config.default_permissions_configure,
        &*config.default_permissions_write,
        &*config.default_permissions_read,
    ];
    broker.set_permissions(store, user, vhost, permissions)?;
    Ok(())
}

fn wide(seed: u64) -> [u8; 32] {
    let mut wide = [0; 32];
    for (at, part) in wide.chunks_exact_mut(8).enumerate() {
        part.copy_from_slice(&seed.rotate_left(at as u32 * 16).to_le_bytes());
    }
    wide
}

async fn serve(
    shard: Rc<RefCell<Shard>>,
    config: &ServeConfig,
    synced: Arc<Notify>,
    shutdown: &Shutdown,
    on_ready: impl FnOnce(&[SocketAddr]),
) -> Result<(), RunError> {
    spawn_local(tick(Rc::clone(&shard)));
    spawn_local(commit(Rc::clone(&shard)));
    spawn_local(progress(Rc::clone(&shard), synced));
    spawn_local(expire(Rc::clone(&shard)));
    let (acceptors, plain) = listen(&shard, config)?;
    let http = service::listen::bind("metrics", &config.metrics_listen)?;
    for listener in &http {
        announce("metrics", listener)?;
    }
    let (_http, asks) =
        service::http::start(http).map_err(io("cannot start the metrics thread"))?;
    spawn_local(metrics::answer(Rc::clone(&shard), asks));
    service::startup::complete();
    tracing::info!("Server startup complete");
    on_ready(&plain);

    shutdown.draining().await;
    for acceptor in acceptors {
        acceptor.abort();
    }
    drain(&shard, shutdown).await;
    Ok(())
}

fn announce(protocol: &str, listener: &TcpListener) -> Result<SocketAddr, RunError> {
    let address = listener.local_addr().map_err(io("cannot tell the address of a listener"))?;
    service::startup::listening(protocol, address);
    Ok(address)
}

/// The tasks that accept connections, and the addresses without TLS.
fn listen(
    shard: &Rc<RefCell<Shard>>,
    config: &ServeConfig,
) -> Result<(Vec<tokio::task::JoinHandle<()>>, Vec<SocketAddr>), RunError> {
    let (mut acceptors, mut plain) = (Vec::new(), Vec::new());
    let mut add = |protocol: &'static str, list: &[_], tls: Option<Tls>| {
        for listener in service::listen::bind(protocol, list)? {
            let address = announce(protocol, &listener)?;
            if tls.is_none() {
                plain.push(address);
            }
            let listener = tokio::net::TcpListener::from_std(listener)
                .map_err(io("cannot watch a listener"))?;
            acceptors.push(spawn_local(accept(Rc::clone(shard), listener, tls.clone())));
        }
        Ok::<_, RunError>(())
    };
    add("amqp", &config.amqp_listen, None)?;
    if !config.amqps_listen.is_empty() {
        let acceptor = service::tls::server_config(&config.tls())?.into();
        let login_from = config.ssl_cert_login_from;
        add("amqps", &config.amqps_listen, Some(Tls { acceptor, login_from }))?;
    }
    Ok((acceptors, plain))
}

/// Tells every client, and waits until they are gone or have had their time.
async fn drain(shard: &Rc<RefCell<Shard>>, shutdown: &Shutdown) {
    let open = shard.borrow().connections.table.len();
    tracing::info!("draining: {open} connections are closed");
    shard.borrow_mut().drain();
    let gone = async {
        while !shard.borrow().connections.table.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        _ = tokio::time::timeout(DRAIN, gone) => {}
        () = shutdown.now() => {}
    }
}

async fn tick(shard: Rc<RefCell<Shard>>) {
    let mut interval = tokio::time::interval(TICK);
    loop {
        interval.tick().await;
        shard.borrow_mut().tick_connections();
    }
}

/// Runs behind all tasks of a turn, as it is woken by them, and hands the log what they did.
async fn commit(shard: Rc<RefCell<Shard>>) {
    let wakers = Rc::clone(&shard.borrow().wakers);
    loop {
        wakers.commit.notified().await;
        shard.borrow_mut().commit();
    }
}

async fn progress(shard: Rc<RefCell<Shard>>, synced: Arc<Notify>) {
    loop {
        synced.notified().await;
        shard.borrow_mut().progress();
    }
}

async fn expire(shard: Rc<RefCell<Shard>>) {
    let wakers = Rc::clone(&shard.borrow().wakers);
    loop {
        let at = shard.borrow().broker.deadline();
        shard.borrow_mut().timer_at = at;
        match at {
            None => wakers.timer.notified().await,
            Some(at) => {
                let wait = Duration::from_millis(at.saturating_sub(unix_ms()));
                if !wait.is_zero()
                    && tokio::time::timeout(wait, wakers.timer.notified()).await.is_ok()
                {
                    continue;
                }
                shard.borrow_mut().tick_broker();
                tokio::task::yield_now().await;
            }
        }
    }
}
