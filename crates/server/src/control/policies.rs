//! Policies, operator policies and runtime parameters.

use broker::policy::PolicySpec;
use control::reply::{Refusal, Why};
use control::request::Request;
use serde_json::Value;

use super::answer::{Outcome, done, unexpected};
use super::node::restore;
use crate::json::table_from_json;
use crate::shard::Shard;

pub(super) fn apply(shard: &mut Shard, request: Request) -> Outcome {
    match request {
        Request::SetPolicy { operator, vhost, policy } => {
            let Value::Object(definition) = parse(&policy.definition)? else {
                let text = "Validation failed\n\npolicy definition should be a JSON object\n";
                return Err(Refusal::new(Why::Invalid, text));
            };
            let definition = table_from_json(&definition);
            let spec = PolicySpec {
                vhost: &vhost,
                name: &policy.name,
                pattern: &policy.pattern,
                apply_to: &policy.apply_to,
                priority: policy.priority,
                definition: &definition,
            };
            let (broker, mut cx) = shard.parts();
            let set = done(broker.set_policy(&mut cx, operator, spec));
            shard.feed_starved();
            set
        }
        Request::ClearPolicy { operator, vhost, name } => {
            let (broker, mut cx) = shard.parts();
            let cleared = done(broker.clear_policy(&mut cx, operator, &vhost, &name));
            shard.feed_starved();
            cleared
        }
        Request::SetParameter { vhost, component, name, value } => {
            parse(&value)?;
            let Shard { broker, store, .. } = shard;
            let set = broker.set_parameter(store, vhost.as_deref(), &component, &name, &value);
            restore(shard);
            done(set)
        }
        Request::ClearParameter { vhost, component, name } => {
            let Shard { broker, store, .. } = shard;
            let cleared = broker.clear_parameter(store, vhost.as_deref(), &component, &name);
            restore(shard);
            done(cleared)
        }
        other => unexpected(&other),
    }
}

/// A JSON text, or RabbitMQ's words for one that is not.
pub(super) fn parse(text: &str) -> Result<Value, Refusal> {
    serde_json::from_str(text)
        .map_err(|_| Refusal::new(Why::Invalid, "JSON decoding error. Reason: badarg"))
}
