//! What became of a message, as JSON: the answer of the web API and of the bridge.

#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::message::{Delivered, Outcome};

/// What became of a message at each node.
#[derive(Debug, Serialize)]
pub(crate) struct Outcomes<'a> {
    /// In no particular order.
    outcomes: Vec<Line<'a>>,
    /// How many nodes took it.
    taken: usize,
}

/// What became of it at one.
#[derive(Debug, Serialize)]
struct Line<'a> {
    node: String,
    /// See [`Outcome::word`].
    outcome: &'static str,
    /// The code of the node's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    /// The node's words, or why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    took_ms: f64,
}

impl Outcomes<'_> {
    pub(crate) fn of(delivered: &[Delivered]) -> Outcomes<'_> {
        Outcomes {
            taken: delivered.iter().filter(|one| one.outcome.is_taken()).count(),
            outcomes: delivered.iter().map(line).collect(),
        }
    }
}

fn line(delivered: &Delivered) -> Line<'_> {
    let (code, reason) = match &delivered.outcome {
        Outcome::Answered { code, reason } => (Some(*code), Some(reason.as_str())),
        Outcome::Unreachable(why) => (None, Some(why.as_str())),
        Outcome::TimedOut | Outcome::Full | Outcome::Dropped => (None, None),
    };
    Line {
        node: delivered.node.to_string(),
        outcome: delivered.outcome.word(),
        code,
        reason,
        took_ms: delivered.took_us as f64 / 1000.0,
    }
}
