//! Every key of a policy: one row each, with what its value must be, which queues it suits, and what becomes of it beside an
//! argument of the same name or an operator policy.
//!
//! The keys are those of RabbitMQ 3.x and 4.x; texts as measured on 3.10.8. A key that has an argument's name does what the
//! argument does: the row of [`crate::queue::args::ARGS`] applies it.

use amqp::value::{Table, Value};

use crate::erlang::{Settings, Shown, Term};
use crate::queue::args::{ARGS, Arg, QueueArgs, QueueKind};

/// One key.
pub struct Key {
    /// As in a definition.
    pub name: &'static str,
    /// What its value must be.
    form: Form,
    /// What is said of another value; `~` stands for the value.
    refusal: &'static str,
    /// Queues of other kinds do not obey a policy that has it, not even its other keys.
    pub kinds: &'static [QueueKind],
    /// Which counts when a queue has an argument of the same name.
    beside_argument: Choice,
    /// Which counts when the operator policy has it, too. None: operator policies cannot have it.
    beside_operator: Option<Choice>,
    /// Kept, shown, and without effect: there is nothing here that it could change.
    pub ignored: bool,
}

/// What a value must be.
#[derive(Clone, Copy)]
enum Form {
    Text,
    /// An integer of at least this.
    AtLeast(i64),
    OneOf(&'static [&'static str]),
    /// 1 or 2.
    Version,
    /// A number and one of `YMDhms`.
    Age,
    Anything,
}

/// Which of two values counts. The first one is the policy's, the second the argument's or the operator policy's.
#[derive(Clone, Copy)]
enum Choice {
    Second,
    Smaller,
    Larger,
    /// The smaller one; the larger when one is below zero, which means no limit.
    SmallerLimit,
    /// The smaller one; the larger when one is not above zero, which means no limit.
    SmallerTime,
    /// The policy's on a quorum queue, the argument's on another.
    ByKind,
}

const BOTH: &[QueueKind] = &QueueKind::ALL;
const CLASSIC: &[QueueKind] = &[QueueKind::Classic];
const QUORUM: &[QueueKind] = &[QueueKind::Quorum];
const NONE: &[QueueKind] = &[];

const LOCATORS: Form = Form::OneOf(&["client-local", "balanced", "random", "least-leaders"]);

/// A key that is obeyed: the argument counts more.
const fn key(name: &'static str, form: Form, refusal: &'static str) -> Key {
    Key {
        name,
        form,
        refusal,
        kinds: BOTH,
        beside_argument: Choice::Second,
        beside_operator: None,
        ignored: false,
    }
}

/// A number that only restricts: the smallest counts, wherever it stands.
const fn limit(name: &'static str, least: i64, refusal: &'static str) -> Key {
    let mut key = key(name, Form::AtLeast(least), refusal);
    key.beside_argument = Choice::Smaller;
    key.beside_operator = Some(Choice::Smaller);
    key
}

/// A key without effect.
const fn ignored(name: &'static str, form: Form, refusal: &'static str) -> Key {
    let mut key = key(name, form, refusal);
    key.ignored = true;
    key
}

impl Key {
    const fn only(mut self, kinds: &'static [QueueKind]) -> Key {
        self.kinds = kinds;
        self
    }

    const fn argument(mut self, choice: Choice) -> Key {
        self.beside_argument = choice;
        self
    }

    const fn operator(mut self, choice: Choice) -> Key {
        self.beside_operator = Some(choice);
        self
    }

    /// The queue argument that does the same.
    fn row(&self) -> Option<&'static Arg<QueueArgs>> {
        ARGS.iter().find(|row| row.name.strip_prefix("x-") == Some(self.name))
    }
}

