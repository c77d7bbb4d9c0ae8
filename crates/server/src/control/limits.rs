//! Limits of users and virtual hosts as JSON: `{"max-connections": 10}`.

use control::reply::{Refusal, Why};
use serde_json::{Map, Value, json};

use super::policies::parse;

/// The limits of these names; one that is not given is none. The words of refusals are RabbitMQ's.
pub(super) fn read<const N: usize>(
    text: &str,
    names: [&str; N],
) -> Result<[Option<i64>; N], Refusal> {
    let Value::Object(given) = parse(text)? else {
        return Err(Refusal::new(Why::Invalid, "limits are not a JSON object"));
    };
    let mut limits = [None; N];
    for (name, value) in &given {
        let Some(at) = names.iter().position(|known| known == name) else {
            let text = format!(
                "Validation failed\n\nUnrecognised terms [{{<<\"{name}\">>,{value}}}] in limits\n"
            );
            return Err(Refusal::new(Why::Invalid, text));
        };
        let Some(limit) = value.as_i64() else {
            let text =
                format!("Validation failed\n\n{name} should be an integer, actually was {value}\n");
            return Err(Refusal::new(Why::Invalid, text));
        };
        limits[at] = Some(limit);
    }
    Ok(limits)
}

/// The limits that are set, as RabbitMQ lists them; none when there is none.
pub(super) fn show<const N: usize>(limits: [(&str, Option<i64>); N]) -> Option<Value> {
    let set = limits.into_iter().filter_map(|(name, limit)| Some((name.to_owned(), json!(limit?))));
    let set: Map<String, Value> = set.collect();
    // As a text, which is what listings show.
    (!set.is_empty()).then(|| json!(Value::Object(set).to_string()))
}
