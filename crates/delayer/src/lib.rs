//! The delayer: takes messages off a queue, keeps each until it is due, and publishes it back.
//!
//! A complete AmqpDelayer for any AMQP 0-9-1 broker. Reading order: [`config`] (what it is told),
//! [`message`], `source` (what a delivery asks for), `outgoing` (what is published), [`store`] and
//! its three stores (where messages wait), `storage` (the threads that use one), `intake` and
//! `revival` (the way in and out), `engine` (the event loop), [`desk`] and [`web`] (what people see).
#![warn(missing_docs)]

mod acks;
pub mod config;
pub mod desk;
mod engine;
mod intake;
pub mod message;
mod outgoing;
mod rates;
mod revival;
mod source;
mod storage;
pub mod store;
pub mod web;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use client::address::Mechanism;
use service::shutdown::{Exit, Shutdown};

use crate::config::{DelayerConfig, DueSource, Storage};
use crate::engine::{Engine, EngineError, Plan};
use crate::message::Millis;
use crate::outgoing::Routes;
use crate::source::Rules;
use crate::store::{OpenError, Store};

/// How long a MongoDB may take to answer at start.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a delayer does not run, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The storage cannot be used.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// It ran, and had to end, or could not end as it was told to.
    #[error("{0}")]
    Engine(#[from] EngineError),
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
}

impl RunError {
    /// The exit code of the process.
    pub fn exit(&self) -> Exit {
        match self {
            RunError::Open(OpenError::Busy { .. }) => Exit::Busy,
            RunError::Open(OpenError::Unusable { .. }) => Exit::Data,
            RunError::Open(OpenError::Refused { .. }) | RunError::Io { .. } => Exit::Io,
            RunError::Engine(EngineError::Storage(_)) => Exit::Io,
            RunError::Engine(EngineError::Left { .. }) | RunError::Listen(_) => Exit::Unavailable,
        }
    }
}

fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> RunError {
    move |source| RunError::Io { what, source }
}

/// Runs a delayer called `name` until `shutdown` says stop. It answers for itself on the thread
/// that calls it; the storage and the web server have threads of their own.
pub fn run(config: &DelayerConfig, name: &str, shutdown: &Shutdown) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(io("cannot start the event loop"))?;
    let store = open(config)?;
    let listeners = service::listen::bind("http", &config.www_listen())?;
    let (desk, orders) = service::desk::desk();
    let _web = service::http::open(listeners, web::router(desk))
        .map_err(io("cannot start the web server"))?;
    let plan = plan(config, name);
    let engine = Engine::new(plan, store, orders, shutdown.clone(), unix_ms)
        .map_err(io("cannot start the storage threads"))?;
    service::startup::complete();
    tracing::info!("the delayer {name} runs");
    runtime.block_on(engine.run())?;
    Ok(())
}

/// Unix time, as the wall clock has it now.
fn unix_ms() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as Millis
}

fn open(config: &DelayerConfig) -> Result<Arc<dyn Store>, OpenError> {
    let map_bytes = config.storage_mapsize.0;
    Ok(match config.storage() {
        Storage::Log(dir) => {
            let options = store::log::Options { map_bytes, ..store::log::Options::new(dir) };
            Arc::new(store::log::LogStore::open(&options)?)
        }
        Storage::Lmdb(dir) => {
            let options = store::lmdb::Options { dir: dir.to_owned(), map_bytes };
            Arc::new(store::lmdb::LmdbStore::open(&options)?)
        }
        Storage::Mongo(address) => {
            let address = address.to_owned();
            let options = store::mongodb::Options { address, connect_timeout: CONNECT_TIMEOUT };
            Arc::new(store::mongodb::MongoStore::open(&options)?)
        }
    })
}

fn plan(config: &DelayerConfig, name: &str) -> Plan {
    let addresses = config.rabbitmq_address.0.clone();
    let millis = |seconds: config::Seconds| seconds.0.as_millis() as Millis;
    // With several addresses the login is that of the first; a certificate's is the broker's to know.
    let login = addresses.first().filter(|address| address.mechanism == Mechanism::Plain);
    let user = login.map(|address| address.user.clone().into_bytes());
    Plan {
        name: name.to_owned(),
        mode: config.mode,
        on_shutdown: config.shutdown,
        qos: config.rabbitmq_qos,
        groupsize: config.storage_groupsize as usize,
        timeout: config.storage_timeout.0,
        throttle: config.rabbitmq_throttle as usize,
        batchsize: config.storage_batchsize as usize,
        rules: Rules {
            due_sources: config.due_sources.clone(),
            timestamp_unit: config.timestamp_unit,
            min_delay_ms: millis(config.min_delay),
            max_delay_ms: millis(config.max_delay),
        },
        routes: Routes {
            queue: config.rabbitmq_queue.clone().into_bytes(),
            exchange: config.exchange().as_bytes().to_vec(),
            routing_key: config.rabbitmq_routingkey.clone().into_bytes(),
            use_reply_to: config.rabbitmq_usereplyto,
            user,
            negate_delay: config.due_sources.contains(&DueSource::XDelay),
        },
        queue: config.rabbitmq_queue.clone(),
        exchange: config.exchange().to_owned(),
        storage: shown(config),
        client: client::options::Options {
            addresses,
            name: format!("delayer {name}"),
            tls: client::options::TlsFiles {
                ca: config.rabbitmq_ca.clone(),
                cert: config.rabbitmq_cert.clone(),
                key: config.rabbitmq_key.clone(),
            },
            ..client::options::Options::default()
        },
    }
}

/// Where messages are stored, without a password.
fn shown(config: &DelayerConfig) -> String {
    let place = |dir: &Path| dir.display().to_string();
    match config.storage() {
        Storage::Log(dir) => place(dir),
        Storage::Lmdb(dir) => format!("lmdb://{}", place(dir)),
        Storage::Mongo(address) => store::mongodb::shown(address),
    }
}
