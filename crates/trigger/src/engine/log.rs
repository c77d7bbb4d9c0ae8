//! What a trigger logs: every trouble by its kind, and every message that did not simply succeed,
//! but no more of them than a person can read.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::unix_ms;
use crate::desk::RECENT_MAX;
use crate::machine::End;
use crate::message::{Message, Millis};

/// The same trouble is logged again after this time.
const REPEAT: Duration = Duration::from_secs(60);
/// Other trouble of the same kind is logged again after this time.
const DISTINCT: Duration = Duration::from_secs(1);
/// Messages that are logged in a second.
const MESSAGES_PER_S: u32 = 20;

#[derive(Debug)]
pub(super) struct Log {
    trigger: String,
    troubles: HashMap<&'static str, (Instant, String)>,
    second: Instant,
    messages: u32,
    successes: usize,
    left_out: u64,
    /// The last trouble, and when it was.
    last: Option<(Millis, String)>,
}

impl Log {
    pub(super) fn new(trigger: &str) -> Log {
        Log {
            trigger: trigger.to_owned(),
            troubles: HashMap::new(),
            second: Instant::now(),
            messages: 0,
            successes: 0,
            left_out: 0,
            last: None,
        }
    }

    /// Logs trouble: of each kind once a second at most, and the same words once a minute.
    pub(super) fn trouble(&mut self, kind: &'static str, what: &str) {
        let repeated = self
            .troubles
            .get(kind)
            .is_some_and(|(at, text)| at.elapsed() < if text == what { REPEAT } else { DISTINCT });
        if !repeated {
            tracing::warn!(trigger = self.trigger, "{what}");
            self.troubles.insert(kind, (Instant::now(), what.to_owned()));
        }
        self.last = Some((unix_ms(), what.to_owned()));
    }

    /// The last trouble, and when it was.
    pub(super) fn last(&self) -> Option<(Millis, String)> {
        self.last.clone()
    }

    /// Logs the trouble's end, if it was logged.
    pub(super) fn over(&mut self, kind: &'static str, what: &str) {
        if self.troubles.remove(kind).is_some() {
            tracing::info!(trigger = self.trigger, "{what}");
        }
    }

    /// Logs what became of a message that did not simply succeed.
    pub(super) fn message(&mut self, end: &End<std::rc::Rc<Message>>) {
        if self.messages >= MESSAGES_PER_S {
            self.left_out += 1;
            return;
        }
        self.messages += 1;
        let message = &end.message;
        tracing::warn!(
            trigger = self.trigger,
            message_id = %message_id(message),
            delivery_tag = message.delivery_tag,
            routing_key = %String::from_utf8_lossy(&message.routing_key),
            attempt = end.attempts,
            outcome = end.outcome,
            reason = end.reason.map_or("", |reason| reason.word()),
            "{}",
            end.text
        );
    }

    /// Whether one more success is to be shown: nobody can see more than that in a second.
    pub(super) fn shows(&mut self) -> bool {
        self.successes += 1;
        self.successes <= RECENT_MAX
    }

    /// Counts seconds, and says what was left out.
    pub(super) fn tick(&mut self) {
        if self.second.elapsed() < Duration::from_secs(1) {
            return;
        }
        self.second = Instant::now();
        self.messages = 0;
        self.successes = 0;
        if self.left_out > 0 {
            let left_out = std::mem::take(&mut self.left_out);
            tracing::warn!(
                trigger = self.trigger,
                "{left_out} more messages did not simply succeed within this second; see the metrics"
            );
        }
    }
}

/// The message's id for people; empty without one.
pub(super) fn message_id(message: &Message) -> String {
    let id = message.scan().ok().and_then(|scan| scan.message_id);
    id.map(|id| String::from_utf8_lossy(id).into_owned()).unwrap_or_default()
}
