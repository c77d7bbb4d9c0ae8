//! What one trigger is told.

use service::config::{Settings, Size};

use super::check;
use super::pipeline::{CommandConfig, HttpConfig};
use super::spelling;
use super::table::TABLE;
use super::value::KeySource;
use super::words::{
    DeadLetterMode, HeaderStyle, Int64, OnExpire, OnInvalidText, PipelineSize, Profile, RetryMode,
    TimestampUnit,
};

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
    /// Runs at the same time; once the configuration is loaded, those of `size` if that is set.
    /// Default: 10.
    pub consumers: u16,
    /// The same by a word. Default: not set.
    pub size: Option<PipelineSize>,
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

impl Default for TriggerConfig {
    fn default() -> TriggerConfig {
        TriggerConfig {
            broker: String::new(),
            account: String::new(),
            hostname: String::new(),
            port: None,
            virtual_host: None,
            queue: String::new(),
            auto_acknowledge: false,
            wire_no_ack: false,
            binary_message: false,
            consumers: 10,
            size: None,
            prefetch: 0,
            maximum_timeout_ms: 300_000,
            expiration_ms: 600_000,
            on_expire: OnExpire::Auto,
            allow_redelivery: false,
            refuse_redelivered: true,
            redelivery_max_attempts: 5,
            redelivery_mode: RetryMode::Hold,
            redelivery_backoff_ms: vec![1000, 5000, 30_000],
            redelivery_jitter: 0.2,
            redelivery_queue: "{queue}.retry.{ms}".into(),
            redelivery_declare: false,
            dead_letter_mode: DeadLetterMode::Broker,
            dead_letter_exchange: String::new(),
            dead_letter_routing_key: String::new(),
            max_message_bytes: Size(5 << 20),
            profile: Profile::Digibee,
            headers: HeaderStyle::Plain,
            int64: Int64::Number,
            omit_missing: false,
            timestamp_unit: TimestampUnit::Seconds,
            on_invalid_text: OnInvalidText::Base64,
            decompress: false,
            cloudevents_type: "leveret.amqp.message".into(),
            lambda_arn: String::new(),
            ordering_key: None,
            rate_limit_per_s: 0.0,
            rate_limit_burst: 0,
            breaker_failures: 20,
            breaker_open_ms: 30_000,
            idempotency_key: None,
            idempotency_ttl_s: 3600,
            reply_enabled: false,
            drain_timeout_ms: 60_000,
            http: HttpConfig::default(),
            command: CommandConfig::default(),
        }
    }
}

/// The settings of `[trigger.NAME]`.
pub const TRIGGER: Settings<TriggerConfig> = Settings {
    command: "leveret trigger",
    spelling: &spelling::TRIGGER,
    table: TABLE,
    check: check::trigger,
};
