//! A node as a process runs it: settings to parts, the web server, and the event loop.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use service::shutdown::{Exit, Shutdown};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::address::{NodeUri, Transport};
use crate::bridge::{Bridge, BridgePlan};
use crate::bus::{Bus, DATAGRAM_BODY_MAX, Peers, Plan};
use crate::config::DmqConfig;
use crate::desk::{Node, Order};
use crate::engine::{Engine, Parts};
use crate::htable::{Limits, Tables};
use crate::members::Rules;
use crate::outbox::Bounds;
use crate::resolve::Resolver;
use crate::sip::parse::HEAD_BYTES_MAX;
use crate::transaction::Timers;
use crate::transport::tls::TlsPlan;
use crate::transport::{BindError, SocketPlan, Sockets};
use crate::web;

/// Hash tables that may be kept.
const TABLES_MAX: usize = 256;

/// Why a node does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The address for SIP is taken, or not ours.
    #[error("{0}")]
    Bind(#[from] BindError),
    /// The address for HTTP is taken, or not ours.
    #[error("{0}")]
    Listen(#[from] service::listen::ListenError),
    /// A name has no address.
    #[error("server_address or server_socket {name}: {why}")]
    Name {
        /// The name.
        name: String,
        /// Why.
        why: String,
    },
    /// A setting that cannot be used after all.
    #[error("{0}")]
    Setting(String),
    /// The operating system refused something else.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
}

impl RunError {
    /// The exit code of the process.
    pub fn exit(&self) -> Exit {
        match self {
            RunError::Setting(_) | RunError::Bind(BindError::Tls(_)) => Exit::Config,
            RunError::Bind(_) | RunError::Listen(_) | RunError::Name { .. } => Exit::Unavailable,
            RunError::Io { .. } => Exit::Io,
        }
    }
}

fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> RunError {
    move |source| RunError::Io { what, source }
}

/// Runs a node until `shutdown` says stop and the others have been told. SIP and the bridge are on
/// the thread that calls it; the web server has one of its own.
///
/// # Errors
/// See [`RunError`].
pub fn run(config: &DmqConfig, shutdown: &Shutdown) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(io("cannot start the event loop"))?;
    let listeners = service::listen::bind("http", &config.listen)?;
    let (desk, orders) = service::desk::desk();
    LocalSet::new().block_on(&runtime, async {
        let parts = parts(config, orders, shutdown).await?;
        for (transport, address) in parts.sockets.addresses() {
            service::startup::listening(transport.word(), address);
        }
        let _web = service::http::open(listeners, web::router(Node::new(desk)))
            .map_err(io("cannot start the web server"))?;
        service::startup::complete();
        tracing::info!("the node {} runs", config.node());
        Engine::new(parts).run().await;
        Ok(())
    })
}

/// Runs a node inside another program, in the tokio `LocalSet` of the caller and without a web
/// server, until `shutdown` says stop and the others have been told. `orders` is the other end of a
/// [`Node`]'s desk (`service::desk::desk`). When the future is dropped the node is gone at once.
///
/// # Errors
/// See [`RunError`].
pub async fn serve(
    config: &DmqConfig,
    orders: mpsc::Receiver<Order>,
    shutdown: &Shutdown,
) -> Result<(), RunError> {
    let parts = parts(config, orders, shutdown).await?;
    Engine::new(parts).run().await;
    Ok(())
}

async fn parts(
    config: &DmqConfig,
    orders: mpsc::Receiver<Order>,
    shutdown: &Shutdown,
) -> Result<Parts, RunError> {
    let no_resolver = |error| io("cannot ask name servers")(std::io::Error::other(error));
    let resolver = Resolver::new(&[]).map_err(no_resolver)?;
    let addresses = addresses(config, &resolver).await?;
    let own: Vec<IpAddr> = addresses.iter().map(SocketAddr::ip).collect();
    let sockets = Sockets::bind(&socket_plan(config, addresses))?;
    let mut transports: Vec<Transport> = Vec::new();
    for (transport, _) in sockets.addresses() {
        if !transports.contains(&transport) {
            transports.push(transport);
        }
    }
    let seed = RandomState::new().hash_one(config.node());
    let tables = tables(config)?;
    let peers = Peers::new(&config.peers, &config.bridge_peers, config.bridge_confirm);
    let bus = Bus::new(plan(config, own, transports, seed), peers, tables);
    let bridge = config.has_bridge().then(|| Bridge::new(bridge_plan(config), seed));
    Ok(Parts {
        bus,
        sockets,
        bridge,
        resolver,
        notified: config.notified().cloned().collect(),
        multi_notify: config.multi_notify.0,
        orders,
        shutdown: shutdown.clone(),
        leave_timeout: Duration::from_millis(config.leave_timeout_ms),
    })
}

