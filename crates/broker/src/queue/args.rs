//! Every x-argument of a queue and of a consumer: one row each.
//!
//! A row feeds the checks of queue.declare and basic.consume, the equivalence check of a redeclare, what the queue does,
//! and the documentation. Rows stand in the order in which RabbitMQ checks them, as the first offender is the one that
//! is named. Texts are RabbitMQ's, Erlang terms included; order and texts were measured on 3.10.8.

mod check;

use std::rc::Rc;

use amqp::value::{Table, Value};

use crate::Millis;
use crate::erlang::{Shown, Term};

use check::check;

/// Ten years: the longest TTL, as in RabbitMQ's documentation.
pub const MILLIS_MAX: Millis = 10 * 365 * 86_400 * 1000;

/// The highest level of a quorum queue, and the level of messages without a priority there (RabbitMQ 4.3).
const QUORUM_PRIORITY_MAX: u8 = 31;
const QUORUM_PRIORITY: u8 = 4;

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

/// What kind of queue it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Debug)]
pub enum QueueKind {
    /// As they always were.
    #[default]
    Classic,
    /// Everything in it is on disk before it is confirmed, and how often a message came back is counted.
    Quorum,
}

impl QueueKind {
    /// All of them.
    pub const ALL: [QueueKind; 2] = [QueueKind::Classic, QueueKind::Quorum];

    /// As in `x-queue-type`.
    pub fn name(self) -> &'static str {
        match self {
            QueueKind::Classic => "classic",
            QueueKind::Quorum => "quorum",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<QueueKind> {
        QueueKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind that arguments ask for.
    pub fn of(arguments: &Table) -> QueueKind {
        let name = arguments.get("x-queue-type").and_then(Value::as_str);
        name.and_then(QueueKind::parse).unwrap_or_default()
    }

    /// As RabbitMQ's reply texts call it.
    pub(crate) fn module(self) -> &'static str {
        match self {
            QueueKind::Classic => "rabbit_classic_queue",
            QueueKind::Quorum => "rabbit_quorum_queue",
        }
    }
}

/// What a queue's arguments mean.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct QueueArgs {
    /// `x-queue-type`.
    pub kind: QueueKind,
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
    /// The level of a message without a priority.
    pub default_priority: u8,
    /// One consumer at a time gets messages.
    pub single_active_consumer: bool,
    /// A message that came back more often than this dies; quorum queues only. None is no limit.
    pub delivery_limit: Option<u32>,
    /// Dead letters are asked to be kept until they have arrived: see [`QueueArgs::keeps_dead_letters`].
    pub dead_letter_at_least_once: bool,
    /// Messages that come back wait before they are delivered again; quorum queues only.
    pub retry: Retry,
    /// A delivery that is not settled by then is taken back; 0 is never, none is what the node's setting says.
    pub consumer_timeout: Option<Millis>,
}

/// Which of the messages that come back wait, and how long (`x-delayed-retry-…`, RabbitMQ 4.3).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Retry {
    /// Which ones.
    pub which: RetryOf,
    /// For the first time; the n-th time it is n times as long. 0 turns it off.
    pub min: Millis,
    /// But never longer than this; `min` when not given.
    pub max: Option<Millis>,
}

/// Which messages wait before they are delivered again.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum RetryOf {
    /// None.
    #[default]
    Disabled,
    /// All that come back.
    All,
    /// Those whose delivery failed, so that it counts against `x-delivery-limit`.
    Failed,
    /// The others.
    Returned,
}

/// What a consumer's arguments mean.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ConsumerArgs {
    /// Higher goes first while it has credit.
    pub priority: i32,
    /// A delivery that is not settled by then is taken back; 0 is never, none is what the queue says.
    pub timeout: Option<Millis>,
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
    /// `classic` or `quorum`.
    QueueType,
    /// An integer above 0.
    CountAboveZero,
    /// Not checked.
    Anything,
}

/// What becomes of an argument on a queue of a kind that it does not belong to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Elsewhere {
    /// It is refused by name.
    Refused,
    /// It means nothing, as what has no row: arguments that RabbitMQ 3.x does not know.
    Ignored,
}

/// One x-argument; `T` is what it sets.
pub struct Arg<T: 'static> {
    /// As clients write it.
    pub name: &'static str,
    /// What it must be.
    pub ty: Ty,
    /// The kinds of queue that it belongs to.
    pub kinds: &'static [QueueKind],
    /// On a queue of another kind.
    pub elsewhere: Elsewhere,
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

fn retry_of(value: &Value) -> RetryOf {
    match value.as_str() {
        Some("all") => RetryOf::All,
        Some("failed") => RetryOf::Failed,
        Some("returned") => RetryOf::Returned,
        _ => RetryOf::Disabled,
    }
}

const CLASSIC: &[QueueKind] = &[QueueKind::Classic];
const QUORUM: &[QueueKind] = &[QueueKind::Quorum];

/// A row of all kinds of queues.
const fn row(
    name: &'static str,
    ty: Ty,
    apply: fn(&mut QueueArgs, &Value),
    doc: &'static str,
) -> Arg<QueueArgs> {
    let (kinds, elsewhere) = (&QueueKind::ALL, Elsewhere::Refused);
    Arg { name, ty, kinds, elsewhere, compared: true, apply, doc }
}

