//! What of the topology survives a restart: records in the store's log, a snapshot of all of them, and the way back.
//!
//! A record is MessagePack with named fields, so a field can be added; every record says what is, not what changed, so
//! replaying one again does no harm. A kind of record that this version does not know was written by a newer one: going on
//! without it could lose what it says, so recovery refuses.

mod admin;
mod bytes;
mod policy;
mod returned;

use std::collections::HashMap;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use store::{LaneId, Pos, Recovered, RecoveredLane, Store};

use crate::binding::{Binding, Destination};
use crate::exchange::{ExchangeSpec, Kind};
use crate::parameter;
use crate::queue::args::QueueArgs;
use crate::queue::{Queue, QueueSpec};
use crate::user::{PatternError, Permissions};
use crate::vhost::Vhost;
use crate::{Broker, Map, Millis, QueueId};

use admin::{ParameterRecord, TopicPermissionsRecord, UserRecord, VhostRecord};
use bytes::Bytes;
use policy::PolicyRecord;
use returned::Counted;

pub(crate) use returned::LoggedCounts;

/// One fact of the topology, as it is on disk.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Record {
    Vhost(VhostRecord),
    VhostDeleted { name: String },
    User(UserRecord),
    UserDeleted { name: String },
    Permissions { user: String, vhost: String, configure: String, write: String, read: String },
    PermissionsDeleted { user: String, vhost: String },
    Exchange(ExchangeRecord),
    ExchangeDeleted { vhost: String, name: String },
    DelayedRoom { vhost: String, exchange: String, lane: u64, index: u64 },
    Queue(QueueRecord),
    QueueDeleted { vhost: String, name: String },
    Binding(BindingRecord),
    BindingDeleted(BindingRecord),
    Policy(PolicyRecord),
    PolicyDeleted { operator: bool, vhost: String, name: String },
    TopicPermissions(TopicPermissionsRecord),
    TopicPermissionsDeleted { user: String, vhost: String, exchange: Option<String> },
    Parameter(ParameterRecord),
    ParameterDeleted { vhost: Option<String>, component: String, name: String },
    Returned { lane: u64, counts: Vec<Counted> },
}

/// The names of the variants, to tell an unknown kind from a damaged record.
const KINDS: [&str; 20] = [
    "vhost",
    "vhost_deleted",
    "user",
    "user_deleted",
    "permissions",
    "permissions_deleted",
    "exchange",
    "exchange_deleted",
    "delayed_room",
    "queue",
    "queue_deleted",
    "binding",
    "binding_deleted",
    "policy",
    "policy_deleted",
    "topic_permissions",
    "topic_permissions_deleted",
    "parameter",
    "parameter_deleted",
    "returned",
];

/// A durable exchange.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub(crate) struct ExchangeRecord {
    vhost: String,
    name: String,
    kind: String,
    auto_delete: bool,
    internal: bool,
    arguments: Bytes,
}

/// A durable queue.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub(crate) struct QueueRecord {
    vhost: String,
    name: String,
    auto_delete: bool,
    server_named: bool,
    arguments: Bytes,
    /// Priority level and lane.
    lanes: Vec<(u8, u64)>,
}

/// A binding between durable ends.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub(crate) struct BindingRecord {
    vhost: String,
    source: String,
    destination: String,
    to_queue: bool,
    key: Bytes,
    arguments: Bytes,
}

/// Why the topology cannot be brought back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError {
    /// A kind of record, or of a thing in it, that this version does not know.
    #[error("topology has a record '{0}': a newer version wrote it, which must be used to read it")]
    Newer(String),
    /// A record that cannot be read.
    #[error("topology record {index} is damaged: {reason}")]
    Damaged {
        /// Which one, from 0.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A delayed exchange whose messages the store does not have.
    #[error(
        "delayed messages of exchange '{exchange}' in vhost '{vhost}' are missing: the store has no lane {lane}"
    )]
    NoDelayedLane {
        /// The exchange.
        exchange: String,
        /// Its virtual host.
        vhost: String,
        /// The lane that its record names.
        lane: u64,
    },
    /// A queue whose messages the store does not have.
    #[error(
        "messages of queue '{queue}' in vhost '{vhost}' are missing: the store has no lane {lane}"
    )]
    NoLane {
        /// The queue.
        queue: String,
        /// Its virtual host.
        vhost: String,
        /// The lane that its record names.
        lane: u64,
    },
}

/// A queue that has been read and not been made yet.
type Pending = Map<QueueId, QueueRecord>;

