//! Real sockets: a scripted endpoint at the other end of every test.

mod faults;
mod pooling;
mod replies;
mod secured;
mod sink;
mod tokens;

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::message::Message;
use crate::payload::{Metadata, Rendered};

/// Longer than any test takes that goes well.
const LONG: Duration = Duration::from_secs(20);

/// A trigger that posts to a URL.
fn trigger(url: &str) -> TriggerConfig {
    let http = HttpConfig { url: url.into(), ..HttpConfig::default() };
    TriggerConfig { queue: "q1".into(), http, ..TriggerConfig::default() }
}

fn http(trigger: &TriggerConfig) -> Http {
    with_secrets(trigger, &Secrets::default())
}

fn with_secrets(trigger: &TriggerConfig, secrets: &Secrets) -> Http {
    Http::new("orders", trigger, secrets, &Shared::default()).unwrap()
}

fn run_within(body: &'static str, timeout: Duration) -> Run {
    let kind = HeaderValue::from_static("application/json");
    Run {
        message: Rc::new(Message::default()),
        rendered: Rendered {
            body: Bytes::from_static(body.as_bytes()),
            headers: vec![(CONTENT_TYPE, kind)],
            ..Rendered::default()
        },
        metadata: Metadata { attempt: 1, execution_id: "e-1".into(), deadline_ms: 17 },
        timeout,
    }
}

fn run(body: &'static str) -> Run {
    run_within(body, LONG)
}

/// The text of a failure that may pass.
#[track_caller]
fn retry(outcome: &Outcome, reason: Reason) -> &str {
    match &outcome.verdict {
        Verdict::Retry(why, text) if *why == reason => text,
        other => panic!("{other:?}"),
    }
}
