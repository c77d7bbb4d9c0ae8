//! Rows of policies and parameters.

use broker::parameter::Parameter;
use broker::policy::Policy;
use control::reply::Row;
use control::request::List;
use serde_json::{Value, json};

use super::rows::{Column, in_vhost, row};
use crate::json::table_to_json;
use crate::shard::Shard;

pub(super) fn policies(shard: &Shard, wanted: &List, operator: bool) -> Vec<Row> {
    let all = shard.broker.policies(operator);
    let meant = all.filter(|policy| in_vhost(wanted, &policy.vhost));
    meant.map(|policy| row(POLICY, wanted, policy)).collect()
}

pub(super) const POLICY: &[Column<Policy>] = &[
    ("vhost", |policy| json!(*policy.vhost)),
    ("name", |policy| json!(*policy.name)),
    ("pattern", |policy| json!(policy.pattern.as_str())),
    ("apply-to", |policy| json!(policy.apply_to.name())),
    // As a text, which is what listings show.
    ("definition", |policy| json!(table_to_json(&policy.definition).to_string())),
    ("priority", |policy| json!(policy.priority)),
];

pub(super) fn parameters(shard: &Shard, wanted: &List) -> Vec<Row> {
    let of_vhost = |one: &Parameter<'_>| one.vhost.is_some_and(|vhost| in_vhost(wanted, vhost));
    let meant = shard.broker.parameters().filter(of_vhost);
    meant.map(|parameter| row(PARAMETER, wanted, &parameter)).collect()
}

pub(super) fn global_parameters(shard: &Shard, wanted: &List) -> Vec<Row> {
    let global = shard.broker.parameters().filter(|parameter| parameter.vhost.is_none());
    let mut rows: Vec<Row> = global.map(|parameter| row(PARAMETER, wanted, &parameter)).collect();
    if !rows.iter().any(|row| row.get("name") == Some(&json!("cluster_name"))) {
        // It is one of the settings until somebody changes it.
        let value = json!(shard.settings.cluster_name).to_string();
        let own = Parameter { vhost: None, component: "", name: "cluster_name", value: &value };
        rows.push(row(PARAMETER, wanted, &own));
    }
    rows
}

/// A column of whatever parameter.
pub(super) type ParameterColumn = (&'static str, for<'a> fn(&Parameter<'a>) -> Value);

pub(super) const PARAMETER: &[ParameterColumn] = &[
    ("vhost", |parameter| json!(parameter.vhost.unwrap_or_default())),
    ("component", |parameter| json!(parameter.component)),
    ("name", |parameter| json!(parameter.name)),
    ("value", |parameter| json!(parameter.value)),
];
