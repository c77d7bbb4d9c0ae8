//! Every x-argument of a queue and of a consumer: one row each.
//!
//! A row feeds the checks of queue.declare and basic.consume, the equivalence check of a redeclare, what the queue does,
//! and the documentation. Rows stand in the order in which RabbitMQ checks them, as the first offender is the one that
//! is named. Texts are RabbitMQ's, Erlang terms included; order and texts were measured on 3.10.8.

mod check;

use std::rc::Rc;

use amqp::value::{Table, Value};

use crate::Millis;

use check::{check, printed};

/// Ten years: the longest TTL, as in RabbitMQ's documentation.
pub const MILLIS_MAX: Millis = 10 * 365 * 86_400 * 1000;

/// What happens to a publish to a full queue.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Overflow {
    /// The oldest waiting message makes room.
    #[default]
    DropHead,
    /// The publish is refused.
    RejectPublish,
    /// The publish is refused and a copy dead-lettered.
    RejectPublishDlx,
}

/// What a queue's arguments mean.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct QueueArgs {
    /// Messages older than this die at the head.
    pub message_ttl: Option<Millis>,
    /// The queue goes after this long without consumer, get or declare.
    pub expires: Option<Millis>,
    /// Dead messages go to this exchange.
    pub dead_letter_exchange: Option<Rc<[u8]>>,
    /// With this key instead of their own.
    pub dead_letter_routing_key: Option<Rc<[u8]>>,
    /// At most this many messages wait.
    pub max_length: Option<u64>,
    /// At most this many body bytes wait.
    pub max_length_bytes: Option<u64>,
    /// What a full queue does.
    pub overflow: Overflow,
    /// The highest level that a message's priority reaches; 0 is a queue without priorities.
    pub max_priority: u8,
    /// One consumer at a time gets messages.
    pub single_active_consumer: bool,
}

/// What a consumer's arguments mean.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ConsumerArgs {
    /// Higher goes first while it has credit.
    pub priority: i32,
}

/// What a value must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ty {
    /// Milliseconds, 0 to [`MILLIS_MAX`].
    Millis,
    /// Milliseconds, 1 to [`MILLIS_MAX`].
    MillisAboveZero,
    /// An integer, 0 or more.
    Count,
    /// 0 to 255.
    Priority,
    /// `default` or `lazy`.
    Mode,
    /// 1 or 2.
    Version,
    /// Any integer.
    Integer,
    /// A boolean.
    Bool,
    /// The name of an exchange.
    Exchange,
    /// Any string, in a queue with a dead letter exchange.
    DeadLetterKey,
    /// One of these strings; the word that RabbitMQ has for any other.
    OneOf(&'static [&'static str], &'static str),
    /// `classic`, or a type that is not there yet.
    QueueType,
    /// Not checked.
    Anything,
    /// Belongs to quorum queues or streams: refused.
    Foreign,
}

/// One x-argument; `T` is what it sets.
pub struct Arg<T: 'static> {
    /// As clients write it.
    pub name: &'static str,
    /// What it must be.
    pub ty: Ty,
    /// Whether a redeclare must repeat it.
    pub compared: bool,
    /// Sets the checked value.
    pub apply: fn(&mut T, &Value),
    /// For the manual: one sentence.
    pub doc: &'static str,
}

/// Accepted without effect.
fn nothing<T>(_: &mut T, _: &Value) {}

fn count(value: &Value) -> Option<u64> {
    value.as_i64().and_then(|n| u64::try_from(n).ok())
}

fn bytes(value: &Value) -> Option<Rc<[u8]>> {
    value.as_bytes().map(Rc::from)
}

fn overflow(value: &Value) -> Overflow {
    match value.as_str() {
        Some("reject-publish") => Overflow::RejectPublish,
        Some("reject-publish-dlx") => Overflow::RejectPublishDlx,
        _ => Overflow::DropHead,
    }
}

/// A row that is obeyed.
const fn row(
    name: &'static str,
    ty: Ty,
    apply: fn(&mut QueueArgs, &Value),
    doc: &'static str,
) -> Arg<QueueArgs> {
    Arg { name, ty, compared: true, apply, doc }
}

/// A row of quorum queues or streams.
const fn foreign(name: &'static str) -> Arg<QueueArgs> {
    let doc = "Belongs to another type of queue; refused on a classic queue.";
    Arg { name, ty: Ty::Foreign, compared: false, apply: nothing, doc }
}

