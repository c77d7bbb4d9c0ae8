//! The variables of a command: a few of the trigger's own, those of the configuration, and what the
//! run is told. Nothing else of the trigger's environment, which may hold secrets.

use std::ffi::{OsStr, OsString};

use http::{HeaderName, HeaderValue};
use tokio::process;

use super::SetupError;
use crate::pipeline::Run;

/// What every command gets of the trigger's own variables.
const PASSED_ON: &[&str] = &["PATH", "HOME", "LANG", "TZ"];

/// Bytes of a variable's value; Linux takes up to 128 KiB, but not many of them.
const VALUE_BYTES_MAX: usize = 4 << 10;

/// The variables that are the same for every run.
#[derive(Debug)]
pub(super) struct Environment {
    /// May hold secrets.
    fixed: Vec<(OsString, OsString)>,
    /// Which trigger it is.
    trigger: Vec<(&'static str, String)>,
}

impl Environment {
    /// `asked` is `NAME=value`, or `NAME` for a variable of the trigger itself, which `own` knows.
    pub(super) fn new(
        asked: &[String],
        name: &str,
        queue: &str,
        own: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Environment, SetupError> {
        let passed_on = |name: &str| Some((OsString::from(name), own(name)?));
        let mut fixed: Vec<_> = PASSED_ON.iter().filter_map(|name| passed_on(name)).collect();
        for entry in asked {
            let (name, value) =
                entry.split_once('=').map_or((entry.as_str(), None), |(n, v)| (n, Some(v)));
            if name.is_empty() || entry.contains('\0') {
                return Err(SetupError::Environment(entry.clone()));
            }
            match value {
                Some(value) => fixed.push((name.into(), value.into())),
                None => fixed.extend(passed_on(name)),
            }
        }
        let trigger = [("TRIGGER_NAME", name), ("TRIGGER_QUEUE", queue)];
        let trigger = trigger.into_iter().filter(|(_, value)| is_plain(value));
        let trigger = trigger.map(|(variable, value)| (variable, value.to_owned())).collect();
        Ok(Environment { fixed, trigger })
    }

    /// Where programs are looked for.
    pub(super) fn path(&self) -> Option<&OsStr> {
        self.fixed.iter().rev().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str())
    }

    /// Gives `command` these variables and those of a run, and no others.
    pub(super) fn set(&self, command: &mut process::Command, run: &Run, message_id: Option<&str>) {
        let fixed = self.fixed.iter().map(|(name, value)| (name, value));
        command.env_clear().envs(fixed).envs(self.of_run(run, message_id));
    }

    /// What a run is told about its trigger and its message.
    pub(super) fn of_run(&self, run: &Run, message_id: Option<&str>) -> Vec<(String, String)> {
        let headers = run.rendered.headers.iter();
        let mut all: Vec<_> = headers.filter_map(|(name, value)| variable(name, value)).collect();
        let metadata = &run.metadata;
        let told = [
            ("TRIGGER_ATTEMPT", metadata.attempt.to_string()),
            ("TRIGGER_REDELIVERED", run.message.redelivered.to_string()),
            ("TRIGGER_EXECUTION_ID", metadata.execution_id.clone()),
            ("TRIGGER_DEADLINE_MS", metadata.deadline_ms.to_string()),
        ];
        let id = message_id.map(|id| ("TRIGGER_MESSAGE_ID", id.to_owned()));
        let told = self.trigger.iter().cloned().chain(told).chain(id);
        all.extend(told.map(|(name, value)| (name.to_owned(), value)));
        all
    }
}

/// A header of the profile as a variable: `traceparent` is `TRACEPARENT`, `X-Trigger-Body-Encoding`
/// is `TRIGGER_BODY_ENCODING`, `X-Amqp-Routing-Key` is `AMQP_ROUTING_KEY`, `ce-id` is `CE_ID`. Others
/// are left out: a message header that is passed on could be called `PATH`.
fn variable(name: &HeaderName, value: &HeaderValue) -> Option<(String, String)> {
    let name = name.as_str();
    let name = match name.strip_prefix("x-") {
        Some(name) if name == "trigger-body-encoding" || name.starts_with("amqp-") => name,
        None if name.starts_with("ce-") => name,
        None if matches!(name, "traceparent" | "tracestate" | "content-type") => name,
        _ => return None,
    };
    let value = value.to_str().ok().filter(|value| is_plain(value))?;
    Some((name.replace('-', "_").to_ascii_uppercase(), value.to_owned()))
}

/// Whether a value may be shown to a program that takes variables for granted.
pub(super) fn is_plain(value: &str) -> bool {
    value.len() <= VALUE_BYTES_MAX && !value.contains(char::is_control)
}