/// A row of streams.
const fn foreign(name: &'static str) -> Arg<QueueArgs> {
    let doc = "Belongs to streams; refused.";
    let mut row = row(name, Ty::Anything, nothing, doc);
    row.kinds = &[];
    row
}

impl Arg<QueueArgs> {
    /// The same row, refused on other kinds of queues.
    const fn only(mut self, kinds: &'static [QueueKind]) -> Self {
        self.kinds = kinds;
        self
    }

    /// The same row, without meaning on other kinds of queues.
    const fn ignored_elsewhere(mut self) -> Self {
        self.elsewhere = Elsewhere::Ignored;
        self
    }
}

/// Every x-argument of queue.declare. Names that are not here are accepted and ignored.
pub const ARGS: &[Arg<QueueArgs>] = &[
    row(
        "x-expires",
        Ty::MillisAboveZero,
        |args, v| args.expires = count(v),
        "Deletes the queue after this many milliseconds without consumer, get or, if it is classic, declare.",
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
        "Delivers messages of higher `priority` first, up to this one; quorum queues always do, up to 31.",
    )
    .only(CLASSIC),
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
    )
    .only(CLASSIC),
    row("x-queue-version", Ty::Version, nothing, "Accepted and ignored: there is one storage.")
        .only(CLASSIC),
    row(
        "x-single-active-consumer",
        Ty::Bool,
        |args, v| args.single_active_consumer = *v == Value::Bool(true),
        "One consumer gets messages until it goes; then the next one.",
    ),
    row(
        "x-queue-type",
        Ty::QueueType,
        |args, v| args.kind = v.as_str().and_then(QueueKind::parse).unwrap_or_default(),
        "`classic` or `quorum`; `stream` is not supported yet and refused.",
    ),
    row(
        "x-queue-master-locator",
        Ty::Anything,
        nothing,
        "Accepted and ignored: there is one node.",
    )
    .only(CLASSIC),
    row(
        "x-queue-leader-locator",
        Ty::OneOf(
            &["client-local", "balanced", "random", "least-leaders"],
            "invalid_queue_locator_arg",
        ),
        nothing,
        "Accepted and ignored: there is one node.",
    ),
    row(
        "x-delivery-limit",
        Ty::Anything,
        |args, v| args.delivery_limit = count(v).map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
        "A message that came back more often than this dies; below zero, or without it, never.",
    )
    .only(QUORUM),
    row(
        "x-quorum-initial-group-size",
        Ty::CountAboveZero,
        nothing,
        "Accepted and ignored: there is one node.",
    )
    .only(QUORUM),
    foreign("x-max-age"),
    foreign("x-stream-max-segment-size-bytes"),
    foreign("x-initial-cluster-size"),
    row(
        "x-dead-letter-strategy",
        Ty::OneOf(&["at-most-once", "at-least-once"], "invalid_dlx_strategy"),
        |args, v| args.dead_letter_at_least_once = v.as_str() == Some("at-least-once"),
        "`at-least-once` keeps dead letters until they have arrived; needs `x-overflow` reject-publish.",
    )
    .only(QUORUM),
    row("x-max-in-memory-length", Ty::Count, nothing, "Accepted and ignored: memory is bounded.")
        .only(QUORUM),
    row("x-max-in-memory-bytes", Ty::Count, nothing, "Accepted and ignored: memory is bounded.")
        .only(QUORUM),
    row(
        "x-delayed-retry-type",
        Ty::Anything,
        |args, v| args.retry.which = retry_of(v),
        "Which messages that come back wait before they are delivered again: `all`, `failed`, `returned` or `disabled`.",
    )
    .only(QUORUM)
    .ignored_elsewhere(),
    row(
        "x-delayed-retry-min",
        Ty::Anything,
        |args, v| args.retry.min = count(v).unwrap_or(0).min(MILLIS_MAX),
        "How many milliseconds they wait: times how often they failed, at most `x-delayed-retry-max`; without that just this.",
    )
    .only(QUORUM)
    .ignored_elsewhere(),
    row(
        "x-delayed-retry-max",
        Ty::Anything,
        |args, v| args.retry.max = count(v).filter(|ms| *ms > 0),
        "The most milliseconds that they wait; without it, they always wait `x-delayed-retry-min`.",
    )
    .only(QUORUM)
    .ignored_elsewhere(),
    Arg {
        compared: false,
        ..row(
            "x-consumer-timeout",
            Ty::Anything,
            |args, v| args.consumer_timeout = count(v),
            "Deliveries not settled after this many milliseconds are taken back; 0 is never.",
        )
    },
    row(
        "x-consumer-disconnected-timeout",
        Ty::Anything,
        nothing,
        "Accepted and ignored: there is one node.",
    )
    .only(QUORUM)
    .ignored_elsewhere(),
];