impl Broker {
    /// Brings back what the store found: the topology, and the messages in durable queues. A store without any topology
    /// is a new one: it gets that of [`Broker::new`].
    pub fn recover(
        recovered: &Recovered,
        store: &mut Store,
        seed: [u8; 32],
        now: Millis,
    ) -> Result<Broker, RecoverError> {
        if recovered.topology.is_empty() {
            let broker = Broker::new(seed, now);
            for record in broker.topology() {
                store.log(&record);
            }
            return Ok(broker);
        }
        let mut broker = Broker::empty(seed);
        let mut pending = Pending::default();
        for (index, bytes) in recovered.topology.iter().enumerate() {
            let record = Record::decode(bytes).map_err(|error| error.at(index))?;
            broker.replay(record, &mut pending).map_err(|error| error.at(index))?;
        }
        broker.make_queues(recovered, pending, store, now)?;
        broker.apply_policies_to_exchanges();
        Ok(broker)
    }

    /// The whole topology as records: for a checkpoint, and for `Store::close`.
    pub fn topology(&self) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        let mut add = |record: Record| records.push(record.encode());
        self.vhosts.values().for_each(|vhost| add(Record::vhost(vhost)));
        self.user_records().for_each(&mut add);
        self.parameters().for_each(|parameter| add(Record::parameter(parameter)));
        for vhost in self.vhosts.values() {
            let exchanges = vhost.exchanges().map(|exchange| &exchange.spec);
            exchanges
                .filter(|spec| spec.durable && !Vhost::is_predeclared(&spec.name))
                .for_each(|spec| add(Record::exchange(&vhost.name, spec)));
        }
        self.policy_records().for_each(&mut add);
        self.room_records().for_each(&mut add);
        self.queues
            .iter()
            .filter(|queue| queue.durable)
            .for_each(|queue| add(Record::queue(queue)));
        self.queues.iter().flat_map(Record::all_returned).for_each(&mut add);
        for vhost in self.vhosts.values() {
            for binding in vhost.bindings_in_order().filter(|binding| binding.durable) {
                if let Some(record) = self.binding_record(vhost, binding) {
                    add(record);
                }
            }
        }
        records
    }

    pub(crate) fn binding_record(&self, vhost: &Vhost, binding: &Binding) -> Option<Record> {
        let source = vhost.exchange_by_id(binding.source)?;
        let destination = self.destination_name(vhost, binding)?;
        let to_queue = matches!(binding.destination, Destination::Queue(_));
        Some(Record::binding(&vhost.name, &source.spec.name, to_queue, &destination, binding))
    }

    fn replay(&mut self, record: Record, pending: &mut Pending) -> Result<(), ReplayError> {
        match record {
            Record::Vhost(record) => self.replay_vhost(record)?,
            Record::VhostDeleted { name } => {
                self.delayed.pending.retain(|(vhost, _), _| *vhost != name);
                if let Some(vhost) = self.vhosts.remove(&*name) {
                    let ids = vhost.queue_names.into_values();
                    for id in ids {
                        pending.remove(&id);
                        self.queues.unreserve(id);
                    }
                }
                self.users.by_name.values_mut().for_each(|user| user.forget_vhost(&name));
                self.forget_parameters(&name);
            }
            Record::User(record) => self.replay_user(record)?,
            Record::UserDeleted { name } => drop(self.users.by_name.remove(&*name)),
            Record::Permissions { user, vhost, configure, write, read } => {
                if let Some(user) = self.users.by_name.get_mut(&*user) {
                    let permissions = Permissions::new(&configure, &write, &read)?;
                    user.permissions.insert(vhost.into(), permissions);
                }
            }
            Record::PermissionsDeleted { user, vhost } => {
                if let Some(user) = self.users.by_name.get_mut(&*user) {
                    user.permissions.remove(&*vhost);
                }
            }
            Record::Exchange(record) => self.replay_exchange(record)?,
            Record::DelayedRoom { vhost, exchange, lane, index } => {
                self.delayed.pending.insert((vhost, exchange), (lane, index));
            }
            Record::ExchangeDeleted { vhost, name } => {
                self.delayed.pending.remove(&(vhost.clone(), name.clone()));
                if let Some(vhost) = self.vhosts.get_mut(&*vhost)
                    && let Some(id) = vhost.exchange_id(&name)
                {
                    vhost.forget_exchange(id);
                }
            }
            Record::Queue(record) => self.replay_queue(record, pending),
            Record::QueueDeleted { vhost, name } => {
                self.replay_queue_deleted(&vhost, &name, pending)
            }
            Record::Binding(record) => self.replay_binding(record, true)?,
            Record::BindingDeleted(record) => self.replay_binding(record, false)?,
            Record::Policy(record) => self.replay_policy(record)?,
            Record::PolicyDeleted { operator, vhost, name } => {
                self.replay_policy_deleted(operator, &vhost, &name);
            }
            Record::TopicPermissions(record) => self.replay_topic_permissions(record)?,
            Record::TopicPermissionsDeleted { user, vhost, exchange } => {
                self.replay_topic_permissions_deleted(&user, &vhost, exchange.as_deref());
            }
            Record::Parameter(record) => self.replay_parameter(record),
            Record::ParameterDeleted { vhost, component, name } => {
                let key = parameter::key(vhost.as_deref(), &component, &name);
                self.parameters.remove(&key);
            }
            Record::Returned { lane, counts } => self.logged_counts.add(lane, counts),
        }
        Ok(())
    }

    fn replay_exchange(&mut self, record: ExchangeRecord) -> Result<(), ReplayError> {
        let kind = Kind::parse(&record.kind)
            .ok_or_else(|| ReplayError::Newer(format!("exchange type {}", record.kind)))?;
        let arguments = record.arguments.table()?;
        kind.check_arguments(&arguments).map_err(ReplayError::Newer)?;
        let Some(vhost) = self.vhosts.get_mut(&*record.vhost) else { return Ok(()) };
        if vhost.exchange_id(&record.name).is_some() {
            return Ok(());
        }
        vhost.add_exchange(ExchangeSpec {
            name: record.name.into(),
            kind,
            durable: true,
            auto_delete: record.auto_delete,
            internal: record.internal,
            arguments,
        });
        Ok(())
    }

    fn replay_queue(&mut self, record: QueueRecord, pending: &mut Pending) {
        let Some(vhost) = self.vhosts.get_mut(&*record.vhost) else { return };
        let id = match vhost.queue(&record.name) {
            Some(id) => id,
            None => {
                let id = self.queues.reserve();
                vhost.queue_names.insert(record.name.as_str().into(), id);
                id
            }
        };
        pending.insert(id, record);
    }

    fn replay_queue_deleted(&mut self, vhost: &str, name: &str, pending: &mut Pending) {
        let Some(vhost) = self.vhosts.get_mut(vhost) else { return };
        if let Some(id) = vhost.queue(name) {
            vhost.forget_queue(name);
            pending.remove(&id);
            self.queues.unreserve(id);
        }
    }

    /// A binding whose ends are not there is of something that a later record deletes, or a checkpoint did.
    fn replay_binding(&mut self, record: BindingRecord, there: bool) -> Result<(), ReplayError> {
        let Some(vhost) = self.vhosts.get_mut(&*record.vhost) else { return Ok(()) };
        let Some(source) = vhost.exchange_id(&record.source) else { return Ok(()) };
        let destination = if record.to_queue {
            vhost.queue(&record.destination).map(Destination::Queue)
        } else {
            vhost.exchange_id(&record.destination).map(Destination::Exchange)
        };
        let Some(destination) = destination else { return Ok(()) };
        let arguments = record.arguments.table()?;
        let key: Rc<[u8]> = record.key.0.into();
        let binding = Binding { source, destination, key, arguments, durable: true };
        if there {
            vhost.bind(binding, &record.destination);
        } else if let Some(id) = vhost.bindings.find(&binding) {
            vhost.forget_binding(id);
        }
        Ok(())
    }

    /// Makes the queues with their lanes; a lane that belongs to none is of a queue whose record did not reach the disk.
    fn make_queues(
        &mut self,
        recovered: &Recovered,
        pending: Pending,
        store: &mut Store,
        now: Millis,
    ) -> Result<(), RecoverError> {
        let mut lanes: HashMap<LaneId, &RecoveredLane> =
            recovered.lanes.iter().map(|lane| (lane.lane, lane)).collect();
        let mut logged = std::mem::take(&mut self.logged_counts);
        for (id, record) in pending {
            let mut own = Vec::with_capacity(record.lanes.len());
            for (level, lane) in &record.lanes {
                let Some(found) = lanes.remove(&LaneId(*lane)) else {
                    let QueueRecord { name: queue, vhost, .. } = record;
                    return Err(RecoverError::NoLane { queue, vhost, lane: *lane });
                };
                own.push((*level, found));
            }
            let damaged = |reason: String| RecoverError::Damaged {
                index: recovered.topology.len(),
                reason: format!("queue '{}': {reason}", record.name),
            };
            let arguments = record.arguments.table().map_err(|error| damaged(error.to_string()))?;
            let args = QueueArgs::parse(&arguments).map_err(|error| damaged(error.to_string()))?;
            let Some(vhost) = self.vhosts.get(&*record.vhost) else { continue };
            let Some((name, _)) = vhost.queue_names.get_key_value(&*record.name) else { continue };
            let spec = QueueSpec {
                id,
                name: name.clone(),
                vhost: vhost.name.clone(),
                durable: true,
                exclusive: None,
                auto_delete: record.auto_delete,
                server_named: record.server_named,
                args,
                arguments,
                now,
            };
            let mut queue = Queue::recover(spec, own, store);
            queue.restore_counts(store, |lane| logged.take(lane));
            if queue.has_graves() {
                self.graves.insert(id);
            }
            vhost.policies.govern_queue(&mut queue, now);
            self.queues.insert(queue);
        }
        let rooms = std::mem::take(&mut self.delayed.pending);
        self.recover_rooms(&rooms, &mut lanes, store)?;
        self.open_histories();
        lanes.into_keys().for_each(|lane| store.delete_lane(lane));
        Ok(())
    }
}

