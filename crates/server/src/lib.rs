//! The broker daemon: listeners, connections, one shard of queues, metrics, a clean stop.
//!
//! [`run`] is what `leveret serve` does. The state is in `shard.rs`; this file only drives it.

mod alarm;
mod amqp;
pub mod config;
mod control;
mod definitions;
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
use service::listen::HostPort;
use service::shutdown::{Exit, Shutdown};
use store::{OpenError, Options, Store};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, LocalSet, spawn_local};

use crate::amqp::listener::{Tls, accept};
use crate::config::ServeConfig;
use crate::control::{Node, What};
use crate::settings::Settings;
use crate::shard::{Shard, unix_ms};

/// How often deadlines, heartbeats and alarms are looked at.
const TICK: Duration = Duration::from_millis(500);
/// A clock that is set forward is noticed after this time at most.
const CLOCK_CHECK: Duration = Duration::from_secs(1);
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
    /// The definitions of `load_definitions` cannot be used.
    #[error(transparent)]
    Definitions(#[from] definitions::BootError),
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
            RunError::Tls(_) | RunError::FirstUser(_) | RunError::Definitions(_) => Exit::Config,
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
    std::fs::create_dir_all(&config.data_dir).map_err(io("cannot make the data directory"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(io("cannot start the event loop"))?;
    let mut node = Node::new(config.clone());
    let mut on_ready = Some(on_ready);
    loop {
        let lived = live(&mut node, &runtime, shutdown, |addresses| {
            if let Some(on_ready) = on_ready.take() {
                on_ready(addresses);
            }
        });
        if let Err(error) = lived
            && !runtime.block_on(node.start_failed(&error.to_string()))
        {
            return Err(error);
        }
        if !runtime.block_on(node.starts_again(shutdown)) {
            return Ok(());
        }
    }
}

/// The application from its start to its stop; the process may go on without it.
fn live(
    node: &mut Node,
    runtime: &tokio::runtime::Runtime,
    shutdown: &Shutdown,
    on_ready: impl FnOnce(&[SocketAddr]),
) -> Result<(), RunError> {
    let config = &node.config;
    let definitions = definitions::read_at_boot(config)?;
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
    let (mut store, recovered) =
        Store::open(Arc::new(store::vfs::disk::Disk), &config.data_dir, options)?;
    let seed = RandomState::new().hash_one(unix_ms());
    let mut broker = Broker::recover(&recovered, &mut store, wide(seed), unix_ms())?;
    broker.settings.max_message_size = config.max_message_size.0;
    broker.settings.default_queue_type = config.default_queue_type.0;
    broker.settings.relaxed_redeclare = config.relaxed_checks_on_redeclaration;
    broker.settings.node = control::node::node_name().to_owned();
    broker.settings.interceptors = broker::interceptor::Interceptors {
        timestamp: config.set_header_timestamp.existing(),
        routing_node: config.set_header_routing_node.existing(),
    };
    broker.restrict_to_loopback(config.loopback_users.clone());
    if recovered.topology.is_empty() {
        first_user(&mut broker, &mut store, config, definitions.have_users())?;
    }
    drop(recovered);
    let mut shard = Shard::new(broker, store, settings, seed);
    definitions.import(&mut shard, config.definitions_skip_if_unchanged)?;
    control::node::restore(&mut shard);
    let shard = Rc::new(RefCell::new(shard));

    node.open_control();
    let local = LocalSet::new();
    let serving = serve(Rc::clone(&shard), node, synced, shutdown, on_ready);
    let result = local.block_on(runtime, serving);
    drop(local);
    let shard = Rc::into_inner(shard).expect("all tasks ended with their LocalSet").into_inner();
    let Shard { broker, mut store, .. } = shard;
    // What was delivered and not acknowledged comes back as redelivered, after a clean stop as well.
    broker.queues().for_each(|queue| queue.save_marks(&mut store));
    let topology = broker.topology();
    let closed = store.close(topology).map_err(|error| RunError::Close(error.to_string()));
    result.and(closed)
}

/// A new data directory gets the virtual host and the user that the settings name; no user where
/// definitions bring their own.
fn first_user(
    broker: &mut Broker,
    store: &mut Store,
    config: &ServeConfig,
    has_users: bool,
) -> Result<(), broker::AdminError> {
    let (user, vhost) = (&*config.default_user, &*config.default_vhost);
    if vhost != "/" {
        // Nobody is connected yet.
        let mut sink = amqp::connections::Connections::default();
        broker.delete_vhost(&mut broker::Cx { store, sink: &mut sink, now: unix_ms() }, "/")?;
        broker.add_vhost(store, vhost)?;
    }
    if has_users {
        broker.delete_user(store, "guest")?;
        return Ok(());
    }
    if user == "guest" {
        broker.change_password(store, user, config.default_pass.as_bytes())?;
    } else {
        broker.delete_user(store, "guest")?;
        broker.add_user(store, user, config.default_pass.as_bytes(), Vec::new())?;
    }
    broker.set_user_tags(store, user, config.default_user_tags.clone())?;
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
    node: &mut Node,
    synced: Arc<Notify>,
    shutdown: &Shutdown,
    on_ready: impl FnOnce(&[SocketAddr]),
) -> Result<(), RunError> {
    spawn_local(tick(Rc::clone(&shard)));
    spawn_local(commit(Rc::clone(&shard)));
    spawn_local(progress(Rc::clone(&shard), synced));
    spawn_local(expire(Rc::clone(&shard)));
    let mut acceptors = listen(&shard, node)?;
    let http = service::listen::bind("metrics", &node.config.metrics_listen)?;
    node.config.metrics_listen = addresses(http.iter().map(TcpListener::local_addr))?;
    for listener in &http {
        note(&shard, node, "metrics", listener.local_addr().map_err(io(NO_ADDRESS))?);
    }
    let (_http, asks) =
        service::http::start(http).map_err(io("cannot start the metrics thread"))?;
    spawn_local(metrics::answer(Rc::clone(&shard), asks));
    service::startup::complete();
    tracing::info!("Server startup complete");
    let plain: Vec<_> = {
        let shard = shard.borrow();
        let plain = shard.listeners.iter().filter(|(protocol, _)| *protocol == "amqp");
        plain.map(|(_, address)| *address).collect()
    };
    on_ready(&plain);
    node.is_up().await;
    loop {
        let order = tokio::select! {
            order = node.order(&shard) => order,
            () = shutdown.draining() => break,
        };
        if order.what == What::Resume && acceptors.is_empty() {
            match listen(&shard, node) {
                Ok(again) => acceptors = again,
                Err(error) => {
                    order.refused(&error.to_string()).await;
                    continue;
                }
            }
        } else if order.what != What::Resume {
            end(&shard, &mut acceptors).await;
        }
        if order.what == What::StopApp {
            node.stop_for(order);
            break;
        }
        order.done().await;
    }
    end(&shard, &mut acceptors).await;
    drain(&shard, shutdown).await;
    Ok(())
}

/// Nobody can connect any more.
async fn end(shard: &Rc<RefCell<Shard>>, acceptors: &mut Vec<JoinHandle<()>>) {
    for acceptor in acceptors.drain(..) {
        acceptor.abort();
        // It ends as it was told to, and closes its socket.
        let _ = acceptor.await;
    }
    shard.borrow_mut().listeners.retain(|(protocol, _)| *protocol == "metrics");
}

/// Remembers a listener, and tells of it when the process starts.
fn note(shard: &Rc<RefCell<Shard>>, node: &Node, protocol: &'static str, address: SocketAddr) {
    shard.borrow_mut().listeners.push((protocol, address));
    if !node.was_up {
        service::startup::listening(protocol, address);
    }
}

const NO_ADDRESS: &str = "cannot tell the address of a listener";

/// Real addresses as settings name them, so that the same ones are listened on again.
fn addresses(
    of: impl Iterator<Item = std::io::Result<SocketAddr>>,
) -> Result<Vec<HostPort>, RunError> {
    let named =
        |address: SocketAddr| HostPort { host: address.ip().to_string(), port: address.port() };
    of.map(|address| address.map(named)).collect::<Result<_, _>>().map_err(io(NO_ADDRESS))
}

/// The tasks that accept connections. There are none before nothing can fail any more.
fn listen(shard: &Rc<RefCell<Shard>>, node: &mut Node) -> Result<Vec<JoinHandle<()>>, RunError> {
    let plain = service::listen::bind("amqp", &node.config.amqp_listen)?;
    let (tls, secured) = match &*node.config.amqps_listen {
        [] => (None, Vec::new()),
        named => {
            let acceptor = service::tls::server_config(&node.config.tls())?.into();
            let tls = Tls { acceptor, login_from: node.config.ssl_cert_login_from };
            (Some(tls), service::listen::bind("amqps", named)?)
        }
    };
    let amqp_listen = addresses(plain.iter().map(TcpListener::local_addr))?;
    let amqps_listen = addresses(secured.iter().map(TcpListener::local_addr))?;
    let plain = plain.into_iter().map(|listener| ("amqp", None, listener));
    let secured = secured.into_iter().map(|listener| ("amqps", tls.clone(), listener));
    let watched = plain.chain(secured).map(|(protocol, tls, listener)| {
        let address = listener.local_addr().map_err(io(NO_ADDRESS))?;
        let watched = tokio::net::TcpListener::from_std(listener);
        Ok((protocol, tls, address, watched.map_err(io("cannot watch a listener"))?))
    });
    let watched: Vec<_> = watched.collect::<Result<_, RunError>>()?;
    (node.config.amqp_listen, node.config.amqps_listen) = (amqp_listen, amqps_listen);
    let accepted = watched.into_iter().map(|(protocol, tls, address, listener)| {
        note(shard, node, protocol, address);
        spawn_local(accept(Rc::clone(shard), listener, tls))
    });
    Ok(accepted.collect())
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
                if !wait.is_zero() {
                    let woken =
                        tokio::time::timeout(wait.min(CLOCK_CHECK), wakers.timer.notified());
                    if woken.await.is_ok() || wait > CLOCK_CHECK {
                        continue;
                    }
                }
                shard.borrow_mut().tick_broker();
                tokio::task::yield_now().await;
            }
        }
    }
}
