//! The headers exchange: the message's headers are compared with the binding's arguments.
//!
//! `x-match` says how: `all` (the default) or `any`, which leave out arguments whose names begin with `x-`, and `all-with-x`
//! or `any-with-x`, which do not. An argument without a value (void) asks only that the header is there. Types
//! do not count, as on RabbitMQ: integers of any width and timestamps are equal by value, floats are, and strings are to
//! bytes. A whole number is not equal to a float, as on 4.3.

use std::collections::BTreeMap;

use amqp::value::{Table, Value};

use crate::binding::{Binding, BindingId, Destination};

const X_MATCH: &str = "x-match";

/// What is asked of the headers of each binding.
#[derive(Default)]
pub struct HeadersMatch {
    bindings: BTreeMap<BindingId, Asked>,
}

struct Asked {
    /// Whether one match is enough.
    any: bool,
    wanted: Box<[(Vec<u8>, Value)]>,
    destination: Destination,
}

/// Refuses an `x-match` that is not one of the four words, in RabbitMQ's text.
pub fn check_binding(arguments: &Table) -> Result<(), String> {
    match arguments.get(X_MATCH) {
        None => Ok(()),
        Some(value @ Value::LongStr(bytes)) => match value.as_str() {
            Some("all" | "any" | "all-with-x" | "any-with-x") => Ok(()),
            _ => Err(format!(
                "Invalid x-match field value <<\"{}\">>; expected all, any, all-with-x, or any-with-x",
                String::from_utf8_lossy(bytes)
            )),
        },
        Some(other) => Err(format!(
            "Invalid x-match field type {} (value {}); expected longstr",
            other.type_name(),
            plain(other)
        )),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        other => match other.as_i64() {
            Some(number) => number.to_string(),
            None => format!("{other:?}"),
        },
    }
}

impl HeadersMatch {
    /// Counts a binding in.
    pub fn bind(&mut self, id: BindingId, binding: &Binding) {
        let mode = binding.arguments.get(X_MATCH).and_then(Value::as_str).unwrap_or("all");
        let with_x = mode.ends_with("-with-x");
        let wanted =
            binding.arguments.0.iter().filter(|(name, _)| {
                name != X_MATCH.as_bytes() && (with_x || !name.starts_with(b"x-"))
            });
        let asked = Asked {
            any: mode.starts_with("any"),
            wanted: wanted.cloned().collect(),
            destination: binding.destination,
        };
        self.bindings.insert(id, asked);
    }

    /// Counts a binding out.
    pub fn unbind(&mut self, id: BindingId) {
        self.bindings.remove(&id);
    }

    /// Adds the destinations whose bindings the headers, sorted by name, satisfy.
    pub fn route(&self, headers: &Table, found: &mut Vec<Destination>) {
        let matching = self.bindings.values().filter(|asked| asked.satisfied_by(headers));
        found.extend(matching.map(|asked| asked.destination));
    }
}

impl Asked {
    fn satisfied_by(&self, headers: &Table) -> bool {
        let mut wanted = self.wanted.iter();
        let met = |(name, value): &(Vec<u8>, Value)| {
            let at = headers.0.partition_point(|(other, _)| other < name);
            match headers.0.get(at) {
                Some((other, has)) => other == name && equal(value, has),
                None => false,
            }
        };
        if self.any { wanted.any(met) } else { wanted.all(met) }
    }
}

fn equal(wanted: &Value, has: &Value) -> bool {
    if let (Some(wanted), Some(has)) = (integer(wanted), integer(has)) {
        return wanted == has;
    }
    if let (Some(wanted), Some(has)) = (wanted.as_bytes(), has.as_bytes()) {
        return wanted == has;
    }
    match (wanted, has) {
        (Value::Void, _) => true,
        (Value::F32(a), Value::F64(b)) => f64::from(*a) == *b,
        (Value::F64(a), Value::F32(b)) => *a == f64::from(*b),
        (wanted, has) => wanted == has,
    }
}

/// A whole number of any type, seconds included.
fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::Timestamp(seconds) => Some((*seconds).into()),
        other => other.as_i64().map(Into::into),
    }
}

#[cfg(test)]
mod tests;
