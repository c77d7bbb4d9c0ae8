//! Whether a trigger works, in sentences: what is wrong, and what to do.

use service::http::Reason;
use service::http::figures::{counted, name};
use service::time::relative;

use super::{Seen, Silence};
use crate::desk::{Condition, Status};

/// Why the process does not work as a whole.
pub(super) fn broken(seen: &Seen) -> Option<Reason> {
    let silence = seen.status.as_ref().err()?;
    Some(reason(seen, silence.word()))
}

/// Why a trigger cannot be given messages. One that starts nothing for a while, because a person or
/// its endpoint wishes so, is where it should be.
pub(super) fn unready(seen: &Seen) -> Option<Reason> {
    let word = seen.word();
    let ready = match &seen.status {
        Err(_) => false,
        Ok(status) => match status.condition {
            Condition::Draining | Condition::Disconnected(_) | Condition::NoQueue(_) => false,
            Condition::Paused(_)
            | Condition::BreakerOpen(_)
            | Condition::BreakerHalfOpen
            | Condition::RetryAfter(_)
            | Condition::Running => true,
        },
    };
    (!ready).then(|| reason(seen, word))
}

fn reason(seen: &Seen, word: &'static str) -> Reason {
    Reason { name: word, detail: format!("the trigger {}: {}", seen.name, sentence(seen)) }
}

/// What a trigger is doing.
pub(super) fn sentence(seen: &Seen) -> String {
    match &seen.status {
        Err(silence @ Silence::Ended) => format!("{silence}, an error in the program: restart it"),
        Err(silence) => silence.to_string(),
        Ok(status) => condition(status),
    }
}

fn condition(status: &Status) -> String {
    let queue = name(status.queue.as_bytes());
    match &status.condition {
        Condition::Draining => {
            format!("it stops after {}", counted(status.in_flight, "unfinished run"))
        }
        Condition::Disconnected(why) => format!(
            "it is not connected to {}: {why}; it is tried again and again: check that the broker \
             runs, and the trigger's host, account and virtual host",
            status.broker
        ),
        Condition::NoQueue(why) => format!(
            "{why}; declare it, or correct the configuration: the trigger declares nothing, and \
             starts by itself when the queue can be read"
        ),
        Condition::Paused(why) => {
            format!("it is paused ({why}) and leaves messages to others until it is resumed")
        }
        Condition::BreakerOpen(until) => format!(
            "it has failed too often in a row and tries again {}: the last failures say why",
            relative(*until, status.now_ms)
        ),
        Condition::BreakerHalfOpen => {
            "it has failed too often in a row and tries one run at a time".into()
        }
        Condition::RetryAfter(until) => format!(
            "its endpoint has asked it to wait; it goes on {}",
            relative(*until, status.now_ms)
        ),
        Condition::Running => format!(
            "it reads the queue {queue}; {} of {}",
            counted(status.in_flight, "run"),
            counted(status.consumers.into(), "consumer")
        ),
    }
}
