//! Histories that other brokers wrote.

use amqp::value::{Table, Value};

use super::grouped;

/// `queue reason count`, the last one optional.
fn death(text: &str) -> Value {
    let mut words = text.split(' ');
    let mut death = Table::default();
    for name in ["queue", "reason"] {
        death.insert(name, words.next().unwrap_or_default().into());
    }
    if let Some(count) = words.next() {
        death.insert("count", Value::I64(count.parse().expect("a number")));
    }
    Value::Table(death)
}

fn check(before: &[&str], after: &[&str]) {
    let deaths = |texts: &[&str]| -> Vec<Value> { texts.iter().map(|text| death(text)).collect() };
    assert_eq!(grouped(deaths(before)), deaths(after));
}

#[test]
fn deaths_without_counts_are_counted() {
    check(&["a expired", "a expired", "b expired", "a expired"], &["a expired 3", "b expired 1"]);
    check(&["a expired", "a rejected"], &["a expired 1", "a rejected 1"]);
}

#[test]
fn a_count_that_is_there_is_believed() {
    check(&["a expired 3", "b expired", "a expired"], &["a expired 3", "b expired 1"]);
    check(
        &["b expired 7", "a expired 2", "a expired 5"],
        &["b expired 7", "a expired 2", "a expired 5"],
    );
}
