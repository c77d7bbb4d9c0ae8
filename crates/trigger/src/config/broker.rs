//! Where messages come from, and who logs in there.

use std::path::PathBuf;

use service::config::{Setting, Settings};

use super::value::Secret;
use super::words::{Sasl, TlsMode};
use super::{check, spelling};

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

/// The settings of `[account.NAME]`.
pub const ACCOUNT: Settings<AccountConfig> = Settings {
    command: "leveret trigger",
    spelling: &spelling::ACCOUNT,
    table: ACCOUNT_TABLE,
    check: |_| Ok(()),
};

/// The settings of `[broker.NAME]`.
pub const BROKER: Settings<BrokerConfig> = Settings {
    command: "leveret trigger",
    spelling: &spelling::BROKER,
    table: BROKER_TABLE,
    check: check::broker,
};

const ACCOUNT_ROW: Setting<AccountConfig> = Setting {
    name: "username",
    also: &[],
    section: "Accounts",
    value: "NAME",
    field: |c| &mut c.username,
    secret: false,
    fallback_variable: None,
    doc: "Who logs in at a broker.",
};

const ACCOUNT_TABLE: &[Setting<AccountConfig>] = &[
    ACCOUNT_ROW,
    Setting {
        name: "password",
        value: "SECRET",
        field: |c| &mut c.password,
        doc: "The password; without it `guest`, for the user guest.",
        ..ACCOUNT_ROW
    },
];

const ROW: Setting<BrokerConfig> = Setting {
    name: "hosts",
    also: &[],
    section: "Brokers",
    value: "HOST[:PORT]",
    field: |c| &mut c.hosts,
    secret: false,
    fallback_variable: None,
    doc: "The nodes of the broker, any of which will do. The port is 5672, or 5671 with TLS.",
};

const BROKER_TABLE: &[Setting<BrokerConfig>] = &[
    ROW,
    Setting {
        name: "vhost",
        value: "NAME",
        field: |c| &mut c.vhost,
        doc: "The virtual host.",
        ..ROW
    },
    Setting {
        name: "account",
        value: "NAME",
        field: |c| &mut c.account,
        doc: "The section `[account.NAME]` to log in with.",
        ..ROW
    },
    Setting {
        name: "username",
        value: "NAME",
        field: |c| &mut c.username,
        doc: "Who logs in, without an account.",
        ..ROW
    },
    Setting {
        name: "password",
        value: "SECRET",
        field: |c| &mut c.password,
        doc: "That user's password, or the token for `tls_sasl = \"oauth2\"`; without it `guest`, \
              for the user guest.",
        ..ROW
    },
    Setting {
        name: "tls_mode",
        value: "off|on|mutual",
        field: |c| &mut c.tls_mode,
        doc: "Whether connections are encrypted; `mutual` shows the broker a certificate, too.",
        ..ROW
    },
    Setting {
        name: "tls_ca",
        value: "FILE",
        field: |c| &mut c.tls_ca,
        doc: "Authorities that sign the broker's certificate, as PEM; without it the system's.",
        ..ROW
    },
    Setting {
        name: "tls_cert",
        value: "FILE",
        field: |c| &mut c.tls_cert,
        doc: "The triggers' own certificate chain, as PEM.",
        ..ROW
    },
    Setting {
        name: "tls_key",
        value: "FILE",
        field: |c| &mut c.tls_key,
        doc: "That certificate's private key, as PEM, not encrypted.",
        ..ROW
    },
    Setting {
        name: "tls_sasl",
        value: "plain|external|oauth2",
        field: |c| &mut c.tls_sasl,
        doc: "How to log in: by name and password, by the certificate, or by an OAuth2 token in \
              place of the password.",
        ..ROW
    },
    Setting {
        name: "heartbeat_s",
        value: "SECONDS",
        field: |c| &mut c.heartbeat_s,
        doc: "How often either side shows that it is there; 0 is never.",
        ..ROW
    },
    Setting {
        name: "reconnect_min_ms",
        value: "MS",
        field: |c| &mut c.reconnect_min_ms,
        doc: "The pause before a lost broker is tried again; it doubles each time.",
        ..ROW
    },
    Setting {
        name: "reconnect_max_ms",
        value: "MS",
        field: |c| &mut c.reconnect_max_ms,
        doc: "The longest pause. Tries never end.",
        ..ROW
    },
    Setting {
        name: "reconnect_jitter",
        value: "PART",
        field: |c| &mut c.reconnect_jitter,
        doc: "The part of each pause that is left to chance, from 0 to 1.",
        ..ROW
    },
];
