//! Definitions over the control socket.

use control::reply::{Refusal, Why};
use control::request::Request;
use serde_json::json;

use super::answer::{Outcome, unexpected};
use super::node::restore;
use crate::definitions::{DefinitionsError, export, import};
use crate::shard::Shard;

/// Exports and imports.
pub(super) fn apply(shard: &mut Shard, request: Request) -> Outcome {
    let (Request::ExportDefinitions { vhost } | Request::ImportDefinitions { vhost, .. }) =
        &request
    else {
        return unexpected(&request);
    };
    if let Some(name) = vhost
        && shard.broker.vhost_named(name).is_none()
    {
        let text = format!("Virtual host '{name}' does not exist");
        return Err(Refusal::new(Why::NoVhost, text));
    }
    match request {
        Request::ExportDefinitions { vhost } => {
            Ok((export(&shard.broker, vhost.as_deref(), &shard.settings), 0))
        }
        Request::ImportDefinitions { vhost, definitions } => {
            let report = import(shard, &definitions, vhost.as_deref()).map_err(refused)?;
            shard.feed_starved();
            restore(shard);
            let warnings: Vec<String> = report.warnings().collect();
            let said = json!({ "report": report.to_string(), "warnings": warnings });
            Ok((said, report.pos))
        }
        other => unexpected(&other),
    }
}

fn refused(error: DefinitionsError) -> Refusal {
    let kind = match &error {
        DefinitionsError::Refused { .. } => Why::Failed,
        _ => Why::Invalid,
    };
    Refusal::new(kind, error.to_string())
}
