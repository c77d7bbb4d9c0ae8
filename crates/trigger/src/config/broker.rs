//! Where messages come from, and who logs in there.

use std::path::PathBuf;

use super::value::Secret;
use super::words::{Sasl, TlsMode};

/// `[account.NAME]`: who logs in, by name and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountConfig {
    /// Default: guest.
    pub username: String,
    /// Default: guest, for the name guest.
    pub password: Secret,
}

/// `[broker.NAME]`: where messages come from.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerConfig {
    /// `host` or `host:port`, any of which will do. Default: localhost.
    pub hosts: Vec<String>,
    /// Default: `/`.
    pub vhost: String,
    /// The account to log in with, in the place of name and password. Default: none.
    pub account: String,
    /// Default: guest.
    pub username: String,
    /// Default: guest, for the name guest.
    pub password: Secret,
    /// Default: off.
    pub tls_mode: TlsMode,
    /// Default: the system's authorities.
    pub tls_ca: Option<PathBuf>,
    /// Default: not set.
    pub tls_cert: Option<PathBuf>,
    /// Default: not set.
    pub tls_key: Option<PathBuf>,
    /// Default: PLAIN.
    pub tls_sasl: Sasl,
    /// Seconds; 0 is none. Default: 30.
    pub heartbeat_s: u16,
    /// Default: 500 ms.
    pub reconnect_min_ms: u64,
    /// Default: 30 s.
    pub reconnect_max_ms: u64,
    /// Part of each pause that is left to chance. Default: 0.3.
    pub reconnect_jitter: f64,
}

impl Default for AccountConfig {
    fn default() -> AccountConfig {
        AccountConfig { username: "guest".into(), password: Secret::None }
    }
}

impl Default for BrokerConfig {
    fn default() -> BrokerConfig {
        BrokerConfig {
            hosts: vec!["localhost".into()],
            vhost: "/".into(),
            account: String::new(),
            username: "guest".into(),
            password: Secret::None,
            tls_mode: TlsMode::Off,
            tls_ca: None,
            tls_cert: None,
            tls_key: None,
            tls_sasl: Sasl::Plain,
            heartbeat_s: 30,
            reconnect_min_ms: 500,
            reconnect_max_ms: 30_000,
            reconnect_jitter: 0.3,
        }
    }
}
