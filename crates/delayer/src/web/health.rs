//! Whether a delayer works, in sentences: what is wrong, and what to do.

use service::http::Reason;
use service::http::figures::{counted, name};
use service::time::{relative, span};

use crate::desk::Status;

/// Being late by more than this is worth a word: what is due waits longer than a burst explains.
const LATE_MS: u64 = 60_000;

/// What is wrong. A delayer without a reason does its work.
pub(super) fn reasons(status: &Status) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if status.connected.is_none() {
        let last = status.last_error.as_ref().map(|(_, error)| error);
        let why = status.blocked.as_ref().or(last).map_or("connecting", String::as_str);
        let detail = format!(
            "not connected to the broker: {why}; it is tried again and again, and what is stored \
             is safe: check that the broker runs, and rabbitmq-address, rabbitmq-queue and \
             rabbitmq-exchange"
        );
        reasons.push(Reason { name: "not_connected", detail });
    }
    if let Some(full) = &status.full {
        let detail = format!(
            "the storage is full: {full}; new messages wait in the queue {}, due ones are still \
             published and make room: free the disk or raise storage-mapsize",
            name(status.queue.as_bytes())
        );
        reasons.push(Reason { name: "storage_full", detail });
    }
    if let Some(blocked) = status.blocked.as_ref().filter(|_| status.connected.is_some()) {
        let detail = format!(
            "nothing can be published: {blocked}; due messages stay stored and are published when \
             the broker takes them again"
        );
        reasons.push(Reason { name: "blocked", detail });
    }
    reasons
}

/// The state in one sentence, wrong or not.
pub(super) fn sentence(status: &Status) -> String {
    let reasons = reasons(status);
    if !reasons.is_empty() {
        let details: Vec<String> = reasons.into_iter().map(|reason| reason.detail).collect();
        return format!("Does not work: {}.", details.join("; and "));
    }
    let held = counted(status.totals.held, "message");
    let queue = name(status.queue.as_bytes());
    let what = match status.mode {
        "delay" => format!("reads the queue {queue} and only stores: it holds {held}"),
        "revive" => format!("only publishes what is due, and stores nothing new: it holds {held}"),
        _ => format!("reads the queue {queue} and holds {held}"),
    };
    let late_ms = late_ms(status);
    match status.totals.next_due_ms {
        Some(_) if status.mode == "delay" => format!("Works: {what}."),
        Some(_) if late_ms > LATE_MS => format!(
            "Works, but is {} late: {what}; when it does not catch up, raise rabbitmq-throttle.",
            span(late_ms)
        ),
        Some(next) => format!("Works: {what}, the next is due {}.", relative(next, status.now_ms)),
        None => format!("Works: {what}."),
    }
}

/// How long the message that is due first has been due.
pub(super) fn late_ms(status: &Status) -> u64 {
    status.totals.next_due_ms.map_or(0, |next| status.now_ms.saturating_sub(next))
}
