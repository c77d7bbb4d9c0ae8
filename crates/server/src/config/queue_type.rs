//! The type of queues that are declared without one.

use broker::queue::args::QueueKind;
use service::config::Word;

/// What a declare without `x-queue-type` makes, where its virtual host says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueType(
    /// As the broker knows it.
    pub QueueKind,
);

impl Word for QueueType {
    const WORDS: &'static [(&'static str, Self)] =
        &[("classic", QueueType(QueueKind::Classic)), ("quorum", QueueType(QueueKind::Quorum))];
}
