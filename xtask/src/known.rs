//! Where Leveret is known to differ from the oracle, and why. Each row is a debt or a decision:
//! `docs/compatibility.md` lists them too, and a row that no longer holds fails the run.

#[cfg(test)]
mod tests;

use crate::suite::{Outcome, Results};

/// A test that passes on the oracle and may not pass on Leveret.
pub(crate) struct Known {
    pub suite: &'static str,
    pub test: &'static str,
    pub reason: &'static str,
}

/// All of them.
pub(crate) const KNOWN: &[Known] = &[Known {
    suite: "java",
    test: "test.functional.FrameMax.rejectLargeFramesDuringConnectionNegotiation",
    reason: "first frames may have 8,192 bytes, as since RabbitMQ 4.1; 3.10.8 takes 4,096",
}];

/// What breaks the rule: a test that passes on the oracle, not on Leveret, and is not listed; and a
/// listed one that passes or is gone.
pub(crate) fn differences(suite: &str, results: &Results, oracle: &Results) -> Vec<String> {
    judge(KNOWN, suite, results, oracle)
}

fn judge(known: &[Known], suite: &str, results: &Results, oracle: &Results) -> Vec<String> {
    let mut wrong = Vec::new();
    for (test, outcome) in &oracle.0 {
        let ours = results.0.get(test);
        let listed = known.iter().find(|known| known.suite == suite && known.test == test);
        match (listed, *outcome, ours) {
            (Some(known), _, Some(Outcome::Pass)) => wrong.push(format!(
                "{test} passes now: remove it from the known differences (\"{}\")",
                known.reason
            )),
            (None, Outcome::Pass, Some(Outcome::Pass)) | (Some(_), ..) => {}
            (None, Outcome::Pass, ours) => {
                let ours = ours.map_or("absent", |o| o.name());
                wrong.push(format!("{test}: passes on the oracle, {ours} on leveret"));
            }
            (None, ..) => {}
        }
    }
    for known in known.iter().filter(|known| known.suite == suite) {
        if !oracle.0.contains_key(known.test) {
            wrong.push(format!("{} is listed as known, but there is no such test", known.test));
        }
    }
    wrong
}