/// Every key that a policy may have.
pub const KEYS: &[Key] = &[
    key("alternate-exchange", Form::Text, "~ is not a valid alternate exchange name"),
    limit("consumer-timeout", 0, "~ is not a valid consumer timeout")
        .argument(Choice::SmallerTime)
        .operator(Choice::SmallerTime),
    key("dead-letter-exchange", Form::Text, "~ is not a valid dead letter exchange name"),
    key("dead-letter-routing-key", Form::Text, "~ is not a valid dead letter routing key"),
    key(
        "dead-letter-strategy",
        Form::OneOf(&["at-most-once", "at-least-once"]),
        "~ is not a valid dead letter strategy",
    )
    .only(QUORUM),
    limit("message-ttl", 0, "~ is not a valid message TTL"),
    limit("expires", 1, "~ is not a valid queue expiry"),
    limit("max-length", 0, "~ is not a valid maximum length"),
    limit("max-length-bytes", 0, "~ is not a valid maximum length in bytes"),
    key(
        "overflow",
        Form::OneOf(&["drop-head", "reject-publish", "reject-publish-dlx"]),
        "~ is not a valid overflow value",
    )
    .argument(Choice::ByKind)
    .operator(Choice::Second),
    limit("delivery-limit", i64::MIN, "~ is not a valid delivery limit")
        .only(QUORUM)
        .argument(Choice::SmallerLimit)
        .operator(Choice::SmallerLimit),
    key(
        "delayed-retry-type",
        Form::OneOf(&["disabled", "all", "failed", "returned"]),
        "~ is not a valid delayed retry type",
    ),
    key("delayed-retry-min", Form::AtLeast(0), "~ is not a valid delayed retry minimum"),
    key("delayed-retry-max", Form::AtLeast(0), "~ is not a valid delayed retry maximum"),
    ignored(
        "consumer-disconnected-timeout",
        Form::AtLeast(0),
        "~ is not a valid consumer disconnected timeout",
    ),
    ignored("max-in-memory-length", Form::AtLeast(0), "~ is not a valid maximum memory in bytes")
        .operator(Choice::Smaller),
    ignored("max-in-memory-bytes", Form::AtLeast(0), "~ is not a valid maximum memory in bytes")
        .operator(Choice::Smaller),
    ignored("queue-mode", Form::OneOf(&["default", "lazy"]), "~ is not a valid queue-mode value")
        .only(CLASSIC),
    ignored("queue-version", Form::Version, "~ is not a valid queue-version value")
        .operator(Choice::Second),
    ignored("queue-leader-locator", LOCATORS, "~ is not a valid queue leader locator value"),
    ignored(
        "queue-master-locator",
        Form::OneOf(&["client-local", "min-masters", "random", "balanced"]),
        "~ invalid queue-master-locator value",
    )
    .only(CLASSIC)
    .operator(Choice::Second),
    ignored("target-group-size", Form::AtLeast(1), "~ is not a valid qq target count value")
        .only(QUORUM)
        .operator(Choice::Larger),
    ignored("ha-mode", Form::OneOf(&["all", "exactly", "nodes"]), "~ is not a valid ha-mode value")
        .only(CLASSIC)
        .operator(Choice::Second),
    ignored("ha-params", Form::Anything, "~ is not a valid ha-params value")
        .only(CLASSIC)
        .operator(Choice::Second),
    ignored(
        "ha-sync-mode",
        Form::OneOf(&["automatic", "manual"]),
        r#"ha-sync-mode must be "manual" or "automatic", got ~"#,
    )
    .only(CLASSIC)
    .operator(Choice::Second),
    ignored(
        "ha-sync-batch-size",
        Form::AtLeast(1),
        "ha-sync-batch-size takes an integer greater than 0, ~ given",
    ),
    ignored(
        "ha-promote-on-shutdown",
        Form::OneOf(&["always", "when-synced"]),
        r#"ha-promote-on-shutdown must be "always" or "when-synced", got ~"#,
    )
    .only(CLASSIC),
    ignored(
        "ha-promote-on-failure",
        Form::OneOf(&["always", "when-synced"]),
        r#"ha-promote-on-failure must be "always" or "when-synced", got ~"#,
    )
    .only(CLASSIC),
    ignored("max-age", Form::Age, "~ is not a valid max age").only(NONE),
    ignored("stream-max-segment-size-bytes", Form::AtLeast(0), "~ is not a valid segment size")
        .only(NONE),
    ignored("stream-filter-size-bytes", Form::AtLeast(16), "~ is not a valid filter size")
        .only(NONE),
    ignored("filter-field-names", Form::Anything, "~ is not a valid filter field names").only(NONE),
    ignored("initial-cluster-size", Form::AtLeast(0), "~ is not a valid cluster size").only(NONE),
    ignored("federation-upstream", Form::Text, "~ is not a valid federation upstream name"),
    ignored("federation-upstream-set", Form::Text, "~ is not a valid federation upstream set name"),
    ignored(
        "federation-upstream-pattern",
        Form::Text,
        "~ is not a valid federation upstream pattern",
    ),
    ignored("shards-per-node", Form::AtLeast(0), "~ is not a valid number of shards per node"),
    ignored("routing-key", Form::Text, "~ is not a valid routing key"),
];