/// What is wrong with one record.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error("{0}")]
    Newer(String),
    #[error(transparent)]
    Pattern(#[from] PatternError),
    #[error(transparent)]
    Table(#[from] amqp::DecodeError),
    #[error(transparent)]
    Form(#[from] rmp_serde::decode::Error),
}

impl ReplayError {
    fn at(self, index: usize) -> RecoverError {
        match self {
            ReplayError::Newer(what) => RecoverError::Newer(what),
            other => RecoverError::Damaged { index, reason: other.to_string() },
        }
    }
}

impl Record {
    /// Writes the record to the log.
    pub(crate) fn log(&self, store: &mut Store) -> Pos {
        store.log(&self.encode())
    }

    pub(crate) fn permissions(user: &str, vhost: &str, permissions: &Permissions) -> Record {
        Record::Permissions {
            user: user.to_owned(),
            vhost: vhost.to_owned(),
            configure: permissions.configure.as_str().to_owned(),
            write: permissions.write.as_str().to_owned(),
            read: permissions.read.as_str().to_owned(),
        }
    }

    pub(crate) fn exchange(vhost: &str, spec: &ExchangeSpec) -> Record {
        Record::Exchange(ExchangeRecord {
            vhost: vhost.to_owned(),
            name: spec.name.to_string(),
            kind: spec.kind.name().to_owned(),
            auto_delete: spec.auto_delete,
            internal: spec.internal,
            arguments: Bytes::from_table(&spec.arguments),
        })
    }

    pub(crate) fn exchange_deleted(vhost: &str, name: &str) -> Record {
        Record::ExchangeDeleted { vhost: vhost.to_owned(), name: name.to_owned() }
    }

    pub(crate) fn queue(queue: &Queue) -> Record {
        Record::Queue(QueueRecord {
            vhost: queue.vhost.to_string(),
            name: queue.name.to_string(),
            auto_delete: queue.auto_delete,
            server_named: queue.server_named,
            arguments: Bytes::from_table(&queue.arguments),
            lanes: queue.lanes().map(|(level, lane)| (level, lane.0)).collect(),
        })
    }

    pub(crate) fn queue_deleted(vhost: &str, name: &str) -> Record {
        Record::QueueDeleted { vhost: vhost.to_owned(), name: name.to_owned() }
    }

    pub(crate) fn binding(
        vhost: &str,
        source: &str,
        to_queue: bool,
        destination: &str,
        binding: &Binding,
    ) -> Record {
        Record::Binding(BindingRecord {
            vhost: vhost.to_owned(),
            source: source.to_owned(),
            destination: destination.to_owned(),
            to_queue,
            key: Bytes(binding.key.to_vec()),
            arguments: Bytes::from_table(&binding.arguments),
        })
    }

    /// The same binding, gone.
    pub(crate) fn deleted(self) -> Record {
        match self {
            Record::Binding(record) => Record::BindingDeleted(record),
            other => other,
        }
    }

    fn encode(&self) -> Vec<u8> {
        rmp_serde::to_vec_named(self).expect("strings, numbers and bytes always encode into memory")
    }

    fn decode(bytes: &[u8]) -> Result<Record, ReplayError> {
        rmp_serde::from_slice(bytes).map_err(|error| {
            // An enum is a map of one entry: from the variant's name to its fields.
            match rmp_serde::from_slice::<HashMap<String, serde::de::IgnoredAny>>(bytes) {
                Ok(map) => match map.into_keys().next() {
                    Some(kind) if !KINDS.contains(&&*kind) => ReplayError::Newer(kind),
                    _ => error.into(),
                },
                Err(_) => error.into(),
            }
        })
    }
}

#[cfg(test)]
mod tests;