/// Every x-argument of basic.consume. Names that are not here are accepted and ignored.
pub const CONSUMER_ARGS: &[Arg<ConsumerArgs>] = &[
    Arg {
        name: "x-priority",
        ty: Ty::Integer,
        kinds: &QueueKind::ALL,
        elsewhere: Elsewhere::Refused,
        compared: false,
        apply: |args, v| {
            args.priority =
                v.as_i64().map_or(0, |n| n.clamp(i32::MIN.into(), i32::MAX.into()) as i32);
        },
        doc: "Consumers of higher priority get messages first, as long as they can take them.",
    },
    Arg {
        name: "x-consumer-timeout",
        ty: Ty::Anything,
        kinds: &QueueKind::ALL,
        elsewhere: Elsewhere::Refused,
        compared: false,
        apply: |args, v| args.timeout = count(v),
        doc: "Deliveries that are not settled after this many milliseconds are taken back; 0 is never.",
    },
    Arg {
        name: "x-cancel-on-ha-failover",
        ty: Ty::Bool,
        kinds: &QueueKind::ALL,
        elsewhere: Elsewhere::Refused,
        compared: false,
        apply: nothing,
        doc: "Accepted and ignored: there are no mirrors.",
    },
    Arg {
        name: "x-stream-offset",
        ty: Ty::Anything,
        kinds: &[],
        elsewhere: Elsewhere::Refused,
        compared: false,
        apply: nothing,
        doc: "Belongs to streams; refused.",
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
    /// The argument belongs to another kind of queue.
    #[error("invalid arg '{name}' of queue type {}", kind.module())]
    Foreign {
        /// Which one.
        name: &'static str,
        /// The kind of this queue.
        kind: QueueKind,
    },
}

impl ArgError {
    /// The reply text, without `PRECONDITION_FAILED - `.
    pub fn text(&self, queue: &str, vhost: &str) -> String {
        let of = format!("queue '{queue}' in vhost '{vhost}'");
        match self {
            ArgError::Invalid { name, why } => format!("invalid arg '{name}' for {of}: {why}"),
            ArgError::Type { name, ty } => format!("invalid type '{ty}' for arg '{name}' in {of}"),
            ArgError::Foreign { name, kind } => {
                format!("invalid arg '{name}' for {of} of queue type {}", kind.module())
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
        let mut args: QueueArgs = parse(ARGS, table, QueueKind::of(table))?;
        args.bend();
        Ok(args)
    }

    /// What a queue of this kind makes of its arguments; wanted after every change of them.
    pub(crate) fn bend(&mut self) {
        if self.kind == QueueKind::Quorum {
            self.max_priority = QUORUM_PRIORITY_MAX;
            self.default_priority = QUORUM_PRIORITY;
            // RabbitMQ warns of it and goes on with the default.
            if self.overflow == Overflow::RejectPublishDlx {
                self.overflow = Overflow::DropHead;
            }
        }
    }

    /// Whether dead letters are kept until they have arrived. Asked for but without what it needs, they are not, as in
    /// RabbitMQ.
    #[inline]
    pub fn keeps_dead_letters(&self) -> bool {
        self.dead_letter_at_least_once
            && self.kind == QueueKind::Quorum
            && self.overflow == Overflow::RejectPublish
            && self.dead_letter_exchange.is_some()
    }
}

impl ConsumerArgs {
    /// Checks and reads the arguments of a basic.consume on a queue of this kind.
    pub fn parse(table: &Table, kind: QueueKind) -> Result<ConsumerArgs, ArgError> {
        parse(CONSUMER_ARGS, table, kind)
    }
}

/// RabbitMQ's order: the values of arguments that belong here, row by row; then those that do not, in the order in which
/// the client sent them.
fn parse<T: Default>(rows: &[Arg<T>], table: &Table, kind: QueueKind) -> Result<T, ArgError> {
    let mut parsed = T::default();
    if table.is_empty() {
        return Ok(parsed);
    }
    for row in rows.iter().filter(|row| row.kinds.contains(&kind)) {
        let Some(value) = table.get(row.name) else { continue };
        check(row.name, row.ty, value, table)?;
        (row.apply)(&mut parsed, value);
    }
    for (name, _) in &table.0 {
        let Some(row) = rows.iter().find(|row| row.name.as_bytes() == name) else { continue };
        if !row.kinds.contains(&kind) && row.elsewhere == Elsewhere::Refused {
            return Err(ArgError::Foreign { name: row.name, kind });
        }
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
/// have no row, or belong to another kind of queue than the one that is there, are not compared; no `x-queue-type` is
/// `classic`, and with `relaxed` it is not compared when the queue is a quorum queue.
pub fn inequivalent(declared: &Table, received: &Table, relaxed: bool) -> Option<Inequivalent> {
    let kind = QueueKind::of(declared);
    let relaxed = relaxed && kind == QueueKind::Quorum;
    let rows = ARGS.iter().filter(|row| row.compared && row.kinds.contains(&kind));
    rows.filter(|row| !(relaxed && row.ty == Ty::QueueType)).find_map(|row| {
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
    format!("'{}'", Term(value, Shown::Plain))
}

fn typed(value: &Value) -> String {
    format!("the value '{}' of type '{}'", Term(value, Shown::Plain), value.type_name())
}
