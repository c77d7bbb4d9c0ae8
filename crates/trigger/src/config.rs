//! What triggers are told: one documented field and one row of a table each. File keys, variables,
//! help and docs/trigger-options.md derive from the row.

mod broker;
mod check;
mod definition;
mod pipeline;
mod resolve;
mod sections;
mod spelling;
mod table;
mod trigger;
mod value;
mod warnings;
mod words;

#[cfg(test)]
mod tests;

use service::config::{Setting, Settings};
use service::listen::HostPort;
use service::log::{Format, Level};

pub use broker::{ACCOUNT, AccountConfig, BROKER, BrokerConfig};
pub use definition::{Definition, Home, Reload, Secrets, Set};
pub use pipeline::{CommandConfig, HttpConfig};
pub use sections::Sections;
pub use spelling::kinds;
pub use trigger::{TRIGGER, TriggerConfig};
pub use value::{ExitCodes, Headers, KeySource, Secret, Texts};
pub(crate) use warnings::consumer_timeout_ms;
pub use words::{
    DeadLetterMode, ExitMeaning, ExitPreset, HeaderStyle, Int64, OnExpire, OnInvalidText,
    PipelineSize, Profile, RetryMode, Sasl, Stdin, TimestampUnit, TlsMode,
};

/// `[trigger]`, or the file itself where triggers run alone: what holds for all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct TriggersConfig {
    /// Where page, API, metrics and health are served; empty is nowhere.
    /// Default: 127.0.0.1:15693.
    pub listen: Vec<HostPort>,
    /// Threads that run triggers, at most; 0 is one per core. Default: 0.
    pub threads: u16,
    /// Whether a file may hold secrets themselves. Default: false.
    pub allow_inline_secrets: bool,
    /// What is logged. Default: `info`.
    pub log_level: Level,
    /// How it is logged. Default: text.
    pub log_format: Format,
}

impl Default for TriggersConfig {
    fn default() -> TriggersConfig {
        TriggersConfig {
            listen: vec![HostPort { host: "127.0.0.1".into(), port: 15693 }],
            threads: 0,
            allow_inline_secrets: false,
            log_level: Level::default(),
            log_format: Format::Text,
        }
    }
}

/// The settings of `[trigger]`, and of the command line.
pub const TRIGGERS: Settings<TriggersConfig> = Settings {
    command: "leveret trigger",
    spelling: &spelling::ALONE,
    table: TRIGGERS_TABLE,
    check: |_| Ok(()),
};

const ROW: Setting<TriggersConfig> = Setting {
    name: "listen",
    also: &[],
    section: "All triggers",
    value: "HOST:PORT",
    field: |c| &mut c.listen,
    secret: false,
    fallback_variable: None,
    doc: "Where page, API, metrics and health are served, without a login. Empty: nowhere.",
};

const TRIGGERS_TABLE: &[Setting<TriggersConfig>] = &[
    ROW,
    Setting {
        name: "threads",
        value: "NUMBER",
        field: |c| &mut c.threads,
        doc: "Threads that run triggers, at most; 0 is one per core.",
        ..ROW
    },
    Setting {
        name: "allow_inline_secrets",
        value: "BOOL",
        field: |c| &mut c.allow_inline_secrets,
        doc: "Whether passwords and keys may stand in the file itself.",
        ..ROW
    },
    Setting {
        name: "log_level",
        value: "LEVEL",
        field: |c| &mut c.log_level,
        doc: "What is logged to stderr: error, warn, info, debug, trace or off, or directives such \
              as `info,trigger=debug`.",
        ..ROW
    },
    Setting {
        name: "log_format",
        value: "text|json",
        field: |c| &mut c.log_format,
        doc: "How it is logged: text, or one JSON object a line.",
        ..ROW
    },
];
