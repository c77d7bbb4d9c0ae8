//! Which policies are accepted, and what a queue obeys of its arguments, its policy and its operator policy.

use amqp::value::{Table, Value};

use super::{Applied, ApplyTo, Policies, Policy, PolicySpec, keys};
use crate::queue::args::QueueArgs;

/// A table from `name=value` words; numbers are integers.
fn table(words: &str) -> Table {
    let mut table = Table::new();
    for (name, value) in words.split_whitespace().filter_map(|word| word.split_once('=')) {
        let number = value.parse().map(Value::I64);
        table.insert(name, number.unwrap_or_else(|_| Value::from(value)));
    }
    table
}

fn policy(operator: bool, spec: PolicySpec<'_>) -> Result<Policy, String> {
    Policy::new(spec.vhost.into(), operator, &spec).map_err(|error| error.to_string())
}

fn spec<'a>(name: &'a str, definition: &'a Table) -> PolicySpec<'a> {
    PolicySpec { vhost: "/", name, pattern: "", apply_to: "all", priority: 0, definition }
}

/// What a queue is declared with, what its policy says, what the operator policy says; as which arguments that reads.
const OBEYED: &[(&str, &str, &str, &str)] = &[
    // A policy sets what the queue does not have.
    ("", "message-ttl=5", "", "x-message-ttl=5"),
    ("", "expires=5", "", "x-expires=5"),
    ("", "max-length=5 max-length-bytes=6", "", "x-max-length=5 x-max-length-bytes=6"),
    ("", "overflow=reject-publish", "", "x-overflow=reject-publish"),
    (
        "",
        "dead-letter-exchange=x dead-letter-routing-key=k",
        "",
        "x-dead-letter-exchange=x x-dead-letter-routing-key=k",
    ),
    // The smaller number counts, wherever it stands.
    ("x-message-ttl=5", "message-ttl=4", "", "x-message-ttl=4"),
    ("x-message-ttl=4", "message-ttl=5", "", "x-message-ttl=4"),
    ("x-expires=5", "expires=4", "", "x-expires=4"),
    ("x-max-length=3", "max-length=4", "max-length=5", "x-max-length=3"),
    ("x-max-length=5", "max-length=3", "max-length=4", "x-max-length=3"),
    ("x-max-length=5", "max-length=4", "max-length=3", "x-max-length=3"),
    ("x-max-length-bytes=5", "", "max-length-bytes=3", "x-max-length-bytes=3"),
    ("x-max-length=0", "max-length=4", "", "x-max-length=0"),
    // Where 0 means for ever, any other time is smaller.
    ("x-consumer-timeout=5", "consumer-timeout=4", "consumer-timeout=3", "x-consumer-timeout=3"),
    ("x-consumer-timeout=3", "consumer-timeout=4", "", "x-consumer-timeout=3"),
    ("x-consumer-timeout=0", "consumer-timeout=4", "", "x-consumer-timeout=4"),
    ("x-consumer-timeout=-1", "consumer-timeout=4", "", "x-consumer-timeout=4"),
    ("x-consumer-timeout=5", "consumer-timeout=0", "", "x-consumer-timeout=5"),
    ("", "consumer-timeout=0", "consumer-timeout=5", "x-consumer-timeout=5"),
    ("", "consumer-timeout=5", "consumer-timeout=0", "x-consumer-timeout=5"),
    ("x-consumer-timeout=0", "consumer-timeout=0", "", "x-consumer-timeout=0"),
    // Of everything else the argument counts.
    ("x-overflow=drop-head", "overflow=reject-publish", "", "x-overflow=drop-head"),
    ("x-dead-letter-exchange=a", "dead-letter-exchange=b", "", "x-dead-letter-exchange=a"),
    (
        "x-dead-letter-exchange=a",
        "dead-letter-exchange=b dead-letter-routing-key=k",
        "",
        "x-dead-letter-exchange=a x-dead-letter-routing-key=k",
    ),
    // Operator policies say more than policies.
    ("", "max-length=2", "expires=3", "x-max-length=2 x-expires=3"),
    ("", "overflow=drop-head", "overflow=reject-publish", "x-overflow=reject-publish"),
    ("x-overflow=drop-head", "", "overflow=reject-publish", "x-overflow=drop-head"),
    // What has no effect changes nothing.
    ("", "queue-mode=lazy ha-mode=all ha-sync-mode=automatic queue-version=2", "", ""),
    (
        "x-single-active-consumer=1 x-max-priority=3",
        "max-length=1",
        "",
        "x-max-priority=3 x-max-length=1",
    ),
    // Quorum queues: the policy's overflow, and a delivery limit below zero is none.
    (
        "x-queue-type=quorum x-overflow=drop-head",
        "overflow=reject-publish",
        "",
        "x-queue-type=quorum x-overflow=reject-publish",
    ),
    ("x-queue-type=quorum", "delivery-limit=3", "", "x-queue-type=quorum x-delivery-limit=3"),
    (
        "x-queue-type=quorum x-delivery-limit=5",
        "delivery-limit=3",
        "delivery-limit=4",
        "x-queue-type=quorum x-delivery-limit=3",
    ),
    (
        "x-queue-type=quorum x-delivery-limit=-1",
        "delivery-limit=3",
        "",
        "x-queue-type=quorum x-delivery-limit=3",
    ),
    (
        "x-queue-type=quorum",
        "delivery-limit=-1",
        "delivery-limit=7",
        "x-queue-type=quorum x-delivery-limit=7",
    ),
    (
        "x-queue-type=quorum x-overflow=reject-publish x-dead-letter-exchange=x",
        "dead-letter-strategy=at-least-once",
        "",
        "x-queue-type=quorum x-overflow=reject-publish x-dead-letter-exchange=x \
         x-dead-letter-strategy=at-least-once",
    ),
];