/// Every x-argument of queue.declare. Names that are not here are accepted and ignored.
pub const ARGS: &[Arg<QueueArgs>] = &[
    row(
        "x-expires",
        Ty::MillisAboveZero,
        |args, v| args.expires = count(v),
        "Deletes the queue after this many milliseconds without consumer, get or declare.",
    ),
    row(
        "x-message-ttl",
        Ty::Millis,
        |args, v| args.message_ttl = count(v),
        "Messages die this many milliseconds after they were published, unless delivered.",
    ),
    row(
        "x-dead-letter-exchange",
        Ty::Exchange,
        |args, v| args.dead_letter_exchange = bytes(v),
        "Where messages go that expire, are rejected, or dropped by a length limit.",
    ),
    row(
        "x-dead-letter-routing-key",
        Ty::DeadLetterKey,
        |args, v| args.dead_letter_routing_key = bytes(v),
        "The routing key of dead letters; without it they keep their own.",
    ),
    row(
        "x-max-length",
        Ty::Count,
        |args, v| args.max_length = count(v),
        "At most this many messages wait; `x-overflow` says what happens to one more.",
    ),
    row(
        "x-max-length-bytes",
        Ty::Count,
        |args, v| args.max_length_bytes = count(v),
        "At most this many body bytes wait; `x-overflow` says what happens to more.",
    ),
    row(
        "x-max-priority",
        Ty::Priority,
        |args, v| args.max_priority = count(v).map_or(0, |n| n.min(255) as u8),
        "Delivers messages of higher `priority` first, up to this one.",
    ),
    row(
        "x-overflow",
        Ty::OneOf(&["drop-head", "reject-publish", "reject-publish-dlx"], "invalid_overflow"),
        |args, v| args.overflow = overflow(v),
        "What a full queue does: drop its oldest message, refuse the new one, or also dead-letter it.",
    ),
    row(
        "x-queue-mode",
        Ty::Mode,
        nothing,
        "Accepted and ignored: every queue is as lazy as memory allows.",
    ),
    row("x-queue-version", Ty::Version, nothing, "Accepted and ignored: there is one storage."),
    row(
        "x-single-active-consumer",
        Ty::Bool,
        |args, v| args.single_active_consumer = *v == Value::Bool(true),
        "One consumer gets messages until it goes; then the next one.",
    ),
    row(
        "x-queue-type",
        Ty::QueueType,
        nothing,
        "`classic`; quorum queues and streams are not supported and refused.",
    ),
    row(
        "x-queue-master-locator",
        Ty::Anything,
        nothing,
        "Accepted and ignored: there is one node.",
    ),
    row(
        "x-queue-leader-locator",
        Ty::OneOf(
            &["client-local", "balanced", "random", "least-leaders"],
            "invalid_queue_locator_arg",
        ),
        nothing,
        "Accepted and ignored: there is one node.",
    ),
    foreign("x-delivery-limit"),
    foreign("x-quorum-initial-group-size"),
    foreign("x-max-age"),
    foreign("x-stream-max-segment-size-bytes"),
    foreign("x-initial-cluster-size"),
    foreign("x-dead-letter-strategy"),
    foreign("x-max-in-memory-length"),
    foreign("x-max-in-memory-bytes"),
];

/// Every x-argument of basic.consume. Names that are not here are accepted and ignored.
pub const CONSUMER_ARGS: &[Arg<ConsumerArgs>] = &[
    Arg {
        name: "x-priority",
        ty: Ty::Integer,
        compared: false,
        apply: |args, v| {
            args.priority =
                v.as_i64().map_or(0, |n| n.clamp(i32::MIN.into(), i32::MAX.into()) as i32);
        },
        doc: "Consumers of higher priority get messages first, as long as they can take them.",
    },
    Arg {
        name: "x-cancel-on-ha-failover",
        ty: Ty::Bool,
        compared: false,
        apply: nothing,
        doc: "Accepted and ignored: there are no mirrors.",
    },
    Arg {
        name: "x-stream-offset",
        ty: Ty::Foreign,
        compared: false,
        apply: nothing,
        doc: "Belongs to streams; refused on a classic queue.",
    },
];

/// Why arguments were refused; each is a 406 PRECONDITION_FAILED.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ArgError {
    /// The value is wrong.
    #[error("invalid arg '{name}': {why}")]
    Invalid {
        /// Of which argument.
        name: &'static str,
        /// RabbitMQ's term for it.
        why: String,
    },
    /// The dead letter exchange is not a string.
    #[error("invalid type '{ty}' for arg '{name}'")]
    Type {
        /// Of which argument.
        name: &'static str,
        /// What it is.
        ty: &'static str,
    },
    /// The argument belongs to quorum queues or streams.
    #[error("invalid arg '{name}' of queue type rabbit_classic_queue")]
    Foreign {
        /// Which one.
        name: &'static str,
    },
}

