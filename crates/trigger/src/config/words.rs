//! Settings that are one of a few words.

use service::config::Word;

/// How much runs at the same time, by the sizes of Digibee's pipelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PipelineSize {
    /// 10 runs.
    Small,
    /// 20 runs.
    Medium,
    /// 40 runs.
    Large,
}

impl Word for PipelineSize {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("small", PipelineSize::Small),
        ("medium", PipelineSize::Medium),
        ("large", PipelineSize::Large),
    ];
}

impl PipelineSize {
    /// How many runs that is.
    pub fn consumers(self) -> u16 {
        match self {
            PipelineSize::Small => 10,
            PipelineSize::Medium => 20,
            PipelineSize::Large => 40,
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

impl Word for OnExpire {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("auto", OnExpire::Auto),
        ("requeue", OnExpire::Requeue),
        ("dead-letter", OnExpire::DeadLetter),
        ("drop", OnExpire::Drop),
    ];
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

impl Word for RetryMode {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("hold", RetryMode::Hold),
        ("requeue", RetryMode::Requeue),
        ("delay-queue", RetryMode::DelayQueue),
    ];
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

impl Word for DeadLetterMode {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("broker", DeadLetterMode::Broker),
        ("publish", DeadLetterMode::Publish),
        ("discard", DeadLetterMode::Discard),
    ];
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

impl Word for Profile {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("digibee", Profile::Digibee),
        ("raw", Profile::Raw),
        ("typed", Profile::Typed),
        ("cloudevents-binary", Profile::CloudeventsBinary),
        ("cloudevents-structured", Profile::CloudeventsStructured),
        ("lambda", Profile::Lambda),
    ];
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

impl Word for HeaderStyle {
    const WORDS: &'static [(&'static str, Self)] =
        &[("plain", HeaderStyle::Plain), ("typed", HeaderStyle::Typed)];
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

impl Word for Int64 {
    const WORDS: &'static [(&'static str, Self)] =
        &[("number", Int64::Number), ("string", Int64::String)];
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

impl Word for OnInvalidText {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("base64", OnInvalidText::Base64),
        ("replace", OnInvalidText::Replace),
        ("dead-letter", OnInvalidText::DeadLetter),
    ];
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

impl Word for TimestampUnit {
    const WORDS: &'static [(&'static str, Self)] =
        &[("s", TimestampUnit::Seconds), ("ms", TimestampUnit::Milliseconds)];
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

impl Word for TlsMode {
    const WORDS: &'static [(&'static str, Self)] =
        &[("off", TlsMode::Off), ("on", TlsMode::On), ("mutual", TlsMode::Mutual)];
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

impl Word for Sasl {
    const WORDS: &'static [(&'static str, Self)] =
        &[("plain", Sasl::Plain), ("external", Sasl::External), ("oauth2", Sasl::Oauth2)];
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

impl Word for Stdin {
    const WORDS: &'static [(&'static str, Self)] =
        &[("envelope", Stdin::Envelope), ("body", Stdin::Body)];
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

impl Word for ExitMeaning {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("ok", ExitMeaning::Ok),
        ("retry", ExitMeaning::Retry),
        ("dead-letter", ExitMeaning::Dead),
        ("requeue", ExitMeaning::Requeue),
        ("drop", ExitMeaning::Drop),
    ];
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

impl Word for ExitPreset {
    const WORDS: &'static [(&'static str, Self)] =
        &[("sysexits", ExitPreset::Sysexits), ("corvus", ExitPreset::Corvus)];
}
