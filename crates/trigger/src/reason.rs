//! Why a message did not simply succeed: one table of words that logs, metrics, dead-letter headers
//! and the page share.

use std::fmt;

/// A reason, by the word that users see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The body is larger than `max_message_bytes`.
    TooLarge,
    /// It ran before, and `allow_redelivery` is false.
    RedeliveryDisallowed,
    /// It has run `redelivery.max_attempts` times.
    AttemptsExhausted,
    /// It waited longer than `expiration_ms`.
    Expired,
    /// Its headers cannot be shown as JSON: broken, too deep, or of an unknown type.
    BadHeaders,
    /// Its text is not in its character set, and `on_invalid_text` is `dead-letter`.
    InvalidText,
    /// It cannot be decompressed within the limits.
    BadEncoding,
    /// The run took longer than `maximum_timeout_ms`.
    Timeout,
    /// The endpoint could not be reached, or broke off.
    Transport,
    /// The network rules forbid the endpoint's address.
    Forbidden,
    /// The pipeline says that it failed, and that trying again may help.
    Failed,
    /// The pipeline says that it failed for good.
    Rejected,
    /// The command could not be started.
    NotStarted,
    /// The run was ended because the trigger had to stop.
    Aborted,
    /// It succeeded before, within the idempotency window.
    Duplicate,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 15] = [
        Reason::TooLarge,
        Reason::RedeliveryDisallowed,
        Reason::AttemptsExhausted,
        Reason::Expired,
        Reason::BadHeaders,
        Reason::InvalidText,
        Reason::BadEncoding,
        Reason::Timeout,
        Reason::Transport,
        Reason::Forbidden,
        Reason::Failed,
        Reason::Rejected,
        Reason::NotStarted,
        Reason::Aborted,
        Reason::Duplicate,
    ];

    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Reason::TooLarge => "too_large",
            Reason::RedeliveryDisallowed => "redelivery_disallowed",
            Reason::AttemptsExhausted => "attempts_exhausted",
            Reason::Expired => "expired",
            Reason::BadHeaders => "bad_headers",
            Reason::InvalidText => "invalid_text",
            Reason::BadEncoding => "bad_encoding",
            Reason::Timeout => "timeout",
            Reason::Transport => "transport",
            Reason::Forbidden => "forbidden_address",
            Reason::Failed => "failed",
            Reason::Rejected => "rejected",
            Reason::NotStarted => "not_started",
            Reason::Aborted => "aborted",
            Reason::Duplicate => "duplicate",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
