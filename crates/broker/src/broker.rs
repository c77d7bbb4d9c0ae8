//! The broker as its users see it: one value that owns every virtual host, queue and user.
//!
//! Commands are methods, each in the file of its subject: `declare`, `bind`, `publish`, `consume`, `admin`, `topology`.
//! A command that can make messages die sends them to their dead letter exchanges before it returns.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use amqp::{AmqpError, ReplyCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::binding::{Binding, Destination};
use crate::delayed::Delayed;
use crate::event::Event;
use crate::exchange::random::Dice;
use crate::history::Histories;
use crate::interceptor::Interceptors;
use crate::parameter::ParameterKey;
use crate::publish::PublishScratch;
use crate::queue::args::QueueKind;
use crate::queue::{Outbox, Queue};
use crate::queues::Queues;
use crate::reply_to::Replies;
use crate::stats::{BrokerStats, Totals};
use crate::topology::LoggedCounts;
use crate::user::password::hash_password;
use crate::user::{Access, AuthError, Permissions, Resource, User, Users};
use crate::vhost::Vhost;
use crate::{Cx, Map, Millis, QueueId, Sink};

/// Who commands: an open connection.
#[derive(Clone, Debug)]
pub struct Session {
    /// Unique among all connections there ever are; owns exclusive queues.
    pub conn: u64,
    /// Who logged in.
    pub user: Rc<str>,
    /// Which virtual host it opened.
    pub vhost: Rc<str>,
    /// No permission is asked of it: the broker's own commands, and those of who administers it.
    pub trusted: bool,
}

impl Session {
    /// The broker itself, or its administrator, in one virtual host. It owns no exclusive queue.
    pub fn internal(vhost: Rc<str>) -> Session {
        Session { conn: 0, user: INTERNAL_USER.into(), vhost, trusted: true }
    }
}

/// Whom RabbitMQ names where nobody logged in.
pub const INTERNAL_USER: &str = "rmq-internal";

/// Limits of a broker.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of the largest body that may be published. Default: 128 MiB.
    pub max_message_size: u64,
    /// What is written into each message. Default: nothing.
    pub interceptors: Interceptors,
    /// What this node is called in traces and events. Default: `leveret@localhost`.
    pub node: String,
    /// A quorum queue may be redeclared as a classic one. Default: no.
    pub relaxed_redeclare: bool,
    /// What a declare without `x-queue-type` makes, where its virtual host does not say. Default: classic.
    pub default_queue_type: QueueKind,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            max_message_size: 128 << 20,
            interceptors: Interceptors::default(),
            node: "leveret@localhost".to_owned(),
            relaxed_redeclare: false,
            default_queue_type: QueueKind::Classic,
        }
    }
}

/// Everything there is, but for the bytes of messages.
pub struct Broker {
    /// May be changed at any time.
    pub settings: Settings,
    pub(crate) vhosts: BTreeMap<Rc<str>, Vhost>,
    pub(crate) users: Users,
    pub(crate) queues: Queues,
    pub(crate) outbox: Outbox,
    /// A command is at work on the outbox.
    pub(crate) routing_dead: bool,
    /// Queues that may keep dead letters for which there was no way yet, the epoch that those were tried in, and before
    /// when another epoch is no reason to try them again.
    pub(crate) graves: BTreeSet<QueueId>,
    pub(crate) graves_epoch: u64,
    pub(crate) graves_rest: Millis,
    /// While recovery reads records: counts of messages whose queues are not made yet.
    pub(crate) logged_counts: LoggedCounts,
    pub(crate) replies: Replies,
    pub(crate) delayed: Delayed,
    pub(crate) histories: Histories,
    /// For exchanges that route at random.
    pub(crate) dice: Dice,
    /// Exclusive queues by the connection that owns them.
    pub(crate) exclusive: Map<u64, BTreeSet<QueueId>>,
    /// Begins anew with every change that can change a route or a permission.
    pub(crate) epoch: u64,
    pub(crate) counts: BrokerStats,
    pub(crate) scratch: PublishScratch,
    /// Some virtual host is traced.
    pub(crate) tracing: bool,
    /// What is to be told on the event exchange.
    pub(crate) events: Vec<Event>,
    /// By virtual host (none for the global ones), component and name.
    pub(crate) parameters: BTreeMap<ParameterKey, Rc<str>>,
    random: Random,
}

/// Numbers that nobody can guess who does not know the seed.
struct Random {
    seed: [u8; 32],
    count: u64,
}

