//! What options cannot mean, alone or together: refused with the option to change, or, where it
//! can be meant, told at the start.

use service::config::{Invalid, Loaded, Origin, Scalar, Size};
use service::listen::HostPort;

use super::{
    DelayerConfig, DueSource, Mode, OnShutdown, StorageAddress, StorageEngine, TimestampUnit,
    UseReplyTo,
};

/// LMDB itself needs some pages; a smaller map holds next to nothing.
const MAPSIZE_MIN: Size = Size(1 << 20);

/// Refuses what cannot work.
pub(super) fn check(c: &DelayerConfig) -> Result<(), Invalid> {
    let rules = routes(c).into_iter().chain(amounts(c)).chain(rest(c));
    match rules.into_iter().find(|(holds, ..)| !holds) {
        Some((_, option, reason)) => Err(Invalid::new(option, reason)),
        None => Ok(()),
    }
}

/// Whether it holds, the option to blame, what to change.
type Rule = (bool, &'static str, &'static str);

fn routes(c: &DelayerConfig) -> Vec<Rule> {
    let reads = c.mode != Mode::Revive;
    let default_exchange = c.exchange().is_empty();
    let key = &c.rabbitmq_routingkey;
    vec![
        (
            !c.rabbitmq_queue.is_empty() || !reads,
            "rabbitmq-queue",
            "no queue to read from: set rabbitmq-queue",
        ),
        (
            !c.rabbitmq_queue.is_empty() || c.shutdown != OnShutdown::Return,
            "rabbitmq-queue",
            "shutdown: return needs the queue to return messages to: set rabbitmq-queue",
        ),
        (
            c.rabbitmq_exchange.is_some(),
            "rabbitmq-exchange",
            "no exchange to publish to: set rabbitmq-exchange; the empty name is the default \
             exchange, which takes the routing key for the name of a queue",
        ),
        (
            !default_exchange || !key.is_empty() || c.rabbitmq_usereplyto != UseReplyTo::False,
            "rabbitmq-routingkey",
            "messages would go round for ever: the default exchange with each message's own \
             routing key leads back to the queue that is read; set rabbitmq-routingkey to the \
             queue that they are meant for, or rabbitmq-exchange",
        ),
        (
            !default_exchange || key.is_empty() || *key != c.rabbitmq_queue,
            "rabbitmq-routingkey",
            "messages would go round for ever: through the default exchange this routing key leads \
             back to rabbitmq-queue; set it to the queue that they are meant for",
        ),
        (
            [c.rabbitmq_queue.as_str(), c.exchange(), key.as_str()]
                .iter()
                .all(|name| name.len() <= 255),
            "rabbitmq-queue",
            "names of queues and exchanges and routing keys have at most 255 bytes",
        ),
        (
            c.rabbitmq_cert.is_some() == c.rabbitmq_key.is_some(),
            if c.rabbitmq_cert.is_some() { "rabbitmq-cert" } else { "rabbitmq-key" },
            "rabbitmq-cert and rabbitmq-key belong together: set the other one as well",
        ),
    ]
}

fn amounts(c: &DelayerConfig) -> Vec<Rule> {
    vec![
        (c.storage_groupsize > 0, "storage-groupsize", "must be at least 1"),
        (c.rabbitmq_throttle > 0, "rabbitmq-throttle", "must be at least 1"),
        (c.storage_batchsize > 0, "storage-batchsize", "must be at least 1"),
        (
            u32::from(c.rabbitmq_qos) > c.storage_groupsize,
            "rabbitmq-qos",
            "must be greater than storage-groupsize, or no group would ever be full: raise it, or \
             lower storage-groupsize",
        ),
        (
            c.storage_batchsize < c.rabbitmq_throttle,
            "storage-batchsize",
            "must be less than rabbitmq-throttle, or loading would wait for confirms that cannot \
             come: lower it, or raise rabbitmq-throttle",
        ),
        (!c.storage_timeout.0.is_zero(), "storage-timeout", "must be longer than 0"),
        (
            c.storage_mapsize >= MAPSIZE_MIN,
            "storage-mapsize",
            "too small: at least 1MiB, and room for everything that waits",
        ),
    ]
}

fn rest(c: &DelayerConfig) -> Vec<Rule> {
    let mongo = matches!(c.storage_address, StorageAddress::Mongo(_));
    vec![
        (
            c.max_delay.0.is_zero() || c.min_delay <= c.max_delay,
            "min-delay",
            "must not be longer than max-delay, or nothing would ever be stored",
        ),
        (
            !c.due_sources.is_empty(),
            "due-sources",
            "no message would ever be delayed: name timestamp, x-delay or x-deliver-at",
        ),
        (
            !mongo || c.shutdown == OnShutdown::Keep,
            "shutdown",
            "messages in MongoDB stay there when the delayer stops: set shutdown to keep, or store \
             in a directory",
        ),
        (
            HostPort::parse(&HostPort { host: c.www_ip.clone(), port: 1 }.to_string()).is_ok(),
            "www-ip",
            "expected an address such as 127.0.0.1, 0.0.0.0 or ::1, or the name of this machine",
        ),
    ]
}

/// What works and may still not be meant, a sentence each, to be logged at the start.
pub fn warnings(loaded: &Loaded<DelayerConfig>) -> Vec<String> {
    let c = &loaded.config;
    let given = |option: &str| *loaded.origin(option) != Origin::Default;
    let mongo = matches!(c.storage_address, StorageAddress::Mongo(_));
    let tls = c.rabbitmq_address.0.iter().any(|address| address.tls);
    let tls_files = ["rabbitmq-ca", "rabbitmq-cert", "rabbitmq-key"];
    let loops = c.exchange().is_empty() && c.rabbitmq_routingkey.is_empty();
    let timestamp = c.due_sources.contains(&DueSource::Timestamp);
    let rules = [
        (mongo && given("storage-mapsize"), "storage-mapsize means nothing to MongoDB"),
        (mongo && given("storage-engine"), "storage-engine means nothing to MongoDB"),
        (
            matches!(c.storage_address, StorageAddress::Lmdb(_))
                && given("storage-engine")
                && c.storage_engine == StorageEngine::Log,
            "storage-address begins with lmdb://, so storage-engine: log means nothing",
        ),
        (
            loops,
            "messages without reply-to are published to the default exchange with their own \
             routing key, which may be that of the queue they come from; those stay stored",
        ),
        (
            !tls && tls_files.into_iter().any(given),
            "rabbitmq-ca, rabbitmq-cert and rabbitmq-key mean nothing without an amqps:// address",
        ),
        (
            !timestamp && c.timestamp_unit != TimestampUnit::Seconds,
            "timestamp-unit means nothing, as due-sources does not name timestamp",
        ),
    ];
    rules.into_iter().filter(|(applies, _)| *applies).map(|(_, text)| text.to_owned()).collect()
}
