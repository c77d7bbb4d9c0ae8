//! The node itself: what it is, how it is doing, what is set while it runs.

use std::path::Path;
use std::sync::OnceLock;

use control::reply::{Refusal, Why};
use control::request::{Amount, Request, Resource};
use serde_json::{Value, json};
use service::config::Scalar;
use service::log::Level;
use service::machine;

use super::answer::{Outcome, done, unexpected};
use crate::config::ServeConfig;
use crate::settings::Settings;
use crate::shard::Shard;

/// The global parameter that keeps the name of the cluster, once it was changed.
const CLUSTER_NAME: &str = "cluster_name";

/// What tools know a node by; there is one on a machine, and it is called as RabbitMQ would be. It
/// keeps the name that the machine had when it was asked first.
pub(crate) fn node_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let system = rustix::system::uname();
        let host = system.nodename().to_string_lossy();
        format!("rabbit@{}", host.split('.').next().unwrap_or_default())
    })
}

/// What listings name a connection by, in the form of RabbitMQ's process ids.
pub(crate) fn connection_pid(id: u64) -> String {
    broker::event::pid(node_name(), id, 0)
}

/// The same for a channel of a connection.
pub(crate) fn channel_pid(connection: u64, channel: u16) -> String {
    broker::event::pid(node_name(), connection, channel)
}

pub(super) fn apply(shard: &mut Shard, request: Request) -> Outcome {
    match request {
        Request::Ping => Ok((json!({ "running": true, "node": node_name() }), 0)),
        // It is started already.
        Request::StartApp => Ok((Value::Null, 0)),
        Request::Reset => Err(Refusal::new(Why::AppRuns, "the application runs on this node")),
        Request::Status => Ok((status(shard), 0)),
        Request::SetAlarm { resource, on } => {
            tracing::warn!("the administrator sets the alarm of {resource:?}: {on}");
            let forced = &mut shard.alarms.forced;
            match resource {
                Resource::Memory => forced.memory = on,
                Resource::Disk => forced.disk = on,
            }
            shard.check_alarms();
            Ok((Value::Null, 0))
        }
        Request::SetMemoryLimit { limit } => {
            shard.alarms.memory_limit = bytes(limit, &shard.settings)?;
            shard.check_alarms();
            Ok((Value::Null, 0))
        }
        Request::SetDiskFreeLimit { limit } => {
            shard.alarms.disk_free_limit = bytes(limit, &shard.settings)?;
            shard.check_alarms();
            Ok((Value::Null, 0))
        }
        Request::SetClusterName { name } => {
            let value = Value::from(&*name).to_string();
            let set = shard.broker.set_parameter(&mut shard.store, None, "", CLUSTER_NAME, &value);
            restore(shard);
            done(set)
        }
        Request::SetChannelMax { channel_max } => {
            let mut settings = (*shard.settings).clone();
            settings.channel_max = channel_max;
            shard.settings = settings.into();
            Ok((Value::Null, 0))
        }
        Request::RestrictToLoopback { users } => {
            shard.broker.restrict_to_loopback(users);
            Ok((Value::Null, 0))
        }
        Request::SetLogLevel { level } => set_log_level(&level),
        Request::Stop => stop(),
        other => unexpected(&other),
    }
}

/// While the application is stopped, the node answers little.
pub(super) fn answer_stopped(config: &ServeConfig, request: &Request) -> Result<Value, Refusal> {
    match request {
        Request::Ping => Ok(json!({ "running": false, "node": node_name() })),
        Request::StopApp => Ok(Value::Null),
        Request::Stop => stop().map(|(value, _)| value),
        Request::Reset => reset(&config.data_dir),
        Request::Status => Ok(json!({
            "running": false,
            "node": node_name(),
            "pid": std::process::id(),
            "version": config.product_version,
            "data_directory": config.data_dir,
        })),
        _ => Err(Refusal::new(
            Why::AppStopped,
            "the application is stopped on this node; `rabbitmqctl start_app` starts it",
        )),
    }
}

/// After a start, and after a change of global parameters: what was set while the node ran, and is
/// kept.
pub(crate) fn restore(shard: &mut Shard) {
    let named = shard.broker.parameters().find(|parameter| {
        parameter.vhost.is_none()
            && parameter.component.is_empty()
            && parameter.name == CLUSTER_NAME
    });
    let name = named.and_then(|parameter| serde_json::from_str::<String>(parameter.value).ok());
    let mut settings = (*shard.settings).clone();
    settings.cluster_name = name.unwrap_or_else(|| settings.own_cluster_name.clone());
    shard.settings = settings.into();
}

/// The process ends as after a signal, what runs beside the broker first.
fn stop() -> Outcome {
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM)
        .map_err(|error| Refusal::new(Why::Failed, format!("cannot stop: {error}")))?;
    Ok((json!({ "pid": std::process::id() }), 0))
}

/// Everything that was declared and published is gone. The store is closed, and its lock free: only
/// the socket tells that this process has the directory.
fn reset(dir: &Path) -> Result<Value, Refusal> {
    store::erase::erase(&store::vfs::disk::Disk, dir).map(|()| Value::Null).map_err(|error| {
        Refusal::new(Why::Failed, format!("cannot empty {}: {error}", dir.display()))
    })
}

fn set_log_level(level: &str) -> Outcome {
    let level = Level::parse(level).map_err(|_| {
        let text = format!(
            "level {level} is not supported. Try one of debug, info, warning, error, critical, none"
        );
        Refusal::new(Why::Invalid, text)
    })?;
    service::log::set_level(&level);
    Ok((Value::Null, 0))
}

fn bytes(amount: Amount, settings: &Settings) -> Result<u64, Refusal> {
    let part = match amount {
        Amount::Bytes(bytes) => return Ok(bytes),
        Amount::OfMemory(part) => part,
    };
    let measured = || machine::total_memory(&machine::root());
    let total = settings.memory_total.map_or_else(measured, Ok).map_err(|error| {
        Refusal::new(Why::Failed, format!("cannot tell the machine's memory: {error}"))
    })?;
    Ok((total as f64 * part) as u64)
}

fn status(shard: &Shard) -> Value {
    let alarms = &shard.alarms;
    let settings = &shard.settings;
    let totals = shard.broker.totals();
    json!({
        "running": true,
        "node": node_name(),
        "pid": std::process::id(),
        "product": settings.product,
        "version": settings.version,
        "leveret_version": env!("CARGO_PKG_VERSION"),
        "cluster_name": settings.cluster_name,
        "data_directory": std::path::absolute(&settings.data_dir)
            .unwrap_or_else(|_| settings.data_dir.clone()),
        "uptime_s": shard.started.elapsed().as_secs(),
        "alarms": { "memory": alarms.memory, "disk": alarms.disk },
        "memory_used": alarms.memory_used,
        "memory_limit": alarms.memory_limit,
        "disk_free": alarms.disk_free,
        "disk_free_limit": alarms.disk_free_limit,
        "connections": shard.connections.table.len(),
        "queues": shard.broker.queue_count(),
        "vhosts": shard.broker.vhosts().count(),
        "messages": totals.ready + totals.unacked,
        "listeners": shard.listeners.iter().map(|(protocol, address)| json!({
            "protocol": protocol,
            "interface": address.ip().to_string(),
            "port": address.port(),
        })).collect::<Vec<_>>(),
    })
}
