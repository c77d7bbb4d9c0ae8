//! Records of policies.

use amqp::value::Table;
use serde::{Deserialize, Serialize};

use crate::Broker;
use crate::policy::{Policy, PolicySpec};

use super::bytes::Bytes;
use super::{Record, ReplayError};

/// A policy or an operator policy.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub(crate) struct PolicyRecord {
    operator: bool,
    vhost: String,
    name: String,
    pattern: String,
    apply_to: String,
    priority: i64,
    definition: Bytes,
}

impl Record {
    pub(crate) fn policy(operator: bool, policy: &Policy) -> Record {
        Record::Policy(PolicyRecord {
            operator,
            vhost: policy.vhost.to_string(),
            name: policy.name.to_string(),
            pattern: policy.pattern.as_str().to_owned(),
            apply_to: policy.apply_to.name().to_owned(),
            priority: policy.priority,
            definition: Bytes::from_table(&policy.definition),
        })
    }

    pub(crate) fn policy_deleted(operator: bool, vhost: &str, name: &str) -> Record {
        Record::PolicyDeleted { operator, vhost: vhost.to_owned(), name: name.to_owned() }
    }
}

impl Broker {
    /// The policies of all virtual hosts as records.
    pub(super) fn policy_records(&self) -> impl Iterator<Item = Record> {
        [false, true].into_iter().flat_map(|operator| {
            self.policies(operator).map(move |policy| Record::policy(operator, policy))
        })
    }

    pub(super) fn replay_policy(&mut self, record: PolicyRecord) -> Result<(), ReplayError> {
        let Some(vhost) = self.vhosts.get_mut(&*record.vhost) else { return Ok(()) };
        let definition: Table = record.definition.table()?;
        let spec = PolicySpec {
            vhost: &record.vhost,
            name: &record.name,
            pattern: &record.pattern,
            apply_to: &record.apply_to,
            priority: record.priority,
            definition: &definition,
        };
        let policy = Policy::new(vhost.name.clone(), record.operator, &spec)
            .map_err(|error| ReplayError::Newer(format!("policy {}: {error}", record.name)))?;
        vhost.policies.insert(record.operator, policy);
        Ok(())
    }

    pub(super) fn replay_policy_deleted(&mut self, operator: bool, vhost: &str, name: &str) {
        if let Some(vhost) = self.vhosts.get_mut(vhost) {
            vhost.policies.remove(operator, name);
        }
    }
}
