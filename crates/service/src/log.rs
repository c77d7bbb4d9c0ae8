//! Logging to stderr, as text or JSON, one event a line.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, reload};

use crate::config::{Scalar, quoted};

/// What is logged: a level, or `tracing` directives such as `info,server=debug`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level(String);

impl Default for Level {
    fn default() -> Self {
        Level("info".into())
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Scalar for Level {
    fn parse(text: &str) -> Result<Self, String> {
        // RabbitMQ's own names for what is called `warn` and `off` here.
        let text = match text {
            "warning" => "warn",
            "critical" => "error",
            "none" => "off",
            other => other,
        };
        let first = text.split(',').next().unwrap_or_default();
        let named = ["off", "error", "warn", "info", "debug", "trace"].contains(&first);
        if (named || first.contains('=')) && EnvFilter::try_new(text).is_ok() {
            return Ok(Level(text.to_owned()));
        }
        Err(format!(
            "expected error, warn, info, debug, trace or off (or directives such as \
             \"info,server=debug\"), got {}",
            quoted(text)
        ))
    }

    fn toml(&self) -> String {
        quoted(&self.0)
    }
}

/// How an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Scalar for Format {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Format::Text),
            "json" => Ok(Format::Json),
            _ => Err(format!("expected text or json, got {}", quoted(text))),
        }
    }

    fn toml(&self) -> String {
        match self {
            Format::Text => "\"text\"".into(),
            Format::Json => "\"json\"".into(),
        }
    }
}

/// Sends every event from now on to stderr. Only the first call of a process has an effect.
pub fn start(level: &Level, format: Format) {
    let (filter, handle) = reload::Layer::new(filter(level));
    // Only the first log of a process is one.
    drop(RELOAD.set(Box::new(move |filter| drop(handle.reload(filter)))));
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let started = match format {
        Format::Text => registry.with(lines.with_ansi(std::io::stderr().is_terminal())).try_init(),
        Format::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}

/// Logs from now on what `level` says, when [`start`] was called.
pub fn set_level(level: &Level) {
    if let Some(reload) = RELOAD.get() {
        reload(filter(level));
    }
}

/// Replaces the filter of the log.
type Reload = Box<dyn Fn(EnvFilter) + Send + Sync>;

static RELOAD: OnceLock<Reload> = OnceLock::new();

fn filter(level: &Level) -> EnvFilter {
    EnvFilter::try_new(&level.0).unwrap_or_else(|_| EnvFilter::new("info"))
}
