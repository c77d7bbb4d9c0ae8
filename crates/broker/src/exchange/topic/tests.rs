//! The trie against a matcher that is too simple to be wrong, and its cost in visited nodes.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::Topic;
use crate::QueueId;
use crate::binding::Destination;

fn queue(n: usize) -> Destination {
    Destination::Queue(QueueId(n as u32, 0))
}

/// By the definition: `*` is one word, `#` any number of them.
fn matches(pattern: &[&str], key: &[&str]) -> bool {
    match (pattern, key) {
        ([], []) => true,
        (["#", rest @ ..], _) => {
            matches(rest, key) || (!key.is_empty() && matches(pattern, &key[1..]))
        }
        (["*", rest @ ..], [_, key @ ..]) => matches(rest, key),
        ([word, rest @ ..], [first, key @ ..]) => word == first && matches(rest, key),
        _ => false,
    }
}

fn split(text: &str) -> Vec<&str> {
    if text.is_empty() { Vec::new() } else { text.split('.').collect() }
}

fn route(topic: &mut Topic, key: &str) -> BTreeSet<Destination> {
    let mut found = Vec::new();
    topic.route(key.as_bytes(), &mut found);
    found.into_iter().collect()
}

fn words(choices: &'static [&'static str]) -> impl Strategy<Value = String> {
    vec(select(choices), 0..7).prop_map(|words| words.join("."))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_trie_agrees_with_the_definition(
        patterns in vec(words(&["a", "b", "", "*", "#"]), 0..12),
        removed in vec(any::<bool>(), 12),
        keys in vec(words(&["a", "b", "c", ""]), 1..8),
    ) {
        let mut topic = Topic::default();
        for (n, pattern) in patterns.iter().enumerate() {
            topic.bind(pattern.as_bytes(), queue(n));
        }
        let gone = |n: usize| removed[n];
        for (n, pattern) in patterns.iter().enumerate().filter(|(n, _)| gone(*n)) {
            topic.unbind(pattern.as_bytes(), queue(n));
        }
        for key in &keys {
            let want = patterns
                .iter()
                .enumerate()
                .filter(|(n, pattern)| !gone(*n) && matches(&split(pattern), &split(key)))
                .map(|(n, _)| queue(n))
                .collect::<BTreeSet<_>>();
            prop_assert_eq!(route(&mut topic, key), want, "key {:?} of {:?}", key, patterns);
        }
        for (n, pattern) in patterns.iter().enumerate().filter(|(n, _)| !gone(*n)) {
            topic.unbind(pattern.as_bytes(), queue(n));
        }
        prop_assert_eq!(topic.node_count(), 1, "only the root is left");
        prop_assert!(topic.edges.is_empty() && topic.words.is_empty());
    }
}

#[test]
fn a_binding_made_twice_goes_when_both_go() {
    let mut topic = Topic::default();
    topic.bind(b"a.#", queue(1));
    topic.bind(b"a.#", queue(1));
    topic.unbind(b"a.#", queue(1));
    assert_eq!(route(&mut topic, "a").len(), 1);
    topic.unbind(b"a.#", queue(1));
    topic.unbind(b"a.#", queue(1));
    topic.unbind(b"never.there", queue(1));
    assert!(route(&mut topic, "a").is_empty());
}

/// A key of 29 words as a delay of 28 levels has: each level is a bit, the last word the address.
fn delay_key(n: usize) -> String {
    let mut key = String::new();
    for bit in (0..28).rev() {
        key.push_str(if n >> bit & 1 == 1 { "1." } else { "0." });
    }
    key + &format!("address{n}")
}

#[test]
fn exact_keys_of_29_words_cost_a_visit_a_word_among_10_000() {
    let mut topic = Topic::default();
    for n in 0..10_000 {
        topic.bind(delay_key(n).as_bytes(), queue(n));
    }
    for n in (0..10_000).step_by(97) {
        let before = topic.visits();
        assert_eq!(route(&mut topic, &delay_key(n)), BTreeSet::from([queue(n)]));
        assert!(topic.visits() - before <= 30);
    }
}

#[test]
fn patterns_of_delays_cost_a_visit_a_word_each() {
    // Addresses behind `#`, as at the end of a chain of delay levels: 10,000 of them.
    let mut topic = Topic::default();
    for n in 0..10_000 {
        topic.bind(format!("#.address{n}").as_bytes(), queue(n));
    }
    for level in 0..28 {
        topic.bind(format!("{}1.#", "*.".repeat(level)).as_bytes(), queue(10_000 + level));
    }
    let before = topic.visits();
    let found = route(&mut topic, &delay_key(0b1011));
    assert_eq!(found, BTreeSet::from([11, 10_024, 10_026, 10_027].map(queue)));
    assert!(topic.visits() - before < 29 * 8, "{}", topic.visits() - before);
}

#[test]
fn many_hashes_do_not_multiply() {
    // A backtracking matcher needs about 2^29 steps for this.
    let mut topic = Topic::default();
    let pattern = format!("{}end", "#.a.".repeat(20));
    topic.bind(pattern.as_bytes(), queue(1));
    let key = "a.".repeat(28) + "miss";
    assert!(route(&mut topic, &key).is_empty());
    assert!(topic.visits() < 29 * 42, "{}", topic.visits());
    assert_eq!(route(&mut topic, &("a.".repeat(28) + "end")).len(), 1);
}
