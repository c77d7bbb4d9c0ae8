//! The types of the delayer's own options, and how each reads and prints itself.

use std::time::Duration;

use service::config::{Scalar, quoted, word};

/// What the delayer does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Stores messages, and publishes them when they are due.
    #[default]
    Both,
    /// Stores messages and publishes none of them; those without a delay are forwarded.
    Delay,
    /// Publishes stored messages when they are due, and takes no new ones.
    Revive,
}

/// What happens to stored messages when the delayer stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnShutdown {
    /// They stay stored.
    #[default]
    Keep,
    /// They are published back to the queue that they were read from.
    Return,
    /// They are published as if they were due.
    Forward,
}

/// Whether a message's `reply-to` says where it is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UseReplyTo {
    /// It does not.
    #[default]
    False,
    /// It is the exchange.
    True,
    /// It is `exchange:routingkey`; without a colon, the exchange.
    Split,
}

/// Where a message says when it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DueSource {
    /// The property `timestamp`.
    Timestamp,
    /// The header `x-delay`: milliseconds from its arrival.
    XDelay,
    /// The header `x-deliver-at`: a time.
    XDeliverAt,
}

/// What the property `timestamp` counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampUnit {
    /// Seconds, as AMQP says.
    #[default]
    Seconds,
    /// Milliseconds, as some clients have it.
    Milliseconds,
    /// Milliseconds when the number is too large for seconds.
    Auto,
}

/// How messages are kept in a directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StorageEngine {
    /// Bodies in segments of a log, the index in LMDB.
    #[default]
    Log,
    /// A data file and an index file of LMDB.
    Lmdb,
}

impl Mode {
    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Both => "both",
            Mode::Delay => "delay",
            Mode::Revive => "revive",
        }
    }
}

impl Scalar for Mode {
    fn parse(text: &str) -> Result<Self, String> {
        let long = [("delay-only", Mode::Delay), ("revive-only", Mode::Revive)];
        if let Ok(mode) = word(text, &long) {
            return Ok(mode);
        }
        word(text, &[Mode::Both, Mode::Delay, Mode::Revive].map(|mode| (mode.name(), mode)))
    }

    fn toml(&self) -> String {
        quoted(self.name())
    }
}

impl OnShutdown {
    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            OnShutdown::Keep => "keep",
            OnShutdown::Return => "return",
            OnShutdown::Forward => "forward",
        }
    }
}

impl Scalar for OnShutdown {
    fn parse(text: &str) -> Result<Self, String> {
        let all = [OnShutdown::Keep, OnShutdown::Return, OnShutdown::Forward];
        word(text, &all.map(|one| (one.name(), one)))
    }

    fn toml(&self) -> String {
        quoted(self.name())
    }
}

impl Scalar for UseReplyTo {
    fn parse(text: &str) -> Result<Self, String> {
        let bare = [
            ("0", UseReplyTo::False),
            ("no", UseReplyTo::False),
            ("off", UseReplyTo::False),
            ("1", UseReplyTo::True),
            ("yes", UseReplyTo::True),
            ("on", UseReplyTo::True),
        ];
        if let Ok(value) = word(text, &bare) {
            return Ok(value);
        }
        let words = [
            ("false", UseReplyTo::False),
            ("true", UseReplyTo::True),
            ("split", UseReplyTo::Split),
        ];
        word(text, &words)
    }

    fn toml(&self) -> String {
        match self {
            UseReplyTo::False => "false".into(),
            UseReplyTo::True => "true".into(),
            UseReplyTo::Split => "\"split\"".into(),
        }
    }
}

impl DueSource {
    const WORDS: [(&'static str, DueSource); 3] = [
        ("timestamp", DueSource::Timestamp),
        ("x-delay", DueSource::XDelay),
        ("x-deliver-at", DueSource::XDeliverAt),
    ];
}

impl Scalar for DueSource {
    fn parse(text: &str) -> Result<Self, String> {
        word(text, &Self::WORDS)
    }

    fn toml(&self) -> String {
        let named = Self::WORDS.iter().find(|(_, source)| source == self);
        quoted(named.expect("every source has a word").0)
    }
}

impl Scalar for TimestampUnit {
    fn parse(text: &str) -> Result<Self, String> {
        let words = [
            ("seconds", TimestampUnit::Seconds),
            ("milliseconds", TimestampUnit::Milliseconds),
            ("auto", TimestampUnit::Auto),
        ];
        word(text, &words)
    }

    fn toml(&self) -> String {
        quoted(match self {
            TimestampUnit::Seconds => "seconds",
            TimestampUnit::Milliseconds => "milliseconds",
            TimestampUnit::Auto => "auto",
        })
    }
}

impl Scalar for StorageEngine {
    fn parse(text: &str) -> Result<Self, String> {
        word(text, &[("log", StorageEngine::Log), ("lmdb", StorageEngine::Lmdb)])
    }

    fn toml(&self) -> String {
        quoted(match self {
            StorageEngine::Log => "log",
            StorageEngine::Lmdb => "lmdb",
        })
    }
}

/// A span of time: a number of seconds, as AmqpDelayer has it, or one with a unit (`250ms`, `2h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(
    /// The span, in whole milliseconds.
    pub Duration,
);

/// Longer spans than 10,000 years are a slip.
const SECONDS_MAX: f64 = 315_360_000_000.0;

impl Scalar for Seconds {
    fn parse(text: &str) -> Result<Self, String> {
        let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let seconds = text.parse::<f64>().ok().filter(|s| plain && *s <= SECONDS_MAX);
        if let Some(seconds) = seconds {
            return Ok(Seconds(Duration::from_millis((seconds * 1000.0).round() as u64)));
        }
        let limit = Duration::from_secs(SECONDS_MAX as u64);
        let spelled = Duration::parse(text).ok().filter(|span| *span <= limit);
        spelled.map(Seconds).ok_or_else(|| {
            format!(
                "expected a number of seconds, or one with a unit such as \"250ms\" or \"2h\", \
                 got {}",
                quoted(text)
            )
        })
    }

    fn toml(&self) -> String {
        Scalar::toml(&self.0)
    }
}

/// Where the web server listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WwwPort {
    /// There is none.
    #[default]
    Off,
    /// A port that the system chooses; it is told on stdout.
    Auto,
    /// This one, never 0.
    Port(u16),
}

impl Scalar for WwwPort {
    fn parse(text: &str) -> Result<Self, String> {
        match (text, text.parse::<u16>()) {
            ("auto", _) => Ok(WwwPort::Auto),
            (_, Ok(0)) => Ok(WwwPort::Off),
            (_, Ok(port)) => Ok(WwwPort::Port(port)),
            _ => Err(format!(
                "expected a port from 1 to 65535, 0 for none or auto for a free one, got {}",
                quoted(text)
            )),
        }
    }

    fn toml(&self) -> String {
        match self {
            WwwPort::Off => "0".into(),
            WwwPort::Auto => "\"auto\"".into(),
            WwwPort::Port(port) => port.to_string(),
        }
    }
}
