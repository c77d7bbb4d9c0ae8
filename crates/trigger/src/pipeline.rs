//! How a message is run: what goes into a pipeline, and what comes out.

pub mod command;
pub mod http;

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use self::command::Command;
use self::http::{Http, Shared};
use crate::config::Definition;
use crate::message::Message;
use crate::payload::{Metadata, Rendered};
use crate::reason::Reason;

/// One run of one message.
#[derive(Clone, Debug)]
pub struct Run {
    /// As it came.
    pub message: Rc<Message>,
    /// In the form that the pipeline is given.
    pub rendered: Rendered,
    /// What the run is told beside it.
    pub metadata: Metadata,
    /// How long it may take.
    pub timeout: Duration,
}

/// What a run says of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It succeeded.
    Done,
    /// It failed; trying again may help.
    Retry(Reason, String),
    /// It failed for good.
    Dead(Reason, String),
    /// The pipeline gives it back to the queue untouched: nobody's fault, no attempt used.
    Requeue,
    /// The pipeline drops it: as good as done.
    Drop,
}

/// What the trigger is asked to do beside settling the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Start nothing for this long: `Retry-After`.
    For(Duration),
    /// Start nothing until a person says so: the endpoint is gone (410).
    UntilResumed,
}

/// What the pipeline answers to who published the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The type of the body; empty when unknown.
    pub content_type: String,
    /// The body.
    pub body: Bytes,
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What becomes of the message.
    pub verdict: Verdict,
    /// What becomes of the trigger.
    pub pause: Option<Pause>,
    /// The answer, when there is one; kept only where the trigger replies.
    pub reply: Option<Reply>,
    /// How it ended, for logs and the page: `200`, `exit 75`, `connection refused`.
    pub summary: String,
}

/// Why a pipeline cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// It is an HTTP endpoint.
    #[error("{0}")]
    Http(#[from] http::SetupError),
    /// It is a command.
    #[error("{0}")]
    Command(#[from] command::SetupError),
}

/// Where messages are run.
pub enum Pipeline {
    /// At an HTTP endpoint.
    Http(Http),
    /// By a local command.
    Command(Command),
}

impl Pipeline {
    /// The pipeline of a trigger. `shared` is what all of a thread have in common.
    ///
    /// # Errors
    /// What in the configuration cannot be used.
    pub fn new(definition: &Definition, shared: &Shared) -> Result<Pipeline, SetupError> {
        let Definition { name, trigger, secrets, .. } = definition;
        if trigger.command.argv.is_empty() {
            return Ok(Pipeline::Http(Http::new(name, trigger, secrets, shared)?));
        }
        let keep_reply = trigger.reply_enabled;
        Ok(Pipeline::Command(Command::new(&trigger.command, name, &trigger.queue, keep_reply)?))
    }

    /// Runs a message, within its timeout. Dropping the future ends the run.
    pub async fn run(&self, run: &Run) -> Outcome {
        match self {
            Pipeline::Http(http) => http.run(run).await,
            Pipeline::Command(command) => command.run(run).await,
        }
    }

    /// `http` or `command`.
    pub fn kind(&self) -> &'static str {
        match self {
            Pipeline::Http(_) => "http",
            Pipeline::Command(_) => "command",
        }
    }
}