#[test]
fn a_queue_obeys_its_arguments_its_policy_and_its_operator_policy() {
    let parse = |words| {
        let mut words = table(words);
        if words.get("x-single-active-consumer").is_some() {
            words.remove("x-single-active-consumer");
        }
        (QueueArgs::parse(&words).expect("valid arguments"), words)
    };
    for &(arguments, user, operator, means) in OBEYED {
        let (declared, arguments_table) = parse(arguments);
        let (user_table, operator_table) = (table(user), table(operator));
        let user_policy = policy(false, spec("p", &user_table)).ok();
        let operator_policy = policy(true, spec("o", &operator_table)).ok();
        let applied = Applied { user: user_policy.as_ref(), operator: operator_policy.as_ref() };
        let definition = applied.definition().expect("at least one policy");
        let obeyed = keys::obey(&declared, &arguments_table, &definition);
        assert_eq!(obeyed, parse(means).0, "{arguments} | {user} | {operator}");
    }
}

#[test]
fn a_policy_is_checked_in_rabbitmqs_words() {
    for (definition, why) in [
        ("", "no policy provided"),
        ("x=1", r#"[{<<"x">>,1}] are not recognised policy settings"#),
        (
            "x=1 b=y message-ttl=5",
            r#"[{<<"b">>,<<"y">>},{<<"x">>,1}] are not recognised policy settings"#,
        ),
        ("message-ttl=a", r#"<<"a">> is not a valid message TTL"#),
        ("message-ttl=-1", "-1 is not a valid message TTL"),
        ("expires=0", "0 is not a valid queue expiry"),
        ("max-length=-1", "-1 is not a valid maximum length"),
        ("max-length-bytes=x", r#"<<"x">> is not a valid maximum length in bytes"#),
        ("overflow=x", r#"<<"x">> is not a valid overflow value"#),
        ("dead-letter-exchange=1", "1 is not a valid dead letter exchange name"),
        ("dead-letter-strategy=x", r#"<<"x">> is not a valid dead letter strategy"#),
        ("alternate-exchange=1", "1 is not a valid alternate exchange name"),
        ("ha-mode=x", r#"<<"x">> is not a valid ha-mode value"#),
        ("max-age=7", "7 is not a valid max age"),
        ("ha-sync-batch-size=0", "ha-sync-batch-size takes an integer greater than 0, 0 given"),
        ("ha-sync-mode=x", r#"ha-sync-mode must be "manual" or "automatic", got <<"x">>"#),
        ("delivery-limit=x", r#"<<"x">> is not a valid delivery limit"#),
    ] {
        let table = table(definition);
        let error = policy(false, spec("p", &table)).err().unwrap_or_default();
        assert_eq!(error, format!("Validation failed\n\n{why}\n"), "{definition}");
    }
    let (user, both) =
        (table("dead-letter-exchange=x"), table("max-length=1 alternate-exchange=x"));
    let refused =
        |keys: &str| format!("Validation failed\n\n[{keys}] are not recognised policy settings\n");
    let error = policy(true, spec("p", &user)).err();
    assert_eq!(error, Some(refused(r#"{<<"dead-letter-exchange">>,<<"x">>}"#)));
    let error = policy(true, spec("p", &both)).err();
    assert_eq!(error, Some(refused(r#"{<<"alternate-exchange">>,<<"x">>}"#)));
}

#[test]
fn everything_that_is_wrong_with_a_policy_is_named() {
    let definition = table("x=1");
    let wrong = PolicySpec { pattern: "(", apply_to: "everything", ..spec("p", &definition) };
    let error = policy(false, wrong).err().unwrap_or_default();
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines.len(), 5, "{error}");
    assert!(lines[2].starts_with("pattern should be regular expression but is invalid: "));
    assert!(lines[3].starts_with("apply-to 'everything' unrecognised; should be one of: all, "));
}

#[test]
fn every_key_has_a_value_that_is_accepted_and_one_name() {
    for (index, key) in keys::KEYS.iter().enumerate() {
        assert!(keys::KEYS[..index].iter().all(|other| other.name != key.name), "{}", key.name);
        let values = ["1", "16", "a", "all", "manual", "always", "random", "disabled", "lazy"];
        let more = ["drop-head", "at-most-once", "10D"];
        let accepted = values.iter().chain(&more).any(|value| {
            let definition = table(&format!("{}={value}", key.name));
            policy(false, spec("p", &definition)).is_ok()
        });
        assert!(accepted, "{}", key.name);
    }
}

#[test]
fn names_of_what_a_policy_applies_to_are_read_back() {
    for apply_to in ApplyTo::ALL {
        assert_eq!(ApplyTo::parse(apply_to.name()), Some(apply_to));
    }
    assert_eq!(ApplyTo::parse("everything"), None);
}

#[test]
fn what_is_accepted_without_effect_is_named() {
    let definition = table("ha-mode=all max-length=1 queue-mode=lazy");
    let policy = policy(false, spec("p", &definition)).expect("valid");
    assert_eq!(policy.ignored().collect::<Vec<_>>(), ["ha-mode", "queue-mode"]);
}

#[test]
fn policies_stand_in_the_order_in_which_they_count() {
    let definition = table("max-length=1");
    let mut policies = Policies::default();
    for (name, priority) in [("b", 1), ("d", i64::MIN), ("a", 1), ("c", i64::MAX), ("b", 2)] {
        let spec = PolicySpec { priority, ..spec(name, &definition) };
        policies.insert(false, policy(false, spec).expect("valid"));
    }
    let names: Vec<_> = policies.list(false).iter().map(|policy| &*policy.name).collect();
    assert_eq!(names, ["c", "b", "a", "d"]);
    assert!(policies.remove(false, "b") && !policies.remove(false, "b"));
    assert!(policies.list(true).is_empty() && !policies.is_empty());
}
