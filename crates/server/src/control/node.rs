//! The node itself: what it is, how it is doing, what is set while it runs.

use control::reply::{Refusal, Why};
use control::request::{Request, Resource};
use serde_json::{Value, json};

use super::answer::Outcome;
use crate::config::ServeConfig;
use crate::shard::Shard;

/// What tools know a node by; there is one on a machine, and it is called as RabbitMQ would be.
pub(crate) fn node_name() -> String {
    let system = rustix::system::uname();
    let host = system.nodename().to_string_lossy();
    format!("rabbit@{}", host.split('.').next().unwrap_or_default())
}

/// What listings name a connection by, in the form of RabbitMQ's process ids.
pub(crate) fn connection_pid(id: u64) -> String {
    format!("<{}.1.{id}.0>", node_name())
}

/// The same for a channel of a connection.
pub(crate) fn channel_pid(connection: u64, channel: u16) -> String {
    format!("<{}.1.{connection}.{channel}>", node_name())
}

pub(super) fn apply(shard: &mut Shard, request: Request) -> Outcome {
    match request {
        Request::Ping => Ok((json!({ "running": true, "node": node_name() }), 0)),
        // It is started already.
        Request::StartApp => Ok((Value::Null, 0)),
        Request::Reset => Err(Refusal::new(Why::AppRuns, "the application runs")),
        Request::Status => Ok((status(shard), 0)),
        Request::SetAlarm { resource, on } => {
            let forced = &mut shard.alarms.forced;
            match resource {
                Resource::Memory => forced.memory = on,
                Resource::Disk => forced.disk = on,
            }
            shard.check_alarms();
            Ok((Value::Null, 0))
        }
        Request::Stop => stop(),
        other => Err(Refusal::new(Why::Unsupported, format!("not yet: {other:?}"))),
    }
}

/// While the application is stopped, the node answers little.
pub(super) fn answer_stopped(config: &ServeConfig, request: &Request) -> Result<Value, Refusal> {
    match request {
        Request::Ping => Ok(json!({ "running": false, "node": node_name() })),
        Request::StopApp => Ok(Value::Null),
        Request::Stop => stop().map(|(value, _)| value),
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

/// The process ends as after a signal, what runs beside the broker first.
fn stop() -> Outcome {
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM)
        .map_err(|error| Refusal::new(Why::Failed, format!("cannot stop: {error}")))?;
    Ok((json!({ "pid": std::process::id() }), 0))
}

fn status(shard: &Shard) -> Value {
    let alarms = &shard.alarms;
    let settings = &shard.settings;
    json!({
        "running": true,
        "node": node_name(),
        "pid": std::process::id(),
        "product": settings.product,
        "version": settings.version,
        "cluster_name": settings.cluster_name,
        "data_directory": settings.data_dir,
        "alarms": {
            "memory": alarms.memory,
            "disk": alarms.disk,
        },
        "memory_used": alarms.memory_used,
        "memory_limit": alarms.memory_limit,
        "disk_free": alarms.disk_free,
        "disk_free_limit": alarms.disk_free_limit,
        "connections": shard.connections.table.len(),
        "queues": shard.broker.queue_count(),
        "vhosts": shard.broker.vhosts().count(),
        "listeners": shard.listeners.iter().map(|(protocol, address)| json!({
            "protocol": protocol,
            "interface": address.ip().to_string(),
            "port": address.port(),
        })).collect::<Vec<_>>(),
    })
}
