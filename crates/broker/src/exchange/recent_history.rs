//! The `x-recent-history` exchange: as a fanout one, and whoever is bound later gets the last messages first.
//!
//! How many is the argument `x-recent-history-length`, 20 by default; a message with the header
//! `x-recent-history-no-store` set to true is not among them. What is remembered is the business of [`crate::history`].

use amqp::value::{Table, Value};

use crate::Message;
use crate::erlang::{Shown, Term};

/// The argument with the number of messages.
pub const LENGTH: &str = "x-recent-history-length";
/// The header of messages that are not remembered.
const NO_STORE: &str = "x-recent-history-no-store";
/// Messages that are remembered when nobody says how many.
const LENGTH_DEFAULT: usize = 20;

/// Why an exchange cannot be declared with these arguments, in the plugin's text.
pub fn check_arguments(arguments: &Table) -> Result<(), String> {
    match arguments.get(LENGTH) {
        None => Ok(()),
        Some(value) if value.as_i64().is_some_and(|length| length > 0) => Ok(()),
        Some(value) => Err(format!(
            "Invalid argument {}, '{LENGTH}' must be a positive integer",
            Term(value, Shown::Field)
        )),
    }
}

/// How many messages are remembered.
pub fn length(arguments: &Table) -> usize {
    let length = arguments.get(LENGTH).and_then(Value::as_i64);
    length.map_or(LENGTH_DEFAULT, |length| usize::try_from(length).unwrap_or(LENGTH_DEFAULT))
}

/// Whether the message is one to remember.
pub(crate) fn is_kept(message: &Message<'_>) -> bool {
    let headers = message.properties.headers();
    let no_store = headers.and_then(|headers| headers.get(NO_STORE).ok().flatten());
    no_store != Some(Value::Bool(true))
}
