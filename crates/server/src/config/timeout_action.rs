//! What a consumer timeout does.

use service::config::Word;

/// What happens to a consumer that does not settle a delivery in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TimeoutAction {
    /// It is cancelled, if its client understands that, and what it had goes back, as with RabbitMQ 4.3.
    #[default]
    Cancel,
    /// Its channel is closed, as with RabbitMQ before 4.3.
    Close,
}

impl Word for TimeoutAction {
    const WORDS: &'static [(&'static str, Self)] =
        &[("cancel", TimeoutAction::Cancel), ("close", TimeoutAction::Close)];
}