impl ArgError {
    /// The reply text, without `PRECONDITION_FAILED - `.
    pub fn text(&self, queue: &str, vhost: &str) -> String {
        let of = format!("queue '{queue}' in vhost '{vhost}'");
        match self {
            ArgError::Invalid { name, why } => format!("invalid arg '{name}' for {of}: {why}"),
            ArgError::Type { name, ty } => format!("invalid type '{ty}' for arg '{name}' in {of}"),
            ArgError::Foreign { name } => {
                format!("invalid arg '{name}' for {of} of queue type rabbit_classic_queue")
            }
        }
    }
}

impl QueueArgs {
    /// Checks and reads the arguments of a queue.declare that makes a queue. A redeclare is compared instead
    /// ([`inequivalent`]), and never checked.
    pub fn parse(table: &Table) -> Result<QueueArgs, ArgError> {
        // RabbitMQ looks at these two before all others, in this order.
        for name in ["x-dead-letter-exchange", "x-queue-type"] {
            if let (Some(row), Some(value)) =
                (ARGS.iter().find(|r| r.name == name), table.get(name))
            {
                check(row.name, row.ty, value, table)?;
            }
        }
        parse(ARGS, table)
    }
}

impl ConsumerArgs {
    /// Checks and reads the arguments of a basic.consume.
    pub fn parse(table: &Table) -> Result<ConsumerArgs, ArgError> {
        parse(CONSUMER_ARGS, table)
    }
}

fn parse<T: Default>(rows: &[Arg<T>], table: &Table) -> Result<T, ArgError> {
    let mut parsed = T::default();
    if table.is_empty() {
        return Ok(parsed);
    }
    for row in rows {
        let Some(value) = table.get(row.name) else { continue };
        check(row.name, row.ty, value, table)?;
        (row.apply)(&mut parsed, value);
    }
    Ok(parsed)
}

/// Two declares of a queue that disagree on an argument.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inequivalent {
    /// On which.
    pub name: &'static str,
    /// What this declare says, as the reply text puts it.
    pub received: String,
    /// What the queue was declared with.
    pub current: String,
}

impl Inequivalent {
    /// The reply text, without `PRECONDITION_FAILED - `.
    pub fn text(&self, queue: &str, vhost: &str) -> String {
        let Inequivalent { name, received, current } = self;
        format!(
            "inequivalent arg '{name}' for queue '{queue}' in vhost '{vhost}': \
             received {received} but current is {current}"
        )
    }
}

/// The first argument on which a redeclare differs. Integer widths are one type and so are the floats; arguments that
/// have no row are not compared; no `x-queue-type` is `classic`.
pub fn inequivalent(declared: &Table, received: &Table) -> Option<Inequivalent> {
    ARGS.iter().filter(|row| row.compared).find_map(|row| {
        let (old, new) = (declared.get(row.name), received.get(row.name));
        if let (Some(only), None) | (None, Some(only)) = (old, new)
            && row.ty == Ty::QueueType
            && only.as_str() == Some("classic")
        {
            return None;
        }
        let (received, current) = difference(old, new)?;
        Some(Inequivalent { name: row.name, received, current })
    })
}

/// How a reply text puts what a redeclare says of an argument and what the first declare said, when they differ.
pub(crate) fn difference(old: Option<&Value>, new: Option<&Value>) -> Option<(String, String)> {
    match (old, new) {
        (None, None) => None,
        (Some(old), Some(new)) if same(old, new) => None,
        (Some(old), Some(new)) => Some((quoted(new), quoted(old))),
        (Some(old), None) => Some(("none".to_owned(), typed(old))),
        (None, Some(new)) => Some((typed(new), "none".to_owned())),
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => a == b,
        (None, None) => match (a, b) {
            (Value::F32(a), Value::F64(b)) | (Value::F64(b), Value::F32(a)) => f64::from(*a) == *b,
            _ => a == b || (a.as_bytes().is_some() && a.as_bytes() == b.as_bytes()),
        },
        _ => false,
    }
}

fn quoted(value: &Value) -> String {
    format!("'{}'", printed(value))
}

fn typed(value: &Value) -> String {
    format!("the value '{}' of type '{}'", printed(value), value.type_name())
}
