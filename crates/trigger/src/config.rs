//! What triggers are told: one documented field and one row of a table each. File keys, variables,
//! help and docs/trigger-options.md derive from the row.

mod broker;
mod definition;
mod pipeline;
mod trigger;
mod value;
mod words;

use service::listen::HostPort;
use service::log::{Format, Level};

pub use broker::{AccountConfig, BrokerConfig};
pub use definition::{Definition, Reload, Secrets, Set};
pub use pipeline::{CommandConfig, HttpConfig};
pub use trigger::TriggerConfig;
pub use value::{ExitCodes, Headers, KeySource, Secret, Texts};
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
