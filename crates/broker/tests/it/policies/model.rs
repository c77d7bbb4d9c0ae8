//! Policies that come and go at random over queues that do, held against the rules said in a few lines.

use std::collections::BTreeMap;

use amqp::value::{Table, Value};
use broker::policy::PolicySpec;
use proptest::prelude::*;

use crate::rig::Rig;

const QUEUES: [&str; 6] = ["a", "ab", "b", "ba", "c", "abc"];

/// What an expression means.
type Meaning = fn(&str) -> bool;

const PATTERNS: [(&str, Meaning); 5] = [
    (".*", |_| true),
    ("^a", |name| name.starts_with('a')),
    ("b", |name| name.contains('b')),
    ("^(?!a)", |name| !name.starts_with('a')),
    ("^c$", |name| name == "c"),
];

/// What policies apply to, with whether that is classic queues, quorum queues.
const APPLY_TO: [(&str, [bool; 2]); 5] = [
    ("all", [true, true]),
    ("queues", [true, true]),
    ("classic_queues", [true, false]),
    ("quorum_queues", [false, true]),
    ("exchanges", [false, false]),
];

#[derive(Clone, Debug)]
enum Step {
    Set { operator: bool, name: usize, pattern: usize, apply_to: usize, rule: Rule },
    Clear { operator: bool, name: usize },
    Declare { queue: usize, quorum: bool, max_length: Option<i64> },
    Delete { queue: usize },
    Restart,
}

/// What a policy says.
#[derive(Clone, Copy, Debug)]
struct Rule {
    priority: i64,
    max_length: i64,
    delivery_limit: Option<i64>,
}

type Policies = BTreeMap<(bool, usize), (usize, usize, Rule)>;
/// Whether it is a quorum queue, and its own limit.
type Queues = BTreeMap<usize, (bool, Option<i64>)>;

fn step() -> impl Strategy<Value = Step> {
    let limit = || prop::option::of(1..9_i64);
    let rule = (0..3_i64, 1..9_i64, prop::option::weighted(0.3, 1..9_i64));
    let rule = rule.prop_map(|(priority, max_length, delivery_limit)| Rule {
        priority,
        max_length,
        delivery_limit,
    });
    prop_oneof![
        4 => (any::<bool>(), 0..4_usize, 0..PATTERNS.len(), 0..APPLY_TO.len(), rule).prop_map(
            |(operator, name, pattern, apply_to, rule)| Step::Set {
                operator, name, pattern, apply_to, rule,
            }
        ),
        2 => (any::<bool>(), 0..4_usize).prop_map(|(operator, name)| Step::Clear { operator, name }),
        4 => (0..QUEUES.len(), any::<bool>(), limit()).prop_map(|(queue, quorum, max_length)| {
            Step::Declare { queue, quorum, max_length }
        }),
        1 => (0..QUEUES.len()).prop_map(|queue| Step::Delete { queue }),
        1 => Just(Step::Restart),
    ]
}

/// The policy that a queue obeys: of those that match the one of the highest priority, of these the first by name.
fn obeyed(
    policies: &Policies,
    operator: bool,
    queue: usize,
    quorum: bool,
) -> Option<(usize, Rule)> {
    let mut best: Option<(usize, Rule)> = None;
    for (&(of_operator, name), &(pattern, apply_to, rule)) in policies {
        let matches = of_operator == operator
            && PATTERNS[pattern].1(QUEUES[queue])
            && APPLY_TO[apply_to].1[usize::from(quorum)]
            && (quorum || rule.delivery_limit.is_none());
        if matches && best.is_none_or(|(_, best)| rule.priority > best.priority) {
            best = Some((name, rule));
        }
    }
    best
}

fn set(
    rig: &mut Rig,
    operator: bool,
    name: usize,
    (pattern, apply_to, rule): (usize, usize, Rule),
) {
    let mut definition = Table::new();
    definition.insert("max-length", Value::I64(rule.max_length));
    if let Some(limit) = rule.delivery_limit {
        definition.insert("delivery-limit", Value::I64(limit));
    }
    let spec = PolicySpec {
        vhost: "/",
        name: &name.to_string(),
        pattern: PATTERNS[pattern].0,
        apply_to: APPLY_TO[apply_to].0,
        priority: rule.priority,
        definition: &definition,
    };
    let (broker, mut cx) = rig.parts();
    broker.set_policy(&mut cx, operator, spec).expect("a valid policy");
}

fn run(rig: &mut Rig, policies: &mut Policies, queues: &mut Queues, step: &Step) {
    match *step {
        Step::Set { operator, name, pattern, apply_to, rule } => {
            policies.insert((operator, name), (pattern, apply_to, rule));
            set(rig, operator, name, (pattern, apply_to, rule));
        }
        Step::Clear { operator, name } => {
            let (broker, mut cx) = rig.parts();
            let cleared = broker.clear_policy(&mut cx, operator, "/", &name.to_string());
            assert_eq!(cleared.is_ok(), policies.remove(&(operator, name)).is_some());
        }
        Step::Declare { queue, quorum, max_length } => {
            if queues.contains_key(&queue) {
                return;
            }
            let kind = if quorum { "x-queue-type=quorum" } else { "" };
            let limit = max_length.map_or(String::new(), |n| format!("x-max-length={n}"));
            let name = QUEUES[queue];
            rig.check(&format!("queue {name} durable {kind} {limit} => {name} 0 0"));
            queues.insert(queue, (quorum, max_length));
        }
        Step::Delete { queue } => {
            rig.run(&format!("delete-queue {}", QUEUES[queue]));
            queues.remove(&queue);
        }
        Step::Restart => drop(rig.run("restart")),
    }
}

fn compare(rig: &Rig, policies: &Policies, queues: &Queues) {
    for (&queue, &(quorum, own)) in queues {
        let [user, operator] =
            [false, true].map(|operator| obeyed(policies, operator, queue, quorum));
        let found = rig.broker.queue_named("/", QUEUES[queue]).expect("declared");
        let name = |found: Option<(usize, Rule)>| found.map(|(name, _)| name.to_string());
        assert_eq!(found.policy.as_deref(), name(user).as_deref(), "{}", QUEUES[queue]);
        assert_eq!(found.operator_policy.as_deref(), name(operator).as_deref());
        let rules = || [user, operator].into_iter().flatten().map(|(_, rule)| rule);
        let least = rules().map(|rule| rule.max_length).chain(own).min();
        assert_eq!(found.args.max_length.map(|n| n as i64), least, "{}", QUEUES[queue]);
        let limit = rules().filter_map(|rule| rule.delivery_limit).min();
        assert_eq!(found.args.delivery_limit.map(i64::from), limit, "{}", QUEUES[queue]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn queues_obey_the_policies_that_match(steps in prop::collection::vec(step(), 1..40)) {
        let (mut rig, mut policies, mut queues) = (Rig::new(), Policies::new(), Queues::new());
        for step in &steps {
            run(&mut rig, &mut policies, &mut queues, step);
            compare(&rig, &policies, &queues);
        }
    }
}
