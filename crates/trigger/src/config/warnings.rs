//! What works and may still not be meant, to be told at the start.

use super::sections::{Named, Sections};
use super::{DeadLetterMode, Profile, RetryMode, TriggerConfig};

/// Digibee allows no longer runs.
const TIMEOUT_MS_LONG: u64 = 900_000;

/// RabbitMQ's default `consumer_timeout`: how long a message may stay unacknowledged.
const CONSUMER_TIMEOUT_MS: u64 = 1_800_000;

/// Settings that mean something only where redelivery is allowed.
const REDELIVERY: [&str; 4] =
    ["redelivery_max_attempts", "redelivery_mode", "redelivery_backoff_ms", "redelivery_jitter"];

/// The warnings about one trigger, a sentence each, which names it.
pub(super) fn of(sections: &Sections, named: &Named<TriggerConfig>) -> Vec<String> {
    let c = &named.loaded.config;
    let unacked_ms = unacked_ms(c);
    let names_no_broker = c.broker.is_empty() && c.hostname.is_empty();
    let has_main = sections.brokers.iter().any(|broker| broker.section.name == "main");
    let lambda_or_events = matches!(
        c.profile,
        Profile::Lambda
            | Profile::CloudeventsBinary
            | Profile::CloudeventsStructured
            | Profile::Raw
    );
    let rules = [
        (
            c.maximum_timeout_ms > TIMEOUT_MS_LONG,
            format!("maximum_timeout_ms is over {TIMEOUT_MS_LONG}, a quarter of an hour"),
        ),
        (
            !c.auto_acknowledge && unacked_ms > CONSUMER_TIMEOUT_MS,
            format!(
                "a message may stay unacknowledged for {} minutes, waiting, runs and pauses \
                 together; RabbitMQ takes it back after 30 unless its consumer_timeout is longer",
                unacked_ms / 60_000
            ),
        ),
        (
            names_no_broker && !has_main && !sections.brokers.is_empty(),
            "it names no broker, so it reads from the one beside it or on this machine, although \
             there are sections [broker.NAME]"
                .into(),
        ),
        (
            !c.allow_redelivery && REDELIVERY.into_iter().any(|name| named.is_given(name)),
            "redelivery means nothing without allow_redelivery = true".into(),
        ),
        (
            c.ordering_key.is_some() && c.allow_redelivery && c.redelivery_mode != RetryMode::Hold,
            "messages that fail lose their place among those of the same ordering_key unless \
             redelivery_mode is hold"
                .into(),
        ),
        (
            c.auto_acknowledge && c.dead_letter_mode == DeadLetterMode::Broker,
            "with auto_acknowledge a message that fails for good is only counted, unless \
             dead_letter_mode is publish"
                .into(),
        ),
        (
            lambda_or_events && named.is_given("headers"),
            "headers means nothing to this profile".into(),
        ),
        (
            named.loaded.config.http.url.is_empty() && any_given(named, "http_"),
            "settings of the HTTP pipeline mean nothing to a command".into(),
        ),
        (
            c.command.argv.is_empty() && any_given(named, "command_"),
            "settings of the command pipeline mean nothing to an HTTP endpoint".into(),
        ),
        (
            c.http.url.starts_with("http://") && sends_secret(c),
            "the endpoint is told a secret without TLS: use https://".into(),
        ),
    ];
    let applying = rules.into_iter().filter(|(applies, _)| *applies);
    applying.map(|(_, text)| format!("[trigger.{}] {text}", named.section.name)).collect()
}

/// How long one delivery may stay unacknowledged.
/// The longest that a message may stay unacknowledged, if that is longer than brokers allow.
pub(crate) fn consumer_timeout_ms(c: &TriggerConfig) -> Option<u64> {
    Some(unacked_ms(c)).filter(|ms| *ms > CONSUMER_TIMEOUT_MS)
}

fn unacked_ms(c: &TriggerConfig) -> u64 {
    let again = if c.allow_redelivery { c.redelivery_max_attempts - 1 } else { 0 };
    let listed = c.redelivery_backoff_ms.iter().take(again as usize);
    let last = c.redelivery_backoff_ms.last().copied().unwrap_or_default();
    let beyond = u64::from(again) - listed.len() as u64;
    let (runs, paused_ms) = match c.redelivery_mode {
        RetryMode::Hold => {
            let listed_ms = listed.fold(0_u64, |sum, ms| sum.saturating_add(*ms));
            (u64::from(again) + 1, listed_ms.saturating_add(beyond.saturating_mul(last)))
        }
        RetryMode::Requeue => (1, listed.copied().max().unwrap_or(0)),
        RetryMode::DelayQueue => (1, 0),
    };
    runs.saturating_mul(c.maximum_timeout_ms)
        .saturating_add(paused_ms)
        .saturating_add(c.expiration_ms)
}

fn any_given(named: &Named<TriggerConfig>, prefix: &str) -> bool {
    let rows = super::TRIGGER.table.iter().filter(|row| row.name.starts_with(prefix));
    rows.into_iter().any(|row| named.is_given(row.name))
}

fn sends_secret(c: &TriggerConfig) -> bool {
    !c.http.auth_basic_username.is_empty() || c.http.auth_bearer != super::Secret::None
}
