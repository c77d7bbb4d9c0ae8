//! How a trial is shown to people.

use std::time::Duration;

use crate::pipeline::{Outcome, Pipeline, Run, Verdict};

/// What the pipeline is given: the request, or the variables of a command; then the body.
pub(super) fn input(out: &mut Vec<u8>, pipeline: &Pipeline, run: &Run) {
    let body = match pipeline {
        Pipeline::Http(http) => {
            let request = http.request(run);
            line(out, &format!("{} {}", request.method(), request.uri()));
            for (name, value) in request.headers() {
                let shown = match value.is_sensitive() {
                    true => "***".into(),
                    false => String::from_utf8_lossy(value.as_bytes()),
                };
                line(out, &format!("{name}: {shown}"));
            }
            &run.rendered.body
        }
        Pipeline::Command(command) => {
            line(out, &command.argv().join(" "));
            for (name, value) in command.variables(run) {
                line(out, &format!("{name}={value}"));
            }
            command.input(run)
        }
    };
    out.push(b'\n');
    out.extend_from_slice(body);
    if body.last().is_some_and(|last| *last != b'\n') {
        out.push(b'\n');
    }
}

/// What came of it.
pub(super) fn outcome(out: &mut Vec<u8>, outcome: &Outcome, took: Duration, settled: &str) {
    let verdict = match &outcome.verdict {
        Verdict::Done => "done".to_owned(),
        Verdict::Drop => "dropped by the pipeline".to_owned(),
        Verdict::Requeue => "given back by the pipeline".to_owned(),
        Verdict::Retry(reason, text) => format!("failed, {reason}: {text}"),
        Verdict::Dead(reason, text) => format!("failed for good, {reason}: {text}"),
    };
    out.push(b'\n');
    line(out, &format!("{} after {} ms: {verdict}", outcome.summary, took.as_millis()));
    line(out, &format!("the message was {settled}"));
}

fn line(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.push(b'\n');
}
