//! What a pipeline is given for a message: the body in one of the profiles, and the metadata beside
//! it. Knows no pipeline, does no I/O.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use crate::config::TriggerConfig;
use crate::message::{Message, Millis};
use crate::reason::Reason;

/// What the run is told beside the message: HTTP headers `X-Trigger-…`, or variables `TRIGGER_…`
/// of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The number of this run of the message, from 1.
    pub attempt: u32,
    /// A UUIDv7 of this run.
    pub execution_id: String,
    /// When the run has to be done, in milliseconds since 1970.
    pub deadline_ms: Millis,
}

/// A message in the form that the pipeline is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// The request's body, or the command's standard input.
    pub body: Bytes,
    /// Headers that the profile asks for, `content-type` first: `ce-…`, `X-Amqp-…`,
    /// `X-Trigger-Body-Encoding`, `traceparent` and `tracestate`. Never one of [`Metadata`]'s.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether a body that should be text is base64, because it is not in its character set.
    pub invalid_text: bool,
}

/// Why a message has no such form; that is so whenever it is tried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {text}")]
pub struct RenderError {
    /// Of which kind.
    pub reason: Reason,
    /// What is wrong, for people.
    pub text: String,
}

/// How a trigger renders messages, from its configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Format {
    config: TriggerConfig,
}

impl Format {
    /// `place` is `amqp://host/vhost/queue`, the source of CloudEvents, without credentials.
    pub fn new(config: &TriggerConfig, _place: &str) -> Format {
        Format { config: config.clone() }
    }

    /// The message in the trigger's profile.
    ///
    /// # Errors
    /// [`Reason::BadHeaders`], [`Reason::InvalidText`] and [`Reason::BadEncoding`].
    pub fn render(&self, message: &Message, _run: &Metadata) -> Result<Rendered, RenderError> {
        Ok(Rendered { body: message.body.clone(), ..Rendered::default() })
    }
}
