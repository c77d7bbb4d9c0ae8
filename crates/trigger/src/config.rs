//! What triggers are told: one documented field and one row of a table each. File keys, variables,
//! help and docs/trigger-options.md derive from the row.

use std::path::PathBuf;

use service::config::Size;

/// Where a secret comes from. `Debug` shows no secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Secret {
    /// There is none.
    #[default]
    None,
    /// Written into the configuration itself.
    Inline(String),
    /// The first line of a file, read again when the file changes.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Secret::None => f.write_str("None"),
            Secret::Inline(_) => f.write_str("Inline(***)"),
            Secret::File(path) => write!(f, "File({})", path.display()),
            Secret::Environment(name) => write!(f, "Environment({name})"),
        }
    }
}

/// What happens to a message that waited too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnExpire {
    /// Requeue where redelivery is allowed, else dead-letter.
    #[default]
    Auto,
    /// Back to the queue.
    Requeue,
    /// As a failure for good.
    DeadLetter,
    /// Acknowledged and counted.
    Drop,
}

/// How a failed message is tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetryMode {
    /// It stays unacknowledged here, and runs again after the pause.
    #[default]
    Hold,
    /// After the pause it goes back to its queue.
    Requeue,
    /// It is published to a queue whose messages come back when their time is over.
    DelayQueue,
}

/// What happens to a message that failed for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeadLetterMode {
    /// It is rejected, so that the broker dead-letters it where its queue says so.
    #[default]
    Broker,
    /// It is published with the reason in headers, and then acknowledged.
    Publish,
    /// It is acknowledged and counted.
    Discard,
}

/// The form in which a pipeline is given a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Digibee's JSON.
    #[default]
    Digibee,
    /// The body as it is; the metadata in HTTP headers.
    Raw,
    /// Digibee's JSON with typed headers and everything that is known beside it.
    Typed,
    /// A CloudEvent with its attributes in HTTP headers.
    CloudeventsBinary,
    /// A CloudEvent as one JSON object.
    CloudeventsStructured,
    /// What AWS Lambda's event source mapping for RabbitMQ sends.
    Lambda,
}

/// How headers are shown as JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderStyle {
    /// As plain values.
    #[default]
    Plain,
    /// With the wire type of each value, so that nothing is lost.
    Typed,
}

/// How 64-bit integers are shown in plain headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Int64 {
    /// As numbers with all their digits.
    #[default]
    Number,
    /// As strings, for JavaScript.
    String,
}

/// What happens to text that is not in its character set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnInvalidText {
    /// It is shown as base64.
    #[default]
    Base64,
    /// What is invalid is replaced by U+FFFD.
    Replace,
    /// The message fails for good.
    DeadLetter,
}

/// What the property `timestamp` is shown in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampUnit {
    /// Seconds, as on the wire.
    #[default]
    Seconds,
    /// Milliseconds, as Java has it.
    Milliseconds,
}

/// A part of a message by which messages belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// The property `message-id`.
    MessageId,
    /// The property `correlation-id`.
    CorrelationId,
    /// The routing key.
    RoutingKey,
    /// A header: `headers.NAME`.
    Header(String),
}

/// `[account.NAME]`: who logs in, by name and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountConfig {
    /// Default: guest.
    pub username: String,
    /// Default: guest, for the name guest.
    pub password: Secret,
}

/// How connections to a broker are encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// Not at all.
    #[default]
    Off,
    /// The broker shows its certificate.
    On,
    /// Both do.
    Mutual,
}

/// How to log in to a broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sasl {
    /// By name and password.
    #[default]
    Plain,
    /// By the certificate of the connection.
    External,
    /// By an OAuth2 token, which stands in the place of the password (RabbitMQ's OAuth2 plugin).
    Oauth2,
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