/// Where to listen: at most one address of each family.
async fn addresses(config: &DmqConfig, resolver: &Resolver) -> Result<Vec<SocketAddr>, RunError> {
    let socket = config.socket();
    let refused = |why: String| RunError::Name { name: socket.host.clone(), why };
    let found = match socket.host.as_str() {
        "*" => vec![IpAddr::from([0, 0, 0, 0])],
        host => resolver.resolve(host).await.map_err(|error| refused(error.to_string()))?,
    };
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for ip in found {
        if !addresses.iter().any(|address| address.is_ipv4() == ip.is_ipv4()) {
            addresses.push(SocketAddr::new(ip, socket.port));
        }
    }
    Ok(addresses)
}

fn tables(config: &DmqConfig) -> Result<Option<Tables>, RunError> {
    if !config.has_tables() {
        return Ok(None);
    }
    let limits = Limits {
        names: config.htable.clone(),
        bytes_max: config.htable_bytes_max.0,
        tables_max: TABLES_MAX,
        cell_bytes_max: body_bytes_max(config).min(DATAGRAM_BODY_MAX),
    };
    Tables::new(&limits).map(Some).map_err(|error| RunError::Setting(format!("htable: {error}")))
}

fn body_bytes_max(config: &DmqConfig) -> usize {
    usize::try_from(config.body_bytes_max.0).unwrap_or(usize::MAX)
}

fn plan(config: &DmqConfig, own: Vec<IpAddr>, transports: Vec<Transport>, seed: u64) -> Plan {
    let ping_interval = Duration::from_secs(config.ping_interval.into());
    let fr_timer = Duration::from_millis(config.fr_timer_ms);
    let me: NodeUri = config.node().clone();
    Plan {
        rules: Rules {
            me,
            ping_interval,
            ping_timeout: Duration::from_millis(config.ping_timeout_ms),
            tombstone: 2 * ping_interval + fr_timer,
            remove_inactive: config.remove_inactive.0,
            fails_active: config.fail_count_threshold_not_active,
            fails_not_active: config.fail_count_threshold_disabled,
            nodes_max: config.nodes_max,
            transports,
        },
        timers: Timers {
            t1: Duration::from_millis(config.t1_ms),
            t2: Duration::from_millis(config.t2_ms),
        },
        fr_timer,
        bounds: Bounds {
            busy_max: config.num_workers.into(),
            waiting_max: config.queue_messages_max,
        },
        body_bytes_max: body_bytes_max(config),
        allow: config.allow.iter().map(|network| network.0).collect(),
        channel: config.notification_channel.as_str().into(),
        replicated_peer: config.replicated_peer.as_str().into(),
        parked_max: config.bridge_waiting_max,
        own,
        seed,
    }
}

fn bridge_plan(config: &DmqConfig) -> BridgePlan {
    BridgePlan {
        addresses: config.bridge_broker.0.clone(),
        tls: Default::default(),
        exchange: config.bridge_exchange.clone(),
        queue: config.bridge_queue.clone(),
        timeout: Duration::from_millis(config.bridge_timeout_ms),
        prefetch: config.bridge_prefetch,
        waiting_max: config.bridge_waiting_max,
        body_bytes_max: body_bytes_max(config),
        node: config.node().clone(),
    }
}

fn socket_plan(config: &DmqConfig, addresses: Vec<SocketAddr>) -> SocketPlan {
    let tls = TlsPlan {
        ca: config.tls_ca_file.clone(),
        cert: config.tls_cert_file.clone(),
        key: config.tls_key_file.clone(),
        names: config.tls_names.clone(),
    };
    SocketPlan {
        transport: config.transport(),
        addresses,
        message_bytes_max: body_bytes_max(config) + HEAD_BYTES_MAX,
        tls,
    }
}