/// The key of that name.
pub fn find(name: &[u8]) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name.as_bytes() == name)
}

/// What is wrong with a definition that is sorted by key, in RabbitMQ's words.
pub(super) fn check(definition: &Table, operator: bool) -> Result<(), String> {
    if definition.is_empty() {
        return Err("no policy provided".to_owned());
    }
    let mut unknown = Vec::new();
    for setting in &definition.0 {
        match find(&setting.0).filter(|key| !operator || key.beside_operator.is_some()) {
            None => unknown.push(setting),
            Some(key) if key.form.takes(&setting.1) => {}
            Some(key) => {
                return Err(key.refusal.replacen(
                    '~',
                    &Term(&setting.1, Shown::Json).to_string(),
                    1,
                ));
            }
        }
    }
    if !unknown.is_empty() {
        return Err(format!("{} are not recognised policy settings", Settings(&unknown)));
    }
    Ok(())
}

/// Whether queues of the kind obey a policy that says this.
pub(super) fn suits(definition: &Table, kind: QueueKind) -> bool {
    let keys = definition.0.iter().filter_map(|(name, _)| find(name));
    keys.into_iter().all(|key| key.kinds.contains(&kind))
}

/// What a policy and an operator policy say together.
pub(super) fn merge(user: &Table, operator: &Table) -> Table {
    let mut merged = user.clone();
    for (name, theirs) in &operator.0 {
        match merged.0.binary_search_by(|(other, _)| other.cmp(name)) {
            Err(at) => merged.0.insert(at, (name.clone(), theirs.clone())),
            Ok(at) => {
                let ours = &mut merged.0[at].1;
                let choice = find(name).and_then(|key| key.beside_operator);
                let chosen = choice.unwrap_or(Choice::Second);
                *ours = chosen.of(ours, theirs, QueueKind::Classic).clone();
            }
        }
    }
    merged
}

/// What a queue obeys that was declared with these arguments, under this definition.
pub(super) fn obey(declared: &QueueArgs, arguments: &Table, definition: &Table) -> QueueArgs {
    let mut args = declared.clone();
    for (name, value) in &definition.0 {
        let Some(key) = find(name).filter(|key| !key.ignored) else { continue };
        let Some(row) = key.row().filter(|row| row.kinds.contains(&declared.kind)) else {
            continue;
        };
        let value = match arguments.get(row.name) {
            Some(argument) => key.beside_argument.of(value, argument, declared.kind),
            None => value,
        };
        (row.apply)(&mut args, value);
    }
    args.bend();
    args
}

impl Form {
    fn takes(self, value: &Value) -> bool {
        match self {
            Form::Text => value.as_str().is_some(),
            Form::AtLeast(least) => value.as_i64().is_some_and(|n| n >= least),
            Form::OneOf(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Form::Version => matches!(value.as_i64(), Some(1 | 2)),
            Form::Age => value.as_str().is_some_and(is_age),
            Form::Anything => true,
        }
    }
}

fn is_age(text: &str) -> bool {
    let number = text.strip_suffix(['Y', 'M', 'D', 'h', 'm', 's']);
    number.is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

impl Choice {
    fn of<'a>(self, first: &'a Value, second: &'a Value, kind: QueueKind) -> &'a Value {
        let (Some(a), Some(b)) = (first.as_i64(), second.as_i64()) else {
            return match self {
                Choice::ByKind if kind == QueueKind::Quorum => first,
                _ => second,
            };
        };
        let first_wins = match self {
            Choice::Second => false,
            Choice::Smaller => a < b,
            Choice::Larger => a > b,
            Choice::SmallerLimit if a < 0 || b < 0 => a > b,
            Choice::SmallerTime if a <= 0 || b <= 0 => a > b,
            Choice::SmallerLimit | Choice::SmallerTime => a < b,
            Choice::ByKind => kind == QueueKind::Quorum,
        };
        if first_wins { first } else { second }
    }
}
