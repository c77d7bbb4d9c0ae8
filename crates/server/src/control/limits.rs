//! Limits of users and virtual hosts as JSON: `{"max-connections": 10}`.

use broker::vhost::meta::Limits;
use control::reply::{Refusal, Why};
use serde_json::{Value, json};

use super::policies::parse;
use crate::json::limits_to_json;

/// The limits; one that is not given is none. The words of refusals are RabbitMQ's.
pub(super) fn read<L: Limits>(text: &str) -> Result<L, Refusal> {
    let Value::Object(given) = parse(text)? else {
        return Err(Refusal::new(Why::Invalid, "limits are not a JSON object"));
    };
    let mut limits = L::default();
    for (name, value) in &given {
        if !limits.set(name, None) {
            let text = format!(
                "Validation failed\n\nUnrecognised terms [{{<<\"{name}\">>,{value}}}] in limits\n"
            );
            return Err(Refusal::new(Why::Invalid, text));
        }
        let Some(limit) = value.as_i64() else {
            let text =
                format!("Validation failed\n\n{name} should be an integer, actually was {value}\n");
            return Err(Refusal::new(Why::Invalid, text));
        };
        limits.set(name, Some(limit));
    }
    Ok(limits)
}

/// The limits without one of them, or without `all`.
pub(super) fn without<L: Limits>(mut limits: L, name: &str) -> Result<L, Refusal> {
    if name == "all" {
        return Ok(L::default());
    }
    if !limits.set(name, None) {
        let known: Vec<&str> = L::TABLE.iter().map(|(known, _)| *known).collect();
        let text = format!("unknown limit '{name}': there are {}, and all", known.join(", "));
        return Err(Refusal::new(Why::Invalid, text));
    }
    Ok(limits)
}

/// The limits that are set, as RabbitMQ lists them; none when there is none.
pub(super) fn show(limits: impl Limits) -> Option<Value> {
    let set = limits_to_json(limits);
    // As a text, which is what listings show.
    (!set.is_empty()).then(|| json!(Value::Object(set).to_string()))
}