impl Broker {
    /// A broker as it is before anyone declared anything: virtual host `/` with the predeclared exchanges, and `guest`,
    /// password `guest`, who may do everything there from this machine. `seed` must be another one at each start.
    pub fn new(seed: [u8; 32], _now: Millis) -> Broker {
        let mut broker = Broker::empty(seed);
        let slash: Rc<str> = "/".into();
        let everything = Permissions::everything();
        let salt = broker.random.salt();
        let guest = User {
            password_hash: hash_password(salt, b"guest").into(),
            tags: vec!["administrator".to_owned()],
            permissions: BTreeMap::from([(slash.clone(), everything)]),
            ..User::new("guest".into())
        };
        broker.users.by_name.insert(guest.name.clone(), guest);
        broker.vhosts.insert(slash.clone(), Vhost::new(slash));
        broker
    }

    /// A broker without anything, not even a virtual host.
    pub(crate) fn empty(seed: [u8; 32]) -> Broker {
        let mut random = Random { seed, count: 0 };
        Broker {
            settings: Settings::default(),
            vhosts: BTreeMap::new(),
            users: Users::default(),
            queues: Queues::default(),
            outbox: Outbox::default(),
            routing_dead: false,
            graves: BTreeSet::new(),
            graves_epoch: 1,
            graves_rest: 0,
            logged_counts: LoggedCounts::default(),
            replies: Replies::default(),
            delayed: Delayed::default(),
            histories: Histories::default(),
            // Not the seed itself: what the dice show must not lead to names that nobody may guess.
            dice: Dice::new(random.next()),
            exclusive: Map::default(),
            epoch: 1,
            counts: BrokerStats::default(),
            scratch: PublishScratch::default(),
            tracing: false,
            events: Vec::new(),
            parameters: BTreeMap::new(),
            random,
        }
    }

    /// Checks a password. The error is for the log: the client learns nothing of it.
    pub fn authenticate(
        &self,
        user: &str,
        password: &[u8],
        loopback: bool,
    ) -> Result<Rc<str>, AuthError> {
        self.users.authenticate(user, password, loopback)
    }

    /// The user that a client certificate names, for EXTERNAL.
    pub fn external_user(&self, name: &str) -> Option<Rc<str>> {
        self.users.by_name.get(name).map(|user| user.name.clone())
    }

    /// Whether there is such a user.
    pub fn user_exists(&self, name: &str) -> bool {
        self.users.by_name.contains_key(name)
    }

    /// Opens a virtual host for a user who has any permission there; 530 otherwise.
    pub fn open_vhost(&self, user: &str, vhost: &str) -> Result<Rc<str>, AmqpError> {
        let Some(found) = self.vhosts.get(vhost) else {
            return Err(AmqpError::new(ReplyCode::NotAllowed, format!("vhost {vhost} not found")));
        };
        if self.users.permissions(user, vhost).is_none() {
            let text = format!("access to vhost '{vhost}' refused for user '{user}'");
            return Err(AmqpError::new(ReplyCode::NotAllowed, text));
        }
        Ok(found.name.clone())
    }

    /// Does what time brings: messages and queues expire, delayed messages go on.
    pub fn tick<S: Sink>(&mut self, cx: &mut Cx<'_, S>) {
        self.try_graves(cx.now);
        for id in self.queues.take_due(cx.now) {
            let outcome = self.with_queue(cx, id, |queue, cx, out| queue.tick(cx, out));
            if outcome.is_some_and(|outcome| outcome.delete) {
                self.remove_queue(cx, id);
            }
        }
        self.release_due(cx);
    }

    /// When `tick` is next needed; a time that has passed means at once.
    pub fn deadline(&self) -> Option<Millis> {
        let graves = self.may_try_graves().then_some(self.graves_rest);
        let all = [graves, self.queues.deadline(), self.delayed.deadline()];
        all.into_iter().flatten().min()
    }

    /// A connection is gone: so are its exclusive queues and its reply consumers. The server has cancelled its consumers
    /// and requeued its messages before.
    pub fn connection_closed<S: Sink>(&mut self, cx: &mut Cx<'_, S>, conn: u64) {
        for id in self.exclusive.remove(&conn).unwrap_or_default() {
            self.remove_queue(cx, id);
        }
        self.replies.forget_connection(conn);
    }

