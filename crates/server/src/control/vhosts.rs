//! Virtual hosts: adding, deleting, what is said of them, limits, tracing.

use broker::queue::args::QueueKind;
use broker::vhost::meta::{VhostLimits, VhostMeta};
use control::reply::{Refusal, Why};
use control::request::{Request, VhostMeta as Given};
use serde_json::Value;

use super::answer::{Outcome, done, refused, unexpected};
use super::{connections, limits};
use crate::shard::Shard;

pub(super) fn apply(shard: &mut Shard, request: Request) -> Outcome {
    match request {
        Request::AddVhost { vhost, meta } => {
            let meta = changed(VhostMeta::default(), meta)?;
            done(shard.broker.add_vhost_with(&mut shard.store, &vhost, meta))
        }
        Request::DeleteVhost { vhost } => {
            let (broker, mut cx) = shard.parts();
            let deleted = done(broker.delete_vhost(&mut cx, &vhost))?;
            let reason = format!("vhost '{vhost}' is deleted");
            connections::close_where(shard, &reason, |session| *session.vhost == *vhost);
            Ok(deleted)
        }
        Request::SetVhostMeta { vhost, meta } => {
            let before = shard.broker.vhosts().find(|one| *one.name == *vhost);
            let before = before.map(|vhost| vhost.meta.clone()).unwrap_or_default();
            let meta = changed(before, meta)?;
            done(shard.broker.set_vhost_meta(&mut shard.store, &vhost, meta))
        }
        Request::SetVhostLimits { vhost, limits } => {
            let limits = limits::read(&limits)?;
            done(shard.broker.set_vhost_limits(&mut shard.store, &vhost, limits))
        }
        Request::ClearVhostLimits { vhost } => {
            let none = VhostLimits::default();
            done(shard.broker.set_vhost_limits(&mut shard.store, &vhost, none))
        }
        Request::Trace { vhost, on } => {
            shard.broker.set_tracing(&vhost, on).map_err(refused)?;
            Ok((Value::Null, 0))
        }
        other => unexpected(&other),
    }
}

/// What is said of a virtual host after a change; what the change does not name stays.
fn changed(before: VhostMeta, given: Given) -> Result<VhostMeta, Refusal> {
    let default_queue_type = match given.default_queue_type.as_deref() {
        None => before.default_queue_type,
        Some("" | "undefined") => None,
        Some(name) => match QueueKind::parse(name) {
            Some(kind) => Some(kind),
            None => {
                let text = format!("Unsupported default queue type: '{name}'");
                return Err(Refusal::new(Why::Invalid, text));
            }
        },
    };
    Ok(VhostMeta {
        description: given.description.unwrap_or(before.description),
        tags: given.tags.unwrap_or(before.tags),
        default_queue_type,
        ..before
    })
}