/// `[trigger.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct TriggerConfig {
    /// The `[broker.NAME]` that it reads from. Default: `main` if there is such a section, else
    /// the broker beside it or on this machine.
    pub broker: String,
    /// The `[account.NAME]` to log in with, in the place of the broker's. Default: none.
    pub account: String,
    /// The broker's host, in the place of `broker`. Default: none.
    pub hostname: String,
    /// The broker's port, with `hostname`. Default: 5672.
    pub port: Option<u16>,
    /// The virtual host, in the place of the broker's. Default: none.
    pub virtual_host: Option<String>,
    /// The queue. Needed.
    pub queue: String,
    /// Default: false.
    pub auto_acknowledge: bool,
    /// With `auto_acknowledge`: the broker counts a message as delivered when it has sent it.
    /// Default: false.
    pub wire_no_ack: bool,
    /// Default: false.
    pub binary_message: bool,
    /// Runs at the same time. Default: 10.
    pub consumers: u16,
    /// Messages received and not settled; 0 is `consumers`. Default: 0.
    pub prefetch: u16,
    /// Default: 300,000.
    pub maximum_timeout_ms: u64,
    /// How long a message waits for its run at most; 0 is no limit. Default: 600,000.
    pub expiration_ms: u64,
    /// Default: auto.
    pub on_expire: OnExpire,
    /// Default: false.
    pub allow_redelivery: bool,
    /// Whether a redelivered message is refused where redelivery is not allowed. Default: true.
    pub refuse_redelivered: bool,
    /// Default: 5.
    pub redelivery_max_attempts: u32,
    /// Default: hold.
    pub redelivery_mode: RetryMode,
    /// The pause after each failure; the last one counts for all later ones.
    /// Default: 1000, 5000, 30000.
    pub redelivery_backoff_ms: Vec<u64>,
    /// Part of each pause that is left to chance, from 0 to 1. Default: 0.2.
    pub redelivery_jitter: f64,
    /// The delay queue of a pause; `{queue}` and `{ms}` stand for themselves.
    /// Default: `{queue}.retry.{ms}`.
    pub redelivery_queue: String,
    /// Whether delay queues are declared. Default: false.
    pub redelivery_declare: bool,
    /// Default: broker.
    pub dead_letter_mode: DeadLetterMode,
    /// Default: empty, the default exchange.
    pub dead_letter_exchange: String,
    /// Empty is the message's own. Default: empty.
    pub dead_letter_routing_key: String,
    /// Default: 5 MiB.
    pub max_message_bytes: Size,
    /// Default: digibee.
    pub profile: Profile,
    /// Default: plain.
    pub headers: HeaderStyle,
    /// Default: number.
    pub int64: Int64,
    /// Whether missing properties are left out instead of null. Default: false.
    pub omit_missing: bool,
    /// Default: seconds.
    pub timestamp_unit: TimestampUnit,
    /// Default: base64.
    pub on_invalid_text: OnInvalidText,
    /// Whether bodies whose content encoding is gzip, deflate or zstd are decompressed.
    /// Default: false.
    pub decompress: bool,
    /// The `type` of CloudEvents. Default: `leveret.amqp.message`.
    pub cloudevents_type: String,
    /// The `eventSourceArn` of the lambda profile. Default: made of the broker and the queue.
    pub lambda_arn: String,
    /// Messages with the same key run one after the other. Default: none.
    pub ordering_key: Option<KeySource>,
    /// Runs started per second; 0 is no limit. Default: 0.
    pub rate_limit_per_s: f64,
    /// Runs that may start at once after a pause; 0 is one second's. Default: 0.
    pub rate_limit_burst: u32,
    /// Failures in a row after which nothing is started; 0 is never. Default: 20.
    pub breaker_failures: u32,
    /// For how long. Default: 30,000.
    pub breaker_open_ms: u64,
    /// By which key a message is known to have succeeded. Default: none.
    pub idempotency_key: Option<KeySource>,
    /// For how long. Default: 3600.
    pub idempotency_ttl_s: u64,
    /// Whether the pipeline's answer is published to `reply-to`. Default: false.
    pub reply_enabled: bool,
    /// How long a stop waits for runs. Default: 60,000.
    pub drain_timeout_ms: u64,
    /// The HTTP pipeline.
    pub http: HttpConfig,
    /// The command pipeline.
    pub command: CommandConfig,
}

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
    pub static_headers: Vec<(String, String)>,
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

/// What a command reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stdin {
    /// The message in the trigger's profile.
    #[default]
    Envelope,
    /// The body as it is.
    Body,
}

/// What an exit code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitMeaning {
    /// It succeeded.
    Ok,
    /// It failed; trying again may help.
    Retry,
    /// It failed for good.
    Dead,
    /// Back to the queue.
    Requeue,
    /// Dropped: as good as done.
    Drop,
}

/// Whose exit codes a command has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExitPreset {
    /// 0 ok, 65 for good, 75 and all others to be tried again.
    #[default]
    Sysexits,
    /// RabbitMQ cli consumer's: 0 ok, 3 reject, 4 reject and requeue, 5 nack, 6 nack and requeue.
    Corvus,
}

/// `[trigger.NAME.command]`: rows `command_…`.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandConfig {
    /// The program and its arguments; empty when the pipeline is HTTP.
    pub argv: Vec<String>,
    /// Default: envelope.
    pub stdin: Stdin,
    /// Default: sysexits.
    pub exit_preset: ExitPreset,
    /// Codes whose meaning differs from the preset's. Default: none.
    pub exit_codes: Vec<(u8, ExitMeaning)>,
    /// Bytes of standard output that are kept as the reply. Default: 1 MiB.
    pub max_output_bytes: Size,
    /// How long after SIGTERM a process group gets SIGKILL. Default: 5000.
    pub kill_after_ms: u64,
    /// Where it runs. Default: the trigger's own directory.
    pub directory: Option<PathBuf>,
    /// `NAME=value`, or `NAME` for one of the trigger's own variables; it gets no others but PATH,
    /// HOME, LANG and TZ. Default: none.
    pub environment: Vec<String>,
}
