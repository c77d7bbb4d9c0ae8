//! The runs: each a task of the trigger's thread, which renders its message and hands it to the
//! pipeline.

use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinError;
use uuid::Uuid;

use super::{Engine, unix_ms};
use crate::config::Definition;
use crate::desk::{RECENT_MAX, Recent};
use crate::machine::{BreakerState, Effect, End, SlotId};
use crate::message::{Message, Millis};
use crate::payload::{Format, Metadata};
use crate::pipeline::{Outcome, Pipeline, Run, Verdict};

/// The end of a run.
pub(super) struct Ended {
    slot: SlotId,
    outcome: Outcome,
    took: Duration,
    invalid_text: bool,
}

/// A task cannot end otherwise than by an error in the program, which is not to be hidden.
pub(super) fn panicked(error: JoinError) -> Ended {
    std::panic::resume_unwind(error.into_panic())
}

/// What all runs of a trigger share.
pub(super) struct Runner {
    format: Format,
    pub(super) pipeline: Pipeline,
    timeout: Duration,
}

impl Runner {
    pub(super) fn new(definition: Rc<Definition>, pipeline: Pipeline) -> Runner {
        let timeout = Duration::from_millis(definition.trigger.maximum_timeout_ms);
        Runner { format: Format::of(&definition), pipeline, timeout }
    }

    async fn run(self: Rc<Runner>, slot: SlotId, attempt: u32, message: Rc<Message>) -> Ended {
        let began = Instant::now();
        let metadata = Metadata {
            attempt,
            execution_id: Uuid::now_v7().to_string(),
            deadline_ms: unix_ms() + self.timeout.as_millis() as Millis,
        };
        let rendered = match self.format.render(&message, &metadata) {
            Ok(rendered) => rendered,
            Err(error) => {
                let verdict = Verdict::Dead(error.reason, error.text.clone());
                let outcome =
                    Outcome { verdict, pause: None, reply: None, summary: error.to_string() };
                return Ended { slot, outcome, took: began.elapsed(), invalid_text: false };
            }
        };
        let invalid_text = rendered.invalid_text;
        let run = Run { message, rendered, metadata, timeout: self.timeout };
        let outcome = self.pipeline.run(&run).await;
        Ended { slot, outcome, took: began.elapsed(), invalid_text }
    }
}

impl Engine {
    /// Does what the machine wants.
    pub(super) fn execute(&mut self) {
        while let Some(effect) = self.machine.effect() {
            match effect {
                Effect::Ack(tag) => {
                    self.settle(|link| link.connection.ack(link.channel, tag, false))
                }
                Effect::Nack { tag } => {
                    self.settle(|link| link.connection.nack(link.channel, tag, false, true));
                }
                Effect::Reject { tag, requeue } => {
                    self.settle(|link| link.connection.reject(link.channel, tag, requeue));
                }
                Effect::Start { slot, attempt, message } => {
                    let run = Rc::clone(&self.runner).run(slot, attempt, message);
                    self.runs.spawn_local(run);
                }
                Effect::Publish { slot, publication, message } => {
                    self.publish(slot, publication, message);
                }
                Effect::Ended(end) => self.show(end),
                Effect::Excused => self.log.trouble(
                    "redelivered",
                    "more messages in a row are flagged as redelivered than can have been running: \
                     the broker has lost count, perhaps in a crash, so the next of them run",
                ),
            }
        }
    }

    fn settle(&mut self, settle: impl FnOnce(&mut client::link::Open)) {
        // Without a channel there is nothing to settle: the machine has been told.
        if let Some(open) = self.consumer.open() {
            settle(open);
            self.consuming.unacked = self.consuming.unacked.saturating_sub(1);
        }
    }

    /// Takes the end of a run.
    pub(super) fn ended(&mut self, run: Ended) {
        let Ended { slot, outcome, took, invalid_text } = run;
        let took_ms = took.as_millis() as Millis;
        self.machine.counters.run_ms.observe(took_ms);
        self.machine.counters.invalid_text += u64::from(invalid_text);
        if outcome.pause.is_some() {
            let summary = &outcome.summary;
            self.log.trouble("pause", &format!("the endpoint asks for a pause: {summary}"));
        }
        self.settling = Some((took_ms, outcome.summary.clone()));
        let (now, before) = (self.now(), self.machine.breaker());
        self.machine.finished(slot, outcome, now);
        self.execute();
        self.settling = None;
        self.tell_breaker(before);
    }

    /// Logs that the breaker has opened or closed.
    fn tell_breaker(&mut self, before: BreakerState) {
        match (before, self.machine.breaker()) {
            (BreakerState::Closed | BreakerState::HalfOpen, BreakerState::Open(_)) => {
                let open_ms = self.definition.trigger.breaker_open_ms;
                let what = "too many failures in a row: the breaker is open";
                let what = format!("{what}, and nothing is consumed for {open_ms} ms");
                self.log.trouble("breaker", &what);
            }
            (BreakerState::HalfOpen, BreakerState::Closed) => {
                self.log.over("breaker", "a run succeeded: the breaker is closed");
            }
            _ => {}
        }
    }

    /// Logs and keeps what became of a message.
    fn show(&mut self, end: End<Rc<Message>>) {
        let at_ms = unix_ms();
        if end.outcome == "ok" {
            self.last_success = Some(at_ms);
            if !self.log.shows() {
                return;
            }
        }
        let (took_ms, summary) = match &self.settling {
            Some((took_ms, summary)) => (*took_ms, summary.clone()),
            None => (0, end.text.clone()),
        };
        let recent = Recent {
            at_ms,
            message_id: super::log::message_id(&end.message),
            routing_key: String::from_utf8_lossy(&end.message.routing_key).into_owned(),
            attempt: end.attempts,
            took_ms,
            outcome: end.outcome,
            summary,
        };
        let failed = !matches!(end.outcome, "ok" | "returned");
        if failed {
            self.log.message(&end);
            self.failures.truncate(RECENT_MAX - 1);
            self.failures.push_front(recent.clone());
        }
        self.recent.truncate(RECENT_MAX - 1);
        self.recent.push_front(recent);
    }
}
