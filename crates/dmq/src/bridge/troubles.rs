//! What the bridge logs: of each kind of trouble once a second at most, and the same words once a
//! minute.

use std::collections::HashMap;
use std::time::Duration;

use client::error::Error;
use tokio::time::Instant;

/// The same words are logged again after this time.
const REPEAT: Duration = Duration::from_secs(60);
/// Other words about the same kind of trouble are logged again after this time.
const DISTINCT: Duration = Duration::from_secs(1);

/// When each kind of trouble was logged last, and how.
#[derive(Debug, Default)]
pub(super) struct Troubles(HashMap<&'static str, (Instant, String)>);

impl Troubles {
    /// Logs trouble.
    pub(super) fn note(&mut self, kind: &'static str, what: &str) {
        let repeated = self
            .0
            .get(kind)
            .is_some_and(|(at, text)| at.elapsed() < if text == what { REPEAT } else { DISTINCT });
        if !repeated {
            tracing::warn!("bridge: {what}");
            self.0.insert(kind, (Instant::now(), what.to_owned()));
        }
    }

    /// It is over: the next is logged at once.
    pub(super) fn over(&mut self, kind: &'static str) {
        self.0.remove(kind);
    }
}

/// The error, and what to do about it.
pub(super) fn explained(error: &Error) -> String {
    let code = match error {
        Error::Channel(closed) => closed.code,
        _ => 0,
    };
    let advice = match code {
        403 => {
            "; give the user permission to declare exchange and queue (configure), or declare them \
             yourself; it needs read and write for both"
        }
        404 => "; declare it, or give the user permission to (configure)",
        406 => {
            "; there is one of this name that differs: delete it, or name another (bridge_exchange, \
             bridge_queue)"
        }
        _ => "",
    };
    format!("{error}{advice}")
}
