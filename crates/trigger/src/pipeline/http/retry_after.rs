//! `Retry-After` (RFC 9110, 10.2.3): when an endpoint wants to be asked again.

use std::time::{Duration, SystemTime};

/// An endpoint cannot stop a trigger for longer.
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(600);

/// The pause that a value asks for: seconds, or a date. None when it is neither, or over.
pub(crate) fn pause(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let asked = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // So many digits that they are no number are still a long time.
        value.parse().map_or(PAUSE_MAX, Duration::from_secs)
    } else {
        httpdate::parse_http_date(value).ok()?.duration_since(now).ok()?
    };
    Some(asked.min(PAUSE_MAX)).filter(|pause| !pause.is_zero())
}

#[cfg(test)]
mod tests;
