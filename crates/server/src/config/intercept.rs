//! The settings of the broker's message interceptors.

use broker::interceptor::Existing;
use service::config::Word;

/// Whether a message gets something as it is published, and what becomes of a value that the publisher has set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Intercept {
    /// Nothing is set.
    #[default]
    Off,
    /// It is set where the publisher has not. RabbitMQ's `overwrite = false`.
    Keep,
    /// It is set in every message. RabbitMQ's `overwrite = true`.
    Overwrite,
}

impl Intercept {
    /// The same for the broker.
    pub fn existing(self) -> Option<Existing> {
        match self {
            Intercept::Off => None,
            Intercept::Keep => Some(Existing::Keep),
            Intercept::Overwrite => Some(Existing::Overwrite),
        }
    }
}

impl Word for Intercept {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("off", Intercept::Off),
        ("keep", Intercept::Keep),
        ("overwrite", Intercept::Overwrite),
        ("false", Intercept::Keep),
        ("true", Intercept::Overwrite),
    ];
}
