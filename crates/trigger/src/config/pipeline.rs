//! What runs for a message: an HTTP endpoint or a command.

use std::path::PathBuf;

use service::config::Size;

use super::value::{ExitCodes, Headers, Secret, Texts};
use super::words::{ExitPreset, Stdin};

/// `[trigger.NAME.http]`: rows `http_…`.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpConfig {
    /// `http://` or `https://`; empty when the pipeline is a command.
    pub url: String,
    /// Default: POST.
    pub method: String,
    /// Default: 5000.
    pub connect_timeout_ms: u64,
    /// `Name: value`; sent with every request. Default: none.
    pub static_headers: Headers,
    /// Message headers that are passed on as HTTP headers. Default: none.
    pub pass_headers: Vec<String>,
    /// Must be false: redirects are never followed.
    pub follow_redirects: bool,
    /// Bytes of a response that are read; a longer one is cut off. Default: 1 MiB.
    pub max_response_bytes: Size,
    /// Whether `{"status":"RETRY"}` and `{"error":…,"code":…}` in a response mean something.
    /// Default: true.
    pub read_response: bool,
    /// Default: none.
    pub auth_basic_username: String,
    /// Default: none.
    pub auth_basic_password: Secret,
    /// Default: none.
    pub auth_bearer: Secret,
    /// Default: none.
    pub auth_oauth2_token_url: String,
    /// Default: none.
    pub auth_oauth2_client_id: String,
    /// Default: none.
    pub auth_oauth2_client_secret: Secret,
    /// Default: empty.
    pub auth_oauth2_scope: String,
    /// Default: the system's authorities.
    pub tls_ca: Option<PathBuf>,
    /// Default: not set.
    pub tls_cert: Option<PathBuf>,
    /// Default: not set.
    pub tls_key: Option<PathBuf>,
    /// `whsec_…` (HMAC-SHA256) or `whsk_…` (ed25519), one a line while keys change. Default: none.
    pub sign_standard_webhooks: Secret,
    /// `link-local`, `metadata`, `loopback`, `private`, or networks such as `10.0.0.0/8`.
    /// Default: link-local, metadata.
    pub net_deny: Vec<String>,
    /// Whether addresses of private networks and loopback may be used. Default: true.
    pub net_allow_private: bool,
    /// Whether connections go only to addresses that were checked. Default: true.
    pub net_pin_dns: bool,
}

/// `[trigger.NAME.command]`: rows `command_…`.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandConfig {
    /// The program and its arguments; empty when the pipeline is HTTP.
    pub argv: Texts,
    /// Default: envelope.
    pub stdin: Stdin,
    /// Default: sysexits.
    pub exit_preset: ExitPreset,
    /// Codes whose meaning differs from the preset's. Default: none.
    pub exit_codes: ExitCodes,
    /// Bytes of standard output that are kept as the reply. Default: 1 MiB.
    pub max_output_bytes: Size,
    /// How long after SIGTERM a process group gets SIGKILL. Default: 5000.
    pub kill_after_ms: u64,
    /// Where it runs. Default: the trigger's own directory.
    pub directory: Option<PathBuf>,
    /// `NAME=value`, or `NAME` for one of the trigger's own variables; it gets no others but PATH,
    /// HOME, LANG and TZ. Default: none.
    pub environment: Texts,
}

impl Default for HttpConfig {
    fn default() -> HttpConfig {
        HttpConfig {
            url: String::new(),
            method: "POST".into(),
            connect_timeout_ms: 5000,
            static_headers: Headers::default(),
            pass_headers: Vec::new(),
            follow_redirects: false,
            max_response_bytes: Size(1 << 20),
            read_response: true,
            auth_basic_username: String::new(),
            auth_basic_password: Secret::None,
            auth_bearer: Secret::None,
            auth_oauth2_token_url: String::new(),
            auth_oauth2_client_id: String::new(),
            auth_oauth2_client_secret: Secret::None,
            auth_oauth2_scope: String::new(),
            tls_ca: None,
            tls_cert: None,
            tls_key: None,
            sign_standard_webhooks: Secret::None,
            net_deny: vec!["link-local".into(), "metadata".into()],
            net_allow_private: true,
            net_pin_dns: true,
        }
    }
}

impl Default for CommandConfig {
    fn default() -> CommandConfig {
        CommandConfig {
            argv: Texts::default(),
            stdin: Stdin::Envelope,
            exit_preset: ExitPreset::Sysexits,
            exit_codes: ExitCodes::default(),
            max_output_bytes: Size(1 << 20),
            kill_after_ms: 5000,
            directory: None,
            environment: Texts::default(),
        }
    }
}