    /// Lets a queue do something, then sees to its deadline and its dead messages.
    #[inline]
    pub(crate) fn with_queue<S: Sink, R>(
        &mut self,
        cx: &mut Cx<'_, S>,
        id: QueueId,
        command: impl FnOnce(&mut Queue, &mut Cx<'_, S>, &mut Outbox) -> R,
    ) -> Option<R> {
        let queue = self.queues.get_mut(id)?;
        let answer = command(queue, cx, &mut self.outbox);
        self.queues.note(id);
        self.route_dead(cx);
        Some(answer)
    }

    /// A change that can change a route or a permission.
    pub(crate) fn changed(&mut self) {
        self.epoch += 1;
    }

    /// The virtual host of a session; deleted under it, it answers like one that never was.
    pub(crate) fn vhost(&self, who: &Session) -> Result<&Vhost, AmqpError> {
        self.vhosts.get(&who.vhost).ok_or_else(|| no_vhost(&who.vhost))
    }

    pub(crate) fn vhost_mut(&mut self, who: &Session) -> Result<&mut Vhost, AmqpError> {
        self.vhosts.get_mut(&who.vhost).ok_or_else(|| no_vhost(&who.vhost))
    }

    pub(crate) fn check(
        &self,
        who: &Session,
        access: Access,
        resource: Resource,
        name: &str,
    ) -> Result<(), AmqpError> {
        if who.trusted {
            return Ok(());
        }
        self.users.check((&who.user, &who.vhost), access, resource, name)
    }

    /// `prefix` and 22 characters that nobody can guess, as in `amq.gen-…`.
    pub(crate) fn unique_name(&mut self, prefix: &str) -> String {
        let bytes = self.random.next();
        format!("{prefix}{}", URL_SAFE_NO_PAD.encode(&bytes[..16]))
    }

    pub(crate) fn salt(&mut self) -> [u8; 4] {
        self.random.salt()
    }
}

/// What there is, for listings and metrics.
impl Broker {
    /// The virtual hosts by name.
    pub fn vhosts(&self) -> impl Iterator<Item = &Vhost> {
        self.vhosts.values()
    }

    /// The virtual host with this name.
    pub fn vhost_named(&self, name: &str) -> Option<&Vhost> {
        self.vhosts.get(name)
    }

    /// All queues, in no order that means anything.
    pub fn queues(&self) -> impl Iterator<Item = &Queue> {
        self.queues.iter()
    }

    /// One queue.
    pub fn queue(&self, id: QueueId) -> Option<&Queue> {
        self.queues.get(id)
    }

    /// The queue with this name.
    pub fn queue_named(&self, vhost: &str, name: &str) -> Option<&Queue> {
        self.queues.get(self.vhosts.get(vhost)?.queue(name)?)
    }

    /// The user with this name.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.by_name.get(name)
    }

    /// The users by name.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.users.by_name.values()
    }

    /// Where a binding leads: the name of the queue or exchange.
    pub fn destination_name(&self, vhost: &Vhost, binding: &Binding) -> Option<Rc<str>> {
        match binding.destination {
            Destination::Queue(id) => self.queues.get(id).map(|queue| queue.name.clone()),
            Destination::Exchange(id) => vhost.exchange_by_id(id).map(|x| x.spec.name.clone()),
        }
    }

    /// Whether any queue may have a consumer timeout of its own.
    pub fn has_consumer_timeouts(&self) -> bool {
        self.queues.timed
    }

    /// How many queues there are.
    pub fn queue_count(&self) -> usize {
        self.queues.len()
    }

    /// How many exchanges there are, the predeclared ones included.
    pub fn exchange_count(&self) -> usize {
        self.vhosts.values().map(Vhost::exchange_count).sum()
    }

    /// How many bindings there are, without those that the default exchange implies.
    pub fn binding_count(&self) -> usize {
        self.vhosts.values().map(Vhost::binding_count).sum()
    }

    /// The counters. Walks all queues: for a scrape, not for every message.
    pub fn stats(&self) -> BrokerStats {
        let mut stats = self.counts;
        self.queues.iter().for_each(|queue| stats.add_queue(&queue.stats));
        stats
    }

    /// The sums. Walks all queues.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.queues.iter().for_each(|queue| totals.add(queue));
        totals
    }
}

impl Random {
    fn next(&mut self) -> [u8; 32] {
        self.count += 1;
        Sha256::new()
            .chain_update(self.seed)
            .chain_update(self.count.to_le_bytes())
            .finalize()
            .into()
    }

    fn salt(&mut self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.next();
        [a, b, c, d]
    }
}

fn no_vhost(name: &str) -> AmqpError {
    AmqpError::new(ReplyCode::NotAllowed, format!("vhost {name} not found"))
}

/// Names lose carriage returns and line feeds, as in RabbitMQ.
pub(crate) fn clean(name: &str) -> std::borrow::Cow<'_, str> {
    if name.contains(['\r', '\n']) { name.replace(['\r', '\n'], "").into() } else { name.into() }
}

pub(crate) fn not_found(resource: Resource, name: &str, vhost: &str) -> AmqpError {
    AmqpError::new(ReplyCode::NotFound, format!("no {}", resource.named(name, vhost)))
}

pub(crate) fn refused(text: impl Into<String>) -> AmqpError {
    AmqpError::new(ReplyCode::AccessRefused, text)
}

pub(crate) fn precondition(text: impl Into<String>) -> AmqpError {
    AmqpError::new(ReplyCode::PreconditionFailed, text)
}
