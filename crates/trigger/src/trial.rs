//! A trigger tried by hand: what its pipeline would be given for a message, and one message of the
//! queue taken through it. Keeps no state and follows none of the rules about attempts.

mod queue;
mod sample;
mod show;

#[cfg(test)]
mod tests;

use std::rc::Rc;
use std::time::{Duration, Instant};

use service::shutdown::Exit;
use uuid::Uuid;

use self::queue::Taken;
use crate::attempts::Prior;
use crate::config::{DeadLetterMode, Definition};
use crate::engine::unix_ms;
use crate::message::Message;
use crate::outgoing::{self, Death};
use crate::payload::{self, Format, Metadata};
use crate::pipeline::http::Shared;
use crate::pipeline::{Outcome, Pipeline, Run, SetupError, Verdict};

pub use sample::Sample;

/// Why a trigger cannot be tried.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// A made-up message that cannot be one.
    #[error("{0}")]
    Sample(String),
    /// The trigger would refuse the message.
    #[error("the message has {0} bytes, more than max_message_bytes: the trigger refuses it")]
    TooLarge(u64),
    /// The message has no such form.
    #[error("the message cannot be shown: {0}")]
    Render(#[from] payload::RenderError),
    /// The pipeline cannot be used.
    #[error("{0}")]
    Setup(#[from] SetupError),
    /// The queue has no message.
    #[error("the queue {0} has no message")]
    Empty(String),
    /// The broker cannot be reached, or refuses.
    #[error("{0}")]
    Broker(#[from] client::error::Error),
    /// The broker did not take what was published; the message was given back.
    #[error("the message was given back, as {0}")]
    Unpublished(String),
    /// The operating system refused something.
    #[error("cannot start an event loop: {0}")]
    Io(std::io::Error),
}

impl TrialError {
    /// The exit code of the process.
    pub fn exit(&self) -> Exit {
        match self {
            TrialError::Sample(_) => Exit::Usage,
            TrialError::TooLarge(_) | TrialError::Render(_) => Exit::Data,
            TrialError::Setup(_) => Exit::Config,
            TrialError::Empty(_) | TrialError::Broker(_) | TrialError::Unpublished(_) => {
                Exit::Unavailable
            }
            TrialError::Io(_) => Exit::Io,
        }
    }
}

/// What came of a trial.
#[derive(Debug)]
pub struct Report {
    /// For people; may end in bytes of a body.
    pub shown: Vec<u8>,
    /// Whether the pipeline took the message.
    pub succeeded: bool,
}

/// What the pipeline would be given for a made-up message.
///
/// # Errors
/// See [`TrialError`].
pub fn render(definition: &Definition, sample: &Sample) -> Result<Vec<u8>, TrialError> {
    let message = sample.message(&definition.trigger.queue)?;
    Ok(shown(&Trial::new(definition, message)?))
}

/// The same for the next message of the queue, which stays there; the broker may count it as
/// delivered before.
///
/// # Errors
/// See [`TrialError`].
pub fn render_queued(definition: &Definition) -> Result<Vec<u8>, TrialError> {
    block_on(async {
        let taken = Taken::from(definition).await?;
        let message = taken.message();
        taken.give_back().await?;
        Ok(shown(&Trial::new(definition, message)?))
    })
}

/// Takes the next message of the queue through the pipeline, and settles it as a trigger without
/// another attempt would: what failed goes back to the queue, what failed for good is dead-lettered.
/// With `keep` it goes back in any case.
///
/// # Errors
/// See [`TrialError`].
pub fn test(definition: &Definition, keep: bool) -> Result<Report, TrialError> {
    block_on(async {
        let mut taken = Taken::from(definition).await?;
        let trial = match Trial::new(definition, taken.message()) {
            Ok(trial) => trial,
            Err(error) => {
                taken.give_back().await?;
                return Err(error);
            }
        };
        let mut out = shown(&trial);
        let began = Instant::now();
        let outcome = taken.during(trial.pipeline.run(&trial.run)).await?;
        let took = began.elapsed();
        let settled = if keep {
            taken.give_back().await?;
            "given back"
        } else {
            settle(definition, taken, &trial.run, &outcome).await?
        };
        show::outcome(&mut out, &outcome, took, settled);
        let succeeded = matches!(outcome.verdict, Verdict::Done | Verdict::Drop);
        Ok(Report { shown: out, succeeded })
    })
}

/// A message on its way into a pipeline.
struct Trial {
    pipeline: Pipeline,
    run: Run,
}

impl Trial {
    fn new(definition: &Definition, message: Message) -> Result<Trial, TrialError> {
        let pipeline = Pipeline::new(definition, &Shared::default())?;
        let trigger = &definition.trigger;
        if message.body_bytes > trigger.max_message_bytes.0 {
            return Err(TrialError::TooLarge(message.body_bytes));
        }
        let timeout = Duration::from_millis(trigger.maximum_timeout_ms);
        let metadata = Metadata {
            attempt: Prior::of(&message, &trigger.queue).attempts.saturating_add(1),
            execution_id: Uuid::now_v7().to_string(),
            deadline_ms: unix_ms() + trigger.maximum_timeout_ms,
        };
        let rendered = Format::of(definition).render(&message, &metadata)?;
        let message = Rc::new(message);
        Ok(Trial { pipeline, run: Run { message, rendered, metadata, timeout } })
    }
}

fn shown(trial: &Trial) -> Vec<u8> {
    let mut out = Vec::new();
    show::input(&mut out, &trial.pipeline, &trial.run);
    out
}

/// Does with the message what its outcome asks for, and says what that was.
async fn settle(
    definition: &Definition,
    mut taken: Taken,
    run: &Run,
    outcome: &Outcome,
) -> Result<&'static str, TrialError> {
    let trigger = &definition.trigger;
    let (reason, text) = match &outcome.verdict {
        Verdict::Done | Verdict::Drop => {
            let reply = outcome.reply.as_ref().filter(|_| trigger.reply_enabled);
            let reply = reply.and_then(|r| outgoing::reply(&run.message, r, &definition.name));
            if let Some(reply) = reply {
                taken.publish(&reply).await?;
            }
            taken.ack().await?;
            return Ok("acknowledged");
        }
        Verdict::Retry(..) | Verdict::Requeue => {
            taken.give_back().await?;
            return Ok("given back, to be tried again");
        }
        Verdict::Dead(reason, text) => (*reason, text),
    };
    match trigger.dead_letter_mode {
        DeadLetterMode::Broker => {
            taken.reject().await?;
            Ok("rejected; the broker dead-letters it if its queue says where")
        }
        DeadLetterMode::Discard => {
            taken.ack().await?;
            Ok("discarded")
        }
        DeadLetterMode::Publish => {
            let death = Death {
                reason,
                text,
                attempts: run.metadata.attempt,
                queue: &trigger.queue,
                trigger: &definition.name,
                at_ms: unix_ms(),
            };
            let to = (&*trigger.dead_letter_exchange, &*trigger.dead_letter_routing_key);
            let login = definition.login();
            if let Some(letter) = outgoing::dead_letter(&run.message, to, &death, login) {
                taken.publish(&letter).await?;
            }
            taken.ack().await?;
            Ok("published as a dead letter")
        }
    }
}

fn block_on<T>(trial: impl Future<Output = Result<T, TrialError>>) -> Result<T, TrialError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(TrialError::Io)?;
    tokio::task::LocalSet::new().block_on(&runtime, trial)
}
