//! What a message has afterwards.

use amqp::content::PropertiesBuf;
use amqp::value::{Table, Value};

use super::*;

/// Header, header and property that a message ends with; the publisher set `old`, or nothing.
fn applied(
    with: Interceptors,
    publisher_sets: bool,
) -> (Option<Value>, Option<Value>, Option<u64>) {
    let mut properties = PropertiesBuf::default();
    if publisher_sets {
        let mut headers = Table::new();
        headers.insert(TIMESTAMP_IN_MS, "old".into());
        headers.insert(ROUTED_BY, "old".into());
        properties.headers = Some(headers);
        properties.timestamp = Some(1);
    }
    with.apply(&mut properties, 1_700_000_000_123, "rabbit@here");
    let header = |name| properties.headers.as_ref().and_then(|headers| headers.get(name).cloned());
    (header(TIMESTAMP_IN_MS), header(ROUTED_BY), properties.timestamp)
}

#[test]
fn each_sets_its_own_and_keeps_what_is_there_if_told_so() {
    let both = |existing| Interceptors { timestamp: existing, routing_node: existing };
    let old = || Some(Value::from("old"));
    let (ms, node) = (Some(Value::I64(1_700_000_000_123)), Some(Value::from("rabbit@here")));
    let new = || (ms.clone(), node.clone(), Some(1_700_000_000));
    assert!(!both(None).any());
    assert_eq!(applied(both(None), true), (old(), old(), Some(1)));
    assert_eq!(applied(both(Some(Existing::Keep)), true), (old(), old(), Some(1)));
    assert_eq!(applied(both(Some(Existing::Keep)), false), new());
    assert_eq!(applied(both(Some(Existing::Overwrite)), true), new());
    assert_eq!(applied(both(Some(Existing::Overwrite)), false), new());
    let only = Interceptors { timestamp: None, routing_node: Some(Existing::Overwrite) };
    assert!(only.any());
    assert_eq!(applied(only, true), (old(), node, Some(1)));
}
